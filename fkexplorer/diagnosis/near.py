"""Where a missing key is after all: in another spelling, another column, another table, or marked as deleted."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.asking import Look, ask
from fkexplorer.diagnosis.keyed import equality, holds_any, key_text, parent_look, rows_look, secrets, sides, value_text
from fkexplorer.diagnosis.model import Part, Side
from fkexplorer.diagnosis.reading.model import ErrorKind
from fkexplorer.diagnosis.spellings import difference, plain_number, plain_uuid, spellings
from fkexplorer.fixes import sql
from fkexplorer.orphans.cost import scan_ms
from fkexplorer.orphans.predicate import Incomparable
from fkexplorer.schema.names import quote, table_label
from fkexplorer.schema.secrets import is_secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fkexplorer.diagnosis.asking import Answer
    from fkexplorer.diagnosis.case import Case
    from fkexplorer.diagnosis.model import Evidence
    from fkexplorer.schema.model import Column, Relationship, Table

_SECONDS = 1.5
"""What all looks together may take; those that have no time left are named."""
_SCAN_MS = 200
"""What it may take to read the parent from its beginning to its end."""
_TABLES = 5
"""Other tables that are looked into."""
_SHOWN = 3
"""Spellings that are shown."""
_TEXTS = frozenset({"text", "varchar", "bpchar", "name", "citext"})
_MARK = re.compile(
    r"(is_?)?(soft_?)?(deleted|removed|archived|discarded|trashed)(_?(at|on|time|date|by))?", re.IGNORECASE
)
_KEPT_BEFORE = ("archive", "archived", "deleted", "old", "removed")
_KEPT_BEHIND = (*_KEPT_BEFORE, "backup", "history")


async def near_misses(case: Case) -> Part:
    """Look for what the key of a missing parent may have been meant to be.

    Returns:
        Little where the parent is there, nothing where the text does not tell one key. `side` is the child where its
        value is only written in another way, or belongs to another column.

    Raises:
        Trouble: the connection is lost.
    """
    edge = case.edge
    if edge is None or case.error.kind is not ErrorKind.MISSING_PARENT:
        return Part()
    if len(case.keys) != 1 or None in case.keys[0]:
        # Of a text that can be cut in several ways nobody knows which key it was.
        return Part()
    return await _Near(case, edge, tuple(text for text in case.keys[0] if text is not None)).part()


def marks(table: Table) -> list[Column]:
    """The columns by which a table marks rows as deleted in place of deleting them, as their names tell."""
    return [column for column in table.columns if _MARK.fullmatch(column.name)]


class _Near:
    """The looks for one key."""

    def __init__(self, case: Case, edge: Relationship, key: tuple[str, ...]) -> None:
        self._case = case
        self._edge = edge
        self._key = key
        self._parent = case.schema.parent_of(edge)
        self._columns, self._others = sides(edge, of_parent=True)
        self._end = time.perf_counter() + _SECONDS
        self._findings: list[Evidence] = []
        self._ruled_out: list[Evidence] = []
        self._not_looked: list[str] = []
        self._last: Answer | None = None
        self._side: Side | None = None

    async def part(self) -> Part:
        """All that is found, and what was not looked at."""
        try:
            look = parent_look(self._case.schema, self._edge, self._key)
        except Incomparable:
            pass
        else:
            exact = await ask(self._case, look)
            if exact.code == "not_of_type":
                return Part()
            if exact.number:
                await self._marked(there=True)
                self._protected(exact, there=True)
                return Part(tuple(self._findings))
            if exact.number == 0:
                self._protected(exact, there=False)
        await self._spelled()
        if any(is_secret(column.name) for column in (*self._columns, *self._others)):
            self._not_looked.append("other columns and tables (the key is named like a secret)")
        else:
            await self._in_other_columns()
            await self._in_other_tables()
        await self._marked(there=False)
        self._say_what_is_left()
        return Part(tuple(self._findings), tuple(self._ruled_out), side=self._side)

    async def _ask(self, look: Look, what: str) -> Answer | None:
        """The answer; None where there is none, and what that leaves unknown is noted."""
        if time.perf_counter() > self._end:
            self._not_looked.append(f"{what} (no time left)")
            return None
        answer = self._last = await ask(self._case, look, ms=1 + round((self._end - time.perf_counter()) * 1000))
        if answer.rows is not None:
            if answer.as_role:
                self._not_looked.append(f"{what} (row security hides rows)")
            return answer
        if answer.code != "not_of_type":
            self._not_looked.append(f"{what} ({answer.reason})")
        return None

    async def _spelled(self) -> None:
        """Another spelling of the key in the parent's own columns, by an index, and else by reading a small table."""
        comparable = all(pair.equals is not None for pair in self._edge.pairs)
        if comparable and not any(map(_is_text, self._columns)):
            return
        label = table_label(self._parent)
        answers = [await self._ask(self._spelling_look(whole=False), f"other spellings in {label}")]
        small = self._parent.likely_bytes <= self._case.max_bytes and scan_ms(self._parent) <= _SCAN_MS
        if small and answers[0] and not answers[0].rows:
            answers.append(await self._ask(self._spelling_look(whole=True), f"any mixture of cases in {label}"))
        elif not small:
            self._not_looked.append(f"any mixture of cases in {label} (it would have to be read)")
        answer = answers[-1]
        if answer is None:
            return
        for found in answer.rows or ():
            pairs = zip(self._key, found, strict=True)
            differing = sorted({difference(text, there) for text, there in pairs if text != there}) or ["its type"]
            text = (
                f"{label} has {key_text(self._columns, found, self._others)}: it differs in {' and '.join(differing)}."
            )
            result = key_text(self._columns, found, self._others)
            self._findings.append(answer.evidence("near_miss", text, result=result, weight=95))
            self._side = Side.CHILD
        if not answer.rows and not answer.as_role:
            text = f"{label} has the key in no other spelling: not in another case, with spaces, or in another form."
            if not small:
                text = (
                    f"{label} has the key in none of the spellings that an index leads to: others were not looked for."
                )
            self._ruled_out.append(answer.evidence("no_near_miss", text, result="0 rows", weight=20))

    def _spelling_look(self, *, whole: bool) -> Look:
        """The first rows with another spelling of the key; `whole` reads the table, and finds any mixture of cases."""
        table = self._parent
        conditions: list[str] = []
        hidden: list[str] = []
        for column, text, pair in zip(self._columns, self._key, self._edge.pairs, strict=True):
            texts = [text, *spellings(text)] if _is_text(column) else [text]
            alike = [holds_any("c", column, texts, equality(table, column, pair))]
            if whole and _is_text(column):
                alike += _alike(f"CAST(c.{sql.name(column.name)} AS pg_catalog.text)", text)
            conditions.append(f"({' OR '.join(alike)})")
            hidden += secrets([column] * len(texts), texts, [pair.child] * len(texts))
        shown = ", ".join(f"pg_catalog.concat(c.{sql.name(column.name)})" for column in self._columns)
        query = f"SELECT {shown} FROM {sql.source(table, 'c')}\n WHERE {' AND '.join(conditions)} LIMIT {_SHOWN}"
        return Look(query, table, tuple(self._columns), tuple(sorted(hidden, key=len, reverse=True)))

    async def _in_other_columns(self) -> None:
        """The key in another unique column of the parent, as a name in place of an id."""
        if len(self._key) != 1:
            return
        [text] = self._key
        label, [own] = table_label(self._parent), self._columns
        for column in _unique_columns(self._parent):
            if column.number == own.number:
                continue
            look = rows_look(self._parent, [column], (text,), [equality(self._parent, column)])
            answer = await self._ask(look, f"{label}.{quote(column.name)}")
            if answer is None:
                continue
            if answer.number:
                said = (
                    f"{label} has {key_text([column], (text,))}: the value belongs to {quote(column.name)}, and the"
                    f" key refers to {quote(own.name)}."
                )
                self._findings.append(answer.evidence("key_in_other_column", said, result="1 row", weight=90))
                self._side = Side.CHILD
            elif not answer.as_role:
                said = f"{label} does not have the value in {quote(column.name)} either."
                self._ruled_out.append(answer.evidence("not_in_other_column", said, result="0 rows", weight=20))

    async def _in_other_tables(self) -> None:
        """The key in a table of the same name in another schema, or in one that keeps what was deleted."""
        for table, code in self._other_tables():
            names = {column.name: column for column in table.columns}
            own = [names[column.name] for column in self._columns if column.name in names]
            if len(own) < len(self._columns):
                continue
            by = [equality(table, column) for column in own]
            label = table_label(table)
            answer = await self._ask(rows_look(table, own, self._key, by), label)
            if answer is None:
                continue
            shown = key_text(own, self._key)
            if answer.number:
                here = table_label(self._parent)
                why = {
                    "key_in_other_schema": f"the row is in that schema, and the constraint refers to {here}",
                    "key_in_archive": f"it seems to have been moved there from {here}",
                }[code]
                text = f"{label} has {shown}: {why}."
                self._findings.append(answer.evidence(code, text, result="1 row", weight=85))
            elif not answer.as_role:
                text = f"{label} does not have {shown} either."
                self._ruled_out.append(answer.evidence(f"not_{code.removeprefix('key_')}", text, result="0 rows"))

    def _other_tables(self) -> Iterator[tuple[Table, str]]:
        own = self._parent.name
        kept = {f"{word}_{own}" for word in _KEPT_BEFORE} | {f"{own}_{word}" for word in _KEPT_BEHIND}
        found = [
            (table, "key_in_other_schema" if table.name == self._parent.name else "key_in_archive")
            for table in self._case.schema.tables.values()
            if table.oid != self._parent.oid and (table.name == self._parent.name or table.name in kept)
        ]
        self._not_looked += [table_label(table) for table, _ in found[_TABLES:]]
        yield from found[:_TABLES]

    async def _marked(self, *, there: bool) -> None:
        """Whether the parent's rows are marked as deleted rather than deleted, and this one is."""
        of_parent = [column for column in marks(self._parent) if column.may_select]
        if not of_parent or self._edge.period:
            return
        label, mark = table_label(self._parent), of_parent[0]
        try:
            look = parent_look(self._case.schema, self._edge, self._key)
        except Incomparable:
            return
        value = f"pg_catalog.concat(p.{sql.name(mark.name)})"
        look = replace(look, query=look.query.replace("pg_catalog.count(*)", value, 1))
        answer = await self._ask(look, f"{label}.{quote(mark.name)}")
        if answer is None:
            return
        key = key_text(self._columns, self._key, self._others)
        if there and answer.rows and answer.rows[0][0] not in {"", "f", "0"}:
            shown = value_text(mark, answer.rows[0][0])
            text = (
                f"{label} has {key}, marked as deleted ({quote(mark.name)} is {shown}): the constraint takes the row"
                " as its parent, and an application that leaves such rows out does not see it."
            )
            self._findings.append(answer.evidence("soft_deleted", text, result=shown, weight=70))
        elif not (there or answer.rows or answer.as_role):
            text = (
                f"{label} marks rows as deleted in {quote(mark.name)}, and the row with {key} is not there even so: it"
                " was removed for good, or never was."
            )
            self._findings.append(answer.evidence("not_soft_deleted", text, result="0 rows", weight=30))

    def _protected(self, exact: Answer, *, there: bool) -> None:
        """Whether row security may hide the row from the code that looked for it; the constraint itself sees all."""
        if not self._parent.row_security or (exact.as_role and not there):
            return
        label, key = table_label(self._parent), key_text(self._columns, self._key, self._others)
        if there:
            text = (
                f"{label} has row security: the constraint sees {key} in any case, and code that looks for it first"
                " may not, for its role."
            )
            self._findings.append(exact.evidence("row_security", text, weight=40))
        else:
            text = f"{label} has row security, which hides nothing from this role: {key} is not hidden but missing."
            self._ruled_out.append(exact.evidence("not_hidden", text, result="0 rows", weight=30))

    def _say_what_is_left(self) -> None:
        if self._not_looked and self._last is not None:
            text = f"Not looked at for the key: {'; '.join(dict.fromkeys(self._not_looked))}."
            self._findings.append(replace(self._last.evidence("near_not_searched", text, weight=10), query=""))


def _alike(own: str, text: str) -> list[str]:
    """Conditions on a column as text that no index serves: the same but for cases, dashes, zeros."""

    def folded(value: str) -> str:
        return f'pg_catalog.lower(pg_catalog.btrim({value}) COLLATE pg_catalog."default")'

    found = [f"{folded(own)} OPERATOR(pg_catalog.=) {folded(f'CAST({sql.literal(text)} AS pg_catalog.text)')}"]
    if uuid := plain_uuid(text):
        found.append(f"pg_catalog.translate({folded(own)}, '{{}}-', '') OPERATOR(pg_catalog.=) '{uuid}'")
    if (number := plain_number(text)) and number != "0":
        found.append(f"pg_catalog.ltrim(pg_catalog.btrim({own}), '0') OPERATOR(pg_catalog.=) '{number}'")
    return found


def _unique_columns(table: Table) -> list[Column]:
    """The columns that are unique by themselves."""
    numbers = {
        index.columns[0].number
        for index in table.indexes
        if index.unique and index.valid and not index.partial and len(index.columns) == 1
    }
    return [column for column in table.columns if column.number in numbers]


def _is_text(column: Column) -> bool:
    return column.category == "S" and (column.base_type or column.type).name in _TEXTS
