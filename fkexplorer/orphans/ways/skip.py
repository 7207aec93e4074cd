"""Counts by the child's distinct keys, one index probe each: for few keys that are in many rows.

3.5 us a key, whatever the number of rows and of parents: 0.008 times a scan of 20 million rows with 1,000 keys.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import BigInteger, case, cast, func, literal_column, select

from fkexplorer.orphans.keyset import Part, index_ordering
from fkexplorer.orphans.model import Way
from fkexplorer.orphans.predicate import operator
from fkexplorer.orphans.ways.way import Counting, nodes, scans

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import ColumnElement
    from sqlalchemy.sql.selectable import CTE

    from fkexplorer.orphans.predicate import EdgePredicate
    from fkexplorer.orphans.ways.keys import OrderedPair
    from fkexplorer.orphans.ways.way import Plan
    from fkexplorer.schema.model import Operator

_OTHERS = frozenset({"Hash Join", "Merge Join", "Sort", "Incremental Sort", "Materialize"})
_ONE: ColumnElement[int] = literal_column("1")


class Skip(Counting):
    """The rows of each distinct key that has no parent; NULL where there are more keys than `most`.

    Of an edge with one pair of columns. Keys that are equal in the index's order are equal to the same parents.

    Args:
        predicate: of the edge.
        ordered: its pair.
        most: distinct keys after which it gives up: their number is a guess of ANALYZE, and often a low one.
    """

    way: ClassVar[Way] = Way.SKIP
    settings: Mapping[str, str] = MappingProxyType(
        dict.fromkeys(
            ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin", "enable_material"), "off"
        )
    )

    def __init__(self, predicate: EdgePredicate, ordered: OrderedPair, most: int) -> None:
        self._predicate = predicate
        self._most: ColumnElement[int] = literal_column(str(most))
        ordering, equals = index_ordering(ordered.child, ordered.pair.child), ordered.pair.equals
        assert ordering is not None  # noqa: S101 - a btree has one
        assert equals is not None  # noqa: S101 - it is of the order
        [child_key], [self._parent_key] = predicate.child_keys, predicate.parent_keys
        self._key = Part(child_key, ordering)
        self._equals = equals

    def whole(self) -> ColumnElement[int]:
        """The rows of all keys without a parent; NULL where it gave up."""
        keys = self._distinct()
        rows = self._predicate.from_child(func.count()).where(self._compared(self._key.ordering.equal, keys.c.k))
        total = func.coalesce(func.sum(rows.correlate(keys).scalar_subquery()), literal_column("0"))
        parent = self._predicate.from_parent(_ONE).where(operator(self._parent_key, self._equals, keys.c.k))
        counted = select(cast(total, BigInteger)).where(keys.c.k.is_not(None), ~parent.correlate(keys).exists())
        gave_up = select(_ONE).where(keys.c.n == self._most, keys.c.k.is_not(None)).exists()
        return case((~gave_up, counted.scalar_subquery()))

    def accepts(self, plan: Plan) -> bool:
        """Whether every step is a look into an index; of the first key it may be one for nothing but the least."""
        kinds = {node["Node Type"] for node in nodes(plan)}
        first = {id(scan) for node in nodes(plan) if node["Node Type"] == "Limit" for scan in scans(node)}
        return kinds.isdisjoint(_OTHERS) and all(
            scan["Node Type"] in {"Index Scan", "Index Only Scan"} and ("Index Cond" in scan or id(scan) in first)
            for scan in scans(plan)
        )

    def _distinct(self) -> CTE:
        """`k`: the child's distinct keys in order, then NULL; `n`: their numbers from 1 on."""
        key = self._key
        child = self._predicate.from_child
        first = child(key.value.label("k"), _ONE.label("n")).where(key.value.is_not(None)).order_by(key.order_by())
        keys = first.limit(_ONE).cte("keys", recursive=True)
        following = child(key.value).where(self._compared(key.ordering.greater, keys.c.k)).order_by(key.order_by())
        following = following.limit(_ONE).correlate(keys)
        more = select(following.scalar_subquery(), keys.c.n + _ONE).where(keys.c.k.is_not(None), keys.c.n < self._most)
        return keys.union_all(more)

    def _compared(self, by: Operator, key: ColumnElement[Any]) -> ColumnElement[bool]:
        return operator(self._key.value, by, key)
