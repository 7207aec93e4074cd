"""A parent whose columns no unique key covers (42830, 55000, 42704): what keys it has, and how one could be made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.diagnosis.asking import Look, ask
from fkexplorer.diagnosis.cannot_change import LOOK_MS
from fkexplorer.diagnosis.cannot_sides import ambiguous, of_catalogue
from fkexplorer.diagnosis.keyed import key_text
from fkexplorer.diagnosis.model import Evidence, Part, Suggestion
from fkexplorer.diagnosis.named_there import Told
from fkexplorer.diagnosis.reading.model import Topic
from fkexplorer.fixes import sql
from fkexplorer.fixes.indexes import unique_key
from fkexplorer.schema.model import TableKind
from fkexplorer.schema.names import columns_label, quote, table_label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fkexplorer.diagnosis.asking import Ground
    from fkexplorer.diagnosis.cannot_sides import Sides
    from fkexplorer.diagnosis.case import Case
    from fkexplorer.schema.model import Column, Index, Table

_EXAMPLES = 3
_SHOWN = 6
"""Keys of a table that are named."""


async def keys(case: Case, sides: Sides) -> Part:
    """Whether a unique key covers the parent's columns, and what keeps one from being made.

    Returns:
        `live` is False where there is such a key now, None where the columns are not told.

    Raises:
        Trouble: the connection is lost.
    """
    parent, columns = sides.parent, sides.parent_columns
    if parent is None:
        several = ambiguous(case, Told.of(case.error).parent)
        return Part((several,) if several else ())
    if case.error.topic is Topic.NO_PRIMARY_KEY:
        return _primary(case, parent)
    if not columns:
        told = "The text does not tell the columns that it refers to."
        return Part((_keys_of(case, parent, f"{told} The keys of {table_label(parent)} are"),))
    if serving := unique_key(parent, columns):
        text = f"{columns_label(parent, columns)} has a unique key now: {quote(serving.name)}. It was made after the"
        text += " error, or it is of another database."
        found = of_catalogue(case, "unique_key_exists", text, result=serving.name, weight=100, query=_query(parent))
        return Part((found,), live=False)
    return await no_key(case, parent, columns)


async def no_key(ground: Ground, parent: Table, columns: tuple[Column, ...], *, ms: int = LOOK_MS) -> Part:
    """Of columns that no key serves: why not, what keys there are, what keeps one from being made, how it is made.

    Args:
        ground: where to look.
        parent: the table.
        columns: those of it that no key serves.
        ms: what the look for rows that repeat may take.

    Raises:
        Trouble: the connection is lost.
    """
    numbers = {column.number for column in columns}
    covering = [each for each in parent.indexes if _covers(each, numbers)]
    findings = [_none(ground, parent, columns, covering)]
    findings.append(_keys_of(ground, parent, f"The keys of {table_label(parent)} are"))
    ruled_out: list[Evidence] = []
    repeated = await _repeated(ground, parent, columns, ms)
    (ruled_out if repeated.code == "no_repeats" else findings).append(repeated)
    return Part(tuple(findings), tuple(ruled_out), _make(parent, columns, covering), live=True)


def serves(index: Index) -> bool:
    """Whether a foreign key may refer to it (transformFkeyCheckAttrs in tablecmds.c)."""
    return index.unique and index.valid and index.immediate and not index.partial and not index.has_expressions


def _covers(index: Index, numbers: set[int]) -> bool:
    """Whether it is unique over just these columns, in any order."""
    return index.unique and {part.number for part in index.columns} == numbers


def _none(ground: Ground, parent: Table, columns: Iterable[Column], covering: list[Index]) -> Evidence:
    """That no key serves, and of one that nearly does why not."""
    label = columns_label(parent, list(columns))
    reasons = [f"{quote(each.name)} {_why_not(each)}" for each in covering]
    text = f"No unique key covers just {label}, and a foreign key needs one"
    code = "no_unique_key"
    if covering:
        text = f"No unique key of {label} can serve: {'; '.join(reasons)}"
        code = "deferrable_key" if any(not each.immediate for each in covering) else "unusable_key"
    elif computed := [quote(each.name) for each in parent.indexes if each.unique and each.has_expressions]:
        text += f"; {', '.join(computed[:_SHOWN])} {'is' if len(computed) == 1 else 'are'} of an expression, which no"
        text += " foreign key refers to"
    return of_catalogue(ground, code, f"{text}.", result="none", weight=100, query=_query(parent))


def _why_not(index: Index) -> str:
    if not index.immediate:
        return "is DEFERRABLE, and a foreign key can't refer to such a one"
    if index.partial:
        return "is partial: rows outside of its WHERE may repeat"
    return "is not valid: CREATE INDEX CONCURRENTLY failed, or is not done"


def _keys_of(ground: Ground, parent: Table, begin: str) -> Evidence:
    """The unique keys of a table."""
    names = {column.number: quote(column.name) for column in parent.columns}
    unique = sorted((each for each in parent.indexes if each.unique), key=lambda each: not each.primary)
    listed = [
        f"{quote(each.name)} ({', '.join(names.get(part.number, 'an expression') for part in each.columns)})"
        for each in unique[:_SHOWN]
    ]
    more = f" and {len(unique) - _SHOWN} more" if len(unique) > _SHOWN else ""
    text = f"{begin} {', '.join(listed)}{more}." if listed else f"{table_label(parent)} has no unique key at all."
    return of_catalogue(ground, "keys_of_parent", text, result=f"{len(unique)}", weight=80, query=_query(parent))


def _query(parent: Table) -> str:
    return (
        "SELECT indexrelid::regclass, indisprimary, indimmediate, indisvalid, indpred IS NOT NULL AS partial, indkey\n"
        f"FROM pg_catalog.pg_index WHERE indrelid = {parent.oid} AND indisunique;"
    )


async def _repeated(ground: Ground, parent: Table, columns: tuple[Column, ...], ms: int) -> Evidence:
    """Whether rows repeat the key, so that it can't be made unique."""
    label = columns_label(parent, columns)
    listed = [f"p.{sql.name(column.name)}" for column in columns]
    texts = ", ".join(f"CAST({each} AS pg_catalog.text)" for each in listed)
    # A unique key lets NULLs repeat, and so does a foreign key.
    query = (
        f"SELECT pg_catalog.count(*) OVER () AS keys, pg_catalog.count(*) AS rows, {texts}\n"
        f"FROM {sql.source(parent, 'p')} WHERE {' AND '.join(f'{each} IS NOT NULL' for each in listed)}\n"
        f"GROUP BY {', '.join(listed)} HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 ORDER BY 2 DESC"
        f" LIMIT {_EXAMPLES}"
    )
    answer = await ask(ground, Look(query, parent, columns), ms=ms)
    if answer.rows is None or (not answer.rows and answer.as_role):
        reason = answer.reason or "row security hides rows from this role"
        text = f"Whether rows of {label} repeat is not known: {reason}."
        return answer.evidence("repeats_unknown", text, result=answer.code.replace("_", " ") or "hidden", weight=60)
    if not answer.rows:
        text = f"No key of {label} is there twice: it can be made unique."
        return answer.evidence("no_repeats", text, result="0 repeated keys", weight=50, number=0)
    number = answer.rows[0][0]
    examples = "; ".join(f"{key_text(columns, tuple(values))} {rows} times" for _, rows, *values in answer.rows)
    more = "; …" if number > len(answer.rows) else ""
    text = f"{number:,} key{'' if number == 1 else 's'} of {label} are there more than once: {examples}{more}."
    if number == 1:
        text = text.replace(" are there more", " is there more", 1)
    return answer.evidence("repeated_keys", text, result=f"{number:,} repeated", weight=95, number=number)


