"""What the app shows of an error, and where it leads from there: rows, fixes, the trace, the report."""

from __future__ import annotations

import asyncio
import re
import stat
from typing import TYPE_CHECKING, Any

import pytest

from fkexplorer.reports.style import plain
from fkexplorer.schema.actions import FixAction
from fkexplorer.tui.arming import Arming
from fkexplorer.tui.dialogs import HelpScreen, TextLines
from fkexplorer.tui.explain import ExplainScreen
from fkexplorer.tui.fixes.asking import FieldsScreen
from fkexplorer.tui.fixes.choosing import ChoiceScreen
from fkexplorer.tui.fixes.deed import DeedScreen, Phase
from fkexplorer.tui.trace import TraceScreen
from fkexplorer.tui.world import RowsKind
from tests.proxy import Proxy
from tests.test_cli_explain import NEXTAUTH, PROFILES, WORKSPACE, WORKSPACES
from tests.tui.helpers import opened, run
from tests.tui.test_explain import ERROR, MAKE, by_hand, diagnosed, explained, finding, paste
from tests.tui.test_fixes import arm, confirm, previewed, rows, said

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from textual.widgets import Input

    from fkexplorer.reports.style import Span
    from tests.tui.helpers import Person

__all__ = ["by_hand"]

MORE = """
CREATE TABLE d (id int PRIMARY KEY, p_id int CONSTRAINT d_fk REFERENCES p);
CREATE SCHEMA other;
CREATE TABLE other.p (id int PRIMARY KEY);
CREATE TABLE other.c (id int PRIMARY KEY, pid int CONSTRAINT fk REFERENCES other.p);
"""
D_ERROR = """\
ERROR:  insert or update on table "d" violates foreign key constraint "d_fk"
DETAIL:  Key (p_id)=(3) is not present in table "p".
"""


@pytest.fixture
def url(make_database: Callable[[str], str]) -> str:
    return make_database(MAKE)


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def all_of(person: Person) -> str:
    """All that the finding says, on one line."""
    lines = finding(person).query_one(TextLines).content
    return " ".join(" ".join(plain(line) for line in lines).split())


def current(person: Person) -> Sequence[Span]:
    """The line under the cursor."""
    lines = finding(person).query_one(TextLines)
    return lines.content[lines.cursor]


async def to_suggestion(person: Person, words: str) -> None:
    """Put the cursor on the suggestion that begins like this."""
    screen = finding(person)
    at = next(at for at, each in enumerate(screen._lines) if getattr(each.about, "text", "").startswith(words))
    screen.query_one(TextLines).move_to(at)
    await person.settle()


async def test_several_errors_are_listed_and_each_opens(make_database: Callable[[str], str]) -> None:
    url = make_database(MAKE + MORE.partition("CREATE SCHEMA")[0])
    async with opened(url) as person:
        await paste(person, ERROR + D_ERROR + ERROR)
        await person.press("enter")
        await person.sees(r"2 errors in \d lines")
        await person.sees(r"c\.fk +2x +a row was refused")
        await person.sees(r"d\.d_fk +1x")
        assert not finding(person).explained.diagnoses, "the database is asked about what somebody opens"
        await person.press("j", "enter")
        await diagnosed(person)
        await person.sees("finding 2 of 2")
        await person.sees("it would not come again now")
        assert person.app.main.lens.current == person.edge("d_fk").oid
        await person.press(")")
        await diagnosed(person)
        await person.sees("finding 1 of 2")
        await person.sees("it would come again now")
        assert person.app.main.lens.current == person.edge("fk").oid
        await person.press("(")
        await person.sees("finding 2 of 2")
        assert person.app.main.lens.current == person.edge("d_fk").oid
        await person.press("escape")
        await person.sees("2 errors in")
        await person.press("escape")
        assert person.app.screen is person.app.main


