"""How many pages a table has at this moment, partition by partition: what a sample and a progress are a part of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import OID

from fkexplorer.schema.model import TableKind

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from fkexplorer.schema.model import Table

# pg_relation_size waits behind an ACCESS EXCLUSIVE lock, no longer than lock_timeout: the read that follows would too.
_ORDINARY = text("SELECT pg_relation_size(:table) / current_setting('block_size')::int")
_PARTITIONED = text("""
SELECT pg_relation_size(relid) / current_setting('block_size')::int FROM pg_partition_tree(:table) WHERE isleaf
""")


async def pages_of(connection: AsyncConnection, table: Table) -> list[int]:
    """The pages of the table's main fork; of each leaf of one that is partitioned. What is gone has none.

    Raises:
        sqlalchemy.exc.DBAPIError: somebody held a lock on it for longer than `lock_timeout`.
    """
    statement = _PARTITIONED if table.kind is TableKind.PARTITIONED else _ORDINARY
    found = await connection.execute(statement.bindparams(bindparam("table", table.oid, OID())))
    return [pages or 0 for pages in found.scalars()]
