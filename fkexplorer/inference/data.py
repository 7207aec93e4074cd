"""What sampled keys say of a guess."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.inference.keys import under_domain
from fkexplorer.inference.weights import reason

if TYPE_CHECKING:
    from fkexplorer.inference.drafts import Draft
    from fkexplorer.inference.model import Inclusion, Reason

_FEW = 20
"""Whole numbers of a child that fit any serial key by chance: 1 to 20 are in every table of 20 rows."""
_UUIDS = 3
"""Random values that are all in one key by chance never."""


def weigh(draft: Draft, inclusion: Inclusion) -> None:
    """Add what the sample says."""
    draft.inclusion = inclusion
    if inclusion.problem:
        draft.add(reason("not_read", f"its keys were not looked up: {inclusion.problem}"))
    elif inclusion.keys:
        draft.add(_weighed(draft, inclusion))


def _weighed(draft: Draft, inclusion: Inclusion) -> Reason:
    ratio = inclusion.present / inclusion.keys
    said = told(inclusion)
    whole_numbers = all(column.category == "N" for column in draft.columns)
    unnamed = draft.unnamed
    if ratio >= 0.999:
        uuid = len(draft.columns) == 1 and under_domain(draft.columns[0]).name == "uuid"
        return _contained(inclusion, said, whole_numbers=whole_numbers, uuid=uuid, unnamed=unnamed)
    by_chance = whole_numbers or inclusion.keys < _FEW
    if unnamed and ratio >= 0.9 and not by_chance and not inclusion.also_in:
        code = "only_there"
    elif ratio >= 0.95:
        code = "mostly"
    elif ratio >= 0.5:
        # That half of many texts are keys of the parent is no chance, whatever the others are.
        code = "leaky" if by_chance else "leaky_text"
    elif ratio >= 0.1 and not by_chance:
        code = "says_little"
    else:
        code = "far_away" if ratio < 0.05 and inclusion.keys >= _FEW else "absent"
    return reason(code, said)


def _contained(inclusion: Inclusion, said: str, *, whole_numbers: bool, uuid: bool, unnamed: bool) -> Reason:
    if inclusion.also_in and not uuid:
        others = "another table" if inclusion.also_in == 1 else f"{inclusion.also_in:,} other tables"
        return reason("says_little", f"{said}, as in {others}")
    if whole_numbers and inclusion.keys < _FEW:
        return reason("says_little", f"{said}, which so few numbers would be anywhere")
    if unnamed:
        return reason("only_there" if inclusion.keys >= _UUIDS else "says_little", said)
    return reason("uuid_contained" if uuid and inclusion.keys >= _UUIDS else "contained", said)


def told(inclusion: Inclusion) -> str:
    """`985 of 1,000 sampled keys are there`."""
    sampled = "" if inclusion.whole else "sampled "
    if inclusion.keys == 1:
        return f"the only {sampled}key is {'there' if inclusion.present else 'not there'}"
    if inclusion.present == inclusion.keys:
        return f"every one of {inclusion.keys:,} {sampled}keys is there"
    if inclusion.present == 0:
        return f"none of {inclusion.keys:,} {sampled}keys is there"
    verb = "is" if inclusion.present == 1 else "are"
    return f"{inclusion.present:,} of {inclusion.keys:,} {sampled}keys {verb} there"
