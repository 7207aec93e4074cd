"""What a server is asked about itself: once after connecting, and again where it may be another one by then."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fkexplorer.database.model import ServerFacts, Trouble

if TYPE_CHECKING:
    from fkexplorer.database.driver import Driver

OLDEST_VERSION = 120000

# The start to the microsecond tells servers apart without any privilege; pg_control_system()'s system_identifier does
# not: a standby that took over has that of its primary. The OID tells a database from one made anew under its name.
INSTANCE = (
    "(SELECT oid::text FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) || ' ' ||"
    " (extract(epoch FROM pg_catalog.pg_postmaster_start_time()) * 1000000)::int8::text"
)
"""An expression of text: what tells this database of this run of a server from every other."""

WHO = f"SELECT current_user::text, pg_catalog.current_database()::text, {INSTANCE}"
"""The values of `identity`."""

FACTS = f"""
SELECT current_database(), current_user::text, current_setting('server_version_num')::int,
 current_setting('server_version'), coalesce(r.rolsuper, false), coalesce(r.rolbypassrls, false), pg_is_in_recovery(),
 current_setting('session_replication_role'), pg_backend_pid(), extract(epoch FROM clock_timestamp())::float8,
 {INSTANCE}
FROM (SELECT 1) one LEFT JOIN pg_roles r ON r.rolname = current_user
"""  # noqa: S608 - put together of constants


def identity(facts: ServerFacts) -> tuple[str, str, str]:
    """What a connection has to answer to `WHO` for being one to the same database, as the same user."""
    return facts.user, facts.database, facts.instance


def facts_of(row: tuple[Any, ...], driver: Driver, label: str) -> ServerFacts:
    """The facts.

    Args:
        row: of `FACTS`.
        driver: the connection that it came by.
        label: how the source is called, for a person.

    Raises:
        Trouble: the server is too old (`too_old`).
    """
    database, user, number, version, superuser, bypasses, standby, replication_role, pid, clock, instance = row
    info = driver.info
    if number < OLDEST_VERSION:
        raise Trouble(
            f"{label} is PostgreSQL {version}, which is too old", "PostgreSQL 12 and later can be read", code="too_old"
        )
    return ServerFacts(
        database=database,
        user=user,
        host=info.host or info.hostaddr,
        port=info.port,
        version_number=number,
        version=f"PostgreSQL {version.split()[0]}",
        superuser=superuser,
        bypasses_row_security=bypasses,
        standby=standby,
        pooled=pid != info.backend_pid,
        replication_role=replication_role,
        connected_at=datetime.fromtimestamp(clock, UTC),
        instance=instance,
    )
