"""What the doctor finds in a database that a test makes, by its code and subject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.doctor.examine import examine
from fkexplorer.schema.graph import Graph
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.doctor.model import Examination, Finding


async def examined(
    conninfo: str, *, role: str | None = None, max_bytes: int = 1 << 30, only: Iterable[str] | None = None
) -> Examination:
    """The examination of a database, or of the constraints with these names in it, as this role."""
    async with opened(conninfo, role) as (database, schema):
        edges = None if only is None else [edge for edge in schema.edges.values() if edge.name in set(only)]
        return await examine(database, schema, Graph(schema), edges, max_bytes=max_bytes)


def of_code(examination: Examination, code: str) -> dict[str, Finding]:
    """The findings of a code by their subject; each subject once."""
    found = [each for each in examination.findings if each.code == code]
    subjects = [each.subject for each in found]
    assert len(set(subjects)) == len(subjects), subjects
    return {each.subject: each for each in found}
