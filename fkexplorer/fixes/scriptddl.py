"""A step of DDL as a piece of a psql script: done only where the constraint is as it was previewed, or not yet done.

The state of a constraint is `absent`, or its ON DELETE rule (`confdeltype`) and whether it is valid, as `c true`, or
not enforced, as `c off`; `another` where something else about it differs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.fixes import psql, sql
from fkexplorer.fixes.constraints import RULES, constraint_name, same_columns
from fkexplorer.fixes.locks import spelled
from fkexplorer.fixes.model import DdlStep
from fkexplorer.fixes.run import ACTIONS
from fkexplorer.fixes.standing import INVALID
from fkexplorer.fixes.writer import WriteLimits
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.model import EdgeKind, Match

if TYPE_CHECKING:
    from fkexplorer.fixes.model import Plan
    from fkexplorer.schema.model import Relationship, Schema

_TRIES = 3
"""How often a statement that can't be in a transaction is tried, where it meets another that builds the same."""


class DdlScript:
    """The text of the steps of a plan that changes a constraint.

    Args:
        schema: the schema that the plan was made with.
        plan: the plan; all its steps are DDL.
    """

    def __init__(self, schema: Schema, plan: Plan) -> None:
        request = plan.request
        self._schema = schema
        self._steps = [step for step in plan.steps if isinstance(step, DdlStep)]
        existing = same_columns(schema, request.edge) if request.action is FixAction.ADD_CONSTRAINT else None
        self._edge: Relationship = existing or request.edge
        self._declared = self._edge.kind is EdgeKind.DECLARED
        name = self._edge.name if self._declared else request.name or constraint_name(schema, self._edge)
        self._name = name
        old = ACTIONS[self._edge.on_delete.value]
        new = ACTIONS[RULES[request.rule].value] if request.rule and existing is None else old
        first = f"{old} {_word(self._edge)}" if self._declared else "absent"
        between = [f"{new} false"] if len(self._steps) == 2 else []
        last = "false" if self._steps[-1].statements[0].endswith("NOT VALID") else "true"
        if self._declared and not self._edge.enforced and request.action is not FixAction.ENFORCE:
            last = "off"
        self._states = [first, *between, f"{new} {last}"]

    def lines(self, number: int, step: DdlStep) -> list[str]:
        """All between BEGIN and COMMIT of one step; where it is done already, `fk_none` is on and nothing was done.

        Args:
            number: of the step, from 1.
            step: the step.
        """
        before, later = self._states[number - 1], self._states[number:]
        child = self._schema.child_of(self._edge)
        mode = next(lock.mode for lock in step.locks if lock.table == child.oid)
        listed = ", ".join(sql.literal(state) for state in later)
        return [
            f"LOCK TABLE {sql.source(child, '').removesuffix(' AS ')} IN {spelled(mode)} MODE;",
            ":fk_settings \\gset",
            ":fk_images \\gset",
            *self._state(),
            f"SELECT :'fk_state' <> {sql.literal(before)} AND :'fk_state' IN ({listed}) AS fk_none \\gset",
            *psql.guard(
                f":'fk_state' NOT IN ({sql.literal(before)}, {listed})",
                f"the constraint {psql.percent(self._name)} is not as it was (%s in place of {before})",
                ":'fk_state'",
            ),
            ":fk_restore \\gset",
            "\\if :fk_none",
            "\\else",
            *(f"{statement};" for statement in step.statements),
            "\\endif",
        ]

    def _state(self) -> list[str]:
        """Reads the state into `fk_state`."""
        edge = self._edge
        child, parent = (
            f"{sql.literal(sql.table_name(table))}::regclass"
            for table in (self._schema.child_of(edge), self._schema.parent_of(edge))
        )
        pairs = ", ".join(
            sorted(f"({sql.literal(pair.child.name)}, {sql.literal(pair.parent.name)})" for pair in edge.pairs)
        )
        columns = (
            "(SELECT count(*) FROM unnest(k.conkey, k.confkey) AS x (one, other)"
            " JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = x.one"
            " JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = x.other"
            f" WHERE (a.attname::text, b.attname::text) IN ({pairs})) = {len(edge.pairs)}"
            f" AND cardinality(k.conkey) = {len(edge.pairs)}"
        )
        same = [f"k.conname = {sql.literal(self._name)}", f"k.confrelid = {parent}", columns]
        if self._declared:
            where = f"k.conname = {sql.literal(self._name)}"
            same += [
                f"k.confupdtype = '{ACTIONS[edge.on_update.value]}'",
                f"k.confmatchtype = '{'f' if edge.match is Match.FULL else 's'}'",
                f"k.condeferrable = {str(edge.deferrable).lower()}",
                f"k.condeferred = {str(edge.deferred).lower()}",
            ]
        else:
            where = f"k.confrelid = {parent} AND {columns}"
        # to_jsonb: PostgreSQL has the column since 18.
        off = "NOT coalesce((to_jsonb(k)->>'conenforced')::bool, true)"
        word = f"k.confdeltype::text || CASE WHEN {off} THEN ' off' WHEN k.convalidated THEN ' true' ELSE ' false' END"
        return [
            "SELECT coalesce((SELECT CASE",
            # One that is valid does what was wanted, whatever its name.
            *([] if self._declared else [f" WHEN k.convalidated THEN {sql.literal(self._states[-1])}"]),
            f" WHEN {' AND '.join(same)} THEN {word} ELSE 'another' END",
            f" FROM pg_constraint k WHERE k.contype = 'f' AND k.conrelid = {child} AND {where}",
            " ORDER BY k.convalidated DESC LIMIT 1), 'absent') AS fk_state \\gset",
        ]


