"""The lines around the lists: where we are connected and what is known, the trail, the detail, the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.reports.badges import total
from fkexplorer.reports.live import FRESH
from fkexplorer.reports.sentence import edge_detail
from fkexplorer.reports.style import Span
from fkexplorer.reports.tables import short_name, table_detail
from fkexplorer.reports.values import age, fit, human, inert, width
from fkexplorer.schema.model import EdgeKind
from fkexplorer.tui.keys import BY_ACTION
from fkexplorer.tui.panel import wrapped
from fkexplorer.tui.world import View

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from fkexplorer.reports.style import Line
    from fkexplorer.schema.model import Relationship, Schema
    from fkexplorer.tui.world import World

ENVIRONMENT = 10
"""Cells that an environment's name has in the header at least; on wider screens a quarter of the line."""

KEYS_OF_VIEW: dict[View, tuple[str, ...]] = {
    View.TABLES: (
        "choose", "orphans", "explain", "filter", "find", "problem(1)", "guesses", "recount", "doctor_all", "sort",
        "help", "close_or_quit",
    ),
    View.LENS: (
        "choose", "orphans", "fixes", "childless", "back", "doctor", "recount", "stop_count", "problem(1)", "fold",
        "guesses", "find", "help",
    ),
    View.ROWS: (
        "choose", "group", "mark", "fixes", "trace", "childless", "unmask", "copy_name", "copy_sql", "filter", "close",
        "help",
    ),
}  # fmt: skip
"""The actions on the line of keys, the ones that matter most first."""


def keys_of(world: World, view: View, edge: Relationship | None) -> list[tuple[str, str, str]]:
    """What is on the line of keys, as (key, action, label): what decides on a guess, or on a link, comes first.

    Args:
        world: what is shown.
        view: where.
        edge: what is under the cursor.
    """
    keys = [(BY_ACTION[action].shown, action, BY_ACTION[action].label) for action in KEYS_OF_VIEW[view]]
    first = []
    if view is not View.TABLES and edge is not None and edge.kind is EdgeKind.INFERRED:
        first = [("+", "accept", "accept"), ("-", "reject", "reject")]
    elif view is not View.TABLES and edge is not None and edge.kind is EdgeKind.CONFIGURED:
        first = [("-", "reject", "unlink")]
    elif world.inference is not None:
        first = [("+", "accept", "all guesses"), ("I", "guesses", "hide them")]
    named = {action for _, action, _ in first}
    return first + [key for key in keys if key[1] not in named]


