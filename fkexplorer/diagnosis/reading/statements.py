"""The row that a refused statement would have written: from its text and its parameters, as far as they surely tell it.

An expression, a DEFAULT, a parameter that was cut: the column is left out. Nothing is guessed, since each foreign key
of the row is then looked at as if it had been written.
"""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.casts import MOMENT, NUMBER, cast, keeps
from fkexplorer.diagnosis.reading.literals import UNTOLD, Kind, Token, Untold, Value, tokens
from fkexplorer.diagnosis.reading.model import Row
from fkexplorer.diagnosis.reading.parameters import parameters_of
from fkexplorer.diagnosis.reading.syntax import Target, bracketed, equal, names, split, targets, upto

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from fkexplorer.diagnosis.reading.model import Written

__all__ = ["Target", "parameters_of", "row_of", "target_of"]

_INTEGER = re.compile(r"-?\d+")
_FUNCTIONS = frozenset(
    {"default", "null", "true", "false", "current_timestamp", "current_date", "current_time", "localtime"}
    | {"localtimestamp", "current_user", "session_user", "user", "current_role", "current_catalog", "current_schema"}
)
"""Words that stand by themselves in VALUES."""
_VALUES = re.compile(r"\((.*?)\)(?:\s*$|\s*\)|\s+returning\b|\s+on\s+conflict\b)", re.IGNORECASE | re.DOTALL)
_LONGEST = 100
"""Tokens of an expression that is looked into, and conditions one within the other: no statement needs as many."""
_IS_SQL = re.compile(
    r"[,()'\"\[]|::|^(?:\$\d|%s|%\(|[:@]\w|(?:case|not|array|row|interval|excluded|exists|select)\b)", re.IGNORECASE
)
"""What makes a value in VALUES without quotes an expression, or not to be cut at its commas."""


def target_of(sql: str) -> Target | None:
    """The table that a statement writes to; None where it is none, or several."""
    found = {(each.verb, each.schema, each.table): each for each, _ in targets(tokens(sql))}
    return next(iter(found.values())) if len(found) == 1 else None


def row_of(written: Written, child_table: str | None = None, key: Mapping[str, str | None] | None = None) -> Row | None:
    """The row that a statement would have written, by column; with DELETE, what its WHERE says of the rows.

    Args:
        written: the statement with its parameters.
        child_table: which table's statement counts where there are several; a text with one statement alone has that
            one's row, also where that is of another table (a trigger may have written the one that was refused).
        key: what the error says of the row, by column: which row counts where there are several. Where that leaves
            more than one, a column is told in which they agree.

    Returns:
        None where nothing of the row is told.
    """
    every = tokens(written.sql)
    found = list(targets(every))
    if child_table is not None and len(found) > 1:
        found = [each for each in found if each[0].table.casefold() == child_table.casefold()]
    if len(found) != 1:
        return None
    target, at = found[0]
    statement = _Statement(written, every, target, at)
    rows = statement.inserted() if target.verb == "insert" else [statement.changed()]
    values = _common(rows if len(rows) == 1 else _of_key(rows, key or {}))
    told = {column: value for column, value in values.items() if not isinstance(value, Untold)}
    return Row(target.schema, target.table, told) if told else None


