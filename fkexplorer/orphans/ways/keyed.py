"""Cuts a count into ranges of the parent's keys: what the ways that go by an order of both sides have in common."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, literal_column, select

from fkexplorer.orphans.keyset import Part, index_ordering, read_as
from fkexplorer.orphans.predicate import cast_to, only, operator, relation
from fkexplorer.orphans.ways.way import Counting, KeyRanges
from fkexplorer.schema.model import Match
from fkexplorer.schema.secrets import is_secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement, Select

    from fkexplorer.orphans.predicate import EdgePredicate
    from fkexplorer.orphans.ways.keys import OrderedPair
    from fkexplorer.orphans.ways.way import Cut
    from fkexplorer.schema.model import Operator


class ByKeys(Counting):
    """A way that reads both sides in the order of their first column.

    Args:
        predicate: of the edge.
        ordered: its pairs, see `ordered_pairs`; not empty.
    """

    settings: Mapping[str, str] = MappingProxyType(
        # A boundary is printed and read again, and has to be the same then: as in `paging`.
        {"DateStyle": "ISO, YMD", "extra_float_digits": "1", "bytea_output": "hex"}
    )

    def __init__(self, predicate: EdgePredicate, ordered: Sequence[OrderedPair]) -> None:
        self._predicate = predicate
        self._first = ordered[0]
        at = predicate.edge.pairs.index(self._first.pair)
        self._child_key = predicate.child_keys[at]
        parent = self._first.pair.parent
        ordering = index_ordering(self._first.parent, parent)
        assert ordering is not None  # noqa: S101 - a btree has one
        equals = self._first.pair.equals
        self._type = equals.left if equals is not None and equals.left is not None else ordering.type
        self._parent_key = Part(predicate.parent_keys[at], replace(ordering, type=self._type))
        # With MATCH FULL a key without its first column is an orphan too, and lies in no range. A secret stays where
        # it is: a boundary would bring it here.
        whole = len(ordered) > 1 and predicate.edge.match is Match.FULL
        self._in_one = whole or is_secret(parent.name)

    @property
    def cut(self) -> Cut:
        """By keys, where that can be."""
        return None if self._in_one else KeyRanges(self.keys, self.boundaries)

    @abstractmethod
    def keys(self, low: str | None, high: str | None) -> ColumnElement[int]:
        """See `KeyRanges`."""

    def boundaries(self, percent: float, most: int) -> Select[Any]:
        """Some of the parent's keys; of several columns, the first one's values."""
        table, pair = self._predicate.parent_table, self._first.pair
        sample = relation(table, "p", [pair.parent], percent=percent)
        key = self._parent_key.over(cast_to(sample.c[pair.parent.name], pair.parent_cast))
        numbered = select(
            key.value.label("k"),
            func.row_number().over(order_by=key.order_by()).label("n"),
            func.count().over().label("of"),
        ).select_from(sample)
        keys = only(numbered, sample, table).where(key.value.is_not(None)).subquery("k")
        every = keys.c.of.op("/")(literal_column(str(most))) + literal_column("1")
        printed = func.pg_catalog.concat(keys.c.k).label("boundary")
        return select(printed).where(keys.c.n % every == literal_column("0")).order_by(keys.c.n)

    def _child_against(self, by: Operator, boundary: str) -> ColumnElement[bool]:
        """How the child's key compares with a boundary."""
        return operator(self._child_key, by, read_as(boundary, self._type))
