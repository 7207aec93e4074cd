"""What types, places, neighbours, joins and comments say of a guess, and which columns are not guessed at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fkexplorer.inference.infer import candidates, infer
from fkexplorer.inference.model import SHOWN, SUGGESTED, CatalogueEvidence, Join
from fkexplorer.schema.model import EdgeKind, Operator, TableKind
from fkexplorer.schema.undeclared import undeclared_oid
from tests.inference.build import NOTHING, Making, codes, inferred, only, said, shown, suggested


@pytest.mark.parametrize(
    ("child", "parent", "code", "fits"),
    [
        ("int", "int", "same_type", True),
        ("int", "bigint", "comparable", True),
        ("bigint", "int", "comparable", True),
        ("int", "numeric", "comparable", True),
        ("numeric", "int", "incomparable", False),
        ("text", "uuid", "castable", False),
        ("text", "int", "castable", False),
        ("uuid", "text", "incomparable", False),
    ],
)
def test_types_in_the_direction_of_the_reference(child: str, parent: str, code: str, *, fits: bool) -> None:
    made = Making()
    made.table("users", key=(f"id:{parent}",))
    made.table("sessions", f"user_id:{child}!")
    made.table("logins", f"user_id:{parent}")
    made.edge("logins", "user_id", "users")
    guess = only(made)
    assert code in codes(guess)
    assert (guess.edge.pairs[0].equals is not None) is fits
    assert any("42804" in each.text for each in guess.reasons) is not fits


def test_what_the_server_says_of_types_comes_first() -> None:
    made = Making()
    made.table("users", key=("id:uuid",))
    made.table("posts", "user_id:text")
    text, uuid = made.tables["posts"].columns[1].type, made.tables["users"].columns[0].type
    equals = Operator("odd", "=", uuid, text)
    assert only(made).edge.pairs[0].equals is None
    assert only(made, CatalogueEvidence({(text, uuid): equals})).edge.pairs[0].equals == equals


def test_a_pair_that_cannot_be_compared_is_no_candidate_for_data() -> None:
    made = Making()
    made.table("users", key=("id:uuid",))
    made.table("sessions", "user_id:text!")
    assert candidates(made.schema(), NOTHING) == []
    assert suggested(made) == ["sessions(user_id) -> users(id)"]


def test_its_own_schema_wins() -> None:
    made = Making()
    for each in ("shop", "auth", "log"):
        made.table(f"{each}.users")
    made.table("shop.orders", "user_id")
    guess = only(made)
    schema = made.schema()
    assert schema.parent_of(guess.edge).schema == "shop"
    assert "same_schema" in codes(guess)
    made.tables.pop("shop.users")
    assert [each.rivals != () for each in inferred(made).guesses] == [True, True]
    assert inferred(made).shown == ()


def test_the_only_table_of_that_name_may_be_elsewhere() -> None:
    made = Making()
    made.table("auth.users")
    made.table("shop.orders", "user_id!")
    guess = only(made)
    assert guess.shown
    assert "only_one" in codes(guess)


def test_what_is_declared_elsewhere() -> None:
    made = Making()
    made.table("people_of_all_kinds")
    for number in range(8):
        made.table(f"t{number}", "contact")
        if number:
            made.edge(f"t{number}", "contact", "people_of_all_kinds")
    guess = only(made)
    assert said(made.schema(), guess) == "t0(contact) -> people_of_all_kinds(id)"
    assert guess.shown
    assert "the same column is declared in 7 other tables" in {each.text for each in guess.reasons}


def test_another_row_of_another_table_is_not_declared_elsewhere() -> None:
    made = Making()
    made.table("categories", "parent_id")
    made.table("comments", "parent_id")
    made.edge("categories", "parent_id", "categories")
    assert shown(made) == ["comments(parent_id) -> comments(id)"]


def test_a_name_that_says_nothing_is_not_declared_elsewhere() -> None:
    made = Making()
    made.table("kinds")
    for number in range(3):
        made.table(f"t{number}", "code")
        if number:
            made.edge(f"t{number}", "code", "kinds")
    assert suggested(made) == []


def test_the_manner_of_declared_edges() -> None:
    made = Making()
    made.table("users")
    made.table("teams")
    for number in range(10):
        made.table(f"t{number}", "user_fk")
        made.edge(f"t{number}", "user_fk", "users")
    made.table("a", "team_fk")
    made.table("b", "team_id")
    (like, unlike) = inferred(made).guesses
    assert (said(made.schema(), like), "as_declared" in codes(like)) == ("a(team_fk) -> teams(id)", True)
    assert (said(made.schema(), unlike), "unlike_declared" in codes(unlike)) == ("b(team_id) -> teams(id)", True)
    assert like.score > unlike.score


@pytest.mark.parametrize("kind", [EdgeKind.DECLARED, EdgeKind.CONFIGURED])
def test_what_is_known_is_not_guessed_again(kind: EdgeKind) -> None:
    made = Making()
    made.table("users")
    made.table("orders", "user_id")
    made.edge("orders", "user_id", "users", kind=kind)
    assert suggested(made) == []
    made.edge("orders", "user_id", "users", kind=EdgeKind.INFERRED)
    assert shown(made) == ["orders(user_id) -> users(id)"]


def test_the_number_of_a_guess_is_that_of_the_pair() -> None:
    made = Making()
    made.table("users")
    made.table("orders", "user_id")
    edge = only(made).edge
    assert edge.oid == undeclared_oid(edge.child, edge.parent, edge.pairs) < 0
    assert edge.kind is EdgeKind.INFERRED


def test_a_view_that_compares_two_columns() -> None:
    made = Making()
    users = made.table("users", key=("id:text",))
    posts = made.table("posts", "writer:text", "title:text")
    writer = (posts.oid, 2)
    one = CatalogueEvidence(joins=(Join(writer, (users.oid, 1), "public.written"),))
    guess = only(made, one)
    assert said(made.schema(), guess) == "posts(writer) -> users(id)"
    assert "joined by public.written" in {each.text for each in guess.reasons}
    other = CatalogueEvidence(joins=(Join((users.oid, 1), (posts.oid, 3), "public.odd"),))
    assert [said(made.schema(), each) for each in infer(made.schema(), other).guesses] == ["posts(title) -> users(id)"]
    assert suggested(made) == []


def test_a_comment_that_says_so() -> None:
    made = Making()
    made.table("warehouses")
    made.table("picks", "place")
    assert suggested(made) == []
    picks = made.tables["picks"]
    for comment in ("References warehouses", "FK to public.warehouses", "-> warehouses.id"):
        columns = (picks.columns[0], replace(picks.columns[1], comment=comment))
        made.tables["picks"] = replace(picks, columns=columns)
        assert suggested(made) == ["picks(place) -> warehouses(id)"], comment
    made.tables["picks"] = replace(picks, columns=(picks.columns[0], replace(picks.columns[1], comment="a place")))
    assert suggested(made) == []


def test_reasons_add_up_and_the_weightiest_is_first() -> None:
    made = Making()
    made.table("users")
    made.table("orders", "user_id!")
    guess = only(made)
    assert guess.reasons[0].text == "named like users.id"
    assert "same type" in {each.text for each in guess.reasons}
    assert guess.score == pytest.approx(sum(each.points for each in guess.reasons))
    assert [abs(each.points) for each in guess.reasons] == sorted(abs(each.points) for each in guess.reasons)[::-1]
    assert SUGGESTED < SHOWN <= guess.score <= 1


def test_keys_that_a_foreign_key_cannot_name() -> None:
    made = Making()
    made.table("users", "code:text", unique=("code",))
    users = made.tables["users"]
    made.table("cards", "user_code:text")
    assert suggested(made) == ["cards(user_code) -> users(code)"]
    changes: tuple[dict[str, Any], ...] = ({"partial": True}, {"valid": False}, {"immediate": False}, {"unique": False})
    for change in changes:
        made.tables["users"] = replace(users, indexes=(users.indexes[0], replace(users.indexes[1], **change)))
        assert suggested(made) == []
    made.tables["users"] = replace(users, kind=TableKind.FOREIGN)
    assert suggested(made) == []


@pytest.mark.parametrize("name", ["users_bak", "users_old", "tmp_users", "users_20240131", "users_2024_01_31"])
def test_copies_of_a_table_have_no_part(name: str) -> None:
    made = Making()
    made.table("users", "team_id")
    made.table("teams")
    made.table("orders", "user_id")
    before = shown(made)
    made.table(name, "team_id", "user_id")
    assert shown(made) == before == ["orders(user_id) -> users(id)", "users(team_id) -> teams(id)"]


def test_a_history_refers_and_is_not_referred_to() -> None:
    made = Making()
    made.table("orders", key=("order_id",))
    made.table("orders_history", "changed_at:time", key=("order_id",))
    made.table("items", "order_id")
    assert "items(order_id) -> orders(order_id)" in shown(made)
    assert not any("-> orders_history" in each for each in suggested(made))
    assert "orders_history(order_id) -> orders(order_id)" in shown(made)


def test_what_is_called_like_a_copy_and_is_none() -> None:
    made = Making()
    made.table("backups")
    made.table("database_backups")
    made.table("restores", "database_backup_id", "backup_id")
    assert shown(made) == ["restores(backup_id) -> backups(id)", "restores(database_backup_id) -> database_backups(id)"]


def test_columns_that_hold_nothing_of_the_kind() -> None:
    made = Making()
    made.table("users")
    made.table("orders", "user_id")
    orders = made.tables["orders"]
    generated = replace(orders.columns[1], generated=True)
    made.tables["orders"] = replace(orders, columns=(orders.columns[0], generated))
    assert suggested(made) == []


def test_arrays_of_keys_are_only_told() -> None:
    made = Making()
    made.table("tags")
    made.table("posts", "tag_ids:ints", "scores:ints")
    found = inferred(made)
    assert found.guesses == ()
    assert [each.text for each in found.lonely] == ["an array of keys of tags.id"]


def test_columns_for_which_nothing_is_found() -> None:
    made = Making()
    made.table("users")
    orders = made.table("orders", "user_id", "shop_id", "stripe_payment_id:text", "note:text", "paid")
    (lonely,) = inferred(made).lonely
    assert (lonely.table, lonely.columns, lonely.text) == (orders.oid, (3,), "no table is named like it")
