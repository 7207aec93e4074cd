"""The predicate against PostgreSQL's own verdict, on every case and pair of types; and with mistakes made in it."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import errors, sql
from sqlalchemy import make_url

from fkexplorer.orphans.model import Bound, Status, Way
from fkexplorer.orphans.predicate import EdgePredicate, count_statement, totals_statement
from fkexplorer.orphans.ways.choice import counting
from fkexplorer.orphans.ways.keys import exact_ways
from fkexplorer.schema.model import Match
from tests.orphans.cases import CASES
from tests.orphans.connected import opened
from tests.orphans.forced import forced
from tests.orphans.ground import Ground, make_ground
from tests.orphans.mutations import MUTATIONS, TOTALS
from tests.orphans.verdict import TWIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Select

    from tests.orphans.cases import Case
    from tests.orphans.mutations import Mutation

pytestmark = pytest.mark.matrix

DIALECT = make_url("postgresql+psycopg://").get_dialect()()

INTEGERS = ("int2", "int4", "int8")
EXPECTED_PAIRS = {(parent, child) for parent in INTEGERS for child in INTEGERS} | {
    *(("numeric", child) for child in (*INTEGERS, "numeric")),
    *(("timestamptz", "date"), ("timestamp", "date"), ("text", "varchar(9)"), ("varchar(9)", "text")),
    *(("char(9)", "text"), ("text", "char(9)"), ("text", "name"), ("name", "text"), ("uuid", "uuid")),
    *(("citext", "citext"), ("mood", "mood"), ("int4[]", "int4[]"), ("int4range", "int4range")),
    *(("bytea", "bytea"), ("bool", "bool"), ("inet", "cidr"), ("cidr", "inet"), ("bit(4)", "varbit")),
    *(("pair", "pair"), ("d_int", "int8"), ("int8", "d_d_int"), ("d_text", "d_varchar"), ("d_array", "int4[]")),
}
"""Some of the pairs that every server accepts: were the search for pairs to find nothing, nothing would be tested."""


@pytest.fixture(scope="module")
def ground(make_database: Callable[[str], str]) -> Ground:
    return make_ground(make_database("SELECT 1"))


@pytest.fixture
def connection(ground: Ground) -> Iterator[psycopg.Connection]:
    """What a read has: an empty search_path."""
    with psycopg.connect(ground.conninfo, autocommit=True) as connection:
        connection.execute("SET search_path = ''; SET statement_timeout = '10s'")
        yield connection


def _agrees(ground: Ground, case: Case) -> list[str]:
    """What of our counts is not as PostgreSQL says; nothing of it, one hopes."""
    verdict, ours, twin = ground.verdicts[case.name], ground.counted[case.name], ground.counted[case.name + TWIN]
    unchecked = 0 if ours.edge.match is Match.FULL else verdict.partly
    assert verdict.twin_can_be_added
    assert verdict.refused
    assert not verdict.can_be_added
    assert verdict.rows > verdict.nulls + unchecked + verdict.refused or not case.parents, "no row is valid"
    expected = {
        "refused rows": (ours.plain.orphans, verdict.refused),
        "refused rows, full": (ours.full.orphans, verdict.refused),
        "accepted rows": (twin.plain.orphans, 0),
        "accepted rows, full": (twin.full.orphans, 0),
        "status": (ours.plain.status, Status.ORPHANS),
        "status of the accepted": (twin.plain.status, Status.CLEAN),
        "bound": (ours.plain.bound, Bound.EXACT),
        "rows": (ours.full.rows, verdict.rows),
        "nulls": (ours.full.nulls, verdict.nulls),
        "unchecked": (ours.full.unchecked, unchecked),
        "missing keys": (ours.full.missing_keys, verdict.missing_keys),
        "missing keys of the accepted": (twin.full.missing_keys, 0),
        "childless": (twin.full.childless, verdict.twin_childless),
    }
    unknown = {"missing keys": verdict.missing_keys, "childless": verdict.twin_childless}
    return [
        f"{case.name}: {what}: {count} for {truth}"
        for what, (count, truth) in expected.items()
        if count != truth and unknown.get(what, 0) is not None
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_our_count_is_postgresqls_verdict(ground: Ground, case: Case) -> None:
    if not ground.can_have(case):
        pytest.skip("this server cannot have it")
    assert _agrees(ground, case) == []


def test_every_pair_of_types_agrees_with_the_verdict(ground: Ground) -> None:
    wrong = [line for case in ground.pairs.values() for line in _agrees(ground, case)]
    assert wrong == []


def test_every_way_that_claims_to_be_exact_agrees_with_the_verdict(ground: Ground) -> None:
    """With an index of each child; every other table's statistics and visible pages are known."""
    with psycopg.connect(ground.conninfo, autocommit=True) as connection:
        for edge in ground.schema.edges.values():
            child = ground.schema.child_of(edge)
            if child.schema.endswith(TWIN):
                continue
            columns = [sql.Identifier(pair.child.name) for pair in edge.pairs]
            names = [sql.Identifier(child.schema, child.name), sql.SQL(", ").join(columns)]
            with suppress(errors.UndefinedObject):  # A type without a btree.
                connection.execute(sql.SQL("CREATE INDEX ON {} ({})").format(*names))
            if edge.oid % 2:
                connection.execute(sql.SQL("VACUUM ANALYZE {}").format(names[0]))
    wrong, agreed = asyncio.run(_ways_against_verdicts(ground))
    assert wrong == []
    assert all(agreed[way] >= 8 for way in Way if way is not Way.PLAIN), agreed


