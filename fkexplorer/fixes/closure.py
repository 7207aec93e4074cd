"""What a change does by foreign keys to other rows: found in one statement, by reading alone.

PostgreSQL fires the triggers of foreign keys in rounds: those of the rows that a round touched make up the next one.
The statement follows it in the same rounds, so that it knows of two rows which goes first; within one round the order
is not known, and what hangs on it is called doubtful.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from fkexplorer.fixes import sql
from fkexplorer.fixes.model import Blocker, Consequences, Effect, Verb
from fkexplorer.fixes.reach import Reach
from fkexplorer.fixes.verdicts import DEFAULT, below, inside, limited, new_values, numbers, verdicts
from fkexplorer.schema.model import Action

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from fkexplorer.fixes.model import Change
    from fkexplorer.fixes.reach import Arm, Fires, Node
    from fkexplorer.fixes.verdicts import Defaults
    from fkexplorer.schema.model import Schema

    Rows = Sequence[tuple[Any, ...]]
    Ask = Callable[[str], Awaitable[Rows]]
    """Runs one statement that reads, under an empty search_path, and gives its rows."""

# 1646 to 1655 are RI_FKey_cascade_del to RI_FKey_noaction_upd; the even ones are those ON DELETE.
_FIRES = """
WITH RECURSIVE family (root, oid) AS (
 SELECT k.oid, k.oid FROM pg_catalog.pg_constraint k WHERE k.oid IN ({edges})
 UNION ALL SELECT f.root, k.oid FROM family f JOIN pg_catalog.pg_constraint k ON k.conparentid = f.oid)
