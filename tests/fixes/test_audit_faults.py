"""Faults in the midst of batches and behind a pooler; and what the journal keeps of a fix that was refused: nothing."""

from __future__ import annotations

from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from fkexplorer.fixes.entries import State
from fkexplorer.fixes.journal import Journal
from fkexplorer.fixes.model import Ending
from fkexplorer.fixes.parts import RunLimits
from fkexplorer.fixes.undo import undo, undo_preview
from fkexplorer.fixes.writer import WriteLimits
from tests.database.test_pooler import pooled
from tests.fixes.byhand import QUICK, delete, do, hashes, take_back
from tests.fixes.test_faults import Hooked, backed_up_is_what_changed, fix
from tests.fixes.test_kinds import SIMPLE
from tests.fixes.test_run import FAMILY
from tests.orphans.connected import holding, new_role, opened
from tests.orphans.connected import run as execute
from tests.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

__all__ = ["pooled"]

BATCHES = replace(QUICK, batch_rows=2)


class AtSecond(Journal):
    """Cuts the connection at the COMMIT of the second batch."""

    def __init__(self, folder: Path, proxy: Proxy, *, before: bool) -> None:
        super().__init__(folder)
        self._proxy = proxy
        self._before = before

    def append(self, entry: str, event: str, **fields: Any) -> None:  # noqa: ANN401 - as the journal's
        if event == "committing" and fields["part"] == 1:
            self._proxy.cut(b"COMMIT\0", before=self._before)
        super().append(entry, event, **fields)


@pytest.mark.parametrize("before", [True, False])
async def test_the_connection_is_cut_at_the_second_commit(
    make_database: Callable[[str], str], open_folder: Path, before: bool
) -> None:
    """The batch at hand is there as a whole or not at all, and the journal knows; those before it stay."""
    conninfo = make_database(FAMILY)
    was = hashes(conninfo)
    async with Proxy(conninfo) as proxy, opened(proxy.conninfo) as (database, _):
        outcome = await fix(database, AtSecond(open_folder, proxy, before=before), BATCHES)
    [entry] = Journal(open_folder).entries()
    with psycopg.connect(conninfo) as connection:
        left = connection.execute("SELECT count(*) FROM c WHERE id > 10").fetchall()
    assert (entry.state, left) == ((State.PART, [(3,)]) if before else (State.ALL, [(0,)])), outcome.words
    assert ("asked again, the server says: " + ("rolled back" if before else "committed")) in outcome.words
    _, undone = await take_back(conninfo, open_folder, entry.id)
    assert undone.ending is Ending.DONE, undone.words
    assert hashes(conninfo) == was


@pytest.mark.parametrize("before", [True, False])
async def test_the_pooler_is_cut_off_at_commit(pooled: str, open_folder: Path, before: bool) -> None:
    """Where others hold the server's connections, its answer is found by looking too."""
    await execute(pooled, "DROP TABLE IF EXISTS h, g, c, p;" + FAMILY)
    was = hashes(pooled)
    async with Proxy(pooled) as proxy, opened(proxy.conninfo) as (database, _):
        journal = Hooked(open_folder, "before committing", lambda: proxy.cut(b"COMMIT\0", before=before))
        outcome = await fix(database, journal)
    if before:
        assert outcome.ending is Ending.REFUSED
        assert (hashes(pooled), Journal(open_folder).entries()[0].state) == (was, State.NOTHING)
    else:
        assert outcome.ending is Ending.DONE, outcome.words
        await backed_up_is_what_changed(pooled, open_folder, was)


@pytest.mark.parametrize("before", [True, False])
async def test_the_connection_is_cut_at_the_commit_of_an_undo(
    make_database: Callable[[str], str], open_folder: Path, before: bool
) -> None:
    conninfo = make_database(FAMILY)
    was = hashes(conninfo)
    done = await do(conninfo, open_folder, "c.fk", delete)
    now = hashes(conninfo)
    async with Proxy(conninfo) as proxy, opened(proxy.conninfo) as (database, schema):
        journal = Hooked(open_folder, "before committing", lambda: proxy.cut(b"COMMIT\0", before=before))
        seen = await undo_preview(database, schema, journal, done.entry)
        undone = await undo(database, schema, seen, journal, limits=QUICK)
    entry = Journal(open_folder).entry(done.entry)
    assert entry is not None
    if before:
        assert (undone.ending, entry.state, hashes(conninfo)) == (Ending.REFUSED, State.ALL, now), undone.words
        _, undone = await take_back(conninfo, open_folder, done.entry)
        assert undone.ending is Ending.DONE, undone.words
    else:
        assert (undone.ending, entry.state) == (Ending.DONE, State.UNDONE), undone.words
    assert hashes(conninfo) == was


NAP = """
CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(60); RETURN old; END';
CREATE TRIGGER nap BEFORE DELETE ON c FOR EACH ROW EXECUTE FUNCTION nap();
"""


@asynccontextmanager
async def role_without(conninfo: str, privilege: str) -> AsyncIterator[tuple[str, Callable[[], Any]]]:
    """A role that may do all, and what takes a privilege from it."""
    async with new_role(conninfo) as role:
        await execute(conninfo, f"GRANT ALL ON p, c TO {role}")
        yield role, lambda: execute(conninfo, f"REVOKE {privilege} FROM {role}")


@pytest.mark.parametrize("fault", ["lock", "privilege", "time"])
async def test_a_refusal_leaves_no_backup_and_says_nothing_was_changed(
    make_database: Callable[[str], str], open_folder: Path, fault: str
) -> None:
    conninfo = make_database(SIMPLE + (NAP if fault == "time" else ""))
    was = hashes(conninfo)
    limits = RunLimits(WriteLimits(statement_timeout_ms=300)) if fault == "time" else QUICK
    held = holding(conninfo, "SELECT 1 FROM c WHERE id = 15 FOR UPDATE") if fault == "lock" else nullcontext()
    async with role_without(conninfo, "DELETE ON c") as (role, revoke), held:
        outcome = await do(
            conninfo,
            open_folder,
            "c.fk",
            delete,
            limits=limits,
            consent=True,
            role=role if fault == "privilege" else None,
            between=revoke if fault == "privilege" else None,
        )
    assert outcome.ending is Ending.REFUSED
    assert outcome.words.endswith("nothing was changed")
    [entry] = Journal(open_folder).entries()
    assert (entry.state, entry.touched, entry.backup, outcome.backup) == (State.NOTHING, (), "", "")
    assert entry.words == outcome.words
    assert not list((open_folder / "backups").glob("*/*"))
    assert hashes(conninfo) == was
