"""The schema as the catalogue tells it: plain values that every other folder passes around.

A table is known by its OID, an edge (a foreign-key constraint) by its constraint's OID; names are for people.
Column numbers are `pg_attribute.attnum`. Nothing here does I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class TableKind(StrEnum):
    """`pg_class.relkind` of the relations that can stand at an end of an edge, or are shown beside those."""

    ORDINARY = "r"
    PARTITIONED = "p"
    FOREIGN = "f"


class Match(StrEnum):
    """`pg_constraint.confmatchtype`; PostgreSQL never implemented MATCH PARTIAL."""

    SIMPLE = "simple"
    FULL = "full"


class Action(StrEnum):
    """What a constraint does to the child (`pg_constraint.confdeltype`, `confupdtype`), in SQL's own words."""

    NO_ACTION = "no action"
    RESTRICT = "restrict"
    CASCADE = "cascade"
    SET_NULL = "set null"
    SET_DEFAULT = "set default"


class EdgeKind(StrEnum):
    """Where an edge comes from."""

    DECLARED = "declared"
    INFERRED = "inferred"
    CONFIGURED = "configured"


class EdgeState(StrEnum):
    """How far PostgreSQL vouches for an edge: the first that holds, in this order."""

    NOT_ENFORCED = "not_enforced"
    DISABLED = "disabled"
    NOT_VALID = "not_valid"
    ENFORCED = "enforced"
    UNDECLARED = "undeclared"


@dataclass(frozen=True, slots=True)
class TypeName:
    """A type as a cast has to name it: `pg_type.typname` with its schema.

    Never `format_type`: `text -> char(9)` cast to `character` means `char(1)`, which compares the wrong values.
    """

    schema: str
    name: str


@dataclass(frozen=True, slots=True)
class Collation:
    """A collation by its schema and name (`pg_collation`); `deterministic` is `collisdeterministic`."""

    schema: str
    name: str
    deterministic: bool = True


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator that is written with its schema, since reads empty the search_path.

    `left` and `right` are its input types (`pg_operator.oprleft`, `oprright`), None where the type is
    polymorphic (`anyenum`, `anyarray`, `anyrange`, …) and no cast may be written.
    """

    schema: str
    name: str
    left: TypeName | None
    right: TypeName | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table (`pg_attribute`, `pg_type`)."""

    number: int
    name: str
    type: TypeName
    type_text: str
    """`format_type`: what people read, as `character varying(40)`."""
    category: str
    """`pg_type.typcategory` of the base type: N numeric, S string, D date or time, B boolean, U other, …"""
    not_null: bool
    has_default: bool
    identity: str
    """`attidentity`: '' none, 'a' always, 'd' by default."""
    generated: bool
    collation: Collation | None
    may_select: bool
    may_update: bool
    comment: str | None = None
    base_type: TypeName | None = None
    """The type under a domain (all domains peeled off); None where `type` is no domain."""


@dataclass(frozen=True, slots=True)
class IndexColumn:
    """A key column of an index; `number` is 0 for an expression.

    The operators are those of the index's own operator family (`pg_amop` strategies 1, 3, 5 of a btree for this
    opclass's input type): the only ones whose order the index has. None for an access method without an order.
    `family` is that family's OID (`pg_opclass.opcfamily`), 0 where there is no order.
    """

    number: int
    collation: Collation | None
    less: Operator | None
    equal: Operator | None
    greater: Operator | None
    family: int = 0


@dataclass(frozen=True, slots=True)
class Index:
    """An index (`pg_index`); `valid` means `indisvalid`, `indisready` and `indislive` at once."""

    oid: int
    name: str
    method: str
    columns: tuple[IndexColumn, ...]
    unique: bool
    primary: bool
    valid: bool
    immediate: bool
    nulls_not_distinct: bool
    partial: bool
    not_null_predicate: int | None
    """Column of a predicate that is just `column IS NOT NULL`; such an index still serves its foreign key."""

    @property
    def has_expressions(self) -> bool:
        """Whether a key column is an expression."""
        return any(column.number == 0 for column in self.columns)


