"""Two columns that no operator compares (42804): which, what a change of type would meet, and the statement for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fkexplorer.database.errors import Kind
from fkexplorer.database.model import Trouble
from fkexplorer.database.postgresql.pairs import read_pair
from fkexplorer.diagnosis.asking import Answer, Look, ask
from fkexplorer.diagnosis.cannot_sides import of_catalogue
from fkexplorer.diagnosis.keyed import equality, value_text
from fkexplorer.diagnosis.model import Evidence, Part, Suggestion
from fkexplorer.fixes import sql
from fkexplorer.schema.model import EdgeKind, TypeName
from fkexplorer.schema.names import columns_label, quote, table_label
from fkexplorer.schema.secrets import is_secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.diagnosis.cannot_sides import Sides
    from fkexplorer.diagnosis.case import Case
    from fkexplorer.schema.model import Column, Relationship, Table

_EXAMPLES = 3
"""Values that are shown of those that do not cast."""
_HANGING = 3
"""Foreign keys of a column that are named."""
_INPUT_IS_VALID = 160000
"""pg_input_is_valid came with PostgreSQL 16."""
_UUID = r"^({[0-9a-f]{4}(-?[0-9a-f]{4}){7}}|[0-9a-f]{4}(-?[0-9a-f]{4}){7})$"
"""What `string_to_uuid` (uuid.c) reads: 16 bytes, a hyphen after every second one if need be, braces around all."""
_INTEGER = r"^\s*[-+]?[0-9]+\s*$"
"""What `pg_strtoint32` and its kin (numutils.c) read before PostgreSQL 16."""
_GOOD = frozenset({"casts", "no_orphans_after_cast"})
"""What does not stand against a change."""
_RANGES = {"int2": (-(2**15), 2**15 - 1), "int4": (-(2**31), 2**31 - 1), "int8": (-(2**63), 2**63 - 1)}


async def types(case: Case, sides: Sides) -> Part:
    """Both sides' types, and what a change of the one that is off would meet.

    Returns:
        `live` is False where the two can be compared now.

    Raises:
        Trouble: the connection is lost.
    """
    child, parent = sides.child, sides.parent
    if child is None or parent is None or not sides.whole:
        return _untold(case, sides)
    off = [
        (one, other)
        for one, other in zip(sides.columns, sides.parent_columns, strict=True)
        if not await _comparable(case, (child, one), (parent, other))
    ]
    if not off:
        text = f"The types agree now: {_typed(child, sides.columns)} and {_typed(parent, sides.parent_columns)}."
        text += " They were changed after the error, or it is of another database."
        return Part((of_catalogue(case, "types_agree", text, weight=100, query=_query(sides)),), live=False)
    findings = [_differ(case, sides, off)]
    suggestions: list[Suggestion] = []
    changes = []
    for one, other in off:
        change = _Change.of(case, (child, one), (parent, other))
        changes.append(change)
        findings.append(change.direction(case))
        findings.append(await change.uncastable(case))
        suggestions.append(change.suggestion())
    if all(change.of_child for change in changes):
        findings += await _orphans(case, sides, {one.number for one, _ in off})
    suggestions += _constraint(case, sides)
    return Part(
        tuple(each for each in findings if each.code not in _GOOD),
        tuple(each for each in findings if each.code in _GOOD),
        tuple(suggestions),
        live=True,
    )


def _untold(case: Case, sides: Sides) -> Part:
    """The text does not tell both sides, or one of them is not here."""
    told = case.error.types
    if told is None:
        text = (
            "Two columns have types that no operator compares (42804); the server's DETAIL, which the text does not"
            " have, names them."
        )
        return Part((of_catalogue(case, "types_differ", text, weight=90),))
    names = " and ".join(", ".join(each) for each in (case.error.columns, case.error.parent_columns) if each)
    text = (
        f"{names or 'The two columns'} are of types {told[0]} and {told[1]}, says the text: no operator compares them."
    )
    findings = [of_catalogue(case, "types_differ", text, weight=100, result=f"{told[0]}, {told[1]}")]
    if sides.parent is not None and sides.parent_columns:
        text = f"{_typed(sides.parent, sides.parent_columns)} here: that is what the child has to be."
        findings.append(of_catalogue(case, "parent_type", text, weight=80, query=_query(sides)))
    return Part(tuple(findings))


async def _comparable(case: Case, child: tuple[Table, Column], parent: tuple[Table, Column]) -> bool:
    """Whether a foreign key could compare the two: as ATAddForeignKeyConstraint looks for an operator."""
    try:
        await read_pair(case.database, case.schema, (child[0], [child[1]]), (parent[0], [parent[1]]))
    except Trouble as trouble:
        if trouble.code != Kind.INCOMPARABLE.value:
            raise
        return False
    return True


def _typed(table: Table, columns: Sequence[Column]) -> str:
    types = ", ".join(column.type_text for column in columns)
    return f"{columns_label(table, columns)} is {types}"


def _query(sides: Sides) -> str:
    """The types as the catalogue has them."""
    ends = [
        f"({table.oid}, {column.number})"
        for table, columns in ((sides.child, sides.columns), (sides.parent, sides.parent_columns))
        for column in (columns if table else ())
        if table is not None
    ]
    return (
        "SELECT attrelid::regclass, attname, pg_catalog.format_type(atttypid, atttypmod)\n"
        f"FROM pg_catalog.pg_attribute WHERE (attrelid, attnum) IN ({', '.join(ends)});"
    )


def _differ(case: Case, sides: Sides, off: Sequence[tuple[Column, Column]]) -> Evidence:
    """Which columns no operator compares."""
    child, parent = sides.child, sides.parent
    assert child is not None and parent is not None  # noqa: S101, PT018 - both sides are whole
    said = "; ".join(f"{_typed(child, [one])}, {_typed(parent, [other])}" for one, other in off)
    text = f"{said}: no operator compares the two (42804)."
    result = ", ".join(f"{one.type_text} and {other.type_text}" for one, other in off)
    return of_catalogue(case, "types_differ", text, weight=100, result=result, query=_query(sides))


@dataclass(frozen=True, slots=True)
class _Change:
    """A column that would change its type to that of another."""

    table: Table
    column: Column
    to: Column
    other: Table
    hanging: tuple[Relationship, ...]
    """Foreign keys that the column is a part of, and so would change with it."""
    other_hanging: tuple[Relationship, ...]
    of_child: bool

    @classmethod
    def of(cls, case: Case, child: tuple[Table, Column], parent: tuple[Table, Column]) -> _Change:
        """The child's column follows the parent's, unless foreign keys hang on the child's alone."""
        of_child, of_parent = _hanging(case, *child), _hanging(case, *parent)
        if of_child and not of_parent:
            return cls(*parent, child[1], child[0], of_parent, of_child, of_child=False)
        return cls(*child, parent[1], parent[0], of_child, of_parent, of_child=True)

    @property
    def label(self) -> str:
        """The column with its table."""
        return columns_label(self.table, [self.column])

    def direction(self, case: Case) -> Evidence:
        """Which of the two had better change, and why."""
        other = columns_label(self.other, [self.to])
        text = f"{self.label} is the one to change, to {self.to.type_text}: {_hang(self.other_hanging)} on {other}"
        text += f", {_hang(self.hanging)} on {self.label}."
        if self.hanging:
            text += " Those are to be dropped first, and their other ends to be changed with it."
        result = f"{len(self.hanging)} here, {len(self.other_hanging)} there"
        query = (
            "SELECT conrelid::regclass, conname, confrelid::regclass FROM pg_catalog.pg_constraint WHERE contype = 'f'"
            f"\n AND ((conrelid = {self.table.oid} AND {self.column.number} = ANY (conkey))"
            f" OR (confrelid = {self.table.oid} AND {self.column.number} = ANY (confkey))"
            f"\n  OR (conrelid = {self.other.oid} AND {self.to.number} = ANY (conkey))"
            f" OR (confrelid = {self.other.oid} AND {self.to.number} = ANY (confkey)));"
        )
        return of_catalogue(case, "change_direction", text, weight=85, result=result, query=query)

    async def uncastable(self, case: Case) -> Evidence:
        """How many values the new type does not read, with examples; `casts` where it reads them all."""
        what = f"{self.label} to {self.to.type_text}"
        valid = _reads(case, self.column, self.to, "c")
        if valid is None:
            text = (
                f"How many values of {self.label} are no {self.to.type_text} can't be counted on this server:"
                " PostgreSQL 16 is the first that tells without an error."
            )
            return of_catalogue(case, "uncastable_unknown", text, weight=60)
        own = f"c.{sql.name(self.column.name)}"
        query = (
            f"SELECT CAST({own} AS pg_catalog.text) AS value, pg_catalog.count(*) AS rows,"
            " pg_catalog.sum(pg_catalog.count(*)) OVER ()::pg_catalog.int8 AS every,"
            " pg_catalog.count(*) OVER () AS values\n"
            f"FROM {sql.source(self.table, 'c')} WHERE {own} IS NOT NULL AND NOT {valid}\n"
            f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {_EXAMPLES}"
        )
        answer = await ask(case, Look(query, self.table, (self.column,)))
        if answer.rows is None:
            return answer.unknown(f"How many values of {self.label} are no {self.to.type_text}", weight=60)
        if not answer.rows:
            seen = " of those that this role may see" if answer.as_role else ""
            text = f"Every value{seen} casts from {what}."
            return answer.evidence("casts", text, result="0 rows do not cast", weight=50)
        _, _, every, values = answer.rows[0]
        examples = ", ".join(value_text(self.column, value) for value, *_ in answer.rows)
        shown = "" if is_secret(self.column.name) else f": {examples}{', …' if values > len(answer.rows) else ''}"
        text = f"{values:,} value{_s(values)} of {self.label} ({every:,} row{_s(every)}) {_do(values)} not cast to"
        text += f" {self.to.type_text}{shown}."
        return answer.evidence("uncastable", text, result=f"{every:,} row{_s(every)} do not cast", weight=95)

    def suggestion(self) -> Suggestion:
        """The statement that changes the type."""
        own, to = quote(self.column.name), self.to.type_text
        through = own if self.column.category == "S" or self.to.category == "S" else f"{own}::text"
        alter = f"ALTER TABLE {table_label(self.table)} ALTER COLUMN {own}"
        steps = [f"{alter} TYPE {to} USING {through}::{to};"]
        text = (
            f"Change {self.label} to {to}, once every value casts: that rewrites the table, which is locked meanwhile."
        )
        if self.column.has_default:
            steps.insert(0, f"{alter} DROP DEFAULT;")
            text += " Its default is dropped before, and to be set anew."
        return Suggestion(text, sql="\n".join(steps), weight=90)


