"""The SQL of every fix, run on the real server: names and values of every kind, and what it leaves behind."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.model import DataStep, DdlStep, Request, Scope, Verb
from fkexplorer.fixes.plans import make_plan
from fkexplorer.fixes.preview import preview
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import find_edges, find_tables
from tests.fixes.trying import announced, trying
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.model import Key, Plan, Preview
    from fkexplorer.schema.model import Relationship, Schema

KEYS = ("it's", "back\\slash", '"q" %s :x', "日本 ü", "E'\\''; --", "")

NAMES = r"""
CREATE SCHEMA "we%ird ""s";
CREATE TABLE "we%ird ""s"."p'arents" ("i d" text PRIMARY KEY, "na:me" text NOT NULL DEFAULT 'n', n int UNIQUE);
INSERT INTO "we%ird ""s"."p'arents" VALUES ('there', 'x', 1), (E'dfl\\t', 'y', 2);
CREATE TABLE "we%ird ""s"."Child" (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
 "ref:%s" text DEFAULT E'dfl\\t' CONSTRAINT "f'k%" REFERENCES "we%ird ""s"."p'arents",
 twice int GENERATED ALWAYS AS (length("ref:%s") * 2) STORED);
SET session_replication_role = replica;
"""


def script() -> str:
    """The tables with two rows for each key, and one row that has a parent."""
    quoted = [key.replace("'", "''").replace("\\", "\\\\") for key in KEYS]
    rows = ", ".join(f"(E'{key}'), (E'{key}')" for key in quoted)
    return f'{NAMES} INSERT INTO "we%ird ""s"."Child" ("ref:%s") VALUES (\'there\'), {rows};'


async def one(conninfo: str, request: Callable[[Schema, Relationship], Request], name: str) -> Preview:
    """The preview of a request about the edge of that name."""
    async with opened(conninfo) as (database, schema):
        return await preview(database, schema, request(schema, find_edges(schema, name)[0]))


def ask(conninfo: str, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements in one transaction, give the last one's rows, and take it all back."""
    with psycopg.connect(conninfo) as connection:
        connection.execute("SET session_replication_role = origin")
        for statement in statements[:-1]:
            connection.execute(statement.encode())
        found = connection.execute(statements[-1].encode()).fetchall()
        connection.rollback()
        return found


def statements_of(plan: Plan) -> list[str]:
    [step] = plan.steps
    assert isinstance(step, DataStep)
    return [*step.first, step.change.sql]


@pytest.fixture(scope="module")
def names(make_database: Callable[[str], str]) -> str:
    return make_database(script())


MAPPING: tuple[tuple[Key, Key], ...] = tuple(((key,), ("there",)) for key in KEYS[:4])
# What each does to the child's rows, and a query of what is there then.
FIXES: dict[FixAction, tuple[tuple[int, int, int], str, int | None]] = {
    FixAction.DELETE: ((12, 0, 0), 'SELECT count(*) FROM "we%ird ""s"."Child"', 1),
    FixAction.SET_NULL: ((0, 12, 0), 'SELECT count(*) FROM "we%ird ""s"."Child" WHERE "ref:%s" IS NULL', 12),
    FixAction.SET_DEFAULT: ((0, 12, 0), 'SELECT count(*) FROM "we%ird ""s"."Child" WHERE twice = 10', 13),
    FixAction.QUARANTINE: ((12, 0, 0), 'SELECT sum(twice) FROM "we%ird ""s"."Child_quarantine"', None),
}


@pytest.mark.matrix
@pytest.mark.parametrize("conforming", ["on", "off"])
@pytest.mark.parametrize("action", FIXES)
async def test_each_fix_of_rows(names: str, action: FixAction, conforming: str) -> None:
    numbers, query, value = FIXES[action]
    found = await one(names, lambda _, edge: Request(edge, action), "f'k%")
    [step] = found.plan.steps
    async with opened(names) as (_, schema):
        tried = trying(
            names, step, known=set(schema.tables), settings=f"SET standard_conforming_strings = {conforming}"
        )
        assert not tried.refused
        assert announced(schema, found) == tried.counts == {found.effects[0].table: numbers}
    [(there,)] = ask(names, f"SET standard_conforming_strings = {conforming}", *statements_of(found.plan), query)
    assert there == (value if value is not None else 4 * sum(map(len, KEYS)))
    orphans = ask(names, *statements_of(found.plan), found.plan.verification[0])
    assert orphans == [(0,)]