SELECT f.root, t.tgfoid::int8 % 2 = 0, t.tgrelid FROM family f JOIN pg_catalog.pg_trigger t ON t.tgconstraint = f.oid
WHERE t.tgfoid BETWEEN 1646 AND 1655 AND t.tgenabled IN ('O', 'A')
"""

_DEFAULTS = """
SELECT d.adrelid, d.adnum, pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d
WHERE d.adrelid IN ({tables})
"""


async def follow(
    ask: Ask, schema: Schema, change: Change, where: str | None = None, *, most: int | None = None
) -> Closure:
    """The closure of a DELETE or an UPDATE, as statements to be run with `ask`.

    Args:
        ask: runs a statement.
        schema: the schema that the change is of.
        change: the change.
        where: the condition, in place of the change's own, that tells its rows, over the same alias.
        most: rows that are followed, each edge having its share, so that a wide one hides no deep one; `stopped` tells
            whether there are more.

    Raises:
        Incomparable: an edge on the way has no operator.
    """
    table = schema.tables[change.table]
    changed = None
    if change.verb is Verb.UPDATE:
        changed = frozenset(table.column(number).name for number, _ in change.sets)
    reach = Reach(schema, table.oid, changed, {})
    unsteady = [edge.oid for edge in reach.edges if edge.enforced and not edge.triggers.all_fire]
    if unsteady:
        found: dict[tuple[int, bool], set[int]] = {(edge, on): set() for edge in unsteady for on in (True, False)}
        for edge, on_delete, relation in await ask(_FIRES.format(edges=", ".join(map(str, unsteady)))):
            found[edge, on_delete].add(relation)
        fires: Fires = {key: frozenset(places) for key, places in found.items()}
        reach = Reach(schema, table.oid, changed, fires)
    wanted = {node.table for node in reach.nodes if node.action is Action.SET_DEFAULT}
    if any(expression == DEFAULT for _, expression in change.sets):
        wanted.add(table.oid)
    known = await defaults(ask, wanted) if wanted else {}
    return Closure(schema, change, change.where if where is None else where, reach, known, most=most)


async def defaults(ask: Ask, tables: Iterable[int]) -> Defaults:
    """All defaults (and generation expressions) of the columns of these tables, as SQL."""
    rows = await ask(_DEFAULTS.format(tables=", ".join(map(str, sorted(tables)))))
    return {(table, number): expression for table, number, expression in rows}


class Closure:
    """The statements; made by `follow`. They are to be run under an empty search_path.

    Attributes:
        reach: what the catalogue alone tells.
    """

    def __init__(
        self, schema: Schema, change: Change, where: str, reach: Reach, defaults: Defaults, *, most: int | None
    ) -> None:
        self._schema = schema
        self._change = change
        self._table = schema.tables[change.table]
        self._where = where
        self._defaults = defaults
        self._most = most
        self.reach = reach

    @property
    def places(self) -> str:
        """A SELECT of `rel` (the leaf's OID), `place` (its ctid), `gone` (whether it is deleted): each row once."""
        goes = numbers(node.number for node in self.reach.nodes if node.goes)
        touched = numbers(node.number for node in self.reach.nodes if node not in self.reach.started)
        return (
            f"{self._head}\nSELECT f.rel, f.place, COALESCE(bool_or(f.via IN ({goes})), false) AS gone FROM fact f"
            f" WHERE f.via IN ({touched}) GROUP BY 1, 2"
        )

    @property
    def counts(self) -> str:
        """A SELECT of the numbers that `read` makes sense of."""
        parts = [
            "SELECT 'gone', (g.level > 0)::int, g.rel, count(*), 0::int8 FROM gone g GROUP BY 2, 3",
            "SELECT 'fact', f.via, f.rel, count(*), 0::int8 FROM fact f GROUP BY 2, 3",
        ]
        changes = self.reach.changing_nodes
        if changes:
            parts.append(
                "SELECT 'changed', u.below::int, u.rel, count(*), 0::int8 FROM"
                " (SELECT f.rel, f.place, bool_and(f.via <> 0) AS below FROM fact f"
                f" WHERE f.via IN ({numbers(node.number for node in changes)}) GROUP BY 1, 2) u"
                " WHERE NOT EXISTS (SELECT 1 FROM gone g WHERE g.rel = u.rel AND g.place = u.place) GROUP BY 2, 3"
            )
        parts += verdicts(self._schema, self._change, self._where, self.reach, self._defaults, most=self._most)
        return self._head + "\n" + "\nUNION ALL ".join(parts)

    def read(self, rows: Rows) -> Consequences:
        """The consequences that the rows of `counts` tell."""
        own: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        below: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        updates: dict[int, int] = defaultdict(int)
        edges: dict[int, dict[int, None]] = defaultdict(dict)
        notes: dict[str, dict[int, int]] = {"refused": {}, "doubtful": {}, "left": {}}
        for what, number, relation, certain, doubtful in rows:
            if what in {"gone", "changed"}:
                numbers = below if number else own
                numbers[self._folded(relation)][what == "changed"] += certain
            elif what == "fact":
                self._fact(self.reach.nodes[number], self._folded(relation), certain, updates, edges)
            else:
                for note, found in ((what, certain), ("doubtful", doubtful)):
                    notes[note][number] = notes[note].get(number, 0) + found
        target = self._change.table
        effects = [Effect(target, deleted=own[target][0], updated=own[target][1])]
        # The rows of a partition that stands in the schema by itself are counted there.
        effects += [Effect(table, gone, changed) for table, (gone, changed) in own.items() if table != target]
        for table in {**below, **updates}:
            deleted, updated = below[table]
            more = updates[table] - updated - own[table][1]
            if deleted or updated or more:
                by = tuple(edges[table])
                effects.append(Effect(table, deleted=deleted, updated=updated, edges=by, more_updates=more))
        blockers, doubts, left = (
            tuple(Blocker(edge, count) for edge, count in noted.items() if count) for noted in notes.values()
        )
        return Consequences(tuple(effects), blockers, doubts, returns=bool(edges[target]), left_behind=left)

    def by_node(self, rows: Rows) -> dict[int, int]:
        """How many rows each node of `reach` touches, as the rows of `counts` tell."""
        found: dict[int, int] = defaultdict(int)
        for what, node, _, count, _ in rows:
            if what == "fact":
                found[node] += count
        return found

    def stopped(self, rows: Rows) -> bool:
        """Whether there may be more rows than were followed: then numbers are at least so many, and nothing is sure."""
        counts, most, share = self.by_node(rows), self._most, self._share
        return (
            most is not None
            and share is not None
            and (sum(counts.values()) > most or max(counts.values(), default=0) > share)
        )

    @property
    def _share(self) -> int | None:
        return None if self._most is None else max(1, self._most // max(1, len(self.reach.arms)))

    def cut(self, rows: Rows) -> set[int]:
        """OIDs of the edges that refuse more rows, or leave more behind, than were looked at."""
        return {edge for what, edge, more, _, _ in rows if what in {"refused", "left"} and more}

    def _fact(
        self, node: Node, table: int, count: int, updates: dict[int, int], edges: dict[int, dict[int, None]]
    ) -> None:
        if node.columns is not None and node not in self.reach.started:
            updates[table] += count
        if node.edge is not None:
            edges[table][node.edge.oid] = None

    def _folded(self, relation: int) -> int:
        return self._schema.partition_roots.get(relation, relation)

    @property
    def _head(self) -> str:
        """The common table expressions: `fact` (level, via, rel, place), and `gone` (rel, place, level)."""
        flags = ", ".join(f"{self._differs(node)} AS n{node.number}" for node in self.reach.started)
        start = ["SELECT 0 AS via, t.rel, t.place FROM target t"]
        start += [
            f"SELECT {node.number}, t.rel, t.place FROM target t WHERE t.n{node.number}" for node in self.reach.started
        ]
        goes = numbers(node.number for node in self.reach.nodes if node.goes)
        return f"""WITH RECURSIVE target AS MATERIALIZED (
 SELECT c.tableoid AS rel, c.ctid AS place{", " + flags if flags else ""}
 FROM {sql.source(self._table, "c")} WHERE {self._where}),
wave (level, via, rel, place, seen_via, seen_rel, seen_place) AS (
 SELECT 0, s.via, s.rel, s.place, s.via, s.rel, s.place FROM (
  SELECT array_agg(s.via) AS via, array_agg(s.rel) AS rel, array_agg(s.place) AS place
  FROM ({" UNION ALL ".join(start)}) s) s WHERE s.via IS NOT NULL{self._waves}),
fact AS MATERIALIZED (
 SELECT w.level, f.* FROM wave w CROSS JOIN LATERAL unnest(w.via, w.rel, w.place) f (via, rel, place)),
gone AS MATERIALIZED (SELECT f.rel, f.place, min(f.level) AS level FROM fact f WHERE f.via IN ({goes}) GROUP BY 1, 2)"""

    @property
    def _waves(self) -> str:
        """The recursive part: what the arms reach from the rows of the round before, unless it was touched that way."""
        if not self.reach.arms:
            return ""
        arms = " UNION ".join(self._arm(arm) for arm in self.reach.arms)
        # Whole rounds as arrays: each is joined with the tables at once, whatever their size, and knows its number.
        return f"""
 UNION ALL
 SELECT w.level + 1, n.via, n.rel, n.place, w.seen_via || n.via, w.seen_rel || n.rel, w.seen_place || n.place
 FROM wave w CROSS JOIN LATERAL (
  SELECT array_agg(x.via) AS via, array_agg(x.rel) AS rel, array_agg(x.place) AS place
  FROM ((({arms}) EXCEPT SELECT * FROM unnest(w.seen_via, w.seen_rel, w.seen_place))) x (via, rel, place)) n
 WHERE n.via IS NOT NULL{"" if self._most is None else f" AND cardinality(w.seen_via) <= {self._most}"}"""

    def _arm(self, arm: Arm) -> str:
        sources = f"FROM unnest(w.via, w.rel, w.place) f (via, rel, place) {{}} WHERE f.via IN ({numbers(arm.sources)})"
        if self._most is not None:
            # A row that several sources touch comes once, so that no LIMIT is filled by repetitions.
            sources = f"FROM (SELECT DISTINCT f.rel, f.place {sources.format('')}) f {{}} WHERE true"
        rows = (
            f"SELECT {arm.node} AS via, c.tableoid AS rel, c.ctid AS place"
            f" {sources.format(below(self._schema, arm.edge))}{inside(arm.where)}"
        )
        return f"({limited(rows, arm.edge, self._share)})"

    def _differs(self, node: Node) -> str:
        """Whether an UPDATE really changes one of the columns: byte for byte, as PostgreSQL decides it too."""
        sets = new_values(self._table, self._change, self._defaults)
        names = sorted(node.columns or ())
        old = ", ".join(f"c.{sql.name(name)}" for name in names)
        new = ", ".join(sets[name] for name in names)
        return sql.differs(old, new)
