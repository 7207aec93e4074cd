"""An edge in plain English: one sentence of what it promises, and the lines that describe it in full."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.orphans.model import Bound, Status
from fkexplorer.reports.badges import STATUS_WORDS, edge_badge, rows_of, score_text
from fkexplorer.reports.live import (
    QUIET,
    age_of,
    deletes_words,
    estimate_words,
    movement_line,
    partitions_line,
    progress_line,
    wait_lines,
)
from fkexplorer.reports.style import Line, Span
from fkexplorer.reports.values import duration, exact, inert, number, percent
from fkexplorer.reports.words import article, implied, one, several
from fkexplorer.schema.keys import is_one_to_one
from fkexplorer.schema.model import Action, EdgeKind, EdgeState, Match
from fkexplorer.schema.names import condition_text, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from fkexplorer.inference.model import Guess
    from fkexplorer.orphans.model import Count
    from fkexplorer.reports.live import Live
    from fkexplorer.schema.model import Relationship, Schema, Table


def columns_of(edge: Relationship, *, parent: bool = False) -> str:
    """`user_id`, or `(org_id, mr_id)`, quoted as SQL does; of the referenced side with `parent`."""
    names = [quote((pair.parent if parent else pair.child).name) for pair in edge.pairs]
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def required(edge: Relationship) -> bool:
    """Whether every child row must name a parent: all its columns are NOT NULL, or one of a MATCH FULL key is."""
    must = [pair.child.not_null for pair in edge.pairs]
    return any(must) if edge.match is Match.FULL else all(must)


def sentence(schema: Schema, edge: Relationship, *, ascii: bool = False) -> str:
    """One plain sentence: what each child row names, and what becomes of it when the parent goes.

    "each workspace member belongs to exactly one workspace; deleting a workspace deletes its workspace members"
    """
    child, parent = schema.child_of(edge), schema.parent_of(edge)
    return inert(f"{_belonging(edge, child, parent)}; {_deleting(edge, child, parent)}", ascii=ascii)


def _told(edge: Relationship, parent: Table) -> bool:
    """Whether the column's name alone says that the child belongs to the parent, as `user_id` does."""
    single = len(edge.pairs) == 1 and not edge.self_referencing
    return single and implied(edge.pairs[0].child.name, parent.name, edge.pairs[0].parent.name)


def _belonging(edge: Relationship, child: Table, parent: Table) -> str:
    loose = (EdgeState.NOT_ENFORCED, EdgeState.DISABLED, EdgeState.UNDECLARED)
    must, held = required(edge), edge.state not in loose
    own, other = one(child.name), one(parent.name)
    told = _told(edge, parent)
    if edge.self_referencing:
        other += " of the same table"
    verb = "belong to" if told else "refer to"
    if not must:
        text = f"{article(own)} may {verb} one {other}"
    elif not held:
        text = f"each {own} should {verb} exactly one {other}"
    else:
        text = f"each {own} {verb.replace(' to', 's to')} exactly one {other}"
    if not told:
        text += f" by {columns_of(edge)}"
    if edge.period:
        text += " for its whole period"
    if is_one_to_one(child, edge):
        text += ", and no two to the same one"
    return text


def _deleting(edge: Relationship, child: Table, parent: Table) -> str:
    gone = article(one(parent.name))
    many = "rows" if edge.self_referencing else several(child.name)
    told = _told(edge, parent)
    theirs = f"its {many}" if told else f"the {many} that refer to it"
    kept = f"{gone} cannot be deleted while {f'it has {many}' if told else f'{many} refer to it'}"
    if edge.state is EdgeState.UNDECLARED:
        return f"no constraint says so: deleting {gone} leaves {theirs} behind"
    if edge.state is EdgeState.NOT_ENFORCED:
        return f"PostgreSQL does not enforce it: deleting {gone} leaves {theirs} behind"
    if edge.state is EdgeState.DISABLED:
        off = edge.triggers
        if off.parent_off or off.missing:
            return f"a trigger is off, so deleting {gone} may leave {theirs} behind"
        return f"the check of new rows is off; {_action(edge, gone, theirs, kept)}"
    return _action(edge, gone, theirs, kept)


