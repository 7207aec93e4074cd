"""Filter, fuzzy find, the way from problem to problem, panes."""

from __future__ import annotations

import re

import pytest

from fkexplorer.tui.find import FindScreen
from fkexplorer.tui.world import View
from tests.tui.helpers import opened


async def test_filter_narrows_while_it_is_typed(demo_url: str) -> None:
    async with opened(demo_url) as person:
        tables = person.app.main.tables
        assert tables.line_count() == 41
        await person.press("slash")
        await person.type("WORKSP")
        shown = tables.line_count()
        assert 0 < shown < 41
        body = person.lines()[3 : 3 + shown]
        assert all("orksp" in line for line in body)
        # Letters are text here, none of them a key.
        await person.type("qo?")
        assert tables.line_count() == 0
        await person.sees("No table holds this text")
        await person.press("backspace", "backspace", "backspace", "enter")
        assert tables.line_count() == shown
        assert person.focused_on("tables")
        await person.press("G", "n")
        assert tables.cursor == 0
        await person.press("N")
        assert tables.cursor == shown - 1
        await person.press("escape")
        assert tables.line_count() == 41


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_the_detail_tells_of_the_table_that_the_filter_found(demo_url: str, size: tuple[int, int]) -> None:
    async with opened(demo_url, size=size) as person:
        await person.sees(r" orders  table in schema shop")
        await person.press("slash")
        await person.sees(r" orders  table in schema shop")
        await person.type("refunds")
        await person.sees(r" refunds  table in schema billing")
        await person.press("enter")
        await person.sees(r" refunds  table in schema billing")


async def test_escape_while_typing_clears_and_keeps_the_table(demo_url: str) -> None:
    async with opened(demo_url) as person:
        tables = person.app.main.tables
        await person.press("slash")
        await person.type("refunds")
        assert tables.line_count() == 1
        here = tables.current
        await person.press("escape")
        assert tables.line_count() == 41
        assert tables.current == here
        assert person.focused_on("tables")
        assert "refunds" not in person.lines()[-1]


async def test_filter_of_the_lens_and_of_nothing(demo_url: str) -> None:
    async with opened(demo_url) as person:
        await person.press("n")
        await person.told("no filter is set: / sets one")
        await person.open_lens("shop.orders")
        lens = person.app.main.lens
        before = lens.line_count()
        await person.press("slash")
        await person.type("ship")
        await person.press("enter")
        assert 0 < lens.line_count() < before
        # On either side the cursor stands only where the text is.
        assert lens.current == person.edge("orders_shipping_address_id_fkey").oid
        await person.press("l", "j", "g")
        assert lens.current == person.edge("shipments_order_id_fkey").oid
        await person.press("escape", "slash")
        await person.type("invoic")
        assert lens.current == person.edge("invoices_order_id_fkey").oid
        await person.press("escape")
        await person.press("slash")
        await person.type("nothing of the kind")
        await person.press("enter")
        await person.sees("No row holds this text")
        await person.press("j", "k", "enter", "o", "l", "h")
        await person.press("1")
        assert person.in_view(View.TABLES)


async def test_find_a_table_a_column_and_a_constraint(demo_url: str) -> None:
    async with opened(demo_url) as person:
        main = person.app.main
        await person.press("f")
        await person.until(lambda: isinstance(person.app.screen, FindScreen))
        await person.type("shpordr")
        await person.sees(r"table +shop\.orders")
        await person.press("enter")
        await person.until(lambda: person.app.screen is main)
        assert person.in_view(View.LENS)
        assert main.lens.table == person.table("shop.orders").oid
        await person.press("f")
        await person.type("billing.payments.invoice_id")
        await person.press("enter")
        await person.until(lambda: person.app.screen is main)
        assert main.lens.table == person.table("billing.payments").oid
        await person.press("f")
        await person.type("orders_coupon_code_fkey")
        await person.sees(r"constraint +shop\.orders\.orders_coupon_code_fkey")
        await person.press("enter")
        await person.until(lambda: person.app.screen is main)
        assert main.lens.current == person.edge("orders_coupon_code_fkey").oid
        await person.press("f", "escape")
        assert person.app.screen is main
        assert main.lens.current == person.edge("orders_coupon_code_fkey").oid