async def test_of_several_foreign_keys_none_is_chosen_but_by_enter(make_database: Callable[[str], str]) -> None:
    url = make_database(MAKE + MORE)
    async with opened(url) as person:
        before = person.app.main.lens.table
        await explained(person, ERROR)
        await person.sees("may be, and none is chosen")
        assert person.app.main.lens.table == before
        for key in ("a", "o"):
            await person.press(key)
            await person.told("[Ww]hich foreign key it means is not certain")
        await person.press("t")
        await person.told("is not known")
        assert "other.c.fk" in all_of(person)
        # The cursor is on the first of them.
        placed = finding(person)._diagnosis.placed
        assert placed is not None
        labels = [each.label for each in placed.candidates]
        assert labels[0] in "".join(span.text for span in current(person))
        # Tab goes from one thing that opens to the next, and around.
        await person.press("tab")
        assert labels[1] in "".join(span.text for span in current(person))
        await person.press("tab")
        assert labels[0] in "".join(span.text for span in current(person))
        await person.press(*["tab"] * labels.index("public.c.fk"), "enter")
        await diagnosed(person)
        assert "public.p has no row with id = 11" in all_of(person)
        schema = person.app.world.schema
        assert schema is not None
        edge = next(each for each in schema.edges.values() if schema.tables[each.child].schema == "public")
        assert person.app.main.lens.current == edge.oid
        # One layer back is the choice.
        await person.press("escape")
        await person.sees("may be, and none is chosen")
        await person.press("escape")
        assert person.app.screen is person.app.main


async def test_incident_2_leads_to_the_row_that_holds_the_key_and_its_fix(demo_copy: str) -> None:
    async with opened(demo_copy, arming=Arming(allow_writes=True)) as person:
        await arm(person)
        await explained(person, WORKSPACES)
        await person.press("j", "j", "enter")
        await diagnosed(person)
        assert "found in 1 of 63 columns searched" in all_of(person)
        await person.press("o")
        await person.read()
        query = person.app.main.rows.query_shown
        assert query is not None
        assert (query.kind, query.value) == (RowsKind.HOLDING, (WORKSPACE,))
        assert len(person.app.main.rows.rows) == 1
        await person.sees(f"workspace_members.*{WORKSPACE} +1$")
        # Back to the finding; the fix is of that row alone.
        await person.press("e", "enter")
        await to_suggestion(person, "Delete the row")
        await person.press("a")
        await person.sees("Of 1 marked row alone")
        await person.until(lambda: isinstance(person.app.screen, ChoiceScreen) and person.app.screen.choices)
        await person.settle()
        await person.press("d")
        screen = await previewed(person)
        assert screen.deed.confirm == "1"
        await person.press("escape", "escape")
        # Enter on the suggestion is the shorter way to the same.
        await person.press("enter")
        screen = await previewed(person)
        assert screen.deed.confirm == "1"
        assert "workspace_members: 1 deleted" in await said(person)
        await confirm(person, "1")
        await previewed(person, Phase.ENDED)
        assert await rows(
            demo_copy, f"SELECT count(*) FROM workspaces_dangling.workspace_members WHERE workspace_id = '{WORKSPACE}'"
        ) == [(0,)]
        # Behind it the database was asked again.
        await person.press("enter")
        await person.until(lambda: "found in 0 of 63 columns searched" in all_of(person))


async def test_incident_3_the_gap_is_filled_as_suggested(demo_copy: str) -> None:
    async with opened(demo_copy, arming=Arming(allow_writes=True)) as person:
        await arm(person)
        await explained(person, PROFILES)
        text = all_of(person)
        assert "37 of 412 rows of auth.users have no row in chat.user_profiles" in text
        await person.press("a")
        await person.until(lambda: isinstance(person.app.screen, ChoiceScreen) and person.app.screen.choices)
        await person.settle()
        await person.press("b")
        await person.until(lambda: isinstance(person.app.screen, FieldsScreen))
        await person.settle()
        told = {field.option: each.value for field, each in fields(person)}
        assert told["source"] == "auth.users"
        assert told["scope"] == "gap"
        assert "key" not in told
        # The fields that the suggestion tells are passed over.
        assert person.app.screen.focused is next(each for field, each in fields(person) if field.option == "set:email")
        await person.press("enter")
        await person.type("s.email")
        await person.press("ctrl+s")
        await previewed(person)
        assert re.search("36|37", deed_text := await said(person)), deed_text
        await person.press("escape", "escape")
        # One key alone, from its own suggestion.
        await to_suggestion(person, "Bring this one alone")
        await person.press("enter")
        await person.until(lambda: isinstance(person.app.screen, FieldsScreen))
        await person.settle()
        told = {field.option: each.value for field, each in fields(person)}
        assert (told["scope"], told["key"]) == ("key", "d78a04ae-5a41-4c7e-9d0b-3f6c8e21b7aa")


