"""The fixes that change the constraint: add, validate, check again, change what a delete of the parent does.

No scan runs under the lock of an ADD or a DROP: they leave the constraint NOT VALID, and VALIDATE is a step of its own.
Only a partitioned child before PostgreSQL 18 takes no NOT VALID (42809): there the scan is under the lock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.fixes import sql
from fkexplorer.fixes.indexes import only_period
from fkexplorer.fixes.locks import (
    ACCESS_EXCLUSIVE,
    ROW_SHARE,
    SHARE_ROW_EXCLUSIVE,
    SHARE_UPDATE_EXCLUSIVE,
    locks,
)
from fkexplorer.fixes.model import DdlStep
from fkexplorer.fixes.retype import OWN_COLUMN
from fkexplorer.fixes.rows import defaulted, impossible, incomplete, named, nullable, unused
from fkexplorer.schema.model import Action, EdgeKind, Match, TableKind
from fkexplorer.schema.names import condition_text, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fkexplorer.fixes.model import Request, Step
    from fkexplorer.schema.model import Index, Relationship, Schema, Table

PARTITIONED_NOT_VALID = 180000
"""`server_version_num` from which a partitioned child takes a constraint NOT VALID."""
RULES = {action.value.replace(" ", "-"): action for action in Action}
"""The ON DELETE rules by the names that a request has."""


def add(schema: Schema, request: Request, server_version: int) -> tuple[Step, ...]:
    """Add a constraint for a pair of columns, and validate it; no step where there is a valid one already.

    Raises:
        Trouble: the parent has no key to point at, its columns have other types, or one of the tables can't have one.
    """
    edge = request.edge
    comparable(edge)
    existing = same_columns(schema, edge)
    if existing is not None:
        return _existing(schema, existing)
    key_to_point_at(schema, edge)
    allowed(schema, edge, rule_of(request.rule) if request.rule else edge.on_delete)
    return adding(schema, request, server_version)


def adding(schema: Schema, request: Request, server_version: int) -> tuple[Step, ...]:
    """The steps that add a constraint and validate it, whatever stands in their way as yet.

    Raises:
        Trouble: the request names a rule that there is not.
    """
    edge = request.edge
    child, parent = schema.child_of(edge), schema.parent_of(edge)
    rule = rule_of(request.rule) if request.rule else edge.on_delete
    name = request.name or constraint_name(schema, edge)
    scanned = _scanned(child, server_version)
    definition = f"CONSTRAINT {sql.name(name)} {definition_of(schema, edge, rule)}"
    statement = f"ALTER TABLE {_only(child)}{sql.table_name(child)} ADD {definition}{'' if scanned else ' NOT VALID'}"
    modes = [(child.oid, SHARE_ROW_EXCLUSIVE), (parent.oid, SHARE_ROW_EXCLUSIVE)]
    step = DdlStep(
        f"add the constraint {quote(name)} to {table_label(child)}{'' if scanned else ', not checked yet'}",
        (statement,),
        locks(modes, while_scanned=scanned),
        f"ALTER TABLE … DROP CONSTRAINT {quote(name)} takes it back",
    )
    return (step,) if scanned else (step, _validate(schema, edge, name))


def validate(schema: Schema, edge: Relationship) -> tuple[Step, ...]:
    """Let the server look through the rows that were there before the constraint; no step where it has.

    Raises:
        Trouble: the constraint is not there, or not enforced.
    """
    _declared(edge)
    return _existing(schema, edge)


def revalidate(schema: Schema, edge: Relationship, server_version: int) -> tuple[Step, ...]:
    """Make a constraint that is called valid really checked: VALIDATE does not look again, so that it is made anew.

    Raises:
        Trouble: the constraint is not there, or not enforced.
    """
    _declared(edge)
    _enforced(edge)
    if not edge.validated:
        return _existing(schema, edge)
    return _anew(schema, edge, edge.on_delete, server_version, f"make the constraint {quote(edge.name)} anew")


def change_on_delete(schema: Schema, request: Request, server_version: int) -> tuple[Step, ...]:
    """Give a constraint another ON DELETE rule, and keep all else; no step where it has it.

    Raises:
        Trouble: the constraint is not there, or its columns can't have that rule.
    """
    edge = request.edge
    _declared(edge)
    rule = rule_of(request.rule)
    if rule is edge.on_delete:
        return ()
    allowed(schema, edge, rule)
    title = f"make the constraint {quote(edge.name)} ON DELETE {rule.value.upper()}"
    return _anew(schema, edge, rule, server_version, title)


def enforce(schema: Schema, edge: Relationship) -> tuple[Step, ...]:
    """Let the server enforce a constraint that is NOT ENFORCED, which looks through all rows; no step where it does.

    Raises:
        Trouble: the constraint is not there.
    """
    _declared(edge)
    if edge.enforced:
        return ()
    child, parent = schema.child_of(edge), schema.parent_of(edge)
    # A partitioned table takes no ONLY here, as its partitions are enforced with it.
    statement = f"ALTER TABLE {_only(child)}{sql.table_name(child)} ALTER CONSTRAINT {sql.name(edge.name)} ENFORCED"
    step = DdlStep(
        f"enforce the constraint {quote(edge.name)}",
        (statement,),
        locks([(child.oid, ACCESS_EXCLUSIVE), (parent.oid, SHARE_ROW_EXCLUSIVE)], while_scanned=True),
        f"ALTER TABLE … ALTER CONSTRAINT {quote(edge.name)} NOT ENFORCED takes it back",
    )
    return (step,)


def rule_of(text: str) -> Action:
    """The rule of that name.

    Raises:
        Trouble: there is none.
    """
    if text not in RULES:
        raise incomplete(f"there is no rule {text!r}" if text else "say which rule", f"it is one of {', '.join(RULES)}")
    return RULES[text]


def allowed(schema: Schema, edge: Relationship, rule: Action) -> None:
    """Make sure that the edge's columns can have an ON DELETE rule, and that it would do something.

    Raises:
        Trouble: they can't.
    """
    if edge.period and rule is not Action.NO_ACTION:
        raise impossible("a constraint with a PERIOD can only have NO ACTION", "leave it as it is")
    if rule is Action.SET_NULL:
        if edge.match is Match.SIMPLE and any(pair.child.not_null for pair in edge.pairs) and not _kept(edge, rule):
            held = [pair.child for pair in edge.pairs if pair.child.not_null]
            raise impossible(f"{named(held)} is NOT NULL", "let the column be NULL first, or choose another rule")
        nullable(schema, edge)
    if rule is Action.SET_DEFAULT:
        defaulted(edge)


def same_columns(schema: Schema, edge: Relationship) -> Relationship | None:
    """The declared edge between the same columns, whatever its name and the order that it lists them in."""
    wanted = {(pair.child.number, pair.parent.number) for pair in edge.pairs}
    for other in schema.edges.values():
        if other.kind is not EdgeKind.DECLARED or (other.child, other.parent) != (edge.child, edge.parent):
            continue
        if {(pair.child.number, pair.parent.number) for pair in other.pairs} == wanted and not other.period:
            return other
    return None


def key_to_point_at(schema: Schema, edge: Relationship) -> Index:
    """The unique index that a constraint between these columns would refer to.

    Raises:
        Trouble: there is none, or the tables can't have such a constraint; the hint is what would permit it.
    """
    child, parent = schema.child_of(edge), schema.parent_of(edge)
    for table in (child, parent):
        if table.kind is TableKind.FOREIGN:
            raise impossible(f"{table_label(table)} is a foreign table", "constraints can't cross servers")
    if _lasts(parent) < _lasts(child):
        kind = "temporary" if parent.persistence == "t" else "unlogged"
        hint = f"ALTER TABLE {table_label(parent)} SET LOGGED" if kind == "unlogged" else "use a permanent table"
        raise impossible(f"{table_label(parent)} is {kind}, and {table_label(child)} lasts longer", hint)
    columns = [pair.parent for pair in edge.pairs]
    wanted = {column.number for column in columns}
    later = False
    for index in parent.indexes:
        if {part.number for part in index.columns} == wanted and len(index.columns) == len(wanted):
            usable = index.unique and index.valid and not index.partial and not index.has_expressions
            usable = usable and index.method == "btree"
            if usable and index.immediate:
                return index
            later = later or usable
    if later:
        raise impossible(
            f"the unique key on {named(columns)} of {table_label(parent)} is deferrable",
            "a foreign key needs one that is checked at once",
        )
    only_period(parent, columns)
    listed = ", ".join(quote(column.name) for column in columns)
    raise impossible(
        f"{table_label(parent)} has no unique key on ({listed}) to point at",
        f"CREATE UNIQUE INDEX CONCURRENTLY ON {table_label(parent)} ({listed})",
    )


def comparable(edge: Relationship) -> None:
    """Make sure that a foreign key could compare each pair of columns, of the rows that are meant.

    Raises:
        Trouble: it could not; the reason names the first pair, or the rows.
    """
    if edge.only is not None:
        raise impossible(
            f"a constraint binds every row, and this pair is for those with {condition_text(edge.only)} only",
            OWN_COLUMN,
        )
    for pair in edge.pairs:
        if pair.equals is None:
            raise impossible(
                f"no operator compares {quote(pair.child.name)}, {pair.child.type_text}, with"
                f" {quote(pair.parent.name)}, {pair.parent.type_text}",
                "change the type of one of them first",
            )


def constraint_name(schema: Schema, edge: Relationship) -> str:
    """A name as PostgreSQL gives it: `table_column_fkey`; with a number where the child has it already."""
    child = schema.child_of(edge)
    taken = {other.name for other in schema.edges.values() if other.child == child.oid}
    taken |= {key.name for key in child.keys}
    columns = "_".join(pair.child.name for pair in edge.pairs)
    # The tail is what tells it: where it is too long, the front gives way.
    front = f"{child.name}_{columns}".encode()[: 63 - len("_fkey")].decode(errors="ignore")
    return unused(f"{front}_fkey", taken)


def name_of(schema: Schema, request: Request) -> str:
    """The constraint that a request is about, or the name that it would get."""
    existing = same_columns(schema, request.edge)
    return existing.name if existing else request.name or constraint_name(schema, request.edge)


def looks_through(step: Step) -> bool:
    """Whether a step makes the server look through the child's rows, and refuse where one has no parent."""
    if not isinstance(step, DdlStep):
        return False
    last = step.statements[0]
    return "VALIDATE CONSTRAINT" in last or not last.endswith(("NOT VALID", "NOT ENFORCED"))


