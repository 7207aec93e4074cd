"""The fixes that change the orphans themselves: delete, set null, set default, re-point, move to a side table."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import literal_column

from fkexplorer.database.model import Trouble
from fkexplorer.fixes import sql
from fkexplorer.fixes.locks import data_locks
from fkexplorer.fixes.misfits import about, incomparable
from fkexplorer.fixes.model import Change, DataStep, Scope, Verb
from fkexplorer.fixes.reach import Reach
from fkexplorer.fixes.verdicts import DEFAULT
from fkexplorer.orphans.keyset import index_parts, place_parts, value_type
from fkexplorer.orphans.paging import predicate_of
from fkexplorer.orphans.predicate import cast_to, collated, relation
from fkexplorer.schema.model import Match
from fkexplorer.schema.names import quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fkexplorer.fixes.model import Key, Request
    from fkexplorer.orphans.predicate import EdgePredicate
    from fkexplorer.schema.model import Column, ColumnPair, Index, Relationship, Schema, Table


def incomplete(reason: str, hint: str) -> Trouble:
    """What to raise where a request lacks something, or has what does not fit."""
    return Trouble(reason, hint, code="incomplete")


def impossible(reason: str, hint: str) -> Trouble:
    """What to raise where a fix cannot be made of this edge."""
    return Trouble(reason, hint, code="impossible")


def named(some: Iterable[Column]) -> str:
    """The columns' names between commas."""
    return ", ".join(quote(column.name) for column in some)


class Orphans:
    """The rows of the edge's child that a request is about.

    Args:
        schema: the schema that the edge is of.
        request: the request; its marked rows and its marked keys narrow them.
        index: the index that marked rows are told by; None for their place.
        version: the server's `server_version_num`: by it is told what casts, where the columns can't be compared.

    Raises:
        Trouble: no operator compares the edge's columns, and the rows can't be told without (`incomparable`), the table
            has another key than the marked rows were read by (`changed`), or the edge's keys can't be marked
            (`impossible`, `incomplete`).
    """

    def __init__(self, schema: Schema, request: Request, index: Index | None, version: int) -> None:
        self.schema = schema
        self.edge = request.edge
        self.table: Table = schema.child_of(request.edge)
        marked = [marked_rows(self.table, request.rows, index)] if request.rows else []
        marked += [_of_keys(self.predicate, request)] if request.missing else []
        self.marked = " AND ".join(marked)
        """Whether a row of `c` is marked; empty where all orphans are meant."""
        if incomparable(request.edge):
            orphaned, what = about(schema, request, version)
        else:
            orphaned, what = sql.condition(self.predicate, self.predicate.is_orphan), "the orphans"
            if request.scope is Scope.UNCASTABLE:
                raise incomplete("the columns can be compared, so that every value casts", "leave out the scope")
        self.where = f"{orphaned} AND {self.marked}" if self.marked else orphaned
        if request.without:
            self.where = " AND ".join((f"({self.where})", *(f"({each}) IS NOT TRUE" for each in request.without)))
        keys = f"{len(request.missing):,} marked {'key' if len(request.missing) == 1 else 'keys'}"
        self.what = "the marked rows" if request.rows else f"the orphans with {keys}" if request.missing else what
        self.label = table_label(self.table)

    @cached_property
    def predicate(self) -> EdgePredicate:
        """Tells the orphans; raises Trouble (`incomparable`) where the columns can't be compared."""
        return predicate_of(self.schema, self.edge)

    def step(self, title: str, change: Change, *, first: tuple[str, ...] = ()) -> DataStep:
        """A step of one change of them."""
        sets = {number for number, _ in change.sets}
        names = frozenset(column.name for column in self.table.columns if column.number in sets)
        reach = Reach(self.schema, self.table.oid, names if change.verb is Verb.UPDATE else None, {})
        return DataStep(title, change, data_locks(self.schema, change, [self.edge.parent], reach), first)

    def update(self, title: str, sets: Sequence[tuple[Column, str]], also: str = "") -> DataStep:
        """A step that sets columns of them.

        Args:
            title: of the step.
            sets: the columns, each with its value as SQL over `c`, or DEFAULT.
            also: one more condition over `c`.
        """
        # A bare NULL has no type, by which it could be compared with what is there.
        written = ", ".join(f"{sql.name(column.name)} = {_plain(value)}" for column, value in sets)
        change = Change(
            Verb.UPDATE,
            self.table.oid,
            f"UPDATE {sql.source(self.table, 'c')} SET {written}",
            f"{self.where} AND {also}" if also else self.where,
            sets=tuple((column.number, value) for column, value in sets),
        )
        return self.step(title, change)


