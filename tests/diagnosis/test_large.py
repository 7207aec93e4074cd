"""Looks into large tables: each statement that is sent goes by an index, or is not sent."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from fkexplorer.database.connection import DEFAULT, Database
from fkexplorer.diagnosis.asking import CLOCK, reads_all
from fkexplorer.diagnosis.near import near_misses
from fkexplorer.diagnosis.presence import presence
from fkexplorer.diagnosis.reading.model import ErrorKind
from fkexplorer.diagnosis.siblings import siblings
from fkexplorer.diagnosis.totals import involved, totals
from tests.diagnosis.cases import MIB, by_code, case_of, row, told
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fkexplorer.database.limits import Limits
    from fkexplorer.diagnosis.model import Key, Part

ROWS = 1_000_000
SCHEMA = f"""
CREATE UNLOGGED TABLE p (id text PRIMARY KEY, number int);
INSERT INTO p SELECT 'user' || n, n FROM generate_series(1, {ROWS}) n;
CREATE UNLOGGED TABLE c (pid text, other text, number int, deleted_at int);
INSERT INTO c SELECT 'user' || CASE WHEN n % 2 = 0 THEN 1 ELSE n END, 'user2', n FROM generate_series(1, {ROWS}) n;
CREATE INDEX ON c (pid);
ALTER TABLE c ADD CONSTRAINT c_p FOREIGN KEY (pid) REFERENCES p NOT VALID,
 ADD CONSTRAINT c_other FOREIGN KEY (other) REFERENCES p NOT VALID;
ANALYZE p, c;
"""


@pytest.fixture(scope="module")
def large(make_database: Callable[[str], str]) -> str:
    return make_database(SCHEMA)


async def test_no_statement_reads_a_large_table(large: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, Mapping[str, str]]] = []
    glance = Database.glance

    async def noted(self: Database, *statements: str, limits: Limits = DEFAULT) -> list[list[tuple[Any, ...]]]:
        sent.extend((each, limits.planner) for each in statements if each != CLOCK and not each.startswith("EXPLAIN"))
        return await glance(self, *statements, limits=limits)

    monkeypatch.setattr(Database, "glance", noted)
    refused = row("c", pid="USER7 ", other="user9", number="5")
    async with opened(large) as there:
        found: dict[str, Part] = {}
        for name, edge, error in (
            ("missing", "c_p", told("pid", "USER7 ", row=refused)),
            ("frequent", "c_p", told("id", "user1", kind=ErrorKind.STILL_REFERENCED)),
            ("no index", "c_other", told("other", "nobody")),
            ("no children index", "c_other", told("id", "user2", kind=ErrorKind.STILL_REFERENCED)),
        ):
            keys: dict[Key, int] = {(f"user{2 * number}",): 1 for number in range(100)}
            one = case_of(there, edge, error, max_bytes=MIB)
            one = replace(one, found=replace(one.found, keys=keys))
            found[name] = await presence(one)
            found[f"near {name}"] = await near_misses(one)
            found[f"siblings {name}"] = await siblings(one)
    assert found["missing"].live is True
    assert by_code(found["frequent"].findings)["still_referenced"].result == "more than 10,000 rows"
    assert by_code(found["missing"].findings)["keys_missing"].result == "1 of 100"
    assert by_code(found["frequent"].findings)["keys_referred"].result == "0 of 100"
    assert "over_the_limit" in by_code(found["no index"].findings)
    assert found["no children index"].live is None
    assert by_code(found["near missing"].findings)["near_miss"].result == "id = user7"
    assert [each.code for each in found["siblings missing"].ruled_out] == ["other_key_present"]
    assert len(sent) >= 8
    with psycopg.connect(large, autocommit=True) as connection:
        for query, planner in sent:
            with connection.transaction():
                for setting, value in planner.items():
                    connection.execute("SELECT set_config(%s, %s, true)", (setting, value))
                [[explained]] = connection.execute(f"EXPLAIN (FORMAT JSON) {query}".encode()).fetchall()
            assert not reads_all(explained[0]["Plan"]), query


async def test_totals_of_large_edges_are_left_or_come_in_time(large: str) -> None:
    async with opened(large) as there:
        one = case_of(there, "c_p", told("pid", "x"), max_bytes=MIB)
        for each in await totals(one, involved(one)):
            assert each.orphans is None
            assert "not counted: " in each.problem
        one = case_of(there, "c_p", told("pid", "x"))
        for each in await totals(one, involved(one)):
            assert each.orphans in {0, None}
            assert (each.orphans is None) == ("orphans" in each.problem)
