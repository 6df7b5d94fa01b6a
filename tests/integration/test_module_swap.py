# Copyright: (c) 2026, the recyclic.rollback maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""database_copy and database_swap: which database bears which name, with what, however they end."""
from __future__ import annotations

import contextlib
import json
import select
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from harness import MIGRATION, Answer, Database, Started, common_args, run_module, wait_for
from psycopg2.sql import SQL, Identifier, Literal

from ansible_collections.recyclic.rollback.plugins.module_utils._database import Target
from ansible_collections.recyclic.rollback.plugins.module_utils._errors import Refusal
from ansible_collections.recyclic.rollback.plugins.module_utils._swap import drop, list_ours, maintenance

Starts = Callable[..., Started]
HEADS = [MIGRATION]
COMMENT = "Recyclic's own, with \"quotes\" and a \\ backslash"


def make_copy(database: Database, **options: Any) -> Answer:
    answer = run_module("database_copy", **{**common_args(database), "policy": "always", **options})
    assert answer.get("msg") is None, answer
    return answer


def swap_args(database: Database, replacement: str, **options: Any) -> dict[str, Any]:
    return {**common_args(database), "replacement": replacement, "to_heads": HEADS, "purpose": "recovery", **options}


def swap(database: Database, replacement: str, **options: Any) -> Answer:
    return run_module("database_swap", **swap_args(database, replacement, **options))


def as_superuser(database: Database) -> dict[str, Any]:
    return {"login_user": database.server.superuser, "login_password": database.server.password}


def oid_of(database: Database, name: str | None = None) -> int | None:
    found = database.rows(SQL("SELECT oid FROM pg_database WHERE datname = {}").format(Literal(name or database.name)),
                          superuser=True, name="postgres")
    return int(found[0][0]) if found else None


def beside(database: Database) -> dict[str, dict[str, Any]]:
    """What bears our comment and is of this database, by name."""
    found = database.rows("SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database", superuser=True,
                          name="postgres")
    marks = {name: json.loads(comment)["recyclic.rollback"] for name, comment in found
             if comment and "recyclic.rollback" in comment}
    return {name: mark for name, mark in marks.items() if mark["of"] == database.name}


def others(database: Database) -> set[str]:
    """Every database whose name begins like the live one's, without that one."""
    found = database.rows("SELECT datname FROM pg_database", superuser=True, name="postgres")
    return {name for (name,) in found if name.startswith(database.name) and name != database.name}


def row_of(database: Database, name: str | None = None, comment: bool = True) -> dict[str, Any]:
    """All a database has that no dump carries, grants and settings in a fixed order; its oid and age left out."""
    where = SQL(" WHERE d.datname = {}").format(Literal(name or database.name))
    [row] = database.rows(SQL("""
        SELECT to_jsonb(d) - '{oid,datname,datfrozenxid,datminmxid,datacl,datlastsysoid}'::text[],
               ARRAY(SELECT a::text FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a ORDER BY 1),
               shobj_description(d.oid, 'pg_database')
        FROM pg_database d""") + where, superuser=True, name="postgres")
    query = SQL("""
        SELECT s.setrole, ARRAY(SELECT c FROM unnest(s.setconfig) c ORDER BY 1)
        FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase""") + where + SQL(" ORDER BY 1")
    settings = database.rows(query, superuser=True, name="postgres")
    return {"row": row[0], "grants": row[1], "settings": settings, **({"comment": row[2]} if comment else {})}


class Application:
    """Connects ten times a second, asks something, and stays; what it is refused is remembered."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.open: list[Any] = []
        self.asked = 0
        self.refused: list[str] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        while not self._done.wait(0.1):
            try:
                self.open = [*self.open[-4:], self.database.connect(application_name="the application")]
                with self.open[-1].cursor() as cursor:
                    cursor.execute("SELECT count(*) FROM sales")
                self.asked += 1
            except psycopg2.Error as error:
                self.refused.append(str(error))

    def __enter__(self) -> Application:
        self._thread.start()
        wait_for(lambda: self.asked >= 3, "the application's first sessions")
        return self

    def __exit__(self, *_exception: object) -> None:
        self._done.set()
        self._thread.join()
        for connection in self.open:
            with contextlib.suppress(psycopg2.Error):
                connection.close()

    def works(self) -> None:
        """It comes in again, without anybody's help."""
        before = self.asked
        wait_for(lambda: self.asked >= before + 3, "the application at work again", 20)


