"""The demo database: four incidents as small schemas, and a shop with every state that a constraint can be in.

The rows are made in SQL by arithmetic and md5, with fixed dates: two builds hold the same ones, so that
screenshots taken of them stay equal.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING

from fkexplorer.demo.server import EmbeddedServer

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "demo"
"""Of the database and of its owner."""

_SCRIPTS = ("words", "github", "workspaces", "chat", "nextauth", "shop", "billing", "statistics")


def build_demo(conninfo: str) -> None:
    """Fill an empty database with the demo's schemas, in one transaction.

    Args:
        conninfo: libpq's, of a superuser: some rows come in with triggers disabled and with
            `session_replication_role = replica`. The database's encoding is UTF8, the server PostgreSQL 12 or later.
            What a server is too old for (NOT ENFORCED before 18, SET NULL of single columns before 15) is left out.

    Raises:
        psycopg.Error: something failed; the database is left as it was.
    """
    import psycopg  # noqa: PLC0415 - the command line imports this module before it knows whether a server is wanted

    scripts = files(__package__) / "sql"
    with psycopg.connect(conninfo, client_encoding="utf8") as connection:
        for name in _SCRIPTS:
            connection.execute((scripts / f"{name}.sql").read_bytes())


@contextmanager
def demo() -> Iterator[str]:
    """A server of our own with the demo database in it, gone when the block ends.

    Yields:
        libpq's conninfo of the database `demo` as its owner `demo`, a superuser: only one may mend disabled triggers.

    Raises:
        fkexplorer.database.model.Trouble: no PostgreSQL could be found or started.
    """
    import psycopg  # noqa: PLC0415 - as above
    from psycopg.conninfo import make_conninfo  # noqa: PLC0415 - as above

    with EmbeddedServer.start() as server:
        # The one database that is there gets the name: that takes 2 ms, and making another one 30 to 500.
        with psycopg.connect(server.conninfo("template1"), autocommit=True) as connection:
            connection.execute(f"CREATE ROLE {NAME} SUPERUSER LOGIN")
            connection.execute(f"ALTER DATABASE postgres RENAME TO {NAME}")
            connection.execute(f"ALTER DATABASE {NAME} OWNER TO {NAME}")
            # Timestamps read the same wherever the demo runs.
            connection.execute(f"ALTER DATABASE {NAME} SET timezone TO 'UTC'")
        conninfo = make_conninfo(server.conninfo(NAME), user=NAME)
        build_demo(conninfo)
        yield conninfo
