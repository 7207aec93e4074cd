"""Reads the relations of a Prisma schema: `@relation(fields: [...], references: [...])`, as the database names them.

A parser of its own for the little that is needed, since Prisma's is a program in Rust: of models and views the fields
with `@relation` and `@map`, and `@@map` and `@@schema`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fkexplorer.known.model import WrittenRelation
from fkexplorer.schema.names import qualified, quote

if TYPE_CHECKING:
    from fkexplorer.known.sources import Reading, Texts

_STRING = r'"(?:[^"\\\n]|\\.)*"'
_COMMENT = re.compile(rf"({_STRING})|//[^\n]*|/\*.*?\*/", re.DOTALL)
_BLOCK = re.compile(r"^[ \t]*(?:model|view)[ \t]+(\w+)[ \t]*\{[ \t]*$(.*?)^[ \t]*\}", re.DOTALL | re.MULTILINE)
_FIELD = re.compile(r"^[ \t]*(\w+)[ \t]+(\w+)(?:\[\]|[?!])?(?=[ \t@]|$)", re.MULTILINE)
_RELATION = re.compile(rf"@relation[ \t]*\(((?:{_STRING}|\[[^\]]*\]|[^()\"\[\]]|\([^()]*\))*)\)", re.DOTALL)
_MAP = re.compile(rf"(?<!@)@map[ \t]*\(\s*(?:name:\s*)?({_STRING})\s*\)")
_OF_BLOCK = re.compile(rf"@@(map|schema)[ \t]*\(\s*(?:name:\s*|map:\s*)?({_STRING})\s*\)")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(slots=True)
class _Model:
    """A model: its table, its fields' columns, and the relations that it says."""

    table: str
    columns: dict[str, str] = field(default_factory=dict)
    relations: list[tuple[str, list[str], list[str], str]] = field(default_factory=list)
    """The other model, own fields, its fields, and the place."""


def relations(files: Texts) -> Reading:
    """All relations that these files tell; together they are one schema."""
    models: dict[str, _Model] = {}
    for name, text in files:
        for block in _BLOCK.finditer(bare := _without_comments(text)):
            models[block[1]] = _model(name, bare, block)
    found: list[WrittenRelation] = []
    problems: list[str] = []
    for model in models.values():
        for other, own, theirs, origin in model.relations:
            parent = models.get(other)
            missing = [each for each in own if each not in model.columns]
            if parent is None:
                problems.append(f"{origin}: there is no model {other}")
            elif missing or (missing := [each for each in theirs if each not in parent.columns]):
                problems.append(f"{origin}: there is no field {missing[0]}")
            else:
                columns = tuple(quote(model.columns[each]) for each in own)
                referenced = tuple(quote(parent.columns[each]) for each in theirs)
                found.append(WrittenRelation(model.table, columns, parent.table, referenced, origin, home="public"))
    return found, problems


def _model(name: str, text: str, block: re.Match[str]) -> _Model:
    options = {key: _text(value) for key, value in _OF_BLOCK.findall(block[2])}
    table = options.get("map", block[1])
    model = _Model(qualified(options["schema"], table) if "schema" in options else quote(table))
    fields = list(_FIELD.finditer(text, block.start(2), block.end(2)))
    for at, each in enumerate(fields):
        rest = text[each.end() : fields[at + 1].start() if at + 1 < len(fields) else block.end(2)]
        mapped = _MAP.search(rest)
        model.columns[each[1]] = _text(mapped[1]) if mapped else each[1]
        relation = _RELATION.search(rest)
        lists = {key: _list(relation[1], key) for key in ("fields", "references")} if relation else {}
        if all(lists.values()) and lists:
            origin = f"{name}:{text.count(chr(10), 0, each.start(1)) + 1}"
            model.relations.append((each[2], lists["fields"], lists["references"], origin))
    return model


def _list(arguments: str, key: str) -> list[str]:
    """The names of `key: [a, b]`."""
    found = re.search(rf"\b{key}\s*:\s*\[([^\]]*)\]", arguments)
    return re.findall(r"\w+", found[1]) if found else []


def _text(quoted: str) -> str:
    return _ESCAPED.sub(r"\1", quoted[1:-1])


def _without_comments(text: str) -> str:
    """The text with its lines, comments blanked out."""
    return _COMMENT.sub(lambda found: found[1] or "\n" * found[0].count("\n"), text.replace("\r\n", "\n"))
