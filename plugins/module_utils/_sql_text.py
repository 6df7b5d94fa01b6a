# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""SQL as text: its tokens, its statements, and a reader that goes through one of them. Pure."""

from __future__ import annotations

import re
import typing as t

# Strings as PostgreSQL has them by default: a backslash means something after E only.
_TOKEN = re.compile(r"""
    (?P<space>\s+) | (?P<comment>--[^\n]*) | (?P<block>/\*) | (?P<dollar>\$(?:[^\W\d]\w*)?\$)
  | (?P<string>e'(?:[^'\\]+|\\(?:.|\Z)|'')*(?:'|\Z) | (?:[bxn]|u&)?'(?:[^']+|'')*(?:'|\Z))
  | (?P<quoted>"(?:[^"]+|"")*(?:"|\Z)) | (?P<word>[^\W\d][\w$]*) | (?P<sign>.)""",
                    re.VERBOSE | re.DOTALL | re.IGNORECASE)
_BLOCK = re.compile(r"/\*|\*/")


class Token(t.NamedTuple):
    """``kind`` is space, comment, string, quoted, word or sign; ``start`` and ``end`` are where it stands."""

    kind: str
    text: str
    start: int
    end: int


class Unread(Exception):
    """A form that is not known here."""


def split(sql_text: str) -> list[str]:
    """Return the statements of a text, without their comments and semicolons."""
    found: list[str] = []
    parts: list[str] = []
    words: list[str] = []
    depth = blocks = 0
    for token in [*tokens(sql_text), Token("sign", ";", 0, 0)]:
        word = token.text.lower() if token.kind == "word" else ""
        if word:
            words.append(word)
            # The body of a function may be statements of its own: BEGIN ATOMIC ... END.
            if words[0] == "create" and {"function", "procedure"} & set(words[:4]):
                blocks += word == "begin" or (word == "case" and blocks > 0)
                blocks -= word == "end" and blocks > 0
        if token.kind == "sign" and token.text in "()":
            depth = max(0, depth + (1 if token.text == "(" else -1))
        last = token.start == token.end
        if token.kind == "sign" and token.text == ";" and (last or not (depth or blocks)):
            found.append("".join(parts).strip())
            parts, words, depth, blocks = [], [], 0, 0
        else:
            parts.append(" " if token.kind == "comment" else token.text)
    return [statement for statement in found if statement]


def tokens(text: str) -> t.Iterator[Token]:
    """Yield the tokens of a text, one behind the other; what is not closed ends with the text."""
    place = 0
    while place < len(text):
        # Its last alternative takes any character.
        match = t.cast("re.Match[str]", _TOKEN.match(text, place))
        kind, end = str(match.lastgroup), match.end()
        if kind == "block":
            kind, end = "comment", _after_comment(text, end)
        elif kind == "dollar":
            closing = text.find(match.group(), end)
            kind, end = "string", len(text) if closing < 0 else closing + len(match.group())
        yield Token(kind, text[place:end], place, end)
        place = end


def _after_comment(text: str, place: int) -> int:
    """Return where a comment ends; one may stand in another."""
    depth = 1
    for match in _BLOCK.finditer(text, place):
        depth += 1 if match.group() == "/*" else -1
        if not depth:
            return match.end()
    return len(text)


class Reader:
    """Goes through the tokens of a statement."""

    def __init__(self, statement: str) -> None:
        self.statement = statement
        self.tokens = [token for token in tokens(statement) if token.kind not in ("space", "comment")]
        self.place = 0

    def peek(self) -> str:
        """Return the next word in lower case, or sign; empty at the end and for what is quoted."""
        token = self.tokens[self.place] if self.place < len(self.tokens) else None
        return token.text.lower() if token and token.kind in ("word", "sign") else ""

    def word(self) -> str:
        found = self.peek()
        self.place += 1
        return found

    def skip(self, *words: str) -> bool:
        """Go on behind these words if they come next."""
        start = self.place
        for word in words:
            if self.word() != word:
                self.place = start
                return False
        return True

    def identifier(self) -> str:
        token = self.tokens[self.place] if self.place < len(self.tokens) else None
        if token is None or token.kind not in ("word", "quoted"):
            raise Unread
        self.place += 1
        return token.text.lower() if token.kind == "word" else token.text[1:-1].replace('""', '"')

    def name(self) -> str:
        """Return a table's name: bare in the schema public, otherwise as it is written, without its database."""
        self.skip("only")
        parts = [self.identifier()]
        while self.skip("."):
            parts.append(self.identifier())
        self.skip("*")
        return ".".join(parts[-1:] if parts[-2:-1] == ["public"] else parts[-2:])

    def names(self) -> list[str]:
        found = [self.name()]
        while self.skip(","):
            found.append(self.name())
        return found

    def rest(self) -> set[str]:
        """Return the words still to come."""
        return {token.text.lower() for token in self.tokens[self.place:] if token.kind == "word"}

    def top(self, *ends: str) -> t.Iterator[Token]:
        """Go on through the tokens that stand in no parentheses, up to one of these words."""
        depth = 0
        while self.place < len(self.tokens):
            if not depth and self.peek() in ends:
                return
            token = self.tokens[self.place]
            sign = token.text if token.kind == "sign" else ""
            depth -= sign in (")", "]")
            if not depth:
                yield token
            depth += sign in ("(", "[")
            self.place += 1

    def where(self) -> str:
        """Return the condition that comes next, as written; empty where none does."""
        if not self.skip("where"):
            return ""
        if self.peek() == "current":
            raise Unread
        start = self.tokens[self.place].start if self.place < len(self.tokens) else len(self.statement)
        for _token in self.top("returning"):
            pass
        end = self.tokens[self.place].start if self.place < len(self.tokens) else len(self.statement)
        return self.statement[start:end].strip()

    def alias(self, *ends: str) -> bool:
        """Tell whether the table has another name in this statement, and go on behind it."""
        if self.skip("as") or (self.place < len(self.tokens) and self.peek() not in ends):
            self.identifier()
            return True
        return False
