"""The schemas that guessing is measured on are read as they were meant, and what is guessed of them stays as good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.database.connection import Database
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.database.source import Source
from fkexplorer.inference.reading import read_evidence
from fkexplorer.schema.model import EdgeKind
from tests.benchmarks.inference_measure import guessed, naively, together
from tests.benchmarks.inference_written import Written, operator, read, read_all

if TYPE_CHECKING:
    from collections.abc import Callable

SHOP = """
# A comment, and a table that goes on.
@tuned yes
orders: id bigint!pk, Customer uuid!nn -> shop.customers,
    tags text[], note text  # behind a line too
shop.customers: uid uuid!pk, email text!u, up uuid ~> shop.customers(uid)
order lines: order_id int -> orders, line int, sku text; pk(order_id, line), (sku, line) -> stock(sku, shelf)
stock: sku text, shelf int, u(sku, shelf), owner_type text, owner_id int,
    (owner_id) ~> orders when owner_type=Shop::Order
"""

PRECISION, RECALL = 0.945, 0.825
"""A little under what is measured on the schemas that are held out."""


@pytest.fixture(scope="module")
def written() -> list[Written]:
    return read_all()


def test_a_schema_is_read_as_it_is_written() -> None:
    shop = read("shop", SHOP)
    assert shop.tuned
    assert shop.truth == {
        ("orders", (("Customer", "uid"),), "shop.customers", ""),
        ("shop.customers", (("up", "uid"),), "shop.customers", ""),
        ("order lines", (("order_id", "id"),), "orders", ""),
        ("order lines", (("line", "shelf"), ("sku", "sku")), "stock", ""),
        ("stock", (("owner_id", "id"),), "orders", "owner_type=Shop::Order"),
    }
    orders, customers, lines, stock = shop.schema.tables.values()
    assert (customers.schema, customers.name) == ("shop", "customers")
    assert [(column.name, column.type_text, column.not_null) for column in orders.columns] == [
        ("id", "bigint", True),
        ("Customer", "uuid", True),
        ("tags", "text[]", False),
        ("note", "text", False),
    ]
    assert [(key.columns, key.primary) for key in lines.keys] == [((1, 2), True)]
    assert [(key.columns, key.primary) for key in customers.keys] == [((1,), True), ((2,), False)]
    assert [index.oid for index in customers.indexes] == [key.index for key in customers.keys]
    assert len(shop.schema.edges) == 4, "no constraint can be a kind of a polymorphic pair"
    assert {edge.kind for edge in shop.schema.edges.values()} == {EdgeKind.DECLARED}
    assert shop.evidence.kinds == {(stock.oid, 3): ("Shop::Order",)}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("orders id int", "what is"),
        ("orders: id number!pk", "what is"),
        ("orders: id int!pk, user_id int -> users", "no table"),
        ("orders: id int!pk, up int -> orders(id, id)", "refers to orders"),
        ("orders: id int!pk, up int -> orders(uid)", "no column"),
        ("orders: id int!pk, up int -> orders, (up) -> orders", "twice"),
    ],
)
def test_a_mistake_in_a_schema_is_told(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read("wrong", text)


def test_types_are_compared_from_the_child_to_the_parent() -> None:
    assert operator("int4", "int8")
    assert operator("int4", "numeric")
    assert not operator("numeric", "int4")
    assert not operator("text", "uuid")
    assert not operator("jsonb", "text")


def test_all_schemas_are_there(written: list[Written]) -> None:
    held_out = [each for each in written if not each.tuned]
    assert len(held_out) >= 35
    assert sum(len(each.truth) for each in held_out) > 2_300
    assert 0.4 < len(held_out) / len(written) < 0.6, "about half of them is held out"


def test_guesses_of_schemas_that_are_held_out_are_as_good_as_they_were(written: list[Written]) -> None:
    found = together("held out", [guessed(each) for each in written if not each.tuned])
    assert found.precision >= PRECISION, found
    assert found.recall >= RECALL, found
    assert found.recall > 2 * found.naive_right / found.true, found


def test_the_naive_rule_is_what_it_says() -> None:
    bare = read("naive", "users: id int!pk\nboxes: Id int!pk, user_id int, parent_box_id int\nlids: boxId text, id int")
    assert naively(bare.schema) == {
        ("boxes", (("user_id", "id"),), "users", ""),
        ("lids", (("boxId", "Id"),), "boxes", ""),
    }


async def test_types_are_compared_as_the_server_does(make_database: Callable[[str], str]) -> None:
    """`operator` stands in for a server where a schema is only written down."""
    types = ("int2", "int4", "int8", "numeric", "text", "varchar(9)", "bpchar(9)", "uuid", "date", "timestamptz")
    columns = ", ".join(f"c{number} {name}" for number, name in enumerate(types))
    tables = ";".join(f"CREATE TABLE t{number} (k{number} {name} PRIMARY KEY)" for number, name in enumerate(types))
    database = await Database.connect(Source(make_database(f"CREATE TABLE child ({columns}); {tables}"), "argument"))
    try:
        evidence = await read_evidence(database, await read_schema(database))
    finally:
        await database.close()
    assert len(evidence.operators) > 50
    for (child, parent), found in evidence.operators.items():
        assert bool(operator(child.name, parent.name)) == bool(found), (child, parent)
