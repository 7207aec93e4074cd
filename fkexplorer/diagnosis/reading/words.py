"""What a line of text says of an error: in fields, in the server's words, or in what drivers print in their place."""

from __future__ import annotations

import re
from dataclasses import replace

from fkexplorer.diagnosis.reading.formats import pairs, said_by, sqlstate_of
from fkexplorer.diagnosis.reading.model import Topic
from fkexplorer.diagnosis.reading.said import UNKNOWN, Said, joined, of_text

_PRISMA = re.compile(
    r"Foreign key constraint (?:failed|violated)(?: on the (?P<of>fields?|constraint))?: ?"
    r"(?P<names>\(?`[^`]*`(?:, ?`[^`]*`)*\)?)?"
)
_ECTO = re.compile(r"^\s*\* (?:foreign_key: (?P<old>\S+)|\"(?P<new>[^\"]+)\" \(foreign_key_constraint\))")
_HIBERNATE = re.compile(r"could not execute \w+.*\bconstraint \[\"?(?P<name>[^\]\"]+)\"?\]")
_SUPABASE = re.compile(r"Database error (?:saving|creating) new user")
_CODED = re.compile(
    r"\bSQL[_ ]?STATE\b[\s:=(\[\"']{1,4}(?P<code>\w{5})(?!\w)|\bcode[\s:=\"']{1,4}(?P<coded>23503|23001|P2003)\b"
    r"|\[(?P<in>23503|23001)\]|(?:[):] |error )(?P<before>\d[0-9A-Z]{4}): ",
    re.IGNORECASE,
)


def of_driver(text: str) -> Said | None:
    """What a driver's own words say; which side of the key is at fault is not among it."""
    if "oreign key constraint" in text and (found := _PRISMA.search(text)):
        return _of_prisma(found)
    if "foreign_key" in text and (found := _ECTO.search(text)):
        return Said(topic=UNKNOWN, constraint=found["old"] or found["new"], message=text.strip())
    if "constraint [" in text and (found := _HIBERNATE.search(text)):
        name = found["name"].rpartition(".")[2]
        if name.lower() not in {"null", "n/a"}:
            return Said(topic=UNKNOWN, constraint=name, message=text.strip())
    if "Database error" in text and _SUPABASE.search(text):
        return Said(topic=Topic.AUTH_TRIGGER_FAILURE, message=text.strip())
    return None


def _of_prisma(found: re.Match[str]) -> Said | None:
    names = tuple(re.findall(r"`([^`]*)`", found["names"] or ""))
    if not names and not found[0].endswith(":"):
        return None
    words = found[0].strip()
    if not names or names[0] == "(not available)":
        return Said(topic=UNKNOWN, message=words)
    if found["of"] == "fields":
        return Said(topic=UNKNOWN, columns=names, message=words)
    return Said(topic=UNKNOWN, constraint=names[0].removesuffix(" (index)"), message=words)


def code_in(text: str) -> str | None:
    """The SQLSTATE that a line tells in words."""
    for found in _CODED.finditer(text):
        code = sqlstate_of(next(each for each in found.groups() if each).upper())
        if code:
            return code
    return None


def said_in(text: str, *, hit: bool) -> Said | None:
    """What a line of text says of an error, by names of fields, the server's words or a driver's.

    Args:
        text: the line.
        hit: whether a word of an error is in it; where there is none only fields are looked for.
    """
    told: dict[str, str] = {}
    for name, value in pairs(text):
        told.setdefault(name, value)
    told.pop("parameters", None)
    told.pop("sql", None)
    said = said_by(told) if told else None
    if not hit:
        told_code = said is not None or "SQLS" in text
        return _coded(text, said) if told_code else None
    if said is None or said.match is None:
        found = of_text(text)
        said = found if said is None else joined(said, found) if found else said
    driver = of_driver(text)
    if driver is not None:
        said = driver if said is None else joined(said, driver)
    return _coded(text, said)


def _coded(text: str, said: Said | None) -> Said | None:
    """With the SQLSTATE that a line tells beside the rest."""
    if said is not None and said.sqlstate is None and said.is_key:
        said = replace(said, sqlstate=code_in(text))
    elif said is None and (code := code_in(text)) is not None:
        said = Said(sqlstate=code, message=text.strip())
    return said if said is not None and said.tells else None
