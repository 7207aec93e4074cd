"""The program sees the demo as plain SQL does: same orphans, and states as the scripts left them."""

from __future__ import annotations

import pytest

from fkexplorer.database.connection import Database
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.database.source import Source
from fkexplorer.orphans.counter import count_edge
from fkexplorer.schema.model import Action, EdgeState, TableKind
from fkexplorer.schema.names import find_edges, find_tables
from tests.demo.asking import NOT_ENFORCED, ORPHANS, SET_NULL_OF_ONE

pytestmark = pytest.mark.matrix


async def test_edges_as_read_and_counted(databases: tuple[str, str]) -> None:
    database = await Database.connect(Source(databases[0], "argument"))
    try:
        schema = await read_schema(database)
        names = {oid: f"{schema.child_of(edge).schema}.{edge.name}" for oid, edge in schema.edges.items()}
        counts = {names[oid]: await count_edge(database, schema, edge, full=True) for oid, edge in schema.edges.items()}
        version = database.facts.version_number
    finally:
        await database.close()
    assert len(names) == len(set(names.values())) == 42 + (version >= 150000) + (version >= 180000)
    assert [name for name, count in counts.items() if not count.known] == []
    with_orphans = {name: (count.orphans, count.missing_keys) for name, count in counts.items() if count.orphans}
    assert with_orphans == {name: expected for name, expected in ORPHANS.items() if name in counts}
    stock = counts["shop.stock_warehouse_bin_fkey"]
    assert (stock.rows, stock.nulls, stock.unchecked, stock.orphans) == (144, 4, 18, 0)
    assert counts["chat.user_profiles_id_fkey"].childless == 37
    states = {names[oid]: edge.state for oid, edge in schema.edges.items() if edge.state is not EdgeState.ENFORCED}
    expected_states = {
        "nextauth.accounts_user_id_fkey": EdgeState.NOT_VALID,
        "shop.orders_customer_id_fkey": EdgeState.NOT_VALID,
        "shop.pick_tasks_warehouse_bin_fkey": EdgeState.NOT_VALID,
        "shop.reviews_product_id_fkey": EdgeState.DISABLED,
        NOT_ENFORCED: EdgeState.NOT_ENFORCED,
    }
    assert states == {name: state for name, state in expected_states.items() if name in counts}
    (views,) = find_tables(schema, "shop.page_views")
    assert (views.kind, len(views.partitions)) == (TableKind.PARTITIONED, 3)
    if SET_NULL_OF_ONE in counts:
        (edge,) = find_edges(schema, SET_NULL_OF_ONE.removeprefix("shop."))
        assert edge.on_delete is Action.SET_NULL
        assert [schema.child_of(edge).column(number).name for number in edge.set_columns] == ["assignee_id"]
