"""SQLAlchemy's dialect for psycopg, told what it would ask: four round trips less for the first connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialectAsync_psycopg

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
    from sqlalchemy.engine.url import URL

ENGINE_URL = "postgresql+fkexplorer://"
"""Where to connect is not in it: the engine's creator knows."""


class QuietDialect(PGDialectAsync_psycopg):
    """Knows from the server's start-up message what else it would ask the server."""

    supports_statement_cache = True

    @classmethod
    def get_async_dialect_cls(cls, url: URL) -> type[Dialect]:  # noqa: ARG003
        """Itself: psycopg's would name its own class."""
        return cls

    def _get_server_version_info(self, connection: Connection) -> tuple[int, ...]:
        number: int = _driver(connection).info.server_version
        return divmod(number, 10000)

    def _get_default_schema_name(self, connection: Connection) -> str:  # noqa: ARG002
        # For reflection alone, which nothing here uses.
        return "public"

    def get_default_isolation_level(self, dbapi_conn: DBAPIConnection) -> Any:  # noqa: ANN401, ARG002
        """What SQLAlchemy would reset to; each transaction here names its own."""
        return "READ COMMITTED"

    def _set_backslash_escapes(self, connection: Connection) -> None:
        conforming = _driver(connection).info.parameter_status("standard_conforming_strings")
        self._backslash_escapes = conforming == "off"


def _driver(connection: Connection) -> Any:  # noqa: ANN401 - psycopg's
    return connection.connection.driver_connection


registry.register("postgresql.fkexplorer", __name__, QuietDialect.__name__)
