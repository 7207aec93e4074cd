"""What is made but not sure: each finding provoked on a real server, beside constraints of which it stays silent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.doctor.model import Severity
from fkexplorer.fixes.locks import ACCESS_EXCLUSIVE, SHARE_UPDATE_EXCLUSIVE
from fkexplorer.schema.actions import FixAction
from tests.doctor.examined import examined, of_code
from tests.orphans.connected import new_role

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.demo.server import EmbeddedServer

# Of each kind one constraint of which something is to be said, and `sound`, of which nothing is.
SCHEMA = """
CREATE TABLE p (id int PRIMARY KEY);
INSERT INTO p SELECT generate_series(1, 20);
CREATE TABLE sound (p int CONSTRAINT sound REFERENCES p ON DELETE CASCADE);
INSERT INTO sound SELECT generate_series(1, 20);
CREATE TABLE clean (p int); INSERT INTO clean SELECT 1;
ALTER TABLE clean ADD CONSTRAINT clean_nv FOREIGN KEY (p) REFERENCES p NOT VALID;
CREATE TABLE dirty (p int); INSERT INTO dirty VALUES (98), (99);
ALTER TABLE dirty ADD CONSTRAINT dirty_nv FOREIGN KEY (p) REFERENCES p NOT VALID;
CREATE TABLE bypassed (p int CONSTRAINT bypassed REFERENCES p);
ALTER TABLE bypassed DISABLE TRIGGER ALL; INSERT INTO bypassed VALUES (99); ALTER TABLE bypassed ENABLE TRIGGER ALL;
CREATE TABLE child_off (p int CONSTRAINT child_off REFERENCES p);
ALTER TABLE child_off DISABLE TRIGGER ALL; INSERT INTO child_off VALUES (99);
CREATE TABLE p_off (id int PRIMARY KEY);
CREATE TABLE parent_off (p int CONSTRAINT parent_off REFERENCES p_off);
ALTER TABLE p_off DISABLE TRIGGER ALL;
CREATE TABLE user_off (p int CONSTRAINT user_off REFERENCES p);
ALTER TABLE user_off DISABLE TRIGGER USER;
CREATE TABLE parts (p int CONSTRAINT part_off REFERENCES p) PARTITION BY RANGE (p);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (10);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
ALTER TABLE parts_2 DISABLE TRIGGER ALL;
CREATE TABLE later (p int CONSTRAINT later REFERENCES p DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE maybe (p int CONSTRAINT maybe REFERENCES p DEFERRABLE);
"""
SILENT = ("sound", "user_off", "maybe")

pytestmark = pytest.mark.matrix


@pytest.fixture(scope="module")
def some(make_database: Callable[[str], str]) -> str:
    return make_database(SCHEMA)


async def test_of_each_constraint_the_one_thing_that_is_wrong_with_it(some: str) -> None:
    found = await examined(some)
    warnings = [(each.code, each.subject) for each in found.of(Severity.WARNING)]
    assert sorted(warnings) == [
        ("deferred", "public.later.later"),
        ("not_valid", "public.clean.clean_nv"),
        ("not_valid", "public.dirty.dirty_nv"),
        ("orphans_under_valid", "public.bypassed.bypassed"),
        ("triggers_disabled", "public.child_off.child_off"),
        ("triggers_disabled", "public.parent_off.parent_off"),
        ("triggers_disabled", "public.parts.part_off"),
    ]
    assert not [each for each in found.findings if each.subject.rpartition(".")[2] in SILENT]
    assert not found.not_looked


async def test_a_constraint_without_orphans_will_validate_and_blocks_no_writes(some: str) -> None:
    [found] = of_code(await examined(some, only=["clean_nv"]), "not_valid").values()
    assert found.text == (
        "public.clean.clean_nv is NOT VALID: rows from before it were never checked; it has no orphan."
    )
    assert found.treatment.statements == ('ALTER TABLE ONLY "public"."clean" VALIDATE CONSTRAINT "clean_nv"',)
    assert found.treatment.forecast == "0 orphans: VALIDATE will pass, less than a second, blocks no writes."
    assert found.treatment.action is FixAction.VALIDATE
    assert found.treatment.locks[0].mode == SHARE_UPDATE_EXCLUSIVE


async def test_orphans_come_before_the_statement_that_they_would_make_fail(some: str) -> None:
    [found] = of_code(await examined(some, only=["dirty_nv"]), "not_valid").values()
    assert found.text.endswith("it has 2 orphans.")
    assert found.treatment.statements[0] == "-- First mend the 2 orphans: delete, set-null, insert-parents or repoint."
    assert found.treatment.statements[1].endswith('VALIDATE CONSTRAINT "dirty_nv"')
    assert found.treatment.forecast == "2 orphans: VALIDATE would fail."


async def test_a_valid_constraint_with_an_orphan_is_made_anew(some: str) -> None:
    [found] = of_code(await examined(some, only=["bypassed"]), "orphans_under_valid").values()
    assert found.text == "public.bypassed.bypassed is valid, and yet it has 1 orphan."
    assert found.treatment.action is FixAction.REVALIDATE
    assert "DROP CONSTRAINT" in found.treatment.statements[1]
    assert found.treatment.locks[0].mode == ACCESS_EXCLUSIVE


async def test_triggers_that_are_off_are_told_with_their_place_and_their_side(some: str) -> None:
    found = of_code(await examined(some), "triggers_disabled")
    child = found["public.child_off.child_off"]
    assert "on public.child_off" in child.text
    assert "it has 1 orphan" in child.text
    assert "rows may come that name no parent" in child.why
    parent = found["public.parent_off.parent_off"]
    assert "on public.p_off" in parent.text
    assert "parents may go" in parent.why
    part = found["public.parts.part_off"]
    assert "on public.parts_2" in part.text
    assert "public.parts_1" not in part.text


async def test_what_could_not_be_counted_is_told_in_place_of_a_forecast(some: str) -> None:
    [found] = of_code(await examined(some, only=["clean_nv"], max_bytes=1), "not_valid").values()
    assert "its orphans were not counted" in found.text
    assert found.treatment.forecast == "Count its orphans first: with any of them VALIDATE fails."


async def test_a_role_that_may_read_nothing_hears_of_the_catalogue_alone(some: str) -> None:
    async with new_role(some) as role:
        found = await examined(some, role=role, only=["dirty_nv", "bypassed"])
    [finding] = found.of(Severity.WARNING)
    assert finding.code == "not_valid"
    assert "its orphans were not counted: " in finding.text
    assert len(found.not_looked) == 2


async def test_a_deferred_constraint_on_a_cycle_may_be_meant(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        "CREATE TABLE a (id int PRIMARY KEY, b int);"
        "CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);"
        "ALTER TABLE a ADD CONSTRAINT to_b FOREIGN KEY (b) REFERENCES b DEFERRABLE INITIALLY DEFERRED"
    )
    [found] = of_code(await examined(conninfo), "deferred").values()
    assert "which a cycle may need" in found.text
    assert found.treatment.statements[1].endswith('ALTER CONSTRAINT "to_b" DEFERRABLE INITIALLY IMMEDIATE')


async def test_what_an_old_detach_left_unprotected_is_mended_by_making_it_anew(
    server: EmbeddedServer, make_database: Callable[[str], str]
) -> None:
    conninfo = make_database(
        "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id);"
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100);"
        "CREATE TABLE c (id int CONSTRAINT fk REFERENCES p) PARTITION BY RANGE (id);"
        "CREATE TABLE c1 PARTITION OF c FOR VALUES FROM (0) TO (100);"
        "INSERT INTO p VALUES (1); INSERT INTO c VALUES (1);"
        "ALTER TABLE c DETACH PARTITION c1"
    )
    found = of_code(await examined(conninfo), "partition_unprotected")
    if server.major > 12:
        # Later ones drop the constraint of the detached table, or keep all of it, as their last minors do.
        assert not found
        return
    [finding] = found.values()
    assert finding.subject == "public.c1.fk"
    assert "a partition of its parent has no triggers of it (public.p1); it has no orphan." in finding.text
    assert finding.treatment.action is FixAction.REVALIDATE
    with psycopg.connect(conninfo, autocommit=True) as connection:
        with connection.transaction(force_rollback=True):
            assert connection.execute("DELETE FROM p").rowcount == 1
        for statement in finding.treatment.statements:
            connection.execute(statement.encode())
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            connection.execute("DELETE FROM p")
    assert not (await examined(conninfo)).of(Severity.WARNING)


async def test_many_deferred_constraints_have_one_cause(make_database: Callable[[str], str]) -> None:
    tables = "".join(f"CREATE TABLE t{n} (p int REFERENCES p DEFERRABLE INITIALLY DEFERRED);" for n in range(5))
    [found] = of_code(
        await examined(make_database(f"CREATE TABLE p (id int PRIMARY KEY); {tables}")), "deferred"
    ).values()
    assert found.text.startswith("5 of 5 constraints are INITIALLY DEFERRED")
    assert found.edge is None


async def test_a_constraint_that_is_not_enforced(server: EmbeddedServer, make_database: Callable[[str], str]) -> None:
    if server.major < 18:
        pytest.skip("NOT ENFORCED came with 18")
    conninfo = make_database(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int CONSTRAINT loose REFERENCES p NOT ENFORCED)"
    )
    [found] = (await examined(conninfo)).of(Severity.WARNING)
    assert found.code == "not_enforced"
    assert found.treatment.action is FixAction.ENFORCE
    assert found.treatment.statements == ('ALTER TABLE ONLY "public"."c" ALTER CONSTRAINT "loose" ENFORCED',)
    assert found.treatment.forecast == "0 orphans: ENFORCED will pass, less than a second, blocks reads and writes."
