"""Which trigger of a table gives each of its new rows a twin in another: what keeps a pair of tables in step.

The catalogue does not say what a function writes. Its source is searched, and that of the functions that it names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.fixes import sql

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.schema.model import Table

# tgtype has 4 for INSERT. A function is searched for what it says, and what those say that it names.
_TRIGGERS = """
SELECT coalesce(json_agg(json_build_array(t.tgname, p.proname, p.prosrc, t.tgenabled, t.tgqual IS NOT NULL)
 ORDER BY t.tgname), '[]') AS triggers
FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
WHERE t.tgrelid = {table} AND NOT t.tgisinternal AND (t.tgtype & 4) <> 0
"""
_FUNCTIONS = """
SELECT coalesce(json_agg(json_build_array(p.proname, p.prosrc)), '[]') AS functions
FROM pg_catalog.pg_proc p
WHERE p.pronamespace <> 'pg_catalog'::regnamespace AND strpos(lower(p.prosrc), {name}) > 0
"""


@dataclass(frozen=True, slots=True)
class Keeper:
    """A trigger of the source whose function puts rows into the target."""

    trigger: str
    function: str
    """The name of what it calls, without a schema."""
    enabled: str
    """`tgenabled`: O or A where it fires; R only on a replica; D not at all."""
    conditional: bool
    """It has a WHEN (`tgqual`): it fires for some rows only."""

    @property
    def fires(self) -> bool:
        """Whether it does so in a session like any other."""
        return self.enabled in {"O", "A"}


def statements(source: Table, target: Table) -> tuple[str, str]:
    """What to ask the server, each for one value of JSON: the source's triggers, and functions that name the target."""
    name = sql.literal(target.name.lower())
    return _TRIGGERS.format(table=source.oid), _FUNCTIONS.format(name=name)


def keepers(
    triggers: Iterable[tuple[str, str, str, str, bool]], functions: Iterable[tuple[str, str]], target: Table
) -> list[Keeper]:
    """The triggers of INSERT whose function writes the target, or names one that does.

    Those that fire come first, and of those the ones that do so for every row.

    Args:
        triggers: what the first of `statements` gave.
        functions: what the second one gave.
        target: the table whose rows should be made.
    """
    writing = {name for name, body in functions if _writes(body, target)}
    found = [
        Keeper(trigger, function, enabled, conditional)
        for trigger, function, body, enabled, conditional in triggers
        if function in writing or any(re.search(rf"\b{re.escape(name)}\b", _code(body)) for name in writing)
    ]
    return sorted(found, key=lambda keeper: (not keeper.fires, keeper.conditional))


def _writes(body: str, target: Table) -> bool:
    """Whether a function's body has a statement that puts rows into the table."""
    names = [rf'"?{re.escape(part)}"?' for part in (target.schema, target.name)]
    written = rf"\b(?:insert\s+into|merge\s+into)\s+(?:only\s+)?(?:{names[0]}\s*\.\s*)?{names[1]}(?![\w.$])"
    return re.search(written, _code(body), re.IGNORECASE) is not None


def _code(body: str) -> str:
    """A body without its comments."""
    return re.sub(r"--[^\n]*|/\*.*?\*/", " ", body, flags=re.DOTALL)
