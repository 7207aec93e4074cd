"""Reads the references of DBML: of columns, `Ref:` in a line or in braces; not `<>`, which stands for no key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pydbml.parser.parser import PyDBMLParser
from pyparsing import ParseBaseException, lineno

from fkexplorer.known.model import WrittenRelation
from fkexplorer.known.sources import as_typed

if TYPE_CHECKING:
    from fkexplorer.known.sources import Reading, Texts

_PUBLIC = "public"
"""The schema of a table that is written without one."""


def relations(files: Texts) -> Reading:
    """All references that these files tell. The child of `a > b` and of the one-to-one `a - b` is a, of `a < b` b."""
    found: list[WrittenRelation] = []
    problems: list[str] = []
    for name, text in files:
        parser = _Parser(text.replace("\r\n", "\n"), allow_properties=True)
        try:
            parser.parse()
        except ParseBaseException as error:
            problems.append(f"{name}:{error.lineno}: it is no DBML that is understood: {error.msg}")
            continue
        for ref, line in zip(parser.refs, parser.lines, strict=True):
            if ref.type == "<>":
                continue
            ends = [
                (parser.table(ref.schema1, ref.table1), _columns(ref.col1)),
                (parser.table(ref.schema2, ref.table2), _columns(ref.col2)),
            ]
            child, parent = reversed(ends) if ref.type == "<" else ends
            found.append(WrittenRelation(*child, *parent, f"{name}:{line}", home=_PUBLIC))
    return found, problems


class _Parser(PyDBMLParser):  # type: ignore[misc] # the library has no types
    """The library's parser, up to what was written: it builds no database, which a table that is missing would stop.

    Attributes:
        lines: of each of its `refs`.
    """

    def __init__(self, source: str, **options: Any) -> None:  # noqa: ANN401 - the library's own
        super().__init__(source, **options)
        self.lines: list[int] = []

    def parse_blueprint(self, s: str, loc: int, tok: Any) -> None:  # noqa: ANN401 - the library's own
        """Note the lines of what was parsed at a place, where comments and empty lines may come first."""
        super().parse_blueprint(s, loc, tok)
        starts = re.compile(r"^[ \t]*(?:ref|table)\b", re.IGNORECASE | re.MULTILINE)
        start = found.start() if (found := starts.search(s, loc)) else loc
        for ref in self.refs[len(self.lines) :]:
            column = rf"^[ \t]*\"?{re.escape(ref.col1)}\b.*\bref[ \t]*:" if ref.inline else ""
            at = re.compile(column, re.MULTILINE).search(s, start) if column else None
            self.lines.append(int(lineno(at.start() if at else start, s)))

    def build_database(self) -> None:
        """Build nothing."""

    def table(self, schema: str, name: str) -> str:
        """The table of that name, or alias."""
        for table in self.tables:
            if table.alias == name:
                schema, name = table.schema, table.name
        return as_typed(name) if schema == _PUBLIC else as_typed(schema, name)


def _columns(written: str) -> tuple[str, ...]:
    """The columns of `a` or `(a, "b c")`."""
    return tuple(each.strip().strip('"') for each in written.strip("() \n").split(","))
