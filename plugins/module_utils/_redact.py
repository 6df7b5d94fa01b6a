# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus, unquote, unquote_plus

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
_SECRET_NAME = re.compile(r"PASS|PWD|PW$|PHRASE|SECRET|TOKEN|KEY|CREDENTIAL|DSN|AUTH", re.IGNORECASE)


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
        if passwords or (_SECRET_NAME.search(str(name)) and name not in _SHELLS_OWN):
            found.add(text)
    return {secret for secret in found if len(secret) >= 4}


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
