"""PostgreSQL's own verdict on a case: which rows it refuses, which keys they lack, which parents it lets go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg import errors, sql

if TYPE_CHECKING:
    from tests.orphans.cases import Case

    Place = tuple[int, str]
    """Where a row is: `tableoid` and `ctid`."""

TWIN = " twin"
CONSTRAINT = "the fk %s"
SUPPORT = "support %s"
"""The schema of extensions and common types."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the server says of a case's rows."""

    rows: int
    nulls: int
    """Rows whose key is wholly NULL."""
    partly: int
    """Rows with some part of the key NULL, but not all."""
    refused: int
    """Rows that it refuses to insert, one by one, under the enforced constraint."""
    can_be_added: bool
    """Whether `ADD CONSTRAINT` succeeds over all the rows."""
    missing_keys: int | None
    """Distinct keys, as the parent's unique index tells them apart, of the refused rows; None where it cannot say."""
    twin_can_be_added: bool
    """Whether it succeeds over the rows that were not refused; they stay in the twin."""
    twin_childless: int | None
    """Parents in the twin that it lets go; None for a self-reference, where a row's own reference does not hold it."""


def judge(connection: psycopg.Connection, case: Case) -> Verdict:
    """Load the case into its schema, the rows that are accepted into its twin, and say what happened.

    The schema has all the rows although the constraint forbids it, as after a load with triggers off.
    """
    _create(connection, case, case.name)
    with connection.transaction():
        connection.execute("SET LOCAL session_replication_role = replica")
        _load_parents(connection, case)
        inserted = [_insert(connection, case.child, case.into, row) for row in case.children]
        _run(connection, case.after)
    places = [place for place in inserted if place is not None]
    keys = [_key(connection, case, place) for place in places]
    can_be_added = _can_be_added(connection, case)

    _create(connection, case, case.name + TWIN)
    parents = _load_parents(connection, case)
    refused = []
    for number, row in enumerate(case.children):
        try:
            with connection.transaction():
                _insert(connection, case.child, case.into, row)
        except errors.ForeignKeyViolation:
            refused.append(number)
    _run(connection, case.after)
    twin_can_be_added = _can_be_added(connection, case)
    childless = None if case.parent == case.child else sum(_may_go(connection, case, place) for place in parents)

    _path(connection, case.name)
    return Verdict(
        rows=len(places),
        nulls=sum(all(part is None for part in key) for key in keys),
        partly=sum(any(part is None for part in key) and any(part is not None for part in key) for key in keys),
        refused=len(refused),
        can_be_added=can_be_added,
        missing_keys=None if case.lossy else _distinct(connection, case, [(places[n], keys[n]) for n in refused]),
        twin_can_be_added=twin_can_be_added,
        twin_childless=childless,
    )


def _run(connection: psycopg.Connection, text: str) -> None:
    # As bytes: psycopg then takes the text as it stands, and without parameters a percent sign is just one.
    connection.execute(text.encode())


def _path(connection: psycopg.Connection, schema: str) -> None:
    path = sql.SQL(", ").join([sql.Identifier(schema), sql.Identifier(SUPPORT)])
    connection.execute(sql.SQL("SET search_path = {}").format(path))


def _create(connection: psycopg.Connection, case: Case, schema: str) -> None:
    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
    _path(connection, schema)
    _run(connection, case.tables)
    _run(connection, f'ALTER TABLE {case.child} ADD CONSTRAINT "{CONSTRAINT}" {case.fk}')


def _insert(connection: psycopg.Connection, table: str, into: str, row: str, conflict: str = "") -> Place | None:
    text = f"INSERT INTO {table} {into} VALUES {row} {conflict} RETURNING tableoid::int8, ctid::text"
    return connection.execute(text.encode()).fetchone()


def _load_parents(connection: psycopg.Connection, case: Case) -> list[Place]:
    """Insert the parents; one that a unique key calls the same as another is left out."""
    rows = [_insert(connection, case.parent, "", row, "ON CONFLICT DO NOTHING") for row in case.parents]
    return [row for row in rows if row is not None]


def _columns(connection: psycopg.Connection, numbers: str, table: str) -> str:
    """The key's columns on one side, as SQL: `conkey` of `conrelid`, or `confkey` of `confrelid`."""
    text = f"""
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY n)
        FROM pg_constraint, unnest({numbers}) WITH ORDINALITY AS u (num, n), pg_attribute
        WHERE contype = 'f' AND conparentid = 0
        AND connamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
        AND attrelid = {table} AND attnum = num"""
    found = connection.execute(text.encode()).fetchone()
    assert found is not None
    return str(found[0])


def _key(connection: psycopg.Connection, case: Case, place: Place) -> tuple[str | None, ...]:
    """The child's key of one row, as text."""
    columns = _columns(connection, "conkey", "conrelid")
    texts = ", ".join(f"({column})::text" for column in columns.split(", "))
    found = connection.execute(f"SELECT {texts} FROM {case.child} WHERE {_at(place)}".encode()).fetchone()
    assert found is not None
    return found


def _at(place: Place) -> str:
    return f"tableoid = {place[0]} AND ctid = '{place[1]}'"


def _can_be_added(connection: psycopg.Connection, case: Case) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            _run(connection, f'ALTER TABLE {case.child} DROP CONSTRAINT "{CONSTRAINT}"')
            _run(connection, f'ALTER TABLE {case.child} ADD CONSTRAINT "{CONSTRAINT}" {case.fk}')
    except errors.ForeignKeyViolation:
        return False
    return True


def _may_go(connection: psycopg.Connection, case: Case, place: Place) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            _run(connection, f"DELETE FROM {case.parent} WHERE {_at(place)}")
    except errors.ForeignKeyViolation:
        return False
    return True


def _distinct(connection: psycopg.Connection, case: Case, rows: list[tuple[Place, tuple[str | None, ...]]]) -> int:
    """How many rows an empty copy of the parent, with its unique index, takes of these keys.

    Keys that no parent can have (with a NULL, too large for its type) and ranges are told apart by their text.
    """
    ours = _columns(connection, "conkey", "conrelid")
    theirs = _columns(connection, "confkey", "confrelid")
    texts: set[tuple[str | None, ...]] = set()
    taken = 0
    with connection.transaction(force_rollback=True):
        _run(connection, f"CREATE TEMP TABLE keys (LIKE {case.parent} INCLUDING INDEXES)")
        for place, key in rows:
            if None in key or "PERIOD" in case.fk:
                texts.add(key)
                continue
            try:
                with connection.transaction():
                    text = f"INSERT INTO keys ({theirs}) SELECT {ours} FROM {case.child} WHERE {_at(place)}"
                    connection.execute(text.encode())
                    taken += 1
            except errors.UniqueViolation:
                continue
            except psycopg.DataError:
                texts.add(key)
    return taken + len(texts)
