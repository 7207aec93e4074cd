"""Names, comments and values of others: shown, never obeyed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from fkexplorer.tui.dialogs import RowScreen
from fkexplorer.tui.find import FindScreen
from fkexplorer.tui.world import View
from tests.tui.helpers import Person, opened

if TYPE_CHECKING:
    from collections.abc import Callable

ESC, CSI, BELL = "\x1b", "\x9b", "\x07"
BIDI = "\u202egnp.exe\u202c"
WIDE, COMBINING = "漢字かな", "e\u0301" + "a\u0300\u0301\u0302\u0303\u0304"
TABLES = ("[/]", "[red]a[/red]", f"{ESC}[2J{ESC}]0;owned{BELL}", BIDI, WIDE, COMBINING, "a\nb\tc\r", "x" * 63)
VALUES = (
    "[/]", "[bold red]no[/]", f"{ESC}[31mred{ESC}[0m", f"{CSI}2J", "two\nlines", "a\tb", "\r\x08\x7f", BIDI, WIDE,
    COMBINING, "\u200b\ufeff", "{not} %s \\x1b", "👩‍👩‍👧", "",
)  # fmt: skip
DANGEROUS = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def ident(name: str) -> str:
    """The name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """The value as SQL writes it."""
    return "'" + value.replace("'", "''") + "'"


def script() -> str:
    """A parent, and a child of every name, with columns, comments and values of that kind."""
    made = ["CREATE TABLE parent (id text PRIMARY KEY);"]
    values = ",".join(f"({number}, {text('key ' + value)}, {text(value)})" for number, value in enumerate(VALUES))
    for number, name in enumerate(TABLES):
        column = ident("c " + name[:40])
        made.append(
            f"CREATE TABLE {ident(name)} (id int PRIMARY KEY, {column} text, {ident('v' + name[:40])} text);"
            f"INSERT INTO {ident(name)} VALUES {values};"
            f"ALTER TABLE {ident(name)} ADD CONSTRAINT {ident(str(number) + name[:50])}"
            f" FOREIGN KEY ({column}) REFERENCES parent NOT VALID;"
            f"COMMENT ON TABLE {ident(name)} IS {text('comment ' + ' '.join(VALUES))};"
            f"COMMENT ON CONSTRAINT {ident(str(number) + name[:50])} ON {ident(name)} IS {text('edge ' + VALUES[2])};"
        )
    return "".join(made)


@pytest.fixture(scope="module")
def url(make_database: Callable[[str], str]) -> str:
    """Tables of every kind of name."""
    return make_database(script())


def check(person: Person) -> None:
    """Nothing on screen steers a terminal, and every line is as wide as the screen."""
    from rich.cells import cell_len  # noqa: PLC0415 - as Textual measures

    for segments in person.segments():
        line = "".join(segment.text for segment in segments)
        assert not DANGEROUS.search(line), repr(line)
        assert cell_len(line) == person.app.size.width, repr(line)
        # No link or metadata of markup came out of a name.
        assert not any(segment.style and segment.style.link for segment in segments)


@pytest.mark.parametrize("size", [(80, 24), (140, 40), (50, 20)])
@pytest.mark.parametrize("ascii_only", [False, True])
async def test_foreign_text_in_every_view(url: str, size: tuple[int, int], *, ascii_only: bool) -> None:
    async with opened(url, size=size, ascii_only=ascii_only) as person:
        check(person)
        schema = person.app.world.schema
        assert schema is not None
        if size[0] > 60:
            assert "[/]" in person.text
        for edge in list(schema.edges.values()):
            person.app.main.focus_table(edge.child)
            await person.settle()
            check(person)
            await person.press("o")
            await person.read()
            assert len(person.app.main.rows.rows) == len(VALUES)
            check(person)
            await person.press("l", "l", "h")
            check(person)
            await person.press("v")
            await person.read()
            check(person)
        person.app.main.focus_table(person.table("parent").oid)
        await person.settle()
        check(person)


async def test_one_row_of_foreign_values_in_full(url: str) -> None:
    async with opened(url) as person:
        edge = next(iter(person.app.world.edges_of(person.table("parent").oid).into))
        person.app.main.focus_table(edge.child, edge=edge.oid)
        await person.press("o")
        await person.read()
        for _ in VALUES:
            await person.press("enter")
            await person.until(lambda: isinstance(person.app.screen, RowScreen))
            await person.settle()
            check(person)
            await person.press("escape", "j")
        assert person.in_view(View.ROWS)


async def test_finding_and_filtering_foreign_names(url: str) -> None:
    async with opened(url) as person:
        await person.press("f")
        await person.until(lambda: isinstance(person.app.screen, FindScreen))
        check(person)
        await person.type("[/]")
        assert "[/]" in person.text
        check(person)
        await person.press("enter")
        assert person.app.main.lens.table == person.table("[/]").oid
        await person.press("1", "slash")
        await person.type("[/")
        check(person)
        assert person.app.main.tables.line_count() == 2
        await person.press("escape")


async def test_notifications_are_no_markup(url: str) -> None:
    async with opened(url) as person:
        edge = next(iter(person.app.world.edges_of(person.table("[/]").oid).own))
        person.app.main.say("denied: [/] [bold]x[/bold] \x1b[31m")
        await person.told(r"\[/\] \[bold\]x\[/bold\] ␛")
        await person.sees(r"\[/\] \[bold\]x")
        check(person)
        # A server's message that quotes names goes through the same place.
        person.app.main.focus_table(edge.child, edge=edge.oid)
        await person.press("y")
        assert "[/]" in person.app.clipboard


async def test_an_error_message_of_the_server_with_foreign_names(url: str) -> None:
    from fkexplorer.database.model import Trouble  # noqa: PLC0415
    from fkexplorer.tui.messages import ReloadFailed  # noqa: PLC0415

    async with opened(url) as person:
        trouble = Trouble("relation [/] \x1b[31m does not exist", "try", code="failed")
        person.app.post_message(ReloadFailed(trouble))
        await person.told(r"relation \[/\]")
        check(person)
