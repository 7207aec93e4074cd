"""How a diagnosis asks about rows: one bounded statement, written out whole, so that it can be run again by hand.

A table above the cost limit is asked by an index alone, and whether the server would use one is looked up in its plan
beforehand. What was not answered has a word of its own, and is never an empty answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import psycopg

from fkexplorer.database.errors import Kind, translate, trouble_of
from fkexplorer.database.limits import Limits
from fkexplorer.diagnosis.model import Evidence
from fkexplorer.orphans.turns import size_text
from fkexplorer.schema.names import quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fkexplorer.database.connection import Database
    from fkexplorer.schema.model import Column, Schema, Table

LIMITS = Limits(
    statement_timeout_ms=2_000,
    lock_timeout_ms=1_000,
    # What a server prints under other settings may be read as another value: 01/02/2024.
    planner={"DateStyle": "ISO, YMD", "extra_float_digits": "1", "bytea_output": "hex"},
)
CLOCK = "SELECT extract(epoch FROM pg_catalog.clock_timestamp())::float8"
_WORDS = {
    Kind.TIMED_OUT: ("timed_out", "the look took longer than it may"),
    Kind.LOCK: ("locked", "somebody holds a lock on the table, as ALTER TABLE takes it"),
    Kind.ROW_SECURITY: ("hidden_by_row_security", "row security hides rows from this role"),
}


class Ground(Protocol):
    """What a look starts from: in which database, and what it may cost. A case is one, and so is an examination."""

    @property
    def database(self) -> Database:
        """Whom to ask."""

    @property
    def schema(self) -> Schema:
        """Its catalogue."""

    @property
    def max_bytes(self) -> int:
        """Tables up to this size may be read whole; larger ones by an index alone."""


@dataclass(frozen=True, slots=True)
class Look:
    """A statement about the rows of one table."""

    query: str
    """Without a semicolon."""
    table: Table
    columns: tuple[Column, ...]
    """Those that are compared: an index that begins with one of them leads to the rows."""
    secrets: tuple[str, ...] = ()
    """Literals in it that nobody is to see."""

    @property
    def shown(self) -> str:
        """The statement for people."""
        text = self.query
        for secret in self.secrets:
            text = text.replace(secret, "'…'")
        return f"{text};"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said to a look."""

    look: Look
    at: datetime
    """The server's clock, UTC."""
    rows: Sequence[tuple[Any, ...]] | None
    """None where there is no answer."""
    code: str = ""
    """Why not: `denied`, `hidden_by_row_security`, `timed_out`, `locked`, `over_the_limit`, `not_of_type`,
    `incomparable`, `failed`."""
    reason: str = ""
    """The same in a few words."""
    as_role: bool = False
    """Row security was left on: rows that it hides are not in it."""

    @property
    def number(self) -> int | None:
        """The first value of the first row."""
        return self.rows[0][0] if self.rows else None

    def evidence(
        self,
        code: str,
        text: str,
        *,
        result: str = "",
        weight: int = 0,
        edge: int | None = None,
        number: int | None = None,
    ) -> Evidence:
        """What it shows, of the table that was asked."""
        label = table_label(self.look.table)
        return Evidence(code, text, self.at, label, self.look.shown, result, edge, weight, number)

    def unknown(self, what: str, *, weight: int = 50) -> Evidence:
        """That it shows nothing, or that row security may have hidden what was looked for.

        Args:
            what: what is not known for it, as the beginning of a sentence: `Whether …`.
            weight: of the evidence.
        """
        code, reason = (self.code, self.reason) if self.rows is None else _WORDS[Kind.ROW_SECURITY]
        return self.evidence(code, f"{what} is not known: {reason}.", result=code.replace("_", " "), weight=weight)


