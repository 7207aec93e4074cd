"""Tables whose primary key is another table's: `user_profiles.id` beside `users.id`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.inference.habits import is_generic
from fkexplorer.inference.vocabulary import SAY_MORE
from fkexplorer.inference.weights import reason
from fkexplorer.inference.words import same, words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fkexplorer.inference.keys import Target
    from fkexplorer.inference.model import Reason
    from fkexplorer.inference.world import World
    from fkexplorer.schema.model import Column, Table


def extension_of(world: World, table: Table, column: Column) -> Iterator[tuple[Target, tuple[Reason, ...]]]:
    """The tables whose key the primary key `column` of `table` may be, with why; each of them may say more of it."""
    if not is_generic("_".join(words(column.name))):
        return
    own = words(table.name)
    for parent in world.names.called(own):
        if parent.oid != table.oid:
            yield from _with_key(world, table, column, parent, "same_table_elsewhere")
    if len(own) > 1 and same(own[-1:]) in {same((word,)) for word in SAY_MORE}:
        for parent in world.names.called(own[:-1]):
            yield from _with_key(world, table, column, parent, "extension_by_name")


def _with_key(
    world: World, table: Table, column: Column, parent: Table, code: str
) -> Iterator[tuple[Target, tuple[Reason, ...]]]:
    makes = bool(column.has_default or column.identity)
    for target in world.singles.get(parent.oid, ()):
        if not target.primary:
            continue
        key = target.columns[0]
        # Two tables of one name in two schemas: the one that makes its keys is the one that is referred to.
        if code == "same_table_elsewhere" and not (key.has_default or key.identity) and not makes:
            continue
        name = f"{parent.schema}.{parent.name}" if code == "same_table_elsewhere" else parent.name
        why = [reason(code, f"{table.name} is named like more of {name}")]
        if makes:
            why.append(reason("own_default", "the table's own key, which makes its values"))
        elif world.habits.keys_have_defaults:
            why.append(reason("no_default", "a key that makes no values of its own"))
        yield target, tuple(why)
