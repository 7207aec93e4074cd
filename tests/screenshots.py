"""The pictures in `screenshots/`, which `python -m tests.screenshots` makes: the app on the demo, its clock stopped.

A test makes them again and compares, so that they show what the app shows.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from textual.events import Paste

from fkexplorer.database.source import Source
from fkexplorer.orphans.events import Confirmed, Counted, Deleted
from fkexplorer.tui.app import ExplorerApp
from fkexplorer.tui.doctor import DoctorScreen
from fkexplorer.tui.explain import ExplainScreen
from fkexplorer.tui.explain_finding import FindingScreen
from fkexplorer.tui.fixes.choosing import ChoiceScreen
from fkexplorer.tui.session import Session
from fkexplorer.tui.trace import TraceScreen

if TYPE_CHECKING:
    from fkexplorer.diagnosis.model import Diagnosis, Trace
    from fkexplorer.doctor.model import Examination
    from fkexplorer.schema.model import Schema
    from fkexplorer.tui.messages import Connected, Told

FOLDER = Path(__file__).parent.parent / "screenshots"
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


PROFILES = """\
PostgrestException(message: insert or update on table "chat_conversations" violates foreign key constraint
"chat_conversations_user_id_fkey", code: 23503, details: Key (user_id)=(d78a04ae-5a41-4c7e-9d0b-3f6c8e21b7aa) is not
present in table "user_profiles", hint: null)
"""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: the keys that lead to it, at a size."""

    name: str
    size: tuple[int, int]
    keys: tuple[str, ...]
    ascii: bool = False
    pasted: str = ""
    """What is pasted before the keys."""


SMALL, LARGE = (80, 24), (140, 40)
SHOTS = (
    Shot("tables-80x24", SMALL, ()),
    Shot("tables-140x40", LARGE, ()),
    Shot("lens-80x24", SMALL, ("enter",)),
    Shot("lens-140x40", LARGE, ("enter", "l")),
    Shot("lens-ascii-80x24", SMALL, ("enter",), ascii=True),
    Shot("orphans-80x24", SMALL, ("enter", "o")),
    Shot("orphans-140x40", LARGE, ("enter", "o", "down")),
    Shot("missing-keys-80x24", SMALL, ("enter", "o", "v")),
    Shot("childless-80x24", SMALL, ("enter", "b")),
    Shot("row-80x24", SMALL, ("enter", "o", "enter")),
    Shot("find-80x24", SMALL, ("f", "m", "e", "m", "b", "e", "r")),
    Shot("help-140x40", LARGE, ("question_mark",)),
    Shot("fixes-80x24", SMALL, ("enter", "a")),
    Shot("fixes-140x40", LARGE, ("enter", "o", "space", "space", "a")),
    Shot("explain-80x24", SMALL, ("enter",), pasted=PROFILES),
    Shot("explain-140x40", LARGE, ("enter",), pasted=PROFILES),
    Shot("trace-80x24", SMALL, ("enter", "t"), pasted=PROFILES),
    Shot("doctor-80x24", SMALL, ("D", "j")),
    Shot("guess-80x24", SMALL, ("I", *["j"] * 7, "enter", "j")),
    Shot("guesses-80x24", SMALL, ("I", "plus")),
)


class StillApp(ExplorerApp):
    """The app with its clock stopped: counts are of noon and took 4 ms."""

    def __init__(self, source: Source, *, ascii_only: bool) -> None:
        super().__init__(source, ascii_only=ascii_only, now=lambda: NOON + timedelta(seconds=3))
        self.session = StillSession(source, self.post_message, max_bytes=1 << 30)

    def notify(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - what goes away by itself is in no picture
        """Nothing."""

    def on_connected(self, event: Connected) -> None:
        """The server's minor version is not what a picture is about."""
        event.facts = replace(event.facts, version="PostgreSQL 18")
        super().on_connected(event)

    def on_told(self, event: Told) -> None:
        """Noon."""
        match event.event:
            case Counted(count):
                event.event = replace(event.event, count=replace(count, as_of=NOON, seconds=0.004))
            case Confirmed():
                event.event = replace(event.event, as_of=NOON)
            case Deleted():
                event.event = replace(event.event, since=NOON)
        super().on_told(event)


class StillSession(Session):
    """What the database says is of noon as well."""

    async def diagnose(self, *args: Any, **kwargs: Any) -> Diagnosis:  # noqa: ANN401 - passed on as they are
        """As it is, but for the time."""
        found = await super().diagnose(*args, **kwargs)
        return replace(
            found,
            at=NOON,
            seconds=0.04,
            findings=tuple(replace(each, at=NOON) for each in found.findings),
            ruled_out=tuple(replace(each, at=NOON) for each in found.ruled_out),
            totals=tuple(replace(each, at=NOON) for each in found.totals),
            gap=found.gap and replace(found.gap, at=NOON),
        )

    async def examine(self, *args: Any) -> tuple[Examination, Schema]:  # noqa: ANN401 - as above
        """As it is, but for the times: of the examination, and of each finding."""
        found, schema = await super().examine(*args)
        findings = tuple(replace(each, at=NOON) for each in found.findings)
        return replace(found, at=NOON, seconds=0.04, findings=findings), schema

    async def trace(self, *args: Any) -> Trace:  # noqa: ANN401 - as above
        """The same."""
        return replace(await super().trace(*args), at=NOON, seconds=0.03)


async def take(shot: Shot, conninfo: str) -> str:
    """The picture as SVG."""
    # The colours of one kind of terminal, whatever this runs in.
    with patch.dict(os.environ, {"TERM": "xterm-256color", "COLORTERM": "truecolor"}):
        os.environ.pop("NO_COLOR", None)
        app = StillApp(Source(conninfo=conninfo, origin="--demo"), ascii_only=shot.ascii)
    async with asyncio.timeout(60), app.run_test(size=shot.size) as pilot:
        while not app.world.first_pass_done:
            await pilot.pause(0.05)
        if shot.pasted:
            app.post_message(Paste(shot.pasted))
            await pilot.pause(0.3)
        for key in shot.keys:
            await pilot.press(key)
            await pilot.pause(0.05)
            while _busy(app):
                await pilot.pause(0.05)
        await pilot.pause(0.3)
        return app.export_screenshot(title="fkexplorer --demo")


def _busy(app: ExplorerApp) -> bool:
    """Whether rows, totals, choices or guesses that a key asked for are still to come, or to be painted."""
    match app.screen:
        case ChoiceScreen() as screen:
            return not screen.choices
        case ExplainScreen() as screen:
            return bool(screen.pasted.text)
        case FindingScreen() as screen:
            return screen.explained.known is None
        case TraceScreen() as screen:
            return screen.trace is None
        case DoctorScreen() as screen:
            return screen.known is None
    known = app.world.schema.edges if app.world.schema else {}
    undrawn = any(each.edge.oid not in known for each in app.session.guesses or ())
    return (
        (app.main.panel is not None and not app.main.panel.choices)
        or app.main.rows.waiting
        or app.world.guessing
        or undrawn
        or bool(app.world.live.running or app.world.in_full or app._dirty)
    )


async def take_all(conninfo: str) -> dict[str, str]:
    """Every picture by its name."""
    return {shot.name: await take(shot, conninfo) for shot in SHOTS}


def main() -> None:
    """Make the pictures anew."""
    from fkexplorer.demo.database import demo  # noqa: PLC0415 - the test brings its own server

    with demo() as conninfo:
        pictures = asyncio.run(take_all(conninfo))
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.svg"):
        if old.stem not in pictures:
            old.unlink()
    for name, svg in pictures.items():
        (FOLDER / f"{name}.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
