"""A hundred tables, of which the large ones may not be read whole: none is, and what is not looked at is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.benchmarks.explaining import explained
from tests.benchmarks.explaining_data import build
from tests.benchmarks.explaining_reads import between, reads, scanned
from tests.diagnosis.cases import MIB
from tests.orphans.connected import opened, run

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = 200_000
LARGE = {"account", "profile", "document", "customer", "orders", "event"}
"""More than 1 MiB each."""


@pytest.fixture(scope="module")
def tables(make_database: Callable[[str], str]) -> str:
    conninfo = make_database("SELECT 1")
    build(conninfo, ROWS)
    return conninfo


@pytest.mark.parametrize(
    ("name", "live"),
    [
        ("missing, with its row", True),
        ("missing, child not indexed", True),
        ("gap", True),
        ("referenced", True),
        ("referenced, child not indexed", None),
    ],
)
async def test_no_large_table_is_read_whole(tables: str, name: str, live: bool | None) -> None:
    done = await explained(tables, name, 1, MIB, command=False)
    assert done.live is live
    assert done.scanned == []
    assert done.unnamed == []


async def test_what_reads_a_large_table_whole_is_seen(tables: str) -> None:
    """The counters tell a scan, a bitmap of all pages and a whole index apart from lookups."""
    async with opened(tables) as (_, schema):
        pass
    for statement, table in (
        ("SELECT count(*) FROM event WHERE payload = ''", "event"),
        ("SET enable_seqscan = off; SELECT count(*) FROM orders WHERE customer_id > 0 AND total > 1", "orders"),
        ("SET enable_seqscan = off; SELECT count(customer_id) FROM orders", "orders"),
    ):
        before = reads(tables)
        await run(tables, statement)
        [found] = scanned(schema, between(before, reads(tables)), MIB)
        assert found.startswith(f"public.{table}: ")
    before = reads(tables)
    await run(tables, "SELECT FROM orders WHERE id = 7; SELECT FROM orders WHERE customer_id = 7")
    assert list(scanned(schema, between(before, reads(tables)), MIB)) == []
    large = {schema.tables[oid].name for oid, each in before.items() if each.bytes > MIB}
    assert large == LARGE