def _plain(value: str) -> str:
    return "NULL" if value.startswith("CAST(NULL ") else value


def delete(orphans: Orphans) -> DataStep:
    """Delete them."""
    head = f"DELETE FROM {sql.source(orphans.table, 'c')}"
    change = Change(Verb.DELETE, orphans.table.oid, head, orphans.where)
    return orphans.step(f"delete {orphans.what} of {orphans.label}", change)


def set_null(orphans: Orphans) -> DataStep:
    """Set their key to NULL, as far as that is needed.

    Raises:
        Trouble: a column that has to be set may not be NULL.
    """
    columns = nullable(orphans.schema, orphans.edge)
    sets = [(column, sql.value(None, column.type)) for column in columns]
    return orphans.update(f"set {named(columns)} of {orphans.what} of {orphans.label} to NULL", sets)


def nullable(schema: Schema, edge: Relationship) -> list[Column]:
    """The columns to set to NULL: MATCH FULL wants all, MATCH SIMPLE one; best those that no other edge uses too.

    Raises:
        Trouble: there are none, or with MATCH FULL one may not be NULL; the reason names them.
    """
    own = [pair.child for pair in edge.pairs]
    free = [column for column in own if not column.not_null and not column.generated]
    if not free or (edge.match is Match.FULL and len(free) < len(own)):
        held = [column for column in own if column not in free]
        why = "is generated" if all(column.generated for column in held) else "is NOT NULL"
        raise impossible(f"{named(held)} {why}", "delete the rows, or re-point them to a parent that exists")
    if edge.match is Match.FULL:
        return free
    if chosen := [column for column in free if column.number in edge.set_columns]:
        return chosen
    others = {
        pair.child.number
        for other in schema.edges.values()
        if other.child == edge.child and other.oid != edge.oid
        for pair in other.pairs
    }
    return [column for column in free if column.number not in others] or free


def set_default(orphans: Orphans) -> DataStep:
    """Set their key to the columns' defaults.

    Raises:
        Trouble: there is no default, or a column without one may not be NULL; the reason names it.
    """
    columns = defaulted(orphans.edge)
    title = f"set {named(columns)} of {orphans.what} of {orphans.label} to the default"
    return orphans.update(title, [(column, DEFAULT) for column in columns])


def defaulted(edge: Relationship) -> list[Column]:
    """The columns to set to their defaults.

    Raises:
        Trouble: as for `set_default`.
    """
    columns = [pair.child for pair in edge.pairs if not edge.set_columns or pair.child.number in edge.set_columns]
    if generated := [column for column in columns if column.generated or column.identity]:
        raise impossible(f"{named(generated)} is generated", "delete the rows, or re-point them to another parent")
    without = [column for column in columns if not column.has_default]
    if len(without) == len(columns):
        raise impossible(f"{named(without)} has no default", "re-point the rows to a parent that exists")
    if bare := [column for column in without if column.not_null]:
        raise impossible(f"{named(bare)} has no default, and is NOT NULL", "re-point the rows to another parent")
    return columns


def repoint(orphans: Orphans, request: Request) -> DataStep:
    """Let them refer to a parent that exists: one, or by their old key.

    Raises:
        Trouble: neither a key nor a mapping is given, or it does not fit the edge's columns.
    """
    edge, predicate = orphans.edge, orphans.predicate
    repointable(edge)
    if bool(request.key) == bool(request.mapping):
        raise incomplete("say which parent to re-point to", "give one key, or a mapping of old keys to new ones")
    columns = [pair.child for pair in edge.pairs]
    if request.key:
        values = [as_child(pair, text) for pair, text in zip(edge.pairs, whole(edge, request.key), strict=True)]
        shown = ", ".join(str(text) for text in request.key)
        title = f"re-point {orphans.what} of {orphans.label} to {shown}"
        return orphans.update(title, list(zip(columns, values, strict=True)), names_parent(predicate, values))
    mapping = mapped(edge, request)
    old = " AND ".join(_is_old(predicate, at) for at in range(len(columns)))
    new = [f'(SELECT m."n{at}" FROM {mapping} WHERE {old})' for at in range(len(columns))]
    found = names_parent(predicate, [f'm."n{at}"' for at in range(len(columns))])
    title = f"re-point {orphans.what} of {orphans.label} by {len(request.mapping)} old keys"
    sets = list(zip(columns, new, strict=True))
    return orphans.update(title, sets, f"EXISTS (SELECT 1 FROM {mapping} WHERE {old} AND {found})")


