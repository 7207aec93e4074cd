"""One error while its lines come in: what is known of it, which lines are its own, and what it is in the end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.definitions import definitions
from fkexplorer.diagnosis.reading.model import ErrorKind, ParsedError, Topic, Written
from fkexplorer.diagnosis.reading.said import UNKNOWN, VIOLATIONS, Said
from fkexplorer.diagnosis.reading.statements import row_of, target_of
from fkexplorer.diagnosis.reading.written import find_written

if TYPE_CHECKING:
    from datetime import datetime

EXCERPT = 2_000
"""Characters of an error's own words that are kept."""
TEXT = 16_000
"""Characters of the lines of one error that are kept, for the statement in them."""


@dataclass(slots=True)
class Draft:
    """An error that may get more lines."""

    said: Said
    line: int
    """Of the text, where it begins."""
    channel: str
    server: bool = False
    """Whether it is of the server's own log."""
    prefix: str = ""
    """What the server's log has before the message."""
    indent: int = 0
    depth: int = 0
    """Braces that are open."""
    linked: bool = False
    """A line said that what comes next is the cause of this, or caused by it."""
    ended: bool = False
    """The first line of another error came."""
    traced: bool = False
    """It had its traceback."""
    blank: bool = False
    """An empty line came since the last line that told something."""
    quiet: int = 0
    """Lines since the last that told something, those of a stack not counted."""
    shapes: set[str] = field(default_factory=set)
    """The lines that had the message, without its words: a second print of one error looks otherwise."""
    part: str = ""
    """The part of the message that a line with a tab goes on with."""
    sql: str = ""
    """The statement that the server's log has, as it was sent."""
    when: datetime | None = None
    before: str = ""
    """The lines before it, in which its statement may stand."""
    lines: list[str] = field(default_factory=list)
    size: int = 0

    def keep(self, text: str) -> None:
        """One more line of its own."""
        if self.size < TEXT:
            self.lines.append(text[: TEXT - self.size])
            self.size += len(text) + 1


@dataclass(frozen=True, slots=True)
class Around:
    """Where an error's statement may stand."""

    said: Said
    text: str
    before: str

    @property
    def has_statement(self) -> bool:
        """Whether there may be one, at a glance."""
        if self.said.sql:
            return True
        text = self.text.lower()
        return any(each in text for each in ("insert into", "delete from", " set ", " table "))


def error_of(draft: Draft) -> ParsedError | None:
    """The error that a draft is, without its statement; None where no database refused anything."""
    said = draft.said
    match = said.match
    kind, topic = ErrorKind.OTHER, said.topic
    if match is not None:
        kind, topic = match.kind, match.topic
    elif topic is Topic.NONE and said.sqlstate in VIOLATIONS:
        topic = UNKNOWN
    if kind is ErrorKind.OTHER and topic is Topic.NONE:
        return None
    made = ParsedError(
        kind,
        topic,
        said.sqlstate,
        said.constraint or (match.constraint if match else None),
        said.schema or (match.child_schema if match else None),
        (match.child_table if match else None) or said.table,
        match.columns if match and match.columns is not None else said.columns,
        match.values if match else None,
        when=draft.when,
        line=draft.line,
        excerpt=_excerpt(said),
    )
    if match is None:
        return made
    return replace(
        made,
        parent_schema=match.parent_schema,
        parent_table=match.parent_table,
        parent_columns=match.parent_columns,
        types=match.types,
        other_cuts=match.other_cuts,
        engine=match.engine,
    )


def _excerpt(said: Said) -> str:
    words = said.message or " ".join(each for each in (said.sqlstate, said.constraint) if each)
    return "\n".join(each for each in (words, said.detail and f"DETAIL: {said.detail}") if each)[:EXCERPT]


def with_statement(error: ParsedError, around: Around) -> ParsedError:
    """The error with the statement that was refused, and with what that says of it and of its row."""
    for written, sure in _written(error, around):
        target = target_of(written.sql)
        if target is not None:
            mine = {name.casefold() for name in (error.child_table, error.parent_table) if name}
            if not sure and mine and target.table.casefold() not in mine:
                if error.kind is ErrorKind.STILL_REFERENCED and target.verb != "insert":
                    # A delete cascades from tables that the error does not name; its row is none of theirs.
                    return replace(error, statement=written)
                continue
            key = dict(zip(error.columns or (), error.values or (), strict=False))
            row = row_of(written, error.child_table, key)
            if not sure and row and any(row.values.get(name, value) != value for name, value in key.items()):
                continue
            return replace(error, statement=written, row=row)
        defined = _defined(error, written)
        if defined is not error or sure:
            return replace(defined, statement=written)
    return error


def _written(error: ParsedError, around: Around) -> list[tuple[Written, bool]]:
    """The statements that may be meant, each with whether it is surely the one."""
    said, found = around.said, []
    for text in (around.text, around.before and f"{around.before}\n{around.text}"):
        written = find_written(text, error.child_table) if text else None
        if written is not None:
            found.append((written, False))
    if said.sql:
        named = dict(said.parameters) if isinstance(said.parameters, Mapping) else {}
        listed = () if isinstance(said.parameters, Mapping) else tuple(said.parameters or ())
        if said.parameters is None and found:
            # The parameters are on a line of their own.
            listed, named = found[0][0].parameters, dict(found[0][0].named)
        found.insert(0, (Written(said.sql, listed, named), True))
    return found


def _defined(error: ParsedError, written: Written) -> ParsedError:
    """What the definition of the constraint that was refused tells of its two sides."""
    for each in definitions(written.sql):
        if each.constraint is None and error.columns is not None:
            continue  # PostgreSQL's own choice of a name is a guess: it is made where nothing else is told.
        name = each.constraint or f"{each.table}_{'_'.join(each.columns)}_fkey"
        if error.constraint is None or name.casefold() != error.constraint.casefold():
            continue
        if error.child_table not in {None, each.table}:
            continue
        same_parent = error.parent_table in {None, each.parent}
        return replace(
            error,
            child_schema=error.child_schema or each.schema,
            child_table=each.table,
            columns=error.columns or each.columns,
            parent_schema=error.parent_schema or (each.parent_schema if same_parent else None),
            parent_table=error.parent_table or each.parent,
            parent_columns=error.parent_columns or (each.parent_columns or None),
        )
    return error
