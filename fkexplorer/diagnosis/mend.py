"""What would mend an error: the panel's fixes, each in its right scope, and what to change in the code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.diagnosis.keyed import child_text, key_text, secrets
from fkexplorer.diagnosis.model import Suggestion
from fkexplorer.diagnosis.reading.model import ErrorKind
from fkexplorer.fixes import rows, sql, sync
from fkexplorer.fixes.model import Scope
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.model import Action, EdgeKind, EdgeState
from fkexplorer.schema.names import quote, table_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fkexplorer.diagnosis.case import Case
    from fkexplorer.diagnosis.model import Evidence, Gap, Key, Sighting, Totals, Trace
    from fkexplorer.schema.model import Relationship

_NEAR = frozenset({"near_miss", "key_in_other_column"})
_RACES = frozenset({"concurrent_delete", "parent_deleted", "row_in_flight"})
_RULES = {"cascade": Action.CASCADE, "set-null": Action.SET_NULL}


def mend(
    case: Case,
    findings: Sequence[Evidence],
    totals: Sequence[Totals],
    trace: Trace | None,
    gap: Gap | None,
    *,
    live: bool | None,
) -> tuple[Suggestion, ...]:
    """Suggestions for an error, of what the looks have found; nothing where no edge is known.

    Args:
        case: the error.
        findings: what was found.
        totals: the edges that it involves, in numbers.
        trace: where its key lives.
        gap: the gap that its key is a part of.
        live: whether it would come again.
    """
    if case.edge is None:
        return ()
    mending = _Mending(case, case.edge, {each.code for each in findings}, trace, gap)
    found = list(mending.of_constraint(totals))
    if case.error.kind is ErrorKind.STILL_REFERENCED:
        found += mending.of_children() if live else ()
    elif case.error.kind is ErrorKind.MISSING_PARENT:
        found += mending.of_missing_parent() if live else ()
        found += mending.of_code()
    return tuple(found)


class _Mending:
    """The suggestions for one error."""

    def __init__(self, case: Case, edge: Relationship, codes: set[str], trace: Trace | None, gap: Gap | None) -> None:
        self._case = case
        self._edge = edge
        self._codes = codes
        self._trace = trace
        self._gap = gap
        self._child = case.schema.child_of(edge)
        self._parent = case.schema.parent_of(edge)
        key = case.key
        self._key: Key = key if key is not None and None not in key else ()

    @property
    def _shown(self) -> str:
        return key_text([pair.parent for pair in self._edge.pairs], self._key)

    def of_missing_parent(self) -> Iterator[Suggestion]:
        """A parent that is missing now: bring it, or mend the rows that name it."""
        parent = table_label(self._parent)
        gap = self._gap
        if gap is not None and gap.missing:
            source = table_label(self._case.schema.tables[gap.source])
            what = f"the {gap.missing:,} rows" if gap.missing > 1 else "the row"
            text = f"Bring {what} that {parent} lacks from {source}: the whole gap."
            yield Suggestion(text, FixAction.BACKFILL, scope=Scope.GAP, source=gap.source, weight=100)
            if self._key:
                text = f"Bring this one alone ({self._shown}) from {source} into {parent}."
                yield Suggestion(text, FixAction.BACKFILL, scope=Scope.KEY, key=self._key, source=gap.source, weight=90)
        if self._codes & _NEAR:
            if "child_row_holds_key" in self._codes:
                text = f"Re-point the rows of {table_label(self._child)} to the parent that is meant."
                yield Suggestion(text, FixAction.REPOINT, key=self._key, weight=85)
            text = "Write the key in the code as the parent has it: see the near miss."
            yield Suggestion(text, weight=95)
        yield from self._holders()
        if self._key and _can(lambda: rows.insertable(self._edge)):
            text = f"Insert the parent that is missing into {parent}, if it ought to be there: {self._shown}."
            yield Suggestion(text, FixAction.INSERT_PARENTS, scope=Scope.KEY, key=self._key, weight=60)

    def _holders(self) -> Iterator[Suggestion]:
        """Rows of the edges to that parent which name the key: they are orphans."""
        if "key_missing" not in self._codes:
            return
        edges = [each for each in self._case.graph.children(self._parent.oid) if each.oid != self._edge.oid]
        for edge in [self._edge, *edges]:
            columns = tuple(pair.child.number for pair in edge.pairs)
            for sighting in self._trace.holding if self._trace else ():
                here = (sighting.table, sighting.columns, sighting.only) == (edge.child, columns, edge.only)
                if here and self._same_key(edge):
                    yield from self._orphaned(edge, sighting)

    def _same_key(self, edge: Relationship) -> bool:
        """Whether the edge refers to the same columns of the parent, in the same order."""
        return [pair.parent.number for pair in edge.pairs] == [pair.parent.number for pair in self._edge.pairs]

    def _orphaned(self, edge: Relationship, sighting: Sighting) -> Iterator[Suggestion]:
        child = child_text(self._case.schema, edge)
        number = sighting.rows or 0
        several = number != 1
        which = f"the {number:,}{'' if not sighting.at_least else ' or more'} rows" if several else "the row"
        marked = sighting.keys if len(sighting.keys) == number else ()
        own = None if edge.oid == self._edge.oid else edge.oid
        text = f"Delete {which} of {child} that {'name' if several else 'names'} the parent that is gone."
        yield Suggestion(text, FixAction.DELETE, edge=own, key=self._key, rows=marked, weight=80)
        if _can(lambda: rows.nullable(self._case.schema, edge)):
            text = f"Set the key of {which} of {child} to NULL."
            yield Suggestion(text, FixAction.SET_NULL, edge=own, key=self._key, rows=marked, weight=82)

    def of_children(self) -> Iterator[Suggestion]:
        """A delete that is refused: what the constraint could do instead."""
        child, parent = table_label(self._child), table_label(self._parent)
        if self._edge.kind is not EdgeKind.DECLARED:
            return
        text = f"Delete, or re-point, the rows of {child} in the same transaction before the row of {parent} goes."
        yield Suggestion(text, weight=90)
        says = {"cascade": f"take the rows of {child} with it", "set-null": f"set the key of {child} to NULL"}
        for rule, action in _RULES.items():
            if action is not self._edge.on_delete and self._takes(self._edge, action):
                text = f"Let a delete in {parent} {says[rule]}: ON DELETE {action.value.upper()}."
                yield Suggestion(text, FixAction.CHANGE_ON_DELETE, rule=rule, weight=40)

    def _takes(self, edge: Relationship, action: Action) -> bool:
        return action is not Action.SET_NULL or _can(lambda: rows.nullable(self._case.schema, edge))

    def of_constraint(self, totals: Sequence[Totals]) -> Iterator[Suggestion]:
        """What can be said of the constraints themselves, by their numbers and rules."""
        for each in totals:
            edge = self._case.schema.edges.get(each.edge)
            if edge is None or edge.kind is not EdgeKind.DECLARED:
                continue
            own = None if edge.oid == self._edge.oid else edge.oid
            label = quote(edge.name)
            if each.orphans == 0 and edge.state is EdgeState.NOT_VALID:
                text = f"Validate {label}: it is NOT VALID, and has no orphan."
                yield Suggestion(text, FixAction.VALIDATE, edge=own, weight=50)
            elif each.orphans and edge.state is EdgeState.ENFORCED:
                text = f"Once no orphan is left, have {label} really checked: it is called valid, and has orphans."
                yield Suggestion(text, FixAction.REVALIDATE, edge=own, weight=20)
        if self._case.error.kind in {ErrorKind.MISSING_PARENT, ErrorKind.STILL_REFERENCED}:
            yield from self._disagreeing()

    def _disagreeing(self) -> Iterator[Suggestion]:
        """One delete of the parent that is blocked by one constraint and taken further by another."""
        edges = [each for each in self._case.graph.children(self._parent.oid) if each.kind is EdgeKind.DECLARED]
        rules = {each.on_delete for each in edges if each.enforced}
        if self._edge.kind is not EdgeKind.DECLARED or len(rules) < 2:
            return
        others = [each for each in edges if each.enforced and each.on_delete is not self._edge.on_delete]
        said = ", ".join(f"{quote(each.name)} {each.on_delete.value.upper()}" for each in others[:3])
        text = (
            f"Decide what a delete in {table_label(self._parent)} does: {quote(self._edge.name)} is"
            f" {self._edge.on_delete.value.upper()}, {said}."
        )
        actions = {action: rule for rule, action in _RULES.items()}
        rule = next((actions[each.on_delete] for each in others if each.on_delete in actions), "")
        fitting = rule if rule and self._takes(self._edge, _RULES[rule]) else ""
        yield Suggestion(text, FixAction.CHANGE_ON_DELETE, rule=fitting, weight=45)

    def _keeping(self, gap: Gap) -> Iterator[Suggestion]:
        """What keeps the gap from opening again: a trigger, or the code that makes the rows."""
        source, target = table_label(self._case.schema.tables[gap.source]), table_label(self._parent)
        edge = self._case.schema.edges.get(gap.edge) if gap.edge is not None else None
        if edge is not None and _can(lambda: sync.check_pair(self._case.schema, edge)):
            text = f"Give each new row of {source} its row in {target} by a trigger, else the gap opens again."
            if gap.trigger_off:
                text = f"Enable the trigger {quote(gap.trigger_off)} of {source}, else the gap opens again."
            yield Suggestion(text, FixAction.SYNC_TRIGGER, edge=edge.oid, weight=92)
        elif gap.missing:
            text = (
                f"Make the row of {target} where that of {source} is made: in the same transaction, or by a trigger of"
                f" {source}. Else the gap opens again."
            )
            yield Suggestion(text, weight=75)

    def of_code(self) -> Iterator[Suggestion]:
        """What the code that was refused could do: hold the parent, or make it in the same transaction."""
        if self._gap is not None and not self._gap.trigger:
            yield from self._keeping(self._gap)
        if not self._key:
            return
        columns = [pair.parent for pair in self._edge.pairs]
        hidden = secrets(columns, self._key)
        values = [sql.literal(text or "") for text in self._key]
        values = ["'...'" if value in hidden else value for value in values]
        names = [sql.name(column.name) for column in columns]
        where = " AND ".join(f"{name} = {value}" for name, value in zip(names, values, strict=True))
        source = f"{sql.name(self._parent.schema)}.{sql.name(self._parent.name)}"
        if self._codes & _RACES:
            yield Suggestion(
                "Lock the parent before the insert, in the same transaction, so that nobody deletes it in between;"
                " where this finds no row, stop there.",
                sql=f"SELECT 1 FROM {source} WHERE {where} FOR KEY SHARE;",
                weight=70 if self._gap is None else 30,
            )
        if "from_outside" in self._codes:
            listed = ", ".join(names)
            yield Suggestion(
                f"Make the parent in the same transaction, where the code knows all of it: the id comes to"
                f" {table_label(self._parent)} before it is used.",
                sql=f"INSERT INTO {source} ({listed}, ...) VALUES ({', '.join(values)}, ...)"
                f" ON CONFLICT ({listed}) DO NOTHING;",
                weight=65,
            )


def _can(check: Callable[[], object]) -> bool:
    """Whether a fix's own check lets it pass."""
    try:
        check()
    except Trouble:
        return False
    return True
