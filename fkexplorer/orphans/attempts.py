"""The statements to count an edge with, the one that should be cheapest first; the last one always gives the number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import literal_column, select

from fkexplorer.orphans.cost import candidates, lone_candidates
from fkexplorer.orphans.model import LoneWay, Way
from fkexplorer.orphans.predicate import count_statement, taken_at, totals_statement
from fkexplorer.orphans.ways.choice import counting, lone_counting, missed_counting
from fkexplorer.orphans.ways.explain import plan_of
from fkexplorer.schema.keys import is_one_to_one

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.ext.asyncio import AsyncConnection

    from fkexplorer.orphans.predicate import EdgePredicate
    from fkexplorer.orphans.ways.way import Counting
    from fkexplorer.schema.model import Schema

_NO_INDEX = MappingProxyType(dict.fromkeys(("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan"), "off"))


@dataclass(frozen=True)
class Attempt:
    """A statement that counts an edge, in the way that `counting` stands for."""

    counting: Counting
    settings: Mapping[str, str]
    ms: float
    """What it should take."""
    _build: Callable[[], Select[Any]]

    @cached_property
    def _statement(self) -> Select[Any]:
        """Built when its turn comes, which of most attempts it never does: some ms for all of an edge's."""
        return self._build()

    async def run(self, connection: AsyncConnection) -> Mapping[str, Any] | None:
        """Its row; None where the plan is not what makes the way fast, or the way found out that it does not serve.

        The transaction must have the settings.

        Raises:
            DBAPIError: the server refused or stopped it.
        """
        way = self.counting
        # Compiled once for both: 2 ms each for the largest, when 1,000 keys are looked up in 1 ms.
        text = str(self._statement.compile(dialect=connection.dialect))
        if way.way is not Way.PLAIN and way.settings and not way.accepts(await plan_of(connection, text)):
            return None
        row: Mapping[str, Any] = dict((await connection.exec_driver_sql(text)).mappings().one())
        return None if row["orphans"] is None else row

    async def replace(self, other: Attempt, connection: AsyncConnection) -> None:
        """Take back the settings of another attempt in the same transaction, and make those of this one.

        Raises:
            DBAPIError: the server refused it.
        """
        names = ", ".join(f"('{name}')" for name in {**other.settings, **self.settings})
        if not names:
            return
        values = "".join(f" WHEN '{name}' THEN '{value}'" for name, value in self.settings.items())
        value = f"CASE name{values} ELSE reset_val END" if values else "reset_val"
        await connection.exec_driver_sql(
            f"SELECT pg_catalog.set_config(name, {value}, true) FROM pg_catalog.pg_settings"  # noqa: S608 - constants
            f" WHERE name IN (VALUES {names})"
        )


def attempts(
    schema: Schema, predicate: EdgePredicate, server_version: int, *, full: bool, deep: bool, alone: bool = False
) -> list[Attempt]:
    """What to try in turn.

    Args:
        schema: what the predicate's edge is of.
        predicate: of the edge.
        server_version: `server_version_num`.
        full: whether all totals are wanted, as `totals_statement` brings them; else as `count_statement` does.
        deep: whether no index is to be used.
        alone: whether the orphans alone are wanted, also of a 1:1 edge.

    Raises:
        Incomparable: no operator compares the two sides.
    """
    edge = predicate.edge
    childless = not alone and is_one_to_one(schema.child_of(edge), edge)
    whole = (
        totals_statement(predicate, server_version)
        if full
        else count_statement(predicate, server_version, childless=childless)
    )
    # One statement serves them both: the predicate as it stands.
    as_it_stands = {Way.PLAIN, Way.MERGE}
    ways = candidates(schema, edge)
    plain = next(at for at, candidate in enumerate(ways) if candidate.way is Way.PLAIN)
    found = []
    for candidate in ways[plain : plain + 1] if deep else ways[: plain + 1]:
        way = candidate.way
        if (full or childless) and way not in as_it_stands:
            continue
        made = counting(way, schema, predicate, server_version)
        if made is None:
            continue
        build = partial(_orphans_alone, made, server_version) if way not in as_it_stands else lambda: whole
        settings = {**made.settings, **_NO_INDEX} if deep else made.settings
        found.append(Attempt(made, settings, candidate.ms, build))
    return found


def key_attempts(schema: Schema, predicate: EdgePredicate, server_version: int, *, deep: bool) -> list[Attempt]:
    """What to try in turn to count the different keys that the orphans name; `orphans` has their number.

    Raises:
        Incomparable: no operator compares the two sides.
    """
    made = [
        (missed, candidate.ms, candidate.way is Way.PLAIN)
        for candidate in candidates(schema, predicate.edge)
        if (missed := missed_counting(candidate.way, schema, predicate, server_version)) is not None
    ]
    return _until_plain(made, deep=deep)


def lone_attempts(schema: Schema, predicate: EdgePredicate, server_version: int, *, deep: bool) -> list[Attempt]:
    """What to try in turn to count the parents without a child; `orphans` has their number.

    Raises:
        Incomparable: no operator compares the two sides.
    """
    made = [
        (lone, candidate.ms, candidate.way is LoneWay.PLAIN)
        for candidate in lone_candidates(schema, predicate.edge)
        if (lone := lone_counting(candidate.way, schema, predicate, server_version)) is not None
    ]
    return _until_plain(made, deep=deep)


def _until_plain(made: Sequence[tuple[Counting, float, bool]], *, deep: bool) -> list[Attempt]:
    """Attempts of these ways, up to the plain one; without any index it is the only one."""
    plain = next(at for at, (_, _, plain) in enumerate(made) if plain)
    return [
        Attempt(way, {**way.settings, **_NO_INDEX} if deep else way.settings, ms, partial(_number, way))
        for way, ms, _ in made[plain if deep else 0 : plain + 1]
    ]


def _number(way: Counting) -> Select[Any]:
    return select(way.whole().label("orphans"))


def _orphans_alone(way: Counting, server_version: int) -> Select[Any]:
    """The columns of `count_statement`."""
    childless: ColumnElement[int] = literal_column("NULL::bigint").label("childless")
    return select(way.whole().label("orphans"), childless, *taken_at(server_version))
