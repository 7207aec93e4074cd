"""Finds a parent by a few letters of its key, or of what people call it, so that orphans can be pointed at it.

A beginning of the key is looked up in an index whatever the size of the table; looking inside of texts reads the table,
and is done within the cost limit alone.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, not_, or_, select, union_all
from sqlalchemy.exc import DBAPIError

from fkexplorer.database.errors import translate
from fkexplorer.database.model import Trouble
from fkexplorer.orphans.keyset import Part, index_ordering, value_type
from fkexplorer.orphans.paging import How, printed, reading, shown_value
from fkexplorer.orphans.predicate import collated, only, relation
from fkexplorer.schema.model import Collation, TypeName
from fkexplorer.schema.names import table_label
from fkexplorer.schema.secrets import is_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.sql.selectable import NamedFromClause

    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Column, Index, Relationship, Schema, Table

HITS = 20
"""Parents that are shown at most: more are found faster by another letter than by reading on."""
WITHIN_MS = 3_000
"""Milliseconds that one look may take: somebody is typing."""
_LABELS = 3
"""Columns of words that are searched and shown: they fit on a line."""
_WIDTH = 60
"""Characters of a word that is shown."""
_NEAR = 1_000
"""Entries of an index, from where a text would be, that are looked at: a collation may put others between those that
begin with it (upper and lower case, say)."""
_NAMES_TEXT = """
name title label fullname displayname username login email code sku slug number subject company city description
"""
_NAMES = {name: rank for rank, name in enumerate(_NAMES_TEXT.split())}
_LARGEST = {
    TypeName("pg_catalog", "int2"): (1 << 15) - 1,
    TypeName("pg_catalog", "int4"): (1 << 31) - 1,
    TypeName("pg_catalog", "int8"): (1 << 63) - 1,
}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\WA-Z_\d]+")
_UUID = TypeName("pg_catalog", "uuid")
_BY_BYTES = Collation("pg_catalog", "C")
_BY_LETTERS = Collation("pg_catalog", "default")


@dataclass(frozen=True, slots=True)
class Hit:
    """A parent that was found."""

    key: tuple[str, ...]
    """Its key as text, in the order of the edge's columns."""
    label: tuple[str, ...]
    """What people call it, the first characters of each column of words."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found; those whose key begins with the text come first."""

    hits: tuple[Hit, ...]
    more: bool
    """There are more than these."""
    searched: tuple[str, ...]
    """Names of the columns of words that were searched beside the key."""
    note: str = ""
    """What was not searched, and why."""


@dataclass(frozen=True, slots=True)
class _Span:
    """The part of an index in which a text may be found: from one value to another, or on from the first."""

    low: str
    high: str | None


async def find_parents(database: Database, schema: Schema, edge: Relationship, text: str, *, max_bytes: int) -> Found:
    """The parents whose key begins with a text, and those that have it in what people call them.

    Args:
        database: where to read.
        schema: the schema that the edge is of.
        edge: a declared edge, or one of a pair of columns.
        text: what was typed; of a key of several columns a line of CSV, whose last value may be a beginning.
        max_bytes: of a table that is estimated to be larger, only what an index leads to is searched: beginnings.

    Returns:
        What was found. No secret is searched or shown; with a key that is named like one there is nothing to find.

    Raises:
        Trouble: the server refused it (privilege, row security, …), or the connection is lost.
    """
    table = schema.parent_of(edge)
    columns = [pair.parent for pair in edge.pairs]
    if hidden := [column.name for column in columns if is_secret(column.name)]:
        return Found((), more=False, searched=(), note=f"the key ({hidden[0]}) is named like a secret: type it")
    looking = _Looking(database, table, columns, text.strip())
    if not looking.text:
        return Found((), more=False, searched=())
    words = tuple(column.name for column in looking.words)
    hits = await looking.by_key()
    note = ""
    if table.likely_bytes <= max_bytes:
        try:
            hits = _distinct((*hits, *await looking.inside()))
        except Trouble as trouble:
            if trouble.code != "timed_out":
                raise
            words = ()
            note = f"reading {table_label(table)} took more than {WITHIN_MS / 1000:g} s: searched was the key alone"
    else:
        words = tuple(column.name for column in looking.indexed())
        hits = _distinct((*hits, *await looking.by_words()))
        size, limit = (f"{each >> 20:,} MiB" for each in (table.likely_bytes, max_bytes))
        read = " and ".join(("the key", *words))
        note = f"{table_label(table)} has about {size}, over the limit of {limit}: searched were beginnings of {read}"
    return Found(tuple(hits[:HITS]), len(hits) > HITS, words, note)


