"""Casts in a statement: what is cast, and whether the column gets it as it was given."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.literals import Kind, Token, Untold, Value
from fkexplorer.diagnosis.reading.syntax import bracketed, names, split

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTEGERS = frozenset({"int", "integer", "int2", "int4", "int8", "smallint", "bigint", "serial", "bigserial", "oid"})
_CHANGES = frozenset(
    {"char", "character", "bpchar", "name", "bit", "varbit", "bytea", "money", "interval", "time", "timetz", "date"}
    | {"real", "float", "float4", "float8"}
)
"""Types that a cast to may change a text of: what is printed afterwards is not what was given."""
_MOMENTS = {
    "timestamp": False,
    "timestamp without time zone": False,
    "timestamptz": True,
    "timestamp with time zone": True,
}
"""Types of a moment, and whether a text must have a zone to stay the same in them: others lose or gain one."""
_ZONE = re.compile(r"\d(?:Z|[+-]\d\d(?::?\d\d)?)$")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
NUMBER = re.compile(r"(?!-[0.]+$)-?(?:0|[1-9]\d*)(?:\.\d+)?")
"""A number that PostgreSQL prints as it is written; 007, 1e3 and -0 are printed as 7, 1000 and 0."""
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d(?::?\d\d)?)?")


def cast(part: Sequence[Token]) -> tuple[Sequence[Token], Sequence[Token]]:
    """What is cast, and to which type: `x::type`, `CAST(x AS type)`, `type 'x'`; nothing where it is no cast."""
    casts = [at for at, token in enumerate(part) if token.is_sign("::")]
    if casts:
        return part[: casts[-1]], part[casts[-1] + 1 :]
    if part and part[0].is_word("cast") and bracketed(part[1:]):
        sides = split(part[2:-1], "as")
        return (sides[0], sides[1]) if len(sides) == 2 else ((), ())
    if len(part) > 1 and part[-1].kind is Kind.STRING:
        return part[-1:], part[:-1]
    return (), ()


def keeps(of: Sequence[Token], value: Value) -> bool:
    """Whether a cast to this type leaves the value what it was, so that the column gets it as it was given."""
    found, end = names(of, 0)
    if value is None or not found or isinstance(value, Untold):
        return value is None
    name = found[-1] if end == len(of) else " ".join(each.text for each in of)
    if name in _MOMENTS:
        return MOMENT.fullmatch(value) is not None and bool(_ZONE.search(value)) == _MOMENTS[name]
    if end < len(of):  # of several words, or with a length, or an array
        return name == "character varying"
    if name in _INTEGERS or name in ("numeric", "decimal"):
        return NUMBER.fullmatch(value) is not None and ("." not in value or name not in _INTEGERS)
    return name not in _CHANGES or (name == "date" and _DATE.fullmatch(value) is not None)
