"""Many fixes at once on the screen: incident 4 by one plan, confirmed once; one that fails leaves the others done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.config.settings import load_settings
from fkexplorer.demo.database import build_demo
from fkexplorer.doctor.examine import examine
from fkexplorer.fixes.journal import Journal
from fkexplorer.schema.graph import Graph
from fkexplorer.tui.arming import Arming
from fkexplorer.tui.fixes.deed import Phase
from fkexplorer.tui.fixes.many import ManyScreen
from tests.tui.helpers import opened
from tests.tui.test_fixes import arm, by_hand, confirm, previewed, rows, said

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.tui.helpers import Person

__all__ = ["by_hand"]

SESSIONS = '[[relationships]]\npair = "nextauth.sessions(user_id):nextauth.users(id)"\n'
VALID = "SELECT conname::text, convalidated FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text {}"
TWO = """
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c1 (id int PRIMARY KEY, p_id int);
CREATE TABLE c2 (id int PRIMARY KEY, p_id int);
INSERT INTO p VALUES (1);
INSERT INTO c1 VALUES (1, 1), (2, 7);
INSERT INTO c2 VALUES (1, 1), (2, 8);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';
CREATE TRIGGER t AFTER DELETE ON c2 FOR EACH ROW EXECUTE FUNCTION f();
"""
LINKS = "".join(f'[[relationships]]\npair = "c{number}(p_id):p(id)"\n' for number in (1, 2))


def armable(conninfo: str, folder: Path, text: str, size: tuple[int, int]) -> AbstractAsyncContextManager[Person]:
    file = folder / "linked.toml"
    file.write_text(text)
    settings = load_settings(str(file), {}, folder)
    return opened(conninfo, arming=Arming(settings, allow_writes=True), size=size)


async def planned(person: Person, schema: str) -> ManyScreen:
    """The plan of what is wrong with the foreign keys of one schema."""
    known = person.app.world.known
    assert known is not None
    edges = [edge for edge in known.edges.values() if known.child_of(edge).schema == schema]
    found = await examine(person.app.session.connected(), known, Graph(known), edges, max_bytes=1 << 30)
    screen = ManyScreen(person.app.session, person.app.world, found)
    person.app.push_screen(screen)
    await previewed(person)
    return screen


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_incident_4_by_one_plan(
    make_database: Callable[[str], str], tmp_path: Path, size: tuple[int, int]
) -> None:
    conninfo = make_database("")
    build_demo(conninfo)
    async with armable(conninfo, tmp_path, SESSIONS, size) as person:
        screen = await planned(person, "nextauth")
        text = await said(person)
        assert "1. move the rows that do not cast or have no parent of nextauth.sessions" in " ".join(text.split())
        assert "nextauth.sessions: 8 rows deleted" in text
        await person.sees("writing is not armed")
        await person.press("c")
        await previewed(person)
        assert "mended by delete" in await said(person)
        await person.press("c")
        await previewed(person)
        assert "user_id is NOT NULL" in await said(person)
        await person.press("c")
        await previewed(person)
        await person.press("S")
        await person.sees(r"Saved")
        script = (tmp_path / "fkexplorer-plan.sql").read_text()
        assert "step 5 of 5" in script
        await person.press("escape")
        await arm(person)
        screen = await planned(person, "nextauth")
        await confirm(person, "8 rows 4 fixes")
        await previewed(person, Phase.ENDED)
        text = await said(person)
        assert "4 of 4 fixes are done" in text
        assert [result.came.value for result in screen.deed.results] == ["done"] * 4
    assert sorted(await rows(conninfo, VALID.format("LIKE 'nextauth.%'"))) == [
        ("accounts_user_id_fkey", True),
        ("sessions_user_id_fkey", True),
    ]


async def test_the_header_below_two_dialogs_says_that_writing_is_armed(
    make_database: Callable[[str], str], tmp_path: Path
) -> None:
    async with armable(make_database(TWO), tmp_path, LINKS, (80, 24)) as person:
        await person.press("D")
        await person.sees("1 not sure|will hurt|can't be made|Looked at")
        await person.press("P")
        await previewed(person)
        assert person.lines()[0].endswith(" RO")
        await arm(person)  # which waits for the header to say so
        assert isinstance(person.app.screen, ManyScreen)


async def test_rows_that_came_after_it_was_shown_stop_theirs_alone(
    make_database: Callable[[str], str], tmp_path: Path
) -> None:
    conninfo = make_database(TWO)
    async with armable(conninfo, tmp_path, LINKS, (100, 30)) as person:
        await arm(person)
        screen = await planned(person, "public")
        assert screen.deed.confirm == "2 rows 4 fixes"
        await person.sees("its triggers may change more")
        await person.press("enter")
        assert person.app.screen is screen
        await person.press("t")
        with psycopg.connect(conninfo, autocommit=True) as other:
            other.execute("INSERT INTO c1 VALUES (3, 9)")
        await confirm(person, "2 rows 4 fixes")
        await previewed(person, Phase.ENDED)
        came = {
            (screen.deed.programme.items[each.item].label, each.item): each.came.value for each in screen.deed.results
        }
        assert list(came.values()) == ["moved", "done", "left out", "done"]
        text = " ".join((await said(person)).split())
        assert "2 of 4 fixes are done" in text
        assert "it would touch 2 rows in place of 1" in text
        assert "left out 3. add the constraint c1_p_id_fkey" in text
        # Once more: what is left of it, as it is now.
        await person.press("enter")
        await previewed(person)
        assert screen.deed.confirm == "2 rows 2 fixes"
        await confirm(person, "2 rows 2 fixes")
        await previewed(person, Phase.ENDED)
        assert "2 of 2 fixes are done" in await said(person)
    assert sorted(await rows(conninfo, VALID.format("LIKE 'c_'"))) == [("c1_p_id_fkey", True), ("c2_p_id_fkey", True)]
    assert len(Journal(tmp_path / "state" / "fkexplorer").entries()) == 4


async def test_nothing_is_done_without_being_armed(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(TWO)
    async with armable(conninfo, tmp_path, LINKS, (80, 24)) as person:
        screen = await planned(person, "public")
        await person.sees(r"Enter go on .*t agree +Esc close")
        await person.press("t", "enter")
        await person.sees("writing is not armed")
        assert person.app.screen is screen
        assert screen.phase is Phase.SEEN
        await person.press("d")
        await person.sees("There is no dry run of many")
        await person.press("escape")
        await person.until(lambda: person.app.screen is person.app.main)
    assert await rows(conninfo, "SELECT count(*) FROM c1") == [(2,)]
