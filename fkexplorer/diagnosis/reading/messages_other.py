"""Reads the messages of servers with other words: CockroachDB, nearly PostgreSQL's, and MySQL, all on one line."""

from __future__ import annotations

import re

from fkexplorer.diagnosis.reading.messages_match import Match
from fkexplorer.diagnosis.reading.model import ErrorKind

_NAME = r'"([^\n]{1,150}?)"'
_COCKROACH = re.compile(
    rf"(?<!or )\b(insert|update|upsert|delete) on table {_NAME} violates foreign key constraint {_NAME}"
    rf"(?: on table {_NAME})?(?=[\s,;:.)\]}}>'`|(]|\Z)"
)
_TICKED = r"`((?:[^`\n]|``)+)`"
_TICKED_LIST = r"\(((?:`(?:[^`\n]|``)+`(?:, )?)+)\)"
_MYSQL = re.compile(
    r"Cannot (add or update a child|delete or update a parent) row: a foreign key constraint fails"
    rf"(?:\s*\((?:{_TICKED}\.)?{_TICKED},\s*CONSTRAINT\s+{_TICKED}"
    rf"(?:\s+FOREIGN\s+KEY\s+{_TICKED_LIST}\s+REFERENCES\s+(?:{_TICKED}\.)?{_TICKED}\s+{_TICKED_LIST})?)?"
)


def other_engine(text: str) -> Match | None:
    """The first message of CockroachDB or MySQL in a text; None where there is none."""
    return _cockroach(text) if "violates foreign key constraint" in text else _mysql(text)


def _cockroach(text: str) -> Match | None:
    found = _COCKROACH.search(text)
    if found is None:
        return None
    verb, table, constraint, child = found.groups()
    of_parent = child is not None or verb == "delete"
    return Match(
        ErrorKind.STILL_REFERENCED if of_parent else ErrorKind.MISSING_PARENT,
        sqlstate="23503",
        constraint=constraint,
        child_table=child if of_parent else table,
        parent_table=table if of_parent else None,
        engine="cockroachdb",
        start=found.start(),
        end=found.end(),
    )


def _mysql(text: str) -> Match | None:
    found = _MYSQL.search(text)
    if found is None:
        return None
    of_parent = found[1].startswith("delete")
    schema, table, constraint = (_unticked(found[each]) for each in (2, 3, 4))
    columns, parent_columns = _ticked_names(found[5]), _ticked_names(found[8])
    return Match(
        ErrorKind.STILL_REFERENCED if of_parent else ErrorKind.MISSING_PARENT,
        sqlstate="23000",
        constraint=constraint,
        child_schema=schema,
        child_table=table,
        columns=parent_columns if of_parent else columns,
        parent_schema=_unticked(found[6]),
        parent_table=_unticked(found[7]),
        parent_columns=parent_columns,
        engine="mysql",
        start=found.start(),
        end=found.end(),
    )


def _unticked(name: str | None) -> str | None:
    return None if name is None else name.replace("``", "`")


def _ticked_names(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(name.replace("``", "`") for name in re.findall(_TICKED, text))