@pytest.mark.matrix
@pytest.mark.parametrize("conforming", ["on", "off"])
async def test_repoint_by_key_and_by_mapping(names: str, conforming: str) -> None:
    left = """SELECT count(*) FILTER (WHERE "ref:%s" = 'there'), count(DISTINCT "ref:%s") FROM "we%ird ""s"."Child" """
    setting = f"SET standard_conforming_strings = {conforming}"
    by_key = await one(names, lambda _, edge: Request(edge, FixAction.REPOINT, key=("there",)), "f'k%")
    assert by_key.rows == 12
    assert ask(names, setting, *statements_of(by_key.plan), left) == [(13, 1)]
    by_map = await one(names, lambda _, edge: Request(edge, FixAction.REPOINT, mapping=MAPPING), "f'k%")
    assert by_map.rows == 8
    assert ask(names, setting, *statements_of(by_map.plan), left) == [(9, 3)]
    assert by_map.before is not None
    assert by_map.after is not None
    at = [field.name for field in by_map.after.fields].index("ref:%s")
    assert {row[at].text for row in by_map.before.rows} == set(KEYS[:4])
    assert {row[at].text for row in by_map.after.rows} == {"there"}


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ({"key": ("nobody",)}, "impossible", "has no row nobody"),
        ({"mapping": ((("it's",), ("nobody",)), (("",), ("no'one",)))}, "impossible", "2 new keys of the mapping"),
        ({"mapping": ((("it's",), ("there",)), (("it's",), ("there",)))}, "incomplete", "the mapping has it's twice"),
        ({}, "incomplete", "say which parent"),
        ({"key": ("a", "b")}, "incomplete", 'a value for each of "i d"'),
    ],
)
async def test_repoint_that_leads_nowhere(names: str, given: dict[str, Any], code: str, said: str) -> None:
    with pytest.raises(Trouble) as trouble:
        await one(names, lambda _, edge: Request(edge, FixAction.REPOINT, **given), "f'k%")
    assert trouble.value.code == code
    assert said in trouble.value.reason


@pytest.mark.matrix
async def test_insert_the_missing_parents(names: str) -> None:
    found = await one(
        names,
        lambda _, edge: Request(edge, FixAction.INSERT_PARENTS, columns={"na:me": "'of ' || s.\"i d\""}),
        "f'k%",
    )
    assert found.confirm == "6"
    assert found.after is not None
    assert {tuple(value.text for value in row) for row in found.after.rows} == {(key, f"of {key}") for key in KEYS}
    [(count, longest)] = ask(
        names,
        *statements_of(found.plan),
        'SELECT count(*), max(length("na:me")) FROM "we%ird ""s"."p\'arents" WHERE "na:me" LIKE \'of %\'',
    )
    assert (count, longest) == (6, 3 + max(map(len, KEYS)))


ROWS = """
CREATE TABLE parent (id int PRIMARY KEY, name text NOT NULL, up int REFERENCES parent);
CREATE TABLE keyed (id int PRIMARY KEY, pid int CONSTRAINT keyed_fk REFERENCES parent,
 secret_token text UNIQUE NOT NULL);
CREATE TABLE bare (pid int CONSTRAINT bare_fk REFERENCES parent, note text);
CREATE TABLE parts (id int, pid int CONSTRAINT parts_fk REFERENCES parent, PRIMARY KEY (id)) PARTITION BY LIST (id);
CREATE TABLE parts_odd PARTITION OF parts FOR VALUES IN (1, 3, 5);
CREATE TABLE parts_even PARTITION OF parts DEFAULT;
CREATE TABLE lots (pid int CONSTRAINT lots_fk REFERENCES parent) PARTITION BY LIST (pid);
CREATE TABLE lots_1 PARTITION OF lots FOR VALUES IN (71);
CREATE TABLE lots_2 PARTITION OF lots DEFAULT;
INSERT INTO parent VALUES (1, 'one', NULL);
SET session_replication_role = replica;
INSERT INTO keyed VALUES (1, 1, 't1'), (2, 70, 't2'), (3, 71, 't3'), (4, 70, 't4');
INSERT INTO bare VALUES (1, 'a'), (70, 'b'), (71, 'c'), (70, 'd');
INSERT INTO parts VALUES (1, 1), (2, 70), (3, 71), (4, 70);
INSERT INTO lots VALUES (1), (70), (71), (71);
"""


