"""Names as people write and read them: quoted as SQL quotes, found again from what somebody typed.

In memory a table is its OID and an edge its constraint's OID; this is the one place that turns text into either.
"""

from __future__ import annotations

import difflib
import re
import string
from typing import TYPE_CHECKING

from fkexplorer.schema.model import EdgeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fkexplorer.schema.model import Column, Condition, Relationship, Schema, Table

# What PostgreSQL's quote_ident quotes: the key words that pg_get_keywords() does not call unreserved,
# of 12 to 18 together.
_KEYWORDS_TEXT = """
all analyse analyze and any array as asc asymmetric authorization between bigint binary bit boolean both case cast
char character check coalesce collate collation column concurrently constraint create cross current_catalog
current_date current_role current_schema current_time current_timestamp current_user dec decimal default deferrable
desc distinct do else end except exists extract false fetch float for foreign freeze from full grant greatest group
grouping having ilike in initially inner inout int integer intersect interval into is isnull join json json_array
json_arrayagg json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value
lateral leading least left like limit localtime localtimestamp merge_action national natural nchar none normalize
not notnull null nullif numeric offset on only or order out outer overlaps overlay placing position precision
primary real references returning right row select session_user setof similar smallint some substring symmetric
system_user table tablesample then time timestamp to trailing treat trim true union unique user using values
varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest
xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable
"""
KEYWORDS = frozenset(_KEYWORDS_TEXT.split())
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
# PostgreSQL folds an unquoted identifier's ASCII letters only; what other letters do depends on the server's encoding.
_FOLD = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_PLAIN_VALUE = re.compile(r"[\w:./\\-]+")
_CONDITION_BEGIN = re.compile(r"\)\s*\[")
_CONDITION = re.compile(
    r"""\s*(?P<column>"(?:[^"]|"")+"|[^\s"'=\[\]]+)\s*=\s*(?:'(?P<quoted>(?:[^']|'')*)'|(?P<bare>[^\s'\[\]]+))\s*\]\s*"""
)
_PART = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<bare>[^".(),]*[^".(),\s]))\s*')


class _Part:
    """One identifier as it was typed."""

    __slots__ = ("quoted", "text")

    def __init__(self, text: str, *, quoted: bool) -> None:
        self.text = text
        self.quoted = quoted


def quote(name: str) -> str:
    """The identifier as SQL has to spell it, quoted only where it must be (PostgreSQL's `quote_ident`)."""
    if _PLAIN.fullmatch(name) and name not in KEYWORDS:
        return name
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    r"""A string literal. With a backslash it is `E'…'`: what `'\'` means depends on standard_conforming_strings."""
    quoted = text.replace("'", "''")
    return "E'" + quoted.replace("\\", "\\\\") + "'" if "\\" in text else f"'{quoted}'"


def qualified(*parts: str) -> str:
    """`schema.table`, `schema.table.constraint`, …: each part quoted where it must be."""
    return ".".join(quote(part) for part in parts)


def table_label(table: Table) -> str:
    """`schema.table`, quoted as SQL does."""
    return qualified(table.schema, table.name)


def columns_label(table: Table, columns: Sequence[Column]) -> str:
    """`schema.table.column`, or `schema.table(a, b)` for several."""
    if len(columns) == 1:
        return qualified(table.schema, table.name, columns[0].name)
    return f"{table_label(table)}({', '.join(quote(column.name) for column in columns)})"


def edge_label(schema: Schema, edge: Relationship) -> str:
    """`schema.table.constraint` of the child, quoted as SQL does: unique in a database.

    One that is not declared is a pair, `schema.table(col, …):schema.table(col, …)`, in the columns' order. If it is for
    some rows of the child only, ` [column=value]` follows, with the value in quotes where it is not a plain word;
    `split_condition` reads that back.
    """
    child = schema.child_of(edge)
    if edge.kind is EdgeKind.DECLARED:
        return qualified(child.schema, child.name, edge.name)
    parent = schema.parent_of(edge)
    sides = ((child, [pair.child for pair in edge.pairs]), (parent, [pair.parent for pair in edge.pairs]))
    pair = ":".join(f"{table_label(table)}({', '.join(quote(each.name) for each in own)})" for table, own in sides)
    if edge.only is None:
        return pair
    return f"{pair} {rows_label(edge.only)}"


def rows_label(only: Condition) -> str:
    """`[column=value]`, as it stands behind a pair."""
    written = only.value if _PLAIN_VALUE.fullmatch(only.value) else _quoted(only.value)
    return f"[{quote(only.column.name)}={written}]"


