"""What types, indexes and places say of a pair of columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.inference.keys import under_domain
from fkexplorer.inference.weights import reason
from fkexplorer.inference.words import same, words
from fkexplorer.schema.model import Operator, TypeName

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fkexplorer.inference.model import CatalogueEvidence, Reason
    from fkexplorer.schema.model import Column, Table

_INTEGERS = ("int2", "int4", "int8")
_TEXTS = ("text", "varchar", "bpchar")
_CATALOG = "pg_catalog"


def equality(evidence: CatalogueEvidence, child: Column, parent: Column) -> Operator | None:
    """What a foreign key would compare the two with, parent on the left; None where nothing does.

    Of a pair that the server was not asked for only the built-in types are known (`pg_amop` of integer_ops, text_ops,
    bpchar_ops and numeric_ops), and that a type equals itself.
    """
    sides = under_domain(child), under_domain(parent)
    if sides in evidence.operators:
        return evidence.operators[sides]
    return _built_in(*sides)


def _built_in(child: TypeName, parent: TypeName) -> Operator | None:
    if child.schema == parent.schema == _CATALOG:
        if child.name in _INTEGERS and parent.name in _INTEGERS:
            return Operator(_CATALOG, "=", parent, child)
        if child.name in _TEXTS and parent.name in _TEXTS:
            both = TypeName(_CATALOG, "bpchar" if parent.name == "bpchar" else "text")
            return Operator(_CATALOG, "=", both, both)
        if child.name in _INTEGERS and parent.name == "numeric":
            return Operator(_CATALOG, "=", parent, parent)
    return Operator(_CATALOG, "=", parent, parent) if child == parent else None


def types_reason(operator: Operator | None, child: Column, parent: Column) -> Reason:
    """What the types say."""
    if operator is None:
        both = f"{child.type_text}, {parent.type_text}: can't be declared (42804)"
        # Text that holds numbers or uuids is a mistake that is often made; a number that holds text is none.
        castable = child.category == "S" and parent.category != "S"
        return reason("castable" if castable else "incomparable", both)
    if under_domain(child) == under_domain(parent):
        return reason("same_type", "same type")
    return reason("comparable", f"types that compare: {child.type_text}, {parent.type_text}")


def leading_index(table: Table, numbers: tuple[int, ...]) -> str | None:
    """The name of a valid index whose first columns are these, in any order; None if there is none."""
    wanted = set(numbers)
    return next(
        (
            index.name
            for index in table.indexes
            if index.valid
            and (not index.partial or index.not_null_predicate in wanted)
            and {each.number for each in index.columns[: len(wanted)]} == wanted
        ),
        None,
    )


def place_reason(child: Table, parent: Table, named: Mapping[str, int], code: str) -> Reason | None:
    """That both are in one schema, or that there is only one of the parent's name at all."""
    if child.oid == parent.oid:
        return reason("same_schema", "the table itself")
    if child.schema == parent.schema:
        return reason("same_schema", "in the same schema")
    if code != "unnamed" and named.get(same(words(parent.name)), 0) == 1:
        return reason("only_one", f"no other table is called {parent.name}")
    return None


def column_reasons(child: Table, numbers: tuple[int, ...]) -> list[Reason]:
    """What the child's side of it says, whatever the parent is."""
    found: list[Reason] = []
    if leading_index(child, numbers):
        found.append(reason("indexed", "indexed"))
    if all(child.column(number).not_null for number in numbers):
        found.append(reason("not_null", "never NULL"))
    return found
