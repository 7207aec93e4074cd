"""The child row that was refused, as far as the text tells it, against the table as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.schema.names import find_tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fkexplorer.diagnosis.case import Case
    from fkexplorer.schema.model import Table


def refused_row(case: Case, table: Table) -> Mapping[str, str | None] | None:
    """The values of the refused row, by column of the table; None where the text has no row of this table.

    A name that the schema does not know may be a partition's, and the row is taken for one of the table.
    """
    row = case.row
    if row is None:
        return None
    if row.table != table.name and any(found.oid != table.oid for found in find_tables(case.schema, row.table)):
        return None
    names = {column.name for column in table.columns}
    return {name: text for name, text in row.values.items() if name in names} or None
