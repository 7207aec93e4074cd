"""The Lens on screen: sides, every edge of the demo, hubs, the trail, all sizes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from fkexplorer.orphans.model import Status
from fkexplorer.reports.badges import edge_badge
from fkexplorer.tui.world import View
from tests.tui.helpers import Gate, Person, opened, run

if TYPE_CHECKING:
    from collections.abc import Callable

HUB = (
    "CREATE TABLE hub (id int PRIMARY KEY); INSERT INTO hub VALUES (1);"
    + "".join(f"CREATE TABLE c{n:02} (hub_id int); INSERT INTO c{n:02} VALUES (1);" for n in range(25))
    + "INSERT INTO c07 VALUES (99), (98); INSERT INTO c13 VALUES (99); INSERT INTO c21 VALUES (99);"
    + "".join(
        f"ALTER TABLE c{n:02} ADD CONSTRAINT c{n:02}_fk FOREIGN KEY (hub_id) REFERENCES hub NOT VALID;"
        for n in range(25)
    )
    + "".join(f"ALTER TABLE c{n:02} VALIDATE CONSTRAINT c{n:02}_fk;" for n in range(25) if n not in (7, 13, 21))
)
"""A table with 25 children, three of which have orphans."""


def under_cursor(person: Person) -> str:
    """The text of the cells that carry the cursor's background."""
    lit = person.app.palette["cursor"].bgcolor
    assert lit is not None
    return "".join(
        segment.text
        for line in person.segments()
        for segment in line
        if segment.style is not None and segment.style.bgcolor == lit
    )


def walk(person: Person) -> dict[int, set[str]]:
    """Every edge that the cursor can reach in this Lens, and on which side."""
    lens = person.app.main.lens
    found: dict[int, set[str]] = {}
    for side, go in (("parents", lens.action_left), ("children", lens.action_right)):
        go()
        lens.action_top()
        for _ in range(lens.line_count() + 1):
            if lens.current is not None and lens.children_side == (side == "children"):
                found.setdefault(lens.current, set()).add(side)
            lens.action_down()
    return found


async def test_enter_opens_the_lens_of_the_table_under_the_cursor(demo_url: str) -> None:
    async with opened(demo_url) as person:
        await person.go_to("shop.orders")
        await person.press("enter")
        await person.sees(r"^ tables > shop\.orders .*\[2 Lens\]")
        text = person.text
        assert re.search(r"^ ?references 4  !23 +orders +referenced by 4  !!7$", text, re.MULTILINE), text
        assert re.search(r"customers +!23 NV +◄─ +┤ customer_id", text)
        assert re.search(r"shipments +!!7$", text, re.MULTILINE)
        assert under_cursor(person).startswith("customers")


async def test_sides(demo_url: str) -> None:
    async with opened(demo_url) as person:
        await person.open_lens("shop.orders")
        assert person.app.main.lens.current == person.edge("orders_customer_id_fkey").oid
        await person.press("l")
        assert person.app.main.lens.current == person.edge("shipments_order_id_fkey").oid
        assert "shipments" in under_cursor(person)
        await person.sees("shipments_order_id_fkey  ON DELETE CASCADE")
        await person.press("h")
        assert person.app.main.lens.current == person.edge("orders_customer_id_fkey").oid
        await person.press("down", "right", "left", "up")
        assert person.app.main.lens.current == person.edge("orders_customer_id_fkey").oid


@pytest.mark.parametrize("size", [(50, 20), (60, 14), (80, 24), (140, 40), (160, 48)])
async def test_every_edge_is_reached_on_both_sides(demo_url: str, size: tuple[int, int]) -> None:
    async with opened(demo_url, size=size) as person:
        schema = person.app.world.schema
        assert schema is not None
        reached: dict[int, set[str]] = {}
        for oid in schema.tables:
            person.app.main.focus_table(oid)
            for edge, sides in walk(person).items():
                reached.setdefault(edge, set()).update(sides)
        assert set(reached) == set(schema.edges)
        assert len(reached) == 44
        assert all(sides == {"parents", "children"} for sides in reached.values())


@pytest.mark.parametrize("size", [(50, 20), (60, 14), (80, 24), (140, 40), (160, 48)])
async def test_the_cursor_is_on_screen_with_its_badge(demo_url: str, size: tuple[int, int]) -> None:
    async with opened(demo_url, size=size) as person:
        await person.open_lens("shop.orders")
        lens = person.app.main.lens
        world = person.app.world
        assert world.schema is not None
        for key in ("g", "j", "j", "j", "l", "g", "j", "j", "j"):
            await person.press(key)
            edge = world.edge(lens.current)
            assert edge is not None
            lit = under_cursor(person)
            assert edge_badge(world.schema, edge, world.counts[edge.oid]).text in lit
            other = edge.parent if edge.child == lens.table else edge.child
            name = world.schema.tables[other].name
            assert name[:4] in lit or '"' in lit
        assert all(len(line) <= size[0] for line in person.lines())