@contextmanager
def held(database: Database, name: str) -> Iterator[None]:
    """Somebody holds back whoever would rename a database, for as long as this lasts; who connects to it may."""
    holder = database.connect(superuser=True, dbname="postgres", application_name="the holder")
    try:
        with holder.cursor() as cursor:
            cursor.execute(SQL("COMMENT ON DATABASE {} IS {}").format(Identifier(name), Literal("not for long")))
        yield
    finally:
        holder.close()


def between_renames(database: Database) -> int | None:
    """The pid of the session that has renamed the live database and waits for the other, if there is one."""
    query = SQL("""
        SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'recyclic.%act'
        AND query LIKE {}""").format(Literal(f"ALTER DATABASE%RENAME TO \"{database.name}\""))
    found = database.rows(query, superuser=True, name="postgres")
    return found[0][0] if found else None


def nothing_at_work(database: Database) -> None:
    wait_for(lambda: not database.rows("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'recyclic%'",
                                       superuser=True, name="postgres"), "the end of every session of ours", 5)


# There and back


@pytest.mark.both_runtimes
def test_a_copy_takes_the_place_of_what_a_failed_route_left(database: Database, tmp_path: Path) -> None:
    dump, was, oid = database.dump(), row_of(database), oid_of(database)
    evidence = tmp_path / "before.json"
    run_module("table_count", **common_args(database), everything=True, evidence=str(evidence))

    copied = make_copy(database, evidence=str(evidence), run_dir=str(run_dir(tmp_path)))

    name = copied["copy"]["name"]
    assert (copied["changed"], copied["reason"], copied["copy"]["proved"]) == (True, "", True)
    assert database.dump(name) == dump
    assert row_of(database, name, comment=False) == {key: was[key] for key in was if key != "comment"}
    mark = beside(database)[name]
    assert (mark["kind"], mark["proved"], mark["heads"], mark["run_id"]) == ("safety", True, HEADS, "a-run")
    assert len(name.encode()) <= 63

    database.rows("DROP TABLE sale_items CASCADE")
    database.stamp("another")
    ruin = database.dump()
    swapped = swap(database, name, expected_heads=["another"], run_dir=str(run_dir(tmp_path)), diff=True)

    assert swapped.get("msg") is None
    assert (swapped["changed"], swapped["heads_before"], swapped["heads_after"]) == (True, ["another"], HEADS)
    assert swapped["diff"]["before"] == "another\n"
    assert database.dump() == dump and row_of(database) == was
    assert others(database) == {swapped["kept"]} and database.dump(swapped["kept"]) == ruin
    kept = beside(database)[swapped["kept"]]
    assert (kept["kind"], kept["heads"], kept["comment"]) == ("kept", ["another"], None)
    assert oid_of(database, swapped["kept"]) == oid
    assert [line.rstrip(";").split()[0] for line in swapped["executed_commands"]] == [
        "BEGIN", "ALTER", "ALTER", "COMMENT", "COMMENT", "COMMIT"]
    journal = [json.loads(line) for line in (run_dir(tmp_path) / "journal.jsonl").read_text().splitlines()]
    [ended] = [line for line in journal if line["event"] == "ended" and line["step"] == "database_swap"]
    assert (ended["replacement"], ended["kept"], ended["purpose"]) == (name, swapped["kept"], "recovery")

    again = swap(database, name, run_dir=str(run_dir(tmp_path)))
    assert (again["changed"], again["kept"], again["heads_after"]) == (False, swapped["kept"], HEADS)
    undone = swap(database, swapped["kept"], to_heads=["another"], purpose="undo", run_dir=str(run_dir(tmp_path)))
    assert undone.get("msg") is None
    assert oid_of(database) == oid and database.dump() == ruin and row_of(database) == was
    nothing_at_work(database)


def run_dir(home: Path) -> Path:
    path = home / "runs" / "a-run"
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.mark.both_runtimes
def test_an_application_that_keeps_coming_back_makes_neither_fail(database: Database) -> None:
    with Application(database) as application:
        evidence_free = make_copy(database)
        application.works()
        name = evidence_free["copy"]["name"]
        database.rows("CREATE TABLE what_went_wrong ()")
        swapped = swap(database, name)
        assert swapped.get("msg") is None
        application.works()
        # What it sees is the copy.
        assert database.value("SELECT to_regclass('what_went_wrong') IS NULL")
    assert evidence_free["ended"] >= 1 and swapped["ended"] >= 1
    assert swapped["seconds"] < 10
    assert not [told for told in application.refused if "permission" in told or (
        "does not exist" in told and "dropped or renamed" not in told)]


