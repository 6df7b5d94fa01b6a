# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""The pieces a report's page is made of: everything that came from elsewhere is escaped here."""

from __future__ import annotations

import re
import shlex
import typing as t
from html import escape

# Pictures beside the word, never instead of it.
_MARKS = {"good": "M4 12.5l5 5L20 6.5", "bad": "M6 6l12 12M18 6L6 18", "warn": "M12 4v11M12 19.5v.5",
          "info": "M12 10v10M12 4.5v.5", "none": "M5 12h14"}
# What can be typed, inside a sentence.
_TYPED = re.compile(r"ansible-playbook [\w./-]+\.yml(?: --?[\w-]+(?:[ =](?!ansible)[^\s,;]+)?)*|(?<!\S)-e [^\s]+"
                    r"|(?<=\s)/\S+/RESTORE\.txt")
_SQL = re.compile(r"(?:BEGIN|COMMIT|ROLLBACK|SET|LOCK|DELETE|TRUNCATE|INSERT|UPDATE|CREATE|ALTER|COMMENT|DROP|SELECT"
                  r"|GRANT|REVOKE|COPY|WITH)\b")
_OTHER_DATABASE = re.compile(r"(?:CREATE|ALTER|DROP) DATABASE\b")
_MAIL = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+\.[^@\s<>,;]+")
_PHONE = re.compile(r"\+?[\d][\d .()/-]{6,}\d")


def text(what: t.Any) -> str:
    """Return what may stand in the page; a dash for nothing."""
    return escape(str(what)) if what not in (None, "") else "-"


def code(what: t.Any) -> str:
    return f"<code>{escape(str(what))}</code>"


def sentence(what: t.Any) -> str:
    """Return a sentence with what can be typed in it set apart."""
    told, found, end = str(what), [], 0
    for match in _TYPED.finditer(told):
        typed = match.group().rstrip(".:")
        found += [escape(told[end:match.start()]), code(typed)]
        end = match.start() + len(typed)
    return "".join([*found, escape(told[end:])])


def last_word(message: str) -> str:
    """Return a message in one line: of what a program printed in it, the last line, which says what was wrong."""
    first, _end, rest = message.strip().partition("\n")
    lines = [line.strip() for line in rest.splitlines() if line.strip()]
    if not lines:
        return first
    opening, colon, _printed = first.rpartition(": ")
    return f"{opening or first}{colon or ': '}{lines[-1]}"


def mark(kind: str, word: str) -> str:
    """Return a word with its picture and colour."""
    return (f"<span class='mark {kind}'><svg viewBox='0 0 24 24' aria-hidden='true' fill='none' stroke='currentColor' "
            f"stroke-width='3' stroke-linecap='round' stroke-linejoin='round'><path d='{_MARKS[kind]}'/></svg>"
            f"{escape(word)}</span>")


def table(caption: str, columns: t.Sequence[str], rows: t.Iterable[t.Sequence[str]], numbers: t.Container[int] = ()
          ) -> str:
    """Return a table that becomes a list on a phone. Cells are markup; the first of each row heads it."""
    def classed(at: int) -> str:
        return " class='number'" if at in numbers else ""

    head = "".join(f"<th scope='col' role='columnheader'{classed(at)}>{escape(name)}</th>"
                   for at, name in enumerate(columns))
    body = "".join("<tr role='row'>" + "".join(
        f"<th scope='row' role='rowheader'>{cell}</th>" if at == 0 else
        f"<td role='cell'{classed(at)} data-label='{escape(columns[at])}'>{cell}</td>"
        for at, cell in enumerate(row)) + "</tr>" for row in rows)
    return (f"<table role='table'><caption>{escape(caption)}</caption><thead role='rowgroup'><tr role='row'>{head}</tr>"
            f"</thead><tbody role='rowgroup'>{body}</tbody></table>")


def facts(pairs: t.Iterable[tuple[str, str]]) -> str:
    """Return names and what they are; values are markup."""
    return "<dl class='facts'>" + "".join(f"<dt>{escape(name)}</dt><dd>{told}</dd>" for name, told in pairs) + "</dl>"


def listed(items: t.Iterable[str], kind: str = "ul") -> str:
    return f"<{kind}>" + "".join(f"<li>{item}</li>" for item in items) + f"</{kind}>"


def folded(summary: str, inside: str, opened: bool = False) -> str:
    return f"<details{' open' if opened else ''}><summary>{summary}</summary>{inside}</details>"


def shell(commands: t.Sequence[str], database: str | None) -> str:
    """Return commands as they are typed in a shell: statements of SQL are handed to psql, in the order they ran."""
    lines: list[str] = []
    block: list[str] = []

    def close() -> None:
        if block:
            # A database cannot be renamed, or copied, from inside.
            inside = "postgres" if any(_OTHER_DATABASE.match(each) for each in block) else str(database or "")
            lines.extend([f"psql --no-psqlrc --set=ON_ERROR_STOP=1 --dbname={shlex.quote(inside)} <<'SQL'",
                          *(f"{each.rstrip().rstrip(';')};" for each in block), "SQL"])
            block.clear()

    for command in commands:
        if _SQL.match(command):
            block.append(command)
        else:
            close()
            lines.append(command)
    close()
    return "\n".join(lines)


def told_only(commands: t.Sequence[str]) -> str:
    """Return commands that ran where nothing is left of it, so that pasting them does nothing to what is live."""
    return "\n".join(f"# {line}" for command in commands for line in command.splitlines())


def contact(given: t.Any) -> str:
    """Return a contact, its addresses and numbers as links that are followed by a tap."""
    told = ", ".join(map(str, given)) if isinstance(given, (list, tuple)) else str(given if given is not None else "")
    found, end = [], 0
    for match in sorted([*_MAIL.finditer(told), *_PHONE.finditer(told)], key=lambda each: each.start()):
        if match.start() < end:
            continue
        word = match.group()
        target = f"mailto:{word}" if "@" in word else "tel:" + re.sub(r"[^\d+]", "", word)
        found += [escape(told[end:match.start()]), f"<a href='{escape(target)}'>{escape(word)}</a>"]
        end = match.end()
    return "".join([*found, escape(told[end:])]) or "-"