async def test_self_reference_stays(demo_url: str) -> None:
    async with opened(demo_url) as person:
        await person.open_lens("shop.categories", "categories_parent_id_fkey")
        assert re.search(r"self", person.text)
        assert {"parents", "children"} == walk(person)[person.edge("categories_parent_id_fkey").oid]
        trail = person.app.world.trail.behind()
        await person.press("enter")
        await person.told("It refers to its own table")
        assert person.app.main.lens.table == person.table("shop.categories").oid
        assert person.app.world.trail.behind() == trail


async def test_cycle_composite_and_two_keys_between_one_pair(demo_url: str) -> None:
    async with opened(demo_url, size=(140, 40)) as person:
        await person.open_lens("shop.departments")
        assert re.search(r"employees.* c2\b", person.text)
        await person.open_lens("shop.pick_tasks", "pick_tasks_warehouse_bin_fkey")
        assert re.search(r"bins +!5 .*\(2\)", person.text)
        await person.sees(r"pick_tasks -> bins \(warehouse->warehouse, bin->bin\)  5 orphans")
        await person.open_lens("shop.orders")
        assert re.search(r'addresses .*\n.* " +ok', person.text)


async def test_cross_schema_names_its_schema(demo_url: str) -> None:
    async with opened(demo_url) as person:
        await person.open_lens("shop.orders")
        assert "billing.invoices" in person.text
        assert "shop.customers" not in person.text


async def test_enter_walks_the_edge_and_the_trail_leads_back(demo_url: str) -> None:
    async with opened(demo_url) as person:
        main = person.app.main
        await person.open_lens("shop.orders", "orders_customer_id_fkey")
        await person.press("enter")
        assert main.lens.table == person.table("shop.customers").oid
        assert main.lens.current == person.edge("orders_customer_id_fkey").oid
        assert main.lens.children_side
        await person.sees(r"^ tables > shop\.orders > shop\.customers ")
        await person.to_edge("reviews_customer_id_fkey")
        await person.press("enter")
        assert main.lens.table == person.table("shop.reviews").oid
        await person.press("backspace")
        assert main.lens.table == person.table("shop.customers").oid
        await person.press("left_square_bracket")
        assert main.lens.table == person.table("shop.orders").oid
        await person.press("right_square_bracket", "right_square_bracket")
        assert main.lens.table == person.table("shop.reviews").oid
        await person.press("right_square_bracket")
        await person.told("the trail ends here")
        await person.press("backspace", "backspace", "backspace")
        assert person.in_view(View.TABLES)
        assert main.tables.current == person.table("shop.orders").oid


async def test_back_is_greyed_where_nothing_lies_behind(demo_url: str) -> None:
    async with opened(demo_url) as person:
        main = person.app.main
        assert main.reason("back") == "the trail begins here"
        await person.open_lens("shop.orders")
        assert main.reason("back") is None
        await person.press("backspace")
        assert person.in_view(View.TABLES)
        assert main.reason("back") == "the trail begins here"


async def test_going_back_returns_to_the_edge_that_one_came_by(demo_url: str) -> None:
    async with opened(demo_url) as person:
        lens = person.app.main.lens
        await person.open_lens("shop.orders", "orders_coupon_code_fkey")
        await person.press("enter")
        assert lens.table == person.table("shop.coupons").oid
        await person.press("backspace")
        assert lens.current == person.edge("orders_coupon_code_fkey").oid


async def test_a_count_that_comes_while_rows_hide_the_lens_leaves_its_cursor(demo_url: str) -> None:
    async with opened(demo_url) as person:
        await person.open_lens("shop.orders", "orders_customer_id_fkey")
        edge = person.edge("orders_customer_id_fkey").oid
        await person.press("o")
        # Opening the rows asks for the totals of the edge, which arrive while they hide the Lens.
        await person.sees("7 missing keys")
        assert not person.app.main.lens.display
        await person.press("escape")
        assert person.app.main.lens.current == edge
        assert under_cursor(person).startswith("customers")