@pytest.fixture
def dressed(database: Database) -> Iterator[Database]:
    """A live database with all that can be given to one."""
    roles = [f"{word}-{database.user}" for word in ("Reader", "Passed on", "Of the database")]
    db, reader, passed, its = map(Identifier, (database.name, *roles))
    for role in roles:
        database.rows(SQL("CREATE ROLE {}").format(Identifier(role)), superuser=True)
    for statement in (
            "REVOKE ALL ON DATABASE {db} FROM PUBLIC", "GRANT TEMPORARY ON DATABASE {db} TO {its}",
            "GRANT CONNECT ON DATABASE {db} TO {reader} WITH GRANT OPTION",
            "SET ROLE {reader}; GRANT CONNECT ON DATABASE {db} TO {passed} WITH GRANT OPTION",
            "SET ROLE {passed}; GRANT CONNECT ON DATABASE {db} TO {its}",
            "ALTER DATABASE {db} SET search_path TO \"$user\", 'With, comma', 'a \"quote\"', public",
            "ALTER DATABASE {db} SET temp_tablespaces TO ''", "ALTER DATABASE {db} SET work_mem TO '65536kB'",
            "ALTER DATABASE {db} SET datestyle TO 'ISO, DMY'", "ALTER DATABASE {db} SET our.own TO 'it''s, \"this\"'",
            "ALTER DATABASE {db} SET log_min_duration_statement TO 5000",
            "ALTER ROLE {reader} IN DATABASE {db} SET search_path TO ''",
            "ALTER ROLE {its} IN DATABASE {db} SET default_transaction_read_only TO on",
            "ALTER DATABASE {db} CONNECTION LIMIT 17 IS_TEMPLATE true", "COMMENT ON DATABASE {db} IS {comment}"):
        database.rows(SQL(statement).format(db=db, reader=reader, passed=passed, its=its, comment=Literal(COMMENT)),
                      superuser=True)
    yield database
    for name in {database.name, *others(database)}:
        database.rows(SQL("ALTER DATABASE {} IS_TEMPLATE false").format(Identifier(name)), superuser=True,
                      name="postgres")
        database.rows(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)), superuser=True, name="postgres")
    for role in roles:
        database.rows(SQL("DROP ROLE {}").format(Identifier(role)), superuser=True, name="postgres")


def test_the_replacement_gets_all_the_live_database_has(dressed: Database) -> None:
    was = row_of(dressed)
    # What dresses it must hold for one that has something else on.
    name = make_copy(dressed, **as_superuser(dressed))["copy"]["name"]
    assert {**row_of(dressed, name), "comment": was["comment"]} == was
    for statement in ("GRANT CREATE, CONNECT ON DATABASE {} TO PUBLIC", "ALTER DATABASE {} SET work_mem TO '1MB'",
                      "ALTER DATABASE {} SET lock_timeout TO '1s'", "ALTER DATABASE {} CONNECTION LIMIT 3",
                      f"ALTER DATABASE {{}} OWNER TO {dressed.server.superuser}"):
        dressed.rows(SQL(statement).format(Identifier(name)), superuser=True, name="postgres")

    swapped = swap(dressed, name, **as_superuser(dressed))

    assert swapped.get("msg") is None
    assert swapped["not_given"] == []
    assert row_of(dressed) == was
    assert beside(dressed)[swapped["kept"]]["comment"] == COMMENT


def test_what_a_plain_owner_may_not_give_is_told(database: Database) -> None:
    database.rows(SQL("ALTER DATABASE {} SET log_min_duration_statement TO 5000").format(Identifier(database.name)),
                  superuser=True)
    database.rows(SQL("ALTER DATABASE {} SET search_path TO public").format(Identifier(database.name)))

    copied = make_copy(database)

    [told] = copied["not_given"]
    assert "log_min_duration_statement" in told and "permission denied" in told
    swapped = swap(database, copied["copy"]["name"])
    assert swapped.get("msg") is None
    assert swapped["not_given"] == [told]
    assert row_of(database)["settings"] == [(0, ["search_path=public"])]


