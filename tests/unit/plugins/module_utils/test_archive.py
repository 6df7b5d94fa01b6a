# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Plain dumps, read as psql reads them: what is SQL, what are rows, and what psql would do itself."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._archive import PLAIN, Source, script_lines, typed
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._script import drops, outward, pieces, scan, without

DUMP = r"""--
-- PostgreSQL database dump
--

\restrict abcDEF123
-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA public;
CREATE TABLE public.items (
    id integer NOT NULL,
    "odd; name" text DEFAULT 'it''s \! fine'::text
);
ALTER TABLE public.items OWNER TO "App 1";
ALTER SCHEMA stock OWNER TO keeper;
CREATE FUNCTION public.f() RETURNS text
    LANGUAGE plpgsql
    AS $_$ BEGIN RETURN '\! rm'; END; $_$;
COPY public.items (id, "odd; name") FROM stdin;
1	\\! not a command
2	\N
\.
GRANT SELECT,INSERT ON TABLE public.items TO reader;
GRANT ALL ON SCHEMA public TO PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE maker IN SCHEMA public GRANT ALL ON TABLES TO writer;
--
-- PostgreSQL database dump complete
--
\unrestrict abcDEF123
"""


def lines(text: str) -> list[bytes]:
    return text.encode().splitlines(keepends=True)


def test_what_a_dump_tells() -> None:
    told = scan(lines(DUMP), "d")

    assert (told.version, told.dump, told.complete, told.rows, told.restricted) == ("15.18", True, True, True, True)
    assert told.tables == ["public.items"]
    assert told.owners == {"App 1", "keeper", "maker"}
    assert told.grantees == {"reader", "writer"}
    assert told.extensions == {"uuid-ossp"}
    assert not told.clean


def test_the_pieces_are_the_whole() -> None:
    every = list(pieces(lines(DUMP), "d"))

    assert b"".join(line for piece in every for line in piece.lines).decode() == DUMP
    assert [piece.number for piece in every if piece.kind == "copy"] == [19]
    [data] = [piece for piece in every if piece.kind == "data"]
    assert (len(data.lines), data.number) == (3, 20)


@pytest.mark.parametrize("cut_at", [20, 100, 400, 700, 820])
def test_a_dump_that_is_cut_is_never_complete(cut_at: int) -> None:
    assert not scan(lines(DUMP[:cut_at]), "d").complete


def test_the_end_of_a_dump_inside_a_string_is_none() -> None:
    text = DUMP.replace("CREATE EXTENSION", "SELECT '\nCREATE EXTENSION", 1).replace("'it''s \\! fine'", "")
    told = scan(lines(text.replace("RETURN '\\! rm'", "")), "d")
    assert not told.complete


@pytest.mark.parametrize("line", [
    r"\! id", r"  \! id", r"SELECT 1 \! id", r"SELECT 1; \i /etc/passwd", r"\copy users from 'x'", r"\o /tmp/x",
    r"\restrict abc \! id", r"\gexec", r"SELECT 'a' \g |id", r"/* */ \! id", r"/* /* */ */ \! id",
    r"SELECT $$ ' $$ \! id", r"SELECT $a$ $b$ $a$ \! id", r"SELECT E'\'' \! id", r"SELECT a$b$, 1 \! id --$b$",
    "SELECT 'a'\n'\\' \\! id", "SELECT \"a\"\"\\\" \\! id", "SELECT U&'\\' \\! id",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1;\nCOPY t (a) FROM stdin;\n\\! id\n\\.",
    "CREATE\nOR /* */ REPLACE\nFUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE 1 WHEN 1 THEN 2 END;\n"
    "COPY t FROM stdin;\n\\! id",
    "CREATE TABLE t (a int;\nCOPY t (a) FROM stdin;\n\\! id\n\\.", "SELECT\nCOPY t FROM stdin;\n\\! id",
    r"INSERT INTO x VALUES (E'\''); \! id", "SET client_encoding = 'SJIS';", "SET standard_conforming_strings = off;",
])
def test_what_psql_would_do_itself_is_refused(line: str) -> None:
    before = DUMP.splitlines().index("CREATE TABLE public.items (")
    text = DUMP.splitlines(keepends=True)
    text[before:before] = [line + "\n"]

    with pytest.raises(Refusal) as refused:
        scan(lines("".join(text)), "d")

    assert refused.value.key == "source_command"
    assert before < int(str(refused.value.facts["line"])) <= before + 1 + line.count("\n")


