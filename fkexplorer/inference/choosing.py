"""Which key of a table a column means that names the table: mostly the primary key, sometimes another unique one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.inference.structure import equality
from fkexplorer.inference.vocabulary import ID_WORDS
from fkexplorer.inference.words import references, words

if TYPE_CHECKING:
    from fkexplorer.inference.keys import Target
    from fkexplorer.inference.words import Reference
    from fkexplorer.inference.world import World
    from fkexplorer.schema.model import Column, Table

_ALIKE = {"guid": "uuid", "num": "no", "nr": "no", "nbr": "no", "number": "no"}


def key_meant(world: World, table: Table, column: Column, reference: Reference) -> Target | None:
    """The key of one column that `column` means by naming `table`; None where the table has none of one column.

    The one that is named by the same word (`country_code`, `countries.code`); else the primary key; where that can't be
    compared with it, another that can be, and that is called like a key (`users.privy_did`).
    """
    targets = world.singles.get(table.oid, [])
    if len(targets) <= 1:
        return targets[0] if targets and (targets[0].primary or _is_key(targets[0]) or not table.primary_key) else None
    ranked = [(_rank(world, target, column, reference), place, target) for place, target in enumerate(targets)]
    best, _, target = min(ranked, key=lambda each: each[:2])
    return target if best < _NOT_MEANT else None


_NOT_MEANT = 9


def _rank(world: World, target: Target, column: Column, reference: Reference) -> int:
    own = target.columns[0]
    fits = equality(world.evidence, column, own) is not None
    if fits and reference.key and reference.key not in ("id", "fk", "ref", "key") and same_key_word(own, reference):
        return 0
    if target.primary:
        return 1 if fits else 3
    if fits and _is_key(target):
        return 2
    return _NOT_MEANT


def same_key_word(own: Column, reference: Reference) -> bool:
    """Whether a key's name ends in the word by which a column tells that it holds one."""
    last = words(own.name)[-1:]
    word = _ALIKE.get(reference.key, reference.key)
    return bool(last) and (_ALIKE.get(last[0], last[0]) == word or last[0].endswith(word))


def _is_key(target: Target) -> bool:
    """Whether the name of a unique column says that it is for others to refer to."""
    return any(each.key in ID_WORDS for each in references(target.columns[0].name))
