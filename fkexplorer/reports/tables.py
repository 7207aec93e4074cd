"""The table of tables, worst first: the home screen, and a picture of a schema that still works at 1,000 tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.reports.badges import Severity, Total, edge_badge, severity, tags, total
from fkexplorer.reports.live import QUIET, marked, wait_lines
from fkexplorer.reports.style import Line, Span, joined, plain
from fkexplorer.reports.values import exact, fit, human, inert, number, size
from fkexplorer.schema.model import EdgeKind, TableKind
from fkexplorer.schema.names import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from fkexplorer.orphans.model import Count
    from fkexplorer.reports.live import Live
    from fkexplorer.schema.model import Relationship, Schema, Table

WIDE = 72
"""From this width on a line says rows, keys and size too, which take 46 cells: below it names would be cut to a stump,
so the line is the name and the badge."""

SHOWN = 3
"""Foreign keys that a table's detail names, the worst of them."""
BADGE = 8

_KINDS = {TableKind.PARTITIONED: "partitioned", TableKind.FOREIGN: "foreign table"}


@dataclass(frozen=True, slots=True)
class Edges:
    """The edges at a table: as the child (references) and as the parent (referenced by)."""

    own: tuple[Relationship, ...]
    into: tuple[Relationship, ...]

    @property
    def known(self) -> tuple[Relationship, ...]:
        """Its own but for guesses."""
        return tuple(edge for edge in self.own if edge.kind is not EdgeKind.INFERRED)


def edges_by_table(schema: Schema) -> dict[int, Edges]:
    """For each table its edges on either side; a self-reference is on both."""
    own: dict[int, list[Relationship]] = {oid: [] for oid in schema.tables}
    into: dict[int, list[Relationship]] = {oid: [] for oid in schema.tables}
    for edge in schema.edges.values():
        own[edge.child].append(edge)
        into[edge.parent].append(edge)
    return {oid: Edges(tuple(own[oid]), tuple(into[oid])) for oid in schema.tables}


def short_name(table: Table) -> str:
    """`table`, with its schema unless that is `public`; quoted as SQL does."""
    name = quote(table.name)
    return name if table.schema == "public" else f"{quote(table.schema)}.{name}"


def order_of_tables(schema: Schema, edges: Mapping[int, Edges], counts: Mapping[int, Count]) -> tuple[int, ...]:
    """OIDs of the tables: those with the worst edge of their own first, then the larger, then by name.

    Before anything is counted that is suspicion (off, NOT VALID), then size. Guesses move nothing.
    """
    nothing: Severity = (9, 0, 9, 0.0, "", "")

    def key(table: Table) -> tuple[object, ...]:
        own = edges[table.oid].known
        worst = min((severity(schema, edge, counts.get(edge.oid)) for edge in own), default=nothing)
        orphans = sum(count.orphans or 0 for edge in own if (count := counts.get(edge.oid)))
        alone = not own and not edges[table.oid].into
        return (worst[0], -orphans, worst[2], alone, -table.estimated_bytes, short_name(table))

    return tuple(table.oid for table in sorted(schema.tables.values(), key=key))


def worst_edge(schema: Schema, edges: Iterable[Relationship], counts: Mapping[int, Count]) -> Relationship | None:
    """The edge to look at first; None where there is none."""
    return min(edges, key=lambda edge: severity(schema, edge, counts.get(edge.oid)), default=None)


def headings(width: int) -> Line:
    """The titles of the columns."""
    if width < WIDE:
        return (Span(" " + fit("table", width - 9) + fit("orphans", 8, right=True), "heading"),)
    left = width - 46
    return (
        Span(
            " "
            + fit("table", left - 1)
            + fit("orphans", 9, right=True)
            + fit("parents", 9, right=True)
            + fit("children", 10, right=True)
            + fit("rows", 8, right=True)
            + fit("size", 10, right=True),
            "heading",
        ),
    )


def table_line(
    schema: Schema,
    table: Table,
    edges: Edges,
    counts: Mapping[int, Count],
    live: Live = QUIET,
    *,
    width: int,
    ascii: bool = False,
) -> Line:
    """One table on one line of `width` cells.

    The badge stands for the table's own foreign keys, since the rows that break one live in the child.
    """
    badge = total(schema, edges.own, counts, live).worst
    mark = live.mark_of(edges.own)
    name_style = badge.style if badge.style in ("problem", "severe") else ""
    if width < WIDE:
        room = width - 9
        name = Span(" " + fit(short_name(table), room, ascii=ascii), name_style)
        return (name, *marked(mark, badge, 8))
    room = width - 47
    rows = human(table.estimated_rows) if table.estimated_rows is not None else "?"
    return (
        Span(" " + fit(short_name(table), room, ascii=ascii), name_style),
        *marked(mark, badge, 9),
        Span(
            fit(_numbers(edges.own), 9, right=True)
            + fit(_numbers(edges.into), 10, right=True)
            + fit(rows, 8, right=True)
            + fit(_size(table) or "?", 10, right=True),
            "dim",
        ),
    )


