# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

"""Whether starting a container would run a migration, and so undo a rollback.

Read from the words it is started with and from the scripts these name, each looked into one level deep.
"""

from __future__ import annotations

import io
import os
import posixpath
import re
import secrets
import shlex
import tarfile
import tempfile
import typing as t
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from ._compose_runtime import END_LABELLED
from ._docker import RUN_LABEL, STEP_LABEL, Docker, guardian
from ._runner import Program

# As a command or a list of words on one line or several, by Alembic's own API, and by Flask's wrapping of it.
_MIGRATES = re.compile(r"""
    \balembic\b[^\n;&|]*\bupgrade\b
    | \balembic["'][ ]*,(?:(?:[ \t]*(?:\#[^\n]*)?\n)*[^\]\n,]*,)*(?:[ \t]*(?:\#[^\n]*)?\n)*[ \t]*["']upgrade["']
    | \b(?:\w*alembic\w*|command)\.upgrade\s*\(
    | \bdb\b[\s"',]+upgrade\b""", re.VERBOSE)
_COMMENT = re.compile(r"^\s*#.*$", re.MULTILINE)
_SCRIPT = re.compile(r"[\w./-]*[\w-]\.(?:sh|bash|py)\b")
# A script without an ending, called by its path at the beginning of a command.
_CALLED = re.compile(r"(?:^|[;&|]|\bexec|\bsource|\bsh|\bbash|\.)[ \t]+(\.{0,2}/[\w./-]+)", re.MULTILINE)
_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_INTERPRETERS = re.compile(r"(?:sh|bash|dash|ash|env|exec|tini|dumb-init|gosu|su-exec|python[\d.]*|node|java)$")
MOST_FILES = 24
# All at once: each copy waits for the engine, and the application for them.
_COPY = ('n=0; for p; do n=$((n+1)); docker cp --follow-link "$0:$p" - 2>/dev/null | head -c 262144 >"$n" & done; wait')


def migrates(text: str) -> bool:
    """Tell whether a command line or a script runs a migration upwards."""
    return bool(_MIGRATES.search(_COMMENT.sub("", text.replace("\\\n", " "))))


def named_files(words: t.Sequence[str], directory: str) -> list[str]:
    """Return the files a command line may run, in the order of their likelihood; shells' own words are looked into."""
    spread: list[str] = []
    commands = {0}
    for text in words:
        if " " in text.strip():  # a shell's own line, whose first word is a command again
            commands.add(len(spread))
        spread += _split(text)
    found: list[str] = []
    for number, word in enumerate(spread):
        if number and spread[number - 1] == "-m" and re.fullmatch(r"[\w.]+", word):
            module = posixpath.join(directory, *word.split("."))
            found += [f"{module}.py", f"{module}/__main__.py"]
        elif "/" in word and re.fullmatch(r"[\w./+-]+", word):
            found.append(posixpath.normpath(posixpath.join(directory, word)))
        elif _SCRIPT.fullmatch(word) or (number in commands and not _INTERPRETERS.match(word)):
            found += [posixpath.join(place, word) for place in (directory, *_PATH)]
    return list(dict.fromkeys(path for path in found if not _INTERPRETERS.match(posixpath.basename(path))))


def named_in(text: str, directory: str) -> list[str]:
    """Return the scripts a script names."""
    plain = _COMMENT.sub("", text)
    found = [*_SCRIPT.findall(plain), *_CALLED.findall(plain)]
    modules = [posixpath.join(directory, *name.split(".")) + ".py" for name in re.findall(r"-m[ \t]+([\w.]+)", plain)]
    return list(dict.fromkeys([*(posixpath.normpath(posixpath.join(directory, path)) for path in found), *modules]))


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text, comments=True)
    except ValueError:
        return text.split()


@dataclass
class Look:
    """One look at what a container would run; its files are read from a container that need not run."""

    docker: Docker
    holder: str
    unread: list[str] = field(default_factory=list)

    def what_migrates(self, words: t.Sequence[str], directory: str) -> str:
        """Return what runs a migration: the command line, or the path of a script; empty where nothing does.

        A script that could not be looked into may: its path, with a question mark.
        """
        if migrates(" ".join(words)):
            return " ".join(words)
        outer = self.read(named_files(words, directory or "/"))
        inner = self.read([path for text in outer.values() for path in named_in(text, directory or "/")])
        return next((path for path, text in {**outer, **inner}.items() if migrates(text)),
                    f"{self.unread[0]} ?" if self.unread else "")

    def read(self, paths: t.Iterable[str]) -> dict[str, str]:
        """Return the beginnings of these scripts; what is no text file, or is not there, is left out.

        Each copy is cut off after that much: the path may be a directory that holds everything. What is too many, or
        takes too long, is kept as ``unread``.
        """
        every = list(dict.fromkeys(paths))
        wanted = every[:MOST_FILES]
        self.unread += every[MOST_FILES:]
        if not wanted:
            return {}
        with tempfile.TemporaryDirectory() as directory:
            done = self.docker.host.run(Program(["sh", "-c", _COPY, self.holder, *wanted], cwd=directory, timeout_s=30))
            found = {path: _text_in(os.path.join(directory, str(number))) for number, path in enumerate(wanted, 1)}
        self.unread += wanted if done.ended_by else []
        return {path: text for path, text in found.items() if text}


def _text_in(archive: str) -> str:
    """Return the text of the one file in an archive that may be cut short; empty for anything else."""
    with open(archive, "rb") as stream:
        content = stream.read()
    with suppress(tarfile.TarError), tarfile.open(fileobj=io.BytesIO(content), mode="r:") as opened:
        member = opened.next()
        if member and member.isfile():
            data = content[member.offset_data:member.offset_data + member.size]
            return "" if b"\0" in data else data.decode("utf-8", errors="replace")
    return ""


@contextmanager
def holder_of(docker: Docker, image: str, mounts: t.Sequence[dict[str, t.Any]]) -> t.Iterator[str]:
    """Yield a container of an image that is never started, with the files that will be mounted in it."""
    bound = [word for mount in mounts if mount.get("type") == "bind" and os.path.exists(mount["source"])
             for word in ("--volume", f"{mount['source']}:{mount['target']}:ro")]
    own = f"{STEP_LABEL}={secrets.token_hex(8)}"
    with guardian(END_LABELLED, f"label={own}"):
        try:
            yield docker.text("create", "--pull", "never", "--network", "none", "--label", f"{RUN_LABEL}=look",
                              "--label", own, *bound, "--entrypoint", "", image, "true").strip()
        finally:
            docker.remove(docker.containers(f"label={own}"))
