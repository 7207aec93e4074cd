"""Mistakes that the orphan predicate could have, as changes of the SQL that it really compiles to.

A change that finds nothing to change in a statement gives it back as it was.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_QUOTED = r'"(?:[^"]|"")*"'
_NAME = rf"(?:{_QUOTED}|\w+)"
_CHILD = rf"c\.{_QUOTED}"
_PARENT = rf"p\.{_QUOTED}"
_PRESENT = rf"{_CHILD} IS NOT NULL"
_OPERATOR = rf"OPERATOR\({_NAME}\.([^\w\s)]+)\)"
_EQUALS = rf"OPERATOR\(({_NAME})\.=\)"
_CAST = rf"CAST\(({_CHILD}|{_PARENT}) AS {_QUOTED}\.{_QUOTED}\)"
_COLLATE = rf" COLLATE {_NAME}\.{_NAME}"
_COMPARISON = rf"\((?:CAST\()?{_PARENT}[^()]*\)? {_OPERATOR} (?:[^()]|\([^()]*(?:\([^()]*\))?[^()]*\))+\)"
_SEARCH = rf"NOT \(EXISTS \(SELECT 1 \nFROM ((?:ONLY )?{_QUOTED}\.{_QUOTED} AS p) \nWHERE (.*?)\)\)(?= GROUP|$)"


@dataclass(frozen=True, slots=True)
class Mutation:
    """A mistake, and how it is made in the SQL of a count; `extension` as with a case, `since`, `before` likewise."""

    name: str
    change: Callable[[str], str]
    extension: str = ""
    since: int = 12
    before: int = 99


def _sub(pattern: str, replacement: str | Callable[[re.Match[str]], str], count: int = 0) -> Callable[[str], str]:
    compiled = re.compile(pattern, re.DOTALL)
    return lambda text: compiled.sub(replacement, text, count=count)


def _present(join: str, instead: str) -> Callable[[str], str]:
    """Change how the tests of the key's columns for NULL are joined."""

    def change(found: re.Match[str]) -> str:
        return f"({found[0].replace(join, instead)})"

    return _sub(rf"{_PRESENT}(?:{join}{_PRESENT})+", change)


def _not_in(found: re.Match[str]) -> str:
    source, condition = found[1], found[2]
    both = re.fullmatch(rf"(.+?) {_EQUALS} (.+)", condition, re.DOTALL)
    if both is None or condition.startswith("("):
        return found[0]
    return f"{both[3]} NOT IN (SELECT {both[1]} FROM {source})"


def _swap_columns(text: str) -> str:
    columns = list(dict.fromkeys(re.findall(rf"\) ({_CHILD})\)", text)))
    if len(columns) < 2:
        return text
    swap = {f") {columns[0]})": f") {columns[1]})", f") {columns[1]})": f") {columns[0]})"}
    return re.sub("|".join(re.escape(key) for key in swap), lambda found: swap[found[0]], text)


def _unquoted(text: str) -> str:
    return re.sub(r'\.("[^"]+")', lambda found: "." + found[1][1:-1], text)