def written_key(hit: Hit) -> str:
    """The key as it is typed: the value itself, or for several columns a line of CSV."""
    if len(hit.key) == 1:
        return hit.key[0]

    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="").writerow(hit.key)
    return line.getvalue()


def _distinct(hits: Iterable[Hit]) -> list[Hit]:
    return list({hit.key: hit for hit in hits}.values())


class _Looking:
    """The statements of one search."""

    def __init__(self, database: Database, table: Table, key: Sequence[Column], text: str) -> None:
        self._database = database
        self._table = table
        self._key = key
        self.text = text
        self.words = words_of_people(table, key)
        self._source: NamedFromClause[Any] = relation(table, "p")

    async def by_key(self) -> list[Hit]:
        """Those whose key begins with it, by an index."""
        parts = [self.text] if len(self._key) == 1 else [each.strip() for each in next(csv.reader([self.text]))]
        texts = {column.number: part for column, part in zip(self._key, parts, strict=False)}
        return await self._beginning(texts, self._key[min(len(texts), len(self._key)) - 1])

    async def by_words(self) -> list[Hit]:
        """Those one of whose words begins with it, by an index."""
        return [hit for column in self.indexed() for hit in await self._beginning({column.number: self.text}, column)]

    def indexed(self) -> list[Column]:
        """The columns of words that an index leads to."""
        return [column for column in self.words if self._index({column.number}, column)]

    async def inside(self) -> list[Hit]:
        """Those that have it anywhere in one of their words, or in a key of letters; this reads the table."""
        keys = [each for each in self._key if each.category == "S" or not self._index({each.number}, each)]
        conditions = [self._plain(column).icontains(self.text, autoescape=True) for column in (*self.words, *keys)]
        if not conditions:
            return []
        hits = await self._hits(self._select().where(or_(*conditions)).limit(HITS + 1))
        return sorted(hits, key=lambda hit: (hit.label, hit.key))

    def _of(self, column: Column) -> ColumnElement[Any]:
        value: ColumnElement[Any] = self._source.c[column.name]
        return value

    def _plain(self, column: Column) -> ColumnElement[str]:
        """The value as text, under a collation that can be searched in: before 18 not every one can."""
        value: ColumnElement[str] = printed(self._of(column), value_type(column))
        if column.collation is None or column.collation.deterministic:
            return value
        return collated(value, _BY_LETTERS)

    def _select(self, *more: ColumnElement[Any]) -> Select[Any]:
        shown = [printed(self._of(column), value_type(column)).label(f"k{at}") for at, column in enumerate(self._key)]
        shown += [
            printed(self._of(column), value_type(column), _WIDTH - 1).label(f"w{at}")
            for at, column in enumerate(self.words)
        ]
        # A row with a NULL in its key is nobody's parent.
        present = [self._of(column).is_not(None) for column in self._key]
        columns: list[ColumnElement[Any]] = [*shown, *more]
        statement: Select[Any] = select(*columns).select_from(self._source).where(*present)
        return only(statement, self._source, self._table)

    def _index(self, numbers: set[int], last: Column) -> Index | None:
        """An index that begins with these columns, the last of them behind the others."""
        for index in self._table.indexes:
            leading = index.columns[: len(numbers)]
            if (
                index.valid
                and not index.partial
                and {part.number for part in leading} == numbers
                and leading[-1].number == last.number
                and all(index_ordering(part, self._table.column(part.number)) for part in leading)
            ):
                return index
        return None

    async def _beginning(self, texts: Mapping[int, str], last: Column) -> list[Hit]:
        """Those with these values, of which the last one begins with its text; none where no index leads there."""
        index = self._index(set(texts), last)
        spans = _spans(last, texts[last.number])
        if index is None or not spans:
            return []
        parts = {}
        for indexed in index.columns[: len(texts)]:
            column = self._table.column(indexed.number)
            if ordering := index_ordering(indexed, column):
                parts[column.number] = Part(self._of(column), ordering)
        end = parts.pop(last.number)
        order = [part.order_by() for part in (*parts.values(), end)]
        near = []
        for span in spans:
            read = self._select(printed(end.value, end.ordering.type).label("last")).order_by(*order)
            read = read.where(*(part.same(texts[number]) for number, part in parts.items()))
            read = read.where(not_(end.ahead(span.low)))
            if span.high is not None:
                read = read.where(not_(end.beyond(span.high)))
            near.append(read.limit(HITS + 1 if span.high is not None else _NEAR))
        found = union_all(*(select(*read.subquery(f"s{at}").c) for at, read in enumerate(near))).subquery("f")
        statement = select(*(column for column in found.c if column.name != "last")).limit(HITS + 1)
        if any(span.high is None for span in spans):
            begins = func.pg_catalog.starts_with(collated(found.c.last, _BY_BYTES), texts[last.number])
            statement = statement.where(begins)
        return await self._hits(statement)

    async def _hits(self, statement: Select[Any]) -> list[Hit]:
        async with reading(self._database, How(), statement_timeout_ms=WITHIN_MS) as (connection, _):
            try:
                rows = (await connection.execute(statement)).all()
            except DBAPIError as error:
                # Class 22, data exception: the text is no value of the key's type, so that no key is that.
                if not (translate(error).sqlstate or "").startswith("22"):
                    raise
                return []
        size = len(self._key)
        return [
            Hit(tuple(row[:size]), tuple(shown_value(word, _WIDTH - 1).text or "" for word in row[size:]))
            for row in rows
        ]


