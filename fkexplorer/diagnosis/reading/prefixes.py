"""Takes from a line of a log what was put before it: by a terminal, a chat, a container, syslog or the server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from fkexplorer.diagnosis.reading.messages_known import FIELDS, LABELS, SEVERITIES
from fkexplorer.diagnosis.reading.messages_pattern import data

LONGEST = 1 << 16
"""Characters of a line that are read; what follows is part of no error."""

_COLOUR = re.compile(r"(?:\x1b|#033|\u241b)(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_QUOTED = re.compile(r"^\s{0,3}(?:> ?)+")
_COMPOSE = re.compile(r"^(?P<channel>[A-Za-z][\w.-]*)\s*\| ?")
_KUBERNETES = re.compile(r"^\d{4}-\d\d-\d\dT\S+ (?P<channel>stdout|stderr) [FP] ")
_SYSLOG = re.compile(
    r"^(?:<\d+>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)) (?:[\w.-]+ )?"
    r"(?P<channel>[\w./-]+\[[\w.-]+\]): (?:\[[A-Z]\w*\] )?(?:\[\d+-\d+\] ?)?"
)
_BRACKETED = re.compile(r"^\[(?P<channel>[A-Za-z][\w./:-]*)\](?: |$)")
_LEVELS = frozenset(
    {"error", "err", "warn", "warning", "info", "debug", "fatal", "trace", "notice", "critical", "panic", "cause"}
)
_LABELLED = re.compile(r"(\S+(?: \S+)?):(\s+|$)")


@dataclass(frozen=True, slots=True)
class Line:
    """One line."""

    number: int
    channel: str
    """Whose line it is, as its container, process or program is called; empty where that is not told."""
    text: str
    """Without what was put before it."""
    whole: str
    """As it was, without colours."""


@dataclass(frozen=True, slots=True)
class Label:
    """The part of a message that a line is, as `ERROR:  ` or `DETAIL:  ` says."""

    name: str
    """In English."""
    prefix: str
    """What stands before it: that of the server's log, a program's name, a class."""
    rest: str
    """What stands after it."""


def cleaned(number: int, raw: bytes) -> Line:
    """A line without colours, quotation marks of a chat, and the names of containers."""
    text = raw[:LONGEST].decode("utf-8", "replace").replace("\0", "").rstrip("\r\n")
    if "\x1b" in text or "#033" in text or "\u241b" in text:
        text = _COLOUR.sub("", text)
    text = text.removeprefix("\ufeff")
    whole, channels = text, []
    if text.lstrip().startswith(">"):
        text = _QUOTED.sub("", text)
    for pattern in (_COMPOSE, _KUBERNETES, _SYSLOG, _BRACKETED):
        found = pattern.match(text)
        if found and found["channel"].lower() not in _LEVELS:
            channels.append(found["channel"])
            text = text[found.end() :]
    if channels and "#011" in text:
        text = text.replace("#011", "\t")
    return Line(number, " ".join(channels), text, whole)


@cache
def _names() -> dict[str, str]:
    """The labels of all languages, each with the English one."""
    found = {each: each for each in (*LABELS, *FIELDS, *SEVERITIES)}
    for english, names in data()["words"].items():
        for name in names:
            found.setdefault(name, english)
    found.update({"Detail": "DETAIL", "Hint": "HINT", "CONSTRAINT": "CONSTRAINT NAME", "SQLSTATE": "SQLSTATE"})
    return found


SEVERE = frozenset({"ERROR", "FATAL", "PANIC"})
"""The severities that refuse a statement."""
SEVERITY = frozenset(SEVERITIES)


def label(text: str) -> Label | None:
    """What part of a message a line is; None where it is none.

    A label within a line is one only with the two spaces after it that the server writes, or if it is English.
    """
    names = _names()
    for found in _LABELLED.finditer(text[:400]):
        words = found[1]
        for word in (words, words.rpartition(" ")[2]):
            name = names.get(word) or names.get(word.lstrip("[("))
            if name is None:
                continue
            prefix = text[: found.end(1) - len(word)]
            within = bool(prefix.strip())
            if within and len(found[2]) < 2 and (word != name or name not in SEVERE | {"DETAIL", "STATEMENT"}):
                continue
            return Label(name, prefix, text[found.end() :])
    return None


_PROCESS = re.compile(r"\[(\d+)(?:-\d+)?\]")
_TOKEN = re.compile(r"\w+")


def alike(prefix: str, other: str) -> float:
    """How much two prefixes of a server's log seem to be of one message, 0 to 1.

    All lines of a message have the time and the process in common (log_line_prefix of elog.c); only its line number,
    `%l`, differs.
    """
    if prefix == other:
        return 1.0
    mine, theirs = _PROCESS.findall(prefix), _PROCESS.findall(other)
    if mine and theirs and mine[0] != theirs[0]:
        return 0.0
    ours, its = _TOKEN.findall(prefix), _TOKEN.findall(other)
    if not ours or len(ours) != len(its):
        return 0.0
    equal = sum(1 for one, two in zip(ours, its, strict=True) if one == two)
    return equal / (len(ours) + 1)
