"""Guesses from roles and owners in names: ends of a relationship, who did it, a key that another table has by name."""

from __future__ import annotations

import pytest

from tests.inference.build import Making, shown


def test_both_ends_of_a_relationship_are_of_the_table_that_it_is_named_after() -> None:
    made = Making()
    made.table("feature")
    made.table("feature_relationship", "subject_id", "object_id")
    made.table("feature_link", "object_id")
    assert shown(made) == [
        "feature_relationship(object_id) -> feature(id)",
        "feature_relationship(subject_id) -> feature(id)",
    ]


def test_a_parent_beside_a_child_is_no_row_of_the_same_table() -> None:
    made = Making()
    made.table("membership", "parent_id", "child_id")
    made.table("node", "parent_id")
    assert shown(made) == ["node(parent_id) -> node(id)"]


@pytest.mark.parametrize("column", ["created_id", "last_modified_id", "user_created_id", "user_created:uuid"])
def test_who_did_it(column: str) -> None:
    made = Making()
    made.table("users", key=("id:uuid",) if column.endswith("uuid") else ("id",))
    made.table("notes", column)
    assert shown(made) == [f"notes({column.split(':', maxsplit=1)[0]}) -> users(id)"]


def test_when_it_was_done_is_nobody() -> None:
    made = Making()
    made.table("users")
    made.table("notes", "user_created", "created", "changed")
    assert shown(made) == []


@pytest.mark.parametrize("column", ["basepricelist_id", "pricelistsource_id"])
def test_a_role_glued_to_a_table(column: str) -> None:
    made = Making()
    made.table("pricelist")
    made.table("offer", column)
    assert shown(made) == [f"offer({column}) -> pricelist(id)"]


def test_the_plural_of_its_own_name_is_another_row() -> None:
    made = Making()
    made.table("groups", "groups_id")
    made.table("users", "user_id")
    assert shown(made) == ["groups(groups_id) -> groups(id)"]


def test_the_end_of_a_table_behind_another_ones_name_is_no_parent() -> None:
    made = Making()
    for name in ("order_type", "order_item", "order_note", "shipment"):
        made.table(name)
    made.table("parcel", "shipment_type_id", "default_type_id")
    assert not any("shipment_type_id" in each for each in shown(made))
