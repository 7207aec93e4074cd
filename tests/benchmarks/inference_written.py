"""Reads the schemas in `inference_schemas/`, each written down as compact text, into models with their true edges.

A file holds comments (`# ...`), `@tuned yes` or `@tuned no`, and a line for each table, which goes on in lines that are
indented:

    order_items: order_id int!nn -> orders, line int, sku text!u, parent_id int ~> order_items(id);
        pk(order_id, line), (order_id, sku) -> stock(order_id, sku)

Behind a type come `!pk`, `!u` (unique) and `!nn` (NOT NULL); `pk(...)` and `u(...)` are keys of several columns; a
target without columns is that table's primary key. `->` is a foreign key that the real schema declares, `~>` one that
its application has without one. `(record_id) ~> posts when record_type=Post` is one kind of a polymorphic pair.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fkexplorer.inference.model import CatalogueEvidence
from fkexplorer.schema.model import ColumnPair, Key, Operator, TypeName
from tests.reports.build import Builder, column

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fkexplorer.schema.model import Column, Relationship, Schema, Table

FOLDER = Path(__file__).parent / "inference_schemas"

Edge = tuple[str, tuple[tuple[str, str], ...], str, str]
"""Child, its pairs of columns (child's, parent's) by name, parent, and `column=value` of a conditional one or ''."""

_TYPES = {
    "int": ("int4", "integer", "N"),
    "bigint": ("int8", "bigint", "N"),
    "small": ("int2", "smallint", "N"),
    "num": ("numeric", "numeric", "N"),
    "float": ("float8", "double precision", "N"),
    "text": ("text", "text", "S"),
    "varchar": ("varchar", "character varying(255)", "S"),
    "char": ("bpchar", "character(12)", "S"),
    "uuid": ("uuid", "uuid", "U"),
    "bytea": ("bytea", "bytea", "U"),
    "json": ("jsonb", "jsonb", "U"),
    "bool": ("bool", "boolean", "B"),
    "date": ("date", "date", "D"),
    "ts": ("timestamptz", "timestamp with time zone", "D"),
}
"""`pg_type.typname`, `format_type`, `pg_type.typcategory`."""
_CROSS = ({"int2", "int4", "int8"}, {"date", "timestamptz"})
"""Types of one btree family, which has an equality of each two."""
_CAST = {
    "text": {"varchar", "bpchar"},
    "varchar": {"text", "bpchar"},
    "bpchar": {"text", "varchar"},
    "numeric": {"int2", "int4", "int8"},
    "float8": {"int2", "int4", "int8", "numeric"},
}
"""By the parent's type, those that are cast to it implicitly (`pg_cast.castcontext` i)."""
_ITEM = re.compile(
    r"(?:(?P<key>pk|u)\((?P<of>[^)]*)\)"
    r"|\((?P<columns>[^)]*)\)"
    r"|(?P<column>[^\s()]+)\s+(?P<type>[a-z]+)(?P<array>\[\])?(?P<flags>(?:!(?:pk|u|nn))*))"
    r"(?:\s*[-~]>\s*(?P<parent>[^(]+?)\s*(?:\((?P<keys>[^)]*)\))?(?:\s+when\s+(?P<when>\S+)=(?P<value>.+))?)?"
)


@dataclass(frozen=True, slots=True)
class Written:
    """A schema as it was written down."""

    name: str
    tuned: bool
    """Whether the weights may be chosen by how it comes out."""
    schema: Schema
    """With its true edges, but for the kinds of polymorphic pairs: no constraint can be those."""
    truth: frozenset[Edge]
    evidence: CatalogueEvidence


def read_all(folder: Path = FOLDER) -> list[Written]:
    """All schemas in a folder, by name.

    Raises:
        ValueError: a line can't be read, or names what is not there.
    """
    return [read(path.stem, path.read_text(encoding="utf8")) for path in sorted(folder.glob("*.txt"))]


def read(name: str, text: str) -> Written:
    """The schema that `text` is.

    Raises:
        ValueError: see `read_all`.
    """
    tuned, lines = False, []
    for line in _lines(text):
        head, _, rest = line.partition(": ")
        if line.startswith("@tuned "):
            tuned = {"yes": True, "no": False}[line.split()[1]]
        elif not rest:
            raise ValueError(f"{name}: what is {line!r}?")
        else:
            lines.append((head.strip(), rest))
    made = Builder()
    arrows = [(table, item) for table, items in lines for item in _add_table(made, table, items)]
    truth: set[Edge] = set()
    kinds: dict[tuple[int, int], tuple[str, ...]] = {}
    for table, item in arrows:
        found = _add_edge(made, table, item)
        if found in truth:
            raise ValueError(f"{name}: {found} is there twice")
        truth.add(found)
        if item["when"]:
            place = made.tables[table].oid, _column(made.tables[table], item["when"]).number
            kinds[place] = (*kinds.get(place, ()), item["value"])
    return Written(name, tuned, made.schema(), frozenset(truth), CatalogueEvidence(_operators(made), (), kinds))


