"""All that was guessed as one list: what is drawn, what may be meant otherwise, what is less likely, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.reports.badges import score_text
from fkexplorer.reports.sentence import pairing, reasons_line
from fkexplorer.reports.style import Line, Span
from fkexplorer.reports.values import inert, number
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.names import columns_label

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fkexplorer.inference.model import Guess, Inference, Lonely
    from fkexplorer.schema.model import Relationship, Schema


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the list, not yet broken for a width; `guess` is what it is about."""

    line: Line
    guess: Guess | None = None


def guess_items(schema: Schema, inference: Inference, *, ascii: bool = False) -> list[Item]:
    """The list, what is drawn first; a guess is two lines: itself, and its reasons.

    What somebody has decided on since is left out: what is accepted, and all else that its columns might have meant.

    Args:
        schema: with what is configured by now.
        inference: what was guessed.
        ascii: write nothing beyond ASCII.
    """
    left = undecided(schema, inference)
    kinds = (
        ("drawn, dotted", [each for each in left if each.shown]),
        ("ambiguous: others are as likely, so none is drawn", [each for each in left if each.rivals]),
        ("less likely, not drawn", [each for each in left if not (each.shown or each.rivals)]),
    )
    items: list[Item] = []
    for title, guesses in kinds:
        if guesses:
            items += [*_gap(items), Item((Span(f"{number(len(guesses), 'guess', 'guesses')} {title}", "heading"),))]
            items += [item for guess in guesses for item in _of_guess(schema, guess, ascii=ascii)]
    lonely = [each for each in inference.lonely if _is_there(schema, each)]
    if lonely:
        title = "look like a reference, and nothing is found that they refer to"
        if len(lonely) == 1:
            title = "looks like a reference, and nothing is found that it refers to"
        items += [*_gap(items), Item((Span(f"{number(len(lonely), 'column')} {title}", "heading"),))]
        items += [_of_lonely(schema, each, ascii=ascii) for each in lonely]
    if inference.problems:
        items += [*_gap(items), Item((Span("not looked at", "heading"),))]
        items += [Item((Span(inert(each, ascii=ascii), "unknown"),)) for each in inference.problems]
    return items or [Item((Span("Nothing is left to be guessed.", "dim"),))]


def undecided(schema: Schema, inference: Inference) -> list[Guess]:
    """The guesses about columns of which nobody has said yet what they refer to."""
    known = {_columns(edge) for edge in schema.edges.values() if edge.kind is not EdgeKind.INFERRED}
    return [each for each in inference.guesses if _columns(each.edge) not in known and each.edge.child in schema.tables]


def _is_there(schema: Schema, lonely: Lonely) -> bool:
    table = schema.tables.get(lonely.table)
    return table is not None and set(lonely.columns) <= {column.number for column in table.columns}


def _columns(edge: Relationship) -> tuple[object, ...]:
    only = (edge.only.column.number, edge.only.value) if edge.only else None
    return edge.child, frozenset(pair.child.number for pair in edge.pairs), only


def _gap(items: list[Item]) -> list[Item]:
    return [Item((Span(""),))] if items else []


def _of_guess(schema: Schema, guess: Guess, *, ascii: bool) -> Iterator[Item]:
    edge = guess.edge
    label = inert(pairing(schema, edge), ascii=ascii)
    child = schema.child_of(edge)
    home = "" if child.schema == "public" or child.schema != schema.parent_of(edge).schema else f"  in {child.schema}"
    tag = "  X" if any(pair.equals is None for pair in edge.pairs) else ""
    yield Item((Span(f"{score_text(guess.score, 2)}  ", "tag"), Span(label), Span(f"{home}{tag}", "dim")), guess)
    spans = [Span(inert(span.text, ascii=ascii), span.style or "dim") for span in reasons_line(guess)]
    yield Item((Span("  "), *spans), guess)


def _of_lonely(schema: Schema, lonely: Lonely, *, ascii: bool) -> Item:
    table = schema.tables[lonely.table]
    label = columns_label(table, [table.column(each) for each in lonely.columns])
    return Item((Span(inert(label, ascii=ascii)), Span(f"  {inert(lonely.text, ascii=ascii)}", "dim")))
