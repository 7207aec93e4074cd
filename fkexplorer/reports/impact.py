"""What a delete would do, as lines for people and as JSON: the verdict, the tree, the numbers by table.

`impact_json` gives one document. What is not known is null, never 0:

    {"table": "schema.table", "keys": [["17"]],   as they were asked for
     "rows": 1,                                   rows that have these keys
     "verdict": "refused",                        goes, refused, depends (on the order of triggers), unknown
     "blockers": [{"constraint": "schema.table.constraint", "rows": 3, "path": ["schema.table.constraint"]}],
                                                  path: the foreign keys from the top down to it
     "complete": true,                            whether all rows that go or change were found
     "stopped_by": null,                          rows, time, lock
     "max_rows": 100000,                          followed at most, shared out among the foreign keys
     "as_of": "2026-11-21T02:00:01Z",             the server's clock at the beginning
     "seconds": 0.01,
     "tables": [{"table": "schema.table", "deleted": 1, "updated": 0, "more_updates": 0}],
                                                  at least so many where complete is false; more_updates: of rows
                                                  that go after all, or are changed again
     "triggers": [{"table": "schema.table", "name": "…", "function": "schema.name"}],
     "tree": [
       {"constraint": "schema.table.constraint", "table": "schema.table", "columns": ["…"],
        "does": "delete",                         set_null, set_default, update (its key follows), refuse, leave
        "rows": 12, "at_least": false,            null where they were not counted
        "refused": 0, "doubtful": 0,              of these rows
        "reason": null,                           why they were not counted
        "indexed": true, "bytes": 8192,           of the child; without an index each row above costs a look at all
        "see_above": false,                       it stands in the tree already, with what is below it
        "tree": []}]}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.impact_model import Deed, Impact, Stop, Verdict
from fkexplorer.reports.style import Line, Span, plain
from fkexplorer.reports.values import duration, exact, fit, inert, moment, number, size, width
from fkexplorer.schema.names import columns_label, edge_label, table_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fkexplorer.diagnosis.impact_model import Hop
    from fkexplorer.schema.model import Relationship, Schema

_WORDS = {
    Deed.DELETE: "deleted",
    Deed.SET_NULL: "set NULL",
    Deed.SET_DEFAULT: "set default",
    Deed.UPDATE: "key changes",
    Deed.REFUSE: "REFUSE",
    Deed.LEAVE: "left orphans",
}
_STOPS = {Stop.TIME: "time ran out", Stop.LOCK: "somebody holds a lock on one of the tables"}


@dataclass(frozen=True, slots=True)
class ImpactLine:
    """A line, and the foreign key that it is about."""

    line: Line
    """No wider than was asked for."""
    hop: Hop | None = None


def impact_text(impact: Impact, schema: Schema, *, cells: int = 80, ascii: bool = False) -> list[str]:
    """The same as text."""
    return [plain(each.line).rstrip() for each in impact_lines(impact, schema, cells=cells, ascii=ascii)]


def impact_lines(impact: Impact, schema: Schema, *, cells: int = 80, ascii: bool = False) -> list[ImpactLine]:
    """All that was found: what would come of it, the tree, the numbers by table, what is slow, what is not known.

    Args:
        impact: what was found.
        schema: the catalogue that it was found with.
        cells: of a line at most.
        ascii: whether no character beyond ASCII is drawn.
    """
    return list(_Lines(impact, schema, cells, ascii=ascii).all())


def verdict_words(impact: Impact, schema: Schema) -> str:
    """What would come of it, in a sentence."""
    if impact.rows is None:
        return "Whether it goes through is not known: nothing could be counted."
    if impact.rows == 0:
        return "There is no such row."
    if impact.verdict is Verdict.REFUSED:
        names = [_where(impact, schema, each.edge) for each in impact.blockers]
        rest = f", and by {exact(len(names) - 1)} more" if len(names) > 1 else ""
        return f"PostgreSQL refuses it: by {names[0]}{rest}."
    if impact.verdict is Verdict.DEPENDS:
        return "It may be refused: that hangs on the order in which PostgreSQL fires its triggers, or on what they set."
    if impact.verdict is Verdict.UNKNOWN:
        return "Nothing that refuses it was found, but not all was looked at."
    return "It goes through: no foreign key refuses it."


def _where(impact: Impact, schema: Schema, oid: int) -> str:
    """The edge's name, and below what it stands."""
    path = next((path for path, hop in impact.walk() if hop.edge == oid and not hop.above), ())
    name = edge_label(schema, schema.edges[oid])
    return f"{name}, below {table_label(schema.child_of(schema.edges[path[-1].edge]))}" if path else name