def condition_text(only: Condition) -> str:
    """`column = 'value'`, for people."""
    return f"{quote(only.column.name)} = {_quoted(only.value)}"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def find_tables(schema: Schema, text: str) -> list[Table]:
    """The tables that a typed name means, in label order: none, one, or several where the schema was left out.

    Unquoted parts are folded as SQL folds them; where that finds nothing they are taken as they stand, so that
    `Order Items` finds `"Order Items"` and a name with a dot in it is found too.
    """
    parts = _split(text)
    for matches in (_as_sql, _as_typed):
        if parts and (found := [table for table in schema.tables.values() if _names_table(table, parts, matches)]):
            return sorted(found, key=table_label)
    return sorted((table for table in schema.tables.values() if table.name == text), key=table_label)


def find_edges(schema: Schema, text: str) -> list[Relationship]:
    """The edges that a typed name means, in label order.

    Accepted: `schema.table.constraint`, `table.constraint`, `constraint`, and the child's columns in the key's order,
    `schema.table(col, …)` or `table(col, …)`, with those of the parent behind a colon or without, and of such a pair
    ` [column=value]`. Quoting and folding as in `find_tables`.
    """
    edges = schema.edges.values()
    pair_text, condition = split_condition(text)
    if condition is not None:
        return [
            edge
            for edge in find_edges(schema, pair_text)
            if edge.only
            and edge.only.value == condition[1]
            and edge.only.column == find_column(schema.child_of(edge), condition[0])
        ]
    if (pair := _two_sides(text)) is not None:
        of_child, of_parent = find_edges(schema, pair[0]), _with_columns(pair[1])
        parts, names = _split(of_parent[0]), of_parent[1] or []
        return [
            edge
            for edge in of_child
            if any(
                _names_columns(schema.parent_of(edge), _parents(edge), parts, names, matches)
                for matches in (_as_sql, _as_typed)
            )
        ]
    head, columns = _with_columns(text)
    parts = _split(head)
    found: list[Relationship] = []
    for matches in (_as_sql, _as_typed):
        if not parts:
            break
        if columns is not None:
            found = [
                edge
                for edge in edges
                if _names_columns(schema.child_of(edge), _children(edge), parts, columns, matches)
            ]
        else:
            found = [edge for edge in edges if _names_edge(schema, edge, parts, matches)]
        if found:
            break
    if not found:
        found = [edge for edge in edges if edge.name == text]
    return sorted(found, key=lambda edge: edge_label(schema, edge))


def split_pair(text: str) -> tuple[tuple[str, list[str]], tuple[str, list[str]]] | None:
    """The two sides of `table(col, …):table(col, …)`, each a table's name and those of columns, as they were typed.

    None where the text is no such pair.
    """
    if (sides := _two_sides(text)) is None:
        return None
    child, parent = map(_with_columns, sides)
    return (child[0], _typed(child[1] or [])), (parent[0], _typed(parent[1] or []))


def _two_sides(text: str) -> tuple[str, str] | None:
    """The texts of the two sides of a pair, each with its columns."""
    quoted = False
    for position, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character == ":" and not quoted and text[:position].rstrip().endswith(")"):
            sides = text[:position], text[position + 1 :]
            if all(_with_columns(side)[1] for side in sides):
                return sides
    return None


def split_condition(text: str) -> tuple[str, tuple[str, str] | None]:
    """A pair and what follows it as ` [column=value]`: the column as it was typed, the value without its quotes.

    The text as it is, and None, where nothing of the kind follows a pair.
    """
    for begin in _CONDITION_BEGIN.finditer(text):
        pair = text[: begin.start() + 1]
        if (match := _CONDITION.fullmatch(text, begin.end())) and split_pair(pair):
            quoted = match["quoted"]
            return pair, (match["column"], match["bare"] if quoted is None else quoted.replace("''", "'"))
    return text, None


def split_columns(text: str) -> tuple[str, list[str]] | None:
    """`table.column`, or `table(col, …)`: the table's name and those of the columns, as they were typed.

    None where the text is neither.
    """
    head, columns = _with_columns(text)
    if columns is not None:
        return head, _typed(columns)
    quoted, dot = False, -1
    for position, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif character == "." and not quoted:
            dot = position
    return (text[:dot], [text[dot + 1 :]]) if text[:dot].strip() and text[dot + 1 :].strip() and dot > 0 else None


