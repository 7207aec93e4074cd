"""What a fix would do, and what it did, as lines for the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.fixes.batches import in_batches
from fkexplorer.fixes.model import DataStep, DdlStep, Ending
from fkexplorer.reports.journal import touched_lines
from fkexplorer.reports.pages import table_text
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import duration, exact, fit, inert, number
from fkexplorer.schema.names import edge_label, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from fkexplorer.fixes.entries import Touched, UndoPreview
    from fkexplorer.fixes.model import Blocker, Effect, Outcome, Preview, Trigger
    from fkexplorer.orphans.model import Count, Page
    from fkexplorer.reports.style import Line
    from fkexplorer.schema.model import Schema


def statements(preview: Preview) -> list[str]:
    """Every statement of a plan, in the order in which they run."""
    return [statement for step in preview.plan.steps for statement in step.statements]


def preview_lines(schema: Schema, preview: Preview, *, cells: int, ascii: bool = False) -> list[Line]:
    """All that is known of a fix before it is done; samples are cut at `cells`, the other lines are not."""
    say = _Lines(ascii=ascii)
    if preview.nothing_to_do:
        say.line("There is nothing to do.", "unknown")
    for blocked in preview.blockers:
        say.line(f"The server would refuse it: {_blocked(schema, preview, blocked)}", "severe")
    for blocked in preview.doubtful:
        say.line(f"The server may refuse it: {_blocked(schema, preview, blocked)} (d tries it out)", "unknown")
    for blocked in preview.left_behind:
        say.line(f"It leaves new orphans: {_blocked(schema, preview, blocked)}", "severe")
    _rows(say, schema, preview)
    say.triggers(preview.triggers, dry=preview.dry)
    say.sql(statements(preview))
    say.sample("as they are", preview.before, cells)
    say.sample("as they will be", preview.after, cells)
    _locks(say, schema, preview)
    say.heading("about it")
    say.line(f"takes about {duration(preview.seconds)}; may be done as {preview.privilege}")
    if how := in_batches(schema, preview):
        say.line(how)
    for text in preview.notes:
        say.line(text)
    if any(isinstance(step, DdlStep) and step.sync and step.sync.makes for step in preview.plan.steps):
        say.line(f"L {'lets such a row come' if preview.plan.request.strict_trigger else 'refuses such a row'}")
    say.lasting(preview.lasting)
    return say.lines


def _rows(say: _Lines, schema: Schema, preview: Preview) -> None:
    """How many rows of which table it touches."""
    if not preview.effects:
        return
    say.heading("rows" + (", as a dry run counted them" if preview.dry else ""))
    for effect in preview.effects:
        say.line(_effect(schema, preview, effect))
    for step in preview.plan.steps:
        if isinstance(step, DataStep) and step.change.into:
            say.line(f"{step.change.into}: {exact(preview.rows)} inserted, in a table that it makes")
    if preview.rows < preview.found:
        kept = f"{exact(preview.found - preview.rows)} of {number(preview.found, 'row')}"
        say.line(f"triggers keep {kept} from it" + (": nothing would change" if preview.cancelled else ""), "unknown")
    if preview.lost:
        stay = "stays" if preview.lost == 1 else "stay"
        say.line(f"{number(preview.lost, 'row')} {stay} out, kept by {', '.join(preview.lost_to)}", "unknown")


def _locks(say: _Lines, schema: Schema, preview: Preview) -> None:
    """Which locks it takes, and who is in the way now."""
    say.heading("locks")
    for step in preview.plan.steps:
        for lock in step.locks:
            say.line(f"{lock.mode} on {_table(schema, lock.table)}: {lock.blocks}")
        if isinstance(step, DataStep):
            say.line(_parent_lock(step))
        if isinstance(step, DataStep) and step.looks:
            read = ", ".join(_table(schema, lock.table) for lock in step.looks)
            say.line(f"{step.looks[0].mode} on {read}, for the backup: {step.looks[0].blocks}")
    for held in preview.holders:
        does = "holds" if held.granted else "waits for"
        since = f" for {duration(held.seconds)}" if held.seconds is not None else ""
        who = f"{held.user or '?'} (pid {held.pid}{f', {held.application}' if held.application else ''})"
        say.line(f"{who} {does} {held.mode} on {_table(schema, held.table)}{since}: {held.statement or '?'}", "unknown")


def _parent_lock(step: DataStep) -> str:
    if step.hold:
        return "The parent is locked, so that no row of it comes or goes meanwhile (L leaves it unlocked)"
    return "The parent is not locked: one that comes meanwhile is found before COMMIT, and ends it (L locks it)"


def undo_lines(preview: UndoPreview, *, ascii: bool = False) -> list[Line]:
    """What taking back an entry of the journal would do."""
    say, entry = _Lines(ascii=ascii), preview.entry
    for conflict in preview.conflicts:
        say.line(f"It can't be taken back: {conflict.place}: {conflict.words}", "severe")
    say.line(f"{entry.action} of {entry.at:%Y-%m-%d %H:%M:%S} UTC by {entry.person}, on {entry.database}")
    say.heading("rows")
    for text in touched_lines(preview.touched):
        say.line(text)
    say.triggers(preview.triggers, dry=False)
    say.sql(preview.statements)
    say.heading("about it")
    for way in preview.ways:
        say.line(way)
    say.lasting(preview.lasting)
    return say.lines


def outcome_lines(
    schema: Schema, outcome: Outcome, touched: Iterable[Touched] = (), *, ascii: bool = False
) -> list[Line]:
    """How a run ended: before and after side by side, what was committed, where its backup is.

    Args:
        schema: as it was read before the run.
        outcome: the end.
        touched: what was committed by the names of the tables, as the journal has it: it knows those that the run made.
            Empty where the journal could not be written.
        ascii: whether ASCII alone can be shown.
    """
    say = _Lines(ascii=ascii)
    style = {Ending.DONE: "title", Ending.REMAINING: "unknown"}.get(outcome.ending, "severe")
    say.line(f"{outcome.ending.value}: {outcome.words}" if outcome.ending.value not in outcome.words else outcome.words)
    say.lines[-1] = (Span(say.lines[-1][0].text, style),)
    say.heading("before -> after")
    say.line(f"orphans  {_orphans(outcome.before)} -> {_orphans(outcome.after)}")
    if outcome.gap_before is not None or outcome.gap_after is not None:
        gaps = ("?" if each is None else exact(each) for each in (outcome.gap_before, outcome.gap_after))
        say.line(f"gap      {' -> '.join(gaps)}")
    if outcome.effects:
        say.heading("committed")
        by_oid = (f"{_table(schema, effect.table)}: {_verbs(effect)}" for effect in outcome.effects)
        for text in touched_lines(touched) or by_oid:
            say.line(text)
    if outcome.may_validate:
        say.line("No orphan is left: v validates the constraint.", "key")
    say.heading("journal")
    say.line(f"entry {outcome.entry}; J lists it, u takes it back" if outcome.entry else "nothing was written down")
    if outcome.backup:
        say.line(f"backup: {outcome.backup}")
    return say.lines


class _Lines:
    """Lines under headings, everything foreign in them inert."""

    def __init__(self, *, ascii: bool) -> None:
        self.lines: list[Line] = []
        self._ascii = ascii

    def heading(self, text: str) -> None:
        """A title."""
        self.lines.append((Span(inert(text, ascii=self._ascii), "heading"),))

    def line(self, text: str, style: str = "") -> None:
        """A line below it."""
        self.lines.append((Span(inert(text, ascii=self._ascii), style),))

    def sql(self, texts: Iterable[str]) -> None:
        """Statements, each line of theirs a line."""
        self.heading("SQL")
        for text in texts:
            for part in f"{text};".split("\n"):
                self.line(part)

    def triggers(self, triggers: Iterable[Trigger], *, dry: bool) -> None:
        """What users' triggers may add."""
        for each in triggers:
            said = "was counted in the dry run" if dry else "may also change more, or cancel some"
            self.line(f"the trigger {each.name} ({each.function}) fires: it {said}", "unknown")

    def sample(self, title: str, page: Page | None, cells: int) -> None:
        """Some rows."""
        if page is None or not page.rows:
            return
        self.heading(f"some rows {title}")
        self.lines += [(Span(fit(text, cells, middle=False, ascii=self._ascii, pad=False)),) for text in self._of(page)]

    def _of(self, page: Page) -> Iterator[str]:
        yield from table_text([page], ascii=self._ascii)

    def lasting(self, texts: Iterable[str]) -> None:
        """What an undo does not bring back."""
        for text in texts:
            self.line(f"stays: {text}", "unknown")


