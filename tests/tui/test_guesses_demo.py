"""Guesses on the demo: what incidents 2 and 4 left undeclared is found, drawn apart, and decided on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from textual.widgets import Static

from fkexplorer.reports.badges import total
from fkexplorer.reports.style import plain
from fkexplorer.schema.model import EdgeKind
from fkexplorer.tui.fixes.choosing import ChoiceScreen
from fkexplorer.tui.guesses.deciding import DecideScreen
from fkexplorer.tui.guesses.listed import GuessesScreen
from tests.tui.guessing import configured, drawn, guessed, pair, to_pair

if TYPE_CHECKING:
    from pathlib import Path

    from fkexplorer.reports.badges import Total
    from tests.tui.helpers import Person

MEMBERS = "workspaces.workspace_members"


def sums(person: Person) -> Total:
    schema, world = person.app.world.schema, person.app.world
    assert schema is not None
    return total(schema, schema.edges.values(), world.counts)


def drawn_now(person: Person) -> int:
    schema = person.app.world.schema
    assert schema is not None
    return sum(edge.kind is EdgeKind.INFERRED for edge in schema.edges.values())


def detail(person: Person) -> str:
    """What the lines below the list say, without the notifications that may lie over them."""
    return "\n".join(plain(line) for line in person.app.main.detail.lines)


async def test_what_nobody_declared_is_drawn_dotted_and_counted_apart(demo_url: str, tmp_path: Path) -> None:
    async with configured(demo_url, tmp_path) as person:
        before = sums(person)
        assert "inferred" not in person.text
        await guessed(person)
        # The totals, and the number of foreign keys, are what they were.
        after = sums(person)
        assert (after.edges, after.checked, after.orphans) == (before.edges, before.checked, before.orphans)
        assert after.guesses == drawn_now(person) == 4
        await person.sees(rf"{before.edges} FKs \+ 4 inferred")
        await person.sees(r"workspaces_dangl…rkspace_members +!!1 +1\+1 ")
        await to_pair(person, MEMBERS, "user_id")
        await person.sees(r"^references 1 \+ 1 inf  ok ")
        await person.sees(r"^users +ok inf \.9 ◄··┤ user_id ")
        said = detail(person)
        assert said.startswith(
            " a guess, .99  named like users.privy_did, every one of 179 keys is there, same\n   type,"
        )
        assert "\n workspace_members.user_id -> users.privy_did  0 orphans of " in said
        await person.sees(r"^ \+ accept  - reject ")
        # From the parent it is dotted too.
        await person.press("enter")
        await person.sees(r"├◄─··workspa…members +ok inf \.9")

        await person.press("I")
        await person.until(lambda: not drawn_now(person))
        await person.misses(r"inferred|inf \.9|··")
        assert not (tmp_path / ".fkexplorer.toml").exists()


async def test_in_ascii(demo_url: str, tmp_path: Path) -> None:
    async with configured(demo_url, tmp_path, size=(140, 40), ascii_only=True) as person:
        await guessed(person)
        await to_pair(person, MEMBERS, "user_id")
        await person.sees(r"users +ok inf \.9 noix <\.\.\.\.\+ user_id ")
        await person.press("plus")
        await person.sees(r"\+- accept a guess -")
        await person.press("escape")
        await person.press("1")
        await person.press("plus")
        await person.sees(r"\+- guesses  as of \d\d:\d\d:\d\d -")
        assert person.text.isascii()


async def test_one_that_cannot_be_compared_is_kept_and_nothing_is_proposed(demo_url: str, tmp_path: Path) -> None:
    async with configured(demo_url, tmp_path, size=(100, 40)) as person:
        await guessed(person)
        await to_pair(person, "nextauth.sessions", "user_id")
        await person.sees(r"^users +X inf \.9 ◄····┤ user_id ")
        assert "3 rows do not cast, 5 would be orphans" in " ".join(detail(person).split())
        # No SQL of a guess: neither its query nor a fix.
        await person.press("Y")
        await person.told(r"copy SQL: it is a guess: \+ accepts it first")
        await person.press("a")
        await person.until(lambda: isinstance(person.app.screen, ChoiceScreen) and person.app.screen.choices)
        screen = person.app.screen
        assert isinstance(screen, ChoiceScreen)
        assert {(each.reason, each.remedy) for each in screen.choices} == {("it is a guess", "+ accepts it first")}
        await person.sees(r"It is a guess: \+ accepts it first\.")
        for letter in ("d", "y", "c", "enter"):
            await person.press(letter)
            assert person.app.screen is screen


async def test_a_guess_is_accepted_mended_and_taken_back(demo_url: str, tmp_path: Path) -> None:
    file = tmp_path / ".fkexplorer.toml"
    async with configured(demo_url, tmp_path) as person:
        await guessed(person)
        edge = await to_pair(person, "nextauth.sessions", "user_id")
        await person.press("plus")
        await person.until(lambda: isinstance(person.app.screen, DecideScreen))
        await person.sees(r"nextauth\.sessions\(user_id\): *│\n.*  nextauth\.users\(id\) ")
        assert any(f"in {file}, which is made" in str(each.content) for each in person.app.screen.query(Static))
        await person.type("seen in x")
        await person.press("escape")
        assert not file.exists()
        assert pair(person, "nextauth.sessions", "user_id").kind is EdgeKind.INFERRED

        await person.press("plus")
        await person.type("seen in the code")
        assert not file.exists()
        await person.press("enter")
        await person.until(lambda: pair(person, "nextauth.sessions", "user_id").kind is EdgeKind.CONFIGURED)
        assert file.read_text() == (
            '[[relationships]]\npair = "nextauth.sessions(user_id):nextauth.users(id)"\nreason = "seen in the code"\n'
        )
        await person.sees(r"^references 1  X ")
        await person.sees(r"^users +X cfg ◄──┤ user_id ")
        assert (sums(person).edges, sums(person).guesses) == (45, 3)
        assert person.app.main.moment().edge == edge.oid
        # It is counted, and can be mended, at once.
        assert person.app.world.counts[edge.oid].uncastable == 3
        await person.press("a")
        await person.until(lambda: isinstance(person.app.screen, ChoiceScreen) and person.app.screen.choices)
        screen = person.app.screen
        assert isinstance(screen, ChoiceScreen)
        assert any(not each.reason for each in screen.choices)
        await person.press("escape")

        await person.press("minus")
        await person.sees(r"take a link back")
        await person.press("escape")
        assert "[[relationships]]" in file.read_text()
        await person.press("minus", "enter")
        await drawn(person)
        await person.until(lambda: not person.app.world.edges_of(person.table("nextauth.sessions").oid).own)
        assert file.read_text() == ""


@pytest.mark.parametrize("size", [(80, 24), (140, 40)])
async def test_the_list_has_all_of_them_with_their_reasons(
    demo_url: str, tmp_path: Path, size: tuple[int, int]
) -> None:
    async with configured(demo_url, tmp_path, size=size) as person:
        await person.press("plus")
        await person.told("accept: no guess under the cursor: I shows guesses")
        await guessed(person)
        await person.sees(r"\+ all guesses  I hide them")
        await person.press("plus")
        await person.until(lambda: isinstance(person.app.screen, GuessesScreen))
        await person.sees(r"4 guesses drawn, dotted")
        await person.sees(r"\.97  sessions\.user_id -> users\.id  in nextauth  X")
        await person.sees(r"1 column looks like a reference")
        await person.sees(r"shop\.tickets\.assignee_id  no table is named like it")
        # The cursor is on the first of them; Enter goes to it.
        await person.press("enter")
        assert person.app.main.is_current
        here = person.app.world.edge(person.app.main.moment().edge)
        assert here is not None
        assert here.kind is EdgeKind.INFERRED