@pytest.mark.parametrize("line", [
    r"SELECT '\! id';", r"SELECT $$ \! id $$;", r'SELECT "\! id" FROM x;', r"-- \! id", r"/* \! id */",
    r"SELECT E'\\ \! id';", r"SELECT 'a' -- ' \! id", "SELECT E'a'\n'\\' \\! id ';", "SELECT 1 - 2 / 3;",
    r"INSERT INTO x VALUES ('a', E'\'', '\! id', E'a\'); \! ');", "INSERT INTO x VALUES (E'a'\n'\\'', '\\! id');",
    r"INSERT INTO public.x (a, b) VALUES ('\! id', 'it''s', -1, 1.5e-3, NULL);", r"SELECT 1 AS a$b$;",
    "INSERT INTO x VALUES ('a -- b', 'c\nd \\! e');",
    "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END;\n"
    "COPY t (a) FROM stdin;\n\\! data\n\\.",
])
def test_what_is_only_text_is_not(line: str) -> None:
    text = DUMP.replace("CREATE TABLE", line + "\nCREATE TABLE", 1)
    assert scan(lines(text), "d").complete


@pytest.mark.parametrize(("line", "key"), [
    ("\\connect other", "source_creates"), ("CREATE DATABASE other WITH TEMPLATE = template0;", "source_creates"),
    ("CREATE ROLE boss;", "source_cluster"), ("-- PostgreSQL database cluster dump", "source_cluster"),
    ("CREATE TABLESPACE there LOCATION '/x';", "source_cluster"),
])
def test_what_belongs_into_no_dump_of_one_database(line: str, key: str) -> None:
    with pytest.raises(Refusal) as refused:
        scan(lines(DUMP.replace("CREATE TABLE", line + "\nCREATE TABLE", 1)), "d")
    assert refused.value.key == key


@pytest.mark.parametrize(("statement", "expected"), [
    ("DROP TABLE public.items;", True), ("DROP TABLE IF EXISTS public.items;", True),
    ("ALTER TABLE ONLY public.items DROP CONSTRAINT items_pkey;", True),
    ("ALTER TABLE IF EXISTS public.items ALTER COLUMN id DROP DEFAULT;", True),
    ("DROP SCHEMA public;", False), ("DROP SCHEMA IF EXISTS public;", False), ("DROP SCHEMA stock;", True),
    ("ALTER TABLE public.items OWNER TO x;", False), ("CREATE TABLE x (a text DEFAULT 'DROP CONSTRAINT x;');", False),
])
def test_what_only_clears_the_way(statement: str, expected: bool) -> None:
    assert drops(statement) is expected


def test_a_dump_without_what_is_unwanted() -> None:
    text = DUMP.replace("COPY", "DROP TABLE public.old;\nALTER TABLE ONLY public.items\n    ADD CONSTRAINT f"
                                " FOREIGN KEY (id) REFERENCES public.more(id);\nCOPY", 1)

    kept = b"".join(without(lines(text), "d", lambda each: drops(each) or outward(each), restricted=False)).decode()

    assert kept == DUMP.replace("\\restrict abcDEF123\n", "").replace("\\unrestrict abcDEF123\n", "")


@pytest.mark.parametrize(("packed", "pack"), [
    ("", bytes), ("gzip", gzip.compress), ("bzip2", bz2.compress), ("xz", lzma.compress)])
def test_line_ends_of_a_terminal_are_taken_off_and_those_of_data_are_not(tmp_path: Path, packed: str, pack: Any
                                                                         ) -> None:
    path = tmp_path / "d"
    text = "COPY t (a) FROM stdin;\n1\\r\n2\\r\\n\n\\.\n"
    path.write_bytes(pack(text.replace("\n", "\r\n").encode()))

    with script_lines(Source(str(path), PLAIN, packed=packed, crlf=True)) as found:
        assert b"".join(found).decode() == text


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_file_cut_short_is_told(tmp_path: Path, pack: Any) -> None:
    path = tmp_path / "d"
    path.write_bytes(pack(DUMP.encode() * 50)[:-20])
    packed = {gzip.compress: "gzip", bz2.compress: "bzip2", lzma.compress: "xz"}[pack]

    with pytest.raises(Refusal) as refused, script_lines(Source(str(path), PLAIN, packed=packed)) as found:
        list(found)

    assert refused.value.key == "source_truncated"


@pytest.mark.parametrize(("source", "line"), [
    (Source("/a b", PLAIN), "psql < '/a b'"), (Source("/a", "directory"), "psql /a"),
    (Source("/a", PLAIN, packed="xz"), "xz -dc /a | psql"),
    (Source("/a", PLAIN, packed="gzip", crlf=True), r"gzip -dc /a | sed 's/\r$//' | psql"),
    (Source("/a", PLAIN, crlf=True), r"sed 's/\r$//' /a | psql"),
])
def test_commands_as_one_could_type_them(source: Source, line: str) -> None:
    assert typed(source, "psql") == line