@dataclass(frozen=True, slots=True)
class Key:
    """A PRIMARY KEY or UNIQUE constraint (`pg_constraint.contype` p, u)."""

    oid: int
    name: str
    columns: tuple[int, ...]
    primary: bool
    deferrable: bool
    index: int


@dataclass(frozen=True, slots=True)
class Privileges:
    """What the connected role may do with a table (`has_table_privilege` and kin)."""

    usage: bool
    """USAGE on the table's schema."""
    select: bool
    """SELECT on the whole table; single columns say `Column.may_select`."""
    insert: bool
    update: bool
    delete: bool
    references: bool
    owner: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table; partitions are folded into their root and counted in its `partitions`."""

    oid: int
    schema: str
    name: str
    kind: TableKind
    columns: tuple[Column, ...]
    keys: tuple[Key, ...]
    indexes: tuple[Index, ...]
    persistence: str
    """`relpersistence`: p permanent, u unlogged, t temporary."""
    estimated_rows: float | None
    """`reltuples` (of all partitions); None where never analysed."""
    estimated_bytes: int
    """`relpages` times the block size, of all partitions: the main fork as of the last VACUUM or ANALYZE."""
    partitions: tuple[int, ...]
    """OIDs of all partitions below this table, at any depth."""
    inherits: tuple[int, ...]
    """OIDs of the tables it INHERITS from: their foreign keys do not bind its rows."""
    row_security: bool
    """`relrowsecurity`."""
    row_security_forced: bool
    row_security_active: bool
    """`row_security_active(oid)`: policies hide rows from the connected role."""
    owner: str
    privileges: Privileges
    comment: str | None = None
    live_rows: int = 0
    """Rows that the server has counted (`pg_stat_get_live_tuples`), of all partitions; 0 where it knows none."""
    visible: float = 0.0
    """The share of its pages (`relallvisible` of `relpages`), of all partitions, that no index-only scan reads."""

    def column(self, number: int) -> Column:
        """The column with this attnum; KeyError if there is none."""
        for column in self.columns:
            if column.number == number:
                return column
        raise KeyError(number)

    @property
    def likely_bytes(self) -> int:
        """`estimated_bytes`, but what the rows take at least where they came after the last VACUUM or ANALYZE.

        A row takes 28 bytes before its first column (a header of 24, its pointer of 4).
        """
        return max(self.estimated_bytes, 28 * self.live_rows)

    @property
    def primary_key(self) -> Key | None:
        """The PRIMARY KEY, if there is one."""
        return next((key for key in self.keys if key.primary), None)


@dataclass(frozen=True, slots=True)
class PairOrder:
    """An order in which the keys that an edge calls equal are equal: a btree operator family with its equality.

    `less` and `greater` have the child's value on the left and the parent's on the right (`pg_amop` strategies 1, 5);
    `family` is `amopfamily`.
    """

    family: int
    less: Operator
    greater: Operator


@dataclass(frozen=True, slots=True)
class ColumnPair:
    """One `child column = parent column` of an edge, as PostgreSQL's own check compares it."""

    child: Column
    parent: Column
    equals: Operator | None
    """`conpfeqop` (parent on the left; `&&` for the PERIOD column); None where the types cannot be compared."""
    orders: tuple[PairOrder, ...] = ()
    """The orders whose equality `equals` is."""

    @property
    def child_cast(self) -> TypeName | None:
        """The type that the child's value is cast to, or None where it already is of the operator's type."""
        wanted = self.equals.right if self.equals else None
        return wanted if wanted != self.child.type else None

    @property
    def parent_cast(self) -> TypeName | None:
        """The same for the parent's value."""
        wanted = self.equals.left if self.equals else None
        return wanted if wanted != self.parent.type else None

    @property
    def collate(self) -> Collation | None:
        """The parent's collation where the child's differs: without it the comparison is 42P22."""
        return self.parent.collation if self.parent.collation != self.child.collation else None


