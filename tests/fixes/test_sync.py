"""A trigger that keeps a pair in step: made, proven, found again, taken back; and what keeps it from being made."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.choices import choices
from fkexplorer.fixes.entries import State
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import DdlStep, Ending, Request
from fkexplorer.fixes.parts import RunLimits
from fkexplorer.fixes.preview import preview
from fkexplorer.fixes.run import run
from fkexplorer.fixes.script import script
from fkexplorer.fixes.undo import undo, undo_preview
from fkexplorer.schema.actions import FixAction
from tests.fixes.byhand import QUICK, edge_named
from tests.fixes.psqlrun import psql_of, run_script
from tests.orphans.connected import new_role, opened
from tests.orphans.connected import run as execute

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.demo.server import EmbeddedServer
    from fkexplorer.fixes.model import Outcome, Preview
    from fkexplorer.schema.model import Schema

USERS = """
CREATE SCHEMA auth; CREATE SCHEMA chat;
CREATE TABLE auth.users (id uuid PRIMARY KEY, no bigint GENERATED ALWAYS AS IDENTITY UNIQUE, email text,
 meta jsonb NOT NULL DEFAULT '{}', low text GENERATED ALWAYS AS (lower(email)) STORED, tag citext_like);
CREATE UNIQUE INDEX ON auth.users (lower(email)) WHERE meta IS NOT NULL;
CREATE TABLE chat.profiles (id uuid PRIMARY KEY CONSTRAINT fk REFERENCES auth.users (id) ON DELETE CASCADE,
 email text NOT NULL CONSTRAINT mail UNIQUE, name text NOT NULL, locale text NOT NULL DEFAULT 'en',
 age int);
INSERT INTO auth.users (id, email, meta) SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid,
 'U' || n || '@x.example', jsonb_build_object('full_name', 'User ' || n) FROM generate_series(1, 5) n;
