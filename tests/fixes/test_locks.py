"""A run of rows with a single foreign key holds the locks that its preview announced; event triggers are named."""

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
from fkexplorer.schema.actions import FixAction
from tests.fixes.byhand import edge_named
from tests.fixes.test_script import ACTIONS, FAMILY, request_for
from tests.fixes.trying import locks_of
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Seen by another session, while the run is about to send its COMMIT.
_HELD = """
SELECT l.relation::int8, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
WHERE l.pid = {} AND l.locktype = 'relation' AND l.granted AND c.relkind IN ('r', 'p')
"""
DDL: dict[str, tuple[FixAction, dict[str, object]]] = {
    "validate": (FixAction.VALIDATE, {}),
    "change rule": (FixAction.CHANGE_ON_DELETE, {"rule": "cascade"}),
}
INSERTS = ("insert one", "backfill all")
"""A run of these also reads the tables that refer to the new rows, to know later who does: more than is announced."""
CLEAN = FAMILY + "DELETE FROM g; DELETE FROM c WHERE pid > 10;"


@pytest.mark.matrix
@pytest.mark.parametrize("name", [*(name for name in ACTIONS if name not in INSERTS), *DDL])
async def test_a_run_holds_what_was_announced(
    make_database: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    action, asked = {**ACTIONS, **DDL}[name]
    conninfo = make_database(CLEAN if name in DDL else FAMILY)
    seen_locks: list[dict[int, str]] = []
    commit = Transaction.commit

    async with opened(conninfo) as (database, schema):

        async def looked_at(self: Transaction) -> None:
            [(pid,)] = await self.rows("SELECT pg_catalog.pg_backend_pid()")
            held: dict[int, str] = {}
            with psycopg.connect(conninfo) as other:
                for table, mode in other.execute(_HELD.format(pid).encode()):
                    if table in schema.tables:
                        held[table] = max(mode, held.get(table, mode), key=MODES.index)
            seen_locks.append(held)
            await commit(self)

        monkeypatch.setattr(Transaction, "commit", looked_at)
        request = request_for(schema, edge_named(schema, "c.fk"), action, asked)
        found = await preview(database, schema, request)
        outcome = await run(database, schema, found, Journal(tmp_path))
        assert outcome.ending in (Ending.DONE, Ending.REMAINING), outcome.words
        assert seen_locks == [locks_of(step) for step in found.plan.steps]


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
