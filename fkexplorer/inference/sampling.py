"""How many of a child's keys the parent has: some distinct ones, looked up within limits of rows and of time.

Of a large table they are those that ANALYZE saw most often and those of some of its pages; no table is read whole that
is larger than the limit. A parent's keys are looked up one by one in its index.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import column, func, literal_column, select, table, union_all
from sqlalchemy.dialects import postgresql

from fkexplorer.database.connection import Lane
from fkexplorer.database.errors import translate
from fkexplorer.database.limits import Limits
from fkexplorer.database.pipeline import pipelined
from fkexplorer.inference.model import Inclusion
from fkexplorer.orphans.history import pair_of
from fkexplorer.orphans.keyset import value_type
from fkexplorer.orphans.outcome import refused
from fkexplorer.orphans.predicate import EdgePredicate, child_columns, collated, operator, relation, taken_at
from fkexplorer.orphans.ways.keys import integer_pair, rows_of
from fkexplorer.schema.model import ColumnPair, Operator, TableKind, TypeName
from fkexplorer.schema.names import literal, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Select
    from sqlalchemy.sql.selectable import Subquery

    from fkexplorer.database.connection import Database
    from fkexplorer.inference.model import Guess, PairKey
    from fkexplorer.schema.model import Relationship, Schema, Table

_KEYS = 1000
"""Distinct keys of a child that are looked up: 2 to 5 ms in an index."""
_FREQUENT = 500
"""Those of them at most that come from what ANALYZE saw most often."""
_ROWS = 20_000
"""Rows of a table that are read at most: some ms. One that has fewer is read whole."""
_PAGES = 200
"""Pages of a larger table that are drawn: some 10,000 rows."""
_BLOCK_SIZE = 8192
_RIVALS = 3
"""Other tables in whose keys the same integers are looked up."""
_BATCH = 16
"""Pairs of one round trip: behind each batch the time is looked at."""
_STATEMENT_MS = 1000
# A paramstyle without percent signs: else those in names would come out doubled.
_DIALECT = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
_TEXT = TypeName("pg_catalog", "text")


async def read_samples(
    database: Database, schema: Schema, guesses: Iterable[Guess], *, seconds: float, max_bytes: int
) -> tuple[dict[PairKey, Inclusion], tuple[str, ...]]:
    """How many of the keys of each guess its parent has.

    Args:
        database: where to look.
        schema: what the guesses are of.
        guesses: in the order of their importance; those whose columns can't be compared are passed over.
        seconds: for all together.
        max_bytes: of a table that may be read whole.

    Returns:
        What was found of each, and a sentence for people where the time did not suffice for all.

    Raises:
        Trouble: the connection is lost, or could not be made.
    """
    end = time.monotonic() + seconds
    wanted = {pair_of(guess.edge): guess.edge for guess in reversed(list(guesses))}
    edges = [edge for edge in reversed(wanted.values()) if all(pair.equals for pair in edge.pairs)]
    sampling = _Sampling(database, schema, max_bytes)
    samples: dict[PairKey, Inclusion] = {}
    asked = []
    for edge in edges:
        if problem := sampling.problem(edge):
            samples[pair_of(edge)] = Inclusion(0, 0, schema.loaded_at, problem=problem)
        else:
            asked.append(edge)
    done = 0
    while done < len(asked) and (left := end - time.monotonic()) > 0:
        samples |= await sampling.looked_up(asked[done : done + _BATCH], left)
        done += _BATCH
    late = len(asked) - done
    if late <= 0:
        return samples, ()
    pairs = "1 pair of columns" if late == 1 else f"{late:,} pairs of columns"
    return samples, (f"The values of {pairs} were not looked at: the {seconds:g} s for that were over.",)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One statement, and what is known of its answer beforehand."""

    key: PairKey
    statement: str
    drawn: bool
    """Not all of the child's rows are read."""
    rivals: int


