"""Guesses of several columns, of one column and a type beside it, and those that are as likely as others."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from fkexplorer.inference.infer import infer
from fkexplorer.inference.model import CatalogueEvidence
from fkexplorer.schema.model import EdgeKind, Schema
from fkexplorer.schema.undeclared import undeclared_edge
from tests.inference.build import NOTHING, Making, inferred, said, shown, suggested


def test_a_whole_key_of_several_columns() -> None:
    made = Making()
    made.table("Teams", "name:text", key=("yearID", "lgID:text", "teamID:text"))
    made.table("Salaries", "yearID", "lgID:text", "teamID:text", "salary")
    made.table("Awards", "yearID", "lgID:text", "title:text")
    made.table("Series", "yearID", "lgIDwinner:text", "teamIDwinner:text", "lgIDloser:text", "teamIDloser:text")
    made.table("HomeGames", "year_key", "league_key:text", "team_key:text")
    assert shown(made) == [
        "HomeGames(year_key, league_key, team_key) -> Teams(yearID, lgID, teamID)",
        "Salaries(yearID, lgID, teamID) -> Teams(yearID, lgID, teamID)",
        "Series(yearID, lgIDloser, teamIDloser) -> Teams(yearID, lgID, teamID)",
        "Series(yearID, lgIDwinner, teamIDwinner) -> Teams(yearID, lgID, teamID)",
    ]


def test_a_key_with_a_tenant_in_it() -> None:
    made = Making()
    made.table("tenants")
    made.table("orders", "note:text", key=("tenant_id", "id"))
    made.table("lines", "tenant_id", "order_id", "sku:text")
    made.table("returns", "tenant_id", "original_order_id")
    assert shown(made) == [
        "lines(tenant_id) -> tenants(id)",
        "lines(tenant_id, order_id) -> orders(tenant_id, id)",
        "orders(tenant_id) -> tenants(id)",
        "returns(tenant_id) -> tenants(id)",
        "returns(tenant_id, original_order_id) -> orders(tenant_id, id)",
    ]


def test_a_part_of_a_declared_key_is_not_guessed_to_the_same_parent() -> None:
    made = Making()
    made.table("departments")
    made.table("employees", "department_id")
    made.table("tickets", "department_id", "assignee_id")
    both = ["employees(department_id) -> departments(id)", "tickets(department_id) -> departments(id)"]
    assert shown(made) == [both[0], "tickets(assignee_id) -> employees(id)", both[1]]
    made.edge("tickets", "department_id,assignee_id", "employees", "department_id,id")
    assert shown(made) == both


def test_another_spelling_of_a_key_is_no_other_row() -> None:
    made = Making()
    made.table("Teams", "teamIDretro:text", key=("yearID", "teamID:text"))
    assert suggested(made) == []
    made.table("orders", "parent_order_id", key=("tenant_id", "order_id"))
    assert suggested(made) == ["orders(tenant_id, parent_order_id) -> orders(tenant_id, order_id)"]


def test_two_tables_of_one_key_are_not_each_others_parents() -> None:
    made = Making()
    for name in ("Batting", "Pitching"):
        made.table(name, "games", key=("playerID:text", "yearID", "stint"))
    assert suggested(made) == []


def test_a_table_is_not_the_child_of_its_children() -> None:
    made = Making()
    made.table("tenants")
    made.table("users", "name:text", key=("tenant_id", "user_id"))
    made.table("teams", "name:text", "lead_user_id", key=("tenant_id", "team_id"))
    made.table("team_members", "since:text", key=("tenant_id", "team_id", "user_id"))
    found = [each for each in suggested(made) if "-> tenants" not in each]
    assert found == [
        "team_members(tenant_id, team_id) -> teams(tenant_id, team_id)",
        "team_members(tenant_id, user_id) -> users(tenant_id, user_id)",
        "teams(tenant_id, lead_user_id) -> users(tenant_id, user_id)",
    ]


def test_a_table_that_links_others_is_not_referred_to_by_chance() -> None:
    made = Making()
    made.table("users")
    made.table("roles")
    made.table("user_roles", key=("user_id", "role_id"))
    made.table("audit", "user_id", "role_id", "what:text")
    assert not any("-> user_roles" in each for each in suggested(made))


def test_a_table_that_links_two_others_by_their_keys_is_not_referred_to_by_chance() -> None:
    made = Making()
    made.table("People", "name:text", key=("playerID:text",))
    made.table("Teams", "name:text", key=("yearID", "teamID:text"))
    made.table("Appearances", "games", key=("yearID", "teamID:text", "playerID:text"))
    made.table("Batting", "yearID", "teamID:text", "playerID:text", "hits")
    assert [each for each in suggested(made) if each.startswith("Batting")] == [
        "Batting(playerID) -> People(playerID)",
        "Batting(yearID, teamID) -> Teams(yearID, teamID)",
    ]


def test_a_key_whose_types_do_not_compare_is_none() -> None:
    made = Making()
    made.table("Teams", "name:text", key=("yearID", "teamID:text"))
    made.table("Salaries", "yearID:text", "teamID:text")
    assert suggested(made) == []


POST, USER = "App\\Models\\Post", "Admin::User"


def comments(*values: str) -> tuple[Making, CatalogueEvidence]:
    """Comments of posts and of admins, whose type column has these values."""
    made = Making()
    made.table("posts")
    made.table("admin_users")
    table = made.table("comments", "commentable_type:text", "commentable_id")
    return made, CatalogueEvidence(kinds={(table.oid, 2): values})


def test_one_conditional_edge_for_each_table_that_a_type_names() -> None:
    made, evidence = comments(POST, USER, "Gone")
    assert shown(made, evidence) == [
        f"comments(commentable_id) -> admin_users(id) [commentable_type={USER}]",
        f"comments(commentable_id) -> posts(id) [commentable_type={POST}]",
    ]


def test_a_known_kind_is_not_guessed_again() -> None:
    made, evidence = comments(POST, USER)
    first = next(each for each in inferred(made, evidence).guesses if each.edge.only and each.edge.only.value == POST)
    edge = undeclared_edge(
        first.edge.child, first.edge.parent, first.edge.pairs, kind=EdgeKind.CONFIGURED, only=first.edge.only
    )
    schema = replace(made.schema(), edges={edge.oid: edge})
    assert [said(schema, each) for each in infer(schema, evidence).guesses] == [
        f"comments(commentable_id) -> admin_users(id) [commentable_type={USER}]"
    ]


def test_a_type_that_is_not_known_is_told() -> None:
    made, evidence = comments("Gone")
    assert suggested(made, evidence) == []
    assert [each.text for each in inferred(made, evidence).lonely] == [
        "its table is told by commentable_type, whose values name no table here"
    ]
    assert [each.text for each in inferred(made).lonely] == [
        "its table is told by commentable_type, whose values are not known"
    ]


def test_a_type_of_something_is_no_table() -> None:
    made = Making()
    made.table("accounts")
    table = made.table("transfers", "account_type:text", "account_id")
    evidence = CatalogueEvidence(kinds={(table.oid, 2): ("free", "pro")})
    for known in (evidence, NOTHING):
        assert shown(made, known) == ["transfers(account_id) -> accounts(id)"]


def test_what_djangos_content_types_name() -> None:
    made = Making()
    made.table("django_content_type", "app_label:text", "model:text")
    made.table("blog_blogpost")
    table = made.table("taggit_taggeditem", "content_type_id", "object_id")
    evidence = CatalogueEvidence(kinds={(table.oid, 2): ("7",)}, content_types={"7": "blog.blogpost", "8": "auth.user"})
    assert shown(made, evidence) == [
        "taggit_taggeditem(content_type_id) -> django_content_type(id)",
        "taggit_taggeditem(object_id) -> blog_blogpost(id) [content_type_id=7]",
    ]


def test_a_type_that_is_written_in_one_word() -> None:
    made = Making()
    for name in ("glpi_computers", "glpi_users", "glpi_states"):
        made.table(name)
    table = made.table("glpi_logs", "itemtype:text", "items_id", "mimetype:text")
    evidence = CatalogueEvidence(kinds={(table.oid, 2): ("Computer", "User")})
    assert shown(made, evidence) == [
        "glpi_logs(items_id) -> glpi_computers(id) [itemtype=Computer]",
        "glpi_logs(items_id) -> glpi_users(id) [itemtype=User]",
    ]


def test_what_is_as_likely_names_its_rivals() -> None:
    made = Making()
    one, other = made.table("a.users"), made.table("b.users")
    made.table("c.orders", "user_id")
    found = inferred(made).guesses
    assert [each.rivals for each in found] == [(one.oid, other.oid)] * 2
    assert not any(each.shown for each in found)


def test_copies_of_a_schema_do_not_mix() -> None:
    made = Making()
    for each in ("live", "old"):
        made.table(f"{each}.users", "privy_did:text!", "account_id:text", unique=("privy_did",))
        made.table(f"{each}.members", "user_id:text!")
    schema = made.schema()
    found = inferred(made).guesses
    assert [said(schema, guess) for guess in found] == ["members(user_id) -> users(privy_did)"] * 2
    assert all(schema.child_of(guess.edge).schema == schema.parent_of(guess.edge).schema for guess in found)
    assert not any(guess.rivals for guess in found)


def test_what_is_less_likely_is_not_told() -> None:
    made = Making()
    made.table("users")
    made.table("accounts")
    made.table("orders", "user_id")
    made.edge("accounts", "id", "users")
    assert suggested(made) == ["orders(user_id) -> users(id)"]


def busy(seed: int | None) -> list[tuple[str, float, int]]:
    """Guesses about a schema whose tables come in another order by each seed."""
    made, _ = comments()
    for name in ("users", "teams", "app_teams", "order_items", "orders"):
        made.table(name, "user_id", "team_id", "parent_id", "order_id", "owner_id", "item_id")
    schema = made.schema()
    tables = list(schema.tables.values())
    if seed is not None:
        random.Random(seed).shuffle(tables)  # noqa: S311 - an order, not a secret
    schema = Schema({table.oid: table for table in tables}, {}, schema.loaded_at)
    return [(said(schema, each), each.score, each.edge.oid) for each in infer(schema, NOTHING).guesses]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_tables_does_not_matter(seed: int) -> None:
    assert busy(seed) == busy(None)
    assert len(busy(None)) > 20