async def test_find_goes_down_its_list_and_may_find_nothing(demo_url: str) -> None:
    async with opened(demo_url) as person:
        await person.press("f")
        await person.type("users")
        await person.press("down", "down")
        wanted = re.search(r"users\b", person.text)
        assert wanted
        screen = person.app.screen
        assert isinstance(screen, FindScreen)
        place = screen._found[2]
        await person.press("enter")
        await person.until(lambda: person.app.screen is person.app.main)
        assert person.app.main.lens.table == place.table
        await person.press("f")
        await person.type("zzzzzz")
        await person.press("enter")
        assert person.app.main.lens.table == place.table


async def test_problems_one_after_the_other_and_around(demo_url: str) -> None:
    async with opened(demo_url) as person:
        main = person.app.main
        found = []
        for _ in range(9):
            await person.press("right_curly_bracket")
            assert person.in_view(View.LENS)
            edge = person.app.world.edge(main.lens.current)
            assert edge is not None
            found.append(edge.oid)
        assert found[0] == person.edge("orders_customer_id_fkey").oid
        assert len(set(found[:8])) == 8
        assert found[8] == found[0]
        assert all(person.app.world.counts[oid].orphans for oid in found)
        await person.press("left_curly_bracket")
        assert main.lens.current == found[7]


async def test_panes_with_one_and_with_several(demo_url: str) -> None:
    async with opened(demo_url, size=(140, 40)) as person:
        main = person.app.main
        await person.press("enter", "o")
        await person.read()
        order = [pane.id for pane in main.panes()]
        assert order == ["tables", "lens", "detail", "rows"]
        seen = []
        for _ in order:
            assert main.focused is not None
            seen.append(main.focused.id)
            await person.press("tab")
        assert seen == ["rows", "tables", "lens", "detail"]
        await person.press("shift+tab")
        assert person.focused_on("detail")
        for key, name in (("t", "tables"), ("r", "rows"), ("l", "lens"), ("d", "detail")):
            await person.press("semicolon", key)
            assert main.focused is not None
            assert main.focused.id == name
        # A letter that names no pane is spent on the jump, and the next one is a key again.
        await person.press("semicolon", "x", "semicolon", "l", "h", "j")
        assert person.focused_on("lens")


async def test_enter_on_the_detail_opens_its_rows(demo_url: str) -> None:
    async with opened(demo_url) as person:
        await person.open_lens("shop.orders", "orders_customer_id_fkey")
        await person.press("tab")
        assert person.focused_on("detail")
        await person.press("enter")
        await person.read()
        await person.sees(r"orders\.customer_id -> customers\.id +23\b")


async def test_zoom_and_back(demo_url: str) -> None:
    async with opened(demo_url, size=(140, 40)) as person:
        main = person.app.main
        await person.press("enter")
        await person.sees(r"shop\.reviews .*│")
        await person.press("Z")
        await person.misses("shop.reviews")
        assert main.lens.size.width == 140
        await person.press("Z")
        await person.sees(r"shop\.reviews")
        await person.press("Z", "escape")
        await person.sees(r"shop\.reviews")
        assert person.in_view(View.LENS)


async def test_escape_closes_one_layer_after_the_other(demo_url: str) -> None:
    async with opened(demo_url) as person:
        main = person.app.main
        await person.press("enter", "o")
        await person.read()
        await person.press("slash", "9", "enter")
        assert main.rows.filter_text == "9"
        await person.press("escape")
        assert (main.view, main.rows.filter_text) == (View.ROWS, "")
        await person.press("escape")
        assert person.in_view(View.LENS)
        await person.press("escape")
        assert person.in_view(View.TABLES)
        await person.press("escape")
        assert not person.app._exit
        await person.press("q")
        await person.ended()
        assert person.app.return_value == 0
