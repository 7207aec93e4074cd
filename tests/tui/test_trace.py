"""Where a value lives, asked from the app: what is under the cursor, or what somebody types."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from fkexplorer.config.settings import load_settings
from fkexplorer.tui.arming import Arming
from fkexplorer.tui.dialogs import RowScreen, TextLines
from fkexplorer.tui.fixes.asking import FieldsScreen
from fkexplorer.tui.trace import TraceScreen
from fkexplorer.tui.world import RowsKind, View
from tests.tui.helpers import opened, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.tui.helpers import Person

MAKE = """
CREATE TABLE p (id int PRIMARY KEY, name text);
CREATE TABLE c (id int PRIMARY KEY, pid int, session_token text DEFAULT 'hush', note text);
CREATE TABLE e (id int PRIMARY KEY, p_id int CONSTRAINT e_fk REFERENCES p);
CREATE TABLE pair (a int, b text, PRIMARY KEY (a, b));
CREATE TABLE pairs (id int PRIMARY KEY, a int, b text);
INSERT INTO p SELECT n, 'parent ' || n FROM generate_series(1, 10) n;
INSERT INTO c SELECT n, n, 'hush', repeat('long ', 200) FROM generate_series(1, 12) n;
INSERT INTO c VALUES (99, 11, 'hush', NULL);
INSERT INTO e SELECT n, 3 FROM generate_series(1, 300) n;
INSERT INTO pairs VALUES (1, 7, 'x,y');
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
ALTER TABLE pairs ADD CONSTRAINT pairs_fk FOREIGN KEY (a, b) REFERENCES pair NOT VALID;
"""


@pytest.fixture
def url(make_database: Callable[[str], str]) -> str:
    return make_database(MAKE)


def shown(person: Person) -> TraceScreen:
    screen = person.app.screen
    assert isinstance(screen, TraceScreen)
    return screen


async def traced(person: Person) -> str:
    """Wait for it, and give the text of the screen on one line."""
    await person.until(lambda: isinstance(person.app.screen, TraceScreen) and person.app.screen.trace is not None)
    await person.settle()
    return " ".join(person.text.split())


async def to_line(person: Person, words: str) -> None:
    """Put the cursor on the line with these words."""
    screen = shown(person)
    texts = ["".join(span.text for span in each.line) for each in screen._lines]
    screen.query_one(TextLines).move_to(next(at for at, text in enumerate(texts) if words in text))
    await person.settle()


async def orphans(person: Person, table: str, edge: str) -> None:
    await person.open_lens(table, edge)
    await person.press("o")
    await person.until(lambda: person.app.main.rows.rows)


async def test_the_value_of_a_row_and_the_rows_that_hold_it(url: str) -> None:
    async with opened(url) as person:
        await orphans(person, "c", "fk")
        assert person.app.main.rows.current_value is not None
        assert person.app.main.rows.current_value.text == "11"
        await person.press("t")
        text = await traced(person)
        assert "public.c.pid" in text
        assert "2 rows" in text
        assert "no row public.p.id" in text
        # A row of the sample in full, and back.
        await to_line(person, "id=99")
        await person.press("enter")
        await person.until(lambda: isinstance(person.app.screen, RowScreen))
        await person.sees(r"pid +11")
        assert "hush" not in person.text
        await person.press("escape")
        # A place where it is not.
        await to_line(person, "public.p.id")
        await person.press("enter")
        await person.told("No row there holds it")
        # The place: all its rows, among the other panes, with the keys of rows.
        await to_line(person, "public.c.pid")
        await person.press("enter")
        await person.read()
        assert person.app.screen is person.app.main
        await person.sees(r"public\.c\.pid = 11 +2$|public\.c\.pid = 11 +2 ")
        query = person.app.main.rows.query_shown
        assert query is not None
        assert (query.kind, query.edge) == (RowsKind.HOLDING, person.edge("fk").oid)
        assert "hush" not in person.text
        await person.press("M")
        await person.read()
        assert any(value.text == "hush" for value in person.app.main.rows.rows[0])
        assert len(person.app.main.rows.rows) == 2
        await person.press("enter")
        await person.until(lambda: isinstance(person.app.screen, RowScreen))


async def test_more_rows_than_a_page(url: str) -> None:
    async with opened(url) as person:
        await person.press("1")
        await ask(person, "public.p.id", "3")
        await traced(person)
        await to_line(person, "public.e.p_id")
        await person.press("enter")
        await person.read()
        rows = person.app.main.rows
        assert len(rows.rows) == 200
        await person.press("G")
        await person.until(lambda: len(rows.rows) == 300)


async def test_the_rows_of_one_kind(make_database: Callable[[str], str], tmp_path: Path) -> None:
    url = make_database(
        "CREATE TABLE posts (id int PRIMARY KEY); INSERT INTO posts VALUES (1);"
        "CREATE TABLE notes (id int PRIMARY KEY, on_type text, on_id int);"
        "INSERT INTO notes VALUES (1, 'Post', 1), (2, 'Person', 1), (3, 'Post', 1)"
    )
    pair = "notes(on_id):posts(id) [on_type=Post]"
    (tmp_path / ".fkexplorer.toml").write_text(f"[[relationships]]\npair = '{pair}'\n")
    settings = load_settings(None, {"XDG_CONFIG_HOME": str(tmp_path / "none")}, tmp_path)
    async with opened(url, size=(120, 24), arming=Arming(settings)) as person:
        await person.press("1")
        await ask(person, "public.posts.id", "1")
        await traced(person)
        await to_line(person, "public.notes.on_id [on_type=Post]")
        await person.press("enter")
        await person.read()
        assert [row[0].text for row in person.app.main.rows.rows] == ["1", "3"]
        await person.sees(r"public\.notes\.on_id \[on_type=Post\] = 1 +2")


async def ask(person: Person, columns: str, value: str) -> None:
    """Trace what is typed; the field of the column begins with the key at hand."""
    await person.press("t")
    await person.until(lambda: isinstance(person.app.screen, FieldsScreen))
    await person.settle()
    first, second = person.app.screen.query("Input")
    first.value = columns  # type: ignore[attr-defined]
    second.focus()
    await person.type(value)
    await person.press("enter")


async def test_a_value_that_is_typed(demo_url: str) -> None:
    """Row 17: any value, of a unique key that is no primary key."""
    async with opened(demo_url) as person:
        member = "workspaces.workspace_members"
        await person.go_to(member)
        await person.press("t")
        await person.until(lambda: isinstance(person.app.screen, FieldsScreen))
        await person.sees(r"workspaces\.workspace_members\.id")
        await person.press("escape")
        await ask(person, "workspaces.users.nosuch", "did:privy:x")
        await person.told("workspaces.users has no column nosuch")
        # It asks again, with what was typed.
        await person.until(lambda: isinstance(person.app.screen, FieldsScreen))
        assert [each.value for each in person.app.screen.query("Input")] == [  # type: ignore[attr-defined]
            "workspaces.users.nosuch",
            "did:privy:x",
        ]
        await person.press("escape")
        await ask(person, "workspaces.users.privy_did", "did:privy:nobody")
        text = await traced(person)
        assert "found in 0 of" in text
        assert "did:privy:nobody" in text
        await person.press("y")
        assert "found in 0 of" in person.app.clipboard


async def test_the_key_of_several_columns_goes_as_a_whole(url: str) -> None:
    async with opened(url) as person:
        await orphans(person, "pairs", "pairs_fk")
        await person.press("t")
        text = await traced(person)
        assert "(7, x,y)" in text
        assert "public.pairs(a, b)" in text
        await person.press("escape", "1", "enter")
        # Of several columns a line of CSV.
        await ask(person, "public.pairs(a, b)", '7,"x,y"')
        await traced(person)
        assert shown(person).trace is not None
        await to_line(person, "public.pairs(a, b)")
        await person.press("enter")
        await person.read()
        assert len(person.app.main.rows.rows) == 1
        # A value with too few parts is told.
        await person.press("1")
        await ask(person, "public.pairs(a, b)", "7")
        await person.sees("the key has 2 columns, and the value is for 1")


async def test_values_that_can_not_be_traced_say_why(url: str) -> None:
    async with opened(url, size=(140, 24)) as person:
        await orphans(person, "c", "fk")
        rows = person.app.main.rows
        names = [field.name for field in rows.fields]
        for column, words in (("session_token", "masked"), ("note", "too long")):
            rows._to_column(names.index(column))
            await person.press("t")
            await person.told(f"trace: .*{words}")
        await person.press("G")
        await person.press("t")
        await person.told("NULL refers to nothing")
        # The number of rows of a missing key is no value of a column.
        await person.press("v")
        await person.read()
        rows._to_column(next(at for at, field in enumerate(rows.fields) if field.column is None))
        await person.press("t")
        await person.told("no value of a column")
        assert person.app.main.view is View.ROWS


async def test_late_answers_ctrl_c_and_once_more(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(url) as person:
        session = person.app.session
        real, held = session.trace, [True]

        async def trace(*args: Any) -> object:  # noqa: ANN401 - passed on as they are
            if held:
                held.clear()
                await asyncio.Event().wait()
            return await real(*args)

        monkeypatch.setattr(session, "trace", trace)
        await ask(person, "public.p.id", "10")
        await person.sees("Searching; Ctrl.C stops it")
        await person.press("ctrl+c")
        await person.sees("Stopped. r searches again")
        await person.press("r")
        text = await traced(person)
        assert "1 row public.p.id" in text
        await run(url, "DELETE FROM c WHERE pid = 10; DELETE FROM p WHERE id = 10")
        await person.press("r")
        await person.sees("found in 0 of|no row +public.p.id")


async def test_the_value_of_a_secret_is_shown_nowhere(url: str) -> None:
    async with opened(url) as person:
        await person.press("1")
        await ask(person, "public.c.session_token", "hush")
        text = await traced(person)
        assert "public.c.session_token" in text
        assert "hush" not in text
        await person.press("y")
        assert "hush" not in person.app.clipboard
        await to_line(person, "public.c.session_token")
        await person.press("enter")
        await person.read()
        assert len(person.app.main.rows.rows) == 13
        await person.sees(r"public\.c\.session_token = \*\*\*")
        assert "hush" not in person.text