def definition_of(schema: Schema, edge: Relationship, rule: Action) -> str:
    """`FOREIGN KEY (…) REFERENCES … ` with all that the edge has, but this ON DELETE rule; no NOT VALID."""
    parent = schema.parent_of(edge)
    period = len(edge.pairs) - 1 if edge.period else None

    def listed(names: Sequence[str]) -> str:
        return ", ".join(
            f"PERIOD {sql.name(each)}" if at == period else sql.name(each) for at, each in enumerate(names)
        )

    parts = [
        f"FOREIGN KEY ({listed([pair.child.name for pair in edge.pairs])})",
        f"REFERENCES {sql.table_name(parent)} ({listed([pair.parent.name for pair in edge.pairs])})",
    ]
    if edge.match is Match.FULL:
        parts.append("MATCH FULL")
    if edge.on_update is not Action.NO_ACTION:
        parts.append(f"ON UPDATE {edge.on_update.value.upper()}")
    if rule is not Action.NO_ACTION:
        columns = ""
        if _kept(edge, rule):
            columns = f" ({sql.columns(pair.child for pair in edge.pairs if pair.child.number in edge.set_columns)})"
        parts.append(f"ON DELETE {rule.value.upper()}{columns}")
    if edge.deferrable:
        parts.append("DEFERRABLE INITIALLY DEFERRED" if edge.deferred else "DEFERRABLE")
    if edge.kind is EdgeKind.DECLARED and not edge.enforced:
        parts.append("NOT ENFORCED")
    return " ".join(parts)


