"""The server's messages are read in every language, with the names and values that are in them."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from fkexplorer.diagnosis.reading.messages import Match, could_match, match_detail, match_message
from fkexplorer.diagnosis.reading.model import ErrorKind, Topic

FIXTURES = [json.loads(line) for line in (Path(__file__).parent / "errors.jsonl").read_text("utf-8").splitlines()]
SPOKEN = [
    each
    for each in FIXTURES
    if re.match(r"psql|localized|VALIDATE|cascade|peewee|MySQL|Cockroach|DECOY", each["source"])
    and "code only" not in each["source"]
]
"""Those that are a message of the server and little else."""
FIELDS = ("kind", "constraint", "child_table", "columns", "values", "parent_table", "parent_columns", "types")


@pytest.mark.parametrize("fixture", SPOKEN, ids=lambda each: str(each["source"]))
def test_messages_of_the_server_are_read_as_expected(fixture: dict[str, Any]) -> None:
    first, *others = re.split(r"\n(?=[A-Z ]+: )", fixture["text"])
    assert could_match(first)
    assert could_match(first.encode())
    match = match_message(first)
    for line in others:
        if line.startswith("DETAIL:"):
            match = match_detail(line.removeprefix("DETAIL:").strip(), match)
    assert match is not None
    expect = fixture["expect"]
    said = {name: getattr(match, name) for name in FIELDS if name in expect}
    assert json.loads(json.dumps(said)) == {name: expect[name] for name in FIELDS if name in expect}
    assert match.topic == expect.get("hint_kind", "match_full_nulls" if expect.get("match_full_nulls") else "")
    assert bool(match.other_cuts) == expect.get("ambiguous_values", False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            (
                "Cannot add or update a child row: a foreign key constraint fails (`s`.`a``b`, "
                "CONSTRAINT `c` FOREIGN KEY (`a`, `b`) REFERENCES `main`.`orders` (`x`, `y`) ON DELETE CASCADE)"
            ),
            {
                "kind": ErrorKind.MISSING_PARENT,
                "child_schema": "s",
                "child_table": "a`b",
                "constraint": "c",
                "columns": ("a", "b"),
                "parent_schema": "main",
                "parent_table": "orders",
                "parent_columns": ("x", "y"),
                "sqlstate": "23000",
            },
        ),
        (
            "ERROR 1217 (23000): Cannot delete or update a parent row: a foreign key constraint fails",
            {"kind": ErrorKind.STILL_REFERENCED, "constraint": None, "child_table": None},
        ),
        (
            "Cannot add or update a child row: a foreign key constraint fails (`s`.`orders`, CONSTRAINT `c` FOREI...",
            {"child_table": "orders", "constraint": "c", "columns": None},
        ),
    ],
)
def test_mysql_says_it_all_on_one_line(text: str, said: dict[str, object]) -> None:
    match = match_message(text)
    assert match is not None
    assert could_match(text)
    assert match.engine == "mysql"
    assert {name: getattr(match, name) for name in said} == said


@pytest.mark.parametrize(
    ("key", "columns", "values"),
    [
        ("(a)=('foo')", ("a",), ("foo",)),
        ("(a, b)=(1, 'it''s, so')", ("a", "b"), ("1", "it's, so")),
        ("(a, b)=(e'a\\'b', NULL)", ("a", "b"), ("a'b", None)),
    ],
)
def test_cockroachdb_quotes_its_values(key: str, columns: tuple[str, ...], values: tuple[str | None, ...]) -> None:
    match = match_message('update on table "c" violates foreign key constraint "fk"')
    assert match is not None
    assert (match.engine, match.kind, match.child_table) == ("cockroachdb", ErrorKind.MISSING_PARENT, "c")
    match = match_detail(f'Key {key} is not present in table "p".', match)
    assert match is not None
    assert (match.columns, match.values, match.other_cuts, match.parent_table) == (columns, values, (), "p")


def test_a_delete_on_cockroachdb_names_the_parent_first() -> None:
    match = match_message('delete on table "p" violates foreign key constraint "fk" on table "c"')
    assert match is not None
    assert (match.kind, match.parent_table, match.child_table) == (ErrorKind.STILL_REFERENCED, "p", "c")


def test_a_message_that_breaks_off_in_its_last_name_is_known() -> None:
    for text in ('ForeignKeyViolation: insert or update on table "a" violates foreign key constraint "fk_rai...',):
        match = match_message(text)
        assert match is not None
        assert (match.kind, match.child_table, match.constraint) == (ErrorKind.MISSING_PARENT, "a", None)


def test_a_detail_that_belongs_to_another_message_adds_nothing() -> None:
    refused = match_message('insert or update on table "a" violates foreign key constraint "fk"')
    assert match_detail("Failing row contains (1, null).", refused) == refused
    assert match_detail('Key (id)=(1) is still referenced from table "b".', refused) == refused
    assert match_detail("Failing row contains (1, null).") is None


def test_a_detail_alone_tells_the_side() -> None:
    match = match_detail('Key (id)=(1) is still referenced from table "b".')
    assert match is not None
    assert (match.kind, match.columns, match.values, match.child_table) == (
        ErrorKind.STILL_REFERENCED,
        ("id",),
        ("1",),
        "b",
    )


def test_a_detail_gives_the_direction_that_only_the_constraint_lacks() -> None:
    unknown = Match(ErrorKind.OTHER, Topic.UNKNOWN_DIRECTION, constraint="fk")
    match = match_detail('Key (id)=(1) is not present in table "b".', unknown)
    assert match is not None
    assert (match.kind, match.topic, match.constraint) == (ErrorKind.MISSING_PARENT, Topic.NONE, "fk")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "insert into users (id) values (1)",
        "violates foreign key constraint",
        "the constraint was referenced already by its owner",
        'Key (a)=(b) and "c"',
    ],
)
def test_other_text_is_no_message(text: str) -> None:
    assert match_message(text) is None
    assert match_detail(text) is None


def test_a_long_line_that_is_nearly_a_message_is_given_up_soon() -> None:
    text = 'insert or update on table "' * 2_000 + " violates foreign key constraint"
    start = time.process_time()
    assert match_message(text) is None
    assert time.process_time() - start < 2
