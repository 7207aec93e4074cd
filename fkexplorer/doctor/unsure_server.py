"""What can undo a constraint from beside it: triggers and rules of the child, changed collations, settings of roles."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from fkexplorer.doctor.model import Finding, Severity, Treatment
from fkexplorer.doctor.treating import listed, orphans_text, quiet
from fkexplorer.fixes import sql
from fkexplorer.fixes.locks import ACCESS_EXCLUSIVE, SHARE_UPDATE_EXCLUSIVE, locks
from fkexplorer.schema.model import Action
from fkexplorer.schema.names import edge_label, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fkexplorer.doctor.exam import Exam
    from fkexplorer.doctor.reading_unsure import InsteadRule, RowTrigger, Server, StaleIndex
    from fkexplorer.schema.model import Relationship

_SETS = frozenset({Action.SET_NULL, Action.SET_DEFAULT})
_DEFINITIONS = (
    "SELECT pg_catalog.pg_get_triggerdef(oid), pg_catalog.pg_get_functiondef(tgfoid) FROM pg_catalog.pg_trigger"
    " WHERE tgrelid = {}::pg_catalog.regclass AND NOT tgisinternal"
)
_REINDEX_PARTITIONED = 140000
"""`server_version_num` from which REINDEX takes a partitioned index."""
# What a body says besides its statements: comments, and texts between quotes or dollars.
_BESIDE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$", re.DOTALL)


def cancelled(exam: Exam, edges: Sequence[Relationship], server: Server) -> Iterator[Finding]:
    """Edges whose child has a trigger, or a rule, that can keep a CASCADE, SET NULL or SET DEFAULT from happening.

    Args:
        exam: the examination.
        edges: declared edges.
        server: what was read.

    Returns:
        `cascade_cancelled` for each edge where rows can stay behind, `trigger_unread` where that can't be known, and
        `rule_refuses` where a rule makes every delete of a parent fail.
    """
    triggers: dict[int, dict[str, RowTrigger]] = defaultdict(dict)
    for trigger in server.triggers:
        # A partition with a foreign key of its own stands in the schema beside the table that it is folded into.
        for table in {trigger.table, exam.schema.partition_roots.get(trigger.table, trigger.table)}:
            triggers[table].setdefault(trigger.name, trigger)
    for edge in edges:
        if quiet(edge):
            continue
        deletes, updates = _events(edge)
        said: list[str] = []
        own = triggers[edge.child].values()
        for trigger in own:
            said += _of_trigger(edge, trigger, deletes=deletes, updates=updates)
        rules = [each for each in server.rules if each.table == edge.child]
        fired = [each for each in rules if (deletes if each.on_delete else bool(updates))]
        said += [
            f"the rule {quote(each.name)} leaves rows alone by its condition" for each in fired if each.conditional
        ]
        if said:
            yield _cancelling(exam, edge, said)
        fires = [each for each in own if _on_update(each, updates) or (each.on_delete and deletes)]
        if unread := [each for each in fires if each.source is None]:
            yield _unread(exam, edge, unread)
        if refusing := [each for each in fired if not each.conditional]:
            yield _refusing(exam, edge, refusing)


def _events(edge: Relationship) -> tuple[bool, frozenset[int]]:
    """Whether the edge deletes rows of its child, and which of its columns it sets."""
    own = {pair.child.number for pair in edge.pairs}
    updates: set[int] = set()
    if edge.on_delete in _SETS:
        updates |= set(edge.set_columns) or own
    if edge.on_update in {*_SETS, Action.CASCADE}:
        updates |= own
    return edge.on_delete is Action.CASCADE, frozenset(updates)


def _on_update(trigger: RowTrigger, updates: frozenset[int]) -> bool:
    """Whether a trigger fires when these columns are set."""
    return trigger.on_update and bool(updates & set(trigger.columns) if trigger.columns else updates)


def _of_trigger(edge: Relationship, trigger: RowTrigger, *, deletes: bool, updates: frozenset[int]) -> Iterator[str]:
    """What a trigger can do to what the edge does; nothing where it does not fire then, or lets it pass."""
    fires_on_update = _on_update(trigger, updates)
    if trigger.source is None or not (fires_on_update or (trigger.on_delete and deletes)):
        return
    body = _BESIDE.sub(" ", trigger.source).lower()
    what = f"the trigger {quote(trigger.name)} ({trigger.function})"
    asks = "tg_op" in body
    passes = r"\breturn\s+old\s*;" if trigger.on_delete and deletes else r"\breturn\s+new\s*;"
    if asks and re.search(passes, body):
        # The last line of a function that has returned by then from what it asks for, as the manual's own of an audit.
        body = re.sub(r"\breturn\s+null\s*;\s*end\s*;?\s*$", "", body)
    if re.search(r"\breturn\s+null\s*;", body):
        yield f"{what} can return NULL"
    elif (
        trigger.on_delete
        and deletes
        and re.search(r"\breturn\s+new\s*;", body)
        and not re.search(r"\breturn\s+old\s*;", body)
    ):
        yield f"{what} returns NEW, which is NULL when a row is deleted"
    elif fires_on_update and not asks and re.search(r"\breturn\s+old\s*;", body):
        yield f"{what} can return OLD, the row as it was"
    elif fires_on_update and (column := _assigned(edge, updates, body)):
        yield f"{what} sets {quote(column)} itself"


def _assigned(edge: Relationship, updates: frozenset[int], body: str) -> str:
    """The name of a column of the key that the function gives a value of its own; empty where it does not."""
    for pair in edge.pairs:
        name = pair.child.name
        spelled = rf'"?{re.escape(name.lower())}"?'
        if pair.child.number in updates and re.search(
            rf"(?:;|\bbegin|\bthen|\belse|\bloop)\s*new\.{spelled}\s*:?=", body
        ):
            return name
    return ""


def _cancelling(exam: Exam, edge: Relationship, said: Sequence[str]) -> Finding:
    schema, label = exam.schema, edge_label(exam.schema, edge)
    does = {Action.CASCADE: "deletes", Action.SET_NULL: "sets to NULL", Action.SET_DEFAULT: "sets to their default"}
    rule = edge.on_delete if edge.on_delete in does else edge.on_update
    words = "ON DELETE" if edge.on_delete in does else "ON UPDATE"
    text = (
        f"{label} is {words} {rule.value.upper()}, which can be undone on {table_label(schema.child_of(edge))}:"
        f" {'; '.join(said)}. Now {orphans_text(exam, edge)}."
    )
    return Finding(
        "cascade_cancelled",
        Severity.WARNING,
        label,
        edge.oid,
        edge.child,
        text,
        "pg_trigger, pg_rewrite: enabled BEFORE ROW triggers, INSTEAD rules; pg_proc.prosrc",
        "The parent goes all the same, and nothing is checked again: the row that stays behind is an orphan.",
        exam.at,
        Treatment(
            (
                "-- Read it, and let what a foreign key does pass: RETURN OLD for a DELETE, RETURN NEW for an UPDATE.",
                _DEFINITIONS.format(sql.literal(sql.table_name(schema.child_of(edge)))),
            ),
            forecast="A function that is replaced holds for the next statement; orphans that are there stay.",
        ),
    )


def _unread(exam: Exam, edge: Relationship, triggers: Sequence[RowTrigger]) -> Finding:
    label, child = edge_label(exam.schema, edge), exam.schema.child_of(edge)
    names = listed([f"{quote(each.name)} ({each.function}, in {each.language})" for each in triggers])
    several = len(triggers) > 1
    text = (
        f"{label} changes rows of {table_label(child)} when a parent goes, and {'triggers' if several else 'a trigger'}"
        f" there may cancel that: what {names} {'do' if several else 'does'} can't be read."
    )
    return Finding(
        "trigger_unread",
        Severity.WARNING,
        label,
        edge.oid,
        edge.child,
        text,
        "pg_trigger: an enabled BEFORE ROW trigger; pg_proc.prolang is not PL/pgSQL",
        "The parent goes all the same, and nothing is checked again: a row that stays behind is an orphan.",
        exam.at,
        Treatment(("-- Look at its source, or try it: delete a parent in a transaction that is rolled back.",)),
    )


def _refusing(exam: Exam, edge: Relationship, rules: Sequence[InsteadRule]) -> Finding:
    label, child = edge_label(exam.schema, edge), exam.schema.child_of(edge)
    names = [quote(each.name) for each in rules]
    text = (
        f"{label} refuses every delete of a parent that has children: {listed(names)} of {table_label(child)}"
        f" {'put' if len(rules) > 1 else 'puts'} something else in place of what the constraint does."
    )
    return Finding(
        "rule_refuses",
        Severity.NOTICE,
        label,
        edge.oid,
        edge.child,
        text,
        "pg_rewrite.is_instead = true, without a condition",
        "The server stops with XX000, referential integrity query gave unexpected result.",
        exam.at,
        Treatment(
            (
                "-- A trigger can do what the rule does without standing in the way; then:",
                *(f"DROP RULE {name} ON {sql.table_name(child)}" for name in names),
            ),
            locks([(child.oid, ACCESS_EXCLUSIVE)]),
        ),
    )


def collations(exam: Exam, server: Server) -> Iterator[Finding]:
    """`collation_changed`: the indexes of examined edges that were built in another order than text has now."""
    examined = {edge.oid for edge in exam.edges}
    by_collation: dict[tuple[str, bool], dict[str, StaleIndex]] = defaultdict(dict)
    for each in server.stale:
        if each.edge in examined:
            by_collation[each.collation, each.of_database].setdefault(each.index, each)
    for (name, of_database), indexes in by_collation.items():
        yield _stale(exam, name, of_database=of_database, indexes=list(indexes.values()))


def _stale(exam: Exam, name: str, *, of_database: bool, indexes: Sequence[StaleIndex]) -> Finding:
    version = exam.database.facts.version_number
    first, number = indexes[0], len(indexes)
    subject = f"the collation of the database {name}" if of_database else f"the collation {name}"
    looked = "index that a foreign key looks into" if number == 1 else "indexes that foreign keys look into"
    are = "is" if number == 1 else "are"
    text = (
        f"{subject[0].upper()}{subject[1:]} has changed from version {first.made} to {first.now}, and {number} {looked}"
        f" {are} still in the old order: {listed([each.index for each in indexes])}."
    )
    statements = [
        "-- Is one damaged? With the extension amcheck: SELECT bt_index_check(oid, true). Build them anew anyway."
    ]
    for each in indexes:
        if each.partitioned and version < _REINDEX_PARTITIONED:
            statements.append(f"-- REINDEX INDEX CONCURRENTLY of each index below {each.index}, which is partitioned")
        else:
            statements.append(f"REINDEX INDEX CONCURRENTLY {each.index}")
    refresh = (
        f"ALTER DATABASE {name} REFRESH COLLATION VERSION" if of_database else f"ALTER COLLATION {name} REFRESH VERSION"
    )
    statements += ["-- Once all other indexes of that collation are built anew as well:", refresh]
    return Finding(
        "collation_changed",
        Severity.WARNING,
        subject,
        first.edge if number == 1 else None,
        first.table if number == 1 else None,
        text,
        f"pg_{'database.dat' if of_database else 'collation.'}collversion is not the version that is there",
        "A lookup can miss a row that is there: then a parent goes though rows refer to it, or a good row is refused;"
        " a count by such an index can be wrong too.",
        exam.at,
        Treatment(
            tuple(statements),
            locks((each.table, SHARE_UPDATE_EXCLUSIVE) for each in indexes),
            "Each index is built beside the old one: reads and writes go on. A key that is twice there makes it fail.",
        ),
    )


def replication_roles(exam: Exam, server: Server) -> Iterator[Finding]:
    """`replication_role`: whose sessions begin with the triggers of all foreign keys off; of a whole schema only."""
    for role, database in server.replicas if exam.whole else ():
        who = " and ".join(
            [*([f"role {quote(role)}"] if role else []), *([f"database {quote(database)}"] if database else [])]
        )
        if role is not None:
            where = f" IN DATABASE {quote(database)}" if database else ""
            reset = f"ALTER ROLE {quote(role)}{where} RESET session_replication_role"
        elif database is not None:
            reset = f"ALTER DATABASE {quote(database)} RESET session_replication_role"
        else:
            reset = "ALTER SYSTEM RESET session_replication_role"
        yield Finding(
            "replication_role",
            Severity.WARNING,
            f"session_replication_role of {who or 'all sessions'}",
            None,
            None,
            f"Sessions of {who or 'everybody'} begin with session_replication_role = replica.",
            "pg_db_role_setting" if who else "pg_settings",
            "No foreign key is checked there: they can write rows without a parent, and delete parents.",
            exam.at,
            Treatment((reset,), (), "It holds for sessions that begin afterwards; look for orphans then."),
        )
