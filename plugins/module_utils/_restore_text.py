# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

# Private to this collection: no promise is made to other importers.

from __future__ import annotations

import shlex
import typing as t
from contextlib import suppress

from ._database import Target

with suppress(ImportError):  # _database says so to the operator.
    from psycopg2.extensions import make_dsn

# Settings that hold a list of names: quoting the whole would make one name of it.
_LISTS = ("search_path", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries")


def _suffixed(database: str, suffix: str) -> str:
    """Return a name beside a database's own: PostgreSQL cuts names at 63 bytes, suffix and all."""
    return database.encode()[:63 - len(suffix)].decode(errors="ignore") + suffix


def _locale(server: dict[str, t.Any]) -> list[str]:
    """Return createdb's options for a collation that is not the C library's."""
    names = {"i": ("icu", "icu-locale"), "b": ("builtin", "builtin-locale")}
    if server.get("provider") not in names:
        return []
    provider, option = names[server["provider"]]
    return [f"--locale-provider={provider}", f"--{option}={server['locale']}"]


def _inside(compose: dict[str, str]) -> list[str]:
    """Return what makes the client programs those of the database's container, found anew: a restart may change it."""
    filters = " ".join(f"--filter {shlex.quote(f'label=com.docker.compose.{key}={name}')}"
                       for key, name in (*compose.items(), ("oneoff", "False")))
    return [f"container=$(docker ps --quiet {filters})",
            '[ -n "$container" ] || { echo "No container of the database is running: start it first" >&2; exit 1; }',
            'inside() { docker exec --interactive --env PGUSER --env PGPASSWORD "$container" "$@"; }',
            *(f'{name}() {{ inside {name} "$@"; }}' for name in ("createdb", "pg_restore", "psql"))]


def restore_text(target: Target, manifest: dict[str, t.Any]) -> str:
    """Return RESTORE.txt: the shell commands that restore the backup, with no Ansible, the live database kept."""
    server, database = manifest["server"], manifest["database"]
    beside, kept = (_suffixed(database, suffix) for suffix in ("_restored", "_replaced"))
    shown = " ".join(database.split())
    quoted = {name: '"' + name.replace('"', '""') + '"' for name in (database, beside, kept)}
    literal = database.replace("'", "''")
    inside = manifest.get("compose")
    known = {key: target.params[key] for key in ("user",) if key in target.params} if inside else target.params
    exports = [f"export {name}={shlex.quote(str(known[key]))}"
               for name, key in (("PGHOST", "host"), ("PGPORT", "port"), ("PGUSER", "user"), ("PGSSLMODE", "sslmode"),
                                 ("PGSSLROOTCERT", "sslrootcert")) if key in known]
    whole = [entry for entry in manifest["files"] if entry["scope"] == "database"]
    lines = [
        f"# Backup {manifest['backup_id']} of database {shown}, taken {manifest['finished_at']}",
        f"# Recorded revisions: {', '.join(manifest['heads'] or ['none'])}. PostgreSQL {server['server_version']}.",
        "# Run it as it stands (sh RESTORE.txt) or line by line, with the password in PGPASSWORD or in a PGPASSFILE.",
        "# The role needs CREATEDB and must own the database. The last step replaces the live database, and only with",
        "# SWAP=yes in the environment; stop what writes to it first. To begin again, drop what step 2 created.",
        "set -eu", f"cd {shlex.quote(manifest['path'])}", *exports,
        # Older client programs than those that wrote the file cannot read it.
        *([f"export PATH={shlex.quote(manifest['bin_dir'])}:$PATH"] if manifest.get("bin_dir") else []),
        *(_inside(inside) if inside else []), "",
        "# 1. Are the files as they were written?", "sha256sum --check SHA256SUMS", "",
    ]
    if not whole:
        lines += ["# This backup holds single tables only. Restore them into a scratch database, then copy the rows:",
                  f"# pg_restore --exit-on-error --dbname=SCRATCH {manifest['files'][0]['name']}"]
        return "\n".join(lines) + "\n"
    file = whole[0]["name"]
    # A name with = or :// in it would be taken for a connection string; inside one it is a name again.
    to = f"--dbname={make_dsn(dbname=beside)}"
    create = ["createdb", "-w", f"--owner={server['owner']}", f"--encoding={server['encoding']}",
              f"--lc-collate={server['collate']}", f"--lc-ctype={server['ctype']}", *_locale(server),
              "--template=template0", "--", beside]
    load = (["pg_restore", "-w", "--exit-on-error", "--single-transaction", to] if manifest["format"] == "custom" else
            ["psql", "-w", "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction", to])
    lines += ["# 2. Restore beside the live database; the first error stops it.", f"{shlex.join(create)} </dev/null",
              f"{shlex.join(load)} < {file}"]
    for setting in server["settings"] or []:
        name, _equals, text = setting.partition("=")
        quoted_text = text if name in _LISTS else "'{}'".format(text.replace("'", "''"))
        statement = f"ALTER DATABASE {quoted[beside]} SET {name} TO {quoted_text}"
        # Some settings only a superuser may give; the data does not hang on them.
        lines.append(shlex.join(["psql", "-w", "--no-psqlrc", to, f"--command={statement}"])
                     + f" </dev/null || echo {shlex.quote('Not set: ' + statement)} >&2")
    lines += [f"# Grants on the database itself, to give again where not the default: {server['acl'] or 'default'}", "",
              "# 3. Compare with what the backup holds; a difference ends it here.",
              "same() { [ \"$1\" = \"$2\" ] || { echo \"$3: $1 rows, the backup holds $2\" >&2; exit 1; }; }"]
    for table, counted in manifest["tables"].items():
        schema, name = counted.get("place") or table.split(".", 1)
        statement = 'SELECT count(*) FROM "{}"."{}"'.format(schema.replace('"', '""'), name.replace('"', '""'))
        count = shlex.join(["psql", "-w", "--no-psqlrc", "-At", to, f"--command={statement}"]) + " </dev/null"
        label = " ".join(table.split())
        lines.append(f'same "$({count})" {counted["rows"]} {shlex.quote(label)}' if counted["exact"] else
                     f"{count}  # {label}: about {counted['rows']}")
    lines += ["", f"# 4. Put it in the live one's place. The replaced database is kept as {' '.join(kept.split())}.",
              "[ \"${SWAP:-}\" = yes ] || { echo 'Restored, compared, not swapped: that takes SWAP=yes' >&2; exit 0; }",
              "psql -w --no-psqlrc --set=ON_ERROR_STOP=1 --dbname=postgres <<'SQL'",
              f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{literal}';", "BEGIN;",
              f"ALTER DATABASE {quoted[database]} RENAME TO {quoted[kept]};",
              f"ALTER DATABASE {quoted[beside]} RENAME TO {quoted[database]};", "COMMIT;", "SQL"]
    return "\n".join(lines) + "\n"