@dataclass(frozen=True, slots=True)
class Triggers:
    """Which of an edge's own (RI) triggers do not fire: `tgenabled` other than O and A.

    A partition's clones count with their root constraint; `places` names every table, `schema.table`, where a
    trigger is off or, after an old server's DETACH PARTITION, missing.
    """

    child_off: int = 0
    parent_off: int = 0
    missing: int = 0
    places: tuple[str, ...] = ()

    @property
    def all_fire(self) -> bool:
        """Whether nothing is off or missing."""
        return not (self.child_off or self.parent_off or self.missing)


@dataclass(frozen=True, slots=True)
class Condition:
    """Which rows of a child an undeclared edge is about: those whose `column` has this value, as `x_type = 'Post'`."""

    column: Column
    value: str


@dataclass(frozen=True, slots=True)
class Relationship:
    """An edge: a foreign-key constraint (`pg_constraint.contype` f, clones on partitions folded into it)."""

    oid: int
    name: str
    kind: EdgeKind
    child: int
    """OID of the referencing table."""
    parent: int
    """OID of the referenced table."""
    pairs: tuple[ColumnPair, ...]
    match: Match
    on_delete: Action
    on_update: Action
    set_columns: tuple[int, ...]
    """`confdelsetcols`: the columns of `SET NULL (cols)` or `SET DEFAULT (cols)`; empty means all of them."""
    deferrable: bool
    deferred: bool
    validated: bool
    enforced: bool
    period: bool
    """The last pair is a PERIOD (PostgreSQL 18): the parent's ranges together must cover the child's."""
    triggers: Triggers
    index: str | None
    """A valid index of the child whose leading columns are the key's, as `schema.name`; None if there is none."""
    comment: str | None = None
    only: Condition | None = None
    """None for all rows of the child, as every declared edge is; else those that a polymorphic pair means by it."""

    @property
    def state(self) -> EdgeState:
        """How far PostgreSQL vouches for this edge."""
        if self.kind is not EdgeKind.DECLARED:
            return EdgeState.UNDECLARED
        if not self.enforced:
            return EdgeState.NOT_ENFORCED
        if not self.triggers.all_fire:
            return EdgeState.DISABLED
        return EdgeState.ENFORCED if self.validated else EdgeState.NOT_VALID

    @property
    def self_referencing(self) -> bool:
        """Whether child and parent are one table."""
        return self.child == self.parent


SMALL = 20_000
"""Rows of a child up to which any count takes milliseconds, so that nothing need be known of what it would cost."""


@dataclass(frozen=True, slots=True)
class ColumnStatistics:
    """What ANALYZE saw of a column (`pg_stats`): a hint of what a count costs, never of what is true."""

    distinct: float
    """`n_distinct`: the number of distinct values, or below 0 minus their share of the rows."""
    null_fraction: float
    least: int | None = None
    """The first and the last bound of the histogram, for integers that an edge refers to."""
    greatest: int | None = None


@dataclass(frozen=True, slots=True)
class Schema:
    """All tables and edges of one database as of one snapshot."""

    tables: Mapping[int, Table]
    edges: Mapping[int, Relationship]
    loaded_at: datetime
    """The server's clock when the catalogue was read, in UTC."""
    partition_roots: Mapping[int, int] = field(default_factory=dict)
    """OID of each partition to the OID of the table that it is folded into."""
    statistics: Mapping[tuple[int, int], ColumnStatistics] = field(default_factory=dict)
    """By the table's OID and the column's number, of edges whose child is not small; none without ANALYZE, SELECT."""
    fingerprint: str = ""
    """Of the catalogue rows that it was built from: another one later means that something of them has changed."""

    def child_of(self, edge: Relationship) -> Table:
        """The referencing table."""
        return self.tables[edge.child]

    def parent_of(self, edge: Relationship) -> Table:
        """The referenced table."""
        return self.tables[edge.parent]
