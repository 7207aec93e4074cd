"""What must hold before a transaction may commit: it touched the rows that were announced, and no others."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.fixes.model import Trigger, Verb

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fkexplorer.fixes.model import Effect
    from fkexplorer.fixes.shapes import Ask

_LOOK_AGAIN = "look at the preview again: it shows how things are now"

# What this transaction has done so far, partitions in their root. The view counts by rows that were really changed,
# also by foreign keys and triggers; up to 14 also what earlier transactions of the connection did a moment ago.
_COUNTERS = """
SELECT coalesce(pg_catalog.pg_partition_root(s.relid), s.relid)::bigint, pg_catalog.sum(s.n_tup_del)::bigint,
 pg_catalog.sum(s.n_tup_upd)::bigint, pg_catalog.sum(s.n_tup_ins)::bigint
FROM pg_catalog.pg_stat_xact_user_tables s WHERE s.n_tup_ins + s.n_tup_upd + s.n_tup_del > 0 GROUP BY 1
"""

# tgtype: 4 is INSERT, 8 DELETE, 16 UPDATE. A trigger of certain columns fires where the statement names one of them,
# and is counted here whichever it names.
_TRIGGERS = """
SELECT DISTINCT coalesce(pg_catalog.pg_partition_root(t.tgrelid), t.tgrelid)::bigint, t.tgname::text,
 pg_catalog.format('%I.%I', n.nspname, p.proname), t.tgtype::int
FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
 AND coalesce(pg_catalog.pg_partition_root(t.tgrelid), t.tgrelid) IN ({0})
ORDER BY 1, 2
"""
_BITS = {Verb.INSERT: 4, Verb.DELETE: 8, Verb.UPDATE: 16}

_TABLES = """
SELECT c.oid::bigint, coalesce(pg_catalog.pg_partition_root(c.oid), c.oid)::bigint,
 pg_catalog.format('%I.%I', n.nspname, c.relname)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid IN ({0})
"""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Rows of one table that were deleted, updated, inserted."""

    deleted: int = 0
    updated: int = 0
    inserted: int = 0
    more: int = 0
    """Updates that may come on top."""

    def __add__(self, other: Numbers) -> Numbers:
        return Numbers(
            self.deleted + other.deleted,
            self.updated + other.updated,
            self.inserted + other.inserted,
            self.more + other.more,
        )

    def __sub__(self, other: Numbers) -> Numbers:
        return Numbers(self.deleted - other.deleted, self.updated - other.updated, self.inserted - other.inserted)

    def __str__(self) -> str:
        numbers = ((self.deleted, "deleted"), (self.updated, "updated"), (self.inserted, "inserted"))
        return ", ".join(f"{number} {verb}" for number, verb in numbers if number) or "none touched"

    def announced(self, expected: Numbers) -> bool:
        """Whether these are the numbers that were expected.

        A row that an UPDATE moves to another partition counts as deleted there and inserted here.
        """
        moved = self.inserted - expected.inserted
        updated = self.updated + moved
        return (
            moved >= 0
            and self.deleted - moved == expected.deleted
            and expected.updated <= updated <= expected.updated + expected.more
        )


Tally = dict[int, Numbers]
"""By table; partitions count in their root."""


class Names:
    """Names and roots of tables, as the server has them."""

    def __init__(self, rows: Iterable[tuple[int, int, str]]) -> None:
        found = list(rows)
        self._roots = {oid: root for oid, root, _ in found}
        self._labels = {oid: label for oid, _, label in found}

    @classmethod
    async def of(cls, ask: Ask, oids: Iterable[int]) -> Names:
        """Those of these tables."""
        listed = ", ".join(str(oid) for oid in sorted(set(oids)))
        return cls([(oid, root, label) for oid, root, label in await ask(_TABLES.format(listed))] if listed else [])

    def root(self, oid: int) -> int:
        """The table that a partition is of, at the top; of any other table itself."""
        return self._roots.get(oid, oid)

    def label(self, oid: int) -> str:
        """`schema.table`."""
        return self._labels.get(oid, f"table {oid}")

    def tally(self, effects: Iterable[Effect]) -> Tally:
        """The numbers of these effects."""
        total: dict[int, Numbers] = defaultdict(Numbers)
        for each in effects:
            total[self.root(each.table)] += Numbers(each.deleted, each.updated, each.inserted, each.more_updates)
        return dict(total)


async def counters(ask: Ask) -> Tally:
    """What this transaction has done so far."""
    return {oid: Numbers(deleted, updated, inserted) for oid, deleted, updated, inserted in await ask(_COUNTERS)}


def difference(after: Tally, before: Tally) -> Tally:
    """What was done in between."""
    found = {oid: numbers - before.get(oid, Numbers()) for oid, numbers in after.items()}
    return {oid: numbers for oid, numbers in found.items() if numbers != Numbers()}


def moved(reason: str) -> Trouble:
    """What to raise where something is not as it was previewed."""
    return Trouble(reason, _LOOK_AGAIN, code="moved")


def compare(actual: Tally, expected: Tally, names: Names, *, others: bool) -> None:
    """Make sure that what was touched is what was announced.

    Args:
        actual: what the server counted.
        expected: what it must be, by table.
        names: of these tables.
        others: whether triggers may have touched other tables too.

    Raises:
        Trouble: it is not (`moved`); the reason names the first table, and both numbers.
    """
    for oid in (*expected, *(actual if not others else ())):
        wanted, found = expected.get(oid, Numbers()), actual.get(oid, Numbers())
        if not found.announced(wanted):
            raise moved(f"{names.label(oid)}: {found}, in place of {wanted}")


async def user_triggers(ask: Ask, touched: Mapping[int, Iterable[Verb]]) -> tuple[Trigger, ...]:
    """The enabled triggers of users that these changes fire.

    Args:
        ask: runs a statement.
        touched: what is done to the rows of each table (of partitions, the root).
    """
    if not touched:
        return ()
    bits = {table: sum(_BITS[verb] for verb in set(verbs)) for table, verbs in touched.items()}
    rows = await ask(_TRIGGERS.format(", ".join(str(table) for table in sorted(bits))))
    return tuple(Trigger(table, name, function) for table, name, function, events in rows if events & bits[table])
