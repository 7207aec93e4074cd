"""Guesses by keys, on a configuration of their own; for the tests of the app."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

from fkexplorer.config.settings import load_settings
from fkexplorer.tui.arming import Arming
from tests.tui.helpers import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fkexplorer.schema.model import Relationship
    from tests.tui.helpers import Person


@asynccontextmanager
async def configured(
    url: str, folder: Path, *, size: tuple[int, int] = (80, 24), ascii_only: bool = False
) -> AsyncIterator[Person]:
    """The app as it is in that folder, with the configuration there and no other."""
    with patch.dict(os.environ, {"XDG_CONFIG_HOME": str(folder / "home")}):
        settings = load_settings(None, os.environ, folder)
        async with opened(url, size=size, ascii_only=ascii_only, arming=Arming(settings)) as person:
            yield person


async def guessed(person: Person) -> None:
    """Ask for guesses, and wait until those that are drawn are counted."""
    await person.press("I")
    await person.until(lambda: person.app.world.inference is not None)
    await drawn(person)


async def drawn(person: Person) -> None:
    """Wait until all that is to be drawn is, and counted."""
    world, session = person.app.world, person.app.session

    def there() -> bool:
        wanted = {each.edge.oid for each in session.guesses or ()}
        edges = world.schema.edges if world.schema else {}
        return wanted <= edges.keys() and edges.keys() <= world.counts.keys() and not world.live.running

    await person.until(there)
    await person.settle()


def pair(person: Person, table: str, *columns: str) -> Relationship:
    """The edge of these columns of a table."""
    own = person.app.world.edges_of(person.table(table).oid).own
    [found] = [each for each in own if tuple(one.child.name for one in each.pairs) == columns]
    return found


async def to_pair(person: Person, table: str, *columns: str) -> Relationship:
    """Put the Lens's cursor on the edge of these columns, by keys."""
    wanted = pair(person, table, *columns)
    await person.open_lens(table)
    await person.press("h", "g")
    lens = person.app.main.lens
    while lens.current != wanted.oid:
        before = lens.cursor
        await person.press("j")
        assert lens.cursor != before, person.text
    return wanted
