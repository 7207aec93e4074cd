"""What the doctor found as one JSON document: a contract with other programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fkexplorer.doctor.model import Severity
from fkexplorer.reports.doctor import plan_command, sql_lines, table_words
from fkexplorer.reports.values import moment
from fkexplorer.schema.names import edge_label, table_label

if TYPE_CHECKING:
    from fkexplorer.database.model import ServerFacts
    from fkexplorer.doctor.model import Examination, Finding
    from fkexplorer.schema.model import Schema


def doctor_json(found: Examination, schema: Schema, facts: ServerFacts, *, version: str) -> str:
    """The document as text, ASCII only; what there is not is null.

    Args:
        found: what was found.
        schema: the catalogue that it was found with.
        facts: the server.
        version: of this program.
    """
    document = {
        "fkexplorer": version,
        "database": {
            "name": facts.database,
            "server": facts.version,
            "user": facts.user,
            "standby": facts.standby,
            "pooled": facts.pooled,
        },
        "as_of": moment(found.at),
        "seconds": round(found.seconds, 3),
        "summary": {
            "examined": len(found.edges),
            **{f"{severity.value}s": len(found.of(severity)) for severity in Severity},
            "not_looked": len(found.not_looked),
            "skipped": len(found.skipped),
            "excused": len(found.excused),
        },
        "findings": [_finding(each, schema, None) for each in found.findings]
        + [_finding(each, schema, words) for each, words in found.excused],
        "not_looked": [{"what": what, "reason": reason} for what, reason in found.not_looked],
        "skipped": [{"what": what, "reason": reason} for what, reason in found.skipped],
    }
    return json.dumps(document, indent=1)


def _finding(finding: Finding, schema: Schema, excused: str | None) -> dict[str, Any]:
    treatment = finding.treatment
    edge = schema.edges.get(finding.edge) if finding.edge is not None else None
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "edge": edge_label(schema, edge) if edge else None,
        "subject": finding.subject,
        "table": table_words(finding, schema),
        "text": finding.text,
        "seen": finding.seen,
        "why": finding.why,
        "as_of": moment(finding.at),
        "sql": "\n".join(sql_lines(finding)) or None,
        "locks": [
            {"table": table_label(schema.tables[each.table]), "mode": each.mode, "blocks": each.blocks}
            for each in treatment.locks
            if each.table in schema.tables
        ],
        "forecast": treatment.forecast or None,
        "action": treatment.action.value if treatment.action else None,
        "options": dict(treatment.options),
        "command": plan_command(finding, schema) or None,
        "excused": excused,
    }
