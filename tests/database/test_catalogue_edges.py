"""Foreign keys as the catalogue tells them: pairs, operators, actions, state, and the index that serves them."""

from __future__ import annotations

import psycopg
import pytest

from fkexplorer.schema.model import (
    Action,
    Collation,
    ColumnPair,
    EdgeKind,
    EdgeState,
    Match,
    Operator,
    PairOrder,
    Relationship,
    Triggers,
    TypeName,
)
from tests.database.catalogue import available, builtin, by_label, columns, edges, load, oid, operator, run, version

pytestmark = pytest.mark.matrix

INTEGERS = operator("=", "int4", "int4")
ORDER = PairOrder(1976, operator("<", "int4", "int4"), operator(">", "int4", "int4"))
"""`integer_ops`, whose OID is the same on every server."""


async def test_an_edge_whole(database_url: str) -> None:
    schema = await load(
        database_url,
        "CREATE SCHEMA other",
        "CREATE TABLE other.p (x int, gone int, y int, UNIQUE (x, y))",
        "ALTER TABLE other.p DROP COLUMN gone",
        """CREATE TABLE c (id int, b int, a int, CONSTRAINT fk FOREIGN KEY (a, b) REFERENCES other.p (y, x)
             MATCH FULL ON DELETE CASCADE ON UPDATE SET NULL DEFERRABLE INITIALLY DEFERRED)""",
        "CREATE INDEX c_a_b ON c (a, b)",
        "COMMENT ON CONSTRAINT fk ON c IS 'Both or none'",
    )
    tables = by_label(schema)
    child, parent = columns(tables["c"]), columns(tables["other.p"])
    (edge,) = schema.edges.values()
    with psycopg.connect(database_url) as connection:
        number = connection.execute("SELECT oid FROM pg_constraint WHERE conname = 'fk'").fetchone()
    assert number is not None
    assert edge == Relationship(
        oid=number[0],
        name="fk",
        kind=EdgeKind.DECLARED,
        child=oid(database_url, "c"),
        parent=oid(database_url, "other.p"),
        pairs=(
            ColumnPair(child["a"], parent["y"], INTEGERS, (ORDER,)),
            ColumnPair(child["b"], parent["x"], INTEGERS, (ORDER,)),
        ),
        match=Match.FULL,
        on_delete=Action.CASCADE,
        on_update=Action.SET_NULL,
        set_columns=(),
        deferrable=True,
        deferred=True,
        validated=True,
        enforced=True,
        period=False,
        triggers=Triggers(),
        index="public.c_a_b",
        comment="Both or none",
    )
    assert schema.edges == {edge.oid: edge}
    assert edge.state is EdgeState.ENFORCED


async def test_actions_and_deferrability(database_url: str) -> None:
    words = ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL", "SET DEFAULT"]
    schema = await load(
        database_url,
        "CREATE TABLE p (id int PRIMARY KEY)",
        "CREATE TABLE c (x int)",
        *(f"ALTER TABLE c ADD CONSTRAINT d{n} FOREIGN KEY (x) REFERENCES p ON DELETE {w}" for n, w in enumerate(words)),
        *(f"ALTER TABLE c ADD CONSTRAINT u{n} FOREIGN KEY (x) REFERENCES p ON UPDATE {w}" for n, w in enumerate(words)),
        "ALTER TABLE c ADD CONSTRAINT late FOREIGN KEY (x) REFERENCES p DEFERRABLE",
    )
    found = edges(schema)
    assert [found[f"d{n}"].on_delete.value for n in range(5)] == [word.lower() for word in words]
    assert [found[f"u{n}"].on_update.value for n in range(5)] == [word.lower() for word in words]
    assert {found[f"d{n}"].on_update for n in range(5)} == {Action.NO_ACTION}
    assert (found["late"].deferrable, found["late"].deferred) == (True, False)
    assert (found["d0"].deferrable, found["d0"].deferred, found["d0"].match) == (False, False, Match.SIMPLE)
    assert found["d0"].comment is None


