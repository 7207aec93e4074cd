"""The fix that keeps a 1:1 pair in step: a trigger by which each new row of the parent gets its row in the child.

In the words of a backfill, whose map of columns it shares, the parent is the source here, and the child the target.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from fkexplorer.fixes import sql
from fkexplorer.fixes.locks import SHARE_ROW_EXCLUSIVE, locks
from fkexplorer.fixes.model import DdlStep
from fkexplorer.fixes.parents import complete, needed, source_values
from fkexplorer.fixes.rows import impossible, incomplete, named, unused
from fkexplorer.schema.keys import is_one_to_one
from fkexplorer.schema.model import TableKind
from fkexplorer.schema.names import qualified, quote, table_label
from fkexplorer.schema.secrets import is_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fkexplorer.fixes.model import Request
    from fkexplorer.fixes.sync_model import Sync
    from fkexplorer.fixes.twins import Keeper
    from fkexplorer.schema.model import Column, Relationship, Schema, Table

PATH = "pg_catalog, pg_temp"
"""The function's search_path. With an empty one the temporary schema of whoever inserts would be looked at first for
types, so that a cast in the function could be made to run their code as its owner."""
_MADE_TO_FAIL = "made to fail, to see what becomes of the row"


@dataclass(frozen=True, slots=True)
class Template:
    """The function and its trigger, as text."""

    source: Table
    target: Table
    key: tuple[Column, ...]
    """The columns of the target's unique key, by which it is told that a twin is there."""
    values: Mapping[Column, str]
    """Where each column of the target comes from: SQL over the new row `s`."""
    named: tuple[Column, ...]
    """The columns of the source that a warning names the row by."""
    whole: str
    """Which new rows get a twin: those whose key has no NULL; empty where it can have none."""
    name: str
    """Of trigger and function; the function is in the target's schema."""
    strict: bool
    """What fails refuses the new row."""

    @property
    def function(self) -> str:
        """The function's name, as SQL."""
        return sql.name(self.target.schema, self.name)

    @property
    def insert(self) -> str:
        """The head of its statement, to the list of columns."""
        overriding = " OVERRIDING SYSTEM VALUE" if any(column.identity == "a" for column in self.values) else ""
        return f"INSERT INTO {sql.table_name(self.target)} ({sql.columns(self.values)}){overriding}"

    @property
    def conflict(self) -> str:
        """What it does where the twin is there."""
        return f"ON CONFLICT ({sql.columns(self.key)}) DO NOTHING"

    @property
    def select(self) -> str:
        """The values of the twin."""
        return f"SELECT {', '.join(self.values.values())}"

    @property
    def check(self) -> str:
        """Has the server look at names, types and privileges of the function's statement; nothing is done by it.

        No row is read: whoever makes the function need not be allowed to.
        """
        nothing = f"(SELECT (NULL::{sql.table_name(self.source)}).*) AS s"
        return f"EXPLAIN {self.insert} {self.select} FROM {nothing} {self.conflict}"

    def body(self, *, failing: bool = False) -> str:
        """The function's source.

        Args:
            failing: for the proof: it fails before it does anything.
        """
        lines = [
            "",
            # A bare name in an expression is a column of the new row, as in a backfill, and never TG_NAME or FOUND.
            "#variable_conflict use_column",
            "BEGIN",
            *([f"  RAISE EXCEPTION '{_MADE_TO_FAIL}';"] if failing else []),
            f"  {self.insert}",
            f"  {self.select}",
            f"  FROM (SELECT NEW.*) AS s{f' WHERE {self.whole}' if self.whole else ''}",
            f"  {self.conflict};",
            "  RETURN NULL;",
        ]
        if not self.strict:
            target = table_label(self.target).replace("%", "%%")
            shown = ", ".join(f"NEW.{sql.name(column.name)}" for column in self.named if not is_secret(column.name))
            what = f"pg_catalog.concat_ws(' ', {sql.literal(table_label(self.source))}{f', {shown}' if shown else ''})"
            lines += [
                "EXCEPTION WHEN OTHERS THEN",
                f"  RAISE WARNING {sql.literal(f'% gets no row in {target}: %')}, {what}, SQLERRM;",
                "  RETURN NULL;",
            ]
        return "\n".join([*lines, "END", ""])

    def create(self, *, failing: bool = False, again: bool = False) -> str:
        """The statement that makes the function, or for the proof makes it `again`."""
        body = self.body(failing=failing)
        return (
            f"CREATE {'OR REPLACE ' if again else ''}FUNCTION {self.function}() RETURNS trigger LANGUAGE plpgsql"
            f" SECURITY DEFINER\nSET search_path = {PATH} AS {dollars(body, 'sync')}"
        )

    def statements(self, others: Iterable[str] = ()) -> tuple[str, ...]:
        """What makes both.

        Args:
            others: roles that default privileges let call new functions, as SQL: it is nobody's to call.
        """
        on = f"AFTER INSERT ON {sql.table_name(self.source)} FOR EACH ROW"
        return (
            self.create(),
            f"REVOKE EXECUTE ON FUNCTION {self.function}() FROM {', '.join(['PUBLIC', *others])}",
            f"CREATE TRIGGER {sql.name(self.name)} {on} EXECUTE FUNCTION {self.function}()",
        )