class _Statement:
    """One statement of a text."""

    def __init__(self, written: Written, every: Sequence[Token], target: Target, at: int) -> None:
        self._sql = written.sql
        self._all = every
        self._target = target
        self._at = at
        self._named = written.named
        self._given: dict[str, Value] = {}
        """What the columns of the VALUES that are selected from are, in the row at hand."""
        # A list of another length is not this statement's, or was cut in a wrong place.
        wanted = max((int(each.text) for each in every if each.kind is Kind.POSITION), default=0)
        self._parameters = written.parameters if len(written.parameters) == wanted else ()

    def inserted(self) -> list[dict[str, Value]]:
        """The rows of an INSERT; none where they are not told."""
        columns = self._columns()
        if not columns:
            return []
        every, at = self._all, self._at
        if at < len(every) and every[at].is_word("overriding"):
            at += 3
        if at >= len(every):
            return []
        rows: list[list[Value]] = []
        if every[at].is_word("values"):
            rows = self._rows(at + 1, len(columns))
        elif every[at].is_word("select") or every[at].is_sign("("):
            rows = self._selected(at + 1)
        if any(len(row) > len(columns) for row in rows):
            return []
        found = [dict(zip(columns, row, strict=False)) for row in rows]
        for each in found:
            each.pop("", None)
        if (update := self._conflict()) is None:
            return found
        return [self._stored(each, *update) for each in found]

    def _columns(self) -> list[str]:
        """The columns that an INSERT lists; a part of one (`a.b`, `a[1]`) is nameless."""
        every, at = self._all, self._at
        if at >= len(every) or not every[at].is_sign("("):
            return []
        end = upto(every, at + 1)
        found = []
        for part in split(every[at + 1 : end]):
            name = part[0].text if len(part) == 1 and part[0].kind in (Kind.WORD, Kind.NAME) and part[0].told else ""
            found.append(name)
        self._at = end + 1
        return found if any(found) else []

    def _rows(self, at: int, columns: int) -> list[list[Value]]:
        every, first = self._all, at
        rows: list[list[list[Token]]] = []
        while at < len(every) and every[at].is_sign("("):
            end = upto(every, at + 1)
            if end >= len(every):
                rows.clear()
                break
            rows.append(split(every[at + 1 : end]))
            at = end + 1
            if at >= len(every) or not every[at].is_sign(","):
                break
            at += 1
        raw = self._raw(first, columns)
        return [raw] if raw else [[self._value(part) for part in row] for row in rows]

    def _raw(self, at: int, columns: int) -> list[Value] | None:
        """One row of values without quotes, as Laravel prints them; None where it is SQL, or can be cut otherwise."""
        if at >= len(self._all) or self._parameters or self._named:
            return None
        match = _VALUES.match(self._sql, self._all[at].start)
        pieces = match[1].split(", ") if match else []
        if len(pieces) != columns or any(_IS_SQL.search(piece) for piece in pieces):
            return None
        if not any(map(_is_no_sql, pieces)):
            return None
        return [UNTOLD if not piece or piece == "?" or piece in _FUNCTIONS else piece for piece in pieces]

    def _selected(self, at: int) -> list[list[Value]]:
        """The rows of `INSERT … SELECT` from nowhere or from VALUES; what comes from a table is not told."""
        every = self._all
        if at < len(every) and every[at].is_word("select"):
            at += 1
        while at < len(every) and every[at].is_word("distinct", "all"):
            at += 1
        if upto(every, at, "union", "intersect", "except") < upto(every, at):
            return []
        end = upto(every, at, "from", "where", "on", "returning", "group", "order", "limit", "having")
        items = split(every[at:end])
        if any(item and item[-1].is_sign("*") for item in items):
            return []
        rows: list[list[Value]] = []
        for given in self._derived(end) or [{}]:
            self._given = given
            rows.append([self._value(_without_alias(item)) for item in items])
        self._given = {}
        return rows

    def _derived(self, at: int) -> list[dict[str, Value]]:
        """The rows of `FROM (VALUES …) AS name (column, …)`, as SQLAlchemy inserts many; none of anything else."""
        every = self._all
        inner = every[at + 1 : upto(every, at + 2) + 1]
        if not bracketed(inner) or not inner[1].is_word("values"):
            return []
        at += len(inner) + 1
        at += at < len(every) and every[at].is_word("as")
        listed = every[at + 1 : upto(every, at + 2) + 1]
        if not bracketed(listed):
            return []
        columns = [part[0].text for part in split(listed[1:-1]) if part]
        rows = [split(row[1:-1]) for row in split(inner[2:-1]) if bracketed(row)]
        return [dict(zip(columns, map(self._value, row), strict=False)) for row in rows]

    def _conflict(self) -> tuple[list[str], list[tuple[str, list[Token]]]] | None:
        """What ON CONFLICT DO UPDATE has: the columns of the key, and what it sets; None where there is none."""
        every = self._all
        at = upto(every, self._at, "conflict")
        do = upto(every, at, "do")
        if do + 2 >= len(every) or not every[do + 1].is_word("update"):
            return None
        parts = split(every[at + 2 : upto(every, at + 2)]) if every[at + 1].is_sign("(") else []
        return [part[0].text for part in parts if len(part) == 1], list(self._assignments(do + 3))

    def _stored(self, row: dict[str, Value], key: list[str], sets: list[tuple[str, list[Token]]]) -> dict[str, Value]:
        """What is the same in the row whether it is new or one that is there and is changed."""
        same = set(key)
        for column, value in sets:
            excluded = [token.text for token in value] == ["excluded", ".", column]
            if excluded or (column in row and self._value(value) == row[column]):
                same.add(column)
            else:
                same.discard(column)
        return {column: value for column, value in row.items() if column in same}

    def changed(self) -> dict[str, Value]:
        """What an UPDATE or a DELETE says of its rows: what it sets, and what it looks for."""
        every = self._all
        sets: dict[str, Value] = {}
        joined = "using"
        if self._target.verb == "update":
            sets = {column: self._value(value) for column, value in self._assignments(self._at + 1)}
            joined = "from"
        where = upto(every, self._at, "where")
        own_alone = upto(every, self._at, joined) >= where
        found: dict[str, Value] = {}
        if where < len(every) and every[where].is_word("where"):
            end = upto(every, where + 1, "returning", "order", "limit")
            found = self._conditions(every[where + 1 : end], own_alone=own_alone)
        return found | sets

    def _assignments(self, at: int) -> Iterator[tuple[str, list[Token]]]:
        """Each column that SET lists, with its expression."""
        end = upto(self._all, at, "from", "where", "returning")
        for part in split(self._all[at:end]):
            sides = equal(part)
            if sides is None:
                continue
            left, right = sides
            if len(left) == 1 and left[0].kind in (Kind.WORD, Kind.NAME):
                yield left[0].text, right
            elif bracketed(left):
                columns = split(left[1:-1])
                if right and right[0].is_word("row"):
                    right = right[1:]
                values = split(right[1:-1]) if bracketed(right) else []
                if len(values) != len(columns):
                    values = [[] for _ in columns]
                yield from ((column[0].text, value) for column, value in zip(columns, values, strict=True) if column)

    def _conditions(self, part: Sequence[Token], *, own_alone: bool, depth: int = 0) -> dict[str, Value]:
        """The columns that all the rows have one value of, by these conditions."""
        found: dict[str, Value] = {}
        if depth > _LONGEST or len(split(part, "or")) > 1:
            return found
        for piece in split(part, "and"):
            if bracketed(piece):
                found |= self._conditions(piece[1:-1], own_alone=own_alone, depth=depth + 1)
                continue
            column, value = self._condition(piece, own_alone=own_alone)
            if column:
                found[column] = value
        return found

    def _condition(self, piece: Sequence[Token], *, own_alone: bool) -> tuple[str | None, Value]:
        """`column = value`, `value = column`, `column IN (value)` or `column IS NULL`."""
        if len(piece) > 2 and piece[-2].is_word("is") and piece[-1].is_word("null"):
            return self._column(piece[:-2], own_alone=own_alone), None
        at = upto(piece, 0, "in")
        if at < len(piece) and bracketed(piece[at + 1 :]) and len(items := split(piece[at + 2 : -1])) == 1:
            return self._column(piece[:at], own_alone=own_alone), self._value(items[0])
        if sides := equal(piece):
            for column, value in (sides, sides[::-1]):
                if name := self._column(column, own_alone=own_alone):
                    found = self._value(value)
                    return (name, found) if found is not None else (None, None)
        return None, None

    def _column(self, part: Sequence[Token], *, own_alone: bool) -> str | None:
        """The column of the statement's own table that this names."""
        found, end = names(part, 0)
        if end != len(part) or not found or (len(found) == 1 and part[0].is_word(*_FUNCTIONS)):
            return None
        if len(found) == 1:
            return found[0] if own_alone else None
        return found[-1] if found[-2] in (self._target.alias, self._target.table) else None

    def _value(self, part: Sequence[Token]) -> Value:
        """The value of an expression, `UNTOLD` where it is more than a constant or a parameter."""
        if len(part) > _LONGEST:
            return UNTOLD
        while bracketed(part):
            part = part[1:-1]
        if len(part) == 1:
            return self._constant(part[0])
        if len(part) == 2 and part[0].kind is Kind.SIGN and part[1].kind is Kind.NUMBER and part[0].text in "+-":
            number = part[1].text if part[0].text == "+" else f"-{part[1].text}"
            return number if NUMBER.fullmatch(number) else UNTOLD
        inner, of = cast(part)
        value = self._value(inner) if inner else UNTOLD
        return value if keeps(of, value) else UNTOLD

    def _constant(self, token: Token) -> Value:
        if token.kind is Kind.STRING:
            return token.text if token.told else UNTOLD
        if token.kind is Kind.NUMBER:
            return token.text if NUMBER.fullmatch(token.text) else UNTOLD
        if token.kind is Kind.POSITION:
            at = int(token.text) - 1
            return self._parameters[at] if 0 <= at < len(self._parameters) else UNTOLD
        if token.kind is Kind.NAMED:
            return self._named.get(token.text, UNTOLD)
        if token.is_word("null"):
            return None
        return token.text if token.is_word("true", "false") else self._given.get(token.text, UNTOLD)


