"""A data step as a piece of a psql script: the guarded transaction that a run makes, in statements that need nobody.

What a run keeps in this program's memory, the script keeps in psql's variables, all named `fk_…`: the rows that are
locked (`fk_leaf`, `fk_place`), those that are touched at all (`fk_all_…`), the keys that they name (`fk_key_…`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fkexplorer.fixes import psql, sql
from fkexplorer.fixes.material import digest_of
from fkexplorer.fixes.model import Verb
from fkexplorer.fixes.scriptmacros import WRONG, array, root
from fkexplorer.fixes.shapes import AT, typed

if TYPE_CHECKING:
    from fkexplorer.fixes.material import Material
    from fkexplorer.fixes.model import DataStep, Preview
    from fkexplorer.schema.model import Schema

_FILE = re.compile(r"[^A-Za-z0-9_.-]")
_MANY = 1 << 40
"""More updates than there can be: where several foreign keys update a row in turn, nobody knows how often."""


class StepScript:
    """The text of one data step.

    Args:
        schema: the schema that the plan was made with.
        preview: what was counted.
        step: the step.
        material: what was read for it.
        number: of the step, from 1.
        max_rows: the most rows that it may touch, in place of those that were counted; None: just those.
    """

    def __init__(
        self,
        schema: Schema,
        preview: Preview,
        step: DataStep,
        material: Material,
        *,
        number: int,
        max_rows: int | None,
    ) -> None:
        self._schema = schema
        self._preview = preview
        self._step = step
        self._change = step.change
        self._material = material
        self._number = number
        self._max_rows = max_rows
        self._shape = material.shapes[step.change.table]
        self._files = 0

    def lines(self) -> list[str]:
        """All between BEGIN and COMMIT. Where nothing is to do the variable `fk_none` is on, and nothing was done."""
        inserts = self._change.verb is Verb.INSERT
        return [
            *([f"{self._step.hold};"] if self._step.hold else []),
            ":fk_settings \\gset",
            ":fk_images \\gset",
            *psql.guard("NOT current_setting('track_counts')::bool", "track_counts is off: nothing could be checked"),
            *(self._wanted() if inserts else self._lock()),
            "SELECT :fk_n = 0 AS fk_none \\gset",
            "\\if :fk_none",
            "\\else",
            *self._check_rows(),
            *([] if inserts else [*self._keys(), *self._follow(), *self._check_numbers()]),
            *self._check_triggers(),
            *([] if inserts else self._back_up()),
            *psql.comment("The change itself, with the settings that the role has."),
            ":fk_restore \\gset",
            *self._first(),
            "SELECT coalesce(pg_catalog.json_agg(b), '[]') AS fk_before FROM :fk_counters b \\gset",
            *(self._insert() if inserts else self._do()),
            "\\set fk_touched :ROW_COUNT",
            "SET CONSTRAINTS ALL IMMEDIATE;",
            ":fk_images \\gset",
            *psql.comment("Everything that was touched, by table, with what cascades and triggers did."),
            *self._check_touched(),
            *self._compare(),
            *([] if inserts else self._check_parents()),
            "\\endif",
        ]

    def _wanted(self) -> list[str]:
        """The rows that an INSERT is about: their number and digest."""
        material = self._material
        return [
            f"SELECT count(*) AS fk_n, {digest_of(material.same)} AS fk_digest",
            f"FROM ({material.new}) AS p \\gset",
        ]

    def _first(self) -> list[str]:
        """What goes before the change; made for repeated use, a side table may be there already."""
        if self._max_rows is None:
            return [f"{statement};" for statement in self._step.first]
        again = "CREATE TABLE IF NOT EXISTS "
        return [f"{statement.replace('CREATE TABLE ', again, 1)};" for statement in self._step.first]

    def _insert(self) -> list[str]:
        """The INSERT, which writes the new rows into a file, by which they can be taken back."""
        returned = ", ".join(sql.name(column.name) for column in self._shape.columns)
        return [*psql.folder(), *self._copied(f"{self._change.sql} RETURNING {returned}", self._shape.label)]

    def _lock(self) -> list[str]:
        """Lock the change's own rows; their number, places and digest."""
        material = self._material
        most = material.rows if self._max_rows is None else self._max_rows
        return [
            *psql.comment("The rows, locked, so that nobody else can change them any more."),
            f"SELECT count(*) AS fk_n, {digest_of('fk_rows.same')} AS fk_digest,",
            " array_agg(fk_rows.leaf) AS fk_leaf, array_agg(fk_rows.place) AS fk_place",
            f"FROM (SELECT c.tableoid AS leaf, c.ctid AS place, {material.same} AS same",
            f" FROM {self._shape.source} WHERE {self._change.where}",
            f" LIMIT {most + 1} FOR UPDATE OF c) AS fk_rows \\gset",
        ]

    def _check_rows(self) -> list[str]:
        """The rows are those that were counted, or not more than the most."""
        label = psql.percent(self._shape.label)
        if self._max_rows is not None:
            return psql.guard(
                f":fk_n > {self._max_rows}", f"{label}: more rows than {self._max_rows}, the most that there may be"
            )
        rows = self._material.rows
        return [
            *psql.guard(
                f":fk_n <> {rows}",
                f"{label}: %s rows are there, in place of {rows}",
                f"CASE WHEN :fk_n > {rows} THEN 'more' ELSE :'fk_n' END",
            ),
            *psql.guard(
                f":'fk_digest' <> {sql.literal(self._material.digest)}",
                f"{label}: the {rows} rows that are there are not those that were counted",
            ),
        ]

    def _keys(self) -> list[str]:
        """Keep the keys that the rows name, to look for their parents once more at the end."""
        keys, material = range(1, len(self._material.keys) + 1), self._material
        if not material.parents:
            return []
        read = ", ".join(
            f"CASE WHEN c.{name} IS NOT NULL THEN concat(c.{name}) END AS k{at}"
            for at, name in zip(keys, (sql.name(column.name) for column in material.keys), strict=True)
        )
        kept = ", ".join(f"array_agg(k.k{at}) AS fk_key_{at}" for at in keys)
        return [f"SELECT {kept} FROM (SELECT DISTINCT {read}", f" FROM {self._at_target()}) k \\gset"]

    def _at_target(self) -> str:
        return f":fk_target JOIN {self._shape.source} ON {AT}"

    def _follow(self) -> list[str]:
        """Find and lock the rows that foreign keys touch, all of them in `fk_all_…`."""
        if not self._material.following:
            gone = str(self._change.verb is Verb.DELETE).lower()
            return [
                "SELECT array_agg(at.leaf) AS fk_all_leaf, array_agg(at.place) AS fk_all_place,",
                f" array_agg({gone}) AS fk_all_gone FROM :fk_target \\gset",
            ]
        arrays = ", ".join(
            f"array_agg(f.{column} ORDER BY f.rel, f.place) AS {{0}}{name}"
            for column, name in (("rel", "leaf"), ("place", "place"), ("gone", "gone"))
        )
        found = f"FROM ({self._material.following}) f \\gset"
        again = " OR ".join(f":'fk_all_{name}' <> :'fk_now_{name}'" for name in ("leaf", "place", "gone"))
        return [
            *psql.comment("All rows that follow by foreign keys, locked as well."),
            f"SELECT {arrays.format('fk_all_')}",
            found,
            *(
                "SELECT count(*) AS fk_set FROM (SELECT 1 FROM :fk_all"
                f" JOIN {shape.source} ON {AT} FOR UPDATE OF c) l \\gset"
                for shape in self._material.shapes.values()
            ),
            f"SELECT {arrays.format('fk_now_')}",
            found,
            *psql.guard(again, "others are changing the rows that would follow"),
        ]

    def _check_numbers(self) -> list[str]:
        """The rows that are touched are as many, by table, as were counted."""
        if self._max_rows is not None:
            return []
        listed = ", ".join(
            f"({root(self._regclass(effect.table))}, {effect.deleted}, {effect.updated})"
            for effect in self._preview.foreseen
            if effect.deleted or effect.updated
        )
        return psql.guard(
            "count(*) > 0",
            "%s",
            "string_agg(format('%s: %s would be deleted and %s updated, in place of %s and %s',"
            " root::regclass, f.d, f.u, e.d, e.u), '; ')",
            over=(
                "FROM (SELECT root, sum(d) AS d, sum(u) AS u"
                f" FROM (VALUES {listed}) AS v (root, d, u) GROUP BY 1) e\n"
                f" FULL JOIN :fk_numbers f USING (root)"
                " WHERE (f.d, f.u) IS DISTINCT FROM (e.d, e.u)"
            ),
        )

    def _regclass(self, table: int) -> str:
        return f"{sql.literal(sql.table_name(self._schema.tables[table]))}::regclass"

    def _check_triggers(self) -> list[str]:
        """No trigger of a user fires but those that the plan names."""
        named = ", ".join(
            f"({root(self._regclass(each.table))}, {sql.literal(each.name)})" for each in self._preview.triggers
        )
        but = f" AND ({root('t.tgrelid')}, t.tgname::text) NOT IN ({named})" if named else ""
        fires = "(n.d > 0 AND t.tgtype & 8 <> 0 OR n.u > 0 AND t.tgtype & 16 <> 0)"
        numbers = ":fk_numbers"
        if self._change.verb is Verb.INSERT:
            fires = "t.tgtype & 4 <> 0"
            numbers = f"(SELECT {root(self._regclass(self._change.table))} AS root)"
        return psql.guard(
            "count(*) > 0",
            "the trigger %s fires, and may change more",
            "string_agg(t.tgname || ' on ' || n.root::regclass, ', ')",
            over=(
                f"FROM pg_trigger t JOIN {numbers} n ON {root('t.tgrelid')} = n.root\n"
                f" WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND {fires}{but}"
            ),
        )

    def _back_up(self) -> list[str]:
        """Write the rows of each table, as they are, into a file of a private folder."""
        lines = [*psql.comment("The backup: without one nothing is changed."), *psql.folder()]
        for shape in self._material.shapes.values():
            lines += self._copied(
                f"SELECT {shape.image} FROM :fk_all JOIN {shape.source} ON {AT} ORDER BY at.leaf, at.place",
                shape.label,
            )
        total = " + ".join(f":fk_rows_{at}" for at in range(1, self._files + 1))
        return [
            *lines,
            *psql.guard(
                f"{total} <> count(*)",
                "the backup has %s rows, in place of %s",
                total,
                "count(*)",
                over="FROM :fk_all",
            ),
            psql.synced(),
        ]

    def _copied(self, query: str, label: str) -> list[str]:
        self._files += 1
        file = f"/{self._number}-{self._files}-{_FILE.sub('_', label)}.csv"
        return [
            f"\\set fk_file :fk_folder {psql.quoted(file)}",
            f"COPY ({query}) TO STDOUT (FORMAT csv, HEADER) \\g :fk_file",
            f"\\set fk_rows_{self._files} :ROW_COUNT",
        ]

    def _do(self) -> list[str]:
        """The change, narrowed to the rows that are locked."""
        change = self._change
        joined = "USING" if change.verb is Verb.DELETE else "FROM"
        where = f"WHERE {AT} AND ({change.where})"
        return ["\n ".join(part for part in (change.head, f"{joined} :fk_target", where, change.tail) if part) + ";"]

    def _compare(self) -> list[str]:
        """What was touched is what was backed up, and nothing else."""
        if self._change.verb is Verb.INSERT:
            table = root(self._regclass(self._change.table))
            return self._compared(f"SELECT {table}, 0, 0, :fk_touched::int8, 0")
        if self._dry:
            listed = ", ".join(
                f"({root(self._regclass(each.table))}, {each.deleted}, {each.updated}, {each.inserted})"
                for each in self._preview.effects
            )
            expected = (
                "SELECT v.root, sum(v.d), sum(v.u), sum(v.i), 0 AS more"
                f" FROM (VALUES {listed}) AS v (root, d, u, i) GROUP BY 1"
            )
            return self._compared(expected + self._side(":fk_touched"))
        loose = ", ".join(root(self._regclass(table)) for table in sorted(self._material.loose))
        more = f"CASE WHEN n.root IN ({loose}) THEN {_MANY} ELSE 0 END" if loose else "0"
        expected = f"SELECT n.root, n.d, n.u, 0 AS i, {more} AS more FROM :fk_numbers n"
        return self._compared(expected + self._side(":fk_n"))

    @property
    def _dry(self) -> bool:
        """Whether it has to do just what a dry run did."""
        return self._preview.dry and self._max_rows is None

    def _side(self, rows: str) -> str:
        """That these rows come into the side table, if there is one."""
        into = self._change.into
        return f" UNION ALL SELECT {sql.literal(into)}::regclass::oid, 0, 0, {rows}, 0" if into else ""

    def _check_touched(self) -> list[str]:
        """As many rows changed as were locked, or as a dry run saw; of an INSERT as were announced, or not too many."""
        if self._change.verb is not Verb.INSERT:
            wanted = str(self._preview.rows) if self._dry else ":fk_n"
            return psql.guard(f":fk_touched <> {wanted}", "%s rows changed, in place of %s", ":fk_touched", wanted)
        bad = ":fk_touched > :fk_n" if self._max_rows is not None else f":fk_touched <> {self._preview.rows}"
        most = ":fk_n" if self._max_rows is not None else str(self._preview.rows)
        return psql.guard(bad, "%s rows were inserted, in place of %s", ":fk_touched", most)

    def _compared(self, expected: str) -> list[str]:
        # Triggers that the plan names may do what they do to other tables.
        only = " AND NOT other" if self._preview.triggers else ""
        return [
            f"WITH expected (root, d, u, i, more) AS ({expected}),",
            f"{WRONG}{only})",
            *psql.guard("count(*) > 0", "%s", "string_agg(words, '; ')", over="FROM wrong"),
        ]

    def _check_parents(self) -> list[str]:
        """None of the rows has a parent: READ COMMITTED lets one slip in that came while the change waited."""
        keys = self._material.keys
        if not self._material.parents:
            return []
        arrays = ", ".join(array(f"key_{at}", "text") for at in range(1, len(keys) + 1))
        names = ", ".join(f'"{at}"' for at in range(1, len(keys) + 1))
        rows = f"SELECT {typed(keys)} FROM ROWS FROM ({arrays}) WITH ORDINALITY AS v ({names}, n)"
        return psql.guard(
            "count(*) > 0",
            "%s of the missing parents are there now",
            "count(*)",
            over=f"FROM ({rows}) AS c WHERE {self._material.parents}",
        )