# However it ends


@pytest.mark.both_runtimes
@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_killed_between_the_renames_it_is_as_before(
    database: Database, start_module: Starts, signum: signal.Signals, tmp_path: Path
) -> None:
    name = make_copy(database)["copy"]["name"]
    oids, dump = (oid_of(database), oid_of(database, name)), database.dump()
    with Application(database) as application:
        with held(database, name):
            module = start_module("database_swap", **swap_args(database, name, run_dir=str(run_dir(tmp_path))))
            wait_for(lambda: between_renames(database), "the second rename")
            module.kill(signum)
            if signum == signal.SIGTERM:
                assert module.answer(20)["problem"] == "interrupted"
            nothing_at_work(database)
            assert (oid_of(database), oid_of(database, name)) == oids
            application.works()
        assert others(database) == {name} and database.dump() == dump
        # And then nothing stands in its way.
        swapped = swap(database, name, run_dir=str(run_dir(tmp_path)))
        assert swapped.get("msg") is None
        application.works()
    assert (oid_of(database), oid_of(database, swapped["kept"])) == oids[::-1]


def test_a_session_ended_between_the_renames_leaves_all_as_before(database: Database, start_module: Starts) -> None:
    name = make_copy(database)["copy"]["name"]
    oids = oid_of(database), oid_of(database, name)
    with held(database, name):
        module = start_module("database_swap", **swap_args(database, name))
        pid = wait_for(lambda: between_renames(database), "the second rename")
        database.rows(f"SELECT pg_terminate_backend({pid})", superuser=True, name="postgres")
        answer = module.answer(30)
    assert (answer["problem"], answer["outcome"]) == ("swap_failed", None)
    assert str(oids[0]) in answer["msg"]
    assert (oid_of(database), oid_of(database, name)) == oids and others(database) == {name}


def test_a_lock_somebody_holds_for_a_moment_is_waited_for(database: Database, start_module: Starts) -> None:
    name = make_copy(database)["copy"]["name"]
    with held(database, name):
        module = start_module("database_swap", **swap_args(database, name))
        first = wait_for(lambda: between_renames(database), "the second rename")
        # Longer than one attempt waits.
        wait_for(lambda: between_renames(database) not in (None, first), "another attempt")
    assert module.answer()["changed"]


def test_a_database_that_never_comes_free_keeps_its_name(database: Database) -> None:
    name = make_copy(database)["copy"]["name"]
    oids = oid_of(database), oid_of(database, name)
    with Application(database) as application, held(database, name):
        answer = swap(database, name)
        assert answer["problem"] == "swap_not_free"
        assert (oid_of(database), oid_of(database, name)) == oids
        application.works()


@pytest.mark.parametrize("late", [False, True])
def test_a_commit_whose_answer_never_came_is_looked_up(database: Database, tmp_path: Path, late: bool) -> None:
    """The connection is cut when COMMIT is sent: either it was not heard, or its answer was not."""
    name = make_copy(database)["copy"]["name"]
    oids = oid_of(database), oid_of(database, name)
    with Cutting(database, late) as proxy:
        answer = swap(database, name, login_host="127.0.0.1", login_port=proxy.port, ssl_mode="disable")
    assert proxy.cut
    if late:
        assert answer.get("msg") is None and answer["changed"]
        assert (oid_of(database), oid_of(database, answer["kept"])) == oids[::-1]
    else:
        assert answer["problem"] == "swap_failed"
        assert (oid_of(database), oid_of(database, name)) == oids


class Cutting:
    """Stands before the server and cuts the first connection that asks to COMMIT after a rename, before or after."""

    def __init__(self, database: Database, late: bool) -> None:
        self.database, self.late, self.cut = database, late, False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Cutting:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: Any) -> None:
        upstream = socket.create_connection((self.database.server.host, self.database.server.port))
        renamed = False
        with client, upstream, contextlib.suppress(OSError):
            while True:
                for source in select.select([client, upstream], [], [])[0]:
                    data = source.recv(65536)
                    if not data:
                        return
                    renamed = renamed or b" RENAME TO " in data
                    if source is client and renamed and b"COMMIT\0" in data:
                        if self.late:
                            upstream.sendall(data)
                            upstream.recv(1)
                        self.cut = True
                        return
                    (upstream if source is client else client).sendall(data)


