"""Reads records that name their fields: JSON of drivers and servers, csvlog, and the dumps that runtimes print."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.parameters import parameters_of, unescaped
from fkexplorer.diagnosis.reading.said import Said, agree, detail, joined, message, of_text
from fkexplorer.diagnosis.reading.times import time_from

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from fkexplorer.diagnosis.reading.messages import Match

    Parameters = tuple[str | None, ...] | Mapping[str, str | None] | None

NAMES = {
    **dict.fromkeys(
        ("code", "sqlstate", "sqlstatecode", "statecode", "pgcode", "errorcode", "sqlerrorcode"), "sqlstate"
    ),
    **dict.fromkeys(("detail", "details", "messagedetail", "errordetail", "detailmessage"), "detail"),
    **dict.fromkeys(("message", "msg", "messagetext", "errmsg", "errormessage", "messageprimary"), "message"),
    **dict.fromkeys(("schema", "schemaname"), "schema"),
    **dict.fromkeys(("table", "tablename"), "table"),
    **dict.fromkeys(("constraint", "constraintname"), "constraint"),
    **dict.fromkeys(("sql", "query", "statement", "failedquery", "internalquery"), "sql"),
    **dict.fromkeys(("parameters", "params", "bindings", "args"), "parameters"),
    **dict.fromkeys(("timestamp", "time", "ts", "logtime", "datetime"), "when"),
}
"""What drivers call the fields of an error, without case, `_` and spaces."""
_LINES = ("log", "message", "msg", "textPayload", "line", "body", "MESSAGE", "event", "text", "content")
"""Where a collector of logs keeps the line itself."""
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")
DEPTH = 12
"""How deep records are looked into; no driver nests its causes further."""


def sqlstate_of(text: str) -> str | None:
    """A text that is a SQLSTATE."""
    return text if _SQLSTATE.fullmatch(text) and text[0].isdigit() else None


def json_in(text: str) -> object:
    """The first JSON object or array in a line; None where there is none that is whole."""
    start = min((at for at in (text.find('{"'), text.find('[{"')) if at >= 0), default=-1)
    if start < 0:
        return None
    try:
        value: object = json.JSONDecoder(strict=False).raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return None
    return value


def line_within(value: object) -> tuple[str, str] | None:
    """The line that a collector of logs wrapped, and whose it is; None where the record says more than that."""
    if not isinstance(value, dict) or any(_tells(key, value[key]) for key in value):
        return None
    for name in _LINES:
        text = value.get(name)
        if isinstance(text, str) and not text.lstrip().startswith("{"):
            whose = (value.get(each) for each in ("container_name", "container", "pod", "stream", "app"))
            return text, " ".join(each for each in whose if isinstance(each, str))
    return None


def when_of(value: object, today: datetime) -> datetime | None:
    """When a collector got a line."""
    fields = value.items() if isinstance(value, dict) else ()
    times = (time_from(each, today) for key, each in fields if _field(key) == "when")
    return next((each for each in times if each is not None), None)


def _tells(key: str, value: object) -> bool:
    if isinstance(value, (dict, list)):
        return bool(value) and key in {"err", "error", "errors", "cause", "parent", "original", "record", "exception"}
    field = _field(key)
    if field == "sqlstate":
        return sqlstate_of(str(value)) is not None
    return field in {"detail", "constraint"} and isinstance(value, str) and bool(value)


def _field(name: str) -> str | None:
    return NAMES.get(name.lower().replace("_", "").replace(" ", ""))


def records(value: object, today: datetime, depth: int = 0) -> list[Said]:
    """The errors in a JSON value: an object and what is in it are one as far as they agree; those of a list are not."""
    if depth > DEPTH:
        return []
    if isinstance(value, list):
        return [said for each in value for said in records(each, today, depth + 1)]
    if isinstance(value, str):
        return _of_string(value, today, depth)
    if not isinstance(value, dict):
        return []
    own = _own(value, today)
    found: list[Said] = [own] if own.is_key else []
    for key, each in value.items():
        if not isinstance(each, (dict, list, str)) or _field(key) in {"detail", "sql", "parameters"}:
            continue
        before = len(found)
        for said in records(each, today, depth + 1):
            # Of the errors of a list one may be this object's own, but none is another one of the list.
            at = next((at for at, other in enumerate(found[:before]) if agree(other, said)), None)
            if at is None:
                found.append(said)
            else:
                found[at] = joined(found[at], said)
    context = replace(own, match=None, message="", detail="") if own.is_key else _context(own)
    return [joined(each, context) if agree(each, context) else each for each in found]


def _context(own: Said) -> Said:
    return Said(sql=own.sql, parameters=own.parameters, when=own.when)


def _of_string(text: str, today: datetime, depth: int) -> list[Said]:
    if text[:1] in "{[" and len(text) > 20:
        value = json_in(text)
        if value is not None:
            return records(value, today, depth + 1)
    said = of_text(text) if len(text) > 20 else None
    return [said] if said else []


def _own(value: dict[str, object], today: datetime) -> Said:
    told: dict[str, str] = {}
    parameters: Parameters = None
    when = None
    for key, each in value.items():
        field = _field(key)
        if field == "parameters" and each:
            parameters = _parameters(each)
        elif field == "when" and when is None and isinstance(each, (str, int, float)):
            when = time_from(each, today)
        elif field and isinstance(each, (str, int)) and each != "":
            told.setdefault(field, str(each))
    return said_by(told, parameters, when)


def _parameters(value: object) -> Parameters:
    return parameters_of(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def said_by(told: dict[str, str], parameters: Parameters = None, when: datetime | None = None) -> Said:
    """What fields with names say; the words of a message are read for what no field tells."""
    text, told_detail = told.get("message", ""), told.get("detail", "")
    found: Match | None = message(text) if text else None
    words = text[found.start : found.end] if found else ""
    if found is not None and told_detail:
        found = detail(told_detail, found)
    elif found is None and told_detail:
        found = detail(told_detail, None)
    elif found is not None and (inner := of_text(text)) is not None:
        found = inner.match
    code = sqlstate_of(told.get("sqlstate", ""))
    return Said(
        match=found,
        message=words,
        detail=told_detail if found else "",
        sqlstate=code,
        schema=told.get("schema"),
        table=told.get("table"),
        constraint=told.get("constraint"),
        sql=told.get("sql", ""),
        parameters=parameters,
        when=when,
    )


CSV = re.compile(r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)? [^,"]{1,40},(?:"|,)')
"""How a line of a csvlog begins."""


def csv_record(text: str, today: datetime) -> Said | None:
    """What one record of a csvlog says, by the columns of write_csvlog (csvlog.c); None where it is no error."""
    row = next(csv.reader(io.StringIO(text)), [])
    if len(row) < 20 or row[12][:2] in {"00", "01", "02"}:
        return None
    return said_by(
        {"sqlstate": row[12], "message": row[13], "detail": row[14], "sql": row[19]}, None, time_from(row[0], today)
    )


_WORDS = (
    r"code|sql_?state|sql_?state_?code|sql_error_code|pg_?code|details?|message_?(?:text|detail|primary)|message|"
    r"schema(?:_?name)?|table(?:_?name)?|constraint(?:_?name)?|sql|query|statement|params|parameters|bindings"
)
_STRING = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`"
_PAIR = re.compile(
    rf"(?<![\w.$@-])[\"'\[]?(?P<key>{_WORDS})[\"'\]]?\s*(?::|=>|=)\s*(?:Some\()?(?P<value>{_STRING}|[\[({{].*|(?![\"'`])[^\s,;)}}\]]+)",
    re.IGNORECASE,
)


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """The fields of an error that a line names, as a runtime prints an object; strings without their quotes."""
    at = 0
    while found := _PAIR.search(text, at):
        value = found["value"]
        at = found.end()
        field = _field(found["key"])
        if field is None:
            continue
        if value[0] in "[({":
            at = found.start("value") + 1
            if field == "parameters":
                yield field, value
        elif value[0] in "\"'`" and len(value) > 1:
            plain = unescaped(value[1:-1])
            if plain is not None:
                yield field, plain
        elif value not in {"undefined", "null", "None", "nil", "NULL", "<nil>"}:
            yield field, value