class _Lines:
    """The lines of one impact."""

    def __init__(self, impact: Impact, schema: Schema, cells: int, *, ascii: bool) -> None:
        self._impact = impact
        self._schema = schema
        self._cells = cells
        self._ascii = ascii
        self._rows = list(self._tree(impact.hops, ""))
        words = [self._what(hop) for _, hop in self._rows if hop is not None]
        self._wide = min(max(map(width, words), default=0), 40)

    def all(self) -> Iterator[ImpactLine]:
        impact, table = self._impact, self._schema.tables[self._impact.table]
        rows = "rows" if impact.rows is None else number(impact.rows, "row")
        keys = ", ".join(key[0] or "NULL" if len(key) == 1 else f"({', '.join(map(str, key))})" for key in impact.keys)
        yield self._line(Span(f"delete {rows} of {table_label(table)}: {keys}", "title"))
        style = {Verdict.GOES: "ok", Verdict.REFUSED: "problem"}.get(impact.verdict, "unknown")
        yield from self._wrapped(verdict_words(impact, self._schema), style)
        when = f"found by reading alone at {impact.at:%H:%M:%S} UTC, in {duration(impact.seconds)}"
        yield self._line(Span(when, "dim"))
        if impact.rows == 0:
            return
        yield self._line()
        yield self._line(Span(inert(table_label(table), ascii=self._ascii)))
        for text, hop in self._rows:
            yield self._hop(text, hop)
        if not impact.hops:
            yield self._line(Span("  no foreign key refers to it", "dim"))
        yield from self._tables()
        yield from self._slow()
        yield from self._notes()

    # The tree

    def _tree(self, hops: Sequence[Hop], indent: str) -> Iterator[tuple[str, Hop | None]]:
        shown = [hop for hop in hops if not _idle(hop)]
        idle = len(hops) - len(shown)
        fork, corner, pipe = ("|- ", "`- ", "|  ") if self._ascii else ("├─ ", "└─ ", "│  ")
        for at, hop in enumerate(shown):
            last = at == len(shown) - 1 and not idle
            edge = self._schema.edges[hop.edge]
            label = columns_label(self._schema.child_of(edge), [pair.child for pair in edge.pairs])
            yield f"{indent}{corner if last else fork}{inert(label, ascii=self._ascii)}", hop
            yield from self._tree(hop.hops, indent + ("   " if last else pipe))
        if idle:
            kind = "more foreign key" if shown else "foreign key"
            yield f"{indent}{corner}{number(idle, kind)} without a row", None

    def _hop(self, text: str, hop: Hop | None) -> ImpactLine:
        if hop is None:
            return self._line(Span(text, "dim"))
        room = max(12, self._cells - self._wide - 2)
        what = self._what(hop)
        style = "unknown" if hop.rows is None or hop.doubtful else ""
        style = "problem" if hop.refused or (hop.deed is Deed.LEAVE and hop.rows) else style
        line = self._line(Span(fit(text, room, ascii=self._ascii)), Span("  " + what, style or "dim"))
        return ImpactLine(line.line, hop)

    def _what(self, hop: Hop) -> str:
        if hop.above:
            return "see above"
        if hop.rows is None:
            return hop.unknown
        rows = f"{'>=' if hop.at_least else ''}{number(hop.rows, 'row')}"
        said = _WORDS[hop.deed]
        if hop.rows == 0:
            rows, said = "no row" + (" so far" if hop.at_least else ""), ""
        elif hop.deed is Deed.REFUSE:
            said = ("REFUSES" if hop.rows == 1 else "REFUSE") if hop.refused else "may refuse"
        elif hop.refused:
            said = f"{said}: REFUSED for {exact(hop.refused)}"
        elif hop.doubtful and hop.deed is not Deed.LEAVE:
            said = f"{said}, or refused"
        index = "" if self._schema.edges[hop.edge].index is not None else "  noix"
        return f"{rows} {said}".rstrip() + index

    # What is below it

    def _tables(self) -> Iterator[ImpactLine]:
        impact = self._impact
        if len(impact.effects) < 2:
            return
        yield self._line()
        yield self._line(
            Span("by table:" if impact.verdict is Verdict.GOES else "by table, if it went through:", "dim")
        )
        least = "" if impact.complete else ">="
        for each in impact.effects:
            done = [f"{least}{exact(each.deleted)} deleted"] if each.deleted else []
            done += [f"{least}{exact(each.updated)} changed"] if each.updated else []
            done += [f"{exact(each.more_updates)} changed besides"] if each.more_updates else []
            if done:
                label = table_label(self._schema.tables[each.table])
                yield self._line(Span(f"  {inert(label, ascii=self._ascii)}  "), Span(", ".join(done), "dim"))

    def _slow(self) -> Iterator[ImpactLine]:
        """The hops without an index: each row that goes above reads all of the child."""
        found: dict[int, Relationship] = {}
        for path, hop in self._impact.walk():
            edge = self._schema.edges[hop.edge]
            looked_for = not path or path[-1].rows != 0 or path[-1].at_least
            if edge.index is None and hop.deed is not Deed.LEAVE and looked_for:
                found[edge.oid] = edge
        if not found:
            return
        yield self._line()
        yield self._line(Span("noix: no index, so a row that goes above reads the whole table:", "dim"))
        for edge in sorted(found.values(), key=lambda edge: -self._schema.child_of(edge).likely_bytes):
            child = self._schema.child_of(edge)
            label = columns_label(child, [pair.child for pair in edge.pairs])
            yield self._line(
                Span(f"  {inert(label, ascii=self._ascii)}  "), Span(f"about {size(child.likely_bytes)}", "dim")
            )

    def _notes(self) -> Iterator[ImpactLine]:
        impact, notes = self._impact, []
        if impact.stop is Stop.ROWS:
            notes.append(
                f"There are more rows than are followed ({exact(impact.max_rows)}, shared out among the foreign keys):"
                " the numbers are at least so many."
            )
        elif impact.stop is not None:
            notes.append(f"Not all was counted: {_STOPS[impact.stop]}.")
        if len(impact.blockers) > 1 and impact.verdict is Verdict.REFUSED:
            notes.append("PostgreSQL names one of those that refuse it: the first that it comes to.")
        if impact.triggers:
            names = ", ".join(f"{each.name} on {self._label(each.table)}" for each in impact.triggers)
            notes.append(f"What triggers do is not foreseen: {names}.")
        for note in notes:
            yield self._line()
            yield from self._wrapped(note, "unknown")

    def _label(self, table: int) -> str:
        found = self._schema.tables.get(self._schema.partition_roots.get(table, table))
        return table_label(found) if found else f"table {table}"

    def _wrapped(self, text: str, style: str) -> Iterator[ImpactLine]:
        line = ""
        for whole in inert(text, ascii=self._ascii).split():
            word = fit(whole, self._cells, ascii=self._ascii, pad=False)
            if line and width(line) + width(word) + 1 > self._cells:
                yield self._line(Span(line, style))
                line = word
            else:
                line = f"{line} {word}" if line else word
        yield self._line(Span(line, style))

    def _line(self, *spans: Span) -> ImpactLine:
        """A line, cut at its end where it is too wide."""
        left, kept = self._cells, []
        for span in spans:
            text = fit(inert(span.text, ascii=self._ascii), left, middle=False, ascii=self._ascii, pad=False)
            left -= width(text)
            kept.append(Span(text, span.style))
        return ImpactLine(tuple(kept))


