"""Guesses while a database changes: in no total, without a bell; decided on in the file, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.orphans.events import Counted
from fkexplorer.reports.style import plain
from fkexplorer.schema.model import EdgeKind
from fkexplorer.tui.fixes.choosing import ChoiceScreen
from fkexplorer.tui.fixes.pair import PairScreen
from fkexplorer.tui.guesses.deciding import DecideScreen
from fkexplorer.tui.guesses.listed import GuessesScreen
from fkexplorer.tui.messages import ConnectionLost
from fkexplorer.tui.world import View
from tests.proxy import Proxy
from tests.tui.guessing import configured, drawn, guessed, pair, to_pair
from tests.tui.helpers import holding, run
from tests.tui.test_counts import waits

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.tui.helpers import Person

MAKE = """
CREATE TABLE users (id int PRIMARY KEY, name text);
CREATE TABLE posts (id int PRIMARY KEY, user_id int, editor_id int REFERENCES users);
CREATE TABLE likes (post_id int);
CREATE TABLE tags (id uuid PRIMARY KEY);
CREATE TABLE notes (id int PRIMARY KEY, tag text, planet_id int);
INSERT INTO users SELECT n, 'u' || n FROM generate_series(1, 50) n;
INSERT INTO posts SELECT n, n, n FROM generate_series(1, 50) n;
INSERT INTO likes SELECT n FROM generate_series(1, 20) n;
INSERT INTO tags VALUES ('00000000-0000-0000-0000-000000000001');
INSERT INTO notes VALUES (1, 'none', 3), (2, '00000000-0000-0000-0000-000000000001', 4);
ANALYZE;
"""


@pytest.fixture
def url(make_database: Callable[[str], str]) -> str:
    return make_database(MAKE)


def kind_of(person: Person, table: str, *columns: str) -> EdgeKind:
    return pair(person, table, *columns).kind


def gone(person: Person, table: str, *columns: str) -> bool:
    own = person.app.world.edges_of(person.table(table).oid).own
    return columns not in [tuple(one.child.name for one in each.pairs) for each in own]


async def asked(person: Person, key: str) -> DecideScreen:
    await person.press(key)
    await person.until(lambda: isinstance(person.app.screen, DecideScreen))
    screen = person.app.screen
    assert isinstance(screen, DecideScreen)
    return screen


async def test_orphans_of_a_guess_are_in_no_total_and_ring_no_bell(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with configured(url, tmp_path) as person:
        rung: list[bool] = []
        monkeypatch.setattr(person.app, "bell", lambda: rung.append(True))
        await person.press("right_curly_bracket")
        await person.told("No problem found")
        await guessed(person)
        edge = pair(person, "posts", "user_id")
        await run(url, "INSERT INTO posts VALUES (51, 99, NULL)")
        await person.until(lambda: person.app.world.counts[edge.oid].orphans == 1)
        await person.settle()
        assert any(isinstance(each, Counted) and each.count.orphans == 1 for each in person.heard)
        await person.press("1")
        await person.sees(r"no orphans  ")
        assert " new (!)" not in person.text
        assert (rung, person.app.world.live.unseen, person.app.world.live.appeared) == ([], set(), {})
        await person.sees(r"^ posts +ok +1\+1 ")
        # While it is shown it is one of the problems that are visited.
        await person.press("right_curly_bracket")
        assert person.app.main.moment().edge == edge.oid
        await person.sees(r"^  \" +!1 inf \.\d ◄··|^users +!1 inf \.\d ◄··")
        await person.press("o")
        await person.read()
        await person.sees(r"51 +99")
        await person.press("O")
        await person.read()
        assert person.app.main.rows.rows == []
        # Hidden it is none.
        await person.press("I")
        await person.until(lambda: gone(person, "posts", "user_id"))
        await person.press("1", "right_curly_bracket")
        await person.told("No problem found")
        assert edge.oid not in person.app.world.counts
        # Once it is accepted it counts.
        await guessed(person)
        await to_pair(person, "posts", "user_id")
        await asked(person, "plus")
        await person.press("enter")
        # Notifications lie over the header by now.
        await person.until(lambda: "1 FK with orphans" in plain(person.app.main._header.lines[0]))


async def test_a_rejected_guess_is_not_shown_again(url: str, tmp_path: Path) -> None:
    file = tmp_path / ".fkexplorer.toml"
    file.write_text("# ours\n[limits]\nmax_bytes = '1G'  # enough\n")
    async with configured(url, tmp_path) as person:
        await guessed(person)
        await to_pair(person, "posts", "user_id")
        await asked(person, "minus")
        await person.sees(r"reject a guess")
        await person.type("other users")
        await person.press("enter")
        await person.until(lambda: gone(person, "posts", "user_id"))
        assert file.read_text() == (
            "# ours\n[limits]\nmax_bytes = '1G'  # enough\n"
            '\n[[rejected]]\npair = "public.posts(user_id):public.users(id)"\nreason = "other users"\n'
        )
        await person.press("I")
        await person.until(lambda: person.app.world.inference is None)
        await guessed(person)
        assert gone(person, "posts", "user_id")


async def test_the_list_offers_what_is_not_drawn(url: str, tmp_path: Path) -> None:
    async with configured(url, tmp_path) as person:
        await guessed(person)
        inference = person.app.world.inference
        assert inference is not None
        assert inference.lonely
        await person.press("1", "plus")
        await person.until(lambda: isinstance(person.app.screen, GuessesScreen))
        await person.sees(r"public\.notes\.planet_id  no table is named like it")
        await person.press("minus")
        await person.until(lambda: isinstance(person.app.screen, DecideScreen))
        await person.press("escape")
        assert not (tmp_path / ".fkexplorer.toml").exists()
        assert person.app.world.inference is inference


async def test_two_columns_are_linked_by_hand(url: str, tmp_path: Path) -> None:
    file = tmp_path / ".fkexplorer.toml"
    async with configured(url, tmp_path) as person:
        await person.open_lens("notes")
        await person.press("equals_sign")
        await person.until(lambda: isinstance(person.app.screen, PairScreen))
        # The child is the table under the cursor. Nothing compares text and uuid: it is kept all the same.
        await person.type("tag")
        await person.press("enter")
        await person.type("public.tags(id)")
        await person.sees(r"Enter links the two; Ctrl\+F: what can be done")
        await person.press("enter")
        await person.until(lambda: isinstance(person.app.screen, DecideScreen))
        assert not file.exists()
        await person.press("enter")
        await person.until(lambda: not gone(person, "notes", "tag"))
        await person.settle()
        edge = pair(person, "notes", "tag")
        assert edge.kind is EdgeKind.CONFIGURED
        assert file.read_text() == '[[relationships]]\npair = "public.notes(tag):public.tags(id)"\n'
        assert (person.app.main.view, person.app.main.moment().edge) == (View.LENS, edge.oid)
        await person.sees(r"^tags +X cfg ◄")
        await person.until(lambda: person.app.world.counts[edge.oid].uncastable == 1)
        # Its rows are told apart, and so are its keys, which can't be marked.
        await person.press("o")
        await person.sees(r"not cast or orphans .*\b1\b")
        await person.sees(r"^ +1 +does not cast +none +3$")
        await person.press("v")
        await person.sees(r"keys not cast or missing")
        await person.sees(r"^ none +does not cast +1$")
        await person.press("space")
        await person.told("can't be marked")
        await person.press("escape")
        await person.until(lambda: person.app.main.view is View.LENS)
        # `a` has its fixes at once.
        await person.press("a")
        await person.until(lambda: isinstance(person.app.screen, ChoiceScreen) and person.app.screen.choices)
        await person.sees(r"fixes +public\.notes\(tag\):public\.tags\(id\)")
        await person.press("escape")
        # A second time it is there already.
        await person.press("equals_sign", "ctrl+u")
        await person.type("notes(tag):tags(id)")
        await person.press("enter")
        await person.told("It is known already")
        assert file.read_text().count("[[relationships]]") == 1


async def test_a_pair_is_mended_without_a_link(url: str, tmp_path: Path) -> None:
    async with configured(url, tmp_path) as person:
        await person.press("equals_sign", "ctrl+u")
        await person.type("notes(tag):tags(id)")
        await person.press("ctrl+f")
        await person.until(lambda: isinstance(person.app.screen, ChoiceScreen) and person.app.screen.choices)
        await person.press("escape")
        assert not (tmp_path / ".fkexplorer.toml").exists()


async def test_a_file_that_cannot_be_written_is_told(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    async with configured(url, folder) as person:
        await guessed(person)
        await to_pair(person, "posts", "user_id")
        await asked(person, "plus")
        folder.rmdir()
        await person.press("enter")
        await person.told(r"the configuration .* cannot be written: No such file or directory; make the file")
        assert kind_of(person, "posts", "user_id") is EdgeKind.INFERRED


async def test_what_other_files_tell_is_left_out_and_what_is_not_ours_is_left(url: str, tmp_path: Path) -> None:
    (tmp_path / "design.dbml").write_text(
        "Table users {\n  id int\n}\nTable posts {\n  id int\n  user_id int [ref: > users.id]\n}\n"
    )
    file, theirs = tmp_path / ".fkexplorer.toml", tmp_path / "home" / "fkexplorer" / "config.toml"
    file.write_text('[sources]\ndbml = "design.dbml"\n')
    theirs.parent.mkdir(parents=True)
    theirs.write_text('[[relationships]]\npair = "likes(post_id):posts(id)"\n')
    async with configured(url, tmp_path) as person:
        await to_pair(person, "posts", "user_id")
        await person.sees(r"^ - unlink")
        await asked(person, "minus")
        await person.sees(r"leave out what another file tells")
        await person.press("enter")
        await person.until(lambda: gone(person, "posts", "user_id"))
        assert '[[rejected]]\npair = "public.posts(user_id):public.users(id)"' in file.read_text()
        # The user's own file is not ours to write.
        await to_pair(person, "likes", "post_id")
        await asked(person, "minus")
        await person.press("enter")
        await person.told(r"config\.toml:1 links them, too; take it out there")
        assert kind_of(person, "likes", "post_id") is EdgeKind.CONFIGURED
        assert "likes" in theirs.read_text()


async def test_looking_for_guesses_is_stopped_by_esc(url: str, tmp_path: Path) -> None:
    async with configured(url, tmp_path) as person:
        async with holding(url, "LOCK TABLE posts"):
            await person.press("I")
            await person.sees(r"guessing, Esc stops")
            await person.press("escape")
            await person.told("Guessing was stopped")
        await person.misses("guessing, Esc stops")
        assert (person.app.world.inference, person.app.session.guesses) == (None, None)
        assert gone(person, "posts", "user_id")


async def test_the_connection_is_lost_while_guessing_and_guesses_outlive_a_reconnect(url: str, tmp_path: Path) -> None:
    async with Proxy(url) as proxy, configured(proxy.conninfo, tmp_path) as person:
        async with holding(url, "LOCK TABLE posts"):
            await person.press("I")
            await waits(url)
            proxy.hang_up()
            await person.told("Nothing could be guessed: ")
            await person.sees(r"LOST \(R reconnects\)")
        assert not person.app.world.guessing
        await person.press("I")
        await person.told("guesses: the connection is lost: R reconnects")
        await person.press("R")
        await person.misses("LOST")
        assert person.app.world.inference is None
        await guessed(person)
        trouble = Trouble("the connection to the server is lost", "R reconnects", code="lost")
        person.app.post_message(ConnectionLost(person.app.session.generation, trouble))
        await person.sees("LOST")
        await person.press("R")
        await person.misses("LOST")
        await drawn(person)
        assert kind_of(person, "posts", "user_id") is EdgeKind.INFERRED


async def test_a_guess_goes_with_its_column_and_gives_way_to_its_constraint(url: str, tmp_path: Path) -> None:
    async with configured(url, tmp_path) as person:
        await guessed(person)
        assert kind_of(person, "posts", "user_id") is EdgeKind.INFERRED
        assert kind_of(person, "likes", "post_id") is EdgeKind.INFERRED
        await run(
            url,
            "BEGIN; ALTER TABLE posts ADD CONSTRAINT by FOREIGN KEY (user_id) REFERENCES users;"
            " ALTER TABLE likes DROP COLUMN post_id; COMMIT",
        )
        await person.until(lambda: kind_of(person, "posts", "user_id") is EdgeKind.DECLARED)
        assert gone(person, "likes", "post_id")
