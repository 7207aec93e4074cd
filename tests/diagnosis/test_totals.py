"""The numbers of the edges that an error involves: what SQL counts, of one snapshot, and a word for what is unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fkexplorer.demo.database import build_demo
from fkexplorer.diagnosis import totals as module
from fkexplorer.diagnosis.reading.model import ErrorKind, ParsedError
from fkexplorer.diagnosis.totals import involved, totals
from fkexplorer.schema.names import edge_label
from tests.diagnosis.cases import by_hand, case, case_of, edge_named
from tests.orphans.connected import holding, new_role, opened, run
from tests.orphans.slow import SLOW, slowed

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.ext.asyncio import AsyncConnection

    from fkexplorer.diagnosis.model import Totals
    from fkexplorer.schema.model import Relationship, Schema

pytestmark = pytest.mark.matrix

ERROR = ParsedError(ErrorKind.MISSING_PARENT)

SCHEMA = """
CREATE TABLE p (id int PRIMARY KEY, other int UNIQUE);
CREATE TABLE c (id int PRIMARY KEY, pid int CONSTRAINT c_p REFERENCES p, oid int CONSTRAINT c_o REFERENCES p (other));
CREATE TABLE d (pid int CONSTRAINT d_p REFERENCES p);
CREATE TABLE e (id uuid PRIMARY KEY);
CREATE TABLE f (cid int CONSTRAINT f_c REFERENCES c);
INSERT INTO p SELECT n, n FROM generate_series(1, 10) n;
INSERT INTO c SELECT n, nullif(n % 5, 0) FROM generate_series(1, 50) n;
SET session_replication_role = replica;
INSERT INTO c VALUES (51, 77), (52, 77), (53, 78);
"""


@pytest.fixture(scope="module")
def small(make_database: Callable[[str], str]) -> str:
    return make_database(SCHEMA)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, what is small is counted."""
    for limit in ("_MS", "_MOST_MS"):
        monkeypatch.setattr(module, limit, 30_000)


def numbers(one: Totals) -> tuple[int | None, ...]:
    """Rows, parents, NULLs, orphans, missing keys, childless."""
    return (one.rows, one.parents, one.nulls, one.orphans, one.missing_keys, one.childless)


async def counted(conninfo: str, edge: str, *, max_bytes: int = 1 << 30, role: str | None = None) -> dict[str, Totals]:
    """The totals of all edges involved, by the constraint's name."""
    async with case(conninfo, edge, ERROR, max_bytes=max_bytes, role=role) as one:
        edges = involved(one)
        found = await totals(one, edges)
        return {edge.name: each for edge, each in zip(edges, found, strict=True)}


async def test_incident_2_as_it_was_found(make_database: Callable[[str], str]) -> None:
    conninfo = make_database("SELECT 1")
    build_demo(conninfo)
    async with opened(conninfo) as there:
        _, schema = there
        edge = _edge(schema, "workspaces.users.users_primary_workspace_id_workspaces_id_fk")
        one = case_of(there, edge, ERROR)
        users, members = involved(one)
        assert (
            edge_label(schema, members)
            == "workspaces.workspace_members.workspace_members_workspace_id_workspaces_id_fk"
        )
        found = await totals(one, (users, members))
    assert [numbers(each) for each in found] == [(179, 179, 0, 0, 0, 0), (183, 179, 0, 0, 0, 0)]
    assert found[0].at == found[1].at
    assert not any(each.problem for each in found)


def _edge(schema: Schema, label: str) -> Relationship:
    return next(edge for edge in schema.edges.values() if edge_label(schema, edge) == label)


