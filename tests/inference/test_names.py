"""Guesses from names: each way of naming with one that must be found, and one that looks like it and must not."""

from __future__ import annotations

import pytest

from tests.inference.build import Making, codes, inferred, only, said, shown, suggested


@pytest.mark.parametrize(
    ("table", "column", "key"),
    [
        ("users", "user_id", "id"),
        ("User", "userId", "id"),
        ("user", "UserID", "Id"),
        ("users", "user_uuid", "id"),
        ("users", "fk_user", "id"),
        ("users", "id_user", "id"),
        ("users", "userid", "id"),
        ("people", "person_id", "id"),
        ("children", "child_id", "id"),
        ("statuses", "status_id", "id"),
        ("addresses", "address_id", "id"),
        ("indices", "index_id", "id"),
        ("companies", "company_id", "company_id"),
        ("customers", "customer_id", "customer_id"),
        ("order-items", "order-item-id", "id"),
        ("OrderItems", "order_item_id", "id"),
        ("departments", "dept_no", "dept_no"),
        ("customers", "cust_id", "id"),
        ("app_users", "user_id", "id"),
        ("tbl_user", "user_id", "id"),
        ("workspaces", "primary_workspace_id", "id"),
        ("users", "author_user_id", "id"),
        ('Say "so"', "say_so_id", "id"),
        ("course", "course", "id"),
        ("users", "users_id_tech", "id"),
        ("triggers", "triggerid_down", "triggerid"),
        ("addresses", "id_address_delivery", "id"),
        ("issues", "issue_from_id", "id"),
        ("countries", "country_id_2", "id"),
        ("tax_taxclass", "tax_class_id", "id"),
        ("departments", "deptno", "deptno"),
        ("page", "page_ptr_id", "id"),
    ],
)
def test_a_column_that_names_a_table(table: str, column: str, key: str) -> None:
    made = Making()
    made.table(table, key=(key,))
    made.table("things", column)
    assert shown(made) == [f"things({column}) -> {table}({key})"]


@pytest.mark.parametrize(
    "columns",
    [
        ("paid:bool", "grid", "valid:int", "void:int"),
        ("external_id:text", "request_id:uuid", "trace_id:text", "stripe_customer_id:text", "session_id:text"),
        ("created_at:time", "total:numeric", "is_active:bool", "note:text"),
        ("users_count", "pages", "order", "position"),
        ("customer_name:text", "order_number:text"),
    ],
)
def test_columns_that_name_none(columns: tuple[str, ...]) -> None:
    made = Making()
    for name in ("customers", "users", "orders", "pages", "positions"):
        made.table(name)
    made.table("things", *columns)
    assert suggested(made) == []


def test_a_key_of_another_system_is_no_reference_even_of_the_same_type() -> None:
    made = Making()
    made.table("customers", key=("id:text",))
    made.table("subscriptions", "stripe_customer_id:text", "billing_customer_id:text")
    assert suggested(made) == ["subscriptions(billing_customer_id) -> customers(id)"]
    made.table("stripe_customers", key=("id:text",))
    assert suggested(made) == [
        "subscriptions(billing_customer_id) -> customers(id)",
        "subscriptions(stripe_customer_id) -> stripe_customers(id)",
    ]


def test_one_column_in_two_tables_is_no_reference_between_them() -> None:
    made = Making()
    made.table("orders", "status_id")
    made.table("invoices", "status_id")
    found = inferred(made)
    assert found.guesses == ()
    assert [each.text for each in found.lonely] == ["no table is named like it"] * 2


def test_a_tables_own_name_is_no_reference_to_it() -> None:
    made = Making()
    made.table("users", "login:text", key=("user_id",))
    made.table("orders", "order_id:text")
    assert suggested(made) == []


def test_the_longest_name_is_meant() -> None:
    made = Making()
    made.table("items")
    made.table("order_items")
    made.table("refunds", "order_item_id")
    assert suggested(made) == ["refunds(order_item_id) -> order_items(id)"]


def test_the_childs_own_words_tell_which() -> None:
    made = Making()
    for name in ("statuses", "ticket_statuses", "tickets"):
        made.table(name)
    made.table("ticket_notes", "status_id")
    first = inferred(made).guesses[0]
    assert said(made.schema(), first).startswith("ticket_notes(status_id) -> ticket_statuses(id)")
    assert "name_with_context" in codes(first)


def test_another_column_that_has_the_longer_name_leaves_the_shorter_one() -> None:
    made = Making()
    made.table("attribute")
    made.table("product_attribute")
    made.table("product_attribute_combination", "attribute_id", "product_attribute_id")
    assert shown(made) == [
        "product_attribute_combination(attribute_id) -> attribute(id)",
        "product_attribute_combination(product_attribute_id) -> product_attribute(id)",
    ]


def test_a_prefix_of_all_tables_is_no_context() -> None:
    made = Making()
    for name in ("ci_runners", "ci_builds", "ci_stages", "runners"):
        made.table(name, *(("runner_id", "stage_id") if name == "ci_builds" else ()))
    assert shown(made) == ["ci_builds(runner_id) -> ci_runners(id)", "ci_builds(stage_id) -> ci_stages(id)"]


def test_a_table_that_only_lists_others_is_not_meant_by_context() -> None:
    made = Making()
    made.table("accounts")
    made.table("lists", "account_id")
    made.table("list_accounts", "list_id", "account_id")
    assert shown(made) == [
        "list_accounts(account_id) -> accounts(id)",
        "list_accounts(list_id) -> lists(id)",
        "lists(account_id) -> accounts(id)",
    ]


