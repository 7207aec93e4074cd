"""What a delete would do, found by reading: as the server does it, within limits that are told."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from random import Random
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.database.postgresql.reader import read_schema
from fkexplorer.diagnosis.impact import impact
from fkexplorer.diagnosis.impact_model import Deed, Hop, Impact, Stop, Verdict
from fkexplorer.fixes import sql
from fkexplorer.fixes.model import Change, Verb
from fkexplorer.reports.impact import impact_lines, verdict_words
from fkexplorer.reports.style import plain
from fkexplorer.reports.values import width
from fkexplorer.schema.names import edge_label, table_label
from tests.fixes.random_schemas import Made, random_schema
from tests.fixes.test_closure import Done, done, folded
from tests.orphans.connected import new_role, opened

if TYPE_CHECKING:
    from fkexplorer.database.connection import Database
    from fkexplorer.demo.server import EmbeddedServer
    from fkexplorer.schema.model import Schema

SCHEMAS = int(os.environ.get("FKEXPLORER_IMPACT_SCHEMAS", "25"))
"""Random schemas: more of them on demand."""
BYTES = 1 << 30


async def of(database: Database, schema: Schema, name: str, *keys: str, max_bytes: int = BYTES, **more: int) -> Impact:
    """The impact of rows by one-column keys."""
    [table] = [table for table in schema.tables.values() if table.name == name]
    return await impact(database, schema, table, [(key,) for key in keys], max_bytes=max_bytes, **more)


def told(found: Impact, schema: Schema) -> dict[str, Hop]:
    """Each hop that is unfolded, by its constraint."""
    return {schema.edges[hop.edge].name: hop for _, hop in found.walk() if not hop.above}


@pytest.mark.matrix
async def test_random_schemas(database_url: str, server: EmbeddedServer) -> None:
    seen: Counter[str] = Counter()
    async with opened(database_url) as (database, _):
        with psycopg.connect(database_url, autocommit=True) as connection:
            for seed in range(SCHEMAS):
                seen += await tried(database, connection, Random(seed), server.major)  # noqa: S311 - a test's
    # Were all of one kind, nothing would be compared.
    assert min(seen[verdict] for verdict in Verdict if verdict is not Verdict.UNKNOWN) > SCHEMAS / 5
    assert not seen[Verdict.UNKNOWN]
    assert seen["below"] > SCHEMAS / 2
    assert seen["cut"] > SCHEMAS / 2


async def tried(database: Database, connection: psycopg.Connection, random: Random, version: int) -> Counter[str]:
    """Deletes of single rows, each compared with what it really did."""
    made = random_schema(random, version)
    connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    connection.execute(made.script.encode())
    connection.execute("RESET session_replication_role")
    schema = await read_schema(database)
    tables = {table.name: table for table in schema.tables.values()}
    seen: Counter[str] = Counter()
    for name in made.tables:
        ids = [id_ for (id_,) in connection.execute(f"SELECT id FROM {name}".encode())]
        for key in random.sample(ids, 2):
            found = await impact(database, schema, tables[name], [(str(key),)], max_bytes=BYTES)
            change = Change(Verb.DELETE, 0, f"DELETE FROM {sql.source(tables[name], 'c')}", f"c.id = {key}")
            came = done(connection, made, change)
            compare(found, came, schema, made, f"{change.sql}\n{made.script}\n{found}\n{came}")
            seen[found.verdict] += 1
            seen["below"] += found.verdict is Verdict.GOES and len(found.effects) > 1
            # What was seen of some of the rows is true of all of them.
            part = await impact(database, schema, tables[name], [(str(key),)], max_bytes=BYTES, max_rows=2)
            within(part, found, came, f"{change.sql}\n{made.script}\n{part}\n{found}")
            seen["cut"] += part.stop is Stop.ROWS
    return seen


def compare(found: Impact, came: Done, schema: Schema, made: Made, label: str) -> None:
    """The rows of each table, and whether it was refused."""
    assert found.rows == 1, label
    assert found.complete, label
    if found.verdict is Verdict.DEPENDS:
        return
    assert (found.verdict is Verdict.REFUSED) == bool(came.refused), label
    if came.refused:
        assert found.blockers, label
        return
    counts = folded(came.counts)
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for each in found.effects:
        for at, count in enumerate((each.deleted, each.updated, each.more_updates)):
            sums[schema.tables[each.table].name][at] += count
    for name in made.tables:
        deleted, updated, more = sums[name]
        updates, deletes = counts.get(name, (0, 0))
        assert deletes == deleted, label
        assert updated <= updates <= updated + more, label


def within(part: Impact, found: Impact, came: Done, label: str) -> None:
    """What a look that was cut short says, beside the whole."""
    if part.verdict is Verdict.REFUSED and found.verdict is not Verdict.DEPENDS:
        assert came.refused, label
    if part.verdict is Verdict.GOES:
        assert found.verdict is Verdict.GOES, label
    if part.stop is None:
        assert part.effects == found.effects, label
    whole = {(hop.edge, hop.deed): hop for _, hop in found.walk()}
    for _, hop in part.walk():
        other = whole[hop.edge, hop.deed]
        assert hop.rows is not None, label
        assert other.rows is not None, label
        if hop.deed not in {Deed.REFUSE, Deed.LEAVE}:
            assert hop.rows == other.rows or (hop.at_least and hop.rows < other.rows), label