async def test_set_null_of_some_columns(database_url: str) -> None:
    if version(database_url) < 150000:
        pytest.skip("SET NULL (columns) came with 15")
    schema = await load(
        database_url,
        "CREATE TABLE p (x int, y int, PRIMARY KEY (x, y))",
        "CREATE TABLE c (x int, y int, CONSTRAINT fk FOREIGN KEY (x, y) REFERENCES p ON DELETE SET NULL (y))",
    )
    assert edges(schema)["fk"].set_columns == (2,)


async def test_states(database_url: str) -> None:
    modern = version(database_url) >= 180000
    schema = await load(
        database_url,
        "CREATE TABLE p (id int PRIMARY KEY)",
        "CREATE TABLE c (x int CONSTRAINT good REFERENCES p)",
        "ALTER TABLE c ADD CONSTRAINT doubtful FOREIGN KEY (x) REFERENCES p NOT VALID",
        *(["ALTER TABLE c ADD CONSTRAINT loose FOREIGN KEY (x) REFERENCES p NOT ENFORCED"] if modern else []),
    )
    found = {name: (e.state, e.validated, e.enforced, e.triggers) for name, e in edges(schema).items()}
    if modern:
        # It has no triggers at all, which is not to say that they were switched off.
        assert found.pop("loose") == (EdgeState.NOT_ENFORCED, False, False, Triggers())
    assert found == {
        "good": (EdgeState.ENFORCED, True, True, Triggers()),
        "doubtful": (EdgeState.NOT_VALID, False, True, Triggers()),
    }


async def test_self_references_parallel_edges_and_plain_unique_indexes(database_url: str) -> None:
    schema = await load(
        database_url,
        "CREATE TABLE p (id int, up int, code text)",
        "CREATE UNIQUE INDEX bare ON p (id)",
        "ALTER TABLE p ADD CONSTRAINT self FOREIGN KEY (up) REFERENCES p (id)",
        "CREATE TABLE c (a int CONSTRAINT one REFERENCES p (id), b int CONSTRAINT two REFERENCES p (id))",
    )
    found = edges(schema)
    assert found["self"].self_referencing
    assert (found["one"].child, found["one"].parent) == (found["two"].child, found["two"].parent)
    assert [found[name].pairs[0].child.name for name in ("one", "two", "self")] == ["a", "b", "up"]
    assert [edge.name for edge in schema.edges.values()] == ["one", "two", "self"]


async def test_operators_and_casts(database_url: str) -> None:
    citext = available(database_url, "citext")
    schema = await load(
        database_url,
        "CREATE DOMAIN positive AS int",
        "CREATE TYPE mood AS ENUM ('good')",
        """CREATE TABLE p (i int UNIQUE, big bigint UNIQUE, n numeric UNIQUE, t text UNIQUE, c9 char(9) UNIQUE,
             dom positive UNIQUE, m mood UNIQUE, arr int[] UNIQUE, ts timestamptz UNIQUE)""",
        """CREATE TABLE c (a int CONSTRAINT same REFERENCES p (i), b int CONSTRAINT wide REFERENCES p (big),
             d int CONSTRAINT num REFERENCES p (n), e varchar(5) CONSTRAINT chars REFERENCES p (t),
             f text CONSTRAINT padded REFERENCES p (c9), g int CONSTRAINT domain REFERENCES p (dom),
             h mood CONSTRAINT enum REFERENCES p (m), i int[] CONSTRAINT arrays REFERENCES p (arr),
             j date CONSTRAINT dates REFERENCES p (ts), k positive CONSTRAINT from_domain REFERENCES p (i))""",
        *(
            [
                "CREATE SCHEMA ext",
                "CREATE EXTENSION citext SCHEMA ext",
                "CREATE TABLE cp (k ext.citext PRIMARY KEY)",
                "CREATE TABLE cc (k ext.citext CONSTRAINT ci REFERENCES cp CONSTRAINT mixed REFERENCES p (t))",
            ]
            if citext
            else []
        ),
    )
    found = edges(schema)

    def compared(name: str) -> tuple[Operator | None, TypeName | None, TypeName | None]:
        (pair,) = found[name].pairs
        return pair.equals, pair.parent_cast, pair.child_cast

    assert compared("same") == (INTEGERS, None, None)
    assert compared("wide") == (operator("=", "int8", "int4"), None, None)
    assert compared("num") == (operator("=", "numeric", "numeric"), None, builtin("numeric"))
    assert compared("chars") == (operator("=", "text", "text"), None, builtin("text"))
    # By typname: bpchar. What people call it, character, would mean char(1).
    assert compared("padded") == (operator("=", "bpchar", "bpchar"), None, builtin("bpchar"))
    assert compared("domain") == (INTEGERS, builtin("int4"), None)
    assert compared("from_domain") == (INTEGERS, None, builtin("int4"))
    assert compared("enum") == (operator("=", None, None), None, None)
    assert compared("arrays") == (operator("=", None, None), None, None)
    assert compared("dates") == (operator("=", "timestamptz", "date"), None, None)
    if citext:
        ours = TypeName("ext", "citext")
        assert compared("ci") == (Operator("ext", "=", ours, ours), None, None)
        assert compared("mixed") == (operator("=", "text", "text"), None, builtin("text"))


