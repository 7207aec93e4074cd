"""Partitions: folded into their root with all that hangs on them, unless they have a foreign key of their own."""

from __future__ import annotations

import pytest

from fkexplorer.schema.model import EdgeState, TableKind, Triggers
from tests.database.catalogue import by_label, edges, load, oid, run, version

pytestmark = pytest.mark.matrix

# root -> north -> (n1, n2), root -> south; all with a row of about 1 kB for each number.
TREE = [
    "CREATE TABLE root (id int, region text, pad text DEFAULT repeat('x', 1000)) PARTITION BY LIST (region)",
    "CREATE TABLE north PARTITION OF root FOR VALUES IN ('n') PARTITION BY RANGE (id)",
    "CREATE TABLE n1 PARTITION OF north FOR VALUES FROM (0) TO (100)",
    "CREATE TABLE n2 PARTITION OF north FOR VALUES FROM (100) TO (200)",
    "CREATE TABLE south PARTITION OF root FOR VALUES IN ('s')",
]


def oids(conninfo: str, *relations: str) -> tuple[int, ...]:
    return tuple(sorted(oid(conninfo, relation) for relation in relations))


async def test_partitions_are_folded_at_every_level(database_url: str) -> None:
    schema = await load(
        database_url,
        *TREE,
        "CREATE UNIQUE INDEX on_root ON root (id, region)",
        "CREATE INDEX on_leaf ON n1 (pad)",
        "INSERT INTO root SELECT n, 'n' FROM generate_series(0, 149) n",
        "INSERT INTO root SELECT n, 's' FROM generate_series(1, 50) n",
        # 14 and later then have an estimate of each partitioned table too: not to be counted twice.
        "ANALYZE north",
        "ANALYZE root",
    )
    (table,) = schema.tables.values()
    root = oid(database_url, "root")
    below = oids(database_url, "north", "n1", "n2", "south")
    assert (table.oid, table.name, table.kind) == (root, "root", TableKind.PARTITIONED)
    assert table.partitions == below
    assert dict(schema.partition_roots) == dict.fromkeys(below, root)
    assert table.inherits == ()
    assert table.estimated_rows == 200.0
    # 100, 50 and 50 rows of 1 kB, 7 on a page of 8 kB.
    assert table.estimated_bytes == (15 + 8 + 8) * 8192
    assert [index.name for index in table.indexes] == ["on_root"]


async def test_the_estimate_of_a_root_is_of_what_was_analysed(database_url: str) -> None:
    off = [f"ALTER TABLE {leaf} SET (autovacuum_enabled = off)" for leaf in ("n1", "n2", "south")]
    schema = await load(database_url, *TREE, *off, "INSERT INTO root SELECT n, 's' FROM generate_series(1, 50) n")
    assert by_label(schema)["root"].estimated_rows is None
    schema = await load(database_url, "ANALYZE south")
    assert by_label(schema)["root"].estimated_rows == 50.0


async def test_an_empty_partitioned_table(database_url: str) -> None:
    schema = await load(database_url, "CREATE TABLE root (id int) PARTITION BY RANGE (id)")
    table = by_label(schema)["root"]
    assert (table.partitions, table.estimated_rows, table.estimated_bytes) == ((), None, 0)


async def test_an_edge_between_partitioned_tables_is_one_edge(database_url: str) -> None:
    schema = await load(
        database_url,
        *TREE,
        "ALTER TABLE root ADD CONSTRAINT root_key PRIMARY KEY (id, region)",
        "CREATE TABLE child (id int, region text) PARTITION BY RANGE (id)",
        "CREATE TABLE child_1 PARTITION OF child FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id)",
        "CREATE TABLE child_11 PARTITION OF child_1 FOR VALUES FROM (0) TO (50)",
        "CREATE TABLE child_2 PARTITION OF child FOR VALUES FROM (100) TO (200)",
        "ALTER TABLE child ADD CONSTRAINT fk FOREIGN KEY (id, region) REFERENCES root",
        "CREATE INDEX served ON child (region, id)",
        "CREATE TABLE later (id int, region text)",
        "ALTER TABLE child ATTACH PARTITION later FOR VALUES FROM (200) TO (300)",
    )
    assert sorted(by_label(schema)) == ["child", "root"]
    (edge,) = schema.edges.values()
    assert (edge.name, edge.child, edge.parent) == ("fk", oid(database_url, "child"), oid(database_url, "root"))
    assert edge.triggers == Triggers()
    assert edge.state is EdgeState.ENFORCED
    assert edge.index == "public.served"
    assert edge.pairs[0].parent in schema.parent_of(edge).columns


async def test_triggers_off_on_one_partition_only(database_url: str) -> None:
    tables = [
        *TREE,
        "ALTER TABLE root ADD PRIMARY KEY (id, region)",
        "CREATE TABLE child (id int, region text) PARTITION BY RANGE (id)",
        "CREATE TABLE child_1 PARTITION OF child FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id)",
        "CREATE TABLE child_11 PARTITION OF child_1 FOR VALUES FROM (0) TO (50)",
        "ALTER TABLE child ADD CONSTRAINT fk FOREIGN KEY (id, region) REFERENCES root",
    ]
    schema = await load(database_url, *tables, "ALTER TABLE child_11 DISABLE TRIGGER ALL")
    assert edges(schema)["fk"].triggers == Triggers(2, 0, 0, ("public.child_11",))
    assert edges(schema)["fk"].state is EdgeState.DISABLED
    schema = await load(database_url, "ALTER TABLE child_11 ENABLE TRIGGER ALL", "ALTER TABLE n2 DISABLE TRIGGER ALL")
    assert edges(schema)["fk"].triggers == Triggers(0, 2, 0, ("public.n2",))
    schema = await load(database_url, "ALTER TABLE child_11 DISABLE TRIGGER ALL")
    assert edges(schema)["fk"].triggers == Triggers(2, 2, 0, ("public.child_11", "public.n2"))


