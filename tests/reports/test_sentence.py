"""An edge in English."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fkexplorer.orphans.model import Bound, Status
from fkexplorer.reports.sentence import (
    count_words,
    edge_detail,
    pairing,
    required,
    sentence,
    state_words,
)
from fkexplorer.reports.style import plain
from fkexplorer.reports.words import article, implied, one, several
from fkexplorer.schema.keys import is_one_to_one
from fkexplorer.schema.model import Action, Match, Relationship, Schema, Triggers
from tests.reports.build import NOW, Builder, counted


def members(columns: str = "workspace_id!", **others: Any) -> tuple[Builder, Relationship]:  # noqa: ANN401
    made = Builder()
    made.table("workspaces")
    made.table("workspace_members", columns, "user_id")
    edge = made.edge("workspace_members", columns.removesuffix("!"), "workspaces", **others)
    return made, edge


@pytest.mark.parametrize(
    ("columns", "others", "expected"),
    [
        (
            "workspace_id!",
            {"on_delete": Action.CASCADE},
            (
                "each workspace member belongs to exactly one workspace; deleting a workspace deletes its"
                " workspace members"
            ),
        ),
        (
            "workspace_id",
            {"on_delete": Action.SET_NULL},
            (
                "a workspace member may belong to one workspace;"
                " deleting a workspace sets workspace_id of its workspace members to NULL"
            ),
        ),
        (
            "workspace_id",
            {"on_delete": Action.SET_DEFAULT},
            (
                "a workspace member may belong to one workspace;"
                " deleting a workspace sets workspace_id of its workspace members to the default"
            ),
        ),
        (
            "workspace_id!",
            {},
            (
                "each workspace member belongs to exactly one workspace;"
                " a workspace cannot be deleted while it has workspace members"
            ),
        ),
        (
            "home!",
            {"on_delete": Action.RESTRICT},
            (
                "each workspace member refers to exactly one workspace by home;"
                " a workspace cannot be deleted while workspace members refer to it"
            ),
        ),
        (
            "workspace_id!",
            {"deferrable": True, "deferred": True},
            (
                "each workspace member belongs to exactly one workspace; a workspace cannot be deleted while it has"
                " workspace members (checked when the transaction commits)"
            ),
        ),
        (
            "workspace_id!",
            {"enforced": False, "validated": False, "on_delete": Action.CASCADE},
            (
                "each workspace member should belong to exactly one workspace; PostgreSQL does not enforce it:"
                " deleting a workspace leaves its workspace members behind"
            ),
        ),
        (
            "workspace_id!",
            {"triggers": Triggers(parent_off=1), "on_delete": Action.CASCADE},
            (
                "each workspace member should belong to exactly one workspace; a trigger is off, so deleting"
                " a workspace may leave its workspace members behind"
            ),
        ),
        (
            "workspace_id!",
            {"triggers": Triggers(child_off=1), "on_delete": Action.CASCADE},
            (
                "each workspace member should belong to exactly one workspace; the check of new rows is off;"
                " deleting a workspace deletes its workspace members"
            ),
        ),
    ],
)
def test_sentences(columns: str, others: dict[str, Any], expected: str) -> None:
    made, edge = members(columns, **others)
    assert sentence(made.schema(), edge) == expected


def test_one_to_one_from_a_unique_index_of_the_columns() -> None:
    made, edge = members()
    child = made.tables["workspace_members"]
    unique = made.unique_index("u", (2,))

    def with_index(**others: Any) -> Schema:  # noqa: ANN401
        made.tables["workspace_members"] = replace(child, indexes=(replace(unique, **others),))
        return made.schema()

    assert is_one_to_one(with_index().child_of(edge), edge)
    assert "exactly one workspace, and no two to the same one;" in sentence(with_index(), edge)
    assert is_one_to_one(with_index(partial=True, not_null_predicate=2).child_of(edge), edge)
    assert not is_one_to_one(with_index(partial=True).child_of(edge), edge)
    assert not is_one_to_one(with_index(unique=False).child_of(edge), edge)
    assert not is_one_to_one(with_index(valid=False).child_of(edge), edge)
    wider = made.unique_index("u", (2, 3))
    made.tables["workspace_members"] = replace(child, indexes=(wider,))
    assert not is_one_to_one(made.schema().child_of(edge), edge)


def test_self_reference_and_composite() -> None:
    made = Builder()
    made.table("categories", "parent_id")
    own = made.edge("categories", "parent_id", "categories", on_delete=Action.CASCADE)
    assert sentence(made.schema(), own) == (
        "a category may refer to one category of the same table by parent_id;"
        " deleting a category deletes the rows that refer to it"
    )
    made.table("orders", "org!", "no!", key=("org", "no"))
    made.table("audit.lines", "order_org!", "order_no")
    two = made.edge(
        "audit.lines", "order_org,order_no", "orders", "org,no", on_delete=Action.SET_NULL, set_columns=(3,)
    )
    schema = made.schema()
    assert sentence(schema, two) == (
        "a line may refer to one order by (order_org, order_no);"
        " deleting an order sets order_no of the lines that refer to it to NULL"
    )
    assert not required(two)
    assert required(replace(two, match=Match.FULL))
    assert pairing(schema, two) == "audit.lines -> public.orders (order_org->org, order_no->no)"
    assert pairing(schema, own) == "categories.parent_id -> categories.id"


def test_hostile_names_are_inert() -> None:
    made = Builder()
    made.table("a\x1b[31m")
    made.table("b\n", "x\u202e")
    edge = made.edge("b\n", "x\u202e", "a\x1b[31m", comment="line\nbreak")
    schema = made.schema()
    lines = [sentence(schema, edge), *(plain(line) for line in edge_detail(schema, edge, None, now=NOW))]
    assert all(line.isprintable() for line in lines)
    plain_ascii = [plain(line) for line in edge_detail(schema, edge, None, now=NOW, ascii=True)]
    assert all(line.isascii() and line.isprintable() for line in plain_ascii)


def test_details() -> None:
    made, edge = members(
        "workspace_id",
        on_delete=Action.SET_NULL,
        on_update=Action.CASCADE,
        match=Match.FULL,
        deferrable=True,
        validated=False,
        triggers=Triggers(child_off=1, places=("public.workspace_members",)),
        index=None,
        comment="who works where",
    )
    count = counted(edge, 12, rows=4_000, missing_keys=3, nulls=1_200, unchecked=2, childless=7)
    lines = edge_detail(made.schema(), edge, count, now=NOW + timedelta(minutes=3), cycle=2)
    assert [plain(line) for line in lines] == [
        (
            "workspace_members_workspace_id_fkey  ON DELETE SET NULL  ON UPDATE CASCADE  MATCH FULL  DEFERRABLE"
            "  triggers off, NOT VALID"
        ),
        (
            "workspace_members.workspace_id -> workspaces.id  12 orphans of 4,000 rows (0.30%)"
            "  STALE: as of 02:00:00 (3m ago)  indexed: no"
        ),
        (
            "a workspace member may belong to one workspace; the check of new rows is off; deleting a workspace sets"
            " workspace_id of its workspace members to NULL"
        ),
        (
            "3 missing keys  1,200 rows without a key (NULL)  2 rows let pass by MATCH SIMPLE:"
            " a part of the key is NULL  7 parents without a child  took 10 ms"
        ),
        "triggers off on public.workspace_members",
        "on a cycle of 2 keys",
        "who works where",
    ]


def test_count_words_say_what_the_number_is_worth() -> None:
    made, edge = members()
    schema = made.schema()

    def words(count: object, *, checking: bool = False) -> str:
        return count_words(schema, edge, count, checking=checking)  # type: ignore[arg-type]

    assert words(None) == "not counted yet"
    assert words(None, checking=True) == "counting"
    assert words(counted(edge)) == "0 orphans of about 1,000 rows"
    assert words(counted(edge, 1, rows=1)) == "1 orphan of 1 row (100%)"
    assert words(counted(edge, 5, bound=Bound.LOWER), checking=True) == (
        "at least 5 orphans of about 1,000 rows (0.50%), counting again"
    )
    denied = counted(edge, None, status=Status.DENIED, error="permission denied for table users")
    assert words(denied) == "denied: a privilege is missing (permission denied for table users)"


def test_state_words() -> None:
    _, edge = members()
    assert state_words(edge) == "enforced, validated"
    assert state_words(replace(edge, validated=False)) == "enforced, NOT VALID"
    assert state_words(replace(edge, triggers=Triggers(missing=1))) == "triggers off, validated"
    assert state_words(replace(edge, enforced=False)) == "NOT ENFORCED"


@pytest.mark.parametrize(
    ("name", "single", "many"),
    [
        ("users", "user", "users"),
        ("user", "user", "user rows"),
        ("people", "person", "people"),
        ("companies", "company", "companies"),
        ("addresses", "address", "addresses"),
        ("boxes", "box", "boxes"),
        ("batches", "batch", "batches"),
        ("caches", "cache", "caches"),
        ("statuses", "status", "statuses"),
        ("status", "status", "status rows"),
        ("analyses", "analysis", "analyses"),
        ("houses", "house", "houses"),
        ("databases", "database", "databases"),
        ("series", "series", "series rows"),
        ("OrderItems", "order item", "order items"),
        ("Order Items", "order item", "order items"),
        ("USERS", "user", "users"),
        ("t1", "row of t1", "rows of t1"),
        ("Überfälle", "row of Überfälle", "rows of Überfälle"),
        ("[/]", "row of [/]", "rows of [/]"),
        ("", "row of ", "rows of "),
    ],
)
def test_one_and_several(name: str, single: str, many: str) -> None:
    assert (one(name), several(name)) == (single, many)


def test_articles_and_implied_columns() -> None:
    assert [article(word) for word in ("user", "order", "hour", "unit", "invoice", "project")] == [
        "a user",
        "an order",
        "an hour",
        "a unit",
        "an invoice",
        "a project",
    ]
    assert implied("user_id", "users", "id")
    assert implied("userId", "users", "id")
    assert implied("users_id", "users", "id")
    assert implied("org_id", "orgs", "org_id")
    assert not implied("author_id", "users", "id")
    assert not implied("id", "users", "id")