class _Sampling:
    """Looks at the keys of the edges of one schema."""

    def __init__(self, database: Database, schema: Schema, max_bytes: int) -> None:
        self._database = database
        self._schema = schema
        self._max_bytes = max_bytes
        self._rivals = _integer_keys(schema)

    def problem(self, edge: Relationship) -> str:
        """Why an edge's keys are not looked up, in a few words; or nothing."""
        child, parent = self._schema.child_of(edge), self._schema.parent_of(edge)
        for side in (child, parent):
            if side.kind is TableKind.FOREIGN:
                return f"{table_label(side)} is a foreign table"
        if refusal := refused(self._schema, edge, self._database.facts.user):
            return refusal.error or ""
        if not _indexed(parent, edge) and parent.likely_bytes > self._max_bytes:
            return f"no index of {table_label(parent)} finds its keys, and it is too large to be read without"
        return ""

    async def looked_up(self, edges: list[Relationship], seconds: float) -> Mapping[PairKey, Inclusion]:
        """The samples of these edges."""
        asked = []
        for edge in edges:
            # One takes 3 ms to build: what else the event loop has to do goes in between.
            await asyncio.sleep(0)
            asked.append(self._asked(edge))
        found: dict[PairKey, Inclusion] = {}

        def answered(position: int, answer: Mapping[str, Any] | psycopg.Error) -> None:
            each = asked[position]
            if isinstance(answer, psycopg.Error):
                found[each.key] = Inclusion(0, 0, datetime.now(UTC), problem=translate(answer).reason)
                return
            keys, present = answer["keys"], answer["present"]
            found[each.key] = Inclusion(
                keys,
                present,
                datetime.fromtimestamp(answer["as_of"], UTC),
                whole=not each.drawn and answer["read"] < _ROWS and keys < _KEYS,
                also_in=sum(answer[f"r{at}"] >= present > 0 for at in range(each.rivals)),
            )

        ms = max(1, round(min(_STATEMENT_MS, 1000 * seconds)))
        limits = Limits(statement_timeout_ms=ms, lock_timeout_ms=min(100, ms))
        await pipelined(self._database, [each.statement for each in asked], limits, answered, lane=Lane.SCREEN)
        return found

    def _asked(self, edge: Relationship) -> _Asked:
        """One row: `keys`, `present`, `read`, the rivals `r0`, …, `snapshot`, `as_of`."""
        child = self._schema.child_of(edge)
        drawn = rows_of(child) > _ROWS or child.likely_bytes > _BLOCK_SIZE * _ROWS
        percent = min(100.0, 100 * _PAGES * _BLOCK_SIZE / max(1, child.likely_bytes)) if drawn else None
        rows = EdgePredicate(self._schema, edge, child=relation(child, "c", child_columns(edge), percent=percent))
        names = [pair.child.name for pair in edge.pairs]
        read = (
            rows.from_child(*(rows.child.c[name] for name in names), rows.not_null_condition.label("whole key"))
            .limit(literal_column(str(_ROWS)))
            .cte("r")
        )
        found: list[Select[Any]] = [select(*(read.c[name] for name in names)).where(read.c["whole key"])]
        if drawn and len(names) == 1 and edge.only is None:
            found.insert(0, _frequent(child, edge.pairs[0]))
        every = union_all(*found).subquery("e")
        keys = select(*(every.c[name] for name in names)).distinct().limit(literal_column(str(_KEYS))).subquery("c")
        rivals = [self._against(rival, keys).label(f"r{at}") for at, rival in enumerate(self._rivals_of(edge))]
        statement = select(
            func.count().label("keys"),
            self._against(edge, keys).label("present"),
            select(func.count()).select_from(read).scalar_subquery().label("read"),
            *rivals,
            *taken_at(self._database.facts.version_number),
        ).select_from(keys)
        return _Asked(pair_of(edge), str(statement.compile(dialect=_DIALECT)), drawn, len(rivals))

    def _against(self, edge: Relationship, keys: Subquery) -> Any:  # noqa: ANN401 - a column, as it is built
        """How many of the keys are in the edge's parent."""
        predicate = EdgePredicate(self._schema, edge, child=keys)
        indexed = _indexed(predicate.parent_table, edge)
        return func.count().filter(predicate.has_parent_where(one_by_one=indexed))

    def _rivals_of(self, edge: Relationship) -> list[Relationship]:
        """The edge with other tables in place of its parent, those with most rows: what they have by chance tells."""
        [pair, *more] = edge.pairs
        if more or not integer_pair(pair):
            return []
        own = {edge.child, edge.parent}
        others = [each for each in self._rivals.get(pair.parent.type, ()) if each[0].oid not in own][:_RIVALS]
        return [
            replace(edge, parent=other.oid, pairs=(ColumnPair(pair.child, key, pair.equals),)) for other, key in others
        ]


def _integer_keys(schema: Schema) -> dict[TypeName, list[tuple[Table, Any]]]:
    """The tables with a primary key of one integer whose rows may be read, by its type; the largest first."""
    found: dict[TypeName, list[tuple[Table, Any]]] = {}
    for each in sorted(schema.tables.values(), key=lambda table: (-rows_of(table), table.schema, table.name)):
        key = each.primary_key
        if key and len(key.columns) == 1 and each.privileges.usage and not each.row_security_active:
            own = each.column(key.columns[0])
            if own.may_select:
                found.setdefault(own.type, []).append((each, own))
    return found


def _indexed(parent: Table, edge: Relationship) -> bool:
    """Whether an index of the parent finds each of its keys, as the edge compares them."""
    wanted = {pair.parent.number: pair.equals.left for pair in edge.pairs if pair.equals}
    return any(
        index.valid
        and not index.partial
        and len(index.columns) >= len(wanted)
        and {part.number: part.equal and part.equal.left for part in index.columns[: len(wanted)]} == wanted
        for index in parent.indexes
    )


def _frequent(child: Table, pair: ColumnPair) -> Select[Any]:
    """The values that ANALYZE saw most often, as far as the role may know them; they may be gone since."""
    of = value_type(pair.child)
    values = table("pg_stats", *(column(name) for name in _STATISTICS), schema="pg_catalog").alias("s")
    array = f"{quote(of.schema)}.{quote(of.name)}[]"
    value: Any = literal_column(f"pg_catalog.unnest(CAST(CAST(s.most_common_vals AS pg_catalog.text) AS {array}))")
    named = {"schemaname": child.schema, "tablename": child.name, "attname": pair.child.name}
    equals = Operator("pg_catalog", "=", None, None)
    unnested = (
        select(value.label(pair.child.name))
        .select_from(values)
        .where(*(operator(values.c[name], equals, literal_column(literal(text))) for name, text in named.items()))
        .where(values.c.inherited if child.kind is TableKind.PARTITIONED else ~values.c.inherited)
        .limit(literal_column(str(_FREQUENT)))
        .subquery("f")
    )
    own = unnested.c[pair.child.name]
    return select(collated(own, pair.child.collation).label(pair.child.name) if pair.child.collation else own)


_STATISTICS = ("schemaname", "tablename", "attname", "inherited", "most_common_vals")
