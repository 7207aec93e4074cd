"""The table of tables: its order, its lines at both widths, the detail of a table."""

from __future__ import annotations

from dataclasses import replace

from fkexplorer.orphans.model import Count, Status
from fkexplorer.reports.style import plain
from fkexplorer.reports.tables import edges_by_table, headings, order_of_tables, table_detail, table_line
from fkexplorer.reports.values import width
from tests.reports.build import EVERYTHING, NOW, Builder, counted


def shop() -> Builder:
    """Orders with two keys, items with one that is not valid, a log that refers to nothing."""
    made = Builder()
    made.table("customers")
    made.table("orders", "customer_id", "buyer_id", rows=5000, estimated_bytes=1 << 20)
    made.table("audit.items", "order_id", rows=None)
    made.table("log")
    made.edge("orders", "customer_id", "customers")
    made.edge("orders", "buyer_id", "customers", index=None)
    made.edge("audit.items", "order_id", "orders", validated=False)
    return made


def test_before_any_count_suspicion_goes_first_and_tables_without_edges_last() -> None:
    made = shop()
    schema = made.schema()
    order = order_of_tables(schema, edges_by_table(schema), {})
    assert [schema.tables[oid].name for oid in order] == ["items", "orders", "customers", "log"]


def test_the_worst_goes_first_once_it_is_counted() -> None:
    made = shop()
    schema = made.schema()
    edge = made.edges["orders.buyer_id"]
    order = order_of_tables(schema, edges_by_table(schema), {edge.oid: counted(edge, 3)})
    assert [schema.tables[oid].name for oid in order][:2] == ["orders", "items"]


def test_a_line_says_what_is_known_and_unknown_is_not_clean() -> None:
    made = shop()
    schema = made.schema()
    edges = edges_by_table(schema)
    clean = made.edges["orders.customer_id"]
    counts = {clean.oid: counted(clean)}
    for cells in (34, 71, 72, 80):
        for table in schema.tables.values():
            line = table_line(schema, table, edges[table.oid], counts, width=cells)
            assert width(plain(line)) <= cells
    orders, items = made.tables["orders"], made.tables["audit.items"]
    # One of two keys is counted and clean: the table is not.
    assert plain(table_line(schema, orders, edges[orders.oid], counts, width=80)).split() == (
        ["orders", "?", "2", "1", "5k", "1.0", "MiB"]
    )
    assert plain(table_line(schema, items, edges[items.oid], counts, width=80)).split()[-3:] == ["?", "8.0", "KiB"]
    assert plain(headings(80)).split() == ["table", "orphans", "parents", "children", "rows", "size"]


def test_a_name_of_common_length_is_whole_where_there_are_60_cells() -> None:
    made = Builder()
    table = made.table("billing.subscription_items")
    schema = made.schema()
    for cells in (60, 71, 80):
        line = table_line(schema, table, edges_by_table(schema)[table.oid], {}, width=cells)
        assert "billing.subscription_items " in plain(line), cells


def test_a_size_that_was_never_measured_is_not_known() -> None:
    made = Builder()
    fresh = made.table("fresh", rows=None, estimated_bytes=0)
    empty = made.table("empty", rows=0, estimated_bytes=0)
    schema = made.schema()
    edges = edges_by_table(schema)
    for table, words in ((fresh, ["fresh", "?", "?"]), (empty, ["empty", "0", "0", "B"])):
        assert plain(table_line(schema, table, edges[table.oid], {}, width=80)).split() == words
    told = [plain(table_detail(schema, table, edges[table.oid], {}, now=NOW, width=80)[0]) for table in (fresh, empty)]
    assert told == [" fresh  table  never analysed", " empty  table  about 0 rows  0 B"]


def test_the_detail_never_calls_unknown_clean() -> None:
    made = shop()
    schema = made.schema()
    one, other = made.edges["orders.customer_id"], made.edges["orders.buyer_id"]
    orders = made.tables["orders"]

    def said(*counts: Count) -> str:
        known = {count.edge: count for count in counts}
        return plain(table_detail(schema, orders, edges_by_table(schema)[orders.oid], known, now=NOW, width=80)[1])

    assert said() == " 2 foreign keys, 2 not known"
    denied = counted(other, None, status=Status.DENIED)
    assert said(counted(one), denied) == " 2 foreign keys, 1 not known, 1 without orphans"
    assert said(counted(one), counted(other)) == " 2 foreign keys, 2 counted, none with orphans"


def test_what_keeps_an_answer_away_is_not_pushed_off_the_line() -> None:
    made = Builder()
    nothing = replace(EVERYTHING, select=False)
    table = made.table("organization_membership_audit", privileges=nothing, row_security_active=True)
    schema = made.schema()
    line = plain(table_detail(schema, table, edges_by_table(schema)[table.oid], {}, now=NOW, width=80)[0])
    assert "no SELECT privilege" in line[:80]


def test_the_detail_names_the_worst_keys_first() -> None:
    made = shop()
    schema = made.schema()
    edge = made.edges["orders.buyer_id"]
    orders = made.tables["orders"]
    counts = {edge.oid: counted(edge, 1)}
    lines = [
        plain(line)
        for line in table_detail(schema, orders, edges_by_table(schema)[orders.oid], counts, now=NOW, width=60)
    ]
    assert lines[0].startswith(" orders  table  about 5,000 rows  1.0 MiB")
    assert lines[1] == " 2 foreign keys, 1 not known, 1 with orphans (1 row)"
    assert [line.split() for line in lines[2:]] == [
        ["!!1", "buyer_id", "->", "customers", "noix"],
        ["?", "customer_id", "->", "customers"],
    ]
    assert all(width(line) <= 60 for line in lines)