async def test_a_folded_child_that_breaks_above_the_cursor_leaves_it_on_its_edge(
    make_database: Callable[[str], str],
) -> None:
    url = make_database(
        HUB + "ALTER TABLE hub ADD code int UNIQUE; UPDATE hub SET code = 1;"
        "CREATE TABLE d (code int); INSERT INTO d VALUES (7);"
        "ALTER TABLE d ADD CONSTRAINT d_fk FOREIGN KEY (code) REFERENCES hub (code) NOT VALID;"
    )
    async with opened(url) as person:
        await person.open_lens("hub", "d_fk")
        lens = person.app.main.lens
        assert lens.table == person.table("hub").oid
        lines = lens.line_count()
        await run(url, "SET session_replication_role = replica; INSERT INTO c02 VALUES (5)")
        person.app.session.recount((person.edge("c02_fk").oid,))
        await person.until(lambda: lens.line_count() > lines)
        assert lens.current == person.edge("d_fk").oid


async def test_hub_folds_its_clean_children(make_database: Callable[[str], str]) -> None:
    async with opened(make_database(HUB)) as person:
        lens = person.app.main.lens
        await person.open_lens("hub")
        assert re.search(r"referenced by 25  !4", person.text)
        assert re.search(r"\+ 22 clean +z to show", person.text)
        right = [lens.current]
        for _ in range(3):
            await person.press("j")
            right.append(lens.current)
        assert right == [person.edge(name).oid for name in ("c07_fk", "c13_fk", "c21_fk")] + [None]
        assert lens.folded
        await person.press("enter")
        assert len(walk(person)) == 25
        assert not re.search(r"\+ 22 clean", person.text)
        await person.press("g")
        here = lens.current
        await person.press("z")
        assert re.search(r"\+ 22 clean", person.text)
        assert lens.current == here
        await person.press("z")
        assert len(walk(person)) == 25


async def test_finding_a_folded_child_unfolds(make_database: Callable[[str], str]) -> None:
    async with opened(make_database(HUB)) as person:
        hub, edge = person.table("hub").oid, person.edge("c19_fk").oid
        assert person.app.world.counts[edge].status is Status.CLEAN
        person.app.main.focus_table(hub, edge=edge)
        await person.pilot.pause()
        assert person.app.main.lens.current == edge
        assert "c19" in under_cursor(person)


async def test_counts_repaint_the_lens_in_place(make_database: Callable[[str], str]) -> None:
    gate = Gate()
    async with opened(make_database(HUB), gate=gate, wait=False) as person:
        lens = person.app.main.lens
        await person.until(lambda: person.app.world.schema is not None)
        await person.open_lens("hub")
        await person.press("j", "j", "j", "j")
        before = (lens.current, lens.cursor, lens.top)
        order = [row.child_edge for row in lens._lens.rows]  # type: ignore[union-attr]
        await person.until(lambda: len(gate.held) > 50)
        while gate.held:
            gate.pass_one()
        await person.counted()
        await person.until(lambda: not person.app._flushing)
        assert (lens.current, lens.cursor, lens.top) == before
        assert [row.child_edge for row in lens._lens.rows] == order  # type: ignore[union-attr]
        assert re.search(r"c07 .*!2", person.text) or lens.top > 7
        await person.press("s")
        # What was under the cursor is clean and folded now.
        assert lens.folded
        assert re.search(r"c07 .*!2", person.text)


async def test_below_60_cells_it_is_one_list(demo_url: str) -> None:
    async with opened(demo_url, size=(50, 24)) as person:
        await person.open_lens("shop.orders", "orders_customer_id_fkey")
        assert re.search(r"<- .*customers.*!23", person.text)
        assert re.search(r"-> .*shipments.*!!7", person.text)
        await person.to_edge("shipments_order_id_fkey")
        await person.press("enter")
        assert person.app.main.lens.table == person.table("shop.shipments").oid


async def test_the_detail_tells_the_edge_in_a_sentence(demo_url: str) -> None:
    async with opened(demo_url) as person:
        await person.open_lens("workspaces.workspace_members")
        await person.sees(r"each workspace member belongs to exactly one workspace")
        await person.sees(r"orphans|no orphans|ok")


async def test_beside_the_list_the_lens_follows_the_cursor(demo_url: str) -> None:
    async with opened(demo_url, size=(140, 40)) as person:
        main = person.app.main
        assert main.lens.table == person.table("shop.orders").oid
        await person.press("j")
        await person.until(lambda: main.lens.table == person.table("shop.reviews").oid)
        await person.sees(r"│ ?references 2 .* reviews ")
        assert person.focused_on("tables")
