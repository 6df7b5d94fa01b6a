# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""No password is shown, however it is spelled; what is none stays readable."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from ansible_collections.recyclic.rollback.plugins.module_utils._redact import (
    MASK,
    Redactor,
    environment_secrets,
    last_words,
    url_passwords,
)
from ansible_collections.recyclic.rollback.plugins.module_utils._runner import Finished


@pytest.mark.parametrize(("text", "shown"), [
    ("postgresql://app:s3cret@db/recyclic", f"postgresql://app:{MASK}@db/recyclic"),
    ("postgresql+psycopg2://app:s3cret@db:5432/x?sslmode=require",
     f"postgresql+psycopg2://app:{MASK}@db:5432/x?sslmode=require"),
    ("postgresql://app:p%40ss%2Fword%25@db/x", f"postgresql://app:{MASK}@db/x"),
    ("postgresql://app:p@ss@word@db/x", f"postgresql://app:{MASK}@db/x"),
    ("postgresql://app:it's@db/x", f"postgresql://app:{MASK}@db/x"),
    ('url="postgresql://app:a"b@db/x"', f'url="postgresql://app:{MASK}@db/x"'),
    ("redis://:s3cret@cache:6379/0", f"redis://:{MASK}@cache:6379/0"),
    ("two: a://u:one@h b://u:two@h", f"two: a://u:{MASK}@h b://u:{MASK}@h"),
])
def test_the_password_of_a_url_is_masked_without_being_known(text: str, shown: str) -> None:
    assert Redactor()(text) == shown


@pytest.mark.parametrize("url", [
    "postgresql://app:pa/ss-w0rd@db/x",
    "postgresql://app@site:pa-ss-w0rd@db/x",
    "postgresql://db/x?user=app&password=pa-ss-w0rd",
    "postgresql:///x?password=pa-ss-w0rd&user=app",
])
def test_a_url_that_sqlalchemy_or_libpq_accepts_gives_no_password_away(url: str) -> None:
    redact = Redactor(environment_secrets({"DATABASE_URL": url}))
    assert "w0rd" not in redact(f"DEBUG: {url}")
    assert "w0rd" not in redact(f"DEBUG: {url.replace('postgresql:', 'postgresql+psycopg2:')}")


@pytest.mark.parametrize(("text", "shown"), [
    ("host=db password=s3cret user=app", f"host=db password={MASK} user=app"),
    ("password = s3cret", f"password = {MASK}"),
    (r"host=db password='it\'s a secret' user=app", f"host=db password={MASK} user=app"),
    ('dsn "password=s3cret dbname=x"', f'dsn "password={MASK} dbname=x"'),
    ("PASSWORD=s3cret", f"PASSWORD={MASK}"),
])
def test_the_password_of_a_keyword_dsn_is_masked(text: str, shown: str) -> None:
    assert Redactor()(text) == shown


@pytest.mark.parametrize("text", [
    "12 rows of public.categories",
    "http://localhost:8000/api/v1/categories/",
    "mail to someone@example.org: done",
    "password authentication failed for user app",
    "started 2026-03-01T03:15:00Z",
])
def test_what_holds_no_secret_is_left_as_it_is(text: str) -> None:
    assert Redactor(["s3cret"])(text) == text


@pytest.mark.parametrize("secret", ["p%40ss", "p@ss/word", "a+b c", "it's", 'say "x"', "back\\slash", "100%", "é%ü"])
def test_a_known_secret_is_masked_in_every_spelling(secret: str) -> None:
    redact = Redactor([secret])
    spellings = [secret, quote(secret), quote(secret, safe=""), secret.replace("%", "%%"), repr(secret),
                 quote(secret, safe="").replace("%", "%%")]
    for spelled in spellings:
        shown = redact(f"<{spelled}>")
        assert secret not in shown and MASK in shown, spelled


def test_a_longer_secret_is_masked_before_a_shorter_one_inside_it() -> None:
    assert Redactor(["abcd", "abcd-efgh"])("it is abcd-efgh.") == f"it is {MASK}."


def test_an_empty_secret_masks_nothing() -> None:
    assert Redactor(["", "s3cret"])("plain") == "plain"


