"""Mistakes that a way of counting could have, as changes of the SQL that it really compiles to.

A change that finds nothing to change gives the statement back as it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.orphans.model import Way

if TYPE_CHECKING:
    from collections.abc import Callable

_TABLE = r'"[^"]+"\."[^"]+"'
_CHILD = r'(?:CAST\()?c\."[^"]+"(?: AS [^)]+\))?'
_OPERATOR = r"OPERATOR\(\S+?\.{}\)"


@dataclass(frozen=True, slots=True)
class WayMutation:
    """A mistake in a way, how it is made, and what a server needs for a case that shows it."""

    way: Way
    name: str
    change: Callable[[str], str]
    extension: str = ""


def _sub(pattern: str, replacement: str) -> Callable[[str], str]:
    compiled = re.compile(pattern, re.DOTALL)
    return lambda text: compiled.sub(replacement, text)


def _gives_up_unnoticed(text: str) -> str:
    limited = re.sub(r"keys\.n < \d+", "keys.n < 3", text)
    return re.sub(r"keys\.n = \d+", "keys.n = 4", limited)


WAY_MUTATIONS = (
    WayMutation(
        Way.GAPS,
        "nothing below the least key",
        _sub(rf"WHERE ({_CHILD} {_OPERATOR.format('<')} \()", r"WHERE false AND \1"),
    ),
    WayMutation(
        Way.GAPS,
        "nothing above the greatest key",
        _sub(rf"WHERE ({_CHILD} {_OPERATOR.format('>')} \()", r"WHERE false AND \1"),
    ),
    WayMutation(Way.GAPS, "nothing without a parent", _sub(r"AND NOT \(EXISTS", "AND false AND NOT (EXISTS")),
    WayMutation(Way.GAPS, "NULLs without a parent", _sub(r'c\."k0" IS NOT NULL AND NOT', "NOT")),
    WayMutation(Way.GAPS, "the lower key is in the gap", _sub(r"OPERATOR\((\S+?)\.>\) g\.lo", r"OPERATOR(\1.>=) g.lo")),
    WayMutation(Way.GAPS, "the upper key is in the gap", _sub(r"OPERATOR\((\S+?)\.<\) g\.hi", r"OPERATOR(\1.<=) g.hi")),
    WayMutation(Way.GAPS, "the gap has no upper end", _sub(rf" AND \({_CHILD} {_OPERATOR.format('<')} g\.hi\)", "")),
    WayMutation(Way.GAPS, "no room for one", _sub(r"g\.hi - 1\b", "g.hi - 2")),
    WayMutation(
        Way.GAPS, "the least integer less one", _sub(r"CASE WHEN \(g\.lo IS NULL\) THEN false ELSE (.*?) END", r"\1")
    ),
    WayMutation(Way.GAPS, "every type has integers", _sub(r"WHERE g\.lo IS NOT NULL", "WHERE g.lo < g.hi - 1")),
    WayMutation(Way.GAPS, "a row with a NULL behind", _sub(r' AND c\."k1" IS NOT NULL', "")),
    WayMutation(Way.GAPS, "no room behind other columns", _sub(r"ELSE true END", "ELSE false END")),
    WayMutation(
        Way.GAPS, "room behind equal columns alone", _sub(r"WHEN \(?(g\.lo0 OPERATOR.*?)\)? THEN", "WHEN true THEN")
    ),
    WayMutation(
        Way.GAPS,
        "the greatest key may be NULL",
        _sub(r"WHERE [^\n]*? IS NOT NULL (ORDER BY [^\n]*?NULLS FIRST)", r"\1"),
    ),
    WayMutation(
        Way.GAPS,
        "a hole behind the greatest key",
        _sub(r"\(-1\)::bigint << CAST\(\(SELECT (?!.*# \(-1\))", "0 << CAST((SELECT "),
    ),
    WayMutation(Way.GAPS, "a hole before the least key", _sub(r"# \(-1\)::bigint", "# 0")),
    WayMutation(
        Way.GAPS, "a hole of one number", _sub(r"THEN 63 WHEN .*? THEN 7 ELSE 0", "THEN 0 WHEN false THEN 7 ELSE 0")
    ),
    WayMutation(Way.GAPS, "a whole byte is none", _sub(r"\) != 255", ") != 0")),
    WayMutation(Way.GAPS, "the word's last number", _sub(r"\| 63\)", "| 62)")),
    WayMutation(Way.GAPS, "heirs of the child", _sub(rf"ONLY ({_TABLE} AS c\b)", r"\1")),
    WayMutation(Way.GAPS, "heirs of the parent", _sub(rf"ONLY ({_TABLE} AS p\b)", r"\1")),
    WayMutation(Way.GAPS, "another type's operators", _sub(r"OPERATOR\(\w+\.([<>])\)", r"\1"), "citext"),
    WayMutation(Way.SKIP, "every key", _sub(r" AND NOT \(EXISTS .*?keys\.k\)\)\)", ")")),
    WayMutation(Way.SKIP, "keys and not rows", _sub(r"sum\(\(SELECT count\(\*\)", "sum((SELECT least(1, count(*))")),
    WayMutation(Way.SKIP, "gives up unnoticed", _gives_up_unnoticed),
    WayMutation(Way.SKIP, "heirs of the child", _sub(rf"ONLY ({_TABLE} AS c\b)", r"\1")),
    WayMutation(Way.SKIP, "heirs of the parent", _sub(rf"ONLY ({_TABLE} AS p\b)", r"\1")),
    WayMutation(Way.SKIP, "another type's operators", _sub(r"OPERATOR\(\w+\.([<>=])\)", r"\1"), "citext"),
    WayMutation(Way.RANGE, "keys with holes", _sub(r"CAST\(\(SELECT count\(.*? AS dense", "true AS dense")),
    WayMutation(Way.RANGE, "the least key", _sub(r"(c\.\S+?) < ", r"\1 <= ")),
    WayMutation(Way.RANGE, "the greatest key", _sub(r"(c\.\S+?) > ", r"\1 >= ")),
    WayMutation(Way.RANGE, "heirs of the child", _sub(rf"ONLY ({_TABLE} AS c\b)", r"\1")),
    WayMutation(Way.BITMAP, "bytes in the machine's order", _sub(r"# 56\b", "# 0")),
    WayMutation(Way.BITMAP, "the first bit is that of the least key", _sub(r"least & \(-64\)::bigint", "least")),
    WayMutation(
        Way.BITMAP,
        "the first bit is always that of 0",
        _sub(r"CASE WHEN (\S+)\.from_zero THEN \1\.greatest END", r"\1.greatest"),
    ),
    WayMutation(Way.BITMAP, "the word's last number", _sub(r"\| 63\)", "| 62)")),
    WayMutation(Way.BITMAP, "no words without keys", _sub(r"LEFT OUTER JOIN", "JOIN")),
    WayMutation(Way.BITMAP, "the least key", _sub(r"(c\.\S+?) >= ", r"\1 > ")),
    WayMutation(Way.BITMAP, "the greatest key", _sub(r"(c\.\S+?) <= ", r"\1 < ")),
    WayMutation(Way.BITMAP, "NULLs", _sub(r'ELSE c\."k0" IS NOT NULL', "ELSE true")),
    WayMutation(Way.BITMAP, "nothing outside", _sub(r'ELSE c\."k0" IS NOT NULL', "ELSE false")),
    WayMutation(Way.BITMAP, "heirs of the child", _sub(rf"ONLY ({_TABLE} AS c\b)", r"\1")),
    WayMutation(Way.BITMAP, "heirs of the parent", _sub(rf"ONLY ({_TABLE} AS p\b)", r"\1")),
)
