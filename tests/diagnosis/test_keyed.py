"""Looks for one key against the predicate that is counted with, for every kind of foreign key and on all servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from fkexplorer.database.limits import Limits
from fkexplorer.diagnosis.asking import LIMITS, ask
from fkexplorer.diagnosis.keyed import child_look, children_look, key_text, parent_look, value_text
from fkexplorer.orphans.paging import printed
from fkexplorer.orphans.predicate import EdgePredicate
from tests.diagnosis.cases import case_of, told
from tests.orphans.cases import CASES
from tests.orphans.connected import opened
from tests.orphans.ground import _can_have, _support
from tests.orphans.verdict import judge

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement, Select

    from fkexplorer.diagnosis.model import Key
    from fkexplorer.schema.model import Column

pytestmark = pytest.mark.matrix


@pytest.fixture(scope="module")
def ground(make_database: Callable[[str], str]) -> str:
    conninfo = make_database("SELECT 1")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        have = _support(connection)
        for each in CASES:
            if _can_have(each, connection.info.server_version, have):
                judge(connection, each)
    return conninfo


async def test_the_rows_of_a_key_are_those_of_the_predicate(ground: str) -> None:
    looked = orphans = 0
    async with opened(ground) as there:
        database, schema = there

        async def rows(statement: Select[Any]) -> list[tuple[Key, bool]]:
            async with database.read(Limits(planner=LIMITS.planner)) as connection:
                found = (await connection.execute(statement)).all()
            return [(tuple(row[:-1]), row[-1]) for row in found if None not in row]

        for edge in schema.edges.values():
            one = case_of(there, edge, told("x", "y"))
            predicate = EdgePredicate(schema, edge)
            of_child = [_printed(predicate.child.c[pair.child.name], pair.child) for pair in edge.pairs]
            for key, orphan in await rows(predicate.from_child(*of_child, predicate.is_orphan)):
                parents = await ask(one, parent_look(schema, edge, key))
                children = await ask(one, child_look(schema, edge, key))
                assert (parents.number == 0) == orphan, parents
                assert children.number, children
                looked += 1
                orphans += orphan
            of_parent = [_printed(predicate.parent.c[pair.parent.name], pair.parent) for pair in edge.pairs]
            for key, referred in await rows(predicate.from_parent(*of_parent, predicate.has_child)):
                children = await ask(one, children_look(schema, edge, key))
                assert bool(children.number) == referred, children
                looked += 1
    assert looked > 300
    assert 50 < orphans < looked


def _printed(value: ColumnElement[str], column: Column) -> ColumnElement[str]:
    return printed(value, column.base_type or column.type)


async def test_values_that_could_be_mistaken_are_in_quotes(ground: str) -> None:
    async with opened(ground) as (_, schema):
        column = next(iter(schema.tables.values())).columns[0]
    shown = {text: value_text(column, text) for text in ("a", "", " a", "a, b", "a\x1b", None, "x" * 99)}
    assert list(shown.values()) == ["a", "''", "' a'", "'a, b'", "a\\x1b", "NULL", "x" * 60 + "…"]
    assert key_text([column, column], ("a", None)) == f"({column.name}, {column.name}) = (a, NULL)"