async def _ways_against_verdicts(ground: Ground) -> tuple[list[str], Counter[Way]]:
    """What is not as PostgreSQL says, and how many counts were, by the way."""
    wrong: list[str] = []
    agreed: Counter[Way] = Counter()
    with psycopg.connect(ground.conninfo, autocommit=True) as connection:
        connection.execute("SET search_path = ''; SET statement_timeout = '10s'")
        async with opened(ground.conninfo) as (_, schema):
            for edge in schema.edges.values():
                name = schema.child_of(edge).schema
                if name.endswith(TWIN):
                    continue
                truth = ground.verdicts[name].refused
                predicate = EdgePredicate(schema, edge)
                for way in exact_ways(schema, edge) - {Way.PLAIN}:
                    made = counting(way, schema, predicate, ground.version)
                    assert made is not None
                    found = forced(connection, made)
                    agreed[way] += found == truth
                    if found not in {truth, None}:
                        wrong.append(f"{name}: {way} counts {found} for {truth}")
    return wrong, agreed


def test_the_pairs_are_those_that_a_foreign_key_can_have(ground: Ground) -> None:
    wanted = {pair for pair in EXPECTED_PAIRS if "citext" in ground.have or "citext" not in pair}
    assert wanted <= set(ground.pairs)
    assert len(ground.pairs) >= 200


def _compiled(statement: Select[tuple[object, ...]]) -> str:
    return str(statement.compile(dialect=DIALECT))


def _numbers(connection: psycopg.Connection, text: str) -> tuple[object, ...] | str:
    """The numbers that the statement gives, without snapshot and time; or the error's name."""
    try:
        # An empty mapping, as SQLAlchemy passes it: doubled percent signs become single ones.
        row = connection.execute(text.encode(), {}).fetchone()
    except psycopg.Error as error:
        return type(error).__name__
    assert row is not None
    return row[:-2]


def _caught(ground: Ground, connection: psycopg.Connection, mutation: Mutation, *, totals: bool) -> tuple[int, str]:
    """How many statements the mutation changed until a case gave it away, and that case."""
    changed = 0
    right: tuple[int | None, ...]
    for name, counted in ground.counted.items():
        predicate = EdgePredicate(ground.schema, counted.edge)
        if totals:
            text = _compiled(totals_statement(predicate, ground.version))
            full = counted.full
            right = (full.rows, full.nulls, full.unchecked, full.orphans, full.missing_keys, full.childless)
        else:
            text = _compiled(count_statement(predicate, ground.version))
            right = (counted.plain.orphans, None)
        mutated = mutation.change(text)
        if mutated == text:
            continue
        changed += 1
        if _numbers(connection, mutated) != right:
            assert _numbers(connection, text) == right
            return changed, name
    return changed, ""


def test_a_statement_has_no_parameters(ground: Ground) -> None:
    for counted in ground.counted.values():
        predicate = EdgePredicate(ground.schema, counted.edge)
        for statement in (
            count_statement(predicate, ground.version, childless=True),
            totals_statement(predicate, ground.version),
        ):
            assert statement.compile(dialect=DIALECT).params == {}


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mistake_in_the_count_fails_a_case(
    ground: Ground, connection: psycopg.Connection, mutation: Mutation
) -> None:
    if not ground.can_have(mutation):
        pytest.skip("this server has no case for it")
    changed, case = _caught(ground, connection, mutation, totals=False)
    assert changed
    assert case


@pytest.mark.parametrize("mutation", TOTALS, ids=lambda mutation: mutation.name)
def test_a_mistake_in_the_totals_fails_a_case(
    ground: Ground, connection: psycopg.Connection, mutation: Mutation
) -> None:
    if not ground.can_have(mutation):
        pytest.skip("this server has no case for it")
    changed, case = _caught(ground, connection, mutation, totals=True)
    assert changed
    assert case
