"""Forces a way of counting in a transaction that is there, and gives its number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import make_url, select

if TYPE_CHECKING:
    import psycopg
    from sqlalchemy import Select

    from fkexplorer.orphans.ways.way import Counting, Plan

    Text = tuple[str, dict[str, Any]]
    """A statement with its parameters."""

_DIALECT = make_url("postgresql+psycopg://").get_dialect()()


def compiled(statement: Select[Any]) -> Text:
    """The statement as it is sent."""
    made = statement.compile(dialect=_DIALECT)
    return str(made), made.params


def rows(connection: psycopg.Connection, text: Text) -> list[tuple[Any, ...]]:
    """What a statement brings."""
    statement, parameters = text
    return connection.execute(statement.encode(), parameters).fetchall()


def number(connection: psycopg.Connection, text: Text) -> int:
    """The one number of it."""
    [[value]] = rows(connection, text)
    return int(value)


def force(connection: psycopg.Connection, way: Counting) -> None:
    """Make the settings of a way, until the transaction ends or goes back to before."""
    for name, value in way.settings.items():
        connection.execute("SELECT set_config(%s, %s, true)", (name, value))


def plan(connection: psycopg.Connection, text: Text) -> Plan:
    """The plan's top node."""
    statement, parameters = text
    [[[explained]]] = rows(connection, (f"EXPLAIN (FORMAT JSON) {statement}", parameters))
    node: Plan = explained["Plan"]
    return node


def forced(connection: psycopg.Connection, way: Counting) -> int | None:
    """What a way counts as a whole; None where it says that it does not serve."""
    with connection.transaction(force_rollback=True):
        force(connection, way)
        [[value]] = rows(connection, compiled(select(way.whole())))
        return None if value is None else int(value)