def _hanging(case: Case, table: Table, column: Column) -> tuple[Relationship, ...]:
    """The declared foreign keys that a column is a part of, on either side."""
    return tuple(
        edge
        for edge in case.schema.edges.values()
        if edge.kind is EdgeKind.DECLARED
        and any(
            (edge.child, pair.child.number) == (table.oid, column.number)
            or (edge.parent, pair.parent.number) == (table.oid, column.number)
            for pair in edge.pairs
        )
    )


def _hang(edges: Sequence[Relationship]) -> str:
    if not edges:
        return "no foreign key hangs"
    names = ", ".join(quote(edge.name) for edge in edges[:_HANGING])
    more = f" and {len(edges) - _HANGING} more" if len(edges) > _HANGING else ""
    return f"{len(edges)} foreign key{_s(len(edges))} hang{'s' if len(edges) == 1 else ''} ({names}{more})"


def _s(number: int) -> str:
    return "" if number == 1 else "s"


def _do(number: int) -> str:
    return "does" if number == 1 else "do"


def _reads(case: Case, column: Column, to: Column, alias: str) -> str | None:
    """A condition: the column's value, as text, is one of the other type. None where no such condition can be written.

    It raises nothing whatever the value is.
    """
    text = f"CAST({alias}.{sql.name(column.name)} AS pg_catalog.text)"
    of = to.base_type or to.type
    if to.category == "S":
        return "true"
    if case.database.facts.version_number >= _INPUT_IS_VALID:
        return f"pg_catalog.pg_input_is_valid({text}, {sql.literal(sql.type_name(to.type))})"
    if to.base_type is not None or of.schema != "pg_catalog":
        return None  # a domain has a CHECK of its own
    # A collation may be one that patterns are refused under.
    plain = f'{text} COLLATE pg_catalog."C"'
    if of == TypeName("pg_catalog", "uuid"):
        return f"({plain} OPERATOR(pg_catalog.~*) {sql.literal(_UUID)})"
    if of.name in _RANGES:
        least, greatest = _RANGES[of.name]
        return (
            f"CASE WHEN {plain} OPERATOR(pg_catalog.~) {sql.literal(_INTEGER)}"
            f" THEN CAST({text} AS pg_catalog.numeric) BETWEEN {least} AND {greatest} ELSE false END"
        )
    return None