INSERT INTO chat.profiles (id, email, name) SELECT id, email, 'x' FROM auth.users WHERE no < 4;
""".replace(", tag citext_like", "")
NAME = {"name": "coalesce(s.meta ->> 'full_name', split_part(email, '@', 1))"}
EDGE = "chat.profiles.fk"
OTHER = (
    "CREATE FUNCTION chat.other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    " CREATE TRIGGER other BEFORE INSERT ON auth.users FOR EACH ROW EXECUTE FUNCTION chat.other()"
)


def wish(schema: Schema, edge: str = EDGE, **told: Any) -> Request:  # noqa: ANN401 - whatever a request holds
    return Request(edge_named(schema, edge), FixAction.SYNC_TRIGGER, **{"columns": NAME, **told})


async def made(conninfo: str, folder: Path, role: str | None = None, **told: Any) -> tuple[Preview, Outcome]:  # noqa: ANN401 - as above
    async with opened(conninfo, role) as (database, schema):
        seen = await preview(database, schema, wish(schema, **told))
        return seen, await run(database, schema, seen, Journal(folder), limits=QUICK)


async def undone(conninfo: str, folder: Path, entry: str, role: str | None = None) -> Outcome:
    async with opened(conninfo, role) as (database, schema):
        seen = await undo_preview(database, schema, Journal(folder), entry)
        return await undo(database, schema, seen, Journal(folder), limits=QUICK)


def ask(conninfo: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(conninfo, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def sign_up(conninfo: str, email: str) -> str:
    [(key,)] = ask(
        conninfo,
        f"INSERT INTO auth.users (id, email) VALUES (md5('{email}')::uuid, '{email}') RETURNING id::text",
    )
    return str(key)


def left(conninfo: str) -> list[tuple[Any, ...]]:
    """Triggers and functions of people, and the rows."""
    return ask(
        conninfo,
        "SELECT (SELECT array_agg(tgname::text) FROM pg_trigger WHERE NOT tgisinternal),"
        " (SELECT array_agg(proname::text) FROM pg_proc WHERE pronamespace = 'chat'::regnamespace),"
        " (SELECT count(*) FROM auth.users), (SELECT count(*) FROM chat.profiles)",
    )


@pytest.mark.matrix
async def test_made_proven_and_taken_back(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(USERS)
    before = left(conninfo)
    seen, outcome = await made(conninfo, open_folder)
    assert (seen.confirm, outcome.ending) == ("sync_profiles", Ending.DONE), outcome.words
    assert outcome.words == (
        "done, for rows that come; of those that are there 2 rows have none; proven: a made-up row of auth.users got"
        " its row in chat.profiles, and with a function that fails it came all the same"
    )
    assert (outcome.gap_before, outcome.gap_after) == (2, 2)
    assert left(conninfo) == [(["sync_profiles"], ["sync_profiles"], 5, 3)]
    key = sign_up(conninfo, "new@x.example")
    assert ask(conninfo, f"SELECT email, name, locale FROM chat.profiles WHERE id = '{key}'") == [
        ("new@x.example", "new", "en")
    ]
    # Its address is another one's: there is no row for it, and it may come all the same.
    ask(
        conninfo, "UPDATE chat.profiles SET email = 'taken@x.example' WHERE id = md5('new@x.example')::uuid RETURNING 1"
    )
    key = sign_up(conninfo, "taken@x.example")
    assert ask(conninfo, f"SELECT count(*) FROM chat.profiles WHERE id = '{key}'") == [(0,)]
    # Nobody may call it, or make a trigger of it.
    assert ask(conninfo, "SELECT count(*) FROM pg_proc p, aclexplode(p.proacl) x WHERE proname = 'sync_profiles'"
               " AND x.grantee = 0") == [(0,)]  # fmt: skip
    again, nothing = await made(conninfo, open_folder)
    assert again.nothing_to_do
    assert again.notes[0] == "auth.users and chat.profiles are kept in step already, by the trigger sync_profiles"
    assert nothing.entry == ""
    back = await undone(conninfo, open_folder, outcome.entry)
    assert back.ending is Ending.DONE, back.words
    assert left(conninfo)[0][:2] == before[0][:2]
    assert [each.state for each in Journal(open_folder).entries()][-1] is State.UNDONE


@pytest.mark.matrix
async def test_a_script_of_it_proves_it_and_finds_it_done(
    server: EmbeddedServer, make_database: Callable[[str], str], tmp_path: Path
) -> None:
    conninfo, psql = make_database(USERS), psql_of(server.major)
    async with opened(conninfo) as (database, schema):
        text = await script(database, schema, await preview(database, schema, wish(schema)))
    first = await run_script(psql, conninfo, text, tmp_path)
    assert first.code == 0, first.said
    assert (
        "fkexplorer: proven: a made-up row of auth.users got its row in chat.profiles, and with a function that fails"
        " it came all the same\n"
    ) in first.out
    assert "WARNING" not in first.said
    assert left(conninfo) == [(["sync_profiles"], ["sync_profiles"], 5, 3)]
    again = await run_script(psql, conninfo, text, tmp_path)
    assert (again.code, "nothing to do" in again.out) == (0, True), again.said
    # Whatever has become of the function is not overwritten.
    await execute(conninfo, "DROP TRIGGER sync_profiles ON auth.users")
    third = await run_script(psql, conninfo, text, tmp_path)
    assert third.code != 0
    assert "there is another trigger sync_profiles, or a function" in third.said
    await execute(conninfo, f"DROP FUNCTION chat.sync_profiles(); {OTHER}")
    fourth = await run_script(psql, conninfo, text, tmp_path)
    assert fourth.code != 0
    assert 'the triggers of "auth"."users" are not as they were' in fourth.said
    assert left(conninfo)[0][0] == ["other"]


async def test_two_scripts_at_once_both_end_well(
    server: EmbeddedServer, make_database: Callable[[str], str], tmp_path: Path
) -> None:
    conninfo, psql = make_database(USERS), psql_of(server.major)
    async with opened(conninfo) as (database, schema):
        text = await script(database, schema, await preview(database, schema, wish(schema)))
    both = await asyncio.gather(*(run_script(psql, conninfo, text, tmp_path) for _ in range(2)))
    assert [each.code for each in both] == [0, 0], [each.said for each in both]
    assert sorted("nothing to do" in each.out for each in both) == [False, True], [each.said for each in both]


async def test_what_was_chosen_to_refuse_refuses(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(USERS)
    _, outcome = await made(conninfo, open_folder, strict_trigger=True, name="Strict % 'n'")
    assert outcome.ending is Ending.DONE, outcome.words
    assert outcome.words.endswith("with a function that fails it was refused")
    with pytest.raises(psycopg.errors.UniqueViolation, match="mail"):
        ask(conninfo, "INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'U1@x.example') RETURNING 1")
    back = await undone(conninfo, open_folder, outcome.entry)
    assert back.ending is Ending.DONE, back.words


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NULL", 'the proof: a made-up row got no row in chat.profiles: null value in column "name"'),
        ("s.meta ->> 'nobody'", 'the proof: a made-up row got no row in chat.profiles: null value in column "name"'),
        ("(1 / (s.no - s.no))::text", "the proof: a made-up row got no row in chat.profiles: division by zero"),
    ],
)
async def test_one_that_does_not_work_does_not_stay(
    make_database: Callable[[str], str], open_folder: Path, name: str, words: str
) -> None:
    conninfo = make_database(USERS)
    before = left(conninfo)
    for strict in (False, True):
        _, outcome = await made(conninfo, open_folder, columns={"name": name}, strict_trigger=strict)
        assert outcome.ending is Ending.REFUSED
        assert outcome.words.startswith(words.replace("a made-up row got no row in chat.profiles: ", "" if strict else
                                                      "a made-up row got no row in chat.profiles: "))  # fmt: skip
        assert left(conninfo) == before


async def test_wrong_names_and_types_are_told_at_once(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(USERS)
    async with opened(conninfo) as (database, schema):
        for columns, words in (
            ({}, "chat.profiles needs a value for name"),
            ({"name": "s.nick"}, "column s.nick does not exist"),
            ({"age": "s.email", **NAME}, 'column "age" is of type integer but expression is of type text'),
            ({"name": "'x'; DROP TABLE x"}, "the expression for name holds a semicolon"),
            ({"id": "s.id", **NAME}, "id is the key, which comes from auth.users"),
        ):
            with pytest.raises(Trouble) as raised:
                await preview(database, schema, wish(schema, columns=columns))
            assert words in raised.value.reason
    await execute(conninfo, "CREATE FUNCTION chat.sync_profiles() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    async with opened(conninfo) as (database, schema):
        with pytest.raises(Trouble, match=r"there is a function chat.sync_profiles\(\), or a trigger of that name"):
            await preview(database, schema, wish(schema))
        seen = await preview(database, schema, wish(schema, name="other_name"))
        assert seen.confirm == "other_name"


async def test_one_that_is_off_is_switched_on(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(USERS)
    await made(conninfo, open_folder, name="old")
    await execute(conninfo, "ALTER TABLE auth.users DISABLE TRIGGER old")
    async with opened(conninfo) as (database, schema):
        found = {each.action: each for each in await choices(database, schema, edge_named(schema, EDGE), None)}
        choice = found[FixAction.SYNC_TRIGGER]
        assert (choice.title, choice.reason) == ("enable the trigger old, which keeps the pair in step", "")
    seen, outcome = await made(conninfo, open_folder, columns={})
    assert [each.statements for each in seen.plan.steps if isinstance(each, DdlStep)] == [
        ('ALTER TABLE "auth"."users" ENABLE TRIGGER "old"',)
    ]
    assert outcome.ending is Ending.DONE, outcome.words
    assert outcome.words.endswith("proven: a made-up row of auth.users got its row")
    back = await undone(conninfo, open_folder, outcome.entry)
    assert back.ending is Ending.DONE, back.words
    assert ask(conninfo, "SELECT tgenabled FROM pg_trigger WHERE tgname = 'old'") == [("D",)]
    # One that fires on replicas alone does so again.
    await execute(conninfo, "ALTER TABLE auth.users ENABLE REPLICA TRIGGER old")
    _, outcome = await made(conninfo, open_folder)
    assert outcome.ending is Ending.DONE, outcome.words
    back = await undone(conninfo, open_folder, outcome.entry)
    assert back.ending is Ending.DONE, back.words
    assert ask(conninfo, "SELECT tgenabled FROM pg_trigger WHERE tgname = 'old'") == [("R",)]
    await execute(conninfo, "ALTER TABLE auth.users ENABLE TRIGGER old")
    async with opened(conninfo) as (database, schema):
        found = {each.action: each for each in await choices(database, schema, edge_named(schema, EDGE), None)}
        assert found[FixAction.SYNC_TRIGGER].reason == "it is kept in step already, by the trigger old"


async def test_what_is_changed_since_is_not_taken_back(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(USERS)
    _, outcome = await made(conninfo, open_folder)
    for statement, words in (
        ("ALTER FUNCTION chat.sync_profiles() SECURITY INVOKER", "it, or its function, was changed since"),
        ("CREATE TRIGGER more AFTER INSERT ON chat.profiles FOR EACH ROW EXECUTE FUNCTION chat.sync_profiles()",
         "something else uses it by now"),
        ("DROP TRIGGER sync_profiles ON auth.users", "it is gone since"),
    ):  # fmt: skip
        async with opened(conninfo) as (database, schema):
            seen = await undo_preview(database, schema, Journal(open_folder), outcome.entry)
            assert seen.conflicts == ()
            assert seen.confirm == "sync_profiles"
            await execute(conninfo, statement)
            later = await undo_preview(database, schema, Journal(open_folder), outcome.entry)
            assert [each.words for each in later.conflicts] == [words]
            # Also where it came after the preview.
            refused = await undo(database, schema, seen, Journal(open_folder), limits=QUICK)
            assert refused.ending is Ending.MOVED
            assert words in refused.words
        await execute(conninfo, "ALTER FUNCTION chat.sync_profiles() SECURITY DEFINER; DROP TRIGGER IF EXISTS more ON"
                                " chat.profiles")  # fmt: skip


async def test_what_came_since_the_preview_ends_it(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(USERS)
    async with opened(conninfo) as (database, schema):
        seen = await preview(database, schema, wish(schema))
        await execute(conninfo, OTHER)
        outcome = await run(database, schema, seen, Journal(open_folder), limits=QUICK)
        assert outcome.ending is Ending.MOVED
        assert outcome.words.startswith('the triggers of "auth"."users" are others now')
        await execute(conninfo, "DROP TRIGGER other ON auth.users")
        # Of two of us one makes it.
        both = await asyncio.gather(
            *(run(database, schema, seen, Journal(open_folder), limits=RunLimits(retries=3)) for _ in range(2))
        )
    assert sorted(each.ending for each in both) == [Ending.DONE, Ending.MOVED], [each.words for each in both]
    assert left(conninfo)[0][0] == ["sync_profiles"]


async def test_other_triggers_are_not_fired_to_prove_it(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database(USERS)
    await execute(conninfo, OTHER)
    seen, outcome = await made(conninfo, open_folder)
    why = "a made-up row would fire other on auth.users too, and what that does elsewhere may stay"
    assert f"it is not proven: {why}" in seen.notes
    assert (outcome.ending, outcome.words.endswith(f"not proven: {why}")) == (Ending.DONE, True), outcome.words


@pytest.mark.parametrize(
    ("setup", "words"),
    [
        ("TRUNCATE auth.users CASCADE", "auth.users has no row to copy"),
        (
            """CREATE TABLE auth.people (id uuid PRIMARY KEY); INSERT INTO auth.people SELECT id FROM auth.users;
            ALTER TABLE auth.users ADD CONSTRAINT person FOREIGN KEY (id) REFERENCES auth.people""",
            'insert or update on table "users" violates foreign key constraint "person"',
        ),
        (
            "ALTER TABLE auth.users ADD CONSTRAINT few EXCLUDE ((meta IS NULL) WITH =)",
            'conflicting key value violates exclusion constraint "few"',
        ),
        ("ALTER TABLE auth.users ADD span tstzrange UNIQUE", "no fresh value of (span) can be made up for a row of"),
    ],
)
async def test_what_can_not_be_tried_is_not_called_proven(
    make_database: Callable[[str], str], open_folder: Path, setup: str, words: str
) -> None:
    conninfo = make_database(USERS)
    if "EXCLUDE" in setup:
        await execute(conninfo, "DELETE FROM auth.users WHERE no > 1")
        setup = setup.replace("((meta IS NULL) WITH =)", "(lower(meta::text) WITH =)")
    await execute(conninfo, setup)
    _, outcome = await made(conninfo, open_folder)
    assert outcome.ending is Ending.DONE, outcome.words
    assert f"; not proven: {words}" in outcome.words
    assert left(conninfo)[0][0] == ["sync_profiles"]


KINDS = """
CREATE TABLE "A b" (t text, n int, big bigint, num numeric(12, 2) UNIQUE, c varchar(12) UNIQUE, g int GENERATED ALWAYS
 AS (n + 1) STORED, PRIMARY KEY (t, n), UNIQUE (t, big));