def _is_no_sql(piece: str) -> bool:
    """Whether this cannot stand in VALUES: a moment, or a word, without quotes."""
    if MOMENT.fullmatch(piece):
        return True
    if re.fullmatch(r"0[xXoObB][\w]+", piece):  # a number since PostgreSQL 16
        return False
    return any(each.kind is Kind.WORD and each.text not in _FUNCTIONS for each in tokens(piece))


def _without_alias(item: Sequence[Token]) -> Sequence[Token]:
    return item[:-2] if len(item) > 2 and item[-2].is_word("as") else item


def _of_key(rows: Iterable[dict[str, Value]], key: Mapping[str, str | None]) -> list[dict[str, Value]]:
    """Those rows that may be the one with this key."""
    return [row for row in rows if all(_may_be(row.get(column, UNTOLD), value) for column, value in key.items())]


def _may_be(given: Value, printed: str | None) -> bool:
    """Whether PostgreSQL may print a value that was given as one text as this other one."""
    if isinstance(given, Untold) or given == printed:
        return True
    if given is None or printed is None:
        return False
    return _plain(given) == _plain(printed)


def _plain(text: str) -> str:
    """A number, and a uuid, in one of the forms that each has; other texts in lower case."""
    if _INTEGER.fullmatch(text):
        return str(int(text))
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return text.strip().casefold()


def _common(rows: Sequence[dict[str, Value]]) -> dict[str, Value]:
    """What all of these rows agree on."""
    if not rows:
        return {}
    found = dict(rows[0])
    for row in rows[1:]:
        found = {column: value for column, value in found.items() if row.get(column, UNTOLD) == value}
    return found
