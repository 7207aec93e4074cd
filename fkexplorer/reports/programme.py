"""Many fixes as text: what each would do before anybody confirms them, and what came of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.fixes.programme import MENDS
from fkexplorer.reports.style import Span
from fkexplorer.reports.values import inert, number
from fkexplorer.schema.names import edge_label, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fkexplorer.fixes.programme import Item, Programme
    from fkexplorer.fixes.programme_run import Result
    from fkexplorer.reports.style import Line

_STYLES = {"done": "ok", "nothing to do": "ok", "moved": "severe", "failed": "severe"}
"""Of what came of an item; all others are unknown."""


def programme_lines(programme: Programme, *, ascii: bool = False) -> list[Line]:
    """Each fix with its rows, locks and time, in their order; then what is not among them.

    Args:
        programme: what was planned.
        ascii: whether ASCII alone can be shown.
    """
    lines: list[Line] = []

    def say(text: str, style: str = "") -> None:
        lines.append((Span(inert(text, ascii=ascii), style),))

    if not programme.items:
        say("There is nothing to do that a fix can do.", "title")
    for at, item in enumerate(programme.items, 1):
        say(f"{at}. {item.title}", "title")
        for text, style in _details(item):
            say(f"   {text}", style)
    if any(item.request.action in MENDS for item in programme.items):
        say(f"Rows in the way are mended by {programme.clean}; c takes another way.", "key")
    for note in programme.notes:
        say(f"{note[0].upper()}{note[1:]}.", "unknown")
    if programme.left_out:
        say("Not in it", "heading")
        for label, reason in programme.left_out:
            say(f"{label}: {reason}", "unknown")
    return lines


def result_lines(programme: Programme, results: Sequence[Result], *, ascii: bool = False) -> list[Line]:
    """What came of each fix so far.

    Args:
        programme: what was run.
        results: of its first items, or of all.
        ascii: whether ASCII alone can be shown.
    """
    lines: list[Line] = []
    if len(results) == len(programme.items):
        well = sum(result.well for result in results)
        words = f"{well} of {number(len(results), 'fix', 'fixes')} {'is' if well == 1 else 'are'} done"
        lines.append((Span(words, "title" if well == len(results) else "severe"),))
    for result in results:
        item = programme.items[result.item]
        style = _STYLES.get(result.came.value, "unknown")
        text = f"{result.item + 1}. {item.title}"
        lines.append((Span(f"{result.came.value}  ", style), Span(inert(text, ascii=ascii))))
        said = [] if result.words in {"", result.came.value} else [result.words.removeprefix(f"{result.came.value}: ")]
        said += [f"journal {result.outcome.entry}"] if result.outcome and result.outcome.entry else []
        if said:
            lines.append((Span(f"   {inert('; '.join(said), ascii=ascii)}", "dim" if result.well else style),))
    if any(result.outcome is not None and result.outcome.entry for result in results):
        lines.append((Span("J lists what was done, and u there takes it back.", "dim"),))
    return lines


def _details(item: Item) -> Iterable[tuple[str, str]]:
    schema = item.schema
    if item.seen is not None:
        for effect in item.seen.effects:
            verbs = ((effect.deleted, "deleted"), (effect.updated, "updated"), (effect.inserted, "inserted"))
            rows = ", ".join(f"{number(count, 'row')} {verb}" for count, verb in verbs if count) or "no row"
            by = ", ".join(edge_label(schema, schema.edges[oid]) for oid in effect.edges)
            yield f"{table_label(schema.tables[effect.table])}: {rows}" + (f", by {by}" if by else ""), ""
        for trigger in item.seen.triggers:
            yield f"the trigger {trigger.name} ({trigger.function}) fires: it may also change more", "unknown"
        for each in (*item.seen.left_behind, *item.seen.doubtful):
            edge = schema.edges[each.edge]
            yield f"{number(each.rows, 'row')} of {table_label(schema.child_of(edge))} left without a parent", "severe"
    for step in item.plan.steps:
        lock = step.locks[0]
        yield f"locks {table_label(schema.tables[lock.table])}: {lock.blocks}", "dim"
    if item.seconds >= 1:
        yield f"about {item.seconds:,.0f} s", "dim"
    if item.lacks:
        yield item.lacks, "severe"
    for note in item.notes:
        yield note, "unknown"
    for text in item.undo:
        yield f"undo: {text}", "dim"
    for text in item.lasting:
        yield f"stays: {text}", "dim"