async def test_the_collation_of_a_comparison(database_url: str) -> None:
    schema = await load(
        database_url,
        'CREATE TABLE p (t text COLLATE "C" PRIMARY KEY)',
        """CREATE TABLE c (same text COLLATE "C" CONSTRAINT same REFERENCES p,
             other text COLLATE "POSIX" CONSTRAINT other REFERENCES p)""",
    )
    found = edges(schema)
    assert found["same"].pairs[0].collate is None
    assert found["other"].pairs[0].collate == Collation("pg_catalog", "C")


async def test_a_temporal_key(database_url: str) -> None:
    if version(database_url) < 180000 or not available(database_url, "btree_gist"):
        pytest.skip("PERIOD came with 18, and needs btree_gist for an integer")
    schema = await load(
        database_url,
        "CREATE EXTENSION btree_gist",
        "CREATE TABLE p (id int, v int4range, PRIMARY KEY (id, v WITHOUT OVERLAPS))",
        "CREATE TABLE c (id int, v int4range, CONSTRAINT fk FOREIGN KEY (id, PERIOD v) REFERENCES p (id, PERIOD v))",
        "CREATE INDEX span ON c USING gist (id, v)",
    )
    edge = edges(schema)["fk"]
    assert edge.period
    assert [pair.equals for pair in edge.pairs] == [INTEGERS, operator("&&", None, None)]
    assert edge.index == "public.span"


SERVING: dict[str, tuple[str, bool]] = {
    "alone": ("CREATE INDEX {index} ON {table} (a, b)", True),
    "any_order": ("CREATE INDEX {index} ON {table} (b, a)", True),
    "longer": ("CREATE INDEX {index} ON {table} (b, a, d)", True),
    "primary_key": ("ALTER TABLE {table} ADD CONSTRAINT {index} PRIMARY KEY (a, b)", True),
    "descending": ("CREATE INDEX {index} ON {table} (a DESC, b NULLS FIRST)", True),
    "not_leading": ("CREATE INDEX {index} ON {table} (d, a, b)", False),
    "half": ("CREATE INDEX {index} ON {table} (a)", False),
    "half_included": ("CREATE INDEX {index} ON {table} (a) INCLUDE (b)", False),
    "in_between": ("CREATE INDEX {index} ON {table} (a, d, b)", False),
    "expression": ("CREATE INDEX {index} ON {table} ((a + 0), b)", False),
    "partial_key_not_null": ("CREATE INDEX {index} ON {table} (a, b) WHERE b IS NOT NULL", True),
    "partial_other_not_null": ("CREATE INDEX {index} ON {table} (a, b) WHERE d IS NOT NULL", False),
    "partial": ("CREATE INDEX {index} ON {table} (a, b) WHERE a > 5", False),
    "brin": ("CREATE INDEX {index} ON {table} USING brin (a, b)", False),
    "own_order": ("CREATE INDEX {index} ON {table} (a backwards, b)", False),
}