def _action(edge: Relationship, gone: str, theirs: str, kept: str) -> str:
    numbers = set(edge.set_columns)
    touched = [pair.child for pair in edge.pairs if not numbers or pair.child.number in numbers]
    columns = " and ".join(quote(column.name) for column in touched)
    match edge.on_delete:
        case Action.CASCADE:
            return f"deleting {gone} deletes {theirs}"
        case Action.SET_NULL:
            return f"deleting {gone} sets {columns} of {theirs} to NULL"
        case Action.SET_DEFAULT:
            return f"deleting {gone} sets {columns} of {theirs} to the default"
        case Action.RESTRICT:
            return kept
        case Action.NO_ACTION:
            return kept + (" (checked when the transaction commits)" if edge.deferred else "")


def state_words(edge: Relationship) -> str:
    """How far PostgreSQL vouches for it: `enforced, validated`, `triggers off, NOT VALID`."""
    if edge.state is EdgeState.UNDECLARED:
        return "not declared"
    if not edge.enforced:
        return "NOT ENFORCED"
    held = "enforced" if edge.triggers.all_fire else "triggers off"
    return f"{held}, {'validated' if edge.validated else 'NOT VALID'}"


def pairing(schema: Schema, edge: Relationship) -> str:
    """`merge_requests.project_id -> projects.id`; pairs for a composite key; schemas where the two differ.

    Where it is for some rows of the child only, they follow, as ` where subject_type = 'Post'`.
    """
    child, parent = schema.child_of(edge), schema.parent_of(edge)
    same = child.schema == parent.schema
    left, right = (quote(table.name) if same else table_label(table) for table in (child, parent))
    if edge.only is not None:
        return f"{pairing(schema, replace(edge, only=None))} where {condition_text(edge.only)}"
    if len(edge.pairs) == 1:
        return f"{left}.{columns_of(edge)} -> {right}.{columns_of(edge, parent=True)}"
    pairs = ", ".join(f"{quote(pair.child.name)}->{quote(pair.parent.name)}" for pair in edge.pairs)
    return f"{left} -> {right} ({pairs})"


def count_words(schema: Schema, edge: Relationship, count: Count | None, *, checking: bool = False) -> str:
    """What is known of the rows, exactly: `16,004 orphans of 2,104,551 (0.76%)`, `not counted yet`, `timed out`."""
    if checking and count is None:
        return "counting"
    if count is None:
        return "not counted yet"
    again = ", counting again" if checking else ""
    if count.orphans is None:
        return STATUS_WORDS[count.status] + (f" ({count.error})" if count.error else "") + again
    bound = {Bound.EXACT: "", Bound.LOWER: "at least ", Bound.UPPER: "at most ", Bound.ESTIMATE: "about "}[count.bound]
    words = f"{bound}{exact(count.orphans)} orphan{'' if count.orphans == 1 else 's'}"
    rows = rows_of(schema, edge, count)
    if rows is None:
        return words + again
    about = "" if count.rows is not None else "about "
    share = f" ({percent(count.orphans, rows)})" if count.orphans and rows else ""
    return f"{words} of {about}{exact(round(rows))} row{'' if round(rows) == 1 else 's'}{share}{again}"


