"""Pages of rows as a table for people, as CSV, as JSON: all that was read, masked values as `***`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from fkexplorer.reports.values import fit, inert, moment, width

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fkexplorer.orphans.model import Field, Page, Value

MASK = "***"
WIDEST = 40
"""Cells of a value in the table for people; CSV and JSON cut nothing."""


def shown(value: Value, *, ascii: bool = False) -> str:
    """A value for people: inert; NULL for no value, so a text that says NULL is quoted; `…` behind a cut one."""
    if value.masked:
        return MASK
    if value.text is None:
        return "NULL"
    if value.text in ("NULL", MASK, ""):
        return f"'{value.text}'"
    return inert(value.text, ascii=ascii) + (("~" if ascii else "…") if value.cut else "")


def field_names(fields: Sequence[Field]) -> list[str]:
    """The columns' names, a computed one with a suffix where a column of the table already has its name."""
    names: list[str] = []
    taken = {field.name for field in fields if field.column is not None}
    for field in fields:
        name = field.name
        while field.column is None and name in taken:
            name += "_"
        names.append(name)
    return names


def table_text(pages: Sequence[Page], *, ascii: bool = False) -> list[str]:
    """Aligned columns under their names; numbers at the right as people compare them."""
    if not pages:
        return []
    fields = pages[0].fields
    names = [inert(name, ascii=ascii) for name in field_names(fields)]
    found = [row for page in pages for row in page.rows]
    rows = [[shown(value, ascii=ascii) for value in row] for row in found]
    widths = [min(WIDEST, max([width(name), *(width(row[index]) for row in rows)])) for index, name in enumerate(names)]
    right = [
        field.column.category == "N" if field.column else all((row[index].text or "").isdecimal() for row in found)
        for index, field in enumerate(fields)
    ]

    def line(cells: Sequence[str]) -> str:
        parts = (
            fit(cell, room, ascii=ascii, right=numeric)
            for cell, room, numeric in zip(cells, widths, right, strict=True)
        )
        return "  ".join(parts).rstrip()

    rule = "-" if ascii else "─"
    return [line(names), "  ".join(rule * room for room in widths), *map(line, rows)]


def csv_lines(pages: Iterable[Page], *, tame: bool = False) -> Iterable[str]:
    r"""RFC 4180 lines, the names first; each ends in `\n`.

    NULL is nothing at all and an empty text is `""`, as COPY writes them (the csv module of Python 3.11 cannot tell
    them apart). Values are as they are: whoever opens the file in a spreadsheet must import them as text.

    Args:
        pages: pages of one kind.
        tame: the lines go to a terminal, which must not obey what is in the values.
    """
    first = True
    for page in pages:
        if first:
            yield ",".join(_csv_cell(name, tame=tame) for name in field_names(page.fields)) + "\n"
            first = False
        for row in page.rows:
            yield ",".join(_csv_cell(MASK if value.masked else value.text, tame=tame) for value in row) + "\n"


def _csv_cell(text: str | None, *, tame: bool) -> str:
    if text is None:
        return ""
    if tame:
        text = inert(text)
    if text and not any(character in text for character in '",\r\n') and text == text.strip():
        return text
    return '"' + text.replace('"', '""') + '"'


def rows_json(pages: Sequence[Page], *, edge: str, kind: str) -> str:
    """One document, ASCII only: the edge's id, what the rows are, and each row by its columns' names.

    Values are texts as PostgreSQL prints them, null for NULL; the columns in `masked` hold `***`.
    """
    fields = pages[0].fields if pages else ()
    names = field_names(fields)
    masked = [name for name, field in zip(names, fields, strict=True) if field.secret and _any_masked(pages, field)]
    return json.dumps(
        {
            "edge": edge,
            "kind": kind,
            "as_of": moment(pages[0].as_of) if pages else None,
            "columns": names,
            "masked": masked,
            "rows": [
                {name: MASK if value.masked else value.text for name, value in zip(names, row, strict=True)}
                for page in pages
                for row in page.rows
            ],
            "more": pages[-1].more if pages else False,
        },
        indent=1,
    )


def _any_masked(pages: Sequence[Page], field: Field) -> bool:
    return any(row[page.fields.index(field)].masked for page in pages for row in page.rows)


def masked_names(pages: Sequence[Page]) -> list[str]:
    """The columns of which something was masked."""
    fields = pages[0].fields if pages else ()
    return [field.name for field in fields if field.secret and _any_masked(pages, field)]