def standing_lines(schema: Schema, step: DdlStep) -> list[str]:
    """All between BEGIN and COMMIT of a step that has a standing; `fk_none` is on where it is done already.

    Args:
        schema: the schema that the plan was made with.
        step: the step.
    """
    table = sql.source(schema.tables[step.locks[0].table], "").removesuffix(" AS ")
    return [
        f"LOCK TABLE {table} IN {spelled(step.locks[0].mode)} MODE;",
        ":fk_settings \\gset",
        ":fk_images \\gset",
        *standing_look(step),
        *psql.guard(
            f":'fk_state' NOT IN ({_listed(step, done=True)}) AND :'fk_state' NOT IN ({_listed(step, done=False)})",
            f"{psql.percent(step.title)}: it is %s now",
            ":'fk_state'",
        ),
        ":fk_restore \\gset",
        "\\if :fk_none",
        "\\else",
        *(f"{statement};" for statement in step.statements),
        "\\endif",
    ]


def alone_lines(schema: Schema, step: DdlStep) -> list[str]:
    """All of a step that can't be in a transaction; `fk_none` is on where it was done already.

    A statement that fails does not end the script by itself: first what it left is taken away. Of two scripts that run
    at once the second waits, and finds it done; where both begin in the same moment, the server ends one of them
    (40P01, or 42P07 where the other's has the name), which then looks again.

    Args:
        schema: the schema that the plan was made with.
        step: the step.
    """
    assert step.standing is not None  # noqa: S101 - each step that is alone has one
    own = schema.tables[step.locks[0].table]
    table = sql.source(own, "").removesuffix(" AS ")
    look = [
        # Others who build an index of the table hold this lock. To wait for it takes no snapshot, for which they would
        # wait in turn, only if the session knows the table's names by then: the catalogue is read under one. Where
        # others have changed it meanwhile that ends as a deadlock (1 of 30), and the other one goes on.
        f"SELECT pg_catalog.has_table_privilege({sql.literal(sql.table_name(own))}, 'SELECT') AS fk_set \\gset",
        "\\set ON_ERROR_STOP off",
        "BEGIN;",
        "SET LOCAL lock_timeout = 0;",
        f"LOCK TABLE {table} IN {spelled(step.locks[0].mode)} MODE;",
        "COMMIT;",
        "\\set ON_ERROR_STOP on",
        "BEGIN READ ONLY;",
        ":fk_images \\gset",
        "SELECT (:fk_standing) AS fk_state \\gset",
        f"SELECT :'fk_state' IN ({_listed(step, done=True)}) AS fk_none,",
        f" :'fk_state' = {sql.literal(INVALID)} AS fk_clean \\gset",
        "COMMIT;",
        "\\if :fk_clean",
        *_cleaned(step, table),
        "\\endif",
    ]
    allowed, done = _listed(step, done=False), _listed(step, done=True)
    wrong = psql.guard(
        f":'fk_state' NOT IN ({allowed})",
        f"{psql.percent(step.title)}: its name is that of something else (it is %s)",
        ":'fk_state'",
    )
    lines = [psql.macro("fk_standing", step.standing.query), "\\set fk_tried off", *look]
    for left in range(_TRIES - 1, -1, -1):
        lines += [
            *(["\\if :fk_none", "\\else"] if left == _TRIES - 1 else ["\\if :fk_again"]),
            *_in_transaction(wrong),
            "\\set ON_ERROR_STOP off",
            *(f"{statement};" for statement in step.statements),
            "\\set fk_sqlstate :SQLSTATE",
            "\\set ON_ERROR_STOP on",
            "\\set fk_tried on",
            *look,
            f"SELECT :'fk_state' NOT IN ({done}) AND :'fk_sqlstate' IN ('40P01', '42P07') AS fk_again,",
            f" pg_catalog.pg_sleep(CASE WHEN :'fk_state' IN ({done}) THEN 0 ELSE pg_catalog.random() END) AS fk_slept",
            " \\gset",
        ]
    undone = psql.guard(
        f":'fk_state' NOT IN ({done})",
        f"{psql.percent(step.title)}: it is %s, and not done",
        ":'fk_state'",
    )
    return [*lines, *["\\endif"] * _TRIES, *_in_transaction(undone), "\\if :fk_tried", "\\set fk_none off", "\\endif"]


