"""What each finding proposes is run on a real server, as it is: the finding is gone after it, and nothing else came."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.doctor.pairs import examined_pairs, runnable
from tests.orphans.connected import run

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.demo.server import EmbeddedServer
    from fkexplorer.doctor.model import Examination, Finding

N = 'Ü "%s" \\ :x'
Q = N.replace('"', '""')
# Of each kind of finding one thing that can be mended by SQL alone, or once the rows in the way are gone.
SCHEMA = f"""
CREATE TABLE p (id int PRIMARY KEY, number int, late int UNIQUE DEFERRABLE, email text, word uuid UNIQUE);
INSERT INTO p SELECT n, n, n, 'e' || n, md5(n::text)::uuid FROM generate_series(1, 9) n;
CREATE UNIQUE INDEX some_emails ON p (email) WHERE email <> '';
CREATE UNLOGGED TABLE cache (id int PRIMARY KEY);
CREATE TABLE pairs (id int, number int, late int, email text, cache int, word text);
CREATE TABLE orphaned (id int); INSERT INTO orphaned VALUES (1), (99);
CREATE TABLE clean (p int); ALTER TABLE clean ADD CONSTRAINT clean_nv FOREIGN KEY (p) REFERENCES p NOT VALID;
CREATE TABLE dirty (p int); INSERT INTO dirty VALUES (99);
ALTER TABLE dirty ADD CONSTRAINT dirty_nv FOREIGN KEY (p) REFERENCES p NOT VALID;
CREATE TABLE bypassed (p int CONSTRAINT bypassed REFERENCES p);
ALTER TABLE bypassed DISABLE TRIGGER ALL; INSERT INTO bypassed VALUES (99); ALTER TABLE bypassed ENABLE TRIGGER ALL;
CREATE TABLE parts (p int CONSTRAINT part_off REFERENCES p) PARTITION BY RANGE (p);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (10); ALTER TABLE parts_1 DISABLE TRIGGER ALL;
CREATE TABLE later (p int CONSTRAINT later REFERENCES p DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE above (p int CONSTRAINT above REFERENCES p); CREATE TABLE heir () INHERITS (above);
CREATE TABLE ruled_p (id int PRIMARY KEY);
CREATE TABLE ruled (p int CONSTRAINT ruled REFERENCES ruled_p ON DELETE CASCADE);
CREATE RULE refuses AS ON DELETE TO ruled DO INSTEAD NOTHING;
CREATE TABLE to_null (p int NOT NULL CONSTRAINT to_null REFERENCES p ON DELETE SET NULL);
CREATE TABLE gone (p int DEFAULT 77 CONSTRAINT gone REFERENCES p ON DELETE SET DEFAULT);
CREATE TABLE twice (p int CONSTRAINT first REFERENCES p, CONSTRAINT second FOREIGN KEY (p) REFERENCES p);
CREATE INDEX twice_one ON twice (p); CREATE INDEX twice_two ON twice (p);
CREATE TABLE wide (id bigint PRIMARY KEY); CREATE TABLE narrow (p int CONSTRAINT narrow REFERENCES wide);
CREATE TABLE large (p int CONSTRAINT large REFERENCES p); INSERT INTO large SELECT 1 FROM generate_series(1, 40000);
CREATE TABLE one (id int PRIMARY KEY, other int NOT NULL);
CREATE TABLE other (id int PRIMARY KEY, one int NOT NULL CONSTRAINT to_one REFERENCES one);
ALTER TABLE one ADD CONSTRAINT to_other FOREIGN KEY (other) REFERENCES other;
CREATE TABLE agreed (id int PRIMARY KEY);
CREATE TABLE goes (p int NOT NULL CONSTRAINT goes REFERENCES agreed ON DELETE CASCADE);
CREATE TABLE stops (p int CONSTRAINT stops REFERENCES agreed);
CREATE SCHEMA "s {Q}";
CREATE TABLE "s {Q}"."p {Q}" ("k {Q}" bigint PRIMARY KEY, "u {Q}" uuid);
CREATE TABLE "s {Q}"."c {Q}" ("k {Q}" int, "u {Q}" text);
ALTER TABLE "s {Q}"."c {Q}" ADD CONSTRAINT "fk {Q}" FOREIGN KEY ("k {Q}") REFERENCES "s {Q}"."p {Q}" NOT VALID;
ALTER TABLE "s {Q}"."c {Q}" DISABLE TRIGGER ALL;
ANALYZE;
"""
LOOSE = "CREATE TABLE loose (p int CONSTRAINT loose REFERENCES p NOT ENFORCED);"
PAIRS = (
    *("pairs(id):p(id)", "pairs(number):p(number)", "pairs(late):p(late)", "pairs(email):p(email)"),
    *("pairs(cache):cache(id)", "pairs(word):p(word)", "orphaned(id):p(id)"),
    f'"s {Q}"."c {Q}"("u {Q}"):"s {Q}"."p {Q}"("u {Q}")',
)
ROWS = {
    # What somebody has to do first where rows are in the way, as the comment of the finding says.
    "orphaned": "DELETE FROM orphaned WHERE id = 99",
    "dirty": "DELETE FROM dirty",
    "bypassed": "DELETE FROM bypassed",
}
CODES = {
    *("undeclared", "no_unique_key", "deferrable_key", "unusable_key", "persistence", "types_differ"),
    *("orphans_in_the_way", "not_valid", "orphans_under_valid", "triggers_disabled", "deferred"),
    *("inheritance_unbound", "rule_refuses", "set_null_not_null", "default_without_parent", "duplicate_constraint"),
    *("duplicate_index", "narrow_key", "no_index", "cycle_not_loadable", "rules_disagree"),
}


def told(found: Examination) -> set[tuple[str, str]]:
    """The findings, as a baseline knows them."""
    return {(each.code, each.subject) for each in found.findings}


async def mend(conninfo: str, finding: Finding) -> None:
    """Do as it says."""
    table = finding.subject.split(".")[1].partition("(")[0]
    if table in ROWS:
        assert any("end the orphan" in each for each in finding.treatment.statements), finding
        await run(conninfo, ROWS[table])
    for statement in runnable(finding):
        await run(conninfo, statement)


@pytest.mark.matrix
async def test_what_is_proposed_mends_it_and_nothing_is_worse(
    make_database: Callable[[str], str], server: EmbeddedServer
) -> None:
    enforced = server.major >= 18
    conninfo = make_database(SCHEMA + (LOOSE if enforced else ""))
    found = await examined_pairs(conninfo, *PAIRS, whole=True)
    assert not found.not_looked
    before = told(found)
    assert {code for code, _ in before} == (CODES | {"not_enforced"} if enforced else CODES)
    for finding in found.findings:
        await mend(conninfo, finding)
    later = await examined_pairs(conninfo, *PAIRS, whole=True)
    assert not told(later)
    assert all(edge.validated and edge.enforced and edge.triggers.all_fire for edge in later.edges)
    assert not [each for each in later.counts.values() if each.orphans]


async def test_where_several_rules_disagree_the_others_are_named(make_database: Callable[[str], str]) -> None:
    child = "CREATE TABLE {0} (p int CONSTRAINT {0} REFERENCES p{1});"
    tables = "".join(child.format(f"stops_{n}", "") for n in range(3)) + child.format("goes", " ON DELETE CASCADE")
    conninfo = make_database(f"CREATE TABLE p (id int PRIMARY KEY); {tables}")
    [finding] = (await examined_pairs(conninfo, whole=True)).findings
    assert finding.code == "rules_disagree"
    more = "-- and so for each of the others that should not: stops_1 and stops_2"
    assert finding.treatment.statements[-1] == more
