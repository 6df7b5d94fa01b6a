# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an operator reads is there in English and in French, and both guides tell the same of things that exist."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.recyclic.rollback.plugins.module_utils._messages import LANGUAGES, MESSAGES

ROOT = Path(__file__).resolve().parents[2]
TASK_FILES = sorted([*(ROOT / "playbooks").glob("*.yml"), *(ROOT / "roles").glob("*/tasks/**/*.yml"),
                     *(ROOT / "roles").glob("*/handlers/*.yml")])
SHOWN = ("msg", "fail_msg", "success_msg", "prompt")
# Keys of a lookup in words of both languages, as in {{ preflight_words[rollback_language] }}.
BY_LANGUAGE = re.compile(r"(\w+)\[rollback_language\]")
# Messages that are nothing but a command are the same in both languages,
COMMAND = re.compile(r"(?:ansible-playbook|docker|systemctl|DELETE) ")
# and so are words that both languages spell alike, with their units.
ALIKE = {"Alembic", "Contacts", "Docker", "Downgrade", "Guide", "Impact", "Migration", "Notifications", "Phase", "Plan",
         "Rollback", "Services", "Sessions", "TABLES", "Table", "Ticket", "Validation", "Verdict", "impossible", "min",
         "ms", "plan", "s", "h"}


class Loader(yaml.SafeLoader):
    """Reads Ansible's own tags as the text they stand before."""


Loader.add_multi_constructor("!", lambda loader, _suffix, node: loader.construct_scalar(node))


def walk(tree: Any) -> Iterator[dict[str, Any]]:
    """Every mapping of a YAML document, at any depth."""
    if isinstance(tree, dict):
        yield tree
    for item in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
        yield from walk(item)


def literal(text: str) -> str:
    """What is left of a text once its Jinja expressions are taken out."""
    return re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", text, flags=re.DOTALL)


