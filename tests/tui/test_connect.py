"""Connecting: the first frame, passwords, what is said where it fails."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from textual.widgets import Input

from fkexplorer.database.source import Source
from fkexplorer.tui.app import ExplorerApp
from fkexplorer.tui.dialogs import PasswordScreen
from fkexplorer.tui.messages import Connected, SchemaLoaded
from tests.database.listening import free_port
from tests.tui.helpers import Gate, Person, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "open-sesame-77"  # noqa: S105 - a made-up one


@pytest.fixture
def guarded(database_url: str) -> Iterator[str]:
    """A database that lets one role in by password alone, and has one edge."""
    name = f"guarded_{uuid.uuid4().hex[:12]}"
    role = sql.Identifier(name)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}").format(role, PASSWORD))
        connection.execute("CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (p int REFERENCES p)")
        row = connection.execute("SHOW hba_file").fetchone()
        assert row is not None
        rules = Path(row[0])
        before = rules.read_text()
        rules.write_text(f"local {conninfo_to_dict(database_url)['dbname']} {name} scram-sha-256\n{before}")
        connection.execute("SELECT pg_reload_conf()")
        yield make_conninfo(database_url, user=name)
        rules.write_text(before)
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(sql.SQL("DROP ROLE {}").format(role))


async def asked(person: Person) -> PasswordScreen:
    """Wait for the question."""
    await person.until(lambda: isinstance(person.app.screen, PasswordScreen))
    await person.settle()
    screen = person.app.screen
    assert isinstance(screen, PasswordScreen)
    return screen


async def test_the_empty_list_says_what_is_waited_for(database_url: str) -> None:
    gate = Gate(Connected, SchemaLoaded)
    async with opened(database_url, gate=gate, wait=False) as person:
        await person.sees(r"^ connecting to ")
        await person.until(lambda: len(gate.held) == 2)
        assert isinstance(gate.pass_one(), Connected)
        await person.sees(r"^ reading the catalogue \.\.\.")
        gate.open()
        await person.sees("This database has no table of its own")


async def test_first_frame_says_where_it_connects_without_the_password() -> None:
    app = ExplorerApp(Source(f"postgresql://me:{PASSWORD}@db.example:5433/prod", "argument"))
    hold = asyncio.Event()

    async def never(password: str | None = None) -> None:
        await hold.wait()

    app.session.connect = never  # type: ignore[method-assign]
    async with app.run_test(size=(80, 24)) as pilot:
        person = Person(app, pilot)
        assert person.lines()[0].startswith(" me@db.example:5433/prod  connecting")
        assert "connecting to me@db.example:5433/prod" in person.text
        assert PASSWORD not in person.text
        assert PASSWORD not in repr(app.session.source)
        # Keys that need a database say so, and quitting works.
        await person.press("o", "enter", "f")
        await person.press("q")
        await person.ended()


FIRST_FRAME = """
import asyncio, json, sys
from fkexplorer.database.source import Source
from fkexplorer.tui.app import ExplorerApp
seen = []
class Probe(ExplorerApp):
    def note(self):
        seen.append(sorted({name.partition(".")[0] for name in sys.modules}))
    def _open(self):
        self.note()
        return super()._open()
    def _connect(self, password=None):
        self.note()
        self.exit(0)
async def main():
    app = Probe(Source("postgresql://u@h/d", "argument"))
    async with app.run_test() as pilot:
        while not app._exit:
            await asyncio.sleep(0.01)