def dollars(text: str, tag: str) -> str:
    """The text between dollar quotes that are not in it."""
    used = unused(tag, {name for name in (tag, *(f"{tag}_{at}" for at in range(2, 10))) if f"${name}$" in text})
    return f"${used}${text}${used}$"


def template(schema: Schema, request: Request) -> Template:
    """The function and the trigger that are asked for.

    Raises:
        Trouble: the pair can't be kept in step (`impossible`), a column needs a value and has none (`incomplete`), or
            an expression is none (`expression`).
    """
    edge = request.edge
    key = check_pair(schema, edge)
    source, target = schema.parent_of(edge), schema.child_of(edge)
    own = {pair.child.name: pair for pair in edge.pairs}
    if wrong := [name for name in request.columns if name in own]:
        raise incomplete(f"{quote(wrong[0])} is the key, which comes from {table_label(source)}", "leave it out")
    values = _values(schema, edge, request.columns)
    complete(target, values)
    may_be_null = [pair.parent for pair in edge.pairs if not pair.parent.not_null]
    return Template(
        source=source,
        target=target,
        key=key,
        values=values,
        named=tuple(pair.parent for pair in edge.pairs),
        whole=" AND ".join(f"s.{sql.name(column.name)} IS NOT NULL" for column in may_be_null),
        name=request.name or unused(f"sync_{target.name}", set()),
        strict=request.strict_trigger,
    )


def sources(schema: Schema, edge: Relationship) -> list[tuple[Column, str | None]]:
    """The columns of the child that may be told where they come from, each with what it gets untold.

    That is SQL over the new row `s`; empty for its default; None for those that need to be told, which come first.
    """
    target = schema.child_of(edge)
    values = _values(schema, edge, {})
    own = {pair.child.number for pair in edge.pairs}
    lacking = needed(target, values)
    columns = [column for column in target.columns if column.number not in own and not column.generated]
    found = [(column, None if column in lacking else values.get(column, "")) for column in columns]
    return sorted(found, key=lambda each: each[1] is not None)


def _values(schema: Schema, edge: Relationship, given: Mapping[str, str]) -> dict[Column, str]:
    """Where each column of the child comes from; its key is the parent's."""
    keys = {pair.child.name: f"s.{sql.name(pair.parent.name)}" for pair in edge.pairs}
    return source_values(schema, _turned(edge), schema.parent_of(edge), {**keys, **given})


def check_pair(schema: Schema, edge: Relationship) -> tuple[Column, ...]:
    """The columns of the child's unique key, if each row of the parent can have one twin in the child.

    Raises:
        Trouble: it can't, or the columns can't be compared (`impossible`).
    """
    source, target = schema.parent_of(edge), schema.child_of(edge)
    if edge.self_referencing:
        raise impossible("a table is no twin of itself", "it is for a pair of tables")
    if edge.period or edge.only is not None:
        raise impossible("its key alone does not say which row has a twin", "write the trigger by hand")
    for table in (source, target):
        if table.kind is TableKind.FOREIGN:
            raise impossible(f"{table_label(table)} is a foreign table", "the trigger would reach another server")
    if any(pair.equals is None for pair in edge.pairs):
        raise impossible("no operator compares the columns of the two sides", "give them one type first")
    if generated := [pair.child for pair in edge.pairs if pair.child.generated]:
        raise impossible(f"{named(generated)} of {table_label(target)} is generated", "write the trigger by hand")
    columns = [pair.child for pair in edge.pairs]
    if not is_one_to_one(target, edge):
        raise impossible(
            f"several rows of {table_label(target)} may have the same {named(columns)}: it is not one to one",
            "it is for a pair whose child's key is unique",
        )
    for index in target.indexes:
        numbers = {part.number for part in index.columns}
        usable = index.unique and index.valid and index.immediate and not index.partial and not index.has_expressions
        if usable and numbers <= {column.number for column in columns}:
            return tuple(column for column in columns if column.number in numbers)
    raise impossible(
        f"the unique key on {named(columns)} of {table_label(target)} is partial or deferrable",
        "it takes one that is of all rows and checked at once",
    )


