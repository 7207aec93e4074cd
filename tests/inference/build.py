"""Schemas for the rules of guessing, made by hand: what a catalogue would say, without a server."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fkexplorer.inference.infer import infer
from fkexplorer.inference.model import CatalogueEvidence
from fkexplorer.schema.model import TypeName
from tests.reports.build import Builder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fkexplorer.inference.model import Guess, Inclusion, Inference, PairKey
    from fkexplorer.schema.model import Column, Schema, Table

NOTHING = CatalogueEvidence()
_TYPES = {
    "int": ("int4", "integer", "N"),
    "bigint": ("int8", "bigint", "N"),
    "numeric": ("numeric", "numeric", "N"),
    "uuid": ("uuid", "uuid", "U"),
    "text": ("text", "text", "S"),
    "bool": ("bool", "boolean", "B"),
    "time": ("timestamptz", "timestamp with time zone", "D"),
    "ints": ("_int4", "integer[]", "A"),
}


class Making(Builder):
    """Tables whose columns are `name`, an integer, or `name:type`; `!` behind it is NOT NULL, `=` has a default."""

    def table(self, name: str, *columns: str, key: tuple[str, ...] = ("id",), **others: Any) -> Table:  # noqa: ANN401
        """A table with a primary key `id` or `key`; `unique` are columns that are unique by themselves."""
        unique = others.pop("unique", ())
        plain = {_bare(each): each for each in (*key, *columns)}
        made = super().table(
            name, *(_bare(each) + "!" * each.endswith("!") for each in columns), key=tuple(map(_bare, key)), **others
        )
        typed = tuple(_typed(column, plain[column.name]) for column in made.columns)
        numbers = {column.name: column.number for column in typed}
        indexes = made.indexes + tuple(self.unique_index(f"{each}_key", (numbers[each],)) for each in unique)
        made = replace(made, columns=typed, indexes=replace_primary(indexes))
        self.tables[name] = made
        return made


def replace_primary(indexes: tuple[Any, ...]) -> tuple[Any, ...]:
    """The first one as the primary key's."""
    return (replace(indexes[0], primary=True), *indexes[1:])


def _bare(text: str) -> str:
    return text.rstrip("!=").partition(":")[0]


def _typed(column: Column, text: str) -> Column:
    name, shown, category = _TYPES[text.rstrip("!=").partition(":")[2] or "int"]
    return replace(
        column,
        type=TypeName("pg_catalog", name),
        type_text=shown,
        category=category,
        has_default="=" in text,
    )


def said(schema: Schema, guess: Guess) -> str:
    """`child(a, b) -> parent(x, y)`, with `[column=value]` and, where it is tied, `?`."""
    edge = guess.edge
    child, parent = schema.child_of(edge), schema.parent_of(edge)
    only = f" [{edge.only.column.name}={edge.only.value}]" if edge.only else ""
    return (
        f"{child.name}({', '.join(pair.child.name for pair in edge.pairs)}) -> "
        f"{parent.name}({', '.join(pair.parent.name for pair in edge.pairs)}){only}{'?' * bool(guess.rivals)}"
    )


def inferred(
    made: Builder, evidence: CatalogueEvidence = NOTHING, samples: Mapping[PairKey, Inclusion] | None = None
) -> Inference:
    """All guesses about what was made."""
    return infer(made.schema(), evidence, samples or {})


def shown(made: Builder, evidence: CatalogueEvidence = NOTHING) -> list[str]:
    """The guesses that are drawn, in order of the alphabet."""
    schema = made.schema()
    return sorted(said(schema, guess) for guess in infer(schema, evidence).shown)


def suggested(made: Builder, evidence: CatalogueEvidence = NOTHING) -> list[str]:
    """All guesses."""
    schema = made.schema()
    return sorted(said(schema, guess) for guess in infer(schema, evidence).guesses)


def only(made: Builder, evidence: CatalogueEvidence = NOTHING, samples: Any = None) -> Guess:  # noqa: ANN401
    """The only guess that there is."""
    (guess,) = inferred(made, evidence, samples).guesses
    return guess


def codes(guess: Guess) -> set[str]:
    """Of its reasons."""
    return {each.code for each in guess.reasons}
