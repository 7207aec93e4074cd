"""A run holds the locks that its preview announced; event triggers are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.locks import MODES
from fkexplorer.fixes.model import Ending
from fkexplorer.fixes.preview import preview
from fkexplorer.fixes.run import run
from fkexplorer.fixes.script import script
from fkexplorer.fixes.writer import Transaction
from fkexplorer.named import edge_or_pair
from fkexplorer.schema.actions import FixAction
from tests.fixes.byhand import edge_named
from tests.fixes.test_script import ACTIONS, FAMILY, request_for
from tests.fixes.trying import locks_of
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from fkexplorer.schema.model import Schema

# Seen by another session, while the run is about to send its COMMIT.
_HELD = """
SELECT l.relation::int8, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE l.pid = {} AND l.locktype = 'relation' AND l.granted AND c.relkind IN ('r', 'p')
"""
DDL: dict[str, tuple[FixAction, dict[str, object]]] = {
    "validate": (FixAction.VALIDATE, {}),
    "revalidate": (FixAction.REVALIDATE, {}),
    "add-constraint": (FixAction.ADD_CONSTRAINT, {"rule": "cascade"}),
    "change rule": (FixAction.CHANGE_ON_DELETE, {"rule": "cascade"}),
}
MORE = """
CREATE TABLE kinds (id int PRIMARY KEY);
CREATE TABLE marks (id int PRIMARY KEY);
ALTER TABLE c ADD COLUMN kind int REFERENCES kinds;
ALTER TABLE g ADD COLUMN mark int REFERENCES marks;
CREATE TABLE q (pid int REFERENCES p) PARTITION BY RANGE (pid);
CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (1) TO (100);
"""
"""Other foreign keys of the tables whose rows change, and another child, which is partitioned, of the parent."""
CLEAN = FAMILY + "DELETE FROM g; DELETE FROM c WHERE pid > 10;"


@pytest.fixture
def seen_locks(monkeypatch: pytest.MonkeyPatch) -> list[dict[int, str]]:
    """The strongest lock on each relation, of each transaction that is committed from now on, at its COMMIT."""
    seen: list[dict[int, str]] = []
    commit = Transaction.commit

    async def looked_at(self: Transaction) -> None:
        [(pid,)] = await self.rows("SELECT pg_catalog.pg_backend_pid()")
        held: dict[int, str] = {}
        with psycopg.connect(self._driver.info.dsn, password=self._driver.info.password) as other:
            for table, mode in other.execute(_HELD.format(pid).encode()):
                held[table] = max(mode, held.get(table, mode), key=MODES.index)
        seen.append(held)
        await commit(self)

    monkeypatch.setattr(Transaction, "commit", looked_at)
    return seen


def of_tables(schema: Schema, seen: list[dict[int, str]]) -> list[dict[int, str]]:
    """Those on tables of the schema."""
    return [{table: mode for table, mode in each.items() if table in schema.tables} for each in seen]


@pytest.mark.matrix
@pytest.mark.parametrize("name", [*ACTIONS, *DDL])
async def test_a_run_holds_what_was_announced(
    make_database: Callable[[str], str], tmp_path: Path, seen_locks: list[dict[int, str]], name: str
) -> None:
    action, asked = {**ACTIONS, **DDL}[name]
    conninfo = make_database((CLEAN if name in DDL else FAMILY) + MORE)
    if action is FixAction.ADD_CONSTRAINT:
        with psycopg.connect(conninfo) as connection:
            connection.execute("ALTER TABLE c DROP CONSTRAINT fk")
    async with opened(conninfo) as (database, schema):
        edge = await edge_or_pair(database, schema, "c(pid):p(id)")
        found = await preview(database, schema, request_for(schema, edge, action, asked))
        outcome = await run(database, schema, found, Journal(tmp_path))
        assert outcome.ending in (Ending.DONE, Ending.REMAINING), outcome.words
        assert of_tables(schema, seen_locks) == [locks_of(step, of_run=True) for step in found.plan.steps]


EVENTS = """
CREATE FUNCTION f() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER every_end ON ddl_command_end EXECUTE FUNCTION f();
CREATE EVENT TRIGGER alter_start ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION f();
CREATE EVENT TRIGGER create_start ON ddl_command_start WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION f();
CREATE EVENT TRIGGER drops ON sql_drop EXECUTE FUNCTION f();
CREATE EVENT TRIGGER rewrites ON table_rewrite EXECUTE FUNCTION f();
CREATE EVENT TRIGGER off_now ON ddl_command_end EXECUTE FUNCTION f();
ALTER EVENT TRIGGER off_now DISABLE;
CREATE EVENT TRIGGER of_replicas ON ddl_command_end EXECUTE FUNCTION f();
ALTER EVENT TRIGGER of_replicas ENABLE REPLICA;
"""
FIRED = {
    "validate": {"every_end", "alter_start"},
    "change rule": {"every_end", "alter_start", "drops"},
    "quarantine": {"every_end", "create_start"},
    "delete": set[str](),
}


@pytest.mark.matrix
@pytest.mark.parametrize("name", FIRED)
async def test_event_triggers_are_named(make_database: Callable[[str], str], name: str) -> None:
    action, asked = {**ACTIONS, **DDL}[name]
    conninfo = make_database((CLEAN if name in DDL else FAMILY) + EVENTS)
    async with opened(conninfo) as (database, schema):
        found = await preview(database, schema, request_for(schema, edge_named(schema, "c.fk"), action, asked))
        said = [each for each in found.lasting if "event trigger" in each]
        assert {each.split()[4] for each in said} == FIRED[name]
        text = await script(database, schema, found)
    assert all(f"-- Not brought back: {each}" in text for each in said)