def _make(parent: Table, columns: tuple[Column, ...], covering: list[Index]) -> tuple[Suggestion, ...]:
    """The statements that make a unique key."""
    table = table_label(parent)
    listed = ", ".join(quote(column.name) for column in columns)
    name = quote("_".join((parent.name, *(column.name for column in columns), "key"))[:63])
    taken = {each.name for each in covering}
    if name.strip('"') in taken:
        name = quote("_".join((parent.name, *(column.name for column in columns), "fkey_target"))[:63])
    if parent.kind is TableKind.PARTITIONED:
        text = "Make the columns unique; on a partitioned table the key has to hold those that it is partitioned by."
        return (Suggestion(text, sql=f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE ({listed});", weight=90),)
    text = "Make the columns unique without stopping writes, then make the index a constraint."
    statement = (
        f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} ({listed});\n"
        f"ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name};"
    )
    found = [Suggestion(text, sql=statement, weight=90)]
    if parent.primary_key and not {each.number for each in columns} & set(parent.primary_key.columns):
        key = ", ".join(quote(parent.column(number).name) for number in parent.primary_key.columns)
        text = f"Or refer to the primary key of {table} ({key}), if that is what is meant."
        found.append(Suggestion(text, weight=70))
    return tuple(found)


def _primary(case: Case, parent: Table) -> Part:
    """REFERENCES without columns, of a parent that has no primary key."""
    table = table_label(parent)
    if parent.primary_key is not None:
        text = f"{table} has a primary key now: {quote(parent.primary_key.name)}."
        return Part((of_catalogue(case, "primary_key_exists", text, weight=100, query=_query(parent)),), live=False)
    text = f"{table} has no primary key, and REFERENCES {table} without columns means that one."
    found = of_catalogue(case, "no_primary_key", text, weight=100, query=_query(parent))
    names = {column.number: quote(column.name) for column in parent.columns}
    usable = next((each for each in parent.indexes if serves(each)), None)
    suggestions = [Suggestion(f"Give {table} a primary key.", weight=80)]
    if usable:
        columns = ", ".join(names[part.number] for part in usable.columns)
        text = f"Name the columns of a unique key of {table}."
        suggestions.insert(0, Suggestion(text, sql=f"REFERENCES {table} ({columns})", weight=90))
    keys_of = _keys_of(case, parent, f"The unique keys of {table} are")
    return Part((found, keys_of), (), tuple(suggestions), live=True)
