"""Guesses the relationships that nobody declared: gathers what speaks for each, adds it up, and settles ties."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from fkexplorer.inference.columns import candidate_columns, external_word
from fkexplorer.inference.composite import drafts_of_keys
from fkexplorer.inference.data import weigh
from fkexplorer.inference.drafts import Draft
from fkexplorer.inference.habits import is_generic
from fkexplorer.inference.keys import under_domain
from fkexplorer.inference.model import SUGGESTED, Guess, Inference, Lonely
from fkexplorer.inference.polymorphic import polymorphic_of
from fkexplorer.inference.single import drafts_of_column
from fkexplorer.inference.structure import column_reasons, equality, place_reason, types_reason
from fkexplorer.inference.weights import GAP, PER_COLUMN, UNNAMED, WORTH, reason
from fkexplorer.inference.words import array_of, references
from fkexplorer.inference.world import World
from fkexplorer.schema.names import qualified

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from fkexplorer.inference.model import CatalogueEvidence, Inclusion, PairKey
    from fkexplorer.schema.model import Column, Schema, Table

_NO_SAMPLES: Mapping[PairKey, Inclusion] = {}


def infer(schema: Schema, evidence: CatalogueEvidence, samples: Mapping[PairKey, Inclusion] = _NO_SAMPLES) -> Inference:
    """What nobody declared and is likely, best first, with the columns for which nothing was found.

    Args:
        schema: its edges of any kind but `inferred` are not guessed again, and teach its habits.
        evidence: what else the catalogue tells.
        samples: what was found of keys that were looked up; of `candidates`, where there are any.
    """
    world = World(schema, evidence)
    drafts, lonely = _gathered(world)
    for draft in drafts:
        if draft.key in samples:
            weigh(draft, samples[draft.key])
    guesses = _settled(world, [draft for draft in drafts if draft.inclusion or not draft.unnamed])
    told = {(guess.edge.child, pair.child.number) for guess in guesses for pair in guess.edge.pairs}
    lonely = [each for each in lonely if not all((each.table, number) in told for number in each.columns)]
    return Inference(tuple(guesses), tuple(lonely), evidence.problems)


def candidates(schema: Schema, evidence: CatalogueEvidence) -> list[Guess]:
    """The guesses whose data is worth a look, best first: at most a few for each column, and all can be compared.

    With them come pairs that no name tells of, of text and uuid, which say something only if their keys are there.
    """
    world = World(schema, evidence)
    drafts, _ = _gathered(world)
    found: list[Guess] = []
    for group in _grouped(drafts).values():
        worth = [
            draft
            for draft in _best_of_each_parent(group)
            if (draft.score >= WORTH or draft.unnamed)
            and all(equality(evidence, *pair) for pair in zip(draft.columns, draft.target.columns, strict=True))
        ]
        most = UNNAMED if worth and worth[0].unnamed else PER_COLUMN
        found += [draft.guess(evidence) for draft in worth[:most]]
    return sorted(found, key=lambda guess: _order(schema, guess))


def _gathered(world: World) -> tuple[list[Draft], list[Lonely]]:
    """All drafts without their data, and the columns that may turn out to be lonely."""
    drafts: list[Draft] = []
    lonely: list[Lonely] = []
    for table in world.tables:
        columns = candidate_columns(table, world.taken)
        polymorphic = polymorphic_of(world, table, columns)
        drafts += polymorphic.drafts
        lonely += polymorphic.lonely
        for column in columns:
            if column.number in polymorphic.columns:
                continue
            found = drafts_of_column(world, table, column)
            if not any(draft.score >= WORTH for draft in found):
                found += _drafts_without_name(world, table, column)
            drafts += found
            lonely += _lonely(world, table, column, polymorphic.lonely)
        lonely += _arrays(world, table)
    drafts += drafts_of_keys(world)
    return drafts, lonely


def _drafts_without_name(world: World, table: Table, column: Column) -> list[Draft]:
    """Primary keys of the very type of a column of text or uuid; none where there are many."""
    of = under_domain(column)
    if (column.category != "S" and of.name != "uuid") or is_generic(column.name) or world.owns(table, column.number):
        return []
    targets = [target for target in world.unnamed.get(of, ()) if target.table.oid not in (table.oid, *world.followers)]
    near = [target for target in targets if target.table.schema == table.schema] or targets
    if len(near) > UNNAMED:
        return []
    found = []
    for target in near:
        draft = Draft(table, (column,), target, [reason("unnamed", "no name says so")])
        draft.add(types_reason(equality(world.evidence, column, target.columns[0]), column, target.columns[0]))
        draft.add(place_reason(table, target.table, world.times_named, "unnamed"))
        draft.add(*column_reasons(table, (column.number,)))
        found.append(draft)
    return found


def _lonely(world: World, table: Table, column: Column, told: list[Lonely]) -> Iterator[Lonely]:
    """A column whose name says that it holds another table's key."""
    if any(column.number in each.columns for each in told):
        return
    # What is unique is rather a name of the row itself.
    if any(each.columns[0].number == column.number for each in world.singles.get(table.oid, ())):
        return
    for reference in references(world.plain(table, column.name))[:1]:
        if not reference.stem or not reference.sure or reference.first or world.names.is_called(table, reference.stem):
            continue
        if not external_word(reference.stem, ()):
            yield Lonely(table.oid, (column.number,), "no table is named like it")