MUTATIONS = (
    Mutation("ONLY dropped for the child", _sub(rf"ONLY ({_QUOTED}\.{_QUOTED} AS c\b)", r"\1")),
    Mutation("ONLY dropped for the parent", _sub(rf"ONLY ({_QUOTED}\.{_QUOTED} AS p\b)", r"\1")),
    Mutation("ONLY for a partitioned child", _sub(rf"FROM ({_QUOTED}\.{_QUOTED} AS c\b)", r"FROM ONLY \1")),
    Mutation("ONLY for a partitioned parent", _sub(rf"FROM ({_QUOTED}\.{_QUOTED} AS p\b)", r"FROM ONLY \1")),
    Mutation("the casts dropped", _sub(_CAST, r"\1")),
    Mutation(
        "the cast by the name that people read",
        _sub(r'AS "pg_catalog"\."(bpchar|bit)"', lambda found: f"AS {found[1].replace('bpchar', 'character')}"),
    ),
    Mutation("plain operators", _sub(_OPERATOR, r"\1"), extension="citext"),
    Mutation("every operator from pg_catalog", _sub(_EQUALS, "OPERATOR(pg_catalog.=)"), extension="citext"),
    Mutation("unequal for equal", _sub(_EQUALS, r"OPERATOR(\1.<>)")),
    Mutation("COLLATE dropped", _sub(_COLLATE, "")),
    Mutation("another collation", _sub(_COLLATE, ' COLLATE pg_catalog."C"'), extension="icu"),
    Mutation("AND for OR with MATCH FULL", _present(" OR ", " AND ")),
    Mutation("OR for AND with MATCH SIMPLE", _present(" AND ", " OR ")),
    Mutation("NULLs counted", _sub(_PRESENT, "true")),
    Mutation("NULLs of the first column counted", _sub(rf"WHERE {_PRESENT} AND", "WHERE true AND")),
    Mutation("NULLs of the last column counted", _sub(rf"AND {_PRESENT} AND NOT", "AND true AND NOT")),
    Mutation("NOT IN for NOT EXISTS", _sub(_SEARCH, _not_in)),
    Mutation("EXISTS for NOT EXISTS", _sub(r"NOT \(EXISTS", "(EXISTS")),
    Mutation("no look for a parent", _sub(r" AND NOT \(EXISTS .*$", "")),
    Mutation("the first column not compared", _sub(rf"WHERE {_COMPARISON} AND", "WHERE")),
    Mutation("the last column not compared", _sub(rf"{_COMPARISON} AND {_COMPARISON}\)\)$", "true))")),
    Mutation("columns compared crosswise", _swap_columns),
    Mutation("the parent's own column compared", _sub(rf"({_OPERATOR}) c\.", r"\1 p.")),
    Mutation("keys counted for rows", _sub(rf"count\(\*\)(.*?)WHERE \(?({_CHILD})", r"count(DISTINCT \2)\1WHERE \2")),
    Mutation("names not quoted", _unquoted),
    Mutation("percent signs not doubled", lambda text: text.replace("%%", "%")),
    Mutation(
        "one range has to cover the other",
        _sub(rf"\n?HAVING ({_CHILD}) (\S+) pg_catalog\.range_agg\((.+?)\)", r"AND \1 \2 \3"),
        since=18,
    ),
    Mutation("an overlap is enough", _sub(r"\n?HAVING .*?range_agg\([^)]*\)", ""), since=18),
    Mutation("an overlap for a cover", _sub(r"OPERATOR\(pg_catalog\.<@\)", "OPERATOR(pg_catalog.&&)"), since=18),
)

TOTALS = (
    Mutation("NULL if a part is", _sub(rf"({_CHILD} IS NULL) AND ({_CHILD} IS NULL\) AS nulls)", r"\1 OR \2")),
    Mutation("all NULL called partly", _sub(r" AND NOT \([^()]* IS NULL\)\) AS unchecked", ") AS unchecked")),
    Mutation("rows of the key counted", _sub(rf"count\(\*\) AS rows, (.*?)({_CHILD})", r"count(\2) AS rows, \1\2", 1)),
    Mutation("missing keys counted by row", _sub(r" GROUP BY .*?\) AS k\)", ", c.ctid) AS k)")),
    Mutation(
        "missing keys not as they are compared", _sub(rf"(?<=GROUP BY )CAST\((.+?) AS {_QUOTED}\.{_QUOTED}\)", r"\1")
    ),
    Mutation("childless by the orphans", _sub(r"WHERE NOT \(EXISTS(.*?\) AS childless)", r"WHERE (EXISTS\1")),
    Mutation(
        "childless among a whole family", _sub(rf"ONLY ({_QUOTED}\.{_QUOTED} AS [cp] \nWHERE.*?AS childless)", r"\1", 1)
    ),
)
"""The same for the statement of all totals."""
