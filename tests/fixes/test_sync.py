"""A trigger that keeps a pair in step: made, proven, found again, taken back; and what keeps it from being made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.entries import State
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending, Request
from fkexplorer.fixes.preview import preview
from fkexplorer.fixes.run import run
from fkexplorer.fixes.undo import undo, undo_preview
from fkexplorer.schema.actions import FixAction
from tests.fixes.byhand import QUICK, edge_named
from tests.orphans.connected import new_role, opened
from tests.orphans.connected import run as execute

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.fixes.model import Outcome, Preview
    from fkexplorer.schema.model import Schema

USERS = """
CREATE SCHEMA auth; CREATE SCHEMA chat;
CREATE TABLE auth.users (id uuid PRIMARY KEY, no bigint GENERATED ALWAYS AS IDENTITY UNIQUE, email text,
 meta jsonb NOT NULL DEFAULT '{}', low text GENERATED ALWAYS AS (lower(email)) STORED, tag citext_like);
CREATE UNIQUE INDEX ON auth.users (lower(email)) WHERE meta IS NOT NULL;
CREATE TABLE chat.profiles (id uuid PRIMARY KEY CONSTRAINT fk REFERENCES auth.users (id) ON DELETE CASCADE,
 email text NOT NULL CONSTRAINT mail UNIQUE, name text NOT NULL, locale text NOT NULL DEFAULT 'en');
INSERT INTO auth.users (id, email, meta) SELECT ('00000000-0000-0000-0000-' || lpad(n::text, 12, '0'))::uuid,
 'U' || n || '@x.example', jsonb_build_object('full_name', 'User ' || n) FROM generate_series(1, 5) n;
INSERT INTO chat.profiles (id, email, name) SELECT id, email, 'x' FROM auth.users WHERE no < 4;
""".replace(", tag citext_like", "")
NAME = {"name": "coalesce(s.meta ->> 'full_name', split_part(email, '@', 1))"}
EDGE = "chat.profiles.fk"


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
        "done, for rows that come; of those that are there 2 rows have none; proven: a made-up row of auth.users got its"
        " row in chat.profiles, and with a function that fails it came all the same"
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
