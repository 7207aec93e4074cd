"""What a diagnosis comes to in plain English: the words that its text, its JSON and the incident report share."""

from __future__ import annotations

import csv
import io
import shlex
from datetime import UTC
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.model import ErrorKind, Topic
from fkexplorer.reports.pages import MASK
from fkexplorer.reports.sentence import columns_of, state_words
from fkexplorer.reports.values import duration, exact, number
from fkexplorer.schema.actions import FixAction
from fkexplorer.schema.names import edge_label, qualified, quote, table_label
from fkexplorer.schema.secrets import is_secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from fkexplorer.diagnosis.model import Diagnosis, Evidence, Gap, Suggestion, Totals
    from fkexplorer.diagnosis.reading.model import Found, ParsedError
    from fkexplorer.schema.model import Relationship, Schema

_KINDS = {
    ErrorKind.MISSING_PARENT: "a row was refused, since its parent is not there",
    ErrorKind.STILL_REFERENCED: "a row could not go, since others refer to it",
    ErrorKind.CANNOT_IMPLEMENT: "the constraint cannot be made: the types of its two sides can't be compared",
    ErrorKind.NO_UNIQUE: "the constraint cannot be made: its parent has no unique key for it",
    ErrorKind.OTHER: "an error that has to do with a foreign key",
}
_TOPICS = {
    Topic.UNKNOWN_DIRECTION: "a foreign key was violated; the text does not tell on which side",
    Topic.MATCH_FULL_NULLS: "a row was refused, since a part of its key alone is NULL (MATCH FULL)",
    Topic.RELATION_MISSING: "a table is not there",
    Topic.COLUMN_MISSING: "a column that a key names is not there",
    Topic.ARITY: "the constraint cannot be made: its two sides have not as many columns",
    Topic.NO_PRIMARY_KEY: "the constraint cannot be made: its parent has no primary key",
    Topic.DEFERRABLE_UNIQUE: "the constraint cannot be made: the parent's unique key is deferrable",
    Topic.PARENT_NOT_TABLE: "the constraint cannot be made: its parent is no table",
    Topic.PERSISTENCE: "the constraint cannot be made: the parent is temporary or unlogged, and the child is not",
    Topic.TRUNCATE_REFERENCED: "TRUNCATE was refused: a foreign key refers to the table",
    Topic.DROP_DEPENDENT: "DROP was refused: a foreign key depends on it",
    Topic.ALREADY_EXISTS: "it is there already",
    Topic.PERMISSION: "a privilege is missing",
    Topic.AUTH_TRIGGER_FAILURE: "a sign-up failed in a trigger, and the text hides what the database said",
}
_KEYS_SHOWN = 5


def kind_words(error: ParsedError) -> str:
    """What kind of error it is."""
    return _TOPICS.get(error.topic) or _KINDS[error.kind]


def edge_of(diagnosis: Diagnosis, schema: Schema | None) -> Relationship | None:
    """The edge that is certain."""
    placed = diagnosis.placed
    return schema.edges.get(placed.edge) if schema and placed and placed.edge is not None else None


def title(diagnosis: Diagnosis, schema: Schema | None) -> str:
    """The edge by its id, else what the text calls it: for a heading."""
    edge = edge_of(diagnosis, schema)
    if edge is not None and schema is not None:
        return edge_label(schema, edge)
    error, placed = diagnosis.found.error, diagnosis.placed
    if placed is not None and len(placed.candidates) == 1:
        return f"{placed.candidates[0].label} (a guess)"
    if error.constraint:
        return f"{table_told(error)}.{quote(error.constraint)}" if error.child_table else quote(error.constraint)
    tables = [name for name in (table_told(error), error.parent_table and quote(error.parent_table)) if name]
    return " -> ".join(tables) or "a foreign key"


def table_told(error: ParsedError) -> str:
    """The child table as the text tells it; empty where it does not."""
    if not error.child_table:
        return ""
    return qualified(*([error.child_schema] if error.child_schema else []), error.child_table)


def rule_words(schema: Schema, edge: Relationship) -> str:
    """`users.workspace_id -> workspaces.id, ON DELETE CASCADE, enforced, validated`."""
    child, parent = (table_label(table) for table in (schema.child_of(edge), schema.parent_of(edge)))
    sides = f"{child}.{columns_of(edge)} -> {parent}.{columns_of(edge, parent=True)}"
    return f"{sides}, ON DELETE {edge.on_delete.value.upper()}, {state_words(edge)}"


def key_words(error: ParsedError) -> str:
    """`user_id = acb4…`, secrets masked; empty where the text does not tell the key."""
    if not error.columns or error.values is None or len(error.columns) != len(error.values):
        return ""
    shown = [each if each is not None else "NULL" for each in masked(error.columns, error.values)]
    names = [quote(name) for name in error.columns]
    if len(names) == 1:
        return f"{names[0]} = {shown[0]}"
    return f"({', '.join(names)}) = ({', '.join(shown)})"


def masked(columns: Sequence[str], values: Sequence[str | None]) -> list[str | None]:
    """The values, those of columns named like secrets as `***`."""
    if len(columns) != len(values):
        return [None if value is None else MASK for value in values]
    return [
        MASK if value is not None and is_secret(column) else value
        for column, value in zip(columns, values, strict=True)
    ]


def excerpt(error: ParsedError) -> str:
    """The error's own words without the values of columns that are named like secrets."""
    text = error.excerpt
    hidden = [value for column, value in (error.row.values if error.row else {}).items() if value and is_secret(column)]
    if error.columns and error.values and len(error.columns) == len(error.values):
        hidden += [
            value for column, value in zip(error.columns, error.values, strict=True) if value and is_secret(column)
        ]
    for value in sorted(hidden, key=len, reverse=True):
        text = text.replace(value, MASK)
    return text


