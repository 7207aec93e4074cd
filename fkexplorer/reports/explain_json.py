"""Diagnoses as one JSON document: a contract with other programs. What is not known is null, never 0 or false.

Beside what the text tells of it (`kind`, `sqlstate`, `constraint`, `child_table`, `columns`, `values`, …) an error has:

    "edge": "schema.table.constraint",    null where it is not certain, and without a database
    "live": true,                         whether it would come again now; null where that is not known
    "side": "parent",                     which side is wrong: parent or child
    "occurrences": 2, "first": …, "last": …, "per_minute": …, "keys": [{"values": […], "occurrences": 1}]
    "candidates": [{"edge", "label", "reasons"}]
    "findings", "ruled_out": [{"code", "text", "looked_at", "query", "result", "at", "edge"}]   the heaviest first
    "suggestions": [{"action", "text", "edge", "scope", "key", "source", "rule", "sql", "command"}]  action null: advice
    "totals": [{"edge", "rows", "parents", "nulls", "orphans", "missing_keys", "childless", "as_of", "problem"}]
    "trace": as `trace --format json` has it; "gap": {"source", "target", "rows", "missing", "newest", …}
    "verification": [{"query", "result"}], "as_of", "seconds", "problem"
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fkexplorer.reports.diagnosis import edge_of, excerpt, masked, row_shown, suggestion_command
from fkexplorer.reports.trace import trace_document
from fkexplorer.reports.values import moment
from fkexplorer.schema.names import edge_label, table_label

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from fkexplorer.database.model import ServerFacts
    from fkexplorer.diagnosis.model import Candidate, Diagnosis, Evidence, Gap, Suggestion, Totals
    from fkexplorer.diagnosis.reading.model import Found, Reading
    from fkexplorer.schema.model import Schema


def explain_json(
    diagnoses: Sequence[Diagnosis],
    reading: Reading,
    schema: Schema | None,
    facts: ServerFacts | None,
    *,
    version: str,
) -> str:
    """The document that the module tells of, ASCII only.

    Args:
        diagnoses: one for each error, in the order of the text.
        reading: the text that they are of.
        schema: the catalogue that they were found with; None without a database.
        facts: which database; None without one.
        version: of fkexplorer.
    """
    document = {
        "fkexplorer": version,
        "database": None if facts is None else _database(facts),
        "lines": reading.lines,
        "bytes": reading.bytes,
        "other_errors": reading.others,
        "errors": [_error(each, schema) for each in diagnoses],
    }
    return json.dumps(document, indent=1)


def _database(facts: ServerFacts) -> dict[str, Any]:
    return {
        "name": facts.database,
        "place": facts.place,
        "server": facts.version,
        "user": facts.user,
        "standby": facts.standby,
        "pooled": facts.pooled,
    }


def _error(diagnosis: Diagnosis, schema: Schema | None) -> dict[str, Any]:
    found, error = diagnosis.found, diagnosis.found.error
    edge, placed = edge_of(diagnosis, schema), diagnosis.placed
    values = None if error.values is None else masked(error.columns or (), error.values)
    return {
        "kind": error.kind.value,
        "topic": error.topic.value or None,
        "sqlstate": error.sqlstate,
        "constraint": error.constraint,
        "child_schema": error.child_schema,
        "child_table": error.child_table,
        "columns": _listed(error.columns),
        "values": values,
        "parent_schema": error.parent_schema,
        "parent_table": error.parent_table,
        "parent_columns": _listed(error.parent_columns),
        "types": _listed(error.types),
        "engine": error.engine,
        "row": row_shown(error.row.values) if error.row else None,
        "line": error.line,
        "excerpt": excerpt(error),
        "occurrences": found.occurrences,
        "first": _when(found.first),
        "last": _when(found.last),
        "per_minute": None if found.per_minute is None else round(found.per_minute, 3),
        "keys": _keys(found),
        "more_keys": found.more_keys,
        "edge": edge_label(schema, edge) if schema and edge else None,
        "candidates": [_candidate(each, schema) for each in placed.candidates] if placed else [],
        "live": diagnosis.live,
        "side": diagnosis.side.value if diagnosis.side else None,
        "findings": [_evidence(each, schema) for each in diagnosis.findings],
        "ruled_out": [_evidence(each, schema) for each in diagnosis.ruled_out],
        "suggestions": [_suggestion(each, diagnosis, schema) for each in diagnosis.suggestions] if schema else [],
        "totals": [_totals(each, schema) for each in diagnosis.totals],
        "trace": _trace(diagnosis, schema) if schema else None,
        "gap": _gap(diagnosis.gap, schema) if diagnosis.gap and schema else None,
        "verification": [{"query": query, "result": result} for query, result in diagnosis.verification],
        "as_of": moment(diagnosis.at) if diagnosis.at else None,
        "seconds": round(diagnosis.seconds, 3),
        "problem": diagnosis.problem or None,
    }


def _listed(values: Sequence[str] | None) -> list[str] | None:
    return None if values is None else list(values)


def _when(when: datetime | None) -> str | None:
    """In UTC; as the log has it where that names no zone."""
    if when is None:
        return None
    return when.isoformat(timespec="seconds") if when.tzinfo is None else moment(when)


def _keys(found: Found) -> list[dict[str, Any]]:
    columns = found.error.columns or ()
    return [{"values": masked(columns, key), "occurrences": count} for key, count in found.keys.items()]


def _candidate(candidate: Candidate, schema: Schema | None) -> dict[str, Any]:
    return {
        "edge": _edge(candidate.edge, schema),
        "label": candidate.label,
        "reasons": list(candidate.reasons),
    }


def _edge(oid: int | None, schema: Schema | None) -> str | None:
    edge = schema.edges.get(oid) if schema and oid is not None else None
    return edge_label(schema, edge) if schema and edge else None


def _evidence(evidence: Evidence, schema: Schema | None) -> dict[str, Any]:
    return {
        "code": evidence.code,
        "text": evidence.text,
        "looked_at": evidence.looked_at or None,
        "query": evidence.query or None,
        "result": evidence.result or None,
        "at": moment(evidence.at),
        "edge": _edge(evidence.edge, schema),
    }


def _suggestion(suggestion: Suggestion, diagnosis: Diagnosis, schema: Schema) -> dict[str, Any]:
    own = edge_of(diagnosis, schema)
    edge = suggestion.edge if suggestion.edge is not None else own.oid if own and suggestion.action else None
    used = schema.edges.get(edge) if edge is not None else None
    key = masked([pair.parent.name for pair in used.pairs], suggestion.key) if used else list(suggestion.key)
    return {
        "action": suggestion.action.value if suggestion.action else None,
        "text": suggestion.text,
        "edge": _edge(edge, schema),
        "scope": suggestion.scope.value if suggestion.scope else None,
        "key": key or None,
        "source": table_label(schema.tables[suggestion.source]) if suggestion.source is not None else None,
        "rule": suggestion.rule or None,
        "rows": [list(row) for row in suggestion.rows],
        "sql": suggestion.sql or None,
        "command": suggestion_command(suggestion, diagnosis, schema) or None,
    }


def _totals(totals: Totals, schema: Schema | None) -> dict[str, Any]:
    return {
        "edge": _edge(totals.edge, schema),
        "rows": totals.rows,
        "parents": totals.parents,
        "nulls": totals.nulls,
        "orphans": totals.orphans,
        "missing_keys": totals.missing_keys,
        "childless": totals.childless,
        "as_of": moment(totals.at),
        "problem": totals.problem or None,
    }


def _trace(diagnosis: Diagnosis, schema: Schema) -> dict[str, Any] | None:
    trace = diagnosis.trace
    if trace is None:
        return None
    edge = edge_of(diagnosis, schema)
    names = [pair.parent.name for pair in edge.pairs] if edge else diagnosis.found.error.columns or ()
    return {**trace_document(trace, schema), "value": masked(names, trace.value)}


def _gap(gap: Gap, schema: Schema) -> dict[str, Any]:
    return {
        "source": table_label(schema.tables[gap.source]),
        "target": table_label(schema.tables[gap.target]),
        "edge": _edge(gap.edge, schema),
        "rows": gap.rows,
        "missing": gap.missing,
        "newest": moment(gap.newest) if gap.newest else None,
        "newest_by": gap.newest_by or None,
        "trigger": gap.trigger or None,
        "trigger_off": gap.trigger_off or None,
        "query": gap.query or None,
        "as_of": moment(gap.at),
        "problem": gap.problem or None,
    }