async def ask(ground: Ground, look: Look, *, ms: int = LIMITS.statement_timeout_ms) -> Answer:
    """Run the statement in a READ ONLY transaction of its own.

    Where row security would hide rows from the role, it counts those that the role may see, and `as_role` says so.

    Args:
        ground: in which database, and which tables are large.
        look: the statement.
        ms: milliseconds that it may take.

    Raises:
        Trouble: the connection is lost.
    """
    refused = _refused(look)
    ms = min(ms, LIMITS.statement_timeout_ms)
    limits = replace(LIMITS, statement_timeout_ms=ms, row_security=look.table.row_security_active)
    if refused is None and look.table.likely_bytes > ground.max_bytes:
        limits = replace(limits, planner={**limits.planner, "enable_seqscan": "off"})
        refused = await _too_much(ground, look, limits)
    if refused is not None:
        return Answer(look, await clock(ground.database), None, *refused)
    try:
        [[(seconds,)], rows] = await ground.database.glance(CLOCK, look.query, limits=limits)
    except psycopg.Error as error:
        return Answer(look, await clock(ground.database), None, *_word(error, look))
    return Answer(look, datetime.fromtimestamp(seconds, UTC), rows, as_role=limits.row_security)


async def clock(database: Database) -> datetime:
    """The server's clock, UTC.

    Raises:
        Trouble: the connection is lost.
    """
    try:
        [[(seconds,)]] = await database.glance(CLOCK)
    except psycopg.Error as error:
        raise trouble_of(error) from error
    return datetime.fromtimestamp(seconds, UTC)


def leads(table: Table, columns: Iterable[Column]) -> bool:
    """Whether a valid index begins with one of these columns, so that rows are found without reading the table."""
    wanted = {column.number for column in columns}
    return any(
        index.valid
        and index.method in {"btree", "hash"}
        and index.columns[0].number in wanted
        and (not index.partial or index.not_null_predicate in wanted)
        for index in table.indexes
    )


def reads_all(plan: dict[str, Any]) -> bool:
    """Whether a plan reads a table, a partition or an index from its beginning to its end."""
    kind = plan["Node Type"]
    whole = kind == "Seq Scan" or (kind in {"Index Scan", "Index Only Scan"} and "Index Cond" not in plan)
    return whole or any(map(reads_all, plan.get("Plans", ())))


def _refused(look: Look) -> tuple[str, str] | None:
    """Why the statement is not sent. What the catalogue says that the server would refuse keeps its log quiet."""
    table = look.table
    # libpq would end the statement at a NUL, and there is no UTF-8 for half a pair.
    if "\0" in look.query or any("\ud800" <= each <= "\udfff" for each in look.query):
        return "not_of_type", "it holds a character that no value can"
    if not table.privileges.usage:
        return "denied", f"this role has no USAGE on schema {quote(table.schema)}"
    hidden = [quote(column.name) for column in look.columns if not column.may_select]
    return ("denied", f"this role has no SELECT on {table_label(table)} ({', '.join(hidden)})") if hidden else None


async def _too_much(ground: Ground, look: Look, limits: Limits) -> tuple[str, str] | None:
    """Why a large table is not asked; None where an index leads to the rows."""
    reason = f"{table_label(look.table)} has about {size_text(look.table.likely_bytes)} and no index for it"
    if not leads(look.table, look.columns):
        return "over_the_limit", reason
    try:
        [[(explained,)]] = await ground.database.glance(f"EXPLAIN (FORMAT JSON) {look.query}", limits=limits)
    except psycopg.Error as error:
        return _word(error, look)
    return ("over_the_limit", reason) if reads_all(explained[0]["Plan"]) else None


def _word(error: psycopg.Error, look: Look) -> tuple[str, str]:
    """Why there is no answer: a code, and the reason in a few words.

    Raises:
        Trouble: the connection is lost.
    """
    failure = translate(error)
    if failure.kind is Kind.LOST:
        raise trouble_of(error) from error
    # Class 22, data exception: the text is no value of the type.
    if (failure.sqlstate or "").startswith("22"):
        # The server quotes what it can't read.
        return "not_of_type", "it is no value of that type" if look.secrets else failure.reason
    return _WORDS.get(failure.kind, (failure.kind.value, failure.reason))