def create(made: Template, sync: Sync, roles: Iterable[str] = ()) -> DdlStep:
    """The step that makes function and trigger."""
    source, target = table_label(made.source), table_label(made.target)
    return DdlStep(
        f"create the trigger {quote(made.name)} on {source}: a row of {target} for each new one",
        made.statements(roles),
        locks([(made.source.oid, SHARE_ROW_EXCLUSIVE)]),
        f"DROP TRIGGER {quote(made.name)} ON {source} and DROP FUNCTION {qualified(made.target.schema, made.name)}()"
        " take it back; undo does, unless somebody has changed them",
        sync=sync,
    )


def enable(source: Table, keeper: Keeper, sync: Sync) -> DdlStep:
    """The step that switches on a trigger that is there."""
    return DdlStep(
        f"enable the trigger {quote(keeper.trigger)} on {table_label(source)}",
        (f"ALTER TABLE {sql.table_name(source)} ENABLE TRIGGER {sql.name(keeper.trigger)}",),
        locks([(source.oid, SHARE_ROW_EXCLUSIVE)]),
        f"{sync.back} takes it back; undo does",
        sync=sync,
    )


def back_of(source: Table, keeper: Keeper) -> str:
    """The statement by which a trigger that was off is as it was."""
    how = "ENABLE REPLICA" if keeper.enabled == "R" else "DISABLE"
    return f"ALTER TABLE {sql.table_name(source)} {how} TRIGGER {sql.name(keeper.trigger)}"


def others_of(table: str, trigger: str) -> str:
    """A query of one text, which tells the triggers of INSERT of a table but this one: another text, others.

    Args:
        table: its OID, as SQL.
        trigger: the name of the one that is left out.
    """
    return (
        "SELECT pg_catalog.md5(coalesce(pg_catalog.string_agg(pg_catalog.concat_ws(' ', t.tgname, t.tgenabled, p.oid,"
        " pg_catalog.md5(p.prosrc)), ',' ORDER BY t.tgname), ''))"
        " FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid"
        f" WHERE t.tgrelid = {table} AND NOT t.tgisinternal AND (t.tgtype & 4) <> 0"
        f" AND t.tgname <> {sql.literal(trigger)}"
    )


def fires(table: str, sync: Sync) -> str:
    """A condition: the trigger of this name is there and fires; of one that is made, with the very function.

    Args:
        table: the source's OID, as SQL.
        sync: the trigger.
    """
    made = f" AND p.oid = pg_catalog.to_regprocedure({sql.literal(f'{sync.function}()')})" if sync.makes else ""
    same = f"{made} AND p.prosrc = {sql.literal(sync.body)}" if sync.makes else ""
    return (
        "EXISTS (SELECT FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid"
        f" WHERE t.tgrelid = {table} AND NOT t.tgisinternal AND t.tgname = {sql.literal(sync.trigger)}"
        f" AND t.tgenabled IN ('O', 'A'){same})"
    )


def taken(table: str, sync: Sync) -> str:
    """A condition: a trigger or a function of this name is there, whatever it does."""
    return (
        f"(pg_catalog.to_regprocedure({sql.literal(f'{sync.function}()')}) IS NOT NULL"
        f" OR EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = {table}"
        f" AND t.tgname = {sql.literal(sync.trigger)}))"
    )


def _turned(edge: Relationship) -> Relationship:
    """The edge as a backfill of the child would have it, whose parent is the table that gets rows."""
    pairs = tuple(replace(pair, child=pair.parent, parent=pair.child, equals=None, orders=()) for pair in edge.pairs)
    return replace(edge, child=edge.parent, parent=edge.child, pairs=pairs)
