# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The catalogue and the code that uses it, held against each other by reading the code."""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._messages import LANGUAGES, MESSAGES, say

# Where the key stands among the arguments of a call.
KEY_AT = {"Problem": 0, "Refusal": 0, "Unended": 0, "say": 1}


def placeholders(text: str) -> set[str]:
    return {name for _literal, name, _format, _conversion in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("key", sorted(MESSAGES))
def test_a_message_is_there_in_both_languages_with_the_same_facts(key: str) -> None:
    texts = MESSAGES[key]
    assert len(texts) == len(LANGUAGES) == 2
    assert all(text.strip() for text in texts)
    assert placeholders(texts[0]) == placeholders(texts[1])
    assert all(name.isidentifier() for name in placeholders(texts[0]))


class Uses(ast.NodeVisitor):
    """Every key a file hands to Problem, Refusal or say, as far as it can be read there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.functions: list[ast.FunctionDef] = []
        self.keys: dict[str, list[ast.Call]] = {}
        self.prefixes: set[str] = set()
        self.visit(self.tree)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.functions.append(node)
        self.generic_visit(node)
        self.functions.pop()

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        name = getattr(node.func, "id", None)
        if name in KEY_AT and len(node.args) > KEY_AT[name]:
            for key in self.read(node.args[KEY_AT[name]]):
                self.keys.setdefault(key, []).append(node)

    def read(self, node: ast.expr) -> Iterator[str]:
        """Return the keys an expression may be."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.IfExp):
            yield from self.read(node.body)
            yield from self.read(node.orelse)
        elif isinstance(node, ast.Dict):
            for value in node.values:
                yield from self.read(value)
        elif isinstance(node, ast.Subscript):
            yield from self.read(node.value)
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "get":
            assert isinstance(node.func, ast.Attribute)
            yield from self.read(node.func.value)
            yield from (key for default in node.args[1:] for key in self.read(default))
        elif isinstance(node, ast.JoinedStr):
            self.begins(node.values[0])
        elif isinstance(node, ast.BinOp):
            self.begins(node.left)
        elif isinstance(node, ast.Name):
            yield from self.read_name(node.id)
        else:
            # The key of a problem that is passed on was read where the problem was made.
            assert isinstance(node, ast.Attribute) and node.attr == "key", self.unreadable(node)

    def begins(self, node: ast.expr) -> None:
        assert isinstance(node, ast.Constant) and node.value, self.unreadable(node)
        self.prefixes.add(node.value)

    def read_name(self, name: str) -> Iterator[str]:
        found = False
        for function in reversed(self.functions):
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and name in [getattr(target, "id", None) for target in node.targets]:
                    found = True
                    yield from self.read(node.value)
            arguments = [argument.arg for argument in function.args.args]
            if name in arguments:
                for call in ast.walk(self.tree):
                    if isinstance(call, ast.Call) and getattr(call.func, "id", None) == function.name:
                        found = True
                        yield from self.read(call.args[arguments.index(name)])
            if found:
                return
        raise AssertionError(f"{self.path.name}: nothing tells which key {name!r} is")

    def unreadable(self, node: ast.expr) -> str:
        return f"{self.path.name}:{node.lineno}: which key is this? {ast.unparse(node)}"


@pytest.fixture(scope="module")
def uses(root: Path) -> list[Uses]:
    return [Uses(path) for path in sorted((root / "plugins").rglob("*.py")) if path.name != "_messages.py"]


def test_every_key_that_is_used_is_in_the_catalogue(uses: list[Uses]) -> None:
    assert sum(len(use.keys) for use in uses) > 50, "the code was read"
    unknown = [f"{use.path.name}:{calls[0].lineno}: {key}" for use in uses for key, calls in use.keys.items()
               if key not in MESSAGES]
    assert not unknown


def test_no_key_of_the_catalogue_is_unused(uses: list[Uses]) -> None:
    used = {key for use in uses for key in use.keys}
    prefixes = tuple(prefix for use in uses for prefix in use.prefixes)
    assert sorted(key for key in MESSAGES if key not in used and not key.startswith(prefixes)) == []


def test_a_call_gives_every_fact_its_message_names(uses: list[Uses]) -> None:
    """A fact that is missing would be found out when the operator needs the message."""
    missing = []
    for use in uses:
        for key, calls in use.keys.items():
            for call in calls:
                given = {keyword.arg for keyword in call.keywords}
                lacking = placeholders(MESSAGES.get(key, ("", ""))[0]) - given
                if None not in given and lacking:  # with ** they cannot be read here
                    missing.append(f"{use.path.name}:{call.lineno}: {key} lacks {sorted(lacking)}")
    assert not missing


def test_no_fact_is_a_phrase_in_one_language(uses: list[Uses]) -> None:
    """Words of ours that fill a message would be English in a French one."""
    phrases = sorted({f"{use.path.name}:{keyword.value.lineno}: {keyword.arg}={keyword.value.value!r}"
                      for use in uses for calls in use.keys.values() for call in calls for keyword in call.keywords
                      if isinstance(keyword.value, ast.Constant) and isinstance(keyword.value.value, str)
                      and keyword.arg != "role" and any(char.isalpha() for char in keyword.value.value)})
    assert not phrases


@pytest.mark.parametrize(("language", "text"), [
    ("en", "Report: /r"), ("fr", "Rapport : /r"), ("de", "Report: /r"), ("", "Report: /r"),
])
def test_a_language_without_texts_of_its_own_is_answered_in_english(language: str, text: str,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MESSAGES, "report", ("Report: {path}", "Rapport : {path}"))
    assert say(language, "report", path="/r") == text


def test_a_fact_with_braces_or_percent_signs_is_shown_as_it_is() -> None:
    assert "{x} 100%" in say("en", "checks_share_id", ids="{x} 100%")
