"""The other keys of the same error: the text may hold hundreds, and one that is mended says nothing of the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.diagnosis.asking import ask
from fkexplorer.diagnosis.keyed import keys_look, of_another_style
from fkexplorer.diagnosis.reading.model import ErrorKind
from fkexplorer.schema.names import table_label

if TYPE_CHECKING:
    from fkexplorer.diagnosis.case import Case
    from fkexplorer.diagnosis.model import Evidence
    from fkexplorer.schema.model import Relationship

_KEYS = 100
"""Keys that are looked at, those that came most often: one look into an index for each, and a query to be read."""


async def repeats(case: Case, edge: Relationship) -> tuple[Evidence | None, int | None]:
    """How many of all keys that the text tells are missing now, or, of parents that could not go, referred to.

    Returns:
        The evidence, and that number; both None where the text tells of one key only, and None for what is not known.

    Raises:
        Incomparable: no operator compares the two sides.
        Trouble: the connection is lost.
    """
    blocked = case.error.kind is ErrorKind.STILL_REFERENCED
    columns = [pair.parent if blocked else pair.child for pair in edge.pairs]
    often = sorted(case.found.keys, key=lambda values: -case.found.keys[values])
    keys = [key for values in often if (key := case.ordered(values)) is not None and None not in key]
    keys = [key for key in dict.fromkeys(keys) if not of_another_style(columns, key)]
    if len(keys) < 2 or edge.period:
        return None, None
    table = table_label(case.schema.parent_of(edge))
    all_told = len(keys) <= _KEYS and not case.found.more_keys
    keys = keys[:_KEYS]
    told = f"the {len(keys):,} keys in the text" if all_told else f"the {len(keys):,} most frequent keys of the text"
    answer = await ask(case, keys_look(case.schema, edge, keys, of_parent=blocked))
    number = answer.number
    if number is None or answer.as_role:
        what = "referred to" if blocked else "missing"
        return answer.unknown(f"How many of {told} are {what} now"), None
    result = f"{number:,} of {len(keys):,}"
    if blocked:
        text = f"{number or 'None'} of {told} in {table} {'is' if number == 1 else 'are'} still referred to."
        return answer.evidence("keys_referred", text, result=result, weight=85), number
    text = f"{number or 'None'} of {told} {'is' if number == 1 else 'are'} missing in {table} now."
    return answer.evidence("keys_missing" if number else "keys_exist_now", text, result=result, weight=85), number
