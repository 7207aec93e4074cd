"""The plan that the server would follow for a statement, asked in the transaction in which it is to run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import ClauseElement, Executable
from sqlalchemy.ext.compiler import compiles

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.ext.asyncio import AsyncConnection
    from sqlalchemy.sql.compiler import SQLCompiler

    from fkexplorer.orphans.ways.way import Plan


class _Explain(Executable, ClauseElement):
    """`EXPLAIN (FORMAT JSON)` of a statement, with the statement's own parameters."""

    inherit_cache = False

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement


@compiles(_Explain)
def _write(element: _Explain, compiler: SQLCompiler, **options: Any) -> str:  # noqa: ANN401 - as the compiler passes them
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **options)}"


async def plan_of(connection: AsyncConnection, statement: Select[Any] | str) -> Plan:
    """The plan's top node; it takes some 0.3 ms, and nothing runs.

    Args:
        connection: in the transaction in which it is to run.
        statement: itself, or its text as it is compiled for this connection.

    Raises:
        DBAPIError: the server refused the statement.
    """
    if isinstance(statement, str):
        found = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}")
    else:
        found = await connection.execute(_Explain(statement))
    [explained] = found.scalar_one()
    plan: Plan = explained["Plan"]
    return plan
