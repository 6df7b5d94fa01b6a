# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""A plain dump, read the way psql reads it: what is in it, what must not be, and what is left out when it is loaded."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, field

from ._errors import Refusal

HEADER = b"-- PostgreSQL database dump\n"
TRAILER = b"-- PostgreSQL database dump complete\n"
_CLUSTER = b"-- PostgreSQL database cluster dump"
_FROM = re.compile(rb"-- Dumped from database version (\d+\S*)")
# The only form pg_dump writes. Rows in another form are read as statements, and stop at the first backslash.
_COPY = re.compile(rb"COPY .+ FROM stdin;\n\Z", re.DOTALL)
# Most lines of a dump with INSERTs, passed over in one look.
_INSERT = re.compile(rb"INSERT INTO [\w.\"]+ (?:\([\w, \"]*\) )?(?:OVERRIDING SYSTEM VALUE )?VALUES "
                     rb"\([^'\"\\$();/-]*(?:(?:-(?!-)|(?<![eE])'[^']*(?:''[^']*)*')[^'\"\\$();/-]*)*\);\n\Z")
_TOKEN = re.compile(rb"""[eE]'|'|"|\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*)?\$|--|/\*|\\|[();]"""
                    rb"""|[A-Za-z_\x80-\xff][\w$\x80-\xff]*|\d[\w.]*|[^\s]""")
_ENDS = {b"'": re.compile(rb"'"), b"e'": re.compile(rb"\\.|'", re.DOTALL), b'"': re.compile(rb'"'),
         b"/*": re.compile(rb"/\*|\*/")}
_RESTRICT = re.compile(rb"\\(?:un)?restrict [A-Za-z0-9]+\n\Z")
# In these a backslash may be the second half of a letter.
_ENCODING = re.compile(rb"\s*SET\s+client_encoding\s*(?:=|TO)\s*'?(?:SJIS|MSKANJI|SHIFT|WIN932|BIG5|WIN950|GB|UHC"
                       rb"|WIN949|JOHAB|WIN936)", re.IGNORECASE)
_NOT_CONFORMING = re.compile(rb"\s*SET\s+standard_conforming_strings\s*(?:=|TO)\s*'?(?:off|false|0|no)", re.IGNORECASE)

_NAME = r'(?:"(?:[^"]|"")+"|[^\s;,."]+)'
_LIST = rf"{_NAME}(?:\s*,\s*{_NAME})*"
_OWNER = re.compile(rf"^(?:ALTER\b.*\bOWNER TO|CREATE SCHEMA\b.*\bAUTHORIZATION|SET SESSION AUTHORIZATION)\s+"
                    rf"({_NAME});", re.DOTALL)
_GRANT = re.compile(rf"\b(?:TO|FROM)\s+({_LIST})(?:\s+WITH GRANT OPTION)?(?:\s+GRANTED BY\s+{_NAME})?;\s*$", re.DOTALL)
_DEFAULT = re.compile(rf"^ALTER DEFAULT PRIVILEGES FOR ROLE\s+({_LIST})\s")
_POLICY = re.compile(rf"^CREATE POLICY\b.*?\bTO\s+({_LIST})", re.DOTALL)
_EXTENSION = re.compile(rf"^CREATE EXTENSION (?:IF NOT EXISTS )?({_NAME})")
_TABLE = re.compile(rf"^CREATE (?:UNLOGGED )?TABLE (?:({_NAME})\.)?({_NAME})\s*\(")
_NOBODY = ("public", "current_user", "session_user", "current_role")
_LARGEST = 1 << 16
_SOME = 1 << 16
_ENDED = (b"\\.\n", b"\\.\r\n")


class Piece(t.NamedTuple):
    """Lines that belong together: ``statement``, ``copy``, ``data`` (rows of a COPY), ``meta`` or ``comment``.

    ``number`` is the first one's line.
    """

    kind: str
    lines: list[bytes]
    number: int


@dataclass
class Told:
    """What reading a dump told of it; roles are apart by what they are named for."""

    version: str | None = None
    dump: bool = False
    complete: bool = False
    owners: set[str] = field(default_factory=set)
    grantees: set[str] = field(default_factory=set)
    extensions: set[str] = field(default_factory=set)
    tables: list[str] = field(default_factory=list)
    rows: bool = False
    clean: bool = False
    restricted: bool = False
    newer_settings: bool = False


