"""Keys without an index, constraints and indexes that are there twice, keys that will not fit; and nothing said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.doctor.hurts_types import lasting
from fkexplorer.doctor.model import Severity
from fkexplorer.schema.actions import FixAction
from tests.doctor.examined import examined, of_code

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.demo.server import EmbeddedServer

ROWS = 40_000
LARGE = f"""
CREATE TABLE p (id int PRIMARY KEY, code numeric UNIQUE); INSERT INTO p SELECT n, n FROM generate_series(1, 100) n;
SET session_replication_role = replica;
CREATE TABLE large (p int CONSTRAINT large_fk REFERENCES p ON DELETE CASCADE);
INSERT INTO large SELECT 1 + n % 100 FROM generate_series(1, {ROWS}) n;
CREATE TABLE indexed (p int CONSTRAINT indexed_fk REFERENCES p); CREATE INDEX ON indexed (p);
INSERT INTO indexed TABLE large;
CREATE TABLE not_nulls (p int CONSTRAINT not_nulls_fk REFERENCES p); CREATE INDEX ON not_nulls (p) WHERE p IS NOT NULL;
INSERT INTO not_nulls TABLE large;
CREATE TABLE partial (p int CONSTRAINT partial_fk REFERENCES p); CREATE INDEX partial_some ON partial (p) WHERE p > 9;
INSERT INTO partial TABLE large;
CREATE TABLE other_type (p int CONSTRAINT other_type_fk REFERENCES p (code)); CREATE INDEX ON other_type (p);
INSERT INTO other_type TABLE large;
CREATE TABLE small (p int CONSTRAINT small_fk REFERENCES p); INSERT INTO small SELECT 1;
RESET session_replication_role;
ANALYZE;
"""


@pytest.fixture(scope="module")
def large(make_database: Callable[[str], str]) -> str:
    return make_database(LARGE)


@pytest.mark.matrix
async def test_a_large_child_without_an_index_costs_each_delete(large: str) -> None:
    found = of_code(await examined(large), "no_index")
    assert {each.rpartition(".")[2] for each in found} == {"large_fk", "partial_fk", "other_type_fk"}
    plain = found["public.large.large_fk"]
    assert plain.severity is Severity.NOTICE
    assert "has no index on p of public.large (1.4 MiB, about 40,000 rows)." in plain.text
    assert "To delete the rows below it, a delete of one row of public.p" in plain.text
    assert plain.treatment.action is FixAction.CREATE_INDEX
    assert plain.treatment.statements == ('CREATE INDEX CONCURRENTLY "large_p_idx" ON "public"."large" ("p")',)
    assert "partial_some has some of its rows only" in found["public.partial.partial_fk"].text


@pytest.mark.matrix
async def test_an_index_of_another_type_is_none_and_another_one_would_not_help(large: str) -> None:
    found = of_code(await examined(large, only=["other_type_fk"]), "no_index")["public.other_type.other_type_fk"]
    assert "it is compared as numeric, which an index of integer does not serve" in found.text
    assert found.treatment.action is None
    with psycopg.connect(large, autocommit=True) as connection:
        plan = "\n".join(
            row[0]
            for row in connection.execute(
                "EXPLAIN SELECT 1 FROM ONLY other_type x WHERE 5::numeric OPERATOR(pg_catalog.=) x.p"
            ).fetchall()
        )
    assert "Seq Scan" in plan


async def test_a_table_with_many_keys_without_an_index_is_told_once(make_database: Callable[[str], str]) -> None:
    keys = ", ".join(f"k{n} int CONSTRAINT k{n}_fk REFERENCES p" for n in range(5))
    conninfo = make_database(
        f"CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE facts ({keys});"
        f"INSERT INTO facts SELECT FROM generate_series(1, {ROWS}); ANALYZE"
    )
    [found] = of_code(await examined(conninfo), "no_index").values()
    assert found.subject == "public.facts"
    assert "have no index: k0, k1, k2 and 2 more." in found.text
    assert len([each for each in found.treatment.statements if each.startswith("CREATE INDEX CONCURRENTLY")]) == 5
    [alone] = of_code(await examined(conninfo, only=["k3_fk"]), "no_index").values()
    assert alone.subject == "public.facts.k3_fk"


async def test_how_many_rows_were_deleted_is_told(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 4);"
        f"CREATE TABLE c (p int CONSTRAINT c_fk REFERENCES p); INSERT INTO c SELECT 1 FROM generate_series(1, {ROWS});"
        "ANALYZE"
    )
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_reset()")
        connection.execute("DELETE FROM p WHERE id > 1")
        connection.execute("SELECT pg_stat_force_next_flush()")
        connection.execute("ANALYZE c")
    [found] = of_code(await examined(conninfo), "no_index").values()
    assert "3 rows were deleted there." in found.text


async def test_the_same_constraint_twice(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        "CREATE TABLE p (id int PRIMARY KEY, other int UNIQUE);"
        "CREATE TABLE c (p int CONSTRAINT first REFERENCES p, CONSTRAINT again FOREIGN KEY (p) REFERENCES p,"
        " CONSTRAINT other_key FOREIGN KEY (p) REFERENCES p (other));"
        "CREATE TABLE d (p int CONSTRAINT stops REFERENCES p,"
        " CONSTRAINT goes FOREIGN KEY (p) REFERENCES p ON DELETE CASCADE)"
    )
    found = of_code(await examined(conninfo), "duplicate_constraint")
    assert list(found) == ["public.c.again", "public.d.goes"]
    again, goes = found.values()
    assert again.text == "public.c.again says again what first says: p refers to public.p."
    assert again.treatment.statements == ('ALTER TABLE "public"."c" DROP CONSTRAINT "again"',)
    assert goes.text.endswith("but stops is ON DELETE NO ACTION and goes is ON DELETE CASCADE.")
    assert goes.treatment.statements[0].startswith("-- Decide")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for finding in found.values():
            for statement in finding.treatment.statements:
                connection.execute(statement.encode())
    assert not of_code(await examined(conninfo), "duplicate_constraint")


INDEXES = """
CREATE TABLE p (id int PRIMARY KEY, code int, CONSTRAINT p_code UNIQUE (code));
CREATE UNIQUE INDEX p_id_again ON p (id);
CREATE UNIQUE INDEX p_code_again ON p (code);
CREATE TABLE c (id int, p int CONSTRAINT c_fk REFERENCES p, at int, code int CONSTRAINT c_code REFERENCES p (code));
CREATE INDEX c_p ON c (p);
CREATE INDEX c_p_again ON c (p);
CREATE INDEX c_p_down ON c (p DESC);
CREATE INDEX c_p_at ON c (p, at);
CREATE INDEX c_at ON c (at);
CREATE INDEX c_at_again ON c (at);
CREATE INDEX c_code_hash ON c USING hash (code);
CREATE INDEX c_code ON c (code);
CREATE INDEX c_code_some ON c (code) WHERE code > 9;
CREATE TABLE parts (p int CONSTRAINT parts_fk REFERENCES p) PARTITION BY RANGE (p);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (9);
CREATE INDEX parts_p ON parts (p);
CREATE INDEX parts_p_again ON parts (p);
"""


@pytest.mark.matrix
async def test_indexes_that_do_no_more_than_another_one(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(INDEXES)
    found = of_code(await examined(conninfo), "duplicate_index")
    # An index of columns that no foreign key has, one that only begins another and is small: nothing is said.
    assert sorted(found) == ["public.c_p_again", "public.p_code_again", "public.p_id_again", "public.parts_p_again"]
    again = found["public.c_p_again"]
    assert again.text.startswith("public.c_p_again on public.c (p), 8.0 KiB, is the same as public.c_p.")
    assert again.text.endswith(" it was never read, and the other was never read.")
    assert again.treatment.statements == ("DROP INDEX CONCURRENTLY public.c_p_again",)
    assert found["public.parts_p_again"].treatment.statements == ("DROP INDEX public.parts_p_again",)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for finding in found.values():
            for statement in finding.treatment.statements:
                connection.execute(statement.encode())
    later = await examined(conninfo)
    assert not of_code(later, "duplicate_index")
    assert len(later.edges) == len((await examined(conninfo)).edges) == 3


async def test_a_unique_index_that_is_stricter_than_its_twin_is_kept(
    server: EmbeddedServer, make_database: Callable[[str], str]
) -> None:
    assert server.major >= 15
    conninfo = make_database(
        "CREATE TABLE p (id int PRIMARY KEY, later int UNIQUE DEFERRABLE, nulls int UNIQUE);"
        "CREATE UNIQUE INDEX at_once ON p (later); CREATE UNIQUE INDEX one_null ON p (nulls) NULLS NOT DISTINCT;"
        "CREATE TABLE c (a int REFERENCES p (later), b int REFERENCES p (nulls))"
    )
    assert not of_code(await examined(conninfo), "duplicate_index")


async def test_a_large_index_that_another_one_begins_with(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 400000);"
        "CREATE TABLE c (p int CONSTRAINT c_fk REFERENCES p, at int) WITH (autovacuum_enabled = off);"
        "SET session_replication_role = replica; INSERT INTO c SELECT n, n FROM generate_series(1, 400000) n;"
        "CREATE INDEX c_p ON c (p); CREATE INDEX c_p_at ON c (p, at); ANALYZE"
    )
    [found] = of_code(await examined(conninfo), "duplicate_index").values()
    assert found.subject == "public.c_p"
    assert "is how public.c_p_at (p, at) begins." in found.text


NARROW = """
CREATE TABLE p (id bigint PRIMARY KEY); INSERT INTO p VALUES (1), (1503238553);
CREATE TABLE narrow (p int CONSTRAINT narrow_fk REFERENCES p);
CREATE TABLE wide (p bigint CONSTRAINT wide_fk REFERENCES p);
CREATE TABLE q (id int PRIMARY KEY);
CREATE TABLE wider (q bigint CONSTRAINT wider_fk REFERENCES q);
CREATE TABLE same (q int CONSTRAINT same_fk REFERENCES q);
CREATE TABLE empty (id int8 PRIMARY KEY);
CREATE TABLE tiny (p int2 CONSTRAINT tiny_fk REFERENCES empty);
"""


async def test_an_integer_that_refers_to_a_bigint(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(NARROW)
    found = of_code(await examined(conninfo), "narrow_key")
    assert list(found) == ["public.narrow.narrow_fk", "public.tiny.tiny_fk"]
    narrow, tiny = found.values()
    assert narrow.treatment.action is FixAction.CHANGE_TYPE
    assert 'ALTER COLUMN "p" TYPE bigint' in narrow.treatment.statements[0]
    assert narrow.text == (
        "public.narrow.p is integer, and refers to public.p.id, which is bigint: keys over 2,147,483,647 do not fit."
        " The greatest is 1,503,238,553, 70 % of that."
    )
    assert tiny.text.endswith("keys over 32,767 do not fit. There is none yet.")


@pytest.mark.parametrize(
    ("left", "inserted", "days", "said"),
    [
        (1_000_000, 20_000, 2, " With 10,000 new rows a day that lasts about 3 months."),
        (1_000_000, 1_000, 2, " With 500 new rows a day that lasts about 5 years."),
        (1_000_000, 1, 2, " With 1 new row a day that lasts more than 100 years."),
        (0, 20, 2, " With 10 new rows a day that lasts about 0 days."),
        (1_000_000, 20_000, 0.9, ""),
        (1_000_000, 0, 9, ""),
    ],
)
def test_how_long_it_lasts_is_told_by_the_rows_that_came(left: int, inserted: int, days: float, said: str) -> None:
    now = datetime(2026, 6, 1, tzinfo=UTC)
    assert lasting(left, inserted, now - timedelta(days=days), now) == said
    assert not lasting(left, inserted, None, now)


async def test_many_integers_that_refer_to_one_bigint_are_one_finding(make_database: Callable[[str], str]) -> None:
    tables = "".join(f"CREATE TABLE c{n} (p int CONSTRAINT c{n}_fk REFERENCES p);" for n in range(6))
    conninfo = make_database(f"CREATE TABLE p (id bigint PRIMARY KEY); {tables}")
    [calm] = of_code(await examined(conninfo), "narrow_key").values()
    assert calm.subject == "columns smaller than their keys"
    assert calm.text == (
        "6 columns have less room than the keys that they refer to: public.c0.p, public.c1.p, public.c2.p and 3 more."
        " None is near its end: the furthest, public.p.id, has used less than 1 %."
    )
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("INSERT INTO p VALUES (2000000000)")
    [found] = of_code(await examined(conninfo), "narrow_key").values()
    assert found.subject == "public.p.id"
    assert found.text.startswith("6 columns that refer to public.p.id, which is bigint, are smaller")
    [alone] = of_code(await examined(conninfo, only=["c3_fk"]), "narrow_key").values()
    assert alone.subject == "public.c3.c3_fk"


async def test_of_constraints_that_are_alike_the_strictest_is_kept(make_database: Callable[[str], str]) -> None:
    key = "FOREIGN KEY (a, b) REFERENCES p"
    conninfo = make_database(
        "CREATE TABLE p (a int, b int, PRIMARY KEY (a, b));"
        f"CREATE TABLE c (a int, b int, CONSTRAINT simple {key}, CONSTRAINT whole {key} MATCH FULL);"
        f"CREATE TABLE d (a int, b int, CONSTRAINT later {key} DEFERRABLE INITIALLY DEFERRED, CONSTRAINT now {key});"
        f"CREATE TABLE e (a int, b int, CONSTRAINT follows {key} ON UPDATE CASCADE, CONSTRAINT stays {key})"
    )
    found = of_code(await examined(conninfo), "duplicate_constraint")
    assert list(found) == ["public.c.simple", "public.d.later", "public.e.stays"]
    assert found["public.e.stays"].text.endswith("but follows is ON UPDATE CASCADE and stays is ON UPDATE NO ACTION.")
