"""What a schema is in the habit of: learnt from the edges that it declares, else from how regular its names are."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from fkexplorer.inference.keys import sole_key
from fkexplorer.inference.vocabulary import GENERIC
from fkexplorer.inference.weights import reason
from fkexplorer.inference.words import references
from fkexplorer.schema.model import EdgeKind

if TYPE_CHECKING:
    from fkexplorer.inference.model import Reason
    from fkexplorer.schema.model import Schema

_ENOUGH = 5
"""Declared edges of one column from which a habit can be told."""


def is_generic(name: str) -> bool:
    """Whether a column's name would do in any table."""
    return name.lower() in GENERIC


class Habits:
    """What the declared and configured edges of a schema tell of others."""

    def __init__(self, schema: Schema) -> None:
        self._declared: dict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
        self.borrowed: set[tuple[int, int]] = set()
        """Columns, by table and number, that refer to another table by themselves."""
        words: Counter[str] = Counter()
        for edge in schema.edges.values():
            if edge.kind is EdgeKind.INFERRED or len(edge.pairs) != 1 or edge.only is not None:
                continue
            pair = edge.pairs[0]
            # `parent_id` of one table says nothing of that of another.
            if not edge.self_referencing:
                self._declared[pair.child.name.lower()][edge.parent, pair.parent.number] += 1
                self.borrowed.add((edge.child, pair.child.number))
            words[_key_word(pair.child.name)] += 1
        self._words = words
        self._edges = sum(words.values())
        sole = [(table, number) for table in schema.tables.values() if (number := sole_key(table)) is not None]
        given = sum(bool(column.has_default or column.identity) for column in (t.column(n) for t, n in sole))
        self.keys_have_defaults = given * 2 >= len(sole) > 0
        """Most primary keys of one column make their own values."""

    def siblings(self, name: str) -> Counter[tuple[int, int]]:
        """What columns of this name are declared to refer to elsewhere, by table and number of the column, how often.

        None for a name that says nothing.
        """
        return Counter() if is_generic(name) else self._declared.get(name.lower(), Counter())

    def sibling_reason(self, name: str, parent: tuple[int, int]) -> Reason | None:
        """That the same column is declared elsewhere."""
        times = self.siblings(name).get(parent, 0)
        if not times:
            return None
        where = "another table" if times == 1 else f"{times:,} other tables"
        return reason(
            "declared_elsewhere" if times < 3 else "declared_often", f"the same column is declared in {where}"
        )

    def manner(self, name: str) -> Reason | None:
        """Whether the declared edges are named like it, by the word that tells a key."""
        word = _key_word(name)
        times = self._words[word]
        if self._edges >= _ENOUGH and times * 5 >= self._edges:
            return reason("as_declared", f"{times:,} declared ones end in {word}" if word else "named as declared ones")
        if self._edges >= 2 * _ENOUGH and times == 0:
            return reason("unlike_declared", "no declared one is named in this manner")
        return None


def _key_word(name: str) -> str:
    return next((each.key or ("by" if each.by else "") for each in references(name)), "")
