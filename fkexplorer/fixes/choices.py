"""Every fix that an edge could have; of one that can't be done here why, and what would permit it.

What may have changed since the catalogue was read (privileges, ownership, row security) is asked of the server.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import psycopg

from fkexplorer.database.errors import trouble_of
from fkexplorer.database.model import Trouble
from fkexplorer.fixes import constraints, indexes, rows, sync, twins
from fkexplorer.fixes.misfits import MENDS, incomparable, misfits
from fkexplorer.fixes.model import Choice
from fkexplorer.fixes.permits import MAY, STATE, May, No, Permits, Role
from fkexplorer.fixes.reach import Reach
from fkexplorer.fixes.retype import CHILD, OWN_COLUMN, of_other_rows, retypes
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.model import EdgeKind, TableKind
from fkexplorer.schema.names import quote, table_label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from fkexplorer.database.connection import Database
    from fkexplorer.fixes.twins import Keeper
    from fkexplorer.orphans.model import Count
    from fkexplorer.schema.model import Column, Relationship, Schema, Table

_TITLES = {
    FixAction.DELETE: "delete the orphans",
    FixAction.SET_NULL: "set the key to NULL",
    FixAction.SET_DEFAULT: "set the key to its default",
    FixAction.REPOINT: "re-point to a parent that exists",
    FixAction.INSERT_PARENTS: "insert the missing parents",
    FixAction.BACKFILL: "bring the parents from another table",
    FixAction.QUARANTINE: "move the orphans to a side table",
    FixAction.ADD_CONSTRAINT: "add the constraint",
    FixAction.VALIDATE: "validate the constraint",
    FixAction.REVALIDATE: "make the constraint really checked",
    FixAction.ENFORCE: "enforce the constraint",
    FixAction.CREATE_INDEX: "build an index on the key",
    FixAction.CHANGE_TYPE: "give the key the parent's type",
    FixAction.ADD_UNIQUE: "give the parent's columns a unique key",
    FixAction.ENABLE_TRIGGERS: "switch the constraint's triggers on",
    FixAction.SYNC_TRIGGER: "keep the pair in step by a trigger",
}


async def choices(database: Database, schema: Schema, edge: Relationship, count: Count | None) -> list[Choice]:
    """All actions, in the panel's order; `change-on-delete` once for each rule.

    Args:
        database: whom to ask.
        schema: the schema that the edge is of.
        edge: a declared edge, or one of a pair of columns.
        count: what is known of its orphans.

    Raises:
        Trouble: the connection is lost, or the server refused to be asked.
    """
    tables = {edge.child, edge.parent, *Reach(schema, edge.child, None, {}).tables}
    try:
        found, state, *rest = await database.glance(
            MAY.format(tables=", ".join(map(str, sorted(tables)))), STATE, *_of_twins(schema, edge)
        )
    except psycopg.Error as error:
        raise trouble_of(error) from error
    may = {oid: May(*values) for oid, *values in found}
    [(standby, name, replication, superuser)] = state
    triggers, functions = (value for [(value,)] in rest) if rest else ((), ())
    keepers = twins.keepers(triggers, functions, schema.child_of(edge))
    role = Role(standby, name, replication, superuser, database.facts.version_number)
    return _Choosing((schema, edge, may, role), count, next(iter(keepers), None)).all()


def _of_twins(schema: Schema, edge: Relationship) -> tuple[str, ...]:
    """What tells who keeps a pair in step; nothing for an edge that is none: it takes a look at every function."""
    try:
        sync.check_pair(schema, edge)
    except Trouble:
        return ()
    return twins.statements(schema.parent_of(edge), schema.child_of(edge))


class _Choosing(Permits):
    """The choices of one edge."""

    def __init__(
        self, about: tuple[Schema, Relationship, Mapping[int, May], Role], count: Count | None, keeper: Keeper | None
    ) -> None:
        super().__init__(*about)
        self._orphans = count.orphans if count else None
        self._misfits = (
            count.uncastable + count.orphans_if_cast
            if count and count.uncastable is not None and count.orphans_if_cast is not None
            else None
        )
        self._keeper = keeper

    def all(self) -> list[Choice]:
        """Every one of them."""
        checks: dict[FixAction, Callable[[], None]] = {
            FixAction.DELETE: self._delete,
            FixAction.SET_NULL: self._set_null,
            FixAction.SET_DEFAULT: self._set_default,
            FixAction.REPOINT: self._repoint,
            FixAction.INSERT_PARENTS: self._insert,
            FixAction.BACKFILL: self._insert,
            FixAction.QUARANTINE: self._quarantine,
            FixAction.ADD_CONSTRAINT: self._add,
            FixAction.VALIDATE: self._validate,
            FixAction.REVALIDATE: self._revalidate,
            FixAction.ENFORCE: self._enforce,
            FixAction.CREATE_INDEX: self._index,
            FixAction.CHANGE_TYPE: self._type,
            FixAction.ADD_UNIQUE: self._unique,
            FixAction.ENABLE_TRIGGERS: self._triggers,
            FixAction.SYNC_TRIGGER: self._sync,
        }
        found = [self._choice(action, self._title(action), check) for action, check in checks.items()]
        for rule, action in constraints.RULES.items():
            found.append(
                self._choice(
                    FixAction.CHANGE_ON_DELETE,
                    f"ON DELETE {action.value.upper()}",
                    partial(self._change, rule),
                    rule,
                )
            )
        return found

    def _choice(self, action: FixAction, title: str, check: Callable[[], None], rule: str = "") -> Choice:
        if self._edge.kind is EdgeKind.INFERRED:
            return Choice(action, title, "it is a guess", "+ accepts it first", rule)
        try:
            self._anywhere()
            check()
        except No as no:
            return Choice(action, title, no.reason, no.remedy, rule)
        except Trouble as trouble:
            return Choice(action, title, trouble.reason, trouble.hint, rule)
        return Choice(action, title, rule=rule, asks=not (action is FixAction.SYNC_TRIGGER and self._keeper))

    def _title(self, action: FixAction) -> str:
        if action is FixAction.SYNC_TRIGGER and self._keeper is not None and not self._keeper.fires:
            return f"enable the trigger {quote(self._keeper.trigger)}, which keeps the pair in step"
        if incomparable(self._edge):
            rows = "the rows" if self._misfits is None else f"the {self._misfits:,} rows"
            return _TITLES[action].replace("the orphans", f"{rows} that do not cast or have no parent")
        some = f"the {self._orphans:,} orphan{'' if self._orphans == 1 else 's'}" if self._orphans else "the orphans"
        return _TITLES[action].replace("the orphans", some)

    def _rows(self, action: FixAction) -> None:
        """What keeps every change of the orphans from being done."""
        if incomparable(self._edge):
            if action not in MENDS:
                raise No("no operator compares the columns of the two sides", "change the type first")
            misfits(self._schema, self._edge, self._server.version)
            if self._misfits == 0:
                raise No("every row casts, and has a parent then")
        if self._server.replication != "origin":
            raise No(
                f"session_replication_role is {self._server.replication}: no foreign key would act, nor refuse",
                "connect without that setting",
            )
        self._orphaned()
        for table in (self._child, self._parent):
            self._sees(table)

    def _orphaned(self) -> None:
        if self._orphans == 0:
            raise No("there is no orphan")

    def _below(self, columns: Iterable[Column] | None) -> None:
        """The rows that follow by foreign keys are read, too: to be counted, and backed up."""
        names = None if columns is None else frozenset(column.name for column in columns)
        for oid in Reach(self._schema, self._child.oid, names, {}).tables:
            self._sees(self._schema.tables[oid])

    def _delete(self) -> None:
        self._rows(FixAction.DELETE)
        if not self._may[self._child.oid].delete:
            self._lacks("DELETE", self._child)
        # A row is locked before it is backed up, for which PostgreSQL wants the same as for an UPDATE.
        if not self._may[self._child.oid].updatable:
            self._lacks("UPDATE", self._child)
        self._below(None)

    def _update(self, columns: list[Column]) -> None:
        lacking = [column for column in columns if column.name not in self._may[self._child.oid].updatable]
        if lacking:
            self._lacks("UPDATE", self._child, lacking)
        self._below(columns)

    def _set_null(self) -> None:
        self._rows(FixAction.SET_NULL)
        self._update(rows.nullable(self._schema, self._edge))

    def _set_default(self) -> None:
        self._rows(FixAction.SET_DEFAULT)
        self._update(rows.defaulted(self._edge))

    def _repoint(self) -> None:
        self._rows(FixAction.REPOINT)
        rows.repointable(self._edge)
        self._update([pair.child for pair in self._edge.pairs])

    def _insert(self) -> None:
        if incomparable(self._edge):
            raise No("no operator compares the columns of the two sides", "change the type first")
        rows.insertable(self._edge)
        for table in (self._child, self._parent):
            self._sees(table)
        if not self._may[self._parent.oid].insert:
            self._lacks("INSERT", self._parent)

    def _quarantine(self) -> None:
        self._delete()
        self._creates(self._child)

    def _add(self) -> None:
        existing = constraints.same_columns(self._schema, self._edge)
        if existing is not None:
            raise No(f"the constraint {quote(existing.name)} is there already")
        constraints.comparable(self._edge)
        constraints.key_to_point_at(self._schema, self._edge)
        self._owns(self._child)
        self._refers()

    def _declared(self) -> None:
        if self._edge.kind is not EdgeKind.DECLARED:
            raise No("these columns have no constraint", "add one first")
        if not self._edge.enforced:
            raise No("the constraint is NOT ENFORCED", "enforce it")

    def _mended(self) -> None:
        if self._orphans:
            one = self._orphans == 1
            raise No(f"{self._orphans:,} {'orphan refuses' if one else 'orphans refuse'} it", "mend them first")

    def _validate(self) -> None:
        self._declared()
        if self._edge.validated:
            raise No("it is valid already" + (", and yet has orphans" if self._orphans else ""))
        self._mended()
        self._owns(self._child)

    def _revalidate(self) -> None:
        self._declared()
        if not self._edge.validated:
            raise No("it is not valid: validate it")
        self._mended()
        self._owns(self._child)
        self._refers()

    def _enforce(self) -> None:
        if self._edge.kind is not EdgeKind.DECLARED:
            raise No("these columns have no constraint", "add one first")
        if self._edge.enforced:
            raise No("it is enforced")
        self._mended()
        self._owns(self._child)
        self._refers()

    def _index(self) -> None:
        if self._edge.index:
            raise No(f"the index {self._edge.index} begins with the key")
        self._builds(self._child)

    def _unique(self) -> None:
        columns = [pair.parent for pair in self._edge.pairs]
        if index := indexes.unique_key(self._parent, columns):
            raise No(f"the index {quote(index.name)} keeps {rows.named(columns)} unique")
        self._builds(self._parent)

    def _type(self) -> None:
        changes = retypes(self._edge, CHILD)
        if not changes:
            raise No("both sides have the same types")
        if reason := of_other_rows(self._edge, CHILD):
            raise No(reason, OWN_COLUMN)
        if self._child.kind is TableKind.FOREIGN:
            raise No(f"{table_label(self._child)} is a foreign table")
        self._sees(self._child)
        self._owns(self._child)

    def _triggers(self) -> None:
        if self._edge.kind is not EdgeKind.DECLARED:
            raise No("these columns have no constraint", "add one first")
        triggers = self._edge.triggers
        if not (triggers.child_off or triggers.parent_off):
            missing = f"{triggers.missing} are missing" if triggers.missing else ""
            raise No(missing or "all of them fire", "revalidate makes the constraint anew" if missing else "")
        if not self._server.superuser:
            raise No(
                f"{self._role} is no superuser, who alone may switch a constraint's own triggers",
                "revalidate makes the constraint anew, with new ones, as its owner",
            )

    def _builds(self, table: Table) -> None:
        if table.kind is TableKind.FOREIGN:
            raise No(f"{table_label(table)} is a foreign table")
        self._owns(table)
        self._creates(table)

    def _sync(self) -> None:
        sync.check_pair(self._schema, self._edge)
        if self._keeper is not None:
            if self._keeper.fires:
                raise No(f"it is kept in step already, by the trigger {quote(self._keeper.trigger)}")
            self._owns(self._parent)
            return
        if not self._may[self._parent.oid].trigger:
            self._lacks("TRIGGER", self._parent)
        self._creates(self._child)
        if not self._may[self._child.oid].insert:
            self._lacks("INSERT", self._child)
        # By it ON CONFLICT tells that the twin is there.
        if not self._may[self._child.oid].select:
            self._lacks("SELECT", self._child)

    def _change(self, rule: str) -> None:
        if self._edge.kind is not EdgeKind.DECLARED:
            raise No("these columns have no constraint", "add one first")
        action = constraints.rule_of(rule)
        if action is self._edge.on_delete:
            raise No(f"already {action.value.upper()}")
        constraints.allowed(self._schema, self._edge, action)
        self._owns(self._child)
        self._refers()
