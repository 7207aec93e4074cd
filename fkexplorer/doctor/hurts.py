"""What will hurt: foreign keys that hold, and yet are slow, get in each other's way, or fail one day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.doctor.hurts_indexes import repeated, twice, unindexed
from fkexplorer.doctor.hurts_rules import circling, disagreeing, failing, far
from fkexplorer.doctor.hurts_types import narrow
from fkexplorer.doctor.reading_hurts import read_counters
from fkexplorer.schema.model import EdgeKind

if TYPE_CHECKING:
    from fkexplorer.doctor.exam import Exam
    from fkexplorer.doctor.model import Finding


async def hurts(exam: Exam) -> list[Finding]:
    """The findings of severity `notice` on the examined edges that are declared.

    Returns:
        `set_null_not_null`, `default_without_parent`, `rules_disagree`, `cycle_not_loadable`, `no_index`, `narrow_key`,
        `cascade_far`, `duplicate_constraint`, `duplicate_index`; what fails before what is slow.

    Raises:
        Trouble: the connection is lost.
    """
    declared = [edge for edge in exam.edges if edge.kind is EdgeKind.DECLARED]
    counters = await read_counters(exam)
    return [
        *await failing(exam, declared),
        *await disagreeing(exam, declared),
        *circling(exam, declared),
        *await unindexed(exam, declared, counters),
        *await narrow(exam, declared, counters),
        *far(exam, declared),
        *twice(exam, declared),
        *repeated(exam, declared, counters),
    ]
