"""Every error text of the fixture reads as it expects, the fields that others rely on first."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fkexplorer.diagnosis.reading.reader import read_text

CASES: list[dict[str, Any]] = [
    json.loads(line) for line in Path(__file__).with_name("errors.jsonl").read_text("utf-8").splitlines()
]
FIELDS = ("sqlstate", "kind", "constraint", "child_table", "child_schema", "columns", "values", "parent_table")
MORE = ("parent_schema", "parent_columns", "types", "engine")


@pytest.mark.parametrize("case", CASES, ids=[case["source"] for case in CASES])
def test_an_error_reads_as_expected(case: dict[str, Any]) -> None:
    expect = case["expect"]
    reading = read_text(case["text"])
    if expect.get("hint_kind") == "not_fk":
        assert (reading.found, reading.others) == ((), 1)
        return
    assert [each.occurrences for each in reading.found] == [1]
    error = reading.found[0].error
    told = {name: _plain(getattr(error, name)) for name in (*FIELDS, *MORE) if name in expect}
    assert told == {name: expect[name] for name in told}
    if "hint_kind" in expect:
        assert error.topic == expect["hint_kind"]
    if expect.get("ambiguous_values"):
        assert error.other_cuts
    assert error.line >= 1
    assert error.excerpt


PAIRS = [(one, other) for one, other in pairwise(CASES) if ("log" in one["source"]) == ("log" in other["source"])]
"""Of what the server's log and a program have of one problem only the more are counted."""


@pytest.mark.parametrize("pair", PAIRS, ids=[f"{one['source']}, {other['source']}" for one, other in PAIRS])
def test_two_errors_one_below_the_other_are_two(pair: tuple[dict[str, Any], dict[str, Any]]) -> None:
    one, other = pair
    fine = [each for each in pair if each["expect"].get("hint_kind") != "not_fk"]
    reading = read_text(f"{one['text']}\n\n{other['text']}\n")
    assert sum(each.occurrences for each in reading.found) == len(fine)
    assert reading.others == 2 - len(fine)


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value