def shown(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The texts a file's tasks show, each with the variables of its task and of the blocks around it."""

    def tasks(tree: Any, around: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        if isinstance(tree, list):
            for item in tree:
                yield from tasks(item, around)
        if isinstance(tree, dict):
            within = {**around, **(tree.get("vars") or {})}
            for key, value in tree.items():
                if key in SHOWN and isinstance(value, str):
                    yield value, within
                elif key != "vars":
                    yield from tasks(value, within)

    yield from tasks(yaml.load(path.read_text(encoding="utf-8"), Loader), {})


@pytest.mark.parametrize("path", TASK_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_task_shows_is_a_message_or_is_written_in_both_languages(path: Path) -> None:
    for text, variables in shown(path):
        words = BY_LANGUAGE.findall(text)
        for name in words:
            assert isinstance(variables.get(name), dict), f"{name}: no words of this task or a block around it"
            assert sorted(variables[name]) == sorted(LANGUAGES) and len(set(variables[name].values())) == 2
        # What French alone has is enough to tell that a text is in both.
        prose = re.findall(r"[^\W\d_]{3,}", literal(text).replace("ansible-doc -t role recyclic.rollback.rollback", ""))
        assert len(prose) < 3 or " / " in text, f"English alone: {text}"


def test_the_texts_of_make_are_in_both_languages() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    french, english = re.findall(r"^ifeq \(\$\(call setting,LANGUAGE\),fr\)\n(.*?)^else\n(.*?)^endif", makefile,
                                 flags=re.MULTILINE | re.DOTALL)[0]
    assert [line.split("=")[0] for line in french.splitlines()] == [line.split("=")[0] for line in english.splitlines()]
    assert french != english


@pytest.mark.parametrize("key", sorted(MESSAGES))
def test_a_french_message_is_french(key: str) -> None:
    english, french = MESSAGES[key]
    if english == french and not COMMAND.match(english):
        assert set(re.findall(r"[^\W\d_]+", re.sub(r"\{.*?\}", "", english))) <= ALIKE, f"the same in both: {english}"


def test_words_kept_beside_the_catalogue_have_both_languages() -> None:
    """Wherever there is an `en` there is a `fr`: in roles, playbooks and inventories."""
    files = [path for place in ("roles", "playbooks", "inventories") for path in (ROOT / place).rglob("*.yml")
             if "ansible_collections" not in path.parts]
    halves = [f"{path.relative_to(ROOT)}: {sorted(found)}" for path in files
              for document in yaml.load_all(path.read_text(encoding="utf-8"), Loader)
              for found in walk(document) if ("en" in found) != ("fr" in found)]
    assert halves == []


# The guides

GUIDES = {"en": ROOT / "docs" / "guide.md", "fr": ROOT / "docs" / "guide.fr.md"}
TEXTS = {language: path.read_text(encoding="utf-8") for language, path in GUIDES.items()}
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Words that stand for the reader's own, in either language.
OWN = {"lenteur": "slow", "plus aucune pesée": "nobody can weigh"}


def headings(text: str) -> list[str]:
    return re.findall(r"^(#+) .+$", BLOCK.sub("", text), flags=re.MULTILINE)


def commands(text: str) -> list[str]:
    """What is typed as it stands, each of the reader's own words as English has it."""
    for french, english in OWN.items():
        text = text.replace(f'"{french}"', f'"{english}"')
    lines = itertools.chain.from_iterable(block.splitlines() for kind, block in BLOCK.findall(text) if kind == "sh")
    return [re.sub(r"\s+#.*", "", line) for line in lines if not line.startswith("#")]


def typed(text: str) -> list[str]:
    """What stands in backquotes outside of blocks."""
    return re.findall(r"`([^`\n]+)`", BLOCK.sub("", text))


def anchor(heading: str) -> str:
    """The anchor a Markdown viewer gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


def test_both_guides_have_the_same_chapters_and_commands() -> None:
    assert headings(TEXTS["en"]) == headings(TEXTS["fr"])
    assert commands(TEXTS["en"]) == commands(TEXTS["fr"]) != []
    kinds = {language: [kind for kind, _text in BLOCK.findall(text)] for language, text in TEXTS.items()}
    assert kinds["en"] == kinds["fr"]

    def proposed(language: str) -> list[str]:
        found = [text for text in typed(TEXTS[language]) if text.startswith(("ansible-", "make "))]
        return sorted(re.sub(" LANGUAGE=fr$", "", text) for text in found)

    assert proposed("en") == proposed("fr")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_link_of_a_guide_leads_somewhere(language: str) -> None:
    text = TEXTS[language]
    anchors = {anchor(line) for line in re.findall(r"^#+ (.+)$", BLOCK.sub("", text), flags=re.MULTILINE)}
    anchors |= set(re.findall(r'<a id="([^"]+)">', text))
    for target in re.findall(r"\]\(([^)]+)\)", text):
        name, _hash, part = target.partition("#")
        assert not name or (GUIDES[language].parent / name).exists(), target
        assert name or part in anchors, target


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_guide_names_exists(language: str) -> None:
    text = TEXTS[language]
    playbooks = {path.name for path in (ROOT / "playbooks").glob("*.yml")}
    assert sorted(set(re.findall(r"ansible-playbook ([\w.]+\.yml)", text)) - playbooks) == []
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert sorted(set(re.findall(r"`make ([a-z-]+)", text)) - targets) == []
    specs = [yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values()
             for path in (ROOT / "roles").glob("*/meta/argument_specs.yml")]
    variables = {name for entries in specs for entry in entries for name in entry.get("options") or {}}
    assert sorted(set(re.findall(r"\brollback_[a-z_]+\b(?!\*)", text)) - variables - {
        "rollback_hosts"}) == [], "variables no role has"
    paths = set(re.findall(r"\b((?:tests|docs|roles|inventories|playbooks)/[\w./]+\w)", text))
    # One that is filled in from an example exists in the reader's clone.
    there = {path for path in paths if (ROOT / path).exists() or (ROOT / f"{path}.example").exists()}
    assert sorted(paths - there) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_file_is_encrypted_from_where_the_guide_has_gone_to(language: str) -> None:
    """It changes to playbooks/ first, where a path from the root leads nowhere."""
    [clone] = re.findall(r"^cd (/\S+)/playbooks$", TEXTS[language], flags=re.MULTILINE)
    [encrypted] = [text.split()[-1] for text in typed(TEXTS[language]) if text.startswith("ansible-vault encrypt ")]
    assert encrypted.startswith(f"{clone}/") and (ROOT / f"{encrypted[len(clone) + 1:]}.example").exists()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_evidence_of_each_correction_exists(language: str) -> None:
    rows = [line for line in TEXTS[language].splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row.split("|")[1]) for row in rows] == list(range(1, 15))
    for row in rows:
        tests = re.findall(r"`(tests/\S+\.py)::(test_\w+)`", row)
        assert tests, row
        for path, name in tests:
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, f"{path}::{name}"


def test_each_alert_has_its_place_in_both_guides() -> None:
    rules = (ROOT / "roles" / "monitoring" / "templates" / "rules.yml.j2").read_text(encoding="utf-8")
    alerts = {name.lower() for name in re.findall(r"\['(Recyclic\w+)', '(?:critical|warning|info)'", rules)}
    assert len(alerts) >= 9, "the rules were read"
    for language, text in TEXTS.items():
        assert set(re.findall(r'<a id="alert-(\w+)"></a>', text)) == alerts, language


def said(language: str) -> list[str]:
    """Everything the collection can say in a language, with its facts taken out."""
    which = LANGUAGES.index(language)
    texts = [re.sub(r"\{\w+!?\w*\}", "\0", texts[which]) for texts in MESSAGES.values()]
    for path in TASK_FILES:
        for text, variables in shown(path):
            texts += [str(variables[name][language]) for name in BY_LANGUAGE.findall(text)]
            texts.append(text)
    return texts


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_words_of_a_refusal_are_those_that_are_said(language: str) -> None:
    """What a guide quotes in its tables of refusals; an ellipsis stands for what differs from run to run."""
    texts, quoted = said(language), []
    head = {"en": "| words |", "fr": "| mots |"}[language]
    for table in re.findall(rf"^{re.escape(head)}.*\n\|[-|]+\|\n((?:\|.*\n)+)", TEXTS[language], flags=re.MULTILINE):
        quoted += [words for row in table.splitlines() for words in typed(row.split("|")[1])]
    quoted = [words for words in quoted if " " in words]
    assert len(quoted) > 20, "the tables were read"
    for words in quoted:
        pattern = ".*".join(re.escape(piece.strip()) for piece in words.split("..."))
        assert any(re.search(pattern, text, flags=re.DOTALL) for text in texts), words