def free(person: Person) -> set[FixAction]:
    """What the panel says can be done."""
    screen = person.app.screen
    assert isinstance(screen, ChoiceScreen)
    return {choice.action for choice in screen.choices if not choice.reason}


def fields(person: Person) -> list[tuple[Any, Input]]:
    """What is asked, each with its field."""
    screen = person.app.screen
    assert isinstance(screen, FieldsScreen)
    return list(zip(screen._fields, screen.query("Input"), strict=True))  # type: ignore[arg-type]


async def test_incident_4_leads_to_the_panel_of_the_pair(demo_url: str) -> None:
    async with opened(demo_url) as person:
        await explained(person, NEXTAUTH)
        text = all_of(person)
        assert "nextauth.sessions(user_id):nextauth.users(id)" in text
        assert "nextauth.sessions.user_id is text, nextauth.users.id is uuid" in text
        assert "3 values of nextauth.sessions.user_id" in text
        assert person.app.main.lens.table == person.table("nextauth.sessions").oid
        await person.press("a")
        await person.until(lambda: isinstance(person.app.screen, ChoiceScreen) and person.app.screen.choices)
        await person.sees("no operator compares user_id, text, with id, uuid: change the")
        assert free(person) >= {FixAction.DELETE, FixAction.QUARANTINE, FixAction.CHANGE_TYPE}
        await person.press("escape")
        finding(person)
        await to_suggestion(person, "Change nextauth.sessions.user_id to uuid")
        await person.press("enter")
        await person.told("for the code: y copies it")
        await person.press("y")
        assert person.app.clipboard.startswith("ALTER TABLE nextauth.sessions ALTER COLUMN user_id TYPE uuid")


async def test_a_guess_whose_sides_fit_opens_its_fixes(make_database: Callable[[str], str]) -> None:
    url = make_database("CREATE TABLE users (id int PRIMARY KEY); CREATE TABLE sessions (id int, user_id int);")
    async with opened(url) as person:
        await explained(person, NEXTAUTH)
        await person.press("a")
        await person.until(lambda: isinstance(person.app.screen, ChoiceScreen) and person.app.screen.choices)
        await person.sees(r"sessions\(user_id\):public")
        await person.sees("c  add the constraint")


async def test_after_it_was_mended_r_says_so(url: str) -> None:
    async with opened(url) as person:
        await explained(person, ERROR)
        await person.sees("it would come again now")
        await run(url, "INSERT INTO p VALUES (11, 'eleven')")
        await person.press("r")
        await person.sees("it would not come again now")


async def test_deletes_that_were_seen_are_told(url: str) -> None:
    """Row 15: what was deleted from the parent since the app began."""
    async with opened(url) as person:
        await person.until(lambda: person.app.world.live.since is not None)
        await run(url, "DELETE FROM c WHERE pid > 8; DELETE FROM p WHERE id > 8")
        parent = person.table("p").oid
        await person.until(lambda: person.app.world.live.deleted.get(parent) == 2)
        await explained(person, ERROR)
        assert re.search(r"2 rows of public\.p were deleted since \d\d:\d\d:\d\d UTC", all_of(person))


