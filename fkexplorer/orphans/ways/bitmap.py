"""Counts integers by a bitmap of the parent's keys that the server holds: one scan of the child, no hash table.

It has 16 MiB at most, and stays in the processor's cache where a hash table of 5 million keys does not: 1.5 to 2.9
times a scan of the child, and a hash join 7 to 20 times. It needs no index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from sqlalchemy import BigInteger, Integer, Numeric, and_, case, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from fkexplorer.orphans.model import Way
from fkexplorer.orphans.ways.way import Scanning, block_range, by_blocks

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from fkexplorer.orphans.predicate import EdgePredicate
    from fkexplorer.orphans.ways.way import Plan

SPAN = 1 << 27
"""Integers that a bitmap covers at most: 16 MiB of the server's memory."""
_LONG_BITS_SINCE = 140000
"""The `server_version_num` from which `get_bit(bytea, int8)` is there, and not `(bytea, int4)`."""


class Bitmap(Scanning):
    """Rows whose bit is not set, or that lie outside; NULL where the keys span too much, or there is none.

    Of an edge of integers.
    """

    way: ClassVar[Way] = Way.BITMAP

    def __init__(self, predicate: EdgePredicate, server_version: int) -> None:
        self._predicate = predicate
        self._bit_number = BigInteger() if server_version >= _LONG_BITS_SINCE else Integer()
        self.slicing = by_blocks(server_version)
        [key] = predicate.parent_keys
        least, greatest = cast(func.min(key), BigInteger), cast(func.max(key), BigInteger)
        fits = cast(greatest, Numeric) - cast(least, Numeric) < literal_column(str(SPAN))
        ends = predicate.from_parent(fits.label("fits"), least.label("least"), greatest.label("greatest")).cte()
        self._fits = select(ends.c.fits).scalar_subquery()
        self._least = select(ends.c.least).scalar_subquery()
        self._greatest = select(ends.c.greatest).scalar_subquery()
        self._bits = self._bitmap()

    @property
    def serves(self) -> ColumnElement[bool]:
        """Whether `missing` is the answer, not true where it isn't."""
        return self._fits

    @property
    def missing(self) -> ColumnElement[bool]:
        """Which rows of the child have no bit."""
        [key] = self._predicate.child_keys
        bit = func.get_bit(self._bits, cast(key - self._least, self._bit_number))
        # CASE, since the order in which AND is evaluated is the planner's: outside there are no bits.
        inside = and_(key >= self._least, key <= self._greatest)
        return case((inside, bit == literal_column("0")), else_=key.is_not(None))

    def whole(self) -> ColumnElement[int]:
        """The rows without their bit; NULL where there is no bitmap."""
        return self._counted()

    def accepts(self, plan: Plan) -> bool:  # noqa: ARG002
        """Any plan will do: the child is in no join."""
        return True

    def blocks(self, low: ColumnElement[int] | int, high: ColumnElement[int] | int | None) -> ColumnElement[int]:
        """The same of these blocks."""
        return self._counted(*block_range(self._predicate.child.name, low, high))

    def _counted(self, *conditions: ColumnElement[bool]) -> ColumnElement[int]:
        counted = self._predicate.from_child(func.count()).where(*conditions, self.missing)
        return case((self.serves, counted.scalar_subquery()))

    def _bitmap(self) -> ColumnElement[bytes]:
        """The bits as `get_bit` numbers them: words of 64 in order, with the highest byte of each first."""
        [key] = self._predicate.parent_keys
        offset = key - self._least
        number = offset.op("#")(literal_column("56")).op("&")(literal_column("63"))
        word = (
            self._predicate.from_parent(
                offset.op(">>")(literal_column("6")).label("at"),
                func.bit_or(literal_column("1::bigint").op("<<")(cast(number, Integer))).label("bits"),
            )
            .where(key.is_not(None), self._fits)
            .group_by(literal_column("1"))
            .subquery("w")
        )
        last = (self._greatest - self._least).op(">>")(literal_column("6"))
        places = select(func.generate_series(literal_column("0"), last).label("at")).where(self._fits).subquery("g")
        bits = func.int8send(func.coalesce(word.c.bits, literal_column("0::bigint")))
        joined = places.outerjoin(word, word.c.at == places.c.at)
        # The order is asked for: a hash join keeps it, and another would not.
        all_bits = func.string_agg(bits, aggregate_order_by(literal_column("''::bytea"), places.c.at))
        return select(select(all_bits.label("bits")).select_from(joined).cte().c.bits).scalar_subquery()