async def test_each_number_is_what_sql_says(small: str) -> None:
    found = await counted(small, "c_p")
    assert list(found) == ["c_p", "c_o", "d_p"]
    assert set(await counted(small, "f_c")) == {"f_c", "c_p", "c_o"}
    assert numbers(found["c_p"]) == (53, 10, 10, 3, 2, 6)
    assert numbers(found["c_o"]) == (53, 10, 53, 0, 0, 10)
    assert numbers(found["d_p"]) == (0, 10, 0, 0, 0, 10)
    [(childless,)] = by_hand(small, "SELECT count(*) FROM p WHERE NOT EXISTS (SELECT FROM c WHERE c.pid = p.id)")
    assert childless == 6
    assert len({each.at for each in found.values()}) == 1


async def test_piece_by_piece_the_numbers_are_the_same(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = await counted(small, "c_p")
    monkeypatch.setattr(module, "_SMALL_MS", 0)
    in_pieces = await counted(small, "c_p")
    assert {name: numbers(each) for name, each in in_pieces.items()} == {
        name: numbers(each) for name, each in at_once.items()
    }
    assert not any(each.problem for each in in_pieces.values())


async def test_all_are_of_one_snapshot(make_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    conninfo = make_database(SCHEMA)
    count = module._Counting.count

    async def written_after(
        self: module._Counting, piece: module._Piece, connection: AsyncConnection, end: float
    ) -> None:
        await count(self, piece, connection, end)
        await run(conninfo, "INSERT INTO c SELECT max(id) + 1 FROM c; INSERT INTO d VALUES (1)")

    monkeypatch.setattr(module._Counting, "count", written_after)
    found = await counted(conninfo, "c_p")
    assert [found[name].rows for name in ("c_p", "c_o", "d_p")] == [53, 53, 0]
    found = await counted(conninfo, "c_p")
    assert [found[name].rows for name in ("c_p", "c_o", "d_p")] == [56, 56, 3]


async def test_what_takes_too_long_is_left_and_said(
    make_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_MS", 4_000)
    conninfo = make_database(f"{SLOW} CREATE SCHEMA quick; SET search_path TO quick; {SCHEMA}")
    async with slowed(conninfo), opened(conninfo) as there:
        one = case_of(there, "c_p", ERROR)
        quick = edge_named(one.schema, "c_p")
        slow = edge_named(one.schema, "c_pid_fkey")
        found = await totals(one, (slow, quick))
    assert numbers(found[0]) == (None,) * 6
    assert found[0].problem.startswith("not counted in time: ")
    assert numbers(found[1]) == (53, 10, 10, 3, 2, 6)


async def test_a_pair_that_no_operator_compares(small: str) -> None:
    async with opened(small) as there:
        one = case_of(there, "d_p", ERROR)
        edge = edge_named(one.schema, "d_p")
        [pair] = edge.pairs
        [found] = await totals(one, (replace(edge, pairs=(replace(pair, equals=None),)),))
    assert numbers(found) == (0, 10, 0, None, None, None)
    assert found.problem == "orphans not counted: no operator compares integer with integer"


async def test_over_the_limit_nothing_is_counted_and_that_is_said(small: str) -> None:
    found = await counted(small, "c_p", max_bytes=0)
    for each in found.values():
        assert numbers(each) == (None,) * 6
        assert each.problem.startswith("not counted: ")
        assert each.problem.endswith("(r counts it)")


async def test_what_the_role_may_not_read(small: str) -> None:
    async with new_role(small) as role:
        await run(small, f"GRANT SELECT ON c, p TO {role}")
        found = await counted(small, "c_p", role=role)
        assert numbers(found["c_p"]) == (53, 10, 10, 3, 2, 6)
        assert numbers(found["d_p"]) == (None,) * 6
        assert found["d_p"].problem.startswith("not counted: no SELECT on public.d")


async def test_a_locked_table_leaves_the_others_counted(small: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_MS", 4_000)
    async with opened(small) as there, holding(small, "LOCK TABLE d"):
        one = case_of(there, "c_p", ERROR)
        edges = involved(one)
        found = {edge.name: each for edge, each in zip(edges, await totals(one, edges), strict=True)}
    assert found["d_p"].orphans is None
    assert "not counted" in found["d_p"].problem
    assert found["c_p"].orphans == 3
