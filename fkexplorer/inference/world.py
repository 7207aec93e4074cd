"""A schema as the rules look at it: its tables by name, its keys, its habits, built once."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from fkexplorer.inference.columns import bound, own_prefix, without
from fkexplorer.inference.habits import Habits, is_generic
from fkexplorer.inference.keys import Kinds, Target, sole_key, targets_of, under_domain
from fkexplorer.inference.naming import Names
from fkexplorer.inference.vocabulary import BARE_STOP, KEY_WORDS, ROOTS
from fkexplorer.inference.weights import reason
from fkexplorer.inference.words import references, same, words
from fkexplorer.schema.model import EdgeKind
from fkexplorer.schema.undeclared import undeclared_oid

if TYPE_CHECKING:
    from fkexplorer.inference.model import CatalogueEvidence, Reason
    from fkexplorer.schema.model import Column, Schema, Table, TypeName


_ENOUGH = 5
"""Columns that are called like tables before that is a habit."""


class World:
    """What all rules share. Everything in it is in the order of the tables' names."""

    def __init__(self, schema: Schema, evidence: CatalogueEvidence) -> None:
        self.schema = schema
        self.evidence = evidence
        kinds = Kinds(schema.tables.values())
        self.tables = sorted(
            (table for table in schema.tables.values() if not kinds.left_over(table)),
            key=lambda table: (table.schema, table.name, table.oid),
        )
        self.followers = {table.oid for table in self.tables if kinds.follows(table)}
        self.names = Names(self.tables)
        self.habits = Habits(schema)
        self.taken = bound(schema)
        self.known: set[int] = set()
        """What the edges that there are would be numbered as, had nobody declared them."""
        self.longer: dict[tuple[int, int], list[set[int]]] = defaultdict(list)
        """By child and parent the columns of those that have several."""
        for edge in schema.edges.values():
            if edge.kind is not EdgeKind.INFERRED:
                self.known.add(undeclared_oid(edge.child, edge.parent, edge.pairs, edge.only))
                if len(edge.pairs) > 1:
                    self.longer[edge.child, edge.parent].append({pair.child.number for pair in edge.pairs})
        self.prefixes = {table.oid: own_prefix(table) for table in self.tables}
        self.holders = Counter(self.plain(table, column.name) for table in self.tables for column in table.columns)
        """How many tables have a column of a name, without the table's own prefix."""
        self.times_named = Counter(same(words(table.name)) for table in self.tables)
        self.singles: dict[int, list[Target]] = defaultdict(list)
        self.composites: list[Target] = []
        self.unnamed: dict[TypeName, list[Target]] = defaultdict(list)
        """Primary keys of one column by its type."""
        self.by_key_name: dict[str, list[Target]] = defaultdict(list)
        """Single keys by their column's name, whole and without the table's own prefix, word breaks left out."""
        for table in self.tables:
            for target in targets_of(table):
                if len(target.columns) > 1:
                    self.composites.append(target)
                else:
                    self.singles[table.oid].append(target)
                    self._learn(target)
                    if target.primary:
                        self.unnamed[under_domain(target.columns[0])].append(target)
        keys = [target.columns[0] for targets in self.singles.values() for target in targets if target.primary]
        self.text_keys = 2 * sum(column.category == "S" for column in keys) > len(keys)
        """Most primary keys are text, so that a text is no sign of being none."""
        self._lent = {
            (target.table.oid, target.columns[0].number)
            for targets in self.by_key_name.values()
            for target in targets
            if self._is_lent(target, targets)
        }
        self.regular = self._regular()
        self.joins: dict[tuple[int, int], list[tuple[tuple[int, int], str]]] = defaultdict(list)
        for join in evidence.joins:
            self.joins[join.left].append((join.right, join.where))
            self.joins[join.right].append((join.left, join.where))

    def _learn(self, target: Target) -> None:
        name = target.columns[0].name
        for spelling in {name, self.plain(target.table, name)}:
            if not is_generic(spelling) and words(spelling):
                self.by_key_name["".join(words(spelling))].append(target)

    def plain(self, table: Table, name: str) -> str:
        """A column's name without the prefix that all columns of its table have."""
        return without(name, self.prefixes.get(table.oid, 0))

    def borrowed(self, target: Target) -> bool:
        """Whether a key is another table's: `user_profiles.user_id` where there are `users`."""
        column = target.columns[0]
        key = (target.table.oid, column.number)
        if key in self.habits.borrowed or key in self._lent:
            return True
        own = words(target.table.name)
        ends = {same(own[start:]) for start in range(len(own))}
        for reference in references(self.plain(target.table, column.name)):
            stem = same(reference.stem)
            if not stem or stem == same(own) or (not reference.key and stem in BARE_STOP):
                continue
            named = self.names.called(reference.stem)
            # `drug_order.order_id` is that of `orders`, where there are these.
            # `component_sequences.component_id` is its own, whatever `target_components` are.
            if not named and reference.key and stem not in ends and not same(own).startswith(stem):
                named = [each for each in self.names.ends_in(reference.stem) if each.schema == target.table.schema]
            # One without a key, as `awards_players`, has none to lend.
            if any(table.oid != target.table.oid and self.singles.get(table.oid) for table in named):
                return True
        return False

    def _is_lent(self, target: Target, others: list[Target]) -> bool:
        """Whether a key of the same name is another table's by rights.

        `last_trade.lt_s_symb` is that of `security.s_symb`, and `users_field_data.uid` that of `users.uid`.
        """
        name = words(target.columns[0].name)
        own = words(target.table.name)
        for other in others:
            if other.table.oid == target.table.oid or not other.primary:
                continue
            theirs = words(other.columns[0].name)
            if theirs != name and len(theirs) < len(name):
                return True
            beginning = words(other.table.name)
            if theirs == name and len(beginning) < len(own) and same(own[: len(beginning)]) == same(beginning):
                return True
            # Of `chembl_id` in many tables the primary key is the owner's, of several that of `chembl_id_lookup`; and
            # of `molregno` that of `molecule_dictionary`.
            owned = (_says(beginning, name), bool(ROOTS.intersection(beginning)))
            if theirs == name and (not target.primary or owned > (_says(own, name), bool(ROOTS.intersection(own)))):
                return True
        return False

    def named(self, some: tuple[str, ...]) -> list[Table]:
        """The tables that are called so, behind a prefix if there is none without."""
        return self.names.called(some) or self.names.ends_in(some)

    def lent(self, table: Table, column: Column) -> bool:
        """Whether a column is a key that is another table's by rights."""
        return (table.oid, column.number) in self._lent

    def _regular(self) -> Reason | None:
        """That columns are called like the tables whose keys they hold, if that is what this schema does."""
        times = sum(
            1
            for table in self.tables
            for column in table.columns
            if column.category in "NSU"
            for named in self.names.called(words(column.name))[:1]
            if named.oid != table.oid and same(words(column.name)) not in BARE_STOP and self.singles.get(named.oid)
        )
        return reason("regular", f"{times:,} columns are called like tables") if times >= _ENOUGH else None

    def says_whole(self, table: Table, parent: Table, beside: Column) -> bool:
        """Whether another column of a table has all of a parent's name: then `beside` does not mean it by its end."""
        wanted = {same(words(parent.name)), same(words(parent.name)[1:])}
        return any(
            each.key and len(each.stem) > 1 and same(each.stem) in wanted
            for column in table.columns
            if column.number != beside.number
            for each in references(self.plain(table, column.name))
        )

    def has_owner(self, name: str) -> bool:
        """Whether a table has a primary key of this name."""
        return any(target.primary for target in self.by_key_name.get("".join(words(name)), ()))

    def has_beside_key(self, table: Table, name: str) -> bool:
        """Whether a table has a column of this name that is not its primary key."""
        return any(column.name == name and not self.owns(table, column.number) for column in table.columns)

    @staticmethod
    def owns(table: Table, number: int) -> bool:
        """Whether a column alone is its table's primary key."""
        return sole_key(table) == number


def _says(table: tuple[str, ...], key: tuple[str, ...]) -> bool:
    """Whether a table's name has all that its key's says, but for the word that it is one."""
    stem = key[:-1] if len(key) > 1 and key[-1] in KEY_WORDS else key
    return same(stem) in same(table)


def says_some(target: Target) -> bool:
    """Whether a key's name has a word of its table's name, or begins like it, as `concept_id` of `concept_names`."""
    key, table = words(target.columns[0].name), words(target.table.name)
    several = {same((word,)) for word in key if word not in KEY_WORDS} & {same((word,)) for word in table}
    return bool(several) or any(len(word) > 2 and "".join(key).startswith(same((word,))[:3]) for word in table)