# Refused before anything is done


def refused(database: Database, key: str, replacement: str, **options: Any) -> Answer:
    before = oid_of(database), others(database), row_of(database)
    answer = swap(database, replacement, **options)
    assert (answer.get("problem"), answer.get("outcome")) == (key, "refused"), answer
    assert (oid_of(database), others(database), row_of(database)) == before
    return answer


def test_who_may_not_replace_it_is_told_what_he_lacks(database: Database) -> None:
    name = make_copy(database)["copy"]["name"]
    user, db = Identifier(database.user), Identifier(database.name)
    database.rows(SQL("ALTER ROLE {} NOCREATEDB").format(user), superuser=True)
    assert f"ALTER ROLE {database.user} CREATEDB" in refused(database, "swap_needs_createdb", name)["msg"]
    database.rows(SQL("ALTER ROLE {} CREATEDB").format(user), superuser=True)

    with contextlib.closing(database.connect(superuser=True, application_name="the doctor")):
        assert "the doctor" in refused(database, "swap_cannot_end", name)["msg"]

    database.rows(SQL("ALTER DATABASE {} OWNER TO {}").format(db, Identifier(database.server.superuser)),
                  superuser=True)
    assert database.server.superuser in refused(database, "swap_needs_ownership", name)["msg"]
    database.rows(SQL("ALTER DATABASE {} OWNER TO {}").format(db, user), superuser=True)
    assert swap(database, name)["changed"]


def test_grants_of_somebody_else_need_his_place(dressed: Database) -> None:
    answer = run_module("database_copy", **{**common_args(dressed), "policy": "always"})
    assert (answer["problem"], answer["outcome"]) == ("swap_needs_roles", "refused")
    assert f"Reader-{dressed.user}" in answer["msg"]
    assert others(dressed) == set()


def test_only_what_is_ours_of_this_database_and_proved_takes_its_place(
    database: Database, make_database: Callable[..., Database]
) -> None:
    other = make_database("guide", "migration")
    foreign = make_copy(other)["copy"]["name"]
    name = make_copy(database)["copy"]["name"]
    refused(database, "swap_database_absent", "nowhere")
    refused(database, "beside_not_ours", other.name)
    refused(database, "beside_of_another", foreign, **as_superuser(database))
    refused(database, "swap_heads_before", name, to_heads=["9a2b3c4d5e6f"])
    refused(database, "moved_since_plan", name, expected_heads=["9a2b3c4d5e6f"])
    mark = {**beside(database)[name], "proved": False}
    database.rows(SQL("COMMENT ON DATABASE {} IS {}").format(
        Identifier(name), Literal(json.dumps({"recyclic.rollback": mark}))))
    refused(database, "beside_unproved", name)


def test_nothing_is_renamed_in_check_mode(database: Database) -> None:
    name = make_copy(database)["copy"]["name"]
    before = oid_of(database), others(database)
    with Application(database) as application:
        predicted = swap(database, name, check=True)
        assert (predicted["changed"], predicted["heads_after"]) == (True, HEADS)
        assert application.refused == []
    assert (oid_of(database), others(database)) == before


def test_another_run_on_the_same_database_is_waited_for(database: Database) -> None:
    name = make_copy(database)["copy"]["name"]
    with contextlib.closing(database.connect(application_name="recyclic.rollback:another")) as other:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(x'726c626b'::int, 1)")
        assert "recyclic.rollback:another" in refused(database, "another_run_acting", name)["msg"]


# What is ours


def test_only_databases_of_ours_are_listed_and_dropped(database: Database) -> None:
    name = make_copy(database)["copy"]["name"]
    target = Target({"dbname": database.name, "user": database.user, "host": database.server.host,
                     "port": database.server.port}, database.password)
    with maintenance(target).open("the test") as session:
        [found] = list_ours(session, database.name)
        assert (found.name, found.kind, found.of, found.proved, found.renamed) == (
            name, "safety", database.name, True, False)
        assert found.heads == HEADS and (found.bytes or 0) > 0 and found.connections == 0
        assert list_ours(session, "another") == []

        def stays(which: str, key: str) -> None:
            with pytest.raises(Refusal) as refusal:
                drop(session, which)
            assert refusal.value.key == key and oid_of(database, which)

        stays(database.name, "beside_not_ours")
        with contextlib.closing(database.connect(dbname=name, application_name="a curious one")):
            assert list_ours(session)[0].connections == 1
            stays(name, "beside_in_use")
        wait_for(lambda: not list_ours(session, database.name)[0].connections, "its leaving")
        renamed = f"{database.name}_mine_now"
        for old, new in ((name, renamed), (renamed, name)):
            database.rows(SQL("ALTER DATABASE {} RENAME TO {}").format(Identifier(old), Identifier(new)),
                          name="postgres")
            if new == renamed:
                assert list_ours(session, database.name)[0].renamed
                stays(renamed, "beside_renamed")
        drop(session, name)
    assert others(database) == set()


