"""The server's messages are read in every language, with the names and values that are in them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from fkexplorer.diagnosis.reading.messages import could_match, match_detail, match_message

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
