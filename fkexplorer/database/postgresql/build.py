"""Turns the rows of the catalogue statements into the schema's plain values, each repeated value made once."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from sys import intern
from typing import TYPE_CHECKING, Any

from fkexplorer.schema.model import (
    Action,
    Collation,
    Column,
    ColumnPair,
    ColumnStatistics,
    EdgeKind,
    Index,
    IndexColumn,
    Key,
    Match,
    Operator,
    PairOrder,
    Privileges,
    Relationship,
    Schema,
    Table,
    TableKind,
    Triggers,
    TypeName,
)
from fkexplorer.schema.names import qualified

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Rows = Sequence[tuple[Any, ...]]
    Answers = Mapping[str, Rows]

_ACTIONS = {
    "a": Action.NO_ACTION,
    "r": Action.RESTRICT,
    "c": Action.CASCADE,
    "n": Action.SET_NULL,
    "d": Action.SET_DEFAULT,
}
_MATCHES = {"s": Match.SIMPLE, "f": Match.FULL}
_ALL_FIRE = Triggers()


def build_schema(answers: Answers) -> Schema:
    """The schema that the statements' answers describe.

    Args:
        answers: for each statement's name the rows that it brought back.
    """
    collations = {oid: Collation(intern(schema), name, det) for oid, schema, name, det in answers["collations"]}
    operators = _operators(answers["operators"])
    privileges = {row[0]: Privileges(*row[15:22]) for row in answers["tables"]}
    comments = {(oid, number): text for oid, number, text in answers["comments"]}
    columns = _columns(answers, collations, privileges, comments)
    indexes = _indexes(answers, collations, operators)
    keys: dict[int, list[Key]] = defaultdict(list)
    for oid, name, relation, numbers, primary, deferrable, index in answers["keys"]:
        keys[relation].append(Key(oid, name, tuple(numbers), primary, deferrable, index))
    partitions = _Partitions(answers)
    tables: dict[int, Table] = {}
    for row in answers["tables"]:
        oid = row[0]
        sizes = partitions.sizes[oid] + _Sizes(*row[5:10])
        tables[oid] = Table(
            oid=oid,
            schema=intern(row[1]),
            name=intern(row[2]),
            kind=TableKind(row[3]),
            columns=tuple(columns.get(oid, {}).values()),
            keys=tuple(keys.get(oid, ())),
            indexes=tuple(each.index for each in indexes.get(oid, ())),
            persistence=intern(row[4]),
            estimated_rows=sizes.rows,
            estimated_bytes=sizes.bytes,
            partitions=tuple(partitions.below.get(oid, ())),
            inherits=tuple(row[10] or ()),
            row_security=row[11],
            row_security_forced=row[12],
            row_security_active=row[13],
            owner=intern(row[14]),
            privileges=privileges[oid],
            comment=comments.get((oid, 0)),
            live_rows=sizes.live,
            visible=sizes.visible_pages / sizes.pages if sizes.pages else 0.0,
        )
    return Schema(
        tables=tables,
        edges=_edges(answers, tables, columns, indexes, operators),
        loaded_at=datetime.fromtimestamp(answers["clock"][0][0], UTC),
        partition_roots=partitions.roots,
        statistics={(row[0], row[1]): ColumnStatistics(*row[2:]) for row in answers["statistics"]},
        fingerprint=answers["fingerprint"][0][0],
    )


def _operators(rows: Rows) -> dict[int, Operator]:
    types: dict[tuple[str, str], TypeName] = {}

    def side(schema: str | None, name: str) -> TypeName | None:
        return None if schema is None else types.setdefault((schema, name), TypeName(intern(schema), intern(name)))

    return {
        oid: Operator(intern(schema), intern(name), side(left_schema, left), side(right_schema, right))
        for oid, schema, name, left_schema, left, right_schema, right in rows
    }


def _columns(
    answers: Answers,
    collations: Mapping[int, Collation],
    privileges: Mapping[int, Privileges],
    comments: Mapping[tuple[int, int], str],
) -> dict[int, dict[int, Column]]:
    """The columns of each table by attnum."""
    names, categories, under, texts = _types(answers["types"])
    bases: dict[int, TypeName] = {}
    for oid in under:
        base = oid
        while base in under:
            base = under[base]
        bases[oid] = names[base]
    made: dict[tuple[Any, ...], Column] = {}
    found: dict[int, dict[int, Column]] = defaultdict(dict)
    for relation, *row, select, update in answers["columns"]:
        of_table = privileges[relation]
        may_select = of_table.select if select is None else select
        may_update = of_table.update if update is None else update
        number, name, type_oid, modifier, not_null, default, identity, generated, collation = row
        # Many tables begin alike (id, created_at, …): one value serves them all.
        key = (*row, may_select, may_update, comments.get((relation, number)))
        column = made.get(key)
        if column is None:
            column = made[key] = Column(
                number=number,
                name=intern(name),
                type=names[type_oid],
                type_text=texts[type_oid, modifier],
                category=categories[type_oid],
                not_null=not_null,
                has_default=default,
                identity=intern(identity),
                generated=generated != "",
                collation=collations.get(collation),
                may_select=may_select,
                may_update=may_update,
                comment=key[-1],
                base_type=bases.get(type_oid),
            )
        found[relation][number] = column
    return found


def _types(
    rows: Rows,
) -> tuple[dict[int, TypeName], dict[int, str], dict[int, int], dict[tuple[int, int | None], str]]:
    """By OID the name, category and (of a domain) the type under it; by OID and modifier the text."""
    names: dict[int, TypeName] = {}
    categories: dict[int, str] = {}
    under: dict[int, int] = {}
    texts: dict[tuple[int, int | None], str] = {}
    for oid, modifier, text, schema, name, category, base in rows:
        names.setdefault(oid, TypeName(intern(schema), intern(name)))
        categories[oid] = intern(category)
        texts[oid, modifier] = text
        if base is not None:
            under[oid] = base
    return names, categories, under, texts


@dataclass(frozen=True, slots=True)
class _IndexParts:
    """An index with what only the search for a supporting one needs."""

    index: Index
    numbers: tuple[int, ...]
    classes: tuple[int, ...]
    collations: tuple[int, ...]


def _indexes(
    answers: Answers, collations: Mapping[int, Collation], operators: Mapping[int, Operator]
) -> dict[int, list[_IndexParts]]:
    orderings: dict[int, dict[int, Operator]] = defaultdict(dict)
    families: dict[int, int] = {}
    for operator_class, family, strategy, operator in answers["orderings"]:
        orderings[operator_class][strategy] = operators[operator]
        families[operator_class] = family
    made: dict[tuple[int, int, int], IndexColumn] = {}

    def column(key: tuple[int, int, int]) -> IndexColumn:
        if key not in made:
            number, operator_class, collation = key
            ordering = orderings.get(operator_class, {})
            made[key] = IndexColumn(
                number,
                collations.get(collation),
                ordering.get(1),
                ordering.get(3),
                ordering.get(5),
                families.get(operator_class, 0),
            )
        return made[key]

    found: dict[int, list[_IndexParts]] = defaultdict(list)
    for row in answers["indexes"]:
        oid, relation, name, method, numbers, classes, collated, count, unique, primary, valid, immediate = row[:12]
        numbers = tuple(numbers[:count])
        keys = zip(numbers, classes, collated, strict=True)
        index = Index(
            oid=oid,
            name=name,
            method=intern(method),
            columns=tuple(column(key) for key in keys),
            unique=unique,
            primary=primary,
            valid=valid,
            immediate=immediate,
            nulls_not_distinct=row[12],
            partial=row[13],
            not_null_predicate=row[14],
        )
        found[relation].append(_IndexParts(index, numbers, tuple(classes), tuple(collated)))
    return found


@dataclass(frozen=True, slots=True)
class _Sizes:
    """How large a relation is thought to be."""

    rows: float | None = None
    bytes: int = 0
    live: int = 0
    pages: int = 0
    visible_pages: int = 0

    def __add__(self, other: _Sizes) -> _Sizes:
        known = [rows for rows in (self.rows, other.rows) if rows is not None]
        return _Sizes(
            sum(known) if known else None,
            self.bytes + other.bytes,
            self.live + other.live,
            self.pages + other.pages,
            self.visible_pages + other.visible_pages,
        )


class _Partitions:
    """What lies below each table that has partitions, at any depth."""

    def __init__(self, answers: Answers) -> None:
        above = {row[0]: row[1] for row in answers["partitions"]}
        kept = {row[0] for row in answers["tables"]}
        self.below: dict[int, list[int]] = defaultdict(list)
        self.sizes: dict[int, _Sizes] = defaultdict(_Sizes)
        self.roots: dict[int, int] = {}
        for oid, parent, *sizes in answers["partitions"]:
            ancestor = parent
            while True:
                if ancestor in kept:
                    self.below[ancestor].append(oid)
                    self.sizes[ancestor] += _Sizes(*sizes)
                if ancestor not in above:
                    break
                ancestor = above[ancestor]
            if oid not in kept:
                self.roots[oid] = ancestor


def _edges(
    answers: Answers,
    tables: Mapping[int, Table],
    columns: Mapping[int, Mapping[int, Column]],
    indexes: Mapping[int, Sequence[_IndexParts]],
    operators: Mapping[int, Operator],
) -> dict[int, Relationship]:
    triggers = _triggers(answers)
    comments: dict[int, str] = dict(answers["edge_comments"])
    families = set(answers["families"])
    orders: dict[int, list[PairOrder]] = defaultdict(list)
    for operator, family, less, greater in answers["orders"]:
        orders[operator].append(PairOrder(family, operators[less], operators[greater]))
    by_operator = {operator: tuple(each) for operator, each in orders.items()}
    collations = {(row[0], row[1]): row[9] for row in answers["columns"]}
    mixed = {row[0] for row in answers["collations"] if not row[3]}
    edges: dict[int, Relationship] = {}
    for row in answers["edges"]:
        oid, name, child, parent, conkey, confkey, match, on_delete, on_update, set_columns = row[:10]
        deferrable, deferred, validated, enforced, period, equals, finds = row[10:]
        equals = equals or [0] * len(conkey)
        wanted: dict[int, tuple[int, int]] = {}
        for number, parent_number, operator in zip(conkey, confkey, finds or [0] * len(conkey), strict=True):
            collation = collations[parent, parent_number]
            wanted[number] = (operator, collation if collation in mixed else collations[child, number])
        index = _supporting(indexes.get(child, ()), wanted, families)
        edges[oid] = Relationship(
            oid=oid,
            name=name,
            kind=EdgeKind.DECLARED,
            child=child,
            parent=parent,
            pairs=tuple(
                ColumnPair(
                    columns[child][number],
                    columns[parent][parent_number],
                    operators.get(operator),
                    by_operator.get(operator, ()),
                )
                for number, parent_number, operator in zip(conkey, confkey, equals, strict=True)
            ),
            match=_MATCHES[match],
            on_delete=_ACTIONS[on_delete],
            on_update=_ACTIONS[on_update],
            set_columns=tuple(set_columns or ()),
            deferrable=deferrable,
            deferred=deferred,
            validated=validated,
            enforced=enforced,
            period=period,
            triggers=triggers.get(oid, _ALL_FIRE),
            index=qualified(tables[child].schema, index) if index else None,
            comment=comments.get(oid),
        )
    return edges


def _triggers(answers: Answers) -> dict[int, Triggers]:
    child_off: dict[int, int] = defaultdict(int)
    parent_off: dict[int, int] = defaultdict(int)
    missing: dict[int, int] = defaultdict(int)
    places: dict[int, set[str]] = defaultdict(set)
    for edge, on_child, schema, name in answers["triggers_off"]:
        (child_off if on_child else parent_off)[edge] += 1
        places[edge].add(qualified(schema, name))
    for edge, schema, name in answers["unprotected"]:
        missing[edge] += 1
        places[edge].add(qualified(schema, name))
    return {
        edge: Triggers(child_off[edge], parent_off[edge], missing[edge], tuple(sorted(names)))
        for edge, names in places.items()
    }


def _supporting(
    indexes: Sequence[_IndexParts], wanted: Mapping[int, tuple[int, int]], families: set[tuple[int, int]]
) -> str | None:
    """The name of the smallest index that finds a child's rows by the whole key; None if there is none.

    Args:
        indexes: those of the child.
        wanted: for each column of the key the operator (`conffeqop`) and the collation that PostgreSQL's own lookup
            compares it with; the index has to have that operator in its family, and the same collation.
        families: pairs of an operator class and an operator in its family.
    """
    best: tuple[bool, int, str] | None = None
    for each in indexes:
        index = each.index
        leading = each.numbers[: len(wanted)]
        if not index.valid or set(leading) != wanted.keys():
            continue
        if index.partial and index.not_null_predicate not in wanted:
            continue
        keys = zip(leading, each.classes, each.collations, strict=False)
        if all(
            (opclass, wanted[n][0]) in families and collation in {0, wanted[n][1]} for n, opclass, collation in keys
        ):
            rank = (index.partial, len(index.columns), index.name)
            best = rank if best is None else min(best, rank)
    return best[2] if best else None
