"""Finds the integers that a parent lacks between two of its keys, 64 numbers at a time.

A look into the parent's index for each 64 numbers, whose keys become the bits of a word: 60 ns a key where few are
missing. To compare each key with the one before takes 150, and to group by the word's number 80.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Integer, case, cast, func, literal_column, or_, select, true

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement, Select, Subquery

    from fkexplorer.orphans.predicate import EdgePredicate

_ZERO: ColumnElement[int] = literal_column("0")
_WHOLE: ColumnElement[int] = literal_column("(-1)::bigint")
"""A word of which no number is missing."""


def word_of(number: ColumnElement[int]) -> ColumnElement[int]:
    """The word that has a number's bit."""
    return number.op(">>")(literal_column("6"))


def bits_of(
    key: ColumnElement[int], place: Callable[[ColumnElement[int]], ColumnElement[int]] | None = None
) -> ColumnElement[int]:
    """An aggregate: the bits of a word's keys; the last 6 bits of what `place` makes of a key number its own."""
    return func.bit_or(literal_column("1::bigint").op("<<")(_last_six(key if place is None else place(key))))


def words(
    predicate: EdgePredicate,
    least: ColumnElement[int],
    greatest: ColumnElement[int],
    place: Callable[[ColumnElement[int]], ColumnElement[int]] | None = None,
) -> Select[tuple[int, int]]:
    """Rows `at`, `bits` (int8, or NULL): the words from that of one number to that of another, and their keys' bits.

    It is quick where an index of the parent has the key first, and most words have many keys. For `place` see
    `bits_of`.
    """
    [key] = predicate.parent_keys
    numbers = func.generate_series(word_of(least), word_of(greatest)).table_valued("at").render_derived(name="n")
    first = numbers.c.at.op("<<")(literal_column("6"))
    # Up to the last number, not to before the next word's first: behind the greatest int8 there is none.
    last = first.op("|")(literal_column("63"))
    found = (
        predicate.from_parent(bits_of(key, place)).where(key >= first, key <= last).correlate(numbers).scalar_subquery()
    )
    # The limit of none keeps the planner from writing the look where the word is named, to be taken each time.
    return select(numbers.c.at, found.label("bits")).select_from(numbers).offset(_ZERO)


def holes(predicate: EdgePredicate, least: ColumnElement[int], greatest: ColumnElement[int]) -> Subquery:
    """Rows `lo`, `hi`: the integers without a key between two keys, each in one range from the first to the last.

    A range is one number, or 8 or 64 in a row. For what else it needs see `words`.

    Args:
        predicate: of an edge of integers.
        least: a key of the parent (int8).
        greatest: another, not less.
    """
    found = words(predicate, least, greatest).subquery("f")
    # What lies beyond the two is as good as there.
    below, above = _WHOLE.op("<<")(_last_six(least)), _WHOLE.op("<<")(_last_six(greatest))
    filled = (
        func.coalesce(found.c.bits, _ZERO)
        .op("|")(case((found.c.at == word_of(least), below.op("#")(_WHOLE)), else_=_ZERO))
        .op("|")(case((found.c.at == word_of(greatest), above), else_=_ZERO))
    )
    word = select(found.c.at, filled.label("bits")).offset(_ZERO).subquery("w")
    eight, one = _up_to_seven("j"), _up_to_seven("i")
    byte = word.c.bits.op(">>")(literal_column("8") * eight.c.n).op("&")(literal_column("255"))
    incomplete = case((word.c.bits == _ZERO, eight.c.n == _ZERO), else_=byte != literal_column("255"))
    parts = (
        select(
            (word.c.at.op("<<")(literal_column("6")) + literal_column("8") * eight.c.n).label("first"),
            case((word.c.bits == _ZERO, literal_column("63")), (byte == _ZERO, literal_column("7")), else_=_ZERO).label(
                "more"
            ),
            byte.label("byte"),
        )
        .select_from(word.join(eight, true()))
        .where(word.c.bits != _WHOLE, incomplete)
        .subquery("b")
    )
    absent = parts.c.byte.op(">>")(one.c.n).op("&")(literal_column("1")) == _ZERO
    low = parts.c.first + one.c.n
    return (
        select(low.label("lo"), (low + parts.c.more).label("hi"))
        .select_from(parts.join(one, true()))
        .where(or_(parts.c.more == _ZERO, one.c.n == _ZERO), absent)
        .subquery("h")
    )


def _last_six(number: ColumnElement[int]) -> ColumnElement[int]:
    """The number's bit in its word."""
    return cast(number.op("&")(literal_column("63")), Integer)


def _up_to_seven(name: str) -> Subquery:
    numbers = func.generate_series(_ZERO, literal_column("7")).table_valued("n").render_derived(name=name)
    return select(numbers.c.n).subquery(f"of_{name}")
