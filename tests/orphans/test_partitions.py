"""Orphans by the partition that they are stored in."""

from __future__ import annotations

import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.orphans.partitions import orphans_by_partition
from tests.orphans.pages import opened, run, texts, the_edge

TABLES = """
CREATE SCHEMA "Old Data";
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (pid int CONSTRAINT fk REFERENCES p) PARTITION BY RANGE (pid);
CREATE TABLE c0 PARTITION OF c FOR VALUES FROM (0) TO (10);
CREATE TABLE c1 PARTITION OF c FOR VALUES FROM (10) TO (100) PARTITION BY RANGE (pid);
CREATE TABLE "Old Data".c1a PARTITION OF c1 FOR VALUES FROM (10) TO (20);
CREATE TABLE c1b PARTITION OF c1 FOR VALUES FROM (20) TO (100);
INSERT INTO p SELECT generate_series(0, 9);
SET session_replication_role = replica;
INSERT INTO c SELECT n / 2 FROM generate_series(0, 49) n UNION ALL SELECT 10;
"""


@pytest.mark.matrix
async def test_each_partition_with_orphans_is_named(database_url: str) -> None:
    run(database_url, TABLES)
    async with opened(database_url) as (database, schema):
        page = await orphans_by_partition(database, schema, the_edge(schema))
        assert texts(page, "partition", "rows") == [('"Old Data".c1a', "21"), ("public.c1b", "10")]
        assert (page.more, page.after) == (False, None)
        page = await orphans_by_partition(database, schema, the_edge(schema), limit=1)
        assert (texts(page, "rows"), page.more) == ([("21",)], True)


async def test_a_table_without_partitions_is_named_itself(database_url: str) -> None:
    run(
        database_url,
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (pid int); INSERT INTO c VALUES (1), (1);"
        "ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID",
    )
    async with opened(database_url) as (database, schema):
        edge = the_edge(schema)
        assert texts(await orphans_by_partition(database, schema, edge), "partition", "rows") == [("public.c", "2")]
        run(database_url, "INSERT INTO p VALUES (1)")
        assert (await orphans_by_partition(database, schema, edge)).rows == ()
        run(database_url, "DROP TABLE c")
        with pytest.raises(Trouble):
            await orphans_by_partition(database, schema, edge)