def _table(schema: Schema, oid: int) -> str:
    table = schema.tables.get(oid)
    return table_label(table) if table else f"table {oid}"


def _blocked(schema: Schema, preview: Preview, blocked: Blocker) -> str:
    edge = schema.edges.get(blocked.edge, preview.plan.request.edge)
    return f"{number(blocked.rows, 'row')} by {edge_label(schema, edge)}"


def _verbs(effect: Effect) -> str:
    numbers = ((effect.deleted, "deleted"), (effect.updated, "updated"), (effect.inserted, "inserted"))
    return ", ".join(f"{exact(count)} {verb}" for count, verb in numbers if count) or "no row"


def _effect(schema: Schema, preview: Preview, effect: Effect) -> str:
    edges = [schema.edges.get(oid, preview.plan.request.edge) for oid in effect.edges]
    by = f" by {', '.join(edge_label(schema, edge) for edge in edges)}" if edges else ""
    return f"{_table(schema, effect.table)}: {_verbs(effect)}{by}{' by triggers' if effect.by_triggers else ''}"


def _orphans(count: Count | None) -> str:
    if count is not None and count.uncastable is not None and count.orphans_if_cast is not None:
        casts = "row does" if count.uncastable == 1 else "rows do"
        return f"{exact(count.orphans_if_cast)}, and {exact(count.uncastable)} {casts} not cast"
    if count is None or count.orphans is None:
        return "?"
    return exact(count.orphans)
