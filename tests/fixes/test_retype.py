"""A key gets the other side's type: what is in the way is found first, what it does is told, and it is done once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending, Request, Scope
from fkexplorer.fixes.plans import make_plan
from fkexplorer.named import edge_or_pair
from fkexplorer.schema.actions import FixAction
from tests.fixes.byhand import hashes, take_back
from tests.fixes.psqlrun import psql_of, run_script
from tests.fixes.schemafixes import ask, do, seen, written
from tests.fixes.trying import locks_of, trying
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.demo.server import EmbeddedServer

# Ten sessions: 0 to 5 have their user, written in capitals; 6 to 9 have none; three are no uuid, and one has no user.
SESSIONS = """
CREATE TABLE users (id uuid PRIMARY KEY);
INSERT INTO users SELECT ('a0000000-0000-0000-0000-00000000000' || n)::uuid FROM generate_series(0, 5) n;
CREATE TABLE sessions (id int PRIMARY KEY, user_id text);
INSERT INTO sessions SELECT n, 'A0000000-0000-0000-0000-00000000000' || n FROM generate_series(0, 9) n;
INSERT INTO sessions SELECT n, 'x' || n % 2 FROM generate_series(10, 12) n;
INSERT INTO sessions VALUES (99, NULL);
"""
PAIR = "sessions(user_id):users(id)"
TYPE = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '{}'::regclass AND attname = '{}'"


@pytest.mark.matrix
async def test_from_two_types_to_a_valid_constraint(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(SESSIONS + "CREATE INDEX sessions_user_id_idx ON sessions (user_id)")
    was = hashes(conninfo)
    with pytest.raises(Trouble) as raised:
        await seen(conninfo, PAIR, FixAction.CHANGE_TYPE)
    assert raised.value.code == "blocked"
    assert raised.value.reason == ("3 rows of public.sessions.user_id have values that do not cast to uuid: x0, x1")
    found = await seen(conninfo, PAIR, FixAction.QUARANTINE, scope=Scope.UNCASTABLE)
    assert (found.rows, found.confirm) == (3, "3")
    done = await do(conninfo, tmp_path, PAIR, FixAction.QUARANTINE, scope=Scope.UNCASTABLE)
    assert done.ending is Ending.DONE
    assert done.words == "done: every value casts now, and of those that do 4 rows have no parent"
    _, undone = await take_back(conninfo, tmp_path, done.entry)
    assert undone.ending is Ending.DONE
    ask(conninfo, "DROP TABLE sessions_quarantine")
    assert hashes(conninfo) == was
    done = await do(conninfo, tmp_path, PAIR, FixAction.DELETE)
    assert done.words == "done: every value casts now, and of those that do none has no parent"
    found = await seen(conninfo, PAIR, FixAction.CHANGE_TYPE)
    assert found.confirm == "user_id"
    assert found.notes[0] == "built anew with it: sessions_user_id_idx"
    assert found.notes[1].startswith("the table is written anew, for which there has to be room")
    assert found.lasting[-1] == (
        "the spelling of user_id: 6 values are spelled otherwise than uuid writes them,"
        " as A0000000-0000-0000-0000-000000000000"
    )
    for _ in range(2):
        done = await do(conninfo, tmp_path, PAIR, FixAction.CHANGE_TYPE)
        assert done.ending is Ending.DONE, done.words
    assert ask(conninfo, TYPE.format("sessions", "user_id")) == [("uuid",)]
    # What could not be compared before is counted after it.
    assert done.after is not None
    assert done.after.orphans == 0
    assert (await do(conninfo, tmp_path, PAIR, FixAction.ADD_CONSTRAINT)).ending is Ending.DONE
    assert ask(conninfo, "SELECT convalidated FROM pg_constraint WHERE contype = 'f'") == [(True,)]
    changed = next(entry for entry in Journal(tmp_path).entries() if entry.action == "change-type")
    assert "ALTER COLUMN user_id TYPE text USING user_id::text takes it back" in changed.undo[0]


async def test_set_null_before_the_change(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(SESSIONS)
    assert (await do(conninfo, tmp_path, PAIR, FixAction.SET_NULL, scope=Scope.UNCASTABLE)).ending is Ending.DONE
    assert ask(conninfo, "SELECT count(*) FROM sessions WHERE user_id IS NULL") == [(4,)]
    assert (await seen(conninfo, PAIR, FixAction.SET_NULL, scope=Scope.UNCASTABLE)).nothing_to_do
    with pytest.raises(Trouble, match="no operator compares the columns of the two sides"):
        await seen(conninfo, PAIR, FixAction.REPOINT, key=("a",))


@pytest.mark.matrix
async def test_what_hangs_on_the_column_is_named(make_database: Callable[[str], str], server: EmbeddedServer) -> None:
    conninfo = make_database(
        """
        CREATE TABLE u (id uuid PRIMARY KEY);
        CREATE TABLE s (id int, uid text UNIQUE, low text GENERATED ALWAYS AS (lower(uid)) STORED);
        CREATE VIEW "my view" AS SELECT uid FROM s;
        CREATE POLICY mine ON s USING (uid = 'x');
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER t BEFORE UPDATE OF uid ON s FOR EACH ROW EXECUTE FUNCTION f();
        CREATE TABLE other (suid text CONSTRAINT held REFERENCES s (uid));
        """
        + ("CREATE PUBLICATION pub FOR TABLE s WHERE (uid > 'x')" if server.major >= 15 else "")
    )
    with pytest.raises(Trouble) as raised:
        await seen(conninfo, "s(uid):u(id)", FixAction.CHANGE_TYPE)
    reason = raised.value.reason
    assert reason.startswith("public.s.uid can't change its type while it is used by ")
    for named in ('the view public."my view"', "the policy mine on public.s", "the trigger t on public.s", "low"):
        assert named in reason
    assert "the foreign key public.other.held, whose other end, suid of public.other, keeps its type" in reason
    assert ("publication" in reason) is (server.major >= 15)


@pytest.mark.matrix
async def test_a_larger_integer_takes_its_sequence_along(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(
        "CREATE TABLE p (id bigint PRIMARY KEY); CREATE TABLE c (pid serial CONSTRAINT fk REFERENCES p)"
    )
    found = await seen(conninfo, "c.fk", FixAction.CHANGE_TYPE)
    assert [step.statements for step in found.plan.steps] == [
        ('ALTER TABLE "public"."c" ALTER COLUMN "pid" TYPE bigint', "ALTER SEQUENCE public.c_pid_seq AS bigint")
    ]
    async with opened(conninfo) as (_, schema):
        [step] = found.plan.steps
        tried = trying(conninfo, step, known=set(schema.tables))
        assert (tried.refused, locks_of(step)) == ("", tried.locks)
    assert (await do(conninfo, tmp_path, "c.fk", FixAction.CHANGE_TYPE)).ending is Ending.DONE
    assert ask(conninfo, TYPE.format("c", "pid")) == [("bigint",)]
    assert ask(conninfo, "SELECT data_type::text FROM pg_sequences WHERE sequencename = 'c_pid_seq'") == [("bigint",)]
    assert (await do(conninfo, tmp_path, "c.fk", FixAction.CHANGE_TYPE)).words == "nothing to do"


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("old", "new", "rewritten"),
    [
        ("text", "varchar", False),
        ("varchar(5)", "text", False),
        ("text", "varchar(5)", True),
        ("char(4)", "text", True),
        ("int", "bigint", True),
        ("text", "int", True),
    ],
)
async def test_whether_it_writes_the_table_anew(
    database_url: str, tmp_path: Path, old: str, new: str, rewritten: bool
) -> None:
    ask(database_url, f"CREATE TABLE p (k {new}); CREATE TABLE c (k {old}); INSERT INTO c VALUES ('12'), (NULL)")
    found = await seen(database_url, "c(k):p(k)", FixAction.CHANGE_TYPE)
    assert any("is written anew, for which" in note for note in found.notes) is rewritten
    node = ask(database_url, "SELECT pg_relation_filenode('c')")
    assert (await do(database_url, tmp_path, "c(k):p(k)", FixAction.CHANGE_TYPE)).ending is Ending.DONE
    assert (ask(database_url, "SELECT pg_relation_filenode('c')") != node) is rewritten
    assert ask(database_url, "SELECT k::text FROM c ORDER BY 1 NULLS LAST") == [("12",), (None,)]


async def test_values_that_would_be_cut_refuse_it(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database("CREATE TABLE p (k varchar(3)); CREATE TABLE c (k text); INSERT INTO c VALUES ('abcd')")
    with pytest.raises(Trouble, match=r"1 row of public\.c\.k has a value that does not cast .*\(3\): abcd"):
        await seen(conninfo, "c(k):p(k)", FixAction.CHANGE_TYPE)
    ask(conninfo, "DELETE FROM c")
    done = await do(
        conninfo,
        tmp_path,
        "c(k):p(k)",
        FixAction.CHANGE_TYPE,
        between=lambda: ask(conninfo, "INSERT INTO c VALUES ('abcd')"),
    )
    assert done.ending is Ending.REFUSED
    assert "value too long" in done.words
    assert ask(conninfo, "SELECT k FROM c") == [("abcd",)]


@pytest.mark.matrix
async def test_a_default_goes_along(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(
        "CREATE TABLE p (k uuid);"
        "CREATE TABLE c (k text DEFAULT 'A0000000-0000-0000-0000-000000000000');"
        "CREATE TABLE d (k text DEFAULT 'anonymous')"
    )
    assert (await do(conninfo, tmp_path, "c(k):p(k)", FixAction.CHANGE_TYPE)).ending is Ending.DONE
    ask(conninfo, "INSERT INTO c DEFAULT VALUES")
    assert ask(conninfo, "SELECT k::text FROM c") == [("a0000000-0000-0000-0000-000000000000",)]
    with pytest.raises(Trouble, match="the default of k does not cast to uuid: 'anonymous'::text"):
        await seen(conninfo, "d(k):p(k)", FixAction.CHANGE_TYPE)


@pytest.mark.matrix
async def test_the_other_side_may_change(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(SESSIONS)
    done = await do(conninfo, tmp_path, PAIR, FixAction.CHANGE_TYPE, side="parent")
    assert done.ending is Ending.DONE
    assert ask(conninfo, TYPE.format("users", "id")) == [("text",)]
    with pytest.raises(Trouble, match="there is no side 'middle'"):
        await seen(conninfo, PAIR, FixAction.CHANGE_TYPE, side="middle")


@pytest.mark.matrix
async def test_partitions_and_inheritors_go_along(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(
        """
        CREATE TABLE p (k uuid);
        CREATE TABLE c (id int, k text) PARTITION BY LIST (id);
        CREATE TABLE c1 PARTITION OF c DEFAULT;
        CREATE TABLE h (k text); CREATE TABLE h1 () INHERITS (h);
        INSERT INTO h1 VALUES ('none');
        CREATE TABLE y (k text) PARTITION BY LIST (k);
        """
    )
    assert (await do(conninfo, tmp_path, "c(k):p(k)", FixAction.CHANGE_TYPE)).ending is Ending.DONE
    assert ask(conninfo, TYPE.format("c1", "k")) == [("uuid",)]
    with pytest.raises(Trouble, match="does not cast to uuid: none"):
        await seen(conninfo, "h(k):p(k)", FixAction.CHANGE_TYPE)
    with pytest.raises(Trouble, match="the column k is inherited"):
        await seen(conninfo, "h1(k):p(k)", FixAction.CHANGE_TYPE)
    with pytest.raises(Trouble, match="the column k is part of the partition key"):
        await seen(conninfo, "y(k):p(k)", FixAction.CHANGE_TYPE)


async def test_a_type_that_is_another_now_ends_it(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database("CREATE TABLE p (k uuid); CREATE TABLE c (k text)")
    change = "ALTER TABLE c ALTER k TYPE {} USING NULL"
    done = await do(
        conninfo, tmp_path, "c(k):p(k)", FixAction.CHANGE_TYPE, between=lambda: ask(conninfo, change.format("int"))
    )
    assert (done.ending, ask(conninfo, TYPE.format("c", "k"))) == (Ending.MOVED, [("integer",)])
    ask(conninfo, change.format("text"))
    done = await do(
        conninfo, tmp_path, "c(k):p(k)", FixAction.CHANGE_TYPE, between=lambda: ask(conninfo, change.format("uuid"))
    )
    assert done.ending is Ending.DONE


@pytest.mark.matrix
async def test_the_script(make_database: Callable[[str], str], server: EmbeddedServer, tmp_path: Path) -> None:
    conninfo, psql = make_database(SESSIONS), psql_of(server.major)
    texts = []
    for action in (FixAction.DELETE, FixAction.CHANGE_TYPE, FixAction.ADD_CONSTRAINT):
        texts.append(await written(conninfo, PAIR, action))
        ran = await run_script(psql, conninfo, texts[-1], tmp_path)
        assert (ran.code, ran.err) == (0, ""), ran
    for text in texts[1:]:
        ran = await run_script(psql, conninfo, text, tmp_path)
        assert (ran.code, "nothing to do" in ran.out) == (0, True), ran
    assert ask(conninfo, "SELECT convalidated FROM pg_constraint WHERE contype = 'f'") == [(True,)]


async def test_a_plan_is_made_without_a_server_too(make_database: Callable[[str], str]) -> None:
    async with opened(make_database(SESSIONS)) as (database, schema):
        edge = await edge_or_pair(database, schema, PAIR, incomparable=True)
        plan = make_plan(schema, database.facts, Request(edge, FixAction.CHANGE_TYPE))
    assert [step.title for step in plan.steps] == ["change user_id of public.sessions to uuid"]


async def test_the_rows_of_an_array_are_in_nobody_s_way(database_url: str) -> None:
    ask(
        database_url,
        "CREATE TABLE users (id int PRIMARY KEY); CREATE TABLE posts (readers int[]); INSERT INTO posts VALUES ('{1}')",
    )
    with pytest.raises(Trouble) as raised:
        await seen(database_url, "posts(readers):users(id)", FixAction.CHANGE_TYPE)
    assert raised.value.hint == "an array is not one key: take its elements to a table of their own"
