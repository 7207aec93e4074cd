"""The refused statement in the text around an error: wherever a driver, an ORM or a log prints it, with its parameters.

The text is the few lines of one error, without the prefixes of a log.
"""

from __future__ import annotations

import re
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.definitions import definitions
from fkexplorer.diagnosis.reading.literals import tokens
from fkexplorer.diagnosis.reading.model import Written
from fkexplorer.diagnosis.reading.parameters import parameters_of, string_at
from fkexplorer.diagnosis.reading.statements import row_of, target_of
from fkexplorer.diagnosis.reading.syntax import upto

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fkexplorer.diagnosis.reading.literals import Value

_CANDIDATES = 20
"""Statements that are looked at: an error is printed a few times over at most, one within the other."""

# What stands before a statement: a quote, a label, a bracket, `Batch entry 0`, the start of a line.
_START = re.compile(
    r"""(?:(?P<quote>['"`])|[:=\[\](){}>]|\bentry\ \d+|^|\n)\s{0,80}
    (?P<sql>(?:insert\s+into|delete\s+from|with\s+\S+\s+as|merge\s+into|alter\s+table|create\s+table)\s
     |update\s+[^\n]{1,200}?\sset\s)""",
    re.VERBOSE | re.IGNORECASE,
)
# Where one that stands without quotes ends, besides at a bracket that it did not open: an empty line, a line that does
# not go on as SQL does, what Knex and JDBC put behind it on the same line.
_END = re.compile(
    r"""\n[ \t\r]*(?:\n|$)
    |\n(?!\s{0,80}(?:[(),"`']|\d+\b(?!-)|[$:%@?]|--
     |(?:values|select|set|from|where|and|or|on|returning|default|null|using|as|join|left|inner|limit|union)\b))
    |\s+\[(?=[\[\d"n-])|\s\[params|\s--\ PARAM
    |\s-\ (?=insert\ or\ |update\ or\ |error)|\ was\ aborted|;\ nested\ exception""",
    re.VERBOSE | re.IGNORECASE,
)
_END_OF_DEFINITION = re.compile(r"\n[ \t\r]*(?:\n|$)|;|\]\s*\n|\"\s+via\b")
_LABEL = re.compile(
    r"""\b(?:params|parameters|bindings|args)["']?\s*[:=]\s*(?=[\[({])|\bparameters:\s(?=\$1\ =)"""
    r"""|\s(?=\[(?:[\d"-]|nil|\[(?:"|nil)))|(?=binding\ parameter\ [(\[]1[:\]])""",
    re.VERBOSE | re.IGNORECASE,
)
_BARE = re.compile(r"\n\s*params: (.*)(?:\n|$)")
# What may follow the line of bare parameters: anything else may be a part of the last one.
_AFTER_BARE = re.compile(r"\s*(?:$|\n|at\s|\w+:|\[cause\]|\{|\}|detail\b|error\b)", re.IGNORECASE)
_BEFORE = re.compile(r"\[Parameters=\[(?=@)[^\n]*\]\s*$|parameters: \$1 = ", re.IGNORECASE)
"""What has the parameters before the statement: Entity Framework on the line above, the server in its CONTEXT."""


def find_written(text: str, child_table: str | None = None) -> Written | None:
    """The statement of an error with its parameters; None where the text has none.

    Args:
        text: the error and what is printed around it.
        child_table: the table that the error names, where it names one: of several statements its own counts.
    """
    starts = list(islice(_START.finditer(text), _CANDIDATES))
    best: Written | None = None
    most = -1
    for match, end in _spans(starts, len(text)):
        written = _written(text, match, end)
        target = target_of(written.sql)
        row = row_of(written, child_table)
        worth = (len(row.values) + 1 if row else 0) + 2 * (target is not None)
        if target and child_table is not None and target.table.casefold() == child_table.casefold():
            worth += 1_000
        if worth > most:
            best, most = written, worth
    return best


def _spans(starts: list[re.Match[str]], end: int) -> Iterator[tuple[re.Match[str], int]]:
    """Each start, with where the next statement begins."""
    yield from ((one, other.start()) for one, other in pairwise(starts))
    yield from ((last, end) for last in starts[-1:])


def _written(text: str, match: re.Match[str], end: int) -> Written:
    begin = match.start("sql")
    sql: str | None = None
    stop = end
    if match["quote"] and (found := string_at(text, match.start("quote"))):
        # Unless the quotes of its own names end it.
        sql, stop = found
        sql = sql.strip() if target_of(sql) or definitions(sql) else None
    if sql is None:
        ends = _END_OF_DEFINITION if text[begin] in "aAcC" else _END
        over = ends.search(text, begin, end)
        stop = over.start() if over else end
        sql = _alone(text[begin:stop]) if ends is _END else text[begin:stop].rstrip()
    given = _parameters(text, begin, stop, end)
    return Written(sql, (), given) if isinstance(given, dict) else Written(sql, given or ())


def _alone(sql: str) -> str:
    """The statement up to what ends it: a semicolon, or the closing bracket of what is around it."""
    every = tokens(sql)
    end = upto(every, 0)
    return (sql[: every[end].start] if end < len(every) else sql).rstrip()


def _parameters(text: str, begin: int, stop: int, end: int) -> tuple[Value, ...] | dict[str, Value] | None:
    """Its parameters: behind it, up to the next statement, or right before it."""
    for label in islice(_LABEL.finditer(text, stop, end), 3):
        if (given := parameters_of(text[label.end() : end])) is not None:
            return given
    if bare := _BARE.search(text, stop, end):
        return parameters_of(bare[1]) if _AFTER_BARE.match(text, bare.end()) else None
    for before in _BEFORE.finditer(text, max(0, begin - 10_000), begin):
        if (given := parameters_of(text[before.start() : begin])) is not None:
            return given
    return None
