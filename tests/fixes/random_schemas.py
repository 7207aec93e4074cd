"""Small random schemas with rows in them: cascades, cycles, self-references, SET NULL, composite keys, partitions.

Every table has a column `k` that nothing refers to, by which a row is known whatever happens to the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_ACTIONS = ("CASCADE", "CASCADE", "SET NULL", "SET DEFAULT", "NO ACTION", "RESTRICT")
_REFERENCES = (
    ("x0", "id"),
    ("x1", "id"),
    ("x0", "u"),
    ("x1", "u"),
    ("y0, y1", "a, b"),
    ("y0, y1", "a, b"),
    ("u", "id"),
)
# Half of them change a key that others may refer to.
_CHANGES = (
    "x0 = 5",
    "x0 = NULL",
    "x1 = x0",
    "u = u + 20",
    "u = NULL",
    "y0 = 1, y1 = 1",
    "y0 = NULL",
    "a = a + 10",
    "b = b",
)


@dataclass(frozen=True)
class Made:
    """A script, the names of its tables, and of those that are partitioned (on `id`, into `_odd` and `_even`)."""

    script: str
    tables: tuple[str, ...]
    partitioned: frozenset[str]


def random_schema(random: Random, version: int) -> Made:
    """A script for a fresh database, to be run as superuser, foreign keys unchecked.

    Args:
        random: decides everything.
        version: the server's major version.
    """
    names = tuple(f"t{at}" for at in range(random.randint(2, 4)))
    partitioned = frozenset(name for name in names if random.random() < 0.2)
    tables, edges, rows = [], [], []
    for at, name in enumerate(names):
        not_null = {column for column in ("x0", "x1", "y0", "y1") if random.random() < 0.12}
        tables += _table(random, name, not_null, partitioned=name in partitioned)
        edges += _edges(random, name, names, partitioned, version)
        rows.append(f"INSERT INTO {name} VALUES {_rows(random, at * 100, not_null)}")
    off = []
    if random.random() < 0.2:
        name = random.choice(names)
        off = [f"ALTER TABLE {name + '_odd' if name in partitioned else name} DISABLE TRIGGER ALL"]
    script = ";\n".join(["SET session_replication_role = replica", *tables, *edges, *off, *rows])
    return Made(script, names, partitioned)


def random_change(random: Random, made: Made) -> tuple[str, str, str]:
    """A table, what an UPDATE sets (empty for a DELETE), and a condition over `c`."""
    name = random.choice(made.tables)
    where = random.choice(["c.k % 3 = 1", "c.k % 2 = 0", "c.id < 4", "c.x0 IS NOT NULL", "c.k % 100 = 0"])
    sets = random.choice(_CHANGES) if random.random() < 0.4 else ""
    return name, sets, where


def _table(random: Random, name: str, not_null: set[str], *, partitioned: bool) -> list[str]:
    def column(of: str) -> str:
        default = f" DEFAULT {random.randint(0, 9)}" if random.random() < 0.3 else ""
        return f"{of} int{default}{' NOT NULL' if of in not_null else ''}"

    columns = ", ".join(map(column, ("x0", "x1", "y0", "y1")))
    keys = "" if partitioned else ", UNIQUE (u), UNIQUE (a, b)"
    tail = " PARTITION BY LIST (id)" if partitioned else ""
    made = [f"CREATE TABLE {name} (k int, id int PRIMARY KEY, u int, a int, b int, {columns}{keys}){tail}"]
    if partitioned:
        made.append(f"CREATE TABLE {name}_odd PARTITION OF {name} FOR VALUES IN (1, 3, 5, 7, 9)")
        made.append(f"CREATE TABLE {name}_even PARTITION OF {name} DEFAULT")
    return made


def _rows(random: Random, first: int, not_null: set[str]) -> str:
    count = random.randint(3, 9)
    ids, others = random.sample(range(10), count), random.sample(range(10), count)
    pairs = random.sample([(a, b) for a in range(4) for b in range(4)], count)

    def reference(column: str, most: int) -> str:
        return "NULL" if random.random() < 0.15 and column not in not_null else str(random.randint(0, most))

    def row(n: int) -> str:
        u = "NULL" if random.random() < 0.1 else others[n]
        keys = ", ".join((*(reference(x, 9) for x in ("x0", "x1")), *(reference(y, 3) for y in ("y0", "y1"))))
        return f"({first + n}, {ids[n]}, {u}, {pairs[n][0]}, {pairs[n][1]}, {keys})"

    return ", ".join(row(n) for n in range(count))


def _edges(random: Random, child: str, names: tuple[str, ...], partitioned: frozenset[str], version: int) -> list[str]:
    made = []
    for at in range(random.randint(1, 3)):
        parent = random.choice(names)
        fitting = [pair for pair in _REFERENCES if parent not in partitioned or pair[1] == "id"]
        columns, key = random.choice(fitting)
        composite = "," in columns
        on_delete, on_update = random.choice(_ACTIONS), random.choice(_ACTIONS)
        if composite and version >= 15 and on_delete.startswith("SET") and random.random() < 0.4:
            on_delete += f" ({random.choice(('y0', 'y1'))})"
        match = " MATCH FULL" if composite and random.random() < 0.3 else ""
        state = " DEFERRABLE INITIALLY DEFERRED" if random.random() < 0.15 else ""
        if version >= 18 and child not in partitioned and random.random() < 0.1:
            state += " NOT ENFORCED"
        made.append(
            f"ALTER TABLE {child} ADD CONSTRAINT {child}_fk{at} FOREIGN KEY ({columns}) REFERENCES {parent} ({key})"
            f"{match} ON DELETE {on_delete} ON UPDATE {on_update}{state}"
        )
    return made