def find_column(table: Table, text: str) -> Column | None:
    """The column that a typed name means; quoting and folding as in `find_tables`."""
    parts = _split(text)
    for matches in (_as_sql, _as_typed):
        for column in table.columns:
            if len(parts) == 1 and matches(parts[0], column.name):
                return column
    return next((column for column in table.columns if column.name == text), None)


def similar_tables(schema: Schema, text: str, limit: int = 3) -> list[str]:
    """Labels of the tables whose names come nearest to what was typed: "did you mean"."""
    tables = schema.tables.values()
    return _similar(
        text, ((table_label(table), (table.name, f"{table.schema}.{table.name}")) for table in tables), limit
    )


def similar_edges(schema: Schema, text: str, limit: int = 3) -> list[str]:
    """The same for edges."""
    labelled = ((edge, schema.child_of(edge)) for edge in schema.edges.values())
    return _similar(
        text,
        (
            (
                edge_label(schema, edge),
                (edge.name, f"{child.name}.{edge.name}", f"{child.schema}.{child.name}.{edge.name}"),
            )
            for edge, child in labelled
        ),
        limit,
    )


def _similar(text: str, named: Iterable[tuple[str, tuple[str, ...]]], limit: int) -> list[str]:
    wanted = text.replace('"', "").casefold()
    matcher = difflib.SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted)
    scored: list[tuple[float, int, str]] = []
    for label, spellings in named:
        best = 0.0
        for spelling in spellings:
            matcher.set_seq1(spelling.casefold())
            # The two cheap upper bounds first: a full ratio of 4,000 names would take a second.
            if matcher.real_quick_ratio() > 0.6 and matcher.quick_ratio() > 0.6:
                best = max(best, matcher.ratio())
        if best >= 0.6:
            scored.append((-best, len(label), label))
    return [label for _, _, label in sorted(scored)[:limit]]


def _split(text: str) -> list[_Part]:
    """The identifiers between dots; [] where the text is not such a chain."""
    parts: list[_Part] = []
    position = 0
    while match := _PART.match(text, position):
        quoted = match["quoted"]
        parts.append(
            _Part(match["bare"], quoted=False) if quoted is None else _Part(quoted.replace('""', '"'), quoted=True)
        )
        position = match.end()
        if position == len(text):
            return parts
        if text[position] != ".":
            break
        position += 1
    return []


def _with_columns(text: str) -> tuple[str, list[_Part] | None]:
    """`table(a, b)` to its table and columns; the columns are None where there is no such list."""
    stripped = text.strip()
    if not stripped.endswith(")"):
        return text, None
    quoted = False
    for position, character in enumerate(stripped):
        if character == '"':
            quoted = not quoted
        elif character == "(" and not quoted:
            columns: list[_Part] = []
            rest = stripped[position + 1 : -1]
            start = 0
            while match := _PART.match(rest, start):
                columns += _split(match[0])
                start = match.end() + 1
                if match.end() == len(rest):
                    return stripped[:position], columns
                if rest[match.end()] != ",":
                    break
            return text, None
    return text, None


def _typed(parts: list[_Part]) -> list[str]:
    return [quote(part.text) if part.quoted else part.text for part in parts]


def _as_sql(part: _Part, name: str) -> bool:
    return (part.text if part.quoted else part.text.translate(_FOLD)) == name


def _as_typed(part: _Part, name: str) -> bool:
    return part.text == name


def _names_table(table: Table, parts: list[_Part], matches: Callable[[_Part, str], bool]) -> bool:
    if len(parts) > 2 or not matches(parts[-1], table.name):
        return False
    return len(parts) == 1 or matches(parts[0], table.schema)


def _names_edge(schema: Schema, edge: Relationship, parts: list[_Part], matches: Callable[[_Part, str], bool]) -> bool:
    if not matches(parts[-1], edge.name):
        return False
    return len(parts) == 1 or _names_table(schema.child_of(edge), parts[:-1], matches)


def _children(edge: Relationship) -> list[Column]:
    return [pair.child for pair in edge.pairs]


def _parents(edge: Relationship) -> list[Column]:
    return [pair.parent for pair in edge.pairs]


def _names_columns(
    table: Table,
    key: Sequence[Column],
    parts: list[_Part],
    columns: list[_Part],
    matches: Callable[[_Part, str], bool],
) -> bool:
    """Whether a table and columns that were typed are this one side of an edge, in the key's order."""
    if len(columns) != len(key) or not _names_table(table, parts, matches):
        return False
    return all(matches(part, column.name) for part, column in zip(columns, key, strict=True))
