"""Guessing must not make anybody wait: the time of 1,500 tables."""

from __future__ import annotations

import time

from fkexplorer.inference.infer import infer
from tests.inference.build import NOTHING, Making

WORDS = "order item user team role plan price stock note event task stage batch route zone shelf label parcel"
NOUNS = ("run", "job", "day", "lot", "net")


def test_1500_tables_of_15_columns_take_seconds() -> None:
    made = Making()
    some = WORDS.split()
    names = [f"{one}_{other}_{noun}s" for one in some for other in some for noun in NOUNS][:1500]
    for number, name in enumerate(names):
        parents = (names[(number * 7 + step) % len(names)].removesuffix("s") for step in range(6))
        made.table(name, *(f"{each}_id" for each in parents), *(f"value_{each}:text" for each in range(8)))
    schema = made.schema()
    started = time.process_time()
    found = infer(schema, NOTHING)
    took = time.process_time() - started
    print(f"{len(schema.tables):,} tables: {len(found.guesses):,} guesses in {took:.2f} s")  # noqa: T201 - a figure
    assert len(schema.tables) == 1500
    assert len(found.shown) > 8000
    assert took < 5