def _arrays(world: World, table: Table) -> Iterator[Lonely]:
    """Columns that hold many keys each: no foreign key can be made of them."""
    for column in table.columns:
        if column.category != "A":
            continue
        stem = array_of(column.name)
        for parent in [each for each in world.names.called(stem) if each.oid != table.oid][:1]:
            for target in world.singles.get(parent.oid, ())[:1]:
                if under_domain(column).name.lstrip("_") == under_domain(target.columns[0]).name:
                    label = f"{parent.name}.{target.columns[0].name}"
                    yield Lonely(table.oid, (column.number,), f"an array of keys of {label}")


def _grouped(drafts: Iterable[Draft]) -> dict[tuple[int, tuple[int, ...], tuple[int, str] | None], list[Draft]]:
    """By the child's columns, in whatever order they are, and the rows that they are of."""
    found: dict[tuple[int, tuple[int, ...], tuple[int, str] | None], list[Draft]] = defaultdict(list)
    for draft in drafts:
        numbers = tuple(sorted(column.number for column in draft.columns))
        found[draft.child.oid, numbers, draft.key[-1]].append(draft)
    return found


def _best_of_each_parent(group: list[Draft]) -> list[Draft]:
    """One draft for each parent, best first; the primary key before another."""
    best: dict[int, Draft] = {}
    for draft in sorted(group, key=lambda each: (-each.points, not each.target.primary, each.target.numbers)):
        best.setdefault(draft.target.table.oid, draft)
    return sorted(best.values(), key=lambda each: (-each.points, each.target.table.schema, each.target.table.name))


def _settled(world: World, drafts: list[Draft]) -> list[Guess]:
    """The best of each group of columns, or all that are as likely, with each other's parents as rivals."""
    found: list[Guess] = []
    for group in _grouped(drafts).values():
        ranked = _best_of_each_parent(group)
        near = [draft for draft in ranked if ranked[0].points - draft.points < GAP - 1e-9]
        rivals = tuple(draft.target.table.oid for draft in near) if len(near) > 1 else ()
        found += [draft.guess(world.evidence, rivals) for draft in near if draft.score >= SUGGESTED]
    fresh = [guess for guess in found if not (_known(world, guess) or _implied(guess, found))]
    return sorted(fresh, key=lambda guess: _order(world.schema, guess))


def _known(world: World, guess: Guess) -> bool:
    """Whether it is an edge that there is, or a part of one."""
    if guess.edge.oid in world.known:
        return True
    own = {pair.child.number for pair in guess.edge.pairs}
    return any(own < numbers for numbers in world.longer.get((guess.edge.child, guess.edge.parent), ()))


def _implied(guess: Guess, others: Iterable[Guess]) -> bool:
    """Whether a key of several columns is part of a longer one that is guessed: that one's parent refers to it."""
    own = {pair.child.number for pair in guess.edge.pairs}
    return len(own) > 1 and any(
        other.edge.child == guess.edge.child and own < {pair.child.number for pair in other.edge.pairs}
        for other in others
        if len(other.edge.pairs) > len(own) and other.shown
    )


def _order(schema: Schema, guess: Guess) -> tuple[float, str, tuple[int, ...], str, str]:
    child, parent = schema.child_of(guess.edge), schema.parent_of(guess.edge)
    return (
        -guess.score,
        qualified(child.schema, child.name),
        tuple(pair.child.number for pair in guess.edge.pairs),
        qualified(parent.schema, parent.name),
        guess.edge.only.value if guess.edge.only else "",
    )