class _Lexer:
    """Where in SQL one is at the end of a line: psql's own rules, for strings that conform to the standard."""

    def __init__(self) -> None:
        self.inside = b""
        self.comments = self.parens = self.blocks = 0
        self.words: list[bytes] = []
        self.open = False
        # An E string goes on in the next one when nothing but a line's end is between them.
        self.closed_escape = ""

    @property
    def at_start(self) -> bool:
        """Whether the next line begins a statement."""
        return not (self.inside or self.parens or self.blocks or self.open)

    def line(self, text: bytes) -> bool:
        """Go through a line; False where psql would take something in it for a command of its own."""
        place = 0
        while place < len(text):
            if self.inside:
                place = self._within(text, place)
                continue
            match = _TOKEN.search(text, place)
            if not match:
                break
            token, place = match.group(), match.end()
            if token == b"--":
                break
            if token == b"\\":
                return False
            self._token(token)
        if self.closed_escape and not self.inside:
            self.closed_escape = "newline"
        return True

    def _token(self, token: bytes) -> None:
        continued, self.closed_escape = self.closed_escape == "newline", ""
        if token in (b"'", b"e'", b"E'", b'"', b"/*") or (
                token[:1] == b"$" and token[-1:] == b"$" and len(token) > 1):
            self.inside = b"e'" if token == b"'" and continued else token.lower() if token == b"E'" else token
            self.comments += token == b"/*"
            self.open = self.open or token != b"/*"
        elif token == b";" and not (self.parens or self.blocks):
            self.open, self.words = False, []
        else:
            self.open = True
            self.parens = max(0, self.parens + (token == b"(") - (token == b")"))
            if token[:1].isalpha() or token[:1] == b"_":
                self._word(token.lower())

    def _word(self, word: bytes) -> None:
        """A function's body may be statements of its own: BEGIN ATOMIC ... END."""
        if len(self.words) < 4:
            self.words.append(word)
        kinds = {b"function", b"procedure"}
        routine = self.words[0] == b"create" and (
            bool(kinds & set(self.words[1:2])) or (
                self.words[1:3] == [b"or", b"replace"] and bool(kinds & set(self.words[3:4]))))
        if routine and not self.parens:
            self.blocks += word == b"begin" or (word == b"case" and self.blocks > 0)
            self.blocks -= word == b"end" and self.blocks > 0

    def _within(self, text: bytes, place: int) -> int:
        if self.inside[:1] == b"$":
            found = text.find(self.inside, place)
            end = len(text) if found < 0 else found + len(self.inside)
            self.inside = self.inside if found < 0 else b""
            return end
        match = _ENDS[self.inside].search(text, place)
        if not match:
            return len(text)
        if self.inside == b"/*":
            self.comments += 1 if match.group() == b"/*" else -1
            self.inside = b"/*" if self.comments else b""
        elif match.group() == self.inside[-1:]:
            # Two quotes in a row close it and open it again: in an E string as what it was.
            if self.inside == b"e'" and text[match.end():match.end() + 1] == b"'":
                return match.end() + 1
            self.closed_escape = "closed" if self.inside == b"e'" else ""
            self.inside = b""
        return match.end()


def pieces(lines: t.Iterable[bytes], path: str) -> t.Iterator[Piece]:
    """Yield a dump piece by piece; the rows of a COPY are several pieces, none of them large.

    Raises Refusal at the first thing psql would not hand to the server but do itself: a command that starts a program,
    reads or writes files, or connects elsewhere.
    """
    lexer, held, began, data = _Lexer(), t.cast("list[bytes]", []), 1, False
    some, size = t.cast("list[bytes]", []), 0
    for number, line in enumerate(lines, 1):
        if data:
            some.append(line)
            size += len(line)
            data = line not in _ENDED
            if size > _SOME or not data:
                yield Piece("data", some, number - len(some) + 1)
                some, size = [], 0
            continue
        fresh = lexer.at_start and not held
        if fresh and _INSERT.match(line):
            yield Piece("statement", [line], number)
            continue
        if fresh and line[:1] == b"\\":
            if not _RESTRICT.match(line):
                _refuse(path, number, line)
            yield Piece("meta", [line], number)
            continue
        if fresh and (_ENCODING.match(line) or _NOT_CONFORMING.match(line)):
            _refuse(path, number, line)
        if not lexer.line(line):
            _refuse(path, number, line)
        began = began if held else number
        held.append(line)
        if lexer.at_start:
            kind = "comment" if all(not each.strip() or each.startswith(b"--") for each in held) else "statement"
            if len(held) == 1 and _COPY.match(line):
                kind, data = "copy", True
            yield Piece(kind, held, began)
            held = []
    if held:
        yield Piece("comment" if all(not each.strip() for each in held) else "rest", held, began)
    elif data:
        yield Piece("rest", some, began)


