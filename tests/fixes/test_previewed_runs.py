"""Every action on the demo, from the request to its end: what was previewed is what a run does."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.demo.database import build_demo
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending, Request, Scope
from fkexplorer.fixes.preview import preview
from fkexplorer.fixes.run import run
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import find_edges, find_tables
from tests.fixes.byhand import QUICK
from tests.fixes.pairing import pair_edge
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fkexplorer.demo.server import EmbeddedServer

PRODUCT = {"sku": "'OLD-' || s.id", "name": "'gone'", "price": "0", "created_at": "now()"}
PROFILE = {"display_name": "coalesce(s.raw_user_meta_data ->> 'full_name', s.email)"}
# In this order: the constraints that are changed at the end are of edges that were mended before.
FIXES: list[tuple[str, FixAction, dict[str, Any], Ending]] = [
    ("shipments_order_id_fkey", FixAction.DELETE, {}, Ending.DONE),
    ("pick_tasks_warehouse_bin_fkey", FixAction.SET_NULL, {}, Ending.DONE),
    ("reviews_product_id_fkey", FixAction.QUARANTINE, {}, Ending.DONE),
    ("orders_customer_id_fkey", FixAction.REPOINT, {"key": ("7",)}, Ending.DONE),
    ("wish_list_items_product_id_fkey", FixAction.INSERT_PARENTS, {"columns": PRODUCT}, Ending.DONE),
    # One of the 37 has the address of another: done is not said.
    (
        "chat_conversations_user_id_fkey",
        FixAction.BACKFILL,
        {"columns": PROFILE, "scope": Scope.GAP},
        Ending.REMAINING,
    ),
    ("orders_customer_id_fkey", FixAction.VALIDATE, {}, Ending.DONE),
    ("shipments_order_id_fkey", FixAction.REVALIDATE, {}, Ending.DONE),
    ("invoices_order_id_fkey", FixAction.CHANGE_ON_DELETE, {"rule": "cascade"}, Ending.DONE),
]


@pytest.fixture(scope="module")
def demo(server: EmbeddedServer) -> Iterator[str]:
    """The demo database; the tests change it."""
    name = f"demo_of_runs_{os.getpid()}"
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
    build_demo(server.conninfo(name))
    yield server.conninfo(name)
    with psycopg.connect(server.conninfo("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name}".encode())


async def test_every_action_does_what_was_previewed(demo: str, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    async with opened(demo) as (database, first):
        schema = first
        for name, action, given, ending in FIXES:
            edge = find_edges(schema, name)[0]
            source = find_tables(schema, "auth.users")[0].oid if action is FixAction.BACKFILL else None
            found = await preview(database, schema, Request(edge, action, source=source, **given))
            assert found.plan.steps, name
            assert not found.blockers, name
            outcome = await run(database, schema, found, journal, limits=QUICK)
            assert outcome.ending is ending, (name, action, outcome)
            again = await read_schema(database)
            if action in {FixAction.VALIDATE, FixAction.REVALIDATE, FixAction.CHANGE_ON_DELETE}:
                assert find_edges(again, name)[0].validated
            elif action is FixAction.BACKFILL:
                assert (outcome.gap_before, outcome.gap_after) == (37, 1)
            else:
                assert outcome.before is not None
                assert outcome.after is not None
                assert outcome.before.orphans
                assert outcome.after.orphans == 0
            schema = again
        edge = await pair_edge(
            database,
            schema,
            (find_tables(schema, "workspaces.workspace_members")[0], ["user_id"]),
            (find_tables(schema, "workspaces.users")[0], ["privy_did"]),
        )
        found = await preview(database, schema, Request(edge, FixAction.ADD_CONSTRAINT))
        assert (await run(database, schema, found, journal, limits=QUICK)).ending is Ending.DONE
        [made] = find_edges(await read_schema(database), "workspace_members_user_id_fkey")
        assert made.validated