@pytest.mark.matrix
@pytest.mark.parametrize(("table", "last"), [("keyed", 2), ("bare", 2), ("parts", 2), ("lots", 2)])
async def test_marked_rows_alone(make_database: Callable[[str], str], table: str, last: int) -> None:
    conninfo = make_database(ROWS)
    async with opened(conninfo) as (database, schema):
        edge = find_edges(schema, f"{table}_fk")[0]
        every = await preview(database, schema, Request(edge, FixAction.DELETE))
        assert every.rows == 3
        assert every.before is not None
        marked = tuple(every.before.keys[:last])
        found = await preview(database, schema, Request(edge, FixAction.DELETE, rows=marked))
        assert found.rows == last
        assert found.before is not None
        assert found.before.keys == every.before.keys[:last]
        [step] = found.plan.steps
        assert trying(conninfo, step, known=set(schema.tables)).counts == {edge.child: (last, 0, 0)}
        with pytest.raises(Trouble) as trouble:
            await preview(database, schema, Request(edge, FixAction.DELETE, rows=(("1", "2", "3"),)))
        assert trouble.value.code == "changed"


async def test_secrets_are_masked_before_and_after(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(ROWS)
    found = await one(conninfo, lambda _, edge: Request(edge, FixAction.SET_NULL), "keyed_fk")
    for page in (found.before, found.after):
        assert page is not None
        at = [field.name for field in page.fields].index("secret_token")
        assert {(row[at].text, row[at].masked) for row in page.rows} == {(None, True)}
        assert "t2" not in str(page)


PARENTS = """
CREATE TABLE source (uid int PRIMARY KEY, mail text, name text, extra jsonb NOT NULL DEFAULT '{}', old int8);
INSERT INTO source SELECT g, CASE g WHEN 9 THEN 'M3' ELSE 'm' || g END, CASE WHEN g <> 5 THEN 'n' || g END, '{}', g
 FROM generate_series(1, 10) g;
CREATE TABLE parent (id int PRIMARY KEY CONSTRAINT parent_id_fkey REFERENCES source (uid), mail text,
 name text NOT NULL, kind text NOT NULL DEFAULT 'k', seen int);
CREATE UNIQUE INDEX parent_mail ON parent (lower(mail));
CREATE UNIQUE INDEX parent_name ON parent (name) WHERE kind = 'k';
INSERT INTO parent SELECT uid, mail, name FROM source WHERE uid <= 3;
CREATE TABLE child (id int PRIMARY KEY, pid int CONSTRAINT child_fk REFERENCES parent);
SET session_replication_role = replica;
INSERT INTO child VALUES (1, 1), (2, 6), (3, 7), (4, 6), (5, 99);
"""


def backfill(scope: Scope, **given: Any) -> Callable[[Schema, Relationship], Request]:  # noqa: ANN401
    """A backfill of the parents from the source."""

    def request(schema: Schema, edge: Relationship) -> Request:
        source = find_tables(schema, "source")[0].oid
        return Request(edge, FixAction.BACKFILL, source=source, scope=scope, **given)

    return request


@pytest.mark.matrix
async def test_backfill_by_scope(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(PARENTS)
    names = {"name": "coalesce(s.name, 'nobody')"}
    # 4 to 10 have no twin; the address of 9 differs from that of 3 by a capital alone.
    gap = await one(conninfo, backfill(Scope.GAP, columns=names), "child_fk")
    assert (gap.rows, gap.lost, gap.lost_to) == (6, 1, ("parent_mail",))
    assert ask(conninfo, *statements_of(gap.plan), "SELECT array_agg(id ORDER BY id) FROM parent WHERE id > 3") == [
        ([4, 5, 6, 7, 8, 10],)
    ]
    assert ask(conninfo, gap.plan.gap) == [(7,)]
    assert ask(conninfo, *statements_of(gap.plan), gap.plan.gap) == [(1,)]
    assert ask(conninfo, *statements_of(gap.plan), gap.plan.gap_keys) == [("9",)]
    assert ask(conninfo, gap.plan.gap_keys) == [(str(key),) for key in range(4, 10)]
    orphans = await one(conninfo, backfill(Scope.ORPHANS, columns=names), "child_fk")
    assert (orphans.rows, orphans.lost) == (2, 0)
    assert ask(conninfo, *statements_of(orphans.plan), "SELECT array_agg(id ORDER BY id) FROM parent WHERE id > 3") == [
        ([6, 7],)
    ]
    key = await one(conninfo, backfill(Scope.KEY, columns=names, key=("10",)), "child_fk")
    assert (key.rows, key.confirm) == (1, "1")
    again = await one(conninfo, backfill(Scope.KEY, columns=names, key=("2",)), "child_fk")
    assert again.nothing_to_do
    assert "all that it does not have" in gap.plan.steps[0].title
    assert "orphans" in orphans.plan.steps[0].title


@pytest.mark.matrix
async def test_rows_that_another_unique_key_keeps_out_are_told_apart(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(PARENTS)
    # All of one name: a partial index lets one of them in, and the address of another is taken.
    same = await one(conninfo, backfill(Scope.GAP, columns={"name": "'same'"}), "child_fk")
    assert (same.rows, same.lost, same.lost_to) == (1, 6, ("parent_mail", "parent_name"))
    [(came,)] = ask(conninfo, *statements_of(same.plan), "SELECT count(*) FROM parent WHERE id > 3")
    assert came == 1
    # Out of the partial index's reach, none is lost to it.
    other = await one(conninfo, backfill(Scope.GAP, columns={"name": "'same'", "kind": "'o'"}), "child_fk")
    assert (other.rows, other.lost, other.lost_to) == (6, 1, ("parent_mail",))
    [(came,)] = ask(conninfo, *statements_of(other.plan), "SELECT count(*) FROM parent WHERE id > 3")
    assert came == 6


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        ({"columns": {"name": ""}}, "incomplete", "needs a value for name"),
        ({"columns": {"nobody": "1"}}, "incomplete", "has no column nobody"),
        ({"columns": {"name": "1); DROP TABLE child; --"}}, "expression", "closes a parenthesis"),
        ({"columns": {"name": "1; COMMIT"}}, "expression", "semicolon"),
        ({"columns": {"name": "s.name -- x"}}, "expression", "comment"),
        ({"columns": {"name": "'\\' || s.name"}}, "expression", "backslash"),
        ({"columns": {"name": "nextval('nothing')"}}, "failed", "does not exist"),
        ({"scope": Scope.KEY}, "incomplete", "which key"),
    ],
)
async def test_backfill_that_lacks_something(
    make_database: Callable[[str], str], given: dict[str, Any], code: str, said: str
) -> None:
    conninfo = make_database(PARENTS)
    scope = given.get("scope", Scope.GAP)
    with pytest.raises(Trouble) as trouble:
        await one(conninfo, backfill(scope, columns=given.get("columns", {})), "child_fk")
    assert trouble.value.code == code
    assert said in trouble.value.reason
    assert ask(conninfo, "SELECT count(*) FROM child") == [(5,)]


async def test_parents_whose_own_parent_is_missing(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(PARENTS)
    found = await one(
        conninfo, lambda _, edge: Request(edge, FixAction.INSERT_PARENTS, columns={"name": "'n' || s.id"}), "child_fk"
    )
    # 99 is no user: user_profiles like tables refer to the source themselves.
    assert [blocker.rows for blocker in found.blockers] == [1]
    [step] = found.plan.steps
    assert "parent_id_fkey" in trying(conninfo, step, known=set()).refused


CONSTRAINTS = """
CREATE TABLE parent (a int, b int, c int UNIQUE DEFERRABLE, d int, PRIMARY KEY (a, b));
CREATE TABLE child (x int DEFAULT 1, y int, z int,
 CONSTRAINT "f k" FOREIGN KEY (y, x) REFERENCES parent (b, a) MATCH FULL ON DELETE SET DEFAULT ON UPDATE CASCADE
  DEFERRABLE INITIALLY DEFERRED);
COMMENT ON CONSTRAINT "f k" ON child IS E'it''s \\ kept';
CREATE TABLE twin (x int, y int, CONSTRAINT child_x_y_fkey CHECK (x > 0));
CREATE TABLE other (x int, y int);
INSERT INTO parent VALUES (1, 1, 1, 1); INSERT INTO child VALUES (1, 1, 1); INSERT INTO other VALUES (1, 1);
"""
_DEFINITION = """
SELECT pg_get_constraintdef(oid) || coalesce(' -- ' || obj_description(oid, 'pg_constraint'), ''), convalidated
FROM pg_constraint WHERE conname = {0} ORDER BY oid
"""


def do(plan: Plan) -> list[str]:
    found: list[str] = []
    for step in plan.steps:
        assert isinstance(step, DdlStep)
        found += step.statements
    return found


def change_to(rule: str) -> Callable[[Schema, Relationship], Request]:
    """A change of the ON DELETE rule."""
    return lambda _, edge: Request(edge, FixAction.CHANGE_ON_DELETE, rule=rule)


@pytest.mark.matrix
async def test_change_on_delete_keeps_all_else(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(CONSTRAINTS)
    definition = _DEFINITION.format("'f k'")
    [(before, _)] = ask(conninfo, definition)
    for rule in ("cascade", "set-null", "restrict", "no-action"):
        found = await one(conninfo, change_to(rule), "f k")
        assert found.confirm == "f k"
        assert len(found.plan.steps) == 2
        words = "" if rule == "no-action" else f" ON DELETE {rule.replace('-', ' ').upper()}"
        after = before.replace(" ON DELETE SET DEFAULT", words)
        assert ask(conninfo, *do(found.plan), definition) == [(after, True)]
        assert "kept" in after
    same = await one(conninfo, change_to("set-default"), "f k")
    assert same.nothing_to_do
    assert not same.plan.steps


@pytest.mark.matrix
async def test_revalidate_looks_again(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(CONSTRAINTS)
    definition = _DEFINITION.format("'f k'")
    before = ask(conninfo, definition)
    found = await one(conninfo, lambda _, edge: Request(edge, FixAction.REVALIDATE), "f k")
    assert ask(conninfo, *do(found.plan), definition) == before
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica; INSERT INTO child VALUES (5, 5, 5)")
    found = await one(conninfo, lambda _, edge: Request(edge, FixAction.REVALIDATE), "f k")
    assert [blocker.rows for blocker in found.blockers] == [1]
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        ask(conninfo, *do(found.plan), definition)
    # A rule can be changed all the same: the constraint stays NOT VALID then, and that is said.
    changed = await one(conninfo, change_to("cascade"), "f k")
    assert len(changed.plan.steps) == 1
    assert "stays NOT VALID: 1 row has no parent" in " ".join(changed.lasting)
    assert ask(conninfo, *do(changed.plan), definition)[0][1] is False


def pure(schema: Schema, database: Database, request: Request) -> Plan:
    return make_plan(schema, database.facts, request)


async def test_a_plan_narrowed_by_hand_is_the_same_statement(names: str) -> None:
    """The pieces of a change make up its text, whatever they are narrowed by."""
    async with opened(names) as (database, schema):
        edge = find_edges(schema, "f'k%")[0]
        plan = pure(schema, database, Request(edge, FixAction.DELETE))
        [step] = plan.steps
        assert isinstance(step, DataStep)
        assert step.change.verb is Verb.DELETE
        narrowed = replace(step, change=replace(step.change, where=f"({step.change.where}) AND c.id < 4"))
        assert trying(names, narrowed, known=set(schema.tables)).counts == {edge.child: (2, 0, 0)}