def words_of_people(table: Table, key: Sequence[Column]) -> list[Column]:
    """The columns of text by which people know a row, the likeliest first; never a secret, nor one of its key."""
    taken = {column.number for column in key}

    def rank(column: Column) -> tuple[int, int]:
        words = _WORD.findall(column.name)
        whole, last = "".join(words).lower(), words[-1].lower() if words else ""
        if whole in _NAMES or last not in _NAMES:
            return 2 * _NAMES.get(whole, len(_NAMES)), column.number
        return 2 * _NAMES[last] + 1, column.number

    columns = [
        column
        for column in table.columns
        if column.category == "S" and column.may_select and column.number not in taken and not is_secret(column.name)
    ]
    return sorted(columns, key=rank)[:_LABELS]


def _spans(column: Column, text: str) -> list[_Span]:
    """Where in an index on the column the values are that begin with a text; of a type without such, those like it."""
    of = value_type(column)
    largest = _LARGEST.get(of)
    if largest is not None and re.fullmatch("[1-9][0-9]{0,18}", text):
        spans = []
        low = high = int(text)
        while low <= largest:
            spans.append(_Span(str(low), str(min(high, largest))))
            low, high = 10 * low, 10 * high + 9
        return spans
    if of == _UUID:
        digits = text.replace("-", "").lower()
        if not re.fullmatch("[0-9a-f]{1,32}", digits):
            return []
        return [_Span(digits.ljust(32, "0"), digits.ljust(32, "f"))]
    return [_Span(text, None if column.category == "S" else text)]
