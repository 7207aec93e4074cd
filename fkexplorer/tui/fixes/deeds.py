"""What the screen can have done: a fix, or the undo of one. Each is looked at first, and done by one call."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.dry import dry_run
from fkexplorer.fixes.model import DataStep, DdlStep
from fkexplorer.fixes.preview import preview
from fkexplorer.fixes.run import run
from fkexplorer.fixes.script import script
from fkexplorer.fixes.undo import undo, undo_preview
from fkexplorer.planning import PlanOptions, request_of
from fkexplorer.reports.fixes import preview_lines, statements, undo_lines
from fkexplorer.reports.style import Span
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import edge_label
from fkexplorer.tui.fixes.asking import options_of
from fkexplorer.tui.rows import Marks

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence

    from fkexplorer.fixes.entries import UndoPreview
    from fkexplorer.fixes.journal import Journal
    from fkexplorer.fixes.model import Advance, Outcome, Preview, Trigger
    from fkexplorer.reports.style import Line
    from fkexplorer.schema.model import Relationship, Schema
    from fkexplorer.tui.session import Session


class Deed(ABC):
    """Something that changes the database once it was looked at and confirmed."""

    title: str
    schema: Schema
    """The catalogue that it was looked at with."""

    def __init__(self, session: Session, schema: Schema, title: str) -> None:
        self._session = session
        self.schema = schema
        self.title = title
        self.agreed = False
        """Somebody agreed to whatever the triggers may change."""

    @abstractmethod
    async def look(self) -> None:
        """Find out by reading what it would do; raises Trouble."""

    @abstractmethod
    def lines(self, *, cells: int, ascii: bool) -> list[Line]:
        """What was found out."""

    @property
    @abstractmethod
    def sql(self) -> Sequence[str]:
        """Its statements."""

    @property
    @abstractmethod
    def confirm(self) -> str:
        """What has to be typed."""

    @property
    @abstractmethod
    def triggers(self) -> tuple[Trigger, ...]:
        """Those that somebody has to agree to."""

    @abstractmethod
    def hindrance(self) -> str:
        """Why it can't be done as things are; empty where it can."""

    @abstractmethod
    async def do(self, journal: Journal, told: Callable[[Advance], None], stop: asyncio.Event) -> Outcome:
        """Do what was looked at."""

    @property
    def edge(self) -> Relationship | None:
        """The edge to count again."""
        return None

    @property
    def partial(self) -> bool:
        """Whether it is of some orphans alone, so that others may well remain."""
        return False

    async def dry(self) -> None:
        """Do it and take it back, for its numbers; raises Trouble."""
        raise Trouble("there is no dry run of an undo", "its numbers are those of the backup", code="impossible")

    def toggle_strict(self) -> bool:
        """Have the parent locked against writes, or no more; whether there is such a choice. It has to look again."""
        return False

    async def save(self) -> Path:
        """Save the script of it in the current folder; its path. Raises Trouble."""
        raise Trouble("there is no script of an undo", "fkexplorer undo takes it back as well", code="impossible")


