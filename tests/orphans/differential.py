"""Every way of counting against `NOT EXISTS`, in one snapshot, on random rows: `python -m tests.orphans.differential`.

Each case fills one of many pairs of tables anew: no parent, few or all; NULLs, duplicates, a key that most rows have,
any share of orphans, dead rows; sometimes somebody writes while it is counted. Then every way that claims to be exact
is forced, whole and in slices.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors
from sqlalchemy import func, literal_column, select

from fkexplorer.demo.server import EmbeddedServer
from fkexplorer.orphans.model import LoneWay, Way
from fkexplorer.orphans.predicate import EdgePredicate
from fkexplorer.orphans.ways.bitmap import Bitmap
from fkexplorer.orphans.ways.choice import counting, lone_counting, missed_counting
from fkexplorer.orphans.ways.gaps import Gaps
from fkexplorer.orphans.ways.keys import exact_ways, integers, lone_ways, ordered_pairs
from fkexplorer.orphans.ways.way import BlockRanges, KeyRanges, MarkedRows
from tests.orphans.connected import opened
from tests.orphans.forced import compiled, force, number, plan, rows
from tests.orphans.keykinds import SETTINGS
from tests.orphans.waykinds import kinds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.orphans.ways.way import Counting
    from fkexplorer.schema.model import Schema
    from tests.orphans.forced import Text
    from tests.orphans.waykinds import Kind
    from tests.orphans.waymutations import WayMutation


_WORDS = 40
"""Of 64 numbers each: all that the pools have but the ends of the integer types."""


@dataclass(slots=True)
class Outcome:
    """What a run found."""

    cases: int = 0
    compared: Counter[Way] = field(default_factory=Counter)
    """Counts that were compared, by the way."""
    reached: Counter[Way] = field(default_factory=Counter)
    """Those of them whose plan was the one that the way is for."""
    sliced: Counter[Way] = field(default_factory=Counter)
    lone: Counter[LoneWay] = field(default_factory=Counter)
    """Counts of parents without a child that were compared, whole and in slices, by the plan that each way is for."""
    missed: Counter[str] = field(default_factory=Counter)
    """Counts of missing keys, likewise, by the class."""
    with_orphans: int = 0
    disturbed: int = 0
    """Cases into which somebody wrote meanwhile."""
    wrong: list[str] = field(default_factory=list)
    caught: dict[WayMutation, str] = field(default_factory=dict)
    """The mistakes that a case gave away, and that case."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """A pair of tables that stands in the database."""

    kind: Kind
    schema: str
    edge: int
    children: tuple[list[int], ...]
    """For each column the numbers of the values that the child may have."""
    parents: tuple[list[int], ...]


@dataclass(frozen=True, slots=True)
class _Exact:
    """A way of counting a pair of tables, and its statement: to compile one takes longer than to run it."""

    counting: Counting
    text: Text


class Differential:
    """Makes the tables in an empty database, then as many cases as are asked for.

    Args:
        conninfo: of the database.
        seed: the same one makes the same cases.
        mutations: mistakes that are made in the ways beside what they do, until a case gives them away.
    """

    def __init__(self, conninfo: str, seed: int, mutations: Iterable[WayMutation] = ()) -> None:
        self._mutations = list(mutations)
        self._random = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self._holes = random.Random(seed + 1)  # noqa: S311 - as above
        self._writer = psycopg.connect(conninfo, autocommit=True)
        self._reader = psycopg.connect(conninfo, autocommit=True)
        self._version = self._writer.info.server_version
        kept = self._make(kinds())
        self._schema = asyncio.run(_read(conninfo))
        edges = {self._schema.child_of(edge).schema: edge.oid for edge in self._schema.edges.values()}
        self._ways: dict[str, list[_Exact]] = {}
        self._others: dict[str, tuple[list[tuple[LoneWay, _Exact]], list[_Exact]]] = {}
        self._pairs = [
            _Pair(kind, schema, edges[schema], self._numbers(schema, kind, "c"), self._numbers(schema, kind, "p"))
            for schema, kind in kept.items()
        ]
        for connection in (self._writer, self._reader):
            connection.execute("SET search_path = ''; SET jit = off; SET max_parallel_workers_per_gather = 0")
        # The writer alone is not bound by the foreign keys.
        self._writer.execute("SET session_replication_role = replica")
        self._reader.execute("SET session_replication_role = origin")

    def close(self) -> None:
        """Hang up."""
        self._writer.close()
        self._reader.close()

    def run(self, cases: int) -> Outcome:
        """Try so many cases."""
        outcome = Outcome()
        for case in range(cases):
            pair = self._pairs[case % len(self._pairs)]
            self._fill(pair)
            self._compare(pair, outcome, disturb=self._random.random() < 0.2)
            outcome.cases += 1
        return outcome

    def _make(self, wanted: list[Kind]) -> dict[str, Kind]:
        self._writer.execute(SETTINGS.encode())
        self.citext = True
        try:
            self._writer.execute("CREATE EXTENSION citext SCHEMA public")
        except (errors.FeatureNotSupported, errors.UndefinedFile):
            self.citext = False
        kept = {f"k{number}": kind for number, kind in enumerate(wanted) if self.citext or not kind.extension}
        for schema, kind in kept.items():
            self._writer.execute(kind.statements(schema).encode())
        return kept

    def _numbers(self, schema: str, kind: Kind, side: str) -> tuple[list[int], ...]:
        return tuple(
            [
                row[0]
                for row in self._writer.execute(
                    f"SELECT n FROM {schema}.pool{n} WHERE {side} IS DISTINCT FROM NULL"
                ).fetchall()
            ]
            for n in range(len(kind.child))
        )

    def _fill(self, pair: _Pair) -> None:
        """Rows of a new case, over what is left of the one before; an heir's rows stay."""
        some, schema, layout = self._random, pair.schema, pair.kind.layout
        child = f"{'' if 'PARTITION' in layout.child else 'ONLY '}{schema}.c"
        parent = f"{'' if 'PARTITION' in layout.parent else 'ONLY '}{schema}.p"
        parents = self._parents(pair)
        with self._writer.transaction():
            if some.random() < 0.5:
                self._writer.execute(f"TRUNCATE {child}, {parent}".encode())
            else:
                self._writer.execute(f"DELETE FROM {child}".encode())
                self._writer.execute(f"DELETE FROM {parent}".encode())
            self._insert(pair, "p", parents)
            self._insert(pair, "c", self._children(pair, parents))
        if some.random() < 0.4:
            self._writer.execute(f"UPDATE {child} SET k0 = k0 WHERE n % 3 = 0".encode())
            self._writer.execute(f"UPDATE {child} SET k0 = NULL WHERE n % 7 = 0".encode())
            self._writer.execute(f"DELETE FROM {child} WHERE n % 5 = 0".encode())
            self._writer.execute(f"DELETE FROM {parent} p WHERE p.p0 IN (SELECT p0 FROM {parent} LIMIT 1)".encode())
        if some.random() < 0.3:
            self._writer.execute(f"VACUUM ANALYZE {schema}.c, {schema}.p".encode())

    def _parents(self, pair: _Pair) -> list[tuple[int | None, ...]]:
        """Numbers of keys: none, neighbours, or some of all."""
        some = self._random
        picked: list[list[int]] = []
        for numbers in pair.parents:
            shape, start = some.random(), some.randrange(len(numbers))
            if shape < 0.1:
                picked.append([])
            elif shape < 0.6:
                picked.append(numbers[start : start + some.choice((1, 2, 5, 12))])
            else:
                picked.append(some.sample(numbers, some.randint(1, len(numbers))))
        keys: list[tuple[int | None, ...]] = list(product(*picked))
        some.shuffle(keys)
        if some.random() < 0.2:
            # In one part, of one more parent or of all: such a key has no child.
            at = self._holes.randrange(len(picked))
            holed = dict.fromkeys((*key[:at], None, *key[at + 1 :]) for key in keys) or {(None,) * len(picked): None}
            keys = [*holed] if self._holes.random() < 0.3 else [*keys, next(iter(holed))]
        return keys[:80]

    def _children(self, pair: _Pair, parents: list[tuple[int | None, ...]]) -> list[tuple[int | None, ...]]:
        """Numbers of keys: any share without a parent, of NULLs and of one single key."""
        some = self._random
        orphans, nulls, skew = some.choice((0, 0.02, 0.5, 1)), some.choice((0, 0, 0.1, 1)), some.choice((0, 0, 0.6))
        often = some.choice(parents) if parents else None
        made: list[tuple[int | None, ...]] = []
        for _ in range(some.choice((0, 1, 12, 12, 60))):
            if some.random() < orphans or often is None:
                key: tuple[int | None, ...] = tuple(some.choice(numbers) for numbers in pair.children)
            else:
                key = often if some.random() < skew else some.choice(parents)
            made.append(tuple(None if some.random() < nulls else part for part in key))
        return made

    def _insert(self, pair: _Pair, side: str, keys: list[tuple[int | None, ...]]) -> None:
        at = range(len(pair.kind.child))
        numbers = [[key[n] for key in keys] for n in at]
        schema = pair.schema
        values = ", ".join(f"(SELECT {side} FROM {schema}.pool{n} WHERE n = a{n})" for n in at)
        arrays, names = ", ".join("%s::int[]" for _ in at), ", ".join(f"a{n}" for n in at)
        first = "n::int, " if side == "c" else ""
        self._writer.execute(
            f"INSERT INTO {schema}.{side} SELECT {first}{values}"
            f" FROM unnest({arrays}) WITH ORDINALITY AS u ({names}, n) ON CONFLICT DO NOTHING".encode(),
            numbers,
        )

    def _compare(self, pair: _Pair, outcome: Outcome, *, disturb: bool) -> None:
        if pair.schema not in self._ways:
            self._ways[pair.schema] = self._exact(pair)
        plain, *others = self._ways[pair.schema]
        with self._reader.transaction():
            self._reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            truth = number(self._reader, plain.text)
            outcome.with_orphans += truth > 0
            if disturb:
                self._disturb(pair)
                outcome.disturbed += 1
            for way in others:
                with self._reader.transaction(force_rollback=True):
                    self._count(pair, way, truth, outcome)
            if self._random.random() < 0.6:
                self._compare_others(pair, outcome)

    def _compare_others(self, pair: _Pair, outcome: Outcome) -> None:
        """The parents without a child, and the keys that are missing."""
        if pair.schema not in self._others:
            self._others[pair.schema] = self._exact_others(pair)
        lone, missed = self._others[pair.schema]
        wanted = number(self._reader, lone[0][1].text)
        for way, each in lone:
            outcome.lone[way] += self._agrees(pair, each, wanted, outcome, "parents without a child")
        wanted = number(self._reader, missed[0].text)
        for each in missed:
            outcome.missed[type(each.counting).__name__] += self._agrees(pair, each, wanted, outcome, "missing keys")

    def _agrees(self, pair: _Pair, way: _Exact, truth: int, outcome: Outcome, what: str) -> bool:
        """Whether a way serves, by the plan that it is for; if its counts are others, the outcome says so."""
        made = way.counting
        with self._reader.transaction(force_rollback=True):
            force(self._reader, made)
            # So small a table is read as a whole rather than looked into by an index.
            self._reader.execute("SET LOCAL enable_seqscan = off")
            [[found]] = rows(self._reader, way.text)
            if found is None:
                return False
            reached = made.accepts(plan(self._reader, way.text))
            sliced = found if made.cut is None else self._in_slices(made)
        if {found, sliced} != {truth}:
            name = type(made).__name__
            outcome.wrong.append(f"{pair.schema} ({pair.kind.name}): {name}: {found}, {sliced} {what} for {truth}")
        return reached

    def _exact_others(self, pair: _Pair) -> tuple[list[tuple[LoneWay, _Exact]], list[_Exact]]:
        """Those that claim to be exact, PLAIN first."""
        edge = self._schema.edges[pair.edge]
        predicate = EdgePredicate(self._schema, edge)
        lone = []
        for way in sorted(lone_ways(self._schema, edge), key=lambda way: way is not LoneWay.PLAIN):
            made = lone_counting(way, self._schema, predicate, self._version)
            assert made is not None
            lone.append((way, _Exact(made, compiled(select(made.whole())))))
        missed = [
            _Exact(made, compiled(select(made.whole())))
            for way in sorted(exact_ways(self._schema, edge), key=lambda way: way is not Way.PLAIN)
            if (made := missed_counting(way, self._schema, predicate, self._version)) is not None
        ]
        return lone, missed

    def _exact(self, pair: _Pair) -> list[_Exact]:
        """The ways that claim to be exact, PLAIN first."""
        edge = self._schema.edges[pair.edge]
        predicate = EdgePredicate(self._schema, edge)
        found = []
        for way in sorted(exact_ways(self._schema, edge), key=lambda way: way is not Way.PLAIN):
            made = counting(way, self._schema, predicate, self._version)
            assert made is not None
            found.append(_Exact(made, compiled(select(made.whole()))))
        if integers(edge):
            # Parents as small as these are not looked up by words otherwise.
            by_words: list[Counting] = [Bitmap(predicate, self._version, most_words=_WORDS)]
            if ordered := ordered_pairs(self._schema, edge):
                by_words.append(Gaps(predicate, ordered, most_words=_WORDS))
            found += [_Exact(made, compiled(select(made.whole()))) for made in by_words]
        return found

    def _disturb(self, pair: _Pair) -> None:
        """Somebody else's work, committed, after the snapshot."""
        parents = self._parents(pair)
        self._insert(pair, "p", parents)
        self._insert(pair, "c", self._children(pair, parents))
        self._writer.execute(f"DELETE FROM {pair.schema}.c WHERE n % 2 = 0".encode())

    def _count(self, pair: _Pair, way: _Exact, truth: int, outcome: Outcome) -> None:
        made = way.counting
        force(self._reader, made)
        where = f"{pair.schema} ({pair.kind.name})"
        for mutation in [each for each in self._mutations if each.way is made.way]:
            if self._mistaken(mutation.change(way.text[0]), way.text, truth):
                outcome.caught[mutation] = where
                self._mutations.remove(mutation)
        [[found]] = rows(self._reader, way.text)
        if found is None:
            # It says that it does not serve: the keys have holes, or lie too far apart.
            return
        outcome.compared[made.way] += 1
        outcome.reached[made.way] += made.accepts(plan(self._reader, way.text))
        if found != truth:
            outcome.wrong.append(f"{where}: {made.way} counts {found} for {truth}")
        if made.cut is None:
            return
        total = self._in_slices(made)
        outcome.sliced[made.way] += 1
        if total != truth:
            outcome.wrong.append(f"{where}: slices of {made.way} count {total} for {truth}")

    def _mistaken(self, changed: str, text: Text, truth: int) -> bool:
        """Whether a statement with a mistake in it gives itself away, by its number or by an error."""
        if changed == text[0]:
            return False
        try:
            with self._reader.transaction(force_rollback=True):
                [[found]] = rows(self._reader, (changed, text[1]))
                return found not in {None, truth}
        except psycopg.Error:
            return True

    def _in_slices(self, made: Counting) -> int:
        match made.cut:
            case KeyRanges() as cut:
                return self._by_keys(cut)
            case BlockRanges() as cut:
                return self._by_blocks(cut)
            case MarkedRows(marked):
                return sum(flag for (flag,) in rows(self._reader, compiled(marked(4))))
            case None:
                raise AssertionError("it can't be cut")

    def _by_keys(self, made: KeyRanges) -> int:
        statement = made.boundaries(100, self._random.choice((1, 3)))
        cuts = list(dict.fromkeys(row[0] for row in rows(self._reader, compiled(statement))))
        return sum(
            number(self._reader, compiled(select(made.count(low, high)))) for low, high in pairwise([None, *cuts, None])
        )

    def _by_blocks(self, made: BlockRanges) -> int:
        """Two blocks one by one, then the rest."""
        block = select(func.generate_series(literal_column("0"), literal_column("1")).label("at")).subquery("blocks")
        some = select(func.sum(made.count(block.c.at, block.c.at + literal_column("1"))))
        return number(self._reader, compiled(some)) + number(self._reader, compiled(select(made.count(2, None))))


async def _read(conninfo: str) -> Schema:
    async with opened(conninfo) as (_, schema):
        return schema


def main() -> None:
    """Try cases on a server of our own, and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with EmbeddedServer.start() as server:
        tried = Differential(server.conninfo(), options.seed)
        try:
            outcome = tried.run(options.cases)
        finally:
            tried.close()
    lines = [
        f"{outcome.cases} cases, {outcome.with_orphans} with orphans, {outcome.disturbed} with somebody who writes",
        *(
            f"{way}: {outcome.compared[way]} counts, {outcome.reached[way]} by the plan it is for, "
            f"{outcome.sliced[way]} in slices"
            for way in Way
            if way is not Way.PLAIN
        ),
        *(f"{way}: {outcome.lone[way]} counts of parents without a child" for way in LoneWay),
        *(outcome.wrong or ["no count was wrong"]),
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    raise SystemExit(bool(outcome.wrong))


if __name__ == "__main__":
    main()