async def test_the_index_that_serves_a_composite_key(database_url: str) -> None:
    schema = await load(
        database_url,
        # A btree class of another family, with its own = : the foreign key's = is not in it.
        "CREATE FUNCTION eq(int, int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 OPERATOR(pg_catalog.=) $2'",
        "CREATE FUNCTION lt(int, int) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT $1 OPERATOR(pg_catalog.>) $2'",
        "CREATE FUNCTION cmp(int, int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT pg_catalog.btint4cmp($2, $1)'",
        "CREATE OPERATOR public.=== (FUNCTION = eq, LEFTARG = int, RIGHTARG = int)",
        "CREATE OPERATOR public.<<< (FUNCTION = lt, LEFTARG = int, RIGHTARG = int)",
        """CREATE OPERATOR CLASS backwards FOR TYPE int USING btree
             AS OPERATOR 1 <<<, OPERATOR 3 ===, FUNCTION 1 cmp(int, int)""",
        "CREATE TABLE p (x int, y int, PRIMARY KEY (x, y))",
        *(f"CREATE TABLE {n} (a int, b int, d int, CONSTRAINT {n} FOREIGN KEY (a, b) REFERENCES p)" for n in SERVING),
        *(statement.format(table=name, index=f"{name}_i") for name, (statement, _) in SERVING.items()),
    )
    assert {name: edge.index for name, edge in edges(schema).items()} == {
        name: f"public.{name}_i" if serves else None for name, (_, serves) in SERVING.items()
    }


async def test_the_index_that_serves_a_single_key(database_url: str) -> None:
    schema = await load(
        database_url,
        'CREATE TABLE p (id int PRIMARY KEY, t text COLLATE "C" UNIQUE)',
        "CREATE TABLE several (a int CONSTRAINT several REFERENCES p)",
        "CREATE INDEX zz ON several (a)",
        "CREATE INDEX part ON several (a) WHERE a IS NOT NULL",
        "CREATE TABLE hashed (a int CONSTRAINT hashed REFERENCES p)",
        'CREATE INDEX "Hash It" ON hashed USING hash (a)',
        "CREATE TABLE pattern (t text CONSTRAINT pattern REFERENCES p (t))",
        "CREATE INDEX pattern_i ON pattern (t text_pattern_ops)",
        'CREATE TABLE collated (t text COLLATE "C" CONSTRAINT collated REFERENCES p (t))',
        'CREATE INDEX collated_i ON collated (t COLLATE "POSIX")',
        "CREATE TABLE broken (a int CONSTRAINT broken REFERENCES p)",
        "INSERT INTO p VALUES (1, 'x')",
        "INSERT INTO broken VALUES (1), (1)",
    )
    with pytest.raises(psycopg.errors.UniqueViolation):
        run(database_url, "CREATE UNIQUE INDEX CONCURRENTLY broken_i ON broken (a)")
    schema = await load(database_url)
    assert {name: edge.index for name, edge in edges(schema).items()} == {
        "several": "public.zz",
        "hashed": 'public."Hash It"',
        "pattern": "public.pattern_i",
        "collated": None,
        "broken": None,
    }