def _numbers(edges: Sequence[Relationship]) -> str:
    """How many, as `2`; with guesses as `2+1`."""
    guesses = sum(edge.kind is EdgeKind.INFERRED for edge in edges)
    known = len(edges) - guesses
    return f"{known}+{guesses}" if guesses else str(known or "")


def table_detail(
    schema: Schema,
    table: Table,
    edges: Edges,
    counts: Mapping[int, Count],
    live: Live = QUIET,
    *,
    now: datetime,
    width: int,
    ascii: bool = False,
) -> Sequence[Line]:
    """A few lines about a table: what it is, who waits for a lock there, its comment, its worst foreign keys."""
    what = [_KINDS.get(table.kind, "table") + in_schema(table)]
    if table.partitions:
        what.append(number(len(table.partitions), "partition"))
    # What keeps an answer away comes before the sizes, which a long name may push off the line.
    if not (table.privileges.usage and table.privileges.select):
        what.append("no SELECT privilege")
    if table.row_security_active:
        what.append("row security hides rows from this role")
    rows = f"about {exact(round(table.estimated_rows))} rows" if table.estimated_rows is not None else "never analysed"
    what += [rows, *filter(None, [_size(table)])]
    own = total(schema, edges.own, counts, live)
    lines: list[Line] = [
        (
            Span(" " + inert(quote(table.name), ascii=ascii), "title"),
            Span("  " + inert("  ".join(what), ascii=ascii), "dim"),
        )
    ]
    waits = {wait: None for edge in (*edges.own, *edges.into) for wait in live.waits.get(edge.oid, ())}
    lines += [
        (Span(" " + fit(plain(line), width - 1, middle=False, ascii=ascii), "unknown"),)
        for line in wait_lines(schema, tuple(waits), now, ascii=ascii)
    ]
    if table.comment:
        lines.append((Span(" " + fit(table.comment, width - 1, middle=False, ascii=ascii)),))
    if own.edges:
        lines.append(_own_keys(own))
    else:
        words = f"; {number(own.guesses, 'guess', 'guesses')}" if own.guesses else ""
        lines.append((Span(f" It refers to no table{words}."),))
    # The worst first, and guesses behind what is known.
    shown = sorted(
        edges.own,
        key=lambda edge: (edge.kind is EdgeKind.INFERRED, severity(schema, edge, counts.get(edge.oid))),
    )
    lines += [_edge_line(schema, edge, counts.get(edge.oid), live, width, ascii=ascii) for edge in shown[:SHOWN]]
    into = sum(edge.kind is not EdgeKind.INFERRED for edge in edges.into)
    if not edges.own and into:
        lines.append((Span(f" {number(into, 'foreign key')} from other tables to it.", "dim"),))
    return lines


def _own_keys(own: Total) -> Line:
    """`4 foreign keys, 4 counted, 1 with orphans (23 rows)`; what is not known is said instead of what is."""
    line = [Span(f" {number(own.edges, 'foreign key')}, ")]
    line.append(Span(f"{own.unknown} not known", "unknown") if own.unknown else Span(f"{own.checked} counted"))
    if own.orphans:
        line += [Span(", "), Span(f"{own.with_orphans} with orphans ({number(own.orphans, 'row')})", own.worst.style)]
    elif own.checked:
        line.append(Span(f", {own.checked} without orphans" if own.unknown else ", none with orphans"))
    if own.guesses:
        line.append(Span(f"; {number(own.guesses, 'guess', 'guesses')}", "dim"))
    return joined(line)


def _size(table: Table) -> str | None:
    """The size; None where no VACUUM or ANALYZE has measured it (`relpages` is 0 then, whatever is in the table)."""
    return size(table.estimated_bytes) if table.estimated_bytes or table.estimated_rows is not None else None


def _edge_line(schema: Schema, edge: Relationship, count: Count | None, live: Live, width: int, *, ascii: bool) -> Line:
    badge = edge_badge(schema, edge, count, live)
    columns = ", ".join(quote(pair.child.name) for pair in edge.pairs)
    labels = "".join(f"  {tag.text}" for tag in tags(edge, score=live.score(edge.oid)))
    text = f"  {columns} -> {short_name(schema.parent_of(edge))}{labels}"
    return (*marked(live.mark(edge.oid), badge, BADGE), Span(fit(text, width - BADGE, ascii=ascii), "dim"))


def in_schema(table: Table) -> str:
    """` in schema x` for another schema than public, else nothing."""
    return "" if table.schema == "public" else f" in schema {quote(table.schema)}"