async def _orphans(case: Case, sides: Sides, off: set[int]) -> list[Evidence]:
    """The rows that would have no parent after the change: the next error, 23503."""
    child, parent = sides.child, sides.parent
    assert child is not None and parent is not None  # noqa: S101, PT018 - both sides are whole
    read, compared, present = [], [], []
    for one, other in zip(sides.columns, sides.parent_columns, strict=True):
        own = f"c.{sql.name(one.name)}"
        present.append(f"{own} IS NOT NULL")
        if one.number in off:
            valid = _reads(case, one, other, "c")
            if valid is None:
                return []
            read.append(valid)
            own = f"CAST({own} AS pg_catalog.text)"
        value = f"CAST({own} AS {sql.type_name(other.type)})"
        compared.append(sql.compared(f"p.{sql.name(other.name)}", equality(parent, other), value))
    # CASE keeps the cast away from values that would make it fail.
    query = (
        f"SELECT pg_catalog.count(*) FROM {sql.source(child, 'c')} WHERE {' AND '.join(present)} AND"
        f" CASE WHEN {' AND '.join(read)} THEN NOT EXISTS (SELECT 1 FROM {sql.source(parent, 'p')}\n"
        f" WHERE {' AND '.join(compared)}) ELSE false END"
    )
    # Both tables are read: the larger one is what it costs.
    large = max((child, parent), key=lambda table: table.likely_bytes)
    columns = sides.columns if large is child else sides.parent_columns
    answer = await ask(case, Look(query, large, columns))
    answer = _of_child(answer, child)
    number = answer.number
    if number is None:
        return [answer.unknown(f"How many rows of {table_label(child)} would have no parent after that", weight=55)]
    if not number:
        if answer.as_role:
            return []
        text = f"Of the values that cast, every one has its row in {table_label(parent)}."
        return [answer.evidence("no_orphans_after_cast", text, result="0 orphans", weight=50)]
    rows = f"{number:,} row{_s(number)}"
    text = (
        f"After the change {rows} of {table_label(child)} would still name no row of {table_label(parent)}: the next"
        " error would be 23503."
    )
    return [answer.evidence("orphans_after_cast", text, result=rows, weight=88)]


def _of_child(answer: Answer, child: Table) -> Answer:
    """The answer as one about the child."""
    return replace(answer, look=replace(answer.look, table=child))


def _constraint(case: Case, sides: Sides) -> list[Suggestion]:
    """The statements that make the constraint once the types agree."""
    child, parent = sides.child, sides.parent
    assert child is not None and parent is not None  # noqa: S101, PT018 - both sides are whole
    name = case.error.constraint or "_".join((child.name, *(each.name for each in sides.columns), "fkey"))
    columns = ", ".join(quote(each.name) for each in sides.columns)
    key = ", ".join(quote(each.name) for each in sides.parent_columns)
    table = table_label(child)
    statement = (
        f"ALTER TABLE {table} ADD CONSTRAINT {quote(name)} FOREIGN KEY ({columns}) REFERENCES {table_label(parent)}"
        f" ({key}) NOT VALID;\nALTER TABLE {table} VALIDATE CONSTRAINT {quote(name)};"
    )
    text = "Then make the constraint: NOT VALID first, and have it checked once no orphan is left."
    return [Suggestion(text, sql=statement, weight=80)]
