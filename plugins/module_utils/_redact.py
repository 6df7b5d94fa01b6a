# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from ._runner import KEPT_BYTES, Finished

MASK = "********"

# The password of any URL, whoever printed it: scheme://user:PASSWORD@host. Greedy up to the last @ of the word, because
# drivers accept passwords and users with an unescaped one, or with a slash; masking too much gives nothing away.
_URL_PASSWORD = re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s:/]*:)(\S+)(@)")
_QUERY_PASSWORD = re.compile(r"([?&](?:ssl)?password=)([^&\s]+)()", re.IGNORECASE)
# The keyword form is the other spelling of a connection string.
_DSN_PASSWORD = re.compile(r"((?:^|[\s'\"])password\s*=\s*)('(?:\\.|[^'\\])*'|[^\s'\"]+)()", re.IGNORECASE)
# Settings that stand under a telling name, such as POSTGRES_HOST_AUTH_METHOD.
_NO_SECRETS = {"true", "false", "none", "null", "trust", "peer", "ident", "cert", "scram-sha-256"}
# A shell's working directory is no password.
_SHELLS_OWN = {"PWD", "OLDPWD"}
# A name is read by its words. PGPASSWORD and APIKEY tell, PASSENGER and AUTHOR do not.
_BETWEEN = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")
_PASSWORD = r".*(?:PASS(?:WORD|WD|PHRASE|CODE)?|PWD|PW)S?\d*|PASS(?:WORD|WD|PHRASE).*"
_PASSWORD_WORD = re.compile(_PASSWORD)
_SECRET_WORD = re.compile(rf"{_PASSWORD}|.*(?:PHRASE|SECRET|TOKEN|KEY|CREDENTIAL|DSN|AUTH|AUTHORIZATION)S?\d*"
                          r"|(?:SECRET|CREDENTIAL).*")
# A name that ends so says something about a secret: ACCESS_TOKEN_EXPIRE_MINUTES, POSTGRES_HOST_AUTH_METHOD.
_ABOUT = {"SECONDS", "MINUTES", "HOURS", "DAYS", "TTL", "TIMEOUT", "LIFETIME", "EXPIRE", "EXPIRES", "EXPIRY",
          "EXPIRATION", "ALGORITHM", "ENV", "METHOD", "HEADER", "LENGTH", "MIN", "MAX", "ID"}
_PLACES = {"FILE", "PATH", "DIR", "DIRECTORY"}
_SHORT, _SHORT_NUMBER = 4, 6


def url_passwords(text: str) -> set[str]:
    """Return the passwords of the URLs in a text, each as written and percent-decoded."""
    found = set()
    for pattern in (_URL_PASSWORD, _QUERY_PASSWORD):
        for match in pattern.finditer(text):
            found |= {match.group(2), unquote(match.group(2)), unquote_plus(match.group(2))}
    return found


def environment_secrets(environment: Mapping[str, object]) -> set[str]:
    """Return what must never be shown of an environment: values under a telling name, and passwords inside URLs.

    A value of fewer than four characters is not taken for a secret: masking ``1`` everywhere would destroy the report
    without hiding anything.
    """
    found: set[str] = set()
    for name, value in environment.items():
        text = str(value)
        passwords = url_passwords(text)
        found |= passwords
        if passwords or _is_secret(str(name), text):
            found.add(text)
    return {secret for secret in found if len(secret) >= _SHORT}


def _is_secret(name: str, text: str) -> bool:
    """Tell by its name whether a value is a secret.

    What is taken for one is masked in every result, in moments, paths and the names of runs as well: a number has to
    be a password, and a long one.
    """
    words = [word.upper() for word in _BETWEEN.split(name) if word]
    if name in _SHELLS_OWN or not any(_SECRET_WORD.fullmatch(word) for word in words):
        return False
    # The SECRET_ID of a vault is a password; other ids are not.
    if words[-1] in _ABOUT and words[-2:] != ["SECRET", "ID"]:
        return False
    if text.isdigit():
        return len(text) >= _SHORT_NUMBER and any(_PASSWORD_WORD.fullmatch(word) for word in words)
    return words[-1] not in _PLACES or not text.startswith(("/", "./"))


def last_words(done: Finished, redact: Redactor) -> str:
    """Return the end of what a program said, without secrets; its time limit when that ended it."""
    # Cut afterwards: of a secret cut in two, nobody would know the rest for one.
    said = redact((done.stderr.strip() or done.stdout.strip())[-KEPT_BYTES:])[-1500:]
    return f"[{done.ended_by}] {said}" if done.ended_by else said or f"status {done.rc}"


class Redactor:
    """Masks known secrets, in each way a program may write them, and whatever looks like a password in a URL."""

    def __init__(self, secrets: Iterable[str] = (), public: Iterable[str] = ()) -> None:
        self.spellings: list[str] = []
        self._public = set(public)
        self._spell(secrets)

    def learn(self, secrets: Iterable[str]) -> None:
        """Mask these as well, but for what is public: a password that is the database's own name hides nothing."""
        self._spell(set(secrets) - self._public - _NO_SECRETS)

    def _spell(self, secrets: Iterable[str]) -> None:
        spelled = set(self.spellings)
        for secret in secrets:
            if secret:
                spelled |= {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1],
                            secret.replace("%", "%%"), quote(secret, safe="").replace("%", "%%")}
        # Longest first: masking a part of a longer secret would leave the rest of it readable.
        self.spellings = sorted(spelled, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self.spellings:
            text = text.replace(secret, MASK)
        for pattern in (_URL_PASSWORD, _QUERY_PASSWORD, _DSN_PASSWORD):
            text = pattern.sub(r"\1" + MASK + r"\3", text)
        return text