asyncio.run(main())
print(json.dumps(seen))
"""


def test_nothing_heavy_is_imported_before_the_first_frame() -> None:
    done = subprocess.run([sys.executable, "-c", FIRST_FRAME], capture_output=True, text=True, check=True)
    first_frame, panes = json.loads(done.stdout)
    for modules in (first_frame, panes):
        assert "textual" in modules
        assert {"sqlalchemy", "psycopg", "networkx"}.isdisjoint(modules)


async def test_a_password_that_is_wanted_is_asked_for(guarded: str) -> None:
    async with opened(guarded, wait=False) as person:
        screen = await asked(person)
        assert "Password for guarded_" in person.text
        await person.type(PASSWORD)
        assert screen.query_one(Input).value == PASSWORD
        assert PASSWORD not in person.text
        await person.press("enter")
        await person.counted()
        await person.sees(r"^ c +ok")
        assert PASSWORD not in person.text
        for thing in (person.app, person.app.session.source, person.app.session, person.app.session.database, screen):
            assert PASSWORD not in repr(thing)


async def test_a_wrong_one_is_asked_again_with_the_reason(guarded: str) -> None:
    async with opened(guarded, wait=False) as person:
        first = await asked(person)
        await person.type("wrong")
        await person.press("enter")
        await person.until(lambda: person.app.screen is not first and isinstance(person.app.screen, PasswordScreen))
        await person.sees(r"does not accept the password")
        # Nothing typed is no password: it is asked for again too.
        second = await asked(person)
        await person.press("enter")
        await person.until(lambda: person.app.screen is not second and isinstance(person.app.screen, PasswordScreen))
        await asked(person)
        await person.type(PASSWORD)
        await person.press("enter")
        await person.counted()
        await person.sees(r"^ c +ok")


async def test_escape_gives_up(guarded: str) -> None:
    async with opened(guarded, wait=False) as person:
        await asked(person)
        await person.press("escape")
        await person.ended()
        assert person.app.return_value == 2
        assert person.app.trouble is not None
        assert person.app.trouble.code == "no_password"


async def test_ctrl_c_twice_ends_while_the_password_is_asked_for(guarded: str) -> None:
    async with opened(guarded, wait=False) as person:
        await asked(person)
        await person.press("ctrl+c", "ctrl+c")
        await person.ended()
        assert person.app.return_value == 130


@pytest.mark.parametrize("case", ["wrong password", "refused", "no database", "malformed"])
async def test_failing_to_connect_ends_with_the_reason(guarded: str, database_url: str, case: str) -> None:
    conninfo, code = {
        # One that was given and not typed is not asked for again, as psql does.
        "wrong password": (make_conninfo(guarded, password="not-" + PASSWORD), "wrong_password"),
        "refused": (f"host=127.0.0.1 port={free_port()} user=me dbname=d password={PASSWORD}", "refused"),
        "no database": (make_conninfo(database_url, dbname="no_such_one"), "no_database"),
        "malformed": ("host=x nonsense", "malformed_url"),
    }[case]
    async with opened(conninfo, wait=False) as person:
        await person.ended()
        app = person.app
    assert app.return_value == 2
    assert app.trouble is not None
    assert app.trouble.code == code
    assert app.trouble.hint
    assert "\n" not in app.trouble.reason + app.trouble.hint
    assert PASSWORD not in app.trouble.reason + app.trouble.hint + repr(app.trouble)


async def test_the_password_is_asked_for_again_after_the_connection_was_lost(guarded: str) -> None:
    async with opened(guarded, wait=False) as person:
        await asked(person)
        await person.type(PASSWORD)
        await person.press("enter")
        await person.counted()
        assert person.app.session.database is not None
        await person.app.session.database.close()
        await person.press("r")
        await person.until(lambda: person.app.world.lost)
        assert "LOST (R reconnects)" in person.lines()[0]
        await person.press("R")
        await asked(person)
        # What is on screen stays where the question is not answered.
        await person.press("escape")
        await person.told("no password was given")
        assert not person.app._exit
        assert "LOST (R reconnects)" in person.lines()[0]
        await person.sees(r"^ c +ok")
        await person.press("R")
        await asked(person)
        await person.type(PASSWORD)
        await person.press("enter")
        await person.until(lambda: person.app.world.lost is None)
        assert "LOST" not in person.lines()[0]