@pytest.mark.parametrize(("environment", "secrets"), [
    ({"DB_PASSWORD": "hunter2"}, {"hunter2"}),
    ({"api_token": "abcdef", "SECRET_KEY": "ghijkl", "MY_DSN": "mnopqr"}, {"abcdef", "ghijkl", "mnopqr"}),
    ({"DATABASE_URL": "postgresql://u:p%40ss@h/d"}, {"postgresql://u:p%40ss@h/d", "p%40ss", "p@ss"}),
    ({"ENVIRONMENT": "staging", "LOG_LEVEL": "debug"}, set()),
    ({"PWD": "/app/history", "DB_PWD": "/app/history"}, {"/app/history"}), ({"PWD": "/app/history"}, set()),
    ({"PASSWORD_MIN": 1, "TOKEN": "abc"}, set()),  # too short to be hidden, and it would mask half the report
    ({"DATABASE_URL": "postgresql://h/d"}, set()),
    # By the words of a name, at their beginning or end.
    *(({name: "hush-hush"}, {"hush-hush"}) for name in (
        "PGPASSWORD", "POSTGRES_PASSWORD", "APIKEY", "ACCESS_TOKEN", "DB_PW", "DB_PASS", "PASSWORD1", "AWS_SECRET_KEYS",
        "X-Api-Key", "Authorization", "tokenValue", "VAULT_SECRET_ID", "DB_PASSPHRASE", "SECRETKEYBASE", "REDIS_AUTH")),
    *(({name: "hush-hush"}, set()) for name in (
        "PASSENGER_APP", "AUTHOR", "KEYBOARD", "TOKENIZERS", "JWT_SECRET_ALGORITHM", "POSTGRES_HOST_AUTH_METHOD",
        "API_KEY_HEADER", "AWS_ACCESS_KEY_ID", "AUTH_ENV", "PASSWORD_LENGTH")),
    # A number is a secret where it is a password, and long.
    ({"ACCESS_TOKEN_EXPIRE_MINUTES": 1440, "AUTH_TTL": "86400000", "PASSWORD_MAX": "1000000"}, set()),
    ({"MAX_TOKENS": "1000000", "PASSWORD_PIN": "2026"}, set()),
    ({"DB_PASSWORD": "482913", "PGPASSWORD": 20260301}, {"482913", "20260301"}),
    # A path would be masked in every path below it; what is no path stays a secret.
    ({"POSTGRES_PASSWORD_FILE": "/run/secrets/db", "SECRETS_DIR": "/var/lib/recyclic-rollback"}, set()),
    ({"TOKEN_FILE": "hush-hush"}, {"hush-hush"}),
    ({"AUTH_ENV": "postgresql://u:hush@h/d"}, {"postgresql://u:hush@h/d", "hush"}),
])
def test_the_secrets_of_an_environment(environment: dict[str, object], secrets: set[str]) -> None:
    assert environment_secrets(environment) == secrets


def test_the_password_of_a_url_is_known_as_written_and_decoded() -> None:
    assert url_passwords("postgresql://u:a%2Bb+c@h/d") == {"a%2Bb+c", "a+b+c", "a+b c"}


@pytest.mark.parametrize("secret", ["hush-hush-hush", "postgresql://u:hush@hush-hush@h/d"])
def test_the_last_words_of_a_program_hold_no_end_of_a_secret(secret: str) -> None:
    """Wherever the cut falls: a secret that was cut in two would not be known for one."""
    redact = Redactor({secret} if "://" not in secret else ())
    for rest in range(1500 - len(secret), 1500):
        said = last_words(Finished(1, "", secret + " " + "x" * rest, 1.0), redact)
        assert len(said) <= 1500 and "hush" not in said
    assert last_words(Finished(-9, "said", "", 1.0, "timeout"), redact) == "[timeout] said"


def test_a_run_is_still_called_by_its_name() -> None:
    """What an environment says in numbers and paths is masked in no name of a run and in none of its files."""
    redact = Redactor()
    redact.learn(environment_secrets({"ACCESS_TOKEN_EXPIRE_MINUTES": "144005", "SECRET_YEAR": "2026", "DB_PW": "2026",
                                      "SECRETS_PATH": "/var/lib/recyclic-rollback"}))
    path = "/var/lib/recyclic-rollback/runs/20260301T144005Z-ab12cd/report.json"
    assert redact(path) == path


def test_what_is_learnt_later_is_masked_but_for_what_is_public() -> None:
    redact = Redactor(["s3cret"], public=["recyclic"])
    redact.learn({"hunter2", "recyclic", "trust"})
    assert redact("s3cret hunter2 recyclic trust") == f"{MASK} {MASK} recyclic trust"