def _anew(schema: Schema, edge: Relationship, rule: Action, server_version: int, title: str) -> tuple[Step, ...]:
    """Drop and add in one statement, so that no moment is without it; then validate, if it was called valid."""
    child, parent = schema.child_of(edge), schema.parent_of(edge)
    scanned = edge.enforced and _scanned(child, server_version)
    name = sql.name(edge.name)
    tail = "" if scanned or not edge.enforced else " NOT VALID"
    table = sql.table_name(child)
    both = f"DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {definition_of(schema, edge, rule)}{tail}"
    statements = [f"ALTER TABLE {_only(child)}{table} {both}"]
    if edge.comment:
        statements.append(f"COMMENT ON CONSTRAINT {name} ON {table} IS {sql.literal(edge.comment)}")
    modes = [(child.oid, ACCESS_EXCLUSIVE), (parent.oid, ACCESS_EXCLUSIVE)]
    old = edge.on_delete.value.upper()
    undo = (
        f"the same with ON DELETE {old} takes it back"
        if rule is not edge.on_delete
        else "nothing has to be taken back: it is the same constraint"
    )
    step = DdlStep(title, tuple(statements), locks(modes, while_scanned=scanned), undo)
    if scanned or not (edge.enforced and edge.validated):
        return (step,)
    return step, _validate(schema, edge, edge.name)


def _existing(schema: Schema, edge: Relationship) -> tuple[Step, ...]:
    _enforced(edge)
    return () if edge.validated else (_validate(schema, edge, edge.name),)


def _validate(schema: Schema, edge: Relationship, name: str) -> DdlStep:
    child, parent = schema.child_of(edge), schema.parent_of(edge)
    return DdlStep(
        f"validate the constraint {quote(name)}",
        (f"ALTER TABLE {_only(child)}{sql.table_name(child)} VALIDATE CONSTRAINT {sql.name(name)}",),
        locks([(child.oid, SHARE_UPDATE_EXCLUSIVE), (parent.oid, ROW_SHARE)]),
        "it can't be taken back, and need not be: it changes nothing but what is known",
    )


def _declared(edge: Relationship) -> None:
    if edge.kind is not EdgeKind.DECLARED:
        raise impossible("these columns have no constraint", "add one first")


def _enforced(edge: Relationship) -> None:
    if not edge.enforced:
        raise impossible(
            f"the constraint {quote(edge.name)} is NOT ENFORCED",
            f"ALTER TABLE … ALTER CONSTRAINT {quote(edge.name)} ENFORCED, which checks all rows",
        )


def _kept(edge: Relationship, rule: Action) -> bool:
    """Whether the columns that SET NULL (…) or SET DEFAULT (…) lists now stay listed."""
    return bool(edge.set_columns) and rule in {Action.SET_NULL, Action.SET_DEFAULT}


def _scanned(child: Table, server_version: int) -> bool:
    return child.kind is TableKind.PARTITIONED and server_version < PARTITIONED_NOT_VALID


def _only(table: Table) -> str:
    # A foreign key is not inherited, with or without ONLY, and a partitioned table does not take it.
    return "" if table.kind is TableKind.PARTITIONED else "ONLY "


def _lasts(table: Table) -> int:
    return "tup".index(table.persistence)
