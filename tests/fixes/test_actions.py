"""Each fix on the demo database, from its preview to its undo: what was foreseen is done, then every row is back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.demo.database import build_demo
from fkexplorer.fixes.entries import State
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending, Request, Scope
from fkexplorer.fixes.preview import preview
from fkexplorer.fixes.run import run
from fkexplorer.fixes.undo import undo, undo_preview
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import edge_label
from tests.fixes.byhand import QUICK, hashes
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.schema.model import Relationship, Schema


@pytest.fixture(scope="module")
def demo(make_database: Callable[[str], str]) -> str:
    """The conninfo of a demo database, which each test leaves as it was."""
    conninfo = make_database("SELECT 1")
    build_demo(conninfo)
    return conninfo


def edge_of(schema: Schema, label: str) -> Relationship:
    return next(edge for edge in schema.edges.values() if edge_label(schema, edge) == label)


MEMBERS = "workspaces_dangling.workspace_members.workspace_members_workspace_id_workspaces_id_fk"
ORDERS = "shop.orders.orders_customer_id_fkey"
PROFILE = {"display_name": "COALESCE(s.raw_user_meta_data ->> 'full_name', split_part(s.email, '@', 1))"}
STUB = {"name": "'gone'", "email": "'gone' || s.id || '@example.org'", "created_at": "now()"}


@pytest.mark.parametrize(
    ("label", "action", "how"),
    [
        (MEMBERS, FixAction.DELETE, {}),
        ("shop.shipments.shipments_order_id_fkey", FixAction.DELETE, {}),
        ("shop.page_views.page_views_product_id_fkey", FixAction.DELETE, {}),
        ("shop.pick_tasks.pick_tasks_warehouse_bin_fkey", FixAction.SET_NULL, {}),
        ("shop.reviews.reviews_product_id_fkey", FixAction.QUARANTINE, {}),
        (ORDERS, FixAction.REPOINT, {"key": ("1",)}),
        (ORDERS, FixAction.INSERT_PARENTS, {"columns": STUB}),
    ],
)
async def test_done_and_taken_back(
    demo: str, open_folder: Path, label: str, action: FixAction, how: dict[str, Any]
) -> None:
    was, journal = hashes(demo), Journal(open_folder)
    async with opened(demo) as (database, schema):
        foreseen = await preview(database, schema, Request(edge_of(schema, label), action, **how))
        outcome = await run(database, schema, foreseen, journal, limits=QUICK, consent=frozenset(foreseen.triggers))
        assert outcome.ending is Ending.DONE, outcome.words
        assert outcome.before is not None
        assert outcome.after is not None
        orphans = foreseen.rows if action is not FixAction.INSERT_PARENTS else 23
        assert (outcome.before.orphans, outcome.after.orphans) == (orphans, 0)
        now = await read_schema(database)
        backwards = await undo_preview(database, now, journal, outcome.entry)
        undone = await undo(database, now, backwards, journal, limits=QUICK, consent=frozenset(backwards.triggers))
    assert undone.ending is Ending.DONE, undone.words
    assert undone.after is not None
    assert undone.after.orphans == outcome.before.orphans
    assert hashes(demo) == was


async def test_a_gap_is_closed_and_opened_again(demo: str, open_folder: Path) -> None:
    was, journal = hashes(demo), Journal(open_folder)
    async with opened(demo) as (database, schema):
        edge = edge_of(schema, "chat.chat_conversations.chat_conversations_user_id_fkey")
        users = next(table.oid for table in schema.tables.values() if (table.schema, table.name) == ("auth", "users"))
        request = Request(edge, FixAction.BACKFILL, source=users, scope=Scope.GAP, columns=PROFILE)
        foreseen = await preview(database, schema, request)
        outcome = await run(database, schema, foreseen, journal, limits=QUICK)
        assert (outcome.gap_before, outcome.gap_after) == (37, foreseen.lost)
        # The user whose address somebody else's profile has is kept out, and named.
        twin = "SELECT 1 FROM chat.user_profiles p WHERE p.id = u.id"
        with psycopg.connect(demo) as connection:
            [(kept,)] = connection.execute(f"SELECT u.id::text FROM auth.users u WHERE NOT EXISTS ({twin})").fetchall()
        assert (foreseen.lost, outcome.ending) == (1, Ending.REMAINING)
        assert outcome.words == f"1 row of the source has no twin: {kept}"
        backwards = await undo_preview(database, schema, journal, outcome.entry)
        undone = await undo(database, schema, backwards, journal, limits=QUICK)
        assert undone.ending is Ending.DONE, undone.words
        assert (undone.gap_before, undone.gap_after) == (foreseen.lost, 37)
    assert hashes(demo) == was


async def test_a_rule_is_changed_and_the_constraint_validated(demo: str, open_folder: Path) -> None:
    journal = Journal(open_folder)
    async with opened(demo) as (database, before):
        schema = before
        for action, rule in (
            (FixAction.DELETE, ""),
            (FixAction.CHANGE_ON_DELETE, "cascade"),
            (FixAction.REVALIDATE, ""),
            (FixAction.CHANGE_ON_DELETE, "no-action"),
        ):
            request = Request(edge_of(schema, MEMBERS), action, rule=rule)
            outcome = await run(database, schema, await preview(database, schema, request), journal, limits=QUICK)
            assert outcome.ending is Ending.DONE, outcome.words
            schema = await read_schema(database)
        assert edge_of(schema, MEMBERS).validated
        last, *_, first = journal.entries()
        assert (last.backup, last.state, last.action) == ("", State.ALL, "change-on-delete")
        with pytest.raises(Trouble) as caught:
            await undo_preview(database, schema, journal, last.id)
        assert caught.value.hint.startswith("the same with ON DELETE CASCADE takes it back")
        undone = await undo(
            database, schema, await undo_preview(database, schema, journal, first.id), journal, limits=QUICK
        )
        assert undone.ending is Ending.DONE, undone.words