async def test_late_answers_are_dropped_and_ctrl_c_stops(
    make_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_database(MAKE + MORE.partition("CREATE SCHEMA")[0])
    async with opened(url) as person:
        session = person.app.session
        real, gate, asked = session.diagnose, asyncio.Event(), []

        async def held(*args: Any, **kwargs: Any) -> object:  # noqa: ANN401 - passed on as they are
            asked.append(args[2].error.constraint)
            if asked == ["fk"]:
                # As an answer that is on its way when the next question is asked.
                await asyncio.shield(asyncio.ensure_future(gate.wait()))
            return await real(*args, **kwargs)

        monkeypatch.setattr(session, "diagnose", held)
        await paste(person, ERROR + D_ERROR)
        await person.press("enter", "enter")
        await person.sees("Asking the database")
        await person.press("ctrl+c")
        await person.sees("Stopped. r asks again")
        assert finding(person).explained.known is None
        await person.press(")")
        await diagnosed(person)
        await person.sees("it would not come again now")
        gate.set()
        await person.settle()
        assert list(finding(person).explained.diagnoses) == [1]
        await person.press("(")
        await diagnosed(person)
        await person.sees("it would come again now")


async def test_a_connection_that_is_gone_is_told(url: str) -> None:
    async with Proxy(url) as proxy, opened(proxy.conninfo) as person:
        await explained(person, ERROR)
        assert proxy._server is not None
        proxy._server.close()
        proxy.hang_up()
        await person.press("r")
        await person.sees("connection|refused")
        await person.until(lambda: not finding(person).looking)
        await person.sees("it would come again now")
        await person.press("escape")
        await person.sees("LOST")


async def test_the_report_is_a_private_file(url: str, tmp_path: Path) -> None:
    async with opened(url, size=(160, 30)) as person:
        await person.press("w")
        await person.told("no error was explained: e takes one")
        await explained(person, ERROR)
        await person.press("w")
        await person.told(f"Written: {tmp_path}/fkexplorer-report.md")
        path = tmp_path / "fkexplorer-report.md"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# Incident report: public.c.fk")
        assert "public.p has no row with id = 11" in text
        # From the main screen as well, and nothing is overwritten.
        await person.press("escape", "w")
        await person.told("fkexplorer-report-2.md")
        assert path.read_text(encoding="utf-8") == text


async def test_what_leads_elsewhere(url: str) -> None:
    async with opened(url) as person:
        await explained(person, ERROR)
        await person.press("y")
        assert "public.p has no row with id = 11" in person.app.clipboard
        await person.press("Y")
        assert re.search(r'SELECT .*"public"\."p"', person.app.clipboard, re.DOTALL)
        assert "-- gave: 0 rows" in person.app.clipboard
        await person.press("question_mark")
        assert isinstance(person.app.screen, HelpScreen)
        await person.sees("Write the incident report")
        await person.press("escape", "t")
        await person.until(lambda: isinstance(person.app.screen, TraceScreen) and person.app.screen.trace)
        await person.sees("found in 0 of")
        await person.press("escape", "a")
        await person.until(lambda: isinstance(person.app.screen, ChoiceScreen) and person.app.screen.choices)
        await person.press("escape", "e")
        assert isinstance(person.app.screen, ExplainScreen)
        await person.press("escape")
        # No row holds the key, so that the rows are the orphans of the edge.
        await person.press("o")
        await person.read()
        query = person.app.main.rows.query_shown
        assert query is not None
        assert (query.kind, query.edge) == (RowsKind.ORPHANS, person.edge("fk").oid)


async def test_parents_that_are_missing_can_be_inserted_without_an_orphan(url: str) -> None:
    """Row 8: one key, 0 orphans."""
    async with opened(url) as person:
        await explained(person, ERROR)
        await to_suggestion(person, "Insert the parent that is missing")
        await person.press("enter")
        await person.until(lambda: isinstance(person.app.screen, FieldsScreen))
        await person.settle()
        await person.press("ctrl+s")
        screen = await previewed(person)
        assert isinstance(screen, DeedScreen)
        assert screen.deed.confirm == "1"
        assert "public.p: 1 inserted" in await said(person)


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (140, 40)])
async def test_sizes_and_ascii(url: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(url, size=size, ascii_only=True) as person:
        await paste(person, ERROR + D_ERROR.replace('"d', '"dé'))
        assert person.text.isascii()
        await person.press("enter")
        await person.sees("2 errors")
        assert person.text.isascii()
        await person.press("enter")
        await diagnosed(person)
        assert person.text.isascii()
        assert all(len(line) <= size[0] for line in person.lines())
        if size == (140, 40):
            # The Lens, with the cursor on the edge, stays in sight above.
            await person.sees(r"p +ok noix +<-")
        await person.press("t")
        await person.sees("found in 0 of")
        assert person.text.isascii()