class Fix(Deed):
    """A fix of an edge."""

    def __init__(
        self, session: Session, schema: Schema, edge: Relationship, options: PlanOptions, marks: Marks | None = None
    ) -> None:
        title = f"{options.action} {options.rule or ''}".strip() + f"  {options.edge}"
        super().__init__(session, schema, f"{title}  {marks}" if marks else title)
        self.session = session
        self._edge = edge
        self._options = options
        self._marks = marks or Marks()
        self._seen: Preview | None = None

    @property
    def seen(self) -> Preview:
        """What was found out."""
        assert self._seen is not None
        return self._seen

    async def look(self) -> None:
        """Count all that it would touch."""
        request = replace(
            request_of(self.schema, self._edge, self._options), rows=self._marks.rows, missing=self._marks.missing
        )
        self._seen = await preview(self._session.connected(), self.schema, request)

    def lines(self, *, cells: int, ascii: bool) -> list[Line]:
        """The preview."""
        lines = preview_lines(self.schema, self.seen, cells=cells, ascii=ascii)
        marked = len(self._marks.rows)
        # Several rows may miss one parent: only a change of the rows themselves tells which are left out.
        if self._options.action is FixAction.INSERT_PARENTS or self.seen.rows >= marked:
            return lines
        others = "by a mapping: the others are no orphans now, or it has not their key"
        why = others if self._options.map else "the others are no orphans now"
        left_out = f" {self.seen.rows:,} of {self._marks} would change: {why}"
        return [(Span(left_out, "unknown"),), *lines]

    @property
    def sql(self) -> Sequence[str]:
        """Those of all its steps."""
        return statements(self.seen)

    @property
    def confirm(self) -> str:
        """The number of rows, or the constraint's name."""
        return self.seen.confirm

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        """None after a dry run, which has counted what they do."""
        return () if self.seen.dry else self.seen.triggers

    def tell(self, values: Mapping[str, str]) -> None:
        """What was typed into the fields of this action; before it is looked at."""
        self._options = options_of(self._options, values)

    @property
    def action(self) -> FixAction:
        """What it does."""
        return self._options.action

    @property
    def edge(self) -> Relationship:
        """The edge that is mended."""
        return self._edge

    @property
    def partial(self) -> bool:
        """Of what is marked."""
        return bool(self._marks)

    def hindrance(self) -> str:
        """Nothing to do, or rows that the server would refuse."""
        if self.seen.nothing_to_do:
            return "there is nothing to do"
        if self.seen.cancelled:
            return "triggers cancel all of it: see above"
        return "the server would refuse it: see above" if self.seen.blockers else ""

    def toggle_strict(self) -> bool:
        """For a change of rows; of a trigger that keeps a pair in step, whether what fails refuses the new row."""
        if self.action is FixAction.SYNC_TRIGGER:
            made = any(isinstance(step, DdlStep) and step.sync and step.sync.makes for step in self.seen.plan.steps)
            self._options = replace(self._options, strict_trigger=made and not self._options.strict_trigger)
            return made
        if not any(isinstance(step, DataStep) for step in self.seen.plan.steps):
            return False
        self._options = replace(self._options, strict_lock=not self._options.strict_lock)
        return True

    async def dry(self) -> None:
        """With what triggers add and cancel."""
        self._seen = await dry_run(self._session.connected(), self.schema, self.seen)

    async def do(self, journal: Journal, told: Callable[[Advance], None], stop: asyncio.Event) -> Outcome:
        """Step by step."""
        consent = frozenset(self.seen.triggers if self.agreed else ())
        return await run(
            self._session.connected(), self.schema, self.seen, journal, consent=consent, on_progress=told, stop=stop
        )

    async def save(self) -> Path:
        """For psql."""
        text = await script(self._session.connected(), self.schema, self.seen)
        letters = "".join(each if each.isalnum() and each.isascii() else "-" for each in self._edge.name)
        return new_file(f"fkexplorer-{self._options.action}-{letters}", ".sql", text)


class Undo(Deed):
    """Taking back an entry of the journal."""

    def __init__(self, session: Session, schema: Schema, journal: Journal, entry: str) -> None:
        super().__init__(session, schema, f"undo {entry}")
        self._journal = journal
        self._entry = entry
        self._seen: UndoPreview | None = None

    @property
    def seen(self) -> UndoPreview:
        """What was found out."""
        assert self._seen is not None
        return self._seen

    async def look(self) -> None:
        """Compare the backup with the rows as they are."""
        self._seen = await undo_preview(self._session.connected(), self.schema, self._journal, self._entry)

    def lines(self, *, cells: int, ascii: bool) -> list[Line]:  # noqa: ARG002 - it has no sample
        """The preview."""
        return undo_lines(self.seen, ascii=ascii)

    @property
    def sql(self) -> Sequence[str]:
        """Those of the last part."""
        return self.seen.statements

    @property
    def confirm(self) -> str:
        """The number of rows."""
        return self.seen.confirm

    @property
    def triggers(self) -> tuple[Trigger, ...]:
        """All that fire."""
        return self.seen.triggers

    @property
    def edge(self) -> Relationship | None:
        """The edge of the entry, where it is there still."""
        edges = self.schema.edges.values()
        return next((each for each in edges if edge_label(self.schema, each) == self.seen.entry.edge), None)

    def hindrance(self) -> str:
        """Conflicts."""
        return "rows have changed since: see above" if self.seen.conflicts else ""

    async def do(self, journal: Journal, told: Callable[[Advance], None], stop: asyncio.Event) -> Outcome:
        """Part by part."""
        consent = frozenset(self.seen.triggers if self.agreed else ())
        return await undo(
            self._session.connected(), self.schema, self.seen, journal, consent=consent, on_progress=told, stop=stop
        )


def validation(fix: Deed, session: Session, schema: Schema) -> Fix | None:
    """The validation of a fix's constraint, for when no orphan is left."""
    edge = schema.edges.get(fix.edge.oid) if fix.edge else None
    if edge is None:
        return None
    return Fix(session, schema, edge, PlanOptions(edge_label(schema, edge), FixAction.VALIDATE))


def new_file(stem: str, suffix: str, text: str) -> Path:
    """A new private file in the current folder; raises Trouble (`no_file`)."""
    number = 1
    while True:
        path = Path(f"{stem}{f'-{number}' if number > 1 else ''}{suffix}")
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise Trouble(
                f"{path} cannot be written: {error.strerror}", "start in a folder of yours", code="no_file"
            ) from None
        else:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            return path.absolute()