def row_shown(values: Mapping[str, str | None]) -> dict[str, str | None]:
    """A row by column, secrets masked."""
    return {column: MASK if value is not None and is_secret(column) else value for column, value in values.items()}


def seen_words(found: Found) -> str:
    """`seen 3 times, 2026-11-24 02:00:01 UTC to 02:03:11 UTC, 0.9 a minute`."""
    words = "seen once" if found.occurrences == 1 else f"seen {number(found.occurrences, 'time')}"
    if found.first is not None and found.last is not None:
        first, last = stamp(found.first), stamp(found.last)
        if found.first == found.last:
            words += f", {first}"
        else:
            words += f", {first} to {last[11:] if last[:10] == first[:10] else last}"
    if found.per_minute is not None:
        words += (
            f", {found.per_minute:.2g} a minute" if found.per_minute < 100 else f", {found.per_minute:,.0f} a minute"
        )
    return words


def keys_words(found: Found) -> str:
    """The distinct keys, where there is more than one: `2 keys: a (2 times), b`."""
    if len(found.keys) < 2:
        return ""
    columns = found.error.columns or ()
    often = sorted(found.keys.items(), key=lambda item: -item[1])
    shown = []
    for key, count in often[:_KEYS_SHOWN]:
        values = ["NULL" if each is None else each for each in masked(columns, key)]
        text = values[0] if len(values) == 1 else f"({', '.join(values)})"
        shown.append(text if count == 1 else f"{text} ({number(count, 'time')})")
    more = f" and {exact(len(often) - _KEYS_SHOWN)} more" if len(often) > _KEYS_SHOWN else ""
    least = "more than " if found.more_keys else ""
    return f"{least}{number(len(often), 'key')}: {', '.join(shown)}{more}"


def stamp(when: datetime) -> str:
    """`2026-11-24 02:00:01 UTC`; without the zone where the log does not tell it."""
    if when.tzinfo is None:
        return f"{when:%Y-%m-%d %H:%M:%S}"
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def live_words(diagnosis: Diagnosis) -> str:
    """Whether it would come again; empty without a database."""
    if diagnosis.at is None:
        return ""
    return {
        True: "it would come again now",
        False: "it would not come again now",
        None: "whether it would come again is not known",
    }[diagnosis.live]


def side_words(diagnosis: Diagnosis) -> str:
    """`wrong side: parent`; empty where that is not known."""
    return f"wrong side: {diagnosis.side.value}" if diagnosis.side is not None else ""


def looked_words(evidence: Evidence) -> str:
    """What was looked at, what that gave and when: `public."user": 0 rows, 11:47:27`."""
    said = ": ".join(part for part in (evidence.looked_at, evidence.result) if part)
    return ", ".join(part for part in (said, f"{evidence.at:%H:%M:%S}") if part)


def gap_words(gap: Gap, schema: Schema) -> list[str]:
    """The gap in sentences: how large, how new, and what keeps new rows out of it."""
    source, target = table_label(schema.tables[gap.source]), table_label(schema.tables[gap.target])
    if gap.missing is None or gap.rows is None:
        found = [f"How many rows of {source} have no row in {target} is not known: {gap.problem}."]
    else:
        have = "has" if gap.missing == 1 else "have"
        found = [f"{exact(gap.missing)} of {number(gap.rows, 'row')} of {source} {have} no row in {target}."]
        if gap.newest is not None:
            ago = max(0.0, (gap.at - gap.newest).total_seconds())
            found.append(
                f"The newest of them is of {stamp(gap.newest)} ({gap.newest_by}), {span(ago)} before this look."
            )
    if gap.trigger:
        found.append(f"New rows are kept in step by the trigger {gap.trigger} of {source}.")
    return found


def totals_words(totals: Totals) -> str:
    """`179 rows, 179 parents, 0 NULL, 0 orphans, 0 missing keys, 30 parents without a child`; `?`: not known."""
    named = (
        (totals.rows, "row"),
        (totals.parents, "parent"),
        (totals.nulls, "NULL", "NULL"),
        (totals.orphans, "orphan"),
        (totals.missing_keys, "missing key"),
        (totals.childless, "parent without a child", "parents without a child"),
    )
    return ", ".join(
        number(count, *words) if count is not None else f"? {(*words, f'{words[0]}s')[1]}" for count, *words in named
    )


def span(seconds: float) -> str:
    """A length of time from seconds to days."""
    return f"{number(int(seconds // 86400), 'day')}" if seconds >= 86400 else duration(seconds)


def suggestion_command(suggestion: Suggestion, diagnosis: Diagnosis, schema: Schema) -> str:
    """The `fkexplorer plan` of an action, for a shell; empty for advice, and where the edge is not known."""
    edge = schema.edges.get(suggestion.edge) if suggestion.edge is not None else edge_of(diagnosis, schema)
    if suggestion.action is None or edge is None:
        return ""
    words = ["fkexplorer", "plan", edge_label(schema, edge), suggestion.action.value]
    if suggestion.source is not None:
        words += ["--from", table_label(schema.tables[suggestion.source])]
        words += ["--scope", suggestion.scope.value] if suggestion.scope is not None else []
    if suggestion.key and suggestion.action in {FixAction.INSERT_PARENTS, FixAction.BACKFILL}:
        line = io.StringIO()
        names = [pair.parent.name for pair in edge.pairs]
        values = masked(names, suggestion.key)
        if len(values) > 1:
            csv.writer(line, lineterminator="").writerow(values)
        words += ["--key", line.getvalue() or values[0] or ""]
    words += ["--rule", suggestion.rule] if suggestion.rule else []
    return shlex.join(words)
