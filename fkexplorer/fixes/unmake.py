"""Takes back a trigger that a fix has made or switched on, if it is still as it was left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fkexplorer.fixes import sql
from fkexplorer.fixes.entries import Conflict
from fkexplorer.fixes.guard import Names, moved
from fkexplorer.fixes.parts import Done
from fkexplorer.fixes.sync_run import state

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fkexplorer.fixes.writer import Transaction

# Whether this role may drop the trigger by itself, and what else hangs on its function (`pg_depend`).
_MAY = """
SELECT coalesce((SELECT pg_catalog.pg_has_role(c.relowner, 'USAGE') FROM pg_catalog.pg_class c
  WHERE c.oid = pg_catalog.to_regclass({source})), false),
 (SELECT count(*) FROM pg_catalog.pg_depend d WHERE d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
   AND d.refobjid = pg_catalog.to_regprocedure({function}) AND d.deptype <> 'e')
"""


@dataclass(frozen=True, slots=True)
class Unmaking:
    """How it is taken back."""

    statements: tuple[str, ...]
    conflicts: tuple[Conflict, ...]
    """With any of them it is refused."""
    trigger: str


async def examine(tx: Transaction, made: Mapping[str, Any]) -> Unmaking:
    """What there is to do, and what is in its way; changes nothing.

    Args:
        tx: a transaction, which may be READ ONLY.
        made: the event `made` of the journal.
    """
    source, trigger, function = str(made["source"]), str(made["trigger"]), str(made["function"])
    async with tx.images():
        now = await state(tx.rows, source, trigger)
        named = sql.literal(f"{function}()" if function else "")
        [(owner, hanging)] = await tx.rows(_MAY.format(source=sql.literal(source), function=named))
    was = [str(each) for each in made["definitions"]]
    place = f"trigger {trigger} on {source}"
    if now is None:
        return Unmaking((), (Conflict(place, "it is gone since", 1),), trigger)
    conflicts = []
    # Whether it is on is no part of its definition; of one that was switched on it is all there is.
    if [now[0], *now[2:]] != [was[0], *was[2:]] or (not function and now[1] != was[1]):
        conflicts.append(Conflict(place, "it, or its function, was changed since", 1))
    if function and hanging > 1:
        conflicts.append(Conflict(f"function {function}", "something else uses it by now", hanging - 1))
    if not function:
        statements: tuple[str, ...] = (str(made["back"]),)
    elif owner:
        statements = (f"DROP TRIGGER {sql.name(trigger)} ON {source}", f"DROP FUNCTION {function}()")
    else:
        # A trigger of another one's table goes with its function, on which nothing else hangs.
        statements = (f"DROP FUNCTION {function}() CASCADE",)
    return Unmaking(statements, tuple(conflicts), trigger)


async def unmake(tx: Transaction, made: Mapping[str, Any], part: int) -> Done:
    """Take it back.

    Args:
        tx: a writing transaction.
        made: the event `made` of the journal.
        part: the part of the entry that made it.

    Raises:
        Trouble: it is not as it was left (`moved`).
        psycopg.Error: the server refused.
    """
    found = await examine(tx, made)
    if found.conflicts:
        first = found.conflicts[0]
        raise moved(f"{first.place}: {first.words}")
    for statement in found.statements:
        await tx.run(statement)
    return Done({}, Names([]), undone=part)
