"""A diagnosis as a whole: what its looks come to, and what it says of those that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.diagnosis import diagnose as module
from fkexplorer.diagnosis.diagnose import diagnose
from fkexplorer.diagnosis.model import Side
from fkexplorer.diagnosis.reading.reader import read_text
from fkexplorer.fixes.model import Scope
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.graph import Graph
from tests.diagnosis.cases import GIB, by_code
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.diagnosis.model import Diagnosis, Suggestion

TABLES = """
CREATE TABLE parents (id text PRIMARY KEY, name text UNIQUE);
CREATE TABLE children (id int PRIMARY KEY, parent text CONSTRAINT children_fk REFERENCES parents);
CREATE TABLE others (id int PRIMARY KEY, parent text CONSTRAINT others_fk REFERENCES parents ON DELETE CASCADE);
INSERT INTO parents VALUES ('Ann', 'a'), ('Bob', 'b');
INSERT INTO children VALUES (1, 'Ann');
"""


def missing(key: str, table: str = "children") -> str:
    """The server's words for a missing parent."""
    return (
        f'ERROR:  insert or update on table "{table}" violates foreign key constraint "{table}_fk"\n'
        f'DETAIL:  Key (parent)=({key}) is not present in table "parents".\n'
    )


async def diagnosed(conninfo: str, text: str, **how: Any) -> Diagnosis:  # noqa: ANN401 - as diagnose takes it
    """The diagnosis of the only error of a text."""
    [found] = read_text(text).found
    async with opened(conninfo) as (database, schema):
        return await diagnose(database, schema, Graph(schema), found, max_bytes=GIB, **how)


def suggested(diagnosis: Diagnosis) -> dict[FixAction | None, Suggestion]:
    """The heaviest suggestion of each action."""
    return {each.action: each for each in reversed(diagnosis.suggestions)}


@pytest.fixture
def tables(make_database: Callable[[str], str]) -> str:
    return make_database(TABLES)


async def test_a_missing_parent(tables: str) -> None:
    found = await diagnosed(tables, missing("Zoe"))
    assert (found.live, found.side, found.problem) == (True, Side.PARENT, "")
    assert [each.weight for each in found.findings] == sorted((each.weight for each in found.findings), reverse=True)
    assert found.trace is not None
    assert not found.trace.holding
    actions = suggested(found)
    insert = actions[FixAction.INSERT_PARENTS]
    assert (insert.scope, insert.key, insert.edge) == (Scope.KEY, ("Zoe",), None)
    # The rules of the two constraints disagree.
    assert "others_fk CASCADE" in actions[FixAction.CHANGE_ON_DELETE].text
    assert FixAction.BACKFILL not in actions
    assert FixAction.DELETE not in actions
    assert found.seconds < 30


async def test_another_spelling_is_the_childs_fault(tables: str) -> None:
    found = await diagnosed(tables, missing("bob"))
    assert (found.live, found.side) == (True, Side.CHILD)
    assert "near_miss" in by_code(found.findings)
    assert "see the near miss" in found.suggestions[0].text
    assert FixAction.REPOINT not in suggested(found)


async def test_rows_that_hold_the_missing_key(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        f"{TABLES} SET session_replication_role = replica;"
        "INSERT INTO children VALUES (2, 'Zoe'); INSERT INTO others VALUES (3, 'Zoe')"
    )
    found = await diagnosed(conninfo, missing("Zoe"))
    own = [each for each in found.suggestions if each.action is FixAction.SET_NULL]
    assert {(each.edge is None, each.rows, each.key) for each in own} == {
        (True, (("2",),), ("Zoe",)),
        (False, (("3",),), ("Zoe",)),
    }
    assert FixAction.REVALIDATE in suggested(found)


async def test_a_parent_that_could_not_go(tables: str) -> None:
    text = (
        'update or delete on table "parents" violates foreign key constraint "children_fk" on table "children"\n'
        'DETAIL:  Key (id)=(Ann) is still referenced from table "children".\n'
    )
    found = await diagnosed(tables, text)
    assert (found.live, found.side) == (True, Side.CHILD)
    rules = {each.rule for each in found.suggestions if each.action is FixAction.CHANGE_ON_DELETE}
    assert {"cascade", "set-null"} <= rules
    with psycopg.connect(tables, autocommit=True) as connection:
        connection.execute("DELETE FROM children")
    mended = await diagnosed(tables, text)
    assert mended.live is False


async def test_a_constraint_that_can_be_validated(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        f"{TABLES} ALTER TABLE others DROP CONSTRAINT others_fk,"
        " ADD CONSTRAINT others_fk FOREIGN KEY (parent) REFERENCES parents NOT VALID"
    )
    found = await diagnosed(conninfo, missing("Zoe", "others"))
    assert suggested(found)[FixAction.VALIDATE].edge is None


async def test_what_somebody_chose_is_looked_at(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        f"{TABLES} CREATE SCHEMA s; CREATE TABLE s.parents (id text PRIMARY KEY);"
        "CREATE TABLE s.children (parent text CONSTRAINT children_fk REFERENCES s.parents); "
        "INSERT INTO s.parents VALUES ('Zoe')"
    )
    [found] = read_text(missing("Zoe")).found
    async with opened(conninfo) as (database, schema):
        both = await diagnose(database, schema, Graph(schema), found, max_bytes=GIB)
        assert both.live is None
        assert both.placed is not None
        lives = set()
        for candidate in both.placed.candidates:
            chosen = await diagnose(database, schema, Graph(schema), found, max_bytes=GIB, chosen=candidate.edge)
            assert chosen.placed is not None
            assert chosen.placed.edge == candidate.edge
            assert "ambiguous" not in by_code(chosen.findings)
            lives.add(chosen.live)
        assert lives == {True, False}


async def test_deletes_that_were_watched(tables: str) -> None:
    async with opened(tables) as (database, schema):
        parent = next(table.oid for table in schema.tables.values() if table.name == "parents")
        [found] = read_text(missing("Zoe")).found
        watched = await diagnose(
            database, schema, Graph(schema), found, max_bytes=GIB, deletes={parent: 7}, since=schema.loaded_at
        )
        assert "7 rows of public.parents were deleted since" in by_code(watched.findings)["concurrent_delete"].text
        unknown = await diagnose(
            database, schema, Graph(schema), found, max_bytes=GIB, deletes={parent: None}, since=schema.loaded_at
        )
        assert unknown.live is True


async def test_a_look_that_is_refused_leaves_the_others(tables: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: object) -> None:
        raise psycopg.errors.QueryCanceled("canceling statement due to statement timeout")

    monkeypatch.setattr(module, "trace_case", refused)
    found = await diagnosed(tables, missing("Zoe"))
    assert (found.live, found.trace) == (True, None)
    assert "where the key lives" in found.problem
    assert "key_missing" in by_code(found.findings)


async def test_a_connection_that_is_lost_is_told(tables: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def lost(*_: object) -> None:
        raise Trouble("the connection is lost", "connect again", code="lost")

    monkeypatch.setattr(module, "near_misses", lost)
    with pytest.raises(Trouble, match="the connection is lost"):
        await diagnosed(tables, missing("Zoe"))


async def test_every_query_to_verify_it_runs_by_hand(tables: str) -> None:
    found = await diagnosed(tables, missing("Zoe"))
    assert len(found.verification) >= 4
    with psycopg.connect(tables, autocommit=True) as connection:
        for query, result in found.verification:
            assert connection.execute(query.encode()).fetchone() == (int(result.split()[0]),)