def repointable(edge: Relationship) -> None:
    """Make sure that a row of the child can be given another parent.

    Raises:
        Trouble: it can't.
    """
    if edge.period:
        raise impossible("its key has a PERIOD, whose parent is not one row", "change the rows by hand")
    if generated := [pair.child for pair in edge.pairs if pair.child.generated]:
        raise impossible(f"{named(generated)} is generated", "change the columns that it is made of")


def insertable(edge: Relationship) -> tuple[Column, ...]:
    """The parent's key, if rows can be inserted that have a given one.

    Raises:
        Trouble: they can't.
    """
    if edge.period:
        raise impossible("its key has a PERIOD: which rows would cover it is not one answer", "insert them by hand")
    columns = tuple(pair.parent for pair in edge.pairs)
    if generated := [column for column in columns if column.generated]:
        raise impossible(f"{named(generated)} of the parent is generated", "insert the parents by hand")
    return columns


def whole(edge: Relationship, key: Sequence[str | None]) -> list[str]:
    """The key, if it has a value for each column of the edge.

    Raises:
        Trouble: it has not.
    """
    wanted = [pair.parent for pair in edge.pairs]
    values = [text for text in key if text is not None]
    if len(key) != len(wanted) or len(values) != len(wanted):
        raise incomplete(f"a key has a value for each of {named(wanted)}", "give all of them, in this order")
    return values


def as_child(pair: ColumnPair, text: str) -> str:
    """A parent's value, from its text, as the child's column holds it."""
    value = sql.value(text, pair.parent.type)
    return value if pair.child.type == pair.parent.type else f"CAST({value} AS {sql.type_name(pair.child.type)})"


def names_parent(predicate: EdgePredicate, values: Sequence[str]) -> str:
    """Whether a parent has this key: values as SQL, of the types of the child's columns."""
    compared = []
    for pair, parent, value in zip(predicate.edge.pairs, predicate.parent_keys, values, strict=True):
        child = cast_to(literal_column(value), pair.child_cast)
        assert pair.equals is not None  # noqa: S101 - the predicate compares them
        key = sql.written(collated(child, pair.collate) if pair.collate else child)
        compared.append(sql.compared(sql.written(parent), pair.equals, key))
    return f"EXISTS (SELECT 1 FROM {sql.source(predicate.parent_table, 'p')} WHERE {' AND '.join(compared)})"


def mapped(edge: Relationship, request: Request) -> str:
    """The mapping as a FROM element `m`: the old key's values in `k0`, …, the new one's, as the child's, in `n0`, ….

    Raises:
        Trouble: an old key is given twice, or a key has not as many values as the edge has columns.
    """
    rows = []
    seen: set[tuple[str, ...]] = set()
    for old, new in request.mapping:
        known = tuple(whole(edge, old))
        if known in seen:
            raise incomplete(f"the mapping has {', '.join(known)} twice", "each old key has one new one")
        seen.add(known)
        types = [pair.child_cast or pair.child.type for pair in edge.pairs]
        values = [sql.value(text, of) for text, of in zip(known, types, strict=True)]
        values += [as_child(pair, text) for pair, text in zip(edge.pairs, whole(edge, new), strict=True)]
        rows.append(f"({', '.join(values)})")
    names = [sql.name(f"{letter}{at}") for letter in "kn" for at in range(len(edge.pairs))]
    return f"(VALUES {', '.join(rows)}) AS m ({', '.join(names)})"


