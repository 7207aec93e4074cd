"""Takes from a line of a log what was put before it: by a terminal, a chat, a container, syslog or the server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading.messages_known import FIELDS, LABELS, SEVERITIES
from fkexplorer.diagnosis.reading.messages_pattern import data

if TYPE_CHECKING:
    from datetime import datetime

LONGEST = 1 << 14
"""Characters of a line that are read as text, see `shortened`; of a JSON record all are."""
_CENTRE = ("violates foreign key", "foreign key constraint")

_COLOUR = re.compile(r"(?:\x1b|#033|\u241b)(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_QUOTED = re.compile(r"^\s{0,3}(?:> ?)+")
_COMPOSE = re.compile(r"^(?P<channel>[A-Za-z][\w.-]*)\s*\| ?")
_KUBERNETES = re.compile(r"^\d{4}-\d\d-\d\dT\S+ (?P<channel>stdout|stderr) [FP] ")
_SYSLOG = re.compile(
    r"^(?:<\d+>)?(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)) (?:[\w.-]+ )?"
    r"(?P<channel>[\w./-]+\[[\w.-]+\]): (?:\[[A-Z]\w*\] )?(?:\[\d+-\d+\] ?)?"
)
_BRACKETED = re.compile(r"^\[(?P<channel>[A-Za-z][\w./:-]*)\] ")
_PREFIXES = ((_COMPOSE, "|"), (_KUBERNETES, " std"), (_SYSLOG, "]:"), (_BRACKETED, "]"))
"""In the order in which they stand before each other, each with what must be in a line that has it."""
_LEVELS = frozenset(
    {"error", "err", "warn", "warning", "info", "debug", "fatal", "trace", "notice", "critical", "panic", "cause"}
)
_SPACE = frozenset({"", " ", "\t"})
_COLONS = 24
_LABELS_END = 400
"""Characters of a line, and colons among them, up to which a label is looked for."""


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
    when: datetime | None = None
    """As the collector that wrapped it says."""


@dataclass(frozen=True, slots=True)
class Label:
    """The part of a message that a line is, as `ERROR:  ` or `DETAIL:  ` says."""

    name: str
    """In English."""
    prefix: str
    """What stands before it: that of the server's log, a program's name, a class."""
    rest: str
    """What stands after it."""


def cleaned(number: int, raw: bytes, channel: str = "") -> Line:
    """A line without colours, quotation marks of a chat, and the names of containers.

    Args:
        number: of the line, from 1.
        raw: the line.
        channel: whose it is, if it does not say so itself.
    """
    text = raw.decode("utf-8", "replace").replace("\0", "").rstrip("\r\n")
    if "\x1b" in text or "#033" in text or "\u241b" in text:
        text = _COLOUR.sub("", text)
    text = text.removeprefix("\ufeff")
    whole, channels = text, []
    if text.lstrip().startswith(">"):
        text = _QUOTED.sub("", text)
    for pattern, sign in _PREFIXES:
        found = pattern.match(text) if sign in text else None
        if found and found["channel"].lower() not in _LEVELS:
            channels.append(found["channel"])
            text = text[found.end() :]
    if channels and "#011" in text:
        text = text.replace("#011", "\t")
    return Line(number, " ".join(channels) or channel, text, whole)


def shortened(text: str) -> str:
    """A very long line: its beginning, and what is around its message or else its end, where Knex has the message."""
    if len(text) <= LONGEST:
        return text
    at = max(text.find(each, LONGEST // 4) for each in _CENTRE)
    start = len(text) - 3 * LONGEST // 4 if at < 0 else max(at - LONGEST // 4, LONGEST // 4)
    return f"{text[: LONGEST // 4]} … {text[start : start + 3 * LONGEST // 4]}"


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
_WITHIN = SEVERE | {"DETAIL", "STATEMENT"}


def label(text: str) -> Label | None:
    """What part of a message a line is; None where it is none.

    A label within a line is one only with the two spaces after it that the server writes, or if it is English.
    """
    names = _names()
    at = -1
    for _ in range(_COLONS):
        at = text.find(":", at + 1, _LABELS_END)
        if at < 0:
            return None
        if text[at + 1 : at + 2] not in _SPACE:
            continue
        last = text[max(at - 30, 0) : at].rsplit(None, 2)
        for word in (" ".join(last[-2:]), last[-1].lstrip("[(") if last else ""):
            name = names.get(word)
            if name is None:
                continue
            prefix, rest = text[: at - len(word)], text[at + 1 :]
            within = bool(prefix.strip())
            if within and rest[:2] != "  " and (word != name or name not in _WITHIN):
                continue
            return Label(name, prefix, rest.lstrip())
    return None


_PROCESS = re.compile(r"\[(\d+)\]")
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