# Copies


def test_no_copy_where_one_is_not_wanted_or_not_possible(database: Database, tmp_path: Path) -> None:
    def no_copy(**options: Any) -> str:
        answer = run_module("database_copy", **{**common_args(database), **options})
        assert answer.get("msg") is None
        assert (answer["changed"], answer["copy"], others(database)) == (False, None, set())
        return str(answer["reason"])

    assert "rollback_safety_copy=never" in no_copy(policy="never")
    assert "rollback_safety_copy_max_bytes" in no_copy(max_bytes=1000)
    assert "rollback_disk_reserve" in no_copy(disk_reserve="8000T")
    for options, key in (({"max_bytes": 1000}, "copy_too_large"), ({"disk_reserve": "8000T"}, "copy_no_room"),
                         ({"evidence": str(tmp_path / "none.json")}, "baseline_missing")):
        answer = run_module("database_copy", **{**common_args(database), "policy": "always", **options})
        assert (answer["problem"], answer["outcome"]) == (key, "refused")
    foreseen = run_module("database_copy", check=True, **common_args(database))
    assert foreseen["changed"] and foreseen["copy"]["bytes"] > 0
    assert others(database) == set()


@pytest.mark.both_runtimes
def test_a_copy_is_made_where_there_is_known_to_be_room(database: Database) -> None:
    answer = run_module("database_copy", **common_args(database))
    assert answer["reason"] == "" and answer["copy"]["proved"]
    assert answer["executed_commands"][0].startswith("CREATE DATABASE ")


def test_a_copy_of_something_else_than_was_measured_is_dropped(database: Database, tmp_path: Path) -> None:
    evidence = tmp_path / "before.json"
    run_module("table_count", **common_args(database), everything=True, evidence=str(evidence))
    database.rows("DELETE FROM sale_items WHERE ctid IN (SELECT ctid FROM sale_items LIMIT 1)")

    answer = run_module("database_copy", **common_args(database), evidence=str(evidence))

    assert answer["copy"] is None and "sale_items" in answer["reason"]
    assert others(database) == set()
    answer = run_module("database_copy", **common_args(database), evidence=str(evidence), policy="always")
    assert answer["problem"] == "copy_differs"
    assert others(database) == set()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_copy_cut_off_leaves_nothing_once_the_run_goes_on(
    database: Database, start_module: Starts, tmp_path: Path, signum: signal.Signals
) -> None:
    with held(database, database.name):
        module = start_module("database_copy", **common_args(database), policy="always", run_dir=str(run_dir(tmp_path)))
        wait_for(lambda: creating(database), "the copy being made")
        module.kill(signum)
        if signum == signal.SIGTERM:
            assert module.answer(20)["problem"] == "interrupted"
        nothing_at_work(database)
    assert others(database) == set()
    # Killed at the worst moment: made, and not marked yet.
    left = f"{database.name}_safety_a-run"
    database.rows(SQL("CREATE DATABASE {} TEMPLATE {} ALLOW_CONNECTIONS false").format(*map(
        Identifier, (left, database.name))), name="postgres")
    oid = oid_of(database, left)
    copied = make_copy(database, run_dir=str(run_dir(tmp_path)))
    assert others(database) == {left} and oid_of(database, left) != oid
    # A run that goes on takes the copy it has proved.
    again = make_copy(database, run_dir=str(run_dir(tmp_path)))
    assert (again["changed"], again["copy"]["name"]) == (False, copied["copy"]["name"])
    assert others(database) == {left}


def creating(database: Database) -> bool:
    return bool(database.rows("SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'recyclic.rollback:%act'"
                              " AND query LIKE 'CREATE DATABASE%' AND state = 'active'", superuser=True,
                              name="postgres"))