def _is_old(predicate: EdgePredicate, at: int) -> str:
    """Whether a row of `c` has the mapping's old value; the operator is that for two values of the child's type."""
    equals = predicate.edge.pairs[at].equals
    assert equals is not None  # noqa: S101 - the predicate compares them
    return sql.compared(f'm."k{at}"', equals, sql.written(predicate.child_keys[at]))


def quarantine(orphans: Orphans, request: Request) -> DataStep:
    """Move them to a side table, made for it, beside their own.

    Raises:
        Trouble: there is a table of that name.
    """
    table = orphans.table
    given = request.name or free_name(orphans.schema, table, f"{table.name}_quarantine")
    if any(each.schema == table.schema and each.name == given for each in orphans.schema.tables.values()):
        raise incomplete(f"there is a table {quote(given)} already", "give the side table another name")
    side = sql.name(table.schema, given)
    taken = {column.name for column in table.columns}
    when = next(name for name in ("quarantined_at", "fk_quarantined_at", "fk_quarantined_at_2") if name not in taken)
    # LIKE takes types and NOT NULL along, and neither defaults nor what generates a value.
    made = (
        f"CREATE TABLE {side} (LIKE {sql.table_name(table)},"
        f" {sql.name(when)} pg_catalog.timestamptz NOT NULL DEFAULT pg_catalog.now())"
    )
    change = Change(
        Verb.DELETE,
        table.oid,
        f"WITH gone AS (DELETE FROM {sql.source(table, 'c')}",
        orphans.where,
        f"RETURNING {sql.columns(table.columns, 'c')}) INSERT INTO {side} ({sql.columns(table.columns)})"
        f" SELECT {sql.columns(table.columns, 'gone')} FROM gone",
        into=side,
    )
    title = f"move {orphans.what} of {orphans.label} to {quote(table.schema)}.{quote(given)}"
    return orphans.step(title, change, first=(made,))


def free_name(schema: Schema, beside: Table, wanted: str) -> str:
    """A name of at most 63 bytes that no table of that schema has."""
    taken = {table.name for table in schema.tables.values() if table.schema == beside.schema}
    return unused(wanted, taken)


def unused(wanted: str, taken: set[str]) -> str:
    """The name, cut to 63 bytes, with a number where it is taken."""
    for number in range(1, len(taken) + 2):
        tail = "" if number == 1 else f"_{number}"
        name = wanted.encode()[: 63 - len(tail)].decode(errors="ignore") + tail
        if name not in taken:
            return name
    raise AssertionError("there are more numbers than names")


def marked_rows(table: Table, rows: Sequence[Key], index: Index | None) -> str:
    """Whether a row of `c` is one of these, by what identifies them (`Page.keys`).

    Raises:
        Trouble: they are not of this index (`changed`).
    """
    source = relation(table, "c")
    parts = index_parts(table, index, source) if index else place_parts(table, source)
    if any(len(row) != len(parts) for row in rows):
        raise Trouble(
            "the table's key has changed since these rows were read",
            "load the schema and the rows again",
            code="changed",
        )
    equals = []
    for at, part in enumerate(parts):
        collation = part.ordering.collation
        value = collated(part.value, collation) if collation else part.value
        equals.append(sql.compared(sql.written(value), part.ordering.equal, f'm."k{at}"'))
    return sql.any_of(rows, [part.ordering.type for part in parts], equals)


def _of_keys(predicate: EdgePredicate, request: Request) -> str:
    """Whether a row of `c` names one of the marked keys."""
    edge = request.edge
    if edge.period:
        raise impossible("its key has a PERIOD, which is compared by overlap", "mark the rows themselves")
    if any(len(key) != len(edge.pairs) for key in request.missing):
        raise incomplete(
            f"a key has a value for each of {named(pair.child for pair in edge.pairs)}", "give all of them"
        )
    equals = []
    for at, key in enumerate(predicate.child_keys):
        same = _is_old(predicate, at)
        # With MATCH FULL a key may be NULL in part.
        part = f'(m."k{at}" IS NULL AND {sql.written(key)} IS NULL OR {same})'
        equals.append(part if edge.match is Match.FULL else same)
    return sql.any_of(request.missing, [pair.child_cast or value_type(pair.child) for pair in edge.pairs], equals)