def test_a_key_that_is_called_by_another_word_is_not_shown() -> None:
    made = Making()
    made.table("airlines", "iata_code:text", key=("id:text",), unique=("iata_code",))
    made.table("flights", "airline_code:text", "airline_number:text")
    assert shown(made) == ["flights(airline_code) -> airlines(iata_code)"]


@pytest.mark.parametrize("column", ["parent_id", "root_id", "reply_to", "reply_to_id", "previous_id", "reblog_of_id"])
def test_words_for_another_row_of_the_same_table(column: str) -> None:
    made = Making()
    made.table("comments", column)
    assert shown(made) == [f"comments({column}) -> comments(id)"]


def test_a_parent_that_is_a_table_of_its_own_is_ambiguous() -> None:
    made = Making()
    made.table("parents")
    made.table("pupils", "parent_id")
    assert suggested(made) == ["pupils(parent_id) -> parents(id)?", "pupils(parent_id) -> pupils(id)?"]
    assert shown(made) == []


def test_a_manager_is_in_the_table_of_people() -> None:
    made = Making()
    made.table("employees", "manager_id")
    made.table("departments", "manager_id")
    assert shown(made) == ["departments(manager_id) -> employees(id)", "employees(manager_id) -> employees(id)"]


@pytest.mark.parametrize(
    "column", ["author_id", "owner_id", "created_by", "updated_by_id", "assignee_id", "create_uid"]
)
def test_somebody_is_a_user(column: str) -> None:
    made = Making()
    made.table("users")
    made.table("posts", column)
    assert shown(made) == [f"posts({column}) -> users(id)"]


def test_somebody_is_no_user_where_there_is_a_table_or_only_a_name() -> None:
    made = Making()
    made.table("users")
    made.table("authors")
    made.table("posts", "author_id", "created_by:text")
    assert shown(made) == ["posts(author_id) -> authors(id)"]


def test_a_text_for_somebody_is_rather_a_name() -> None:
    made = Making()
    made.table("users", "alias:text", key=("id:text",))
    made.table("ballots", "voted_by:text", "author_id:text")
    assert shown(made) == ["ballots(author_id) -> users(id)"]
    assert "ballots(voted_by) -> users(id)" in suggested(made)


def test_people_are_those_that_most_columns_name() -> None:
    made = Making()
    made.table("account")
    made.table("person", "account_id")
    made.table("bug", "person", "owner")
    made.table("branch", "person")
    assert "bug(owner) -> person(id)" in shown(made)


def test_prefixes_of_all_columns_of_a_table() -> None:
    made = Making()
    made.table("page", "page_title:text", "page_size", key=("page_id",))
    made.table("revision", "rev_page", "rev_note:text", key=("rev_id",))
    made.table("customer", "c_name:text", "c_phone:text", key=("c_custkey",))
    made.table("orders", "o_custkey", "o_total:numeric", key=("o_orderkey",))
    assert shown(made) == ["orders(o_custkey) -> customer(c_custkey)", "revision(rev_page) -> page(page_id)"]


def test_a_key_of_the_same_name() -> None:
    made = Making()
    made.table("planes", key=("tailnum:text",))
    made.table("flights", "tailnum:text", "name:text")
    made.table("bodies", key=("name:text",))
    (guess,) = inferred(made).guesses
    assert said(made.schema(), guess) == "flights(tailnum) -> planes(tailnum)"
    assert not guess.shown


def test_a_lent_key_is_not_the_owners() -> None:
    made = Making()
    made.table("users", key=("user_id",))
    made.table("profiles", "bio:text", key=("user_id",))
    made.table("orders", "user_id")
    assert shown(made) == ["orders(user_id) -> users(user_id)", "profiles(user_id) -> users(user_id)"]


def test_a_table_without_a_key_lends_none() -> None:
    made = Making()
    made.table("people", key=("player_id:text",))
    for name in ("awards_players", "awards_managers", "awards_shares"):
        made.table(name, "player_id:text", key=())
    assert shown(made) == [
        f"awards_{each}(player_id) -> people(player_id)" for each in ("managers", "players", "shares")
    ]


def test_a_unique_column_that_is_not_the_primary_key() -> None:
    made = Making()
    made.table("users", "privy_did:text!", "email:text", key=("id:uuid",), unique=("privy_did", "email"))
    made.table("members", "user_id:text!")
    guess = only(made)
    assert said(made.schema(), guess) == "members(user_id) -> users(privy_did)"
    assert guess.shown


def test_an_extension_of_a_table_wants_more_than_its_name() -> None:
    made = Making()
    made.table("users", key=("id:uuid=",))
    made.table("user_profiles", "bio:text", key=("id:uuid",))
    made.table("user_notes", "text:text", key=("id:uuid",))
    guess = only(made)
    assert said(made.schema(), guess) == "user_profiles(id) -> users(id)"
    assert "extension_by_name" in codes(guess)
    made.table("user_profiles", "bio:text", key=("id:uuid=",))
    assert suggested(made) == []


def test_the_same_table_of_another_schema() -> None:
    made = Making()
    made.table("auth.users", key=("id:uuid=",))
    made.table("public.users", key=("id:uuid",))
    guess = only(made)
    assert (made.schema().child_of(guess.edge).schema, made.schema().parent_of(guess.edge).schema) == ("public", "auth")
