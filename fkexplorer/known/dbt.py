"""Reads the `relationships` tests of dbt's property files, in the spellings that dbt has had for them.

They stand under `tests` or, since 1.8, `data_tests`, of a column or of a model; their arguments stand beside the name
or, since 1.10, under `arguments`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from fkexplorer.known.marked import LINE, load, mappings
from fkexplorer.known.model import WrittenRelation
from fkexplorer.known.sources import as_typed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fkexplorer.known.sources import Reading, Texts

    Names = Mapping[tuple[str, ...], str]
    """The tables of models by (name,), of sources by (source, table)."""

_TEST = "relationships"
_CALL = re.compile(r"\s*(?:\{\{)?\s*(ref|source)\s*\(\s*(.*?)\s*\)\s*(?:\}\})?\s*", re.DOTALL)
_ARGUMENT = re.compile(r"""\s*(?:'([^']*)'|"([^"]*)"|(?:v|version)\s*=\s*\S+?)\s*(?:,|$)""")
_PRESENT = re.compile(r'\s*(?:"(\w+)"|(\w+))\s+is\s+not\s+null\s*', re.IGNORECASE)
_EQUALS = re.compile(r"""\s*("(?:[^"]|"")+"|\w+)\s*=\s*'((?:[^']|'')*)'\s*""")


def relations(files: Texts) -> Reading:
    """All relations that these files tell; a model of one may refer to one of another."""
    documents: list[tuple[str, dict[Any, Any]]] = []
    problems: list[str] = []
    for name, text in files:
        try:
            document = load(text)
        except ValueError as error:
            problems.append(f"{name}: {error}")
        else:
            documents += [(name, document)] if isinstance(document, dict) else []
    names = {key: table for _, document in documents for key, table, _ in _nodes(document)}
    found: list[WrittenRelation] = []
    for name, document in documents:
        for _, table, node in _nodes(document):
            for column, test in _tests(node):
                origin = f"{name}:{test[LINE]}"
                try:
                    found.append(_relation(table, column, test, names, origin))
                except ValueError as error:
                    problems.append(f"{origin}: {error}")
    return found, problems


def _nodes(document: Mapping[Any, Any]) -> Iterator[tuple[tuple[str, ...], str, dict[Any, Any]]]:
    """Each model, seed, snapshot and table of a source: what it is called, its table, and itself."""
    for kind in ("models", "seeds", "snapshots"):
        for node in mappings(document.get(kind)):
            if isinstance(node.get("name"), str):
                settings = node["config"] if isinstance(node.get("config"), dict) else {}
                table = settings.get("alias") or node.get("alias") or node["name"]
                yield (node["name"],), as_typed(str(table)), node
    for source in mappings(document.get("sources")):
        for node in mappings(source.get("tables")):
            if isinstance(node.get("name"), str) and isinstance(source.get("name"), str):
                schema, table = source.get("schema") or source["name"], node.get("identifier") or node["name"]
                yield (source["name"], node["name"]), as_typed(str(schema), str(table)), node


def _tests(node: Mapping[Any, Any]) -> Iterator[tuple[str, dict[Any, Any]]]:
    """Each test of relationships of a node: its column, and its arguments."""
    places = [("", node), *((str(each.get("name", "")), each) for each in mappings(node.get("columns")))]
    for column, place in places:
        for key in ("tests", "data_tests"):
            for test in mappings(place.get(key)):
                own = test if test.get("test_name") == _TEST else test.get(_TEST)
                if not isinstance(own, dict):
                    continue
                inner = own["arguments"] if isinstance(own.get("arguments"), dict) else {}
                arguments = {**own, **inner, LINE: test[LINE]}
                yield column or str(arguments.get("column_name", "")), arguments


def _relation(table: str, column: str, test: Mapping[Any, Any], names: Names, origin: str) -> WrittenRelation:
    """The relation that a test is about; ValueError where it says too little, or more than can be understood."""
    to, field = test.get("to"), test.get("field")
    if not (column and isinstance(to, str) and isinstance(field, str)):
        raise ValueError("a test of relationships wants a column, to and field")
    settings = test["config"] if isinstance(test.get("config"), dict) else {}
    where = settings.get("where", test.get("where"))
    only = None
    present = _PRESENT.fullmatch(str(where))
    # Its own column without NULLs is what every foreign key is about.
    if where is not None and not (present and column.casefold() == (present[1] or present[2]).casefold()):
        equals = _EQUALS.fullmatch(str(where))
        if equals is None:
            raise ValueError(f"only column = 'value' is understood of a where, not {where}")
        only = (equals[1], equals[2].replace("''", "'"))
    return WrittenRelation(table, (column,), _parent(to, names), (field,), origin, only)


def _parent(to: str, names: Names) -> str:
    """The table that `ref('model')`, `ref('package', 'model')` or `source('name', 'table')` means."""
    call = _CALL.fullmatch(to)
    given = [one or other for one, other in _ARGUMENT.findall(call[2])] if call else []
    arguments = [each for each in given if each]
    if call is None or not arguments or (call[1] == "source" and len(arguments) != 2):
        raise ValueError(f"{to} is neither ref('model') nor source('name', 'table')")
    if call[1] == "ref":
        return names.get((arguments[-1],), as_typed(arguments[-1]))
    return names.get((arguments[0], arguments[1]), as_typed(*arguments))
