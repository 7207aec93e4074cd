"""Findings that are no failure, since they are known or ignored for a reason, kept apart from all others."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.doctor.model import Examination, Finding
    from fkexplorer.known.ignoring import Ignores


def excused(
    found: Examination, ignores: Ignores, why: Callable[[Finding], str] = lambda _: ""
) -> tuple[Examination, tuple[str, ...]]:
    """The same with what is ignored, or known otherwise, apart.

    Args:
        found: what was found.
        ignores: what is ignored in the configuration, of the schema that was examined.
        why: what else excuses a finding, as `in the baseline`; empty where nothing does.

    Returns:
        The examination, and a sentence on each finding whose ignore has run out.
    """
    kept: list[Finding] = []
    apart: list[tuple[Finding, str]] = []
    lapsed: list[str] = []
    for each in found.findings:
        words = ignores.reason(each.edge, table=each.table, finding=each.code) or why(each)
        if words:
            apart.append((each, words))
            continue
        kept.append(each)
        if ended := ignores.lapsed(each.edge, table=each.table, finding=each.code):
            lapsed.append(f"{each.subject}, {each.code}: {ended}")
    return replace(found, findings=tuple(kept), excused=tuple(apart)), tuple(lapsed)