def edge_detail(
    schema: Schema,
    edge: Relationship,
    count: Count | None,
    *,
    now: datetime,
    live: Live = QUIET,
    cycle: int | None = None,
    ascii: bool = False,
) -> tuple[Line, ...]:
    """The edge in full, most important line first; every line is inert, none is cut.

    Args:
        schema: the model.
        edge: the edge.
        count: its last count.
        now: the server's clock, for the age of the count.
        live: what a monitor tells of it.
        cycle: the length of the shortest cycle through it.
        ascii: write nothing beyond ASCII.
    """
    badge = edge_badge(schema, edge, count)
    # A recount that only keeps a number true is told once it takes longer than a second.
    checking = live.counting(edge.oid, count) or edge.oid in live.progress
    style = "" if badge.style == "ok" else badge.style
    actions = f"ON DELETE {edge.on_delete.upper()}"
    if edge.set_columns:
        names = [quote(pair.child.name) for pair in edge.pairs if pair.child.number in edge.set_columns]
        actions += f" ({', '.join(names)})"
    if edge.on_update is not Action.NO_ACTION:
        actions += f"  ON UPDATE {edge.on_update.upper()}"
    if edge.match is Match.FULL:
        actions += "  MATCH FULL"
    if edge.deferrable:
        actions += "  DEFERRABLE" + (" INITIALLY DEFERRED" if edge.deferred else "")
    suspicious = edge.state not in (EdgeState.ENFORCED, EdgeState.UNDECLARED)
    head: Line = (
        Span(quote(edge.name), "key"),
        Span(f"  {actions}  "),
        Span(state_words(edge), "unknown" if suspicious else ""),
    )
    if edge.state is EdgeState.UNDECLARED:
        head = (Span(edge.kind, "key"), Span("  no constraint binds it"))
    if edge.kind is EdgeKind.INFERRED:
        guess = live.guesses.get(edge.oid)
        head = (Span("a guess", "key"),)
        if guess is not None:
            head = (Span(f"a guess, {score_text(guess.score, 2)}", "key"), Span("  "), *reasons_line(guess))
    body = (
        Span(f"{pairing(schema, edge)}  "),
        Span(count_words(schema, edge, count, checking=checking), style),
        *_when(count, live, now),
        Span(f"  indexed: {'yes' if edge.index else 'no'}", "" if edge.index else "tag"),
    )
    lines = [head, body, *wait_lines(schema, live.waits.get(edge.oid, ()), now, ascii=ascii)]
    lines += filter(None, [partitions_line(schema, edge, count, live, now)])
    lines += _under_way(edge, live)
    lines += filter(None, [movement_line(schema, edge, live, now, ascii=ascii)])
    lines.append((Span(sentence(schema, edge)),))
    lines += _more(edge, count, cycle)
    if not live.deleted.get(edge.parent) and (none := deletes_words(schema, edge, live, now)):
        lines.append((Span(none, "dim"),))
    return tuple(tuple(Span(inert(span.text, ascii=ascii), span.style) for span in line) for line in lines)


def reasons_line(guess: Guess) -> Line:
    """Why it is taken for a relationship, the weightiest first, then what speaks against it."""
    spans = [Span(f"{', '.join(each.text for each in guess.reasons if each.points >= 0)}")]
    if against := [each.text for each in guess.reasons if each.points < 0]:
        spans.append(Span(f"; but {', '.join(against)}", "unknown"))
    return tuple(spans)


def _when(count: Count | None, live: Live, now: datetime) -> list[Span]:
    """As of when; a number that was not had again says so."""
    if count is None or count.status in (Status.SKIPPED, Status.STOPPED):
        return []
    spans = [Span("  "), age_of(count, live, now)]
    if (tried := live.tried.get(count.edge)) is not None:
        why = f" ({tried.error})" if tried.error else ""
        spans.append(Span(f"  since then {STATUS_WORDS[tried.status]}{why}", "unknown"))
    return spans


def _under_way(edge: Relationship, live: Live) -> Iterator[Line]:
    """How far the count is, or what a sample says while there is none."""
    progress, estimate = live.progress.get(edge.oid), live.estimates.get(edge.oid)
    if progress is not None:
        yield progress_line(progress, estimate)
    elif estimate is not None:
        yield (Span(estimate_words(estimate), "unknown"),)


def _more(edge: Relationship, count: Count | None, cycle: int | None) -> list[Line]:
    lines: list[Line] = []
    if count is not None:
        numbers = []
        if count.missing_keys:
            numbers.append(number(count.missing_keys, "missing key"))
        if count.nulls:
            numbers.append(f"{number(count.nulls, 'row')} without a key (NULL)")
        if count.unchecked:
            numbers.append(f"{number(count.unchecked, 'row')} let pass by MATCH SIMPLE: a part of the key is NULL")
        if count.childless:
            numbers.append(f"{number(count.childless, 'parent')} without a child")
        # What a quick count took is not worth a line of its own.
        took = f"took {duration(count.seconds)}" if numbers or count.seconds >= 1 else ""
        if took:
            said = "  ".join(numbers)
            lines.append((Span(said), Span(f"{'  ' if said else ''}{took}", "dim")))
    if edge.triggers.places:
        lines.append((Span("triggers off on " + ", ".join(edge.triggers.places), "unknown"),))
    if cycle is not None and cycle > 1:
        lines.append((Span(f"on a cycle of {cycle} keys", "dim"),))
    if edge.comment:
        lines.append((Span(edge.comment, "dim"),))
    return lines
