"""Quoting and finding: every label finds its own table or edge again, whatever the name is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fkexplorer.schema.names import (
    KEYWORDS,
    columns_label,
    edge_label,
    find_column,
    find_edges,
    find_tables,
    qualified,
    quote,
    similar_edges,
    similar_tables,
    split_columns,
    table_label,
)
from tests.schema.samples import column, edge, schema, table, unhurried

HOSTILE = [
    'Order "Items"',
    "user",
    "a.b",
    "per%cent",
    "[/]",
    "new\nline",
    "'; drop table x; --",
    "Ünï",
    "x" * 63,
    "a(b)",
]

SHOP = schema(
    [
        table(1, "Order Items"),
        table(2, "user"),
        table(3, "users"),
        table(4, "users", "auth"),
        table(5, "Users"),
        table(6, "v1.notes"),
    ],
    [
        edge(11, 1, 3, name="items_user_fkey", columns=(column(2, "user_id"), column(3, "Part No"))),
        edge(12, 4, 3, name="users_fkey"),
        edge(13, 3, 4, name="users_fkey"),
        edge(14, 2, 2, name="Odd.Name"),
    ],
)


def tables(text: str) -> list[int]:
    return [each.oid for each in find_tables(SHOP, text)]


def edges(text: str) -> list[int]:
    return [each.oid for each in find_edges(SHOP, text)]


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("users", "users"),
        ("_x9", "_x9"),
        ("user", '"user"'),
        ("order", '"order"'),
        ("between", '"between"'),
        ("Users", '"Users"'),
        ("9lives", '"9lives"'),
        ("a$b", '"a$b"'),
        ("é", '"é"'),
        ('a"b', '"a""b"'),
        ("name", "name"),
        ("users\n", '"users\n"'),
    ],
)
def test_quoted_only_where_needed(name: str, quoted: str) -> None:
    assert quote(name) == quoted


def test_a_qualified_name_quotes_each_part() -> None:
    assert qualified("public", "Order Items", "fk") == 'public."Order Items".fk'
    assert edge_label(SHOP, SHOP.edges[14]) == 'public."user"."Odd.Name"'


@pytest.mark.parametrize(
    ("text", "oids"),
    [
        ("public.users", [3]),
        ("PUBLIC.USERS", [3]),
        ('public."Users"', [5]),
        ("users", [4, 3]),
        ("auth.users", [4]),
        (' "auth" . users ', [4]),
        ("user", [2]),
        ('"user"', [2]),
        ('"Order Items"', [1]),
        ("Order Items", [1]),
        ("public.Order Items", [1]),
        ('"order items"', []),
        ("v1.notes", [6]),
        ('public."v1.notes"', [6]),
        ("other.users", []),
        ("a.b.c", []),
        ("", []),
        (".", []),
        ("users.", []),
        ('"users', []),
        ('""', []),
        ("users)", []),
    ],
)
def test_find_tables(text: str, oids: list[int]) -> None:
    assert tables(text) == oids


@pytest.mark.parametrize(
    ("text", "oids"),
    [
        ('public."Order Items".items_user_fkey', [11]),
        ("Order Items.items_user_fkey", [11]),
        ("items_user_fkey", [11]),
        ("ITEMS_USER_FKEY", [11]),
        ("users_fkey", [12, 13]),
        ("users.users_fkey", [12, 13]),
        ("auth.users.users_fkey", [12]),
        ('"Odd.Name"', [14]),
        ("Odd.Name", [14]),
        ('"user"."Odd.Name"', [14]),
        ('public."Order Items"(user_id, "Part No")', [11]),
        ("Order Items(user_id,Part No)", [11]),
        ("Order Items(Part No,user_id)", []),
        ("Order Items(user_id)", []),
        ("auth.users(parent_id)", [12]),
        ("users(PARENT_ID)", [12, 13]),
        ("users()", []),
        ("users(parent_id", []),
        ("(parent_id)", []),
        ("users(parent_id,)", []),
        ("", []),
    ],
)
def test_find_edges(text: str, oids: list[int]) -> None:
    assert edges(text) == oids


identifiers = st.one_of(
    st.sampled_from(HOSTILE), st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=20)
)


@unhurried
@given(st.lists(st.tuples(identifiers, identifiers, identifiers), min_size=1, max_size=6, unique=True))
def test_a_label_finds_itself(names: list[tuple[str, str, str]]) -> None:
    by_table = {(space, name): oid for oid, (space, name, _) in enumerate(names)}
    sample = schema(
        [table(oid, name, space) for (space, name), oid in by_table.items()],
        [edge(100 + n, by_table[space, name], 0, name=fk) for n, (space, name, fk) in enumerate(names)]
        if 0 in by_table.values()
        else [],
    )
    for each in sample.tables.values():
        assert find_tables(sample, table_label(each)) == [each]
    for one in sample.edges.values():
        assert one in find_edges(sample, edge_label(sample, one))
        assert {edge_label(sample, found) for found in find_edges(sample, edge_label(sample, one))} == {
            edge_label(sample, one)
        }


@unhurried
@given(st.text(alphabet='ab".(), \n', max_size=12))
def test_no_text_is_too_odd(text: str) -> None:
    assert isinstance(tables(text) + edges(text), list)


def test_did_you_mean() -> None:
    assert similar_tables(SHOP, "public.usres") == ["public.users", 'public."Users"', 'public."user"']
    assert similar_tables(SHOP, "orderitems") == ['public."Order Items"']
    assert similar_tables(SHOP, "nothing like it") == []
    assert similar_edges(SHOP, "items_usr_fkey")[0] == 'public."Order Items".items_user_fkey'


def test_keywords_are_plain_words() -> None:
    assert all(re.fullmatch("[a-z_]+", word) for word in KEYWORDS)
    assert {"user", "order", "table", "select", "between", "left"} <= KEYWORDS
    assert not {"name", "key", "type", "value", "users"} & KEYWORDS


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("users.id", ("users", ["id"])),
        ("auth.users.id", ("auth.users", ["id"])),
        ('"a.b"."c.d"', ('"a.b"', ['"c.d"'])),
        ("auth.users(a, B)", ("auth.users", ["a", "B"])),
        ('t("x,y")', ("t", ['"x,y"'])),
        ("users", None),
        ("users.", None),
        (".id", None),
        ("", None),
    ],
)
def test_a_table_and_its_columns(text: str, split: tuple[str, list[str]] | None) -> None:
    assert split_columns(text) == split


@given(st.sampled_from(HOSTILE), st.sampled_from(HOSTILE), st.lists(st.sampled_from(HOSTILE), min_size=1, unique=True))
def test_the_label_of_columns_finds_them_again(place: str, name: str, columns: list[str]) -> None:
    own = table(1, name, place, columns=tuple(column(at, each) for at, each in enumerate(columns, 1)))
    split = split_columns(columns_label(own, own.columns))
    assert split is not None
    assert find_tables(schema([own], []), split[0]) == [own]
    assert [find_column(own, each) for each in split[1]] == list(own.columns)
