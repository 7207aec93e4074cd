"""Each fix of the orphans' rows on the demo, by keys: armed, previewed, confirmed, verified, and some taken back."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.fixes.parts import RunLimits
from fkexplorer.fixes.run import run
from fkexplorer.tui.fixes import deeds
from fkexplorer.tui.fixes.asking import FieldsScreen
from fkexplorer.tui.fixes.deed import Phase
from tests.tui.on_demo import answered, back, do, look, numbers, undo, verified
from tests.tui.test_fixes import armed, by_hand, confirm, panel, previewed, rows, said

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

__all__ = ["by_hand"]


def hashed(table: str) -> str:
    """A query of a hash of all rows."""
    return f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t"


SHIPMENTS = "SELECT count(*), count(*) FILTER (WHERE order_id NOT IN (SELECT id FROM shop.orders)) FROM shop.shipments"
PICKS = """
SELECT count(*) FILTER (WHERE warehouse IS NULL AND bin IS NULL),
 count(*) FILTER (WHERE (warehouse, bin) = ('BRS', 'A-01')),
 count(*) FILTER (WHERE (warehouse IS NULL) <> (bin IS NULL) OR bin = 'Z-09') FROM shop.pick_tasks
"""
ORDERS = "SELECT DISTINCT customer_id FROM shop.orders WHERE id % 27 = 5 AND id < 620 ORDER BY 1"


async def test_orphans_are_deleted_and_brought_back(demo_copy: str) -> None:
    before = await rows(demo_copy, hashed("shop.shipments"))
    whole, lost = await numbers(demo_copy, SHIPMENTS)
    assert lost == 7
    async with armed(demo_copy) as person:
        text = await look(person, "shop.shipments", "shipments_order_id_fkey", "d")
        assert "shop.shipments: 7 deleted" in text
        assert verified(await do(person, "7"), 7, 0)
        assert await numbers(demo_copy, SHIPMENTS) == [whole - 7, 0]
        await undo(person, "7")
        assert await rows(demo_copy, hashed("shop.shipments")) == before


async def test_orphans_are_set_null_brought_back_and_set_to_the_default(demo_copy: str) -> None:
    before = await rows(demo_copy, hashed("shop.pick_tasks"))
    nulls, first, lost = await numbers(demo_copy, PICKS)
    assert lost == 5
    async with armed(demo_copy) as person:
        await look(person, "shop.pick_tasks", "pick_tasks_warehouse_bin_fkey", "n")
        assert verified(await do(person, "5"), 5, 0)
        assert await numbers(demo_copy, PICKS) == [nulls + 5, first, 0]
        await undo(person, "5")
        assert await rows(demo_copy, hashed("shop.pick_tasks")) == before
        await person.until(lambda: person.app.world.counts[person.edge("pick_tasks_warehouse_bin_fkey").oid].orphans)
        await look(person, "shop.pick_tasks", "pick_tasks_warehouse_bin_fkey", "f")
        assert verified(await do(person, "5"), 5, 0)
        assert await numbers(demo_copy, PICKS) == [nulls, first + 5, 0]
        # Clean, and NOT VALID: the next step is offered.
        await person.press("v")
        await previewed(person)
        await do(person, "pick_tasks_warehouse_bin_fkey")
    valid = "SELECT convalidated FROM pg_constraint WHERE conname = 'pick_tasks_warehouse_bin_fkey'"
    assert await rows(demo_copy, valid) == [(True,)]


async def test_orphans_are_pointed_to_one_parent_by_key_and_by_search(demo_copy: str) -> None:
    async with armed(demo_copy) as person:
        await look(person, "shop.reviews", "reviews_product_id_fkey", "p", "144", "")
        assert verified(await do(person, "12"), 12, 0)
        imported = "SELECT DISTINCT product_id FROM shop.reviews WHERE title = 'Imported from the old shop'"
        assert await rows(demo_copy, imported) == [(144,)]
        await back(person)
        # The invoice by its number, as it is printed on the paper.
        paid = "SELECT count(*) FROM billing.payments WHERE invoice_id = 123"
        [own] = await numbers(demo_copy, paid)
        await panel(person, "payments_invoice_id_fkey", "billing.payments")
        await person.press("p")
        await person.until(lambda: isinstance(person.app.screen, FieldsScreen))
        await person.type("2025-00123")
        await person.sees("123  INV-2025-00123")
        await person.press("down", "enter")
        await previewed(person)
        assert verified(await do(person, "4"), 4, 0)
        assert await numbers(demo_copy, paid) == [own + 4]


async def test_orphans_are_pointed_by_a_mapping_and_back(demo_copy: str, tmp_path: Path) -> None:
    before = await rows(demo_copy, hashed("shop.orders"))
    keys = await numbers(demo_copy, ORDERS)
    assert keys == [*range(90000, 90007)]
    (tmp_path / "keys.csv").write_text("old,new\n" + "".join(f"{key},{key - 89999}\n" for key in keys))
    async with armed(demo_copy) as person:
        await look(person, "shop.orders", "orders_customer_id_fkey", "p", "", "keys.csv")
        assert verified(await do(person, "23"), 23, 0)
        assert await numbers(demo_copy, ORDERS) == [*range(1, 8)]
        await undo(person, "23")
        assert await rows(demo_copy, hashed("shop.orders")) == before


async def test_a_missing_parent_is_inserted_and_taken_back(demo_copy: str) -> None:
    before = await rows(demo_copy, hashed("workspaces_dangling.workspaces"))
    async with armed(demo_copy) as person:
        # Its constraint has the name of the one in `workspaces`: by the cursor.
        await person.open_lens("workspaces_dangling.workspace_members")
        await person.press("h", "g", "a")
        await answered(person, "i", "'Restored'", "'restored'", "now()", "")
        assert verified(await do(person, "1"), 1, 0)
        query = "SELECT name, plan FROM workspaces_dangling.workspaces WHERE slug = 'restored'"
        assert await rows(demo_copy, query) == [("Restored", "free")]
        await undo(person, "1")
        assert await rows(demo_copy, hashed("workspaces_dangling.workspaces")) == before


async def test_parents_are_backfilled_over_the_gap(demo_copy: str) -> None:
    gap = "SELECT count(*) FROM auth.users WHERE id NOT IN (SELECT id FROM chat.user_profiles)"
    assert await rows(demo_copy, gap) == [(37,)]
    before = await rows(demo_copy, hashed("chat.user_profiles"))
    async with armed(demo_copy) as person:
        fields = ("auth.users", "gap", "", "", "s.email", "", "", "")
        text = await look(person, "chat.chat_conversations", "chat_conversations_user_id_fkey", "b", *fields)
        # User 390 has the address of user 17.
        assert "user_profiles_email_key" in text
        text = await do(person, "36")
        assert "37 -> 1" in text
        assert await rows(demo_copy, gap) == [(1,)]
        await undo(person, "36")
        assert await rows(demo_copy, hashed("chat.user_profiles")) == before


async def test_orphans_are_moved_to_a_side_table_and_back(demo_copy: str) -> None:
    before = await rows(demo_copy, hashed("shop.page_views"))
    async with armed(demo_copy) as person:
        await look(person, "shop.page_views", "page_views_product_id_fkey", "t", "page_views_aside")
        assert verified(await do(person, "8"), 8, 0)
        assert await rows(demo_copy, "SELECT count(*) FROM shop.page_views_aside WHERE product_id >= 500") == [(8,)]
        # 8 rows come back, and 8 go from the side table, which stays.
        await undo(person, "16")
        assert await rows(demo_copy, "SELECT count(*) FROM shop.page_views_aside") == [(0,)]
        assert await rows(demo_copy, hashed("shop.page_views")) == before


async def test_a_stop_leaves_whole_batches(demo_copy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deeds, "run", partial(run, limits=RunLimits(batch_rows=5)))
    before = await rows(demo_copy, hashed("shop.orders"))
    lost = "SELECT id FROM shop.orders WHERE customer_id >= 90000 ORDER BY ctid"
    ids = await numbers(demo_copy, lost)
    async with armed(demo_copy) as person, await psycopg.AsyncConnection.connect(demo_copy) as other:
        await look(person, "shop.orders", "orders_customer_id_fkey", "p", "1", "")
        # Somebody holds a row of the second batch, so that the first is done and the second waits.
        await other.execute("SELECT FROM shop.orders WHERE id = %s FOR UPDATE", [ids[7]])
        await confirm(person, "23")
        await person.sees("5 of 23 rows")
        await person.press("full_stop")
        await person.told("stops after the batch at hand")
        await other.rollback()
        await previewed(person, Phase.ENDED)
        text = await said(person)
        assert verified(text, 23, 13)
        assert "stopped" in text
        assert await numbers(demo_copy, lost) == ids[10:]
        await undo(person, "10")
        assert await rows(demo_copy, hashed("shop.orders")) == before