async def test_every_index_that_is_said_to_serve_is_used_by_postgresql(database_url: str) -> None:
    """The planner's verdict on the lookup that a delete of a parent makes, with sequential scans off."""
    cases = {
        "plain": ("a int REFERENCES p", "(a)"),
        "not_null": ("a int REFERENCES p", "(a) WHERE a IS NOT NULL"),
        "hashed": ("a int REFERENCES p", "USING hash (a)"),
        "wide": ("a bigint REFERENCES p", "(a)"),
        "pattern": ("a text REFERENCES p (t)", "(a text_pattern_ops)"),
        "posix": ('a text COLLATE "POSIX" REFERENCES p (t)', '(a COLLATE "C")'),
        "expression": ("a int REFERENCES p", "((a + 0))"),
        "partial": ("a int REFERENCES p", "(a) WHERE a > 5"),
    }
    schema = await load(
        database_url,
        "CREATE TABLE p (id int PRIMARY KEY, t text UNIQUE)",
        *(f"CREATE TABLE {name} ({column})" for name, (column, _) in cases.items()),
        *(f"CREATE INDEX {name}_i ON {name} {index}" for name, (_, index) in cases.items()),
    )
    with psycopg.connect(database_url) as connection:
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET plan_cache_mode = force_generic_plan")
        for edge in schema.edges.values():
            name = schema.child_of(edge).name
            kind = schema.parent_of(edge).column(edge.pairs[0].parent.number).type.name
            connection.execute(
                f"PREPARE {name}_q({kind}) AS SELECT FROM ONLY {name} x WHERE $1 = a FOR KEY SHARE".encode()
            )
            value = "1" if kind == "int4" else "'x'"
            plan = connection.execute(f"EXPLAIN EXECUTE {name}_q({value})".encode()).fetchall()
            used = any(f"{name}_i" in line for (line,) in plan)
            assert used == (edge.index is not None), (name, plan)


async def test_triggers_that_do_not_fire(database_url: str) -> None:
    def trigger(table: str, state: str) -> str:
        """Set every check trigger of the table to this state."""
        names = "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND tgname ~ '^RI_ConstraintTrigger_c'"
        names = names.replace("%s", f"'{table}'")
        alter = f"EXECUTE format('ALTER TABLE {table} {state} TRIGGER %I', t)"
        return f"DO $$ DECLARE t text; BEGIN FOR t IN {names} LOOP {alter}; END LOOP; END $$"

    off = {
        "child": ["ALTER TABLE child_c DISABLE TRIGGER ALL"],
        "parent": ["ALTER TABLE parent_p DISABLE TRIGGER ALL"],
        "replica": [trigger("replica_c", "ENABLE REPLICA")],
        "always": [trigger("always_c", "ENABLE ALWAYS")],
        "again": ["ALTER TABLE again_c DISABLE TRIGGER ALL", "ALTER TABLE again_c ENABLE TRIGGER ALL"],
        "owner": ["ALTER TABLE owner_c DISABLE TRIGGER USER"],
        "ends": ["ALTER TABLE ends_c DISABLE TRIGGER ALL", "ALTER TABLE ends_p DISABLE TRIGGER ALL"],
    }
    schema = await load(
        database_url,
        *(f"CREATE TABLE {name}_p (id int PRIMARY KEY)" for name in off),
        *(f"CREATE TABLE {name}_c (x int CONSTRAINT {name} REFERENCES {name}_p)" for name in off),
        "CREATE TABLE node (id int PRIMARY KEY, up int CONSTRAINT node REFERENCES node)",
        "ALTER TABLE node DISABLE TRIGGER ALL",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        "CREATE TRIGGER own BEFORE INSERT ON always_c FOR EACH ROW EXECUTE FUNCTION f()",
        "ALTER TABLE always_c DISABLE TRIGGER own",
        *(statement for statements in off.values() for statement in statements),
    )
    found = edges(schema)
    assert {name: edge.triggers for name, edge in found.items()} == {
        "child": Triggers(2, 0, 0, ("public.child_c",)),
        "parent": Triggers(0, 2, 0, ("public.parent_p",)),
        "replica": Triggers(2, 0, 0, ("public.replica_c",)),
        "ends": Triggers(2, 2, 0, ("public.ends_c", "public.ends_p")),
        "node": Triggers(2, 2, 0, ("public.node",)),
        "always": Triggers(),
        "again": Triggers(),
        "owner": Triggers(),
    }
    assert {name for name, edge in found.items() if edge.state is EdgeState.DISABLED} == {
        "child",
        "parent",
        "replica",
        "ends",
        "node",
    }