CREATE TABLE "C$sync$" (big serial UNIQUE, n bigint NOT NULL, t text NOT NULL, "found" text, tg_name text,
 PRIMARY KEY (n, t), CONSTRAINT fk FOREIGN KEY (t, n) REFERENCES "A b");
INSERT INTO "A b" VALUES ('x', 1, 2, 3, 'abcdefghijkl');
"""


@pytest.mark.matrix
async def test_keys_of_several_columns_and_names_that_need_quotes(
    make_database: Callable[[str], str], open_folder: Path
) -> None:
    conninfo = make_database(KINDS)
    columns = {"found": "t || '$sync$'", "tg_name": r"""concat(s.c, '%', E'\\', "c")"""}
    seen, outcome = await made(conninfo, open_folder, edge='"C$sync$".fk', columns=columns, name='"q"')
    assert outcome.ending is Ending.DONE, outcome.words
    assert "; proven: " in outcome.words
    assert "the proof takes numbers from the sequence of big, which stay taken" in seen.notes
    await execute(conninfo, """INSERT INTO "A b" VALUES ('y', 7, 8, 9, 'z')""")
    assert ask(conninfo, """SELECT n, t, found, tg_name FROM "C$sync$" """) == [(7, "y", "y$sync$", "z%\\z")]
    back = await undone(conninfo, open_folder, outcome.entry)
    assert back.ending is Ending.DONE, back.words


@pytest.mark.matrix
async def test_partitioned_tables(make_database: Callable[[str], str], open_folder: Path) -> None:
    conninfo = make_database("""
        CREATE TABLE p (id int PRIMARY KEY, note text) PARTITION BY RANGE (id);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (1000); CREATE TABLE p2 PARTITION OF p DEFAULT;
        CREATE TABLE c (id int PRIMARY KEY CONSTRAINT fk REFERENCES p, note text) PARTITION BY RANGE (id);
        CREATE TABLE c1 PARTITION OF c DEFAULT; INSERT INTO p VALUES (1, 'x');
    """)
    _, outcome = await made(conninfo, open_folder, edge="c.fk", columns={})
    assert (outcome.ending, "; proven: " in outcome.words) == (Ending.DONE, True), outcome.words
    await execute(conninfo, "INSERT INTO p VALUES (2, 'y')")
    assert ask(conninfo, "SELECT * FROM c") == [(2, "y")]


async def test_a_column_that_is_computed_when_read_is_refused(make_database: Callable[[str], str]) -> None:
    conninfo = make_database("""
        CREATE TABLE p (id int PRIMARY KEY, note text, up text GENERATED ALWAYS AS (upper(note)) VIRTUAL,
         low text GENERATED ALWAYS AS (lower(note)) STORED);
        CREATE TABLE c (id int PRIMARY KEY CONSTRAINT fk REFERENCES p, note text, up text, low text);
    """)
    async with opened(conninfo) as (database, schema):
        for columns in ({}, {"up": "concat(s.up)"}):
            with pytest.raises(Trouble, match=r"up of public.p is computed when it is read: .* would see NULL there"):
                await preview(database, schema, wish(schema, "c.fk", columns=columns))
        assert (await preview(database, schema, wish(schema, "c.fk", columns={"up": "upper(s.note)"}))).confirm


GRANTS = """
GRANT USAGE ON SCHEMA auth, chat TO {0}; GRANT SELECT ON auth.users, chat.profiles TO {0}
"""


async def test_a_role_is_told_what_it_lacks_and_may_take_back_what_it_made(
    make_database: Callable[[str], str], open_folder: Path
) -> None:
    conninfo = make_database(USERS)
    async with new_role(conninfo) as role:
        await execute(conninfo, GRANTS.format(role))
        for grant, reason in (
            (f"GRANT TRIGGER ON auth.users TO {role}", "no TRIGGER on auth.users"),
            (f"GRANT CREATE ON SCHEMA chat TO {role}", "no CREATE on the schema chat"),
            (f"GRANT INSERT ON chat.profiles TO {role}", "no INSERT on chat.profiles"),
        ):
            async with opened(conninfo, role) as (database, schema):
                found = {each.action: each for each in await choices(database, schema, edge_named(schema, EDGE), None)}
                choice = found[FixAction.SYNC_TRIGGER]
                assert (choice.reason, choice.remedy) == (reason, grant)
            # Whoever goes on all the same is refused by the server, and nothing stays.
            _, outcome = await made(conninfo, open_folder, role)
            assert (outcome.ending, left(conninfo)[0][:2]) == (Ending.REFUSED, (None, None)), outcome.words
            await execute(conninfo, grant)
        async with opened(conninfo, role) as (database, schema):
            found = {each.action: each for each in await choices(database, schema, edge_named(schema, EDGE), None)}
            assert found[FixAction.SYNC_TRIGGER].reason == ""
        seen, outcome = await made(conninfo, open_folder, role)
        assert outcome.ending is Ending.DONE, outcome.words
        assert outcome.words.endswith("not proven: it takes SELECT and INSERT on auth.users")
        assert any(each.startswith("only the owner of auth.users may drop the trigger") for each in seen.notes)
        # Others sign up, and may not write profiles themselves: the owner of the function does.
        sign_up(conninfo, "new@x.example")
        assert left(conninfo)[0][2:] == (6, 4)
        back = await undone(conninfo, open_folder, outcome.entry, role)
        assert back.ending is Ending.DONE, back.words
        assert left(conninfo)[0][:2] == (None, None)
        await execute(conninfo, f"GRANT INSERT ON auth.users TO {role}")
        await execute(conninfo, f"ALTER DEFAULT PRIVILEGES FOR ROLE {role} GRANT EXECUTE ON FUNCTIONS TO pg_monitor")
        _, outcome = await made(conninfo, open_folder, role)
        assert "; proven: " in outcome.words
        assert ask(conninfo, "SELECT x.grantee::regrole::text FROM pg_proc p, aclexplode(p.proacl) x WHERE proname ="
                   " 'sync_profiles'") == [(role,)]  # fmt: skip
        await execute(conninfo, f"ALTER DEFAULT PRIVILEGES FOR ROLE {role} REVOKE EXECUTE ON FUNCTIONS FROM pg_monitor")
        back = await undone(conninfo, open_folder, outcome.entry, role)
        assert back.ending is Ending.DONE, back.words


@pytest.mark.parametrize(
    ("child", "reason"),
    [
        ("id int, pid int REFERENCES p", "several rows of c may have the same pid: it is not one to one"),
        ("pid int UNIQUE DEFERRABLE REFERENCES p", "the unique key on pid of c is partial or deferrable"),
        ("pid int UNIQUE REFERENCES c2(pid)", "a table is no twin of itself"),
    ],
)
async def test_pairs_that_are_none(make_database: Callable[[str], str], child: str, reason: str) -> None:
    itself = "c2" in child
    conninfo = make_database(f"CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c ({child.replace('c2', 'c')})")
    async with opened(conninfo) as (database, schema):
        [edge] = schema.edges.values()
        assert edge.self_referencing is itself
        found = {each.action: each for each in await choices(database, schema, edge, None)}
        assert found[FixAction.SYNC_TRIGGER].reason == reason.replace("of c ", "of public.c ")
        with pytest.raises(Trouble):
            await preview(database, schema, Request(edge, FixAction.SYNC_TRIGGER))


async def test_a_cast_in_it_is_nobody_elses_to_make(make_database: Callable[[str], str], open_folder: Path) -> None:
    """Whoever inserts may have a type of that name in the temporary schema, with code of their own."""
    conninfo = make_database(USERS)
    await made(conninfo, open_folder, columns={"name": "(s.meta::text)::text"})
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute(
            "CREATE FUNCTION pg_temp.mine(x pg_catalog.text) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION"
            " $x$as %$x$, current_user; END'; CREATE DOMAIN pg_temp.text AS pg_catalog.text CHECK (pg_temp.mine(value))"
        )
        connection.execute("INSERT INTO auth.users (id, email) VALUES (gen_random_uuid(), 'new@x.example')")
    assert left(conninfo)[0][2:] == (6, 4)
