"""What keeps a pair of columns from being a constraint: each cause provoked, mended as advised, and silent after it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.doctor.model import Severity
from fkexplorer.fixes.locks import ACCESS_EXCLUSIVE, SHARE_ROW_EXCLUSIVE
from fkexplorer.schema.actions import FixAction
from tests.doctor.pairs import errors, examined_names, examined_pairs, runnable
from tests.orphans.connected import new_role, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.demo.server import EmbeddedServer

SOON = r"(less than a second|about \d+ s)"

SCHEMA = """
CREATE TABLE parent (id int PRIMARY KEY, a int, b text, email text, code text, late int, twice int, number int,
 CONSTRAINT parent_late_key UNIQUE (late) DEFERRABLE, UNIQUE (a, b));
INSERT INTO parent SELECT n, n, 'b' || n, 'e' || n, 'c' || n, n, n % 3, n FROM generate_series(1, 9) n;
CREATE UNIQUE INDEX parent_some ON parent (email) WHERE email <> '';
CREATE UNIQUE INDEX parent_lower ON parent (lower(code));
CREATE TABLE healthy (parent_id int);
INSERT INTO healthy SELECT n FROM generate_series(1, 9) n UNION ALL SELECT NULL;
CREATE TABLE orphaned (id int PRIMARY KEY, parent_id int);
INSERT INTO orphaned SELECT n, n FROM generate_series(1, 14) n;
CREATE TABLE child (parent_id int, email text, code text, late int, twice int, a int, b text, number int, word text);
CREATE UNLOGGED TABLE cache (id int PRIMARY KEY);
CREATE UNLOGGED TABLE fleeting (parent_id int);
CREATE VIEW people AS SELECT id FROM parent;
CREATE MATERIALIZED VIEW frozen AS SELECT id FROM parent;
CREATE TABLE made (parent_id int CONSTRAINT made_fkey REFERENCES parent);
CREATE TABLE parts (id int) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (9);
ANALYZE;
"""


@pytest.fixture(scope="module")
def some(make_database: Callable[[str], str]) -> str:
    return make_database(SCHEMA)


async def test_a_pair_that_nothing_stands_in_the_way_of(some: str) -> None:
    found = await examined_pairs(some, "healthy(parent_id):parent(id)")
    [notice] = found.findings
    assert (notice.code, notice.severity) == ("undeclared", Severity.NOTICE)
    assert notice.text == (
        "public.healthy(parent_id):public.parent(id) has no constraint, and nothing stands in the way of one; it has no"
        " orphan."
    )
    assert re.fullmatch(f"0 orphans: VALIDATE will pass, {SOON}, blocks no writes.", notice.treatment.forecast)
    assert notice.treatment.action is FixAction.ADD_CONSTRAINT
    assert [lock.mode for lock in notice.treatment.locks] == [SHARE_ROW_EXCLUSIVE, SHARE_ROW_EXCLUSIVE]
    assert len(notice.treatment.statements) == 2


async def test_a_constraint_that_is_made_has_no_such_finding(some: str) -> None:
    found = await examined_pairs(some, "made(parent_id):parent(id)")
    assert not errors(found)
    assert "undeclared" not in {each.code for each in found.findings}


@pytest.mark.matrix
async def test_orphans_are_counted_and_a_constraint_not_valid_comes_before_they_are_mended(
    make_database: Callable[[str], str],
) -> None:
    own = make_database(SCHEMA)
    pair = "orphaned(parent_id):parent(id)"
    found = errors(await examined_pairs(own, pair))
    assert found.keys() == {"orphans_in_the_way"}
    finding = found["orphans_in_the_way"]
    assert finding.text == "5 orphans in public.orphaned.parent_id: VALIDATE would fail."
    assert re.fullmatch(
        f"5 orphans: mend them, and VALIDATE will pass, {SOON}, blocks no writes.", finding.treatment.forecast
    )
    add, decide, validate = finding.treatment.statements
    assert add.endswith("NOT VALID")
    assert decide.startswith("-- Mend the 5 orphans: ")
    await run(own, add)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        await run(own, validate)
    await run(own, "DELETE FROM orphaned WHERE parent_id > 9")
    await run(own, validate)


@pytest.mark.parametrize(
    ("pair", "code", "said"),
    [
        ("child(number):parent(number)", "no_unique_key", "No unique key covers just public.parent.number"),
        ("child(late):parent(late)", "deferrable_key", "parent_late_key is DEFERRABLE"),
        ("child(email):parent(email)", "unusable_key", "parent_some is partial"),
        ("child(code):parent(code)", "no_unique_key", "parent_lower is of an expression"),
        ("child(a):parent(a)", "no_unique_key", "parent_a_b_key (a, b)"),
    ],
)
async def test_a_parent_without_a_key_that_serves(some: str, pair: str, code: str, said: str) -> None:
    found = errors(await examined_pairs(some, pair))
    assert found.keys() == {code}
    assert said in found[code].text
    assert found[code].treatment.action is FixAction.ADD_UNIQUE
    build, *_, validate = runnable(found[code])
    assert build.startswith("CREATE UNIQUE INDEX CONCURRENTLY")
    assert "VALIDATE" in validate


async def test_a_key_that_is_not_valid_and_one_of_another_order(make_database: Callable[[str], str]) -> None:
    own = make_database(
        "CREATE TABLE p (a int, b text, n int, UNIQUE (b, a)); CREATE TABLE c (a int, b text, n int);"
        "INSERT INTO p VALUES (1, 'x', 7), (2, 'y', 7)"
    )
    with pytest.raises(psycopg.errors.UniqueViolation):
        await run(own, "CREATE UNIQUE INDEX CONCURRENTLY broken ON p (n)")
    found = errors(await examined_pairs(own, "c(n):p(n)"))
    assert found.keys() == {"unusable_key"}
    text = found["unusable_key"].text
    assert "broken is not valid" in text
    assert "1 key of public.p.n is there more than once: n = 7 2 times." in text
    assert found["unusable_key"].treatment.statements[0].startswith("-- First decide which rows keep their key")
    # The order of a key's columns says nothing.
    assert not errors(await examined_pairs(own, "c(a, b):p(a, b)"))


@pytest.mark.matrix
async def test_a_key_is_made_as_advised(make_database: Callable[[str], str]) -> None:
    own = make_database(SCHEMA)
    pair = "child(number):parent(number)"
    for statement in runnable(errors(await examined_pairs(own, pair))["no_unique_key"]):
        await run(own, statement)
    found = await examined_pairs(own, pair)
    assert not errors(found)
    assert found.edges[0].validated


@pytest.mark.matrix
async def test_nulls_not_distinct_serves_as_any_unique_key(database_url: str, server: EmbeddedServer) -> None:
    how = "NULLS NOT DISTINCT " if server.major >= 15 else ""
    await run(
        database_url, f"CREATE TABLE p (id int UNIQUE {how}); CREATE TABLE c (id int); INSERT INTO p VALUES (NULL)"
    )
    found = await examined_pairs(database_url, "c(id):p(id)")
    assert [each.code for each in found.findings] == ["undeclared"]
    for statement in found.findings[0].treatment.statements:
        await run(database_url, statement)


async def test_columns_in_another_order_than_that_of_their_types(some: str) -> None:
    found = errors(await examined_pairs(some, "child(b, a):parent(a, b)"))
    assert found.keys() == {"columns_swapped"}
    assert "public.child(b, a):public.parent(b, a)" in found["columns_swapped"].text
    assert not errors(await examined_pairs(some, "child(b, a):parent(b, a)"))


async def test_a_parent_that_does_not_last(make_database: Callable[[str], str]) -> None:
    own = make_database(SCHEMA)
    found = errors(await examined_pairs(own, "child(number):cache(id)"))
    assert found.keys() == {"persistence"}
    finding = found["persistence"]
    assert finding.text.startswith("public.child is permanent, public.cache is UNLOGGED")
    assert finding.treatment.locks[0].mode == ACCESS_EXCLUSIVE
    for statement in runnable(finding):
        await run(own, statement)
    assert not errors(await examined_pairs(own, "child(number):cache(id)"))
    # What goes before its parent does may refer to it.
    assert not errors(await examined_pairs(own, "fleeting(parent_id):parent(id)"))


async def test_a_foreign_table(database_url: str) -> None:
    await run(
        database_url,
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE far (id int)"
        " SERVER s; CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int)",
    )
    for pair in ("far(id):p(id)", "c(id):far(id)"):
        found = errors(await examined_pairs(database_url, pair))
        assert found.keys() == {"foreign_table"}
        assert not runnable(found["foreign_table"])


@pytest.mark.matrix
async def test_a_generated_column_that_is_stored_nowhere(database_url: str, server: EmbeddedServer) -> None:
    kept = "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (n int, kept int GENERATED ALWAYS AS (n) STORED"
    if server.major < 18:
        await run(database_url, f"{kept})")
    else:
        await run(database_url, f"{kept}, virtual int GENERATED ALWAYS AS (n) VIRTUAL)")
        found = errors(await examined_pairs(database_url, "c(virtual):p(id)"))
        assert found.keys() == {"virtual_column"}
        with pytest.raises(psycopg.errors.FeatureNotSupported):
            await run(database_url, "ALTER TABLE c ADD FOREIGN KEY (virtual) REFERENCES p")
    assert not errors(await examined_pairs(database_url, "c(kept):p(id)"))


@pytest.mark.matrix
async def test_a_partitioned_child_is_added_in_one_step_where_the_server_wants_it(
    database_url: str, server: EmbeddedServer
) -> None:
    await run(
        database_url,
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p_id int) PARTITION BY RANGE (p_id);"
        "CREATE TABLE c_1 PARTITION OF c FOR VALUES FROM (1) TO (9); INSERT INTO p VALUES (1);"
        "INSERT INTO c VALUES (1)",
    )
    [notice] = (await examined_pairs(database_url, "c(p_id):p(id)")).findings
    assert notice.code == "undeclared"
    assert len(notice.treatment.statements) == (2 if server.major >= 18 else 1)
    assert ("blocks no writes" in notice.treatment.forecast) is (server.major >= 18)
    await run(database_url, "INSERT INTO c VALUES (2)")
    finding = errors(await examined_pairs(database_url, "c(p_id):p(id)"))["orphans_in_the_way"]
    assert finding.treatment.statements[0 if server.major < 18 else 1].startswith("-- Mend the orphan: ")
    await run(database_url, "DELETE FROM c WHERE p_id = 2")
    for statement in runnable(finding):
        await run(database_url, statement)
    assert not errors(await examined_pairs(database_url, "c(p_id):p(id)"))


@pytest.mark.matrix
async def test_exactly_the_privileges_that_are_missing(some: str) -> None:
    pair = "healthy(parent_id):parent(id)"
    async with new_role(some) as role:
        found = errors(await examined_pairs(some, pair, role=role))
        lacks = found["privilege_missing"]
        assert f"{role} has no REFERENCES on public.parent." in lacks.text
        assert f"{role} is not the owner of public.healthy" in lacks.text
        grants = runnable(lacks)
        assert f"GRANT REFERENCES ON public.parent TO {role}" in grants
        # One that owns neither came to read: what it lacks is not the database's fault.
        whole = await examined_pairs(some, pair, role=role, whole=True)
        assert "privilege_missing" not in {each.code for each in whole.findings}
        await run(some, f"GRANT REFERENCES, SELECT ON parent TO {role}; ALTER TABLE healthy OWNER TO {role}")
        try:
            assert not errors(await examined_pairs(some, pair, role=role))
        finally:
            await run(some, "ALTER TABLE healthy OWNER TO postgres")


async def test_what_may_not_be_read_is_not_clean(some: str) -> None:
    async with new_role(some) as role:
        found = await examined_pairs(some, "healthy(parent_id):parent(id)", role=role, whole=True)
        [notice] = [each for each in found.findings if each.code == "undeclared"]
        assert "its orphans were not counted" in notice.text
        assert notice.treatment.forecast.startswith("The orphans are not known")
        assert "the orphans of public.healthy(parent_id):public.parent(id)" in {what for what, _ in found.not_looked}


async def test_what_is_over_the_limit_is_said_to_be(some: str) -> None:
    found = await examined_pairs(some, "healthy(parent_id):parent(id)", max_bytes=1)
    [(what, reason)] = found.skipped
    assert what == "public.healthy(parent_id):public.parent(id)"
    assert "over the limit of 1 bytes" in reason
    assert not found.not_looked


@pytest.mark.parametrize(
    ("pair", "code", "said"),
    [
        ("gone(parent_id):parent(id)", "table_missing", "There is no table gone: its CREATE failed, or has not run"),
        (
            "child(parent_id):parnt(id)",
            "order_of_creation",
            "it has to be there before another one refers to it. Near: p",
        ),
        ("gone(id):lost(id)", "table_missing", "There is no table gone"),
        ("child(parent_id):people(id)", "not_a_table", "public.people reads public.parent."),
        ("child(parent_id):frozen(id)", "not_a_table", "public.frozen is a materialized view"),
        ("people(id):parent(id)", "not_a_table", "public.people is a view, and only a table has a foreign key."),
        ("child(parentid):parent(id)", "column_missing", "has no column parentid. Near: parent_id"),
        ("child(parent_id):parent(a, b)", "arity", "is named with 1 column and public.parent with 2 columns."),
    ],
)
async def test_names_of_which_something_is_not_there(some: str, pair: str, code: str, said: str) -> None:
    found = await examined_names(some, pair)
    [finding] = found.findings
    assert (finding.code, finding.severity, finding.edge) == (code, Severity.ERROR, None)
    assert said in finding.text
    assert finding.text.endswith("(file.toml:3)")
    assert finding.subject == pair


async def test_a_partition_is_no_missing_table(some: str) -> None:
    found = await examined_names(some, "parts_1(id):parent(id)")
    assert not found.findings
    [(what, reason)] = found.not_looked
    assert what == "parts_1(id):parent(id)"
    assert "is a partition" in reason
