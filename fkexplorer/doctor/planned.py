"""A fix as it would run, for the doctor's findings: it never shows other statements and locks than the fix has."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg

from fkexplorer.database.errors import Kind, trouble_of
from fkexplorer.database.model import Trouble
from fkexplorer.fixes.beside import read_beside
from fkexplorer.fixes.locks import MODES
from fkexplorer.fixes.plans import make_plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.doctor.exam import Exam
    from fkexplorer.fixes.model import Lock, Request


@dataclass(frozen=True, slots=True)
class Planned:
    """What a fix would run."""

    statements: tuple[str, ...]
    locks: tuple[Lock, ...]
    """The strongest of each table."""
    refuses: tuple[str, ...] = ()
    """What hangs on the columns of a change of type, so that the server would refuse it."""


async def planned(exam: Exam, request: Request) -> Planned:
    """A fix by its plan; where it can't be planned, the reason as a comment.

    Raises:
        Trouble: the connection is lost.
    """

    async def ask(statement: str) -> list[tuple[Any, ...]]:
        [rows] = await exam.database.glance(statement)
        return rows

    await asyncio.sleep(0)  # 4,000 plans take 2 s: a screen goes on between two of them
    try:
        beside = await read_beside(exam.database, ask, exam.schema, request)
        plan = make_plan(exam.schema, exam.database.facts, request, beside=beside)
    except psycopg.Error as error:
        raise trouble_of(error) from error
    except Trouble as trouble:
        if trouble.code == Kind.LOST.value:
            raise
        return Planned((f"-- {trouble.reason}: {trouble.hint}",), ())
    return Planned(
        tuple(statement for step in plan.steps for statement in step.statements),
        strongest(lock for step in plan.steps for lock in step.locks),
        beside.hanging.refuses,
    )


def strongest(locks: Iterable[Lock]) -> tuple[Lock, ...]:
    """The strongest lock of each table, in the order in which the tables come first."""
    found: dict[int, Lock] = {}
    for lock in locks:
        before = found.get(lock.table, lock)
        found[lock.table] = max(before, lock, key=lambda each: MODES.index(each.mode))
    return tuple(found.values())