async def test_a_foreign_key_of_one_partition_keeps_that_partition(database_url: str) -> None:
    schema = await load(
        database_url,
        "CREATE TABLE p (id int PRIMARY KEY)",
        *TREE,
        "ALTER TABLE north ADD CONSTRAINT of_north FOREIGN KEY (id) REFERENCES p",
        "ALTER TABLE south ADD CONSTRAINT of_south FOREIGN KEY (id) REFERENCES p",
        "ALTER TABLE n1 ADD PRIMARY KEY (id)",
        "INSERT INTO p SELECT generate_series(0, 199)",
        "INSERT INTO root SELECT n, 'n' FROM generate_series(0, 149) n",
        "ANALYZE n1",
        "ANALYZE n2",
        "ANALYZE south",
    )
    tables = by_label(schema)
    assert sorted(tables) == ["north", "p", "root", "south"]
    assert {edge.name: (edge.child, edge.parent) for edge in schema.edges.values()} == {
        "of_north": (oid(database_url, "north"), oid(database_url, "p")),
        "of_south": (oid(database_url, "south"), oid(database_url, "p")),
    }
    # A kept partition counts with its root as well: the root's rows are all of them.
    assert tables["root"].partitions == oids(database_url, "north", "n1", "n2", "south")
    assert tables["north"].partitions == oids(database_url, "n1", "n2")
    assert tables["south"].partitions == ()
    assert (tables["root"].estimated_rows, tables["north"].estimated_rows) == (150.0, 150.0)
    assert tables["north"].inherits == ()
    root = oid(database_url, "root")
    assert dict(schema.partition_roots) == dict.fromkeys(oids(database_url, "n1", "n2"), root)


async def test_a_foreign_key_to_one_partition_keeps_that_partition(database_url: str) -> None:
    schema = await load(
        database_url,
        *TREE,
        "ALTER TABLE n1 ADD PRIMARY KEY (id)",
        "CREATE TABLE c (id int CONSTRAINT fk REFERENCES n1)",
    )
    (edge,) = schema.edges.values()
    assert sorted(by_label(schema)) == ["c", "n1", "root"]
    assert schema.parent_of(edge).name == "n1"
    assert schema.parent_of(edge).primary_key is not None
    assert edge.triggers == Triggers()
    assert set(schema.partition_roots) == set(oids(database_url, "north", "n2", "south"))


async def test_no_partition_is_called_unprotected_that_is_protected(database_url: str) -> None:
    modern = version(database_url) >= 180000
    schema = await load(
        database_url,
        *TREE,
        "ALTER TABLE root ADD PRIMARY KEY (id, region)",
        "ALTER TABLE root ADD up int, ADD up_region text",
        # Two levels on both sides, and one table on both sides.
        "ALTER TABLE root ADD CONSTRAINT self FOREIGN KEY (up, up_region) REFERENCES root (id, region)",
        "CREATE TABLE plain (id int, region text, CONSTRAINT plain FOREIGN KEY (id, region) REFERENCES root)",
        "CREATE TABLE n3 PARTITION OF north FOR VALUES FROM (200) TO (300)",
        "ALTER TABLE root DETACH PARTITION south",
        "ALTER TABLE root ATTACH PARTITION south FOR VALUES IN ('s')",
        *(
            ["ALTER TABLE plain ADD CONSTRAINT loose FOREIGN KEY (id, region) REFERENCES root NOT ENFORCED"]
            if modern
            else []
        ),
    )
    found = edges(schema)
    assert {"plain", "self"} <= set(found)
    if version(database_url) < 130000:
        # There it is right: 12 does not watch a partition that came back to a table that refers to itself.
        run(
            database_url,
            "INSERT INTO root (id, region, up, up_region) VALUES (1, 's', NULL, NULL), (1, 'n', 1, 's')",
            "DELETE FROM root WHERE region = 's'",
        )
        assert found.pop("self").triggers == Triggers(0, 0, 1, ("public.south",))
    assert {edge.triggers for edge in found.values()} == {Triggers()}


async def test_what_an_old_detach_leaves_unprotected(database_url: str) -> None:
    """Before 17.1, 16.5, 15.9 and 14.14 a detached partition keeps its foreign key but not the parent's triggers."""
    run(
        database_url,
        "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100)",
        "CREATE TABLE c (id int CONSTRAINT fk REFERENCES p) PARTITION BY RANGE (id)",
        "CREATE TABLE c1 PARTITION OF c FOR VALUES FROM (0) TO (100)",
        "INSERT INTO p VALUES (1)",
        "INSERT INTO c VALUES (1)",
        "ALTER TABLE c DETACH PARTITION c1",
    )
    schema = await load(database_url)
    kept = [edge for edge in schema.edges.values() if schema.child_of(edge).name == "c1"]
    if version(database_url) < 130000:
        # The proof that it is so: the parent's row goes although there is a child.
        run(database_url, "DELETE FROM p WHERE id = 1")
        assert [(edge.triggers, edge.state) for edge in kept] == [
            (Triggers(0, 0, 1, ("public.p1",)), EdgeState.DISABLED)
        ]
    elif version(database_url) < 150000:
        # 13.17 and 14.14 drop the foreign key of the detached table altogether.
        assert kept == []
    else:
        assert [edge.triggers for edge in kept] == [Triggers()]
    (other,) = (edge for edge in schema.edges.values() if schema.child_of(edge).name == "c")
    assert other.triggers == Triggers()
