"""Which columns may refer to something, and what of their names and types says that they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.inference.keys import may_hold_keys
from fkexplorer.inference.vocabulary import EXTERNAL
from fkexplorer.inference.words import singular, words
from fkexplorer.schema.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.schema.model import Column, Schema, Table


def own_prefix(table: Table) -> int:
    """How many words at the beginning of all its columns' names belong to the table: 1 for `rev_id` and its like."""
    if len(table.columns) < 3:
        return 0
    all_words = [words(column.name) for column in table.columns]
    first = all_words[0][:1]
    return int(bool(first) and all(len(each) > 1 and each[:1] == first for each in all_words))


def without(name: str, words_less: int) -> str:
    """A column's name without so many words at its beginning."""
    return "_".join(words(name)[words_less:]) if words_less else name


def bound(schema: Schema) -> set[tuple[int, int]]:
    """By table and number the columns that are all of a foreign key, or of a relationship that somebody wrote down."""
    return {
        (edge.child, edge.pairs[0].child.number)
        for edge in schema.edges.values()
        if edge.kind is not EdgeKind.INFERRED and len(edge.pairs) == 1 and edge.only is None
    }


def candidate_columns(table: Table, taken: set[tuple[int, int]]) -> list[Column]:
    """The columns of a table that may refer to something: of a type that keys have, not computed, and not `taken`."""
    return [
        column
        for column in table.columns
        if not column.generated and may_hold_keys(column) and (table.oid, column.number) not in taken
    ]


def external_word(some: Iterable[str], named: Iterable[str]) -> str:
    """The word of a column's name that says that its key comes from elsewhere; '' for none.

    `named` are the words of the table that it would refer to: `stripe_customer_id` is no stranger to
    `stripe_customers`.
    """
    own = {singular(word) for word in named}
    return next((word for word in some if word in EXTERNAL and singular(word) not in own), "")
