#!/usr/bin/env bash
# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
#
# Creates the cluster on the first start, then becomes the server. Variables, as the official image has them:
# POSTGRES_PASSWORD or POSTGRES_PASSWORD_FILE (needed the first time), POSTGRES_USER (postgres), POSTGRES_DB
# (the user's name), POSTGRES_INITDB_ARGS, PGDATA. Any other command than postgres is run as it is.
set -Eeuo pipefail

if [ "${1:0:1}" = '-' ]; then
    set -- postgres "$@"
fi
if [ "${1:-}" != postgres ]; then
    exec "$@"
fi

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
    chmod 3777 /var/run/postgresql
    exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
        if [ -n "${POSTGRES_PASSWORD:-}" ]; then
            echo 'POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE exclude each other' >&2
            exit 1
        fi
        POSTGRES_PASSWORD=$(<"$POSTGRES_PASSWORD_FILE")
    fi
    if [ -z "${POSTGRES_PASSWORD:-}" ]; then
        echo 'The database is not initialised and no superuser password is given: set POSTGRES_PASSWORD' >&2
        exit 1
    fi
    user=${POSTGRES_USER:-postgres}
    database=${POSTGRES_DB:-$user}
    # Socket and loopback trust everybody, everything else needs the password.
    eval 'initdb --username="$user" --auth=trust --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") '"${POSTGRES_INITDB_ARGS:-}"
    printf '\nhost all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"

    pg_ctl -D "$PGDATA" -w -o "-c listen_addresses='' -c fsync=off" start
    if [ "$database" != postgres ]; then
        psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc -U "$user" -d postgres --set database="$database" \
            <<< 'CREATE DATABASE :"database";'
    fi
    pg_ctl -D "$PGDATA" -m fast -w stop
    sync -f "$PGDATA"
    echo 'PostgreSQL is initialised; ready to start.'
fi

# Nothing below needs them.
unset POSTGRES_PASSWORD
exec "$@"