def header(
    world: World,
    label: str,
    *,
    now: datetime,
    cells: int,
    stale: bool,
    ascii: bool,
) -> Line:
    """Who and where, what was found, how old it is, and whether anything can be written.

    What does not fit goes from the least needed; where we are connected, its environment, and RO or WRITE, stay.
    """
    armed = world.arming.words()
    right = [Span(f" {armed} ", "write") if armed else Span(" RO ", "readonly")]
    if here := world.environment:
        name = inert(here.name, ascii=ascii)
        most = max(ENVIRONMENT, cells // 4)
        right.insert(0, Span(f" {fit(name, min(width(name), most), ascii=ascii)} ", f"env {here.colour}".strip()))
    parts: list[Span] = []
    if world.lost:
        parts.append(Span("LOST (R reconnects)", "severe"))
    elif world.schema is None:
        parts.append(Span("reading the catalogue" if world.facts else "connecting", "unknown"))
    if world.schema is not None:
        parts += _alarms(world)
        parts += _findings(world, now=now, stale=stale)
    if world.facts is not None:
        marks = [word for word, holds in (("standby", world.facts.standby), ("pooled", world.facts.pooled)) if holds]
        if world.facts.replication_role != "origin":
            marks.append(f"replication role {world.facts.replication_role}")
        parts += [Span(word, "unknown") for word in marks]
        parts.append(Span(world.facts.version, "dim"))
    room = cells - sum(width(span.text) for span in right)
    name = fit(label, min(width(inert(label, ascii=ascii)), max(12, room - 1)), ascii=ascii)
    line = [Span(" " + name, "title")]
    room -= width(name) + 1
    for part in parts:
        # A part may have a shorter form, behind a bar.
        for text in part.text.split("|"):
            if width(text) + 2 <= room:
                line += [Span("  "), Span(text, part.style)]
                room -= width(text) + 2
                break
    return (*line, Span(" " * max(0, room)), *right)


def _alarms(world: World) -> list[Span]:
    """What nobody has looked at yet, and what is going on now."""
    live = world.live
    parts = []
    if world.guessing:
        parts.append(Span("guessing, Esc stops|guessing", "unknown"))
    if live.unseen:
        parts.append(Span(f"{len(live.unseen)} new (!)", "severe"))
    if live.waits:
        waits = {wait for waits in live.waits.values() for wait in waits}
        parts.append(Span(f"{_number(len(waits), 'lock wait')}", "unknown"))
    return parts


def _findings(world: World, *, now: datetime, stale: bool) -> list[Span]:
    schema = world.schema
    assert schema is not None
    sums = total(schema, schema.edges.values(), world.counts, world.live)
    parts: list[Span] = []
    if sums.with_orphans:
        parts.append(
            Span(f"{_number(sums.with_orphans, 'FK')} with orphans|{sums.with_orphans} with orphans", sums.worst.style)
        )
    elif sums.edges and sums.checked == sums.edges:
        parts.append(Span("no orphans", "ok"))
    unknown = sums.edges - sums.checked
    if unknown:
        parts.append(Span(f"{unknown} not known", "unknown"))
    known = [
        world.live.right_until(count)
        for oid, count in world.counts.items()
        if count.known and oid in schema.edges and schema.edges[oid].kind is not EdgeKind.INFERRED
    ]
    if known:
        oldest = min(known)
        passed = max(0.0, (now - oldest).total_seconds())
        ago = age(passed)
        if passed <= FRESH and not world.lost:
            parts.append(Span("live", "dim"))
        else:
            parts.append(Span(f"counted {oldest.astimezone(now.tzinfo):%H:%M} ({ago})|counted {ago}|{ago}", "dim"))
    if stale:
        parts.append(Span("order stale (s)", "dim"))
    parts.append(_size(world, schema, sums.edges))
    return parts


def _size(world: World, schema: Schema, known: int) -> Span:
    """`16 tables 14 FKs + 2 cfg + 3 inferred`; where that is too long, without the tables."""
    linked = sum(edge.kind is EdgeKind.CONFIGURED for edge in schema.edges.values())
    edges = _number(known - linked, "FK") + (f" + {human(linked)} cfg" if linked else "")
    if world.inference is None:
        return Span(f"{_number(len(schema.tables), 'table')} {edges}", "dim")
    edges += f" + {human(len(schema.edges) - known)} inferred"
    return Span(f"{_number(len(schema.tables), 'table')} {edges}|{edges}", "dim")


def _number(count: int, what: str) -> str:
    return f"{human(count)} {what}{'' if count == 1 else 's'}"


def trail(world: World, view: View, *, cells: int, ascii: bool) -> Line:
    """The tables on the way here at the left, the views at the right."""
    names = ["tables"]
    names += [short_name(table) for oid in world.trail.behind() if (table := world.table(oid))]
    tabs: list[Span] = []
    for number, (which, name) in enumerate(((View.TABLES, "Tables"), (View.LENS, "Lens")), start=1):
        here = view is which or (view is View.ROWS and which is View.LENS)
        tabs.append(Span(f"[{number} {name}]" if here else f" {number} {name} ", "key" if here else "dim"))
    tabs.append(Span(" "))
    room = cells - sum(width(tab.text) for tab in tabs) - 2
    kept: list[str] = []
    for name in reversed(names):
        text = inert(name, ascii=ascii)
        if kept and sum(width(part) + 3 for part in kept) + width(text) > room:
            kept.append("~" if ascii else "…")
            break
        kept.append(text)
    text = fit(" > ".join(reversed(kept)), max(1, room), ascii=ascii)
    return (Span(" " + text, "dim"), Span(" "), *tabs)


def detail(
    world: World,
    table: int | None,
    edge: int | None,
    *,
    cycles: Mapping[int, int],
    now: datetime,
    cells: int,
    ascii: bool,
) -> Sequence[Line]:
    """The lines about an edge, or else about a table, as they fit so many cells."""
    schema, known, place = world.schema, world.edge(edge), world.table(table)
    if schema is not None and known is not None:
        count, cycle = world.counts.get(known.oid), cycles.get(known.oid)
        return wrapped(edge_detail(schema, known, count, now=now, live=world.live, cycle=cycle, ascii=ascii), cells)
    if schema is not None and place is not None:
        edges = world.edges_of(place.oid)
        return table_detail(schema, place, edges, world.counts, world.live, now=now, width=cells, ascii=ascii)
    return ()


def key_line(keys: Sequence[tuple[str, str, str]], why_not: Callable[[str], str | None], *, cells: int) -> Line:
    """The keys that matter here, as (key, action, label); those that can't do anything now are greyed."""
    line: list[Span] = []
    room = cells - 1
    for shown, action, label in keys:
        text = f"{shown} {label}"
        if len(text) + 2 > room:
            continue
        off = why_not(action) is not None
        line += [Span(f" {shown}", "off" if off else "key"), Span(f" {label} ", "off" if off else "dim")]
        room -= len(text) + 2
    return tuple(line)