def _idle(hop: Hop) -> bool:
    """Whether it concerns no row, for certain, and nothing below it does."""
    return hop.rows == 0 and not hop.at_least and all(map(_idle, hop.hops))


def impact_json(impact: Impact, schema: Schema) -> str:
    """The document that the module tells of, ASCII only."""

    def label(oid: int) -> str:
        return edge_label(schema, schema.edges[oid])

    def table(oid: int) -> str:
        found = schema.tables.get(schema.partition_roots.get(oid, oid))
        return table_label(found) if found else str(oid)

    def tree(hops: Sequence[Hop]) -> list[dict[str, object]]:
        return [
            {
                "constraint": label(hop.edge),
                "table": table(schema.edges[hop.edge].child),
                "columns": [pair.child.name for pair in schema.edges[hop.edge].pairs],
                "does": hop.deed.value,
                "rows": hop.rows,
                "at_least": hop.at_least,
                "refused": hop.refused,
                "doubtful": hop.doubtful,
                "reason": hop.unknown or None,
                "indexed": schema.edges[hop.edge].index is not None,
                "bytes": schema.child_of(schema.edges[hop.edge]).likely_bytes,
                "see_above": hop.above,
                "tree": tree(hop.hops),
            }
            for hop in hops
        ]

    paths = {hop.edge: [label(each.edge) for each in path] for path, hop in impact.walk() if not hop.above}
    document = {
        "table": table(impact.table),
        "keys": [list(key) for key in impact.keys],
        "rows": impact.rows,
        "verdict": impact.verdict.value,
        "blockers": [
            {"constraint": label(each.edge), "rows": each.rows, "path": paths.get(each.edge, [])}
            for each in impact.blockers
        ],
        "complete": impact.complete,
        "stopped_by": impact.stop.value if impact.stop else None,
        "max_rows": impact.max_rows,
        "as_of": moment(impact.at),
        "seconds": round(impact.seconds, 3),
        "tables": [
            {
                "table": table(each.table),
                "deleted": each.deleted,
                "updated": each.updated,
                "more_updates": each.more_updates,
            }
            for each in impact.effects
        ],
        "triggers": [
            {"table": table(each.table), "name": each.name, "function": each.function} for each in impact.triggers
        ],
        "tree": tree(impact.hops),
    }
    return json.dumps(document, indent=1)