def _cleaned(step: DdlStep, table: str) -> list[str]:
    """Takes away what a failed try left, not CONCURRENTLY: looked at and dropped under the lock that a builder holds.

    Another script that looked in the same moment may have taken it away, and built its own by now (1 of 40).
    """
    assert step.standing is not None  # noqa: S101 - as above
    return [
        "BEGIN;",
        "SET LOCAL lock_timeout = 0;",
        f"LOCK TABLE {table} IN {spelled(step.locks[0].mode)} MODE;",
        ":fk_images \\gset",
        f"SELECT (:fk_standing) = {sql.literal(INVALID)} AS fk_clean \\gset",
        "\\if :fk_clean",
        psql.echo("fkexplorer: an invalid index of a try that failed is taken away"),
        f"SET LOCAL lock_timeout = '{WriteLimits().lock_timeout_ms}ms';",
        f"{step.clean.replace(' CONCURRENTLY', '', 1)};",
        "\\endif",
        "COMMIT;",
    ]


def _in_transaction(guard: list[str]) -> list[str]:
    return ["BEGIN READ ONLY;", ":fk_images \\gset", *guard, "COMMIT;"]


def standing_look(step: DdlStep) -> list[str]:
    """Reads how a step stands into `fk_state`, and whether it is done into `fk_none`."""
    assert step.standing is not None  # noqa: S101 - asked for by those that have one
    return [
        f"SELECT ({step.standing.query}) AS fk_state \\gset",
        f"SELECT :'fk_state' IN ({_listed(step, done=True)}) AS fk_none \\gset",
    ]


def _listed(step: DdlStep, *, done: bool) -> str:
    assert step.standing is not None  # noqa: S101 - as above
    return ", ".join(map(sql.literal, step.standing.done if done else step.standing.before))


def _word(edge: Relationship) -> str:
    if not edge.enforced:
        return "off"
    return "true" if edge.validated else "false"