def many_tables(number: int) -> Written:
    """A schema of so many tables of 15 columns, five of which refer to something."""
    modules = ("billing", "crm", "hr", "stock", "ship", "chat", "audit", "web", "lab", "fleet")
    things = ("order", "item", "person", "company", "address", "price", "branch", "entry", "plan", "ticket")
    names = [f"{module}_{thing}_{n}s" for n in range(-(-number // 100)) for module in modules for thing in things]
    plain = (
        "name text, note text, state int, amount num, created_at ts, updated_at ts, paid bool, ref_no text, data json"
    )
    lines = []
    for n, name in enumerate(names[:number]):
        first, second = (names[(n * step + step) % number].removesuffix("s") for step in (7, 13))
        lines.append(
            f"{name}: id bigint!pk, {first}_id bigint!nn, primary_{second}_id bigint, parent_id bigint,"
            f" author_id bigint, external_id text, {plain}"
        )
    return read("many", "\n".join(lines))


def edge_of(schema: Schema, edge: Relationship) -> Edge:
    """An edge by names, as the truth is written."""
    pairs = tuple(sorted((pair.child.name, pair.parent.name) for pair in edge.pairs))
    only = f"{edge.only.column.name}={edge.only.value}" if edge.only else ""
    return full_name(schema.tables[edge.child]), pairs, full_name(schema.tables[edge.parent]), only


def full_name(table: Table) -> str:
    """A table as a file names it."""
    return table.name if table.schema == "public" else f"{table.schema}.{table.name}"


def operator(child: str, parent: str) -> Operator | None:
    """What a foreign key compares these with (`pg_type.typname`): of their family, or of the one cast to."""
    if parent == "jsonb" and child != "jsonb":
        return None
    both = any(child in types and parent in types for types in _CROSS)
    if not both and child != parent and child not in _CAST.get(parent, ()):
        return None
    left = TypeName("pg_catalog", "text" if parent == "varchar" else parent)
    return Operator("pg_catalog", "=", left, TypeName("pg_catalog", child) if both else left)


def _lines(text: str) -> Iterator[str]:
    """Lines without comments, with what is indented put behind the line before."""
    whole = ""
    for line in text.splitlines():
        plain = line.partition("# ")[0].rstrip()
        if plain.startswith((" ", "\t")):
            whole += " " + plain.strip()
        elif plain and plain != "#":
            if whole:
                yield whole
            whole = plain
    if whole:
        yield whole


def _add_table(made: Builder, table: str, text: str) -> list[re.Match[str]]:
    """Make a table; what refers to others is given back."""
    columns: list[Column] = []
    keys: list[tuple[bool, tuple[str, ...]]] = []
    arrows = []
    for part in re.split(r"[,;]\s*(?![^()]*\))", text.rstrip(",; ")):
        item = _ITEM.fullmatch(part)
        if item is None or item["type"] not in (None, *_TYPES):
            raise ValueError(f"{table}: what is {part!r}?")
        if item["key"]:
            keys.append((item["key"] == "pk", _names(item["of"])))
        elif item["column"]:
            columns.append(_make(len(columns) + 1, item))
            if "!pk" in item["flags"] or "!u" in item["flags"]:
                keys.append(("!pk" in item["flags"], (item["column"],)))
        if item["parent"]:
            arrows.append(item)
    primary = {name for is_primary, names in keys if is_primary for name in names}
    columns = [replace(one, not_null=one.not_null or one.name in primary) for one in columns]
    numbers = {one.name: one.number for one in columns}
    first = made.oid * 100
    made.table(
        table,
        *numbers,
        key=(),
        columns=tuple(columns),
        keys=tuple(
            Key(
                first + n,
                f"key_{n}",
                tuple(numbers[name] for name in names),
                is_primary,
                deferrable=False,
                index=first + 50 + n,
            )
            for n, (is_primary, names) in enumerate(keys)
        ),
        indexes=tuple(
            replace(
                made.unique_index(f"key_{n}", tuple(numbers[name] for name in names)),
                oid=first + 50 + n,
                primary=is_primary,
            )
            for n, (is_primary, names) in enumerate(keys)
        ),
    )
    return arrows


def _make(number: int, item: re.Match[str]) -> Column:
    name, text, category = _TYPES[item["type"]]
    if item["array"]:
        name, text, category = f"_{name}", f"{text}[]", "A"
    made = column(number, item["column"], not_null="!nn" in item["flags"])
    return replace(made, type=TypeName("pg_catalog", name), type_text=text, category=category)


def _add_edge(made: Builder, table: str, item: re.Match[str]) -> Edge:
    child, parent = made.tables[table], made.tables.get(item["parent"])
    columns = _names(item["columns"] or item["column"])
    if parent is None:
        raise ValueError(f"{table}({', '.join(columns)}) refers to {item['parent']!r}, which is no table")
    keys = _names(item["keys"]) if item["keys"] else _primary(parent)
    if len(keys) != len(columns):
        raise ValueError(f"{table}({', '.join(columns)}) refers to {item['parent']}({', '.join(keys)})")
    pairs = tuple(sorted(zip(columns, keys, strict=True)))
    if not item["when"]:
        compared = tuple(
            ColumnPair(one, other, operator(one.type.name, other.type.name))
            for one, other in ((_column(child, one), _column(parent, other)) for one, other in pairs)
        )
        made.edge(table, ",".join(columns), item["parent"], ",".join(keys), pairs=compared)
    return table, pairs, item["parent"], f"{item['when']}={item['value']}" if item["when"] else ""


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


def _primary(table: Table) -> tuple[str, ...]:
    key = table.primary_key
    return tuple(table.column(number).name for number in key.columns) if key else ()


def _column(table: Table, name: str) -> Column:
    for one in table.columns:
        if one.name == name:
            return one
    raise ValueError(f"{table.name} has no column {name}")


def _operators(made: Builder) -> dict[tuple[TypeName, TypeName], Operator | None]:
    """Of each two types that occur."""
    types = sorted({one.type for table in made.tables.values() for one in table.columns}, key=lambda one: one.name)
    return {(child, parent): operator(child.name, parent.name) for child in types for parent in types}