def _refuse(path: str, number: int, line: bytes) -> None:
    if line.startswith((b"\\connect", b"\\c ")):
        raise Refusal("source_creates", path=path, line=number)
    raise Refusal("source_command", path=path, line=number, text=line[:80].decode("utf-8", "replace").strip())


def scan(lines: t.Iterable[bytes], path: str) -> Told:
    """Read a dump to its end. Raises Refusal for one of a whole cluster, and as pieces() does."""
    told = Told()
    for piece in pieces(lines, path):
        line = piece.lines[0] if piece.lines else b""
        if piece.kind == "comment":
            told.complete = told.complete or TRAILER in piece.lines or line.rstrip() == TRAILER.rstrip()
            told.dump = told.dump or line == HEADER
            found = _FROM.match(line)
            if found:
                told.version = found.group(1).decode()
            if line.startswith(_CLUSTER):
                raise Refusal("source_cluster", path=path)
        elif piece.kind == "rest":
            told.complete = False
            return told
        elif piece.kind == "meta":
            told.restricted = True
        elif piece.kind == "copy" or line.startswith(b"INSERT INTO "):
            told.rows = True
        elif piece.kind == "statement" and sum(map(len, piece.lines)) < _LARGEST:
            _learn(told, b"".join(piece.lines).decode("utf-8", "replace").lstrip(), path, piece.number)
    return told


def _learn(told: Told, statement: str, path: str, number: int) -> None:
    if statement.startswith(("CREATE ROLE", "ALTER ROLE", "CREATE TABLESPACE", "CREATE USER ")):
        raise Refusal("source_cluster", path=path)
    if statement.startswith("CREATE DATABASE"):
        raise Refusal("source_creates", path=path, line=number)
    if statement.startswith("SET transaction_timeout"):
        told.newer_settings = True
    told.clean = told.clean or drops(statement)
    for pattern, names in ((_OWNER, told.owners), (_DEFAULT, told.owners), (_POLICY, told.grantees),
                           (_EXTENSION, told.extensions)):
        found = pattern.match(statement)
        if found:
            names |= _names(found.group(1))
    if statement.startswith(("GRANT ", "REVOKE ", "ALTER DEFAULT PRIVILEGES ")):
        found = _GRANT.search(statement)
        if found:
            told.grantees |= _names(found.group(1))
    found = _TABLE.match(statement)
    if found:
        told.tables.append(".".join(_plain(part) for part in found.groups() if part))


def _names(listed: str) -> set[str]:
    return {_plain(each) for each in re.findall(_NAME, listed) if each.lower() not in _NOBODY}


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def drops(statement: str) -> bool:
    """Tell whether a statement only clears the way: what a dump made with --clean begins with."""
    head = re.sub(r"\s+", " ", statement[:400])
    if head.startswith("DROP "):
        # The schema public is made anew behind it, and here is empty.
        return not head.startswith(("DROP SCHEMA public", "DROP SCHEMA IF EXISTS public"))
    return bool(re.match(r"ALTER TABLE [^;]* (?:DROP CONSTRAINT|ALTER COLUMN \S+ DROP DEFAULT)\b[^;]*;\s*\Z", head))


def outward(statement: str) -> bool:
    """Tell whether a statement ties a table to others that a dump of single tables does not hold."""
    return statement.startswith("CREATE TRIGGER ") or (
        statement.startswith("ALTER TABLE ") and re.search(r"\bADD CONSTRAINT\b.*\bFOREIGN KEY\b", statement, re.DOTALL)
        is not None)


def without(lines: t.Iterable[bytes], path: str, unwanted: t.Callable[[str], bool], restricted: bool
            ) -> t.Iterator[bytes]:
    """Yield a dump's lines without the statements that are unwanted, nor psql's own lines if it is not to see them."""
    for piece in pieces(lines, path):
        if piece.kind == "meta" and not restricted:
            continue
        if piece.kind == "statement" and sum(map(len, piece.lines)) < _LARGEST and unwanted(
                b"".join(piece.lines).decode("utf-8", "replace").lstrip()):
            continue
        yield from piece.lines
