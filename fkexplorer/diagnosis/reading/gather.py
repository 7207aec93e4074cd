"""Puts the lines of a text together into errors: which line belongs to which, and what is one error printed again."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from fkexplorer.diagnosis.reading import formats, words
from fkexplorer.diagnosis.reading.drafts import TEXT, Draft
from fkexplorer.diagnosis.reading.lines import AFTER
from fkexplorer.diagnosis.reading.messages import could_match
from fkexplorer.diagnosis.reading.model import ErrorKind
from fkexplorer.diagnosis.reading.prefixes import (
    LONGEST,
    SEVERE,
    SEVERITY,
    Label,
    Line,
    alike,
    cleaned,
    label,
    shortened,
)
from fkexplorer.diagnosis.reading.prints import follow, is_again, is_traced, shape_of
from fkexplorer.diagnosis.reading.said import Said, agree, detail, joined, of_text
from fkexplorer.diagnosis.reading.times import time_of
from fkexplorer.diagnosis.reading.unwrap import LINES, unwrapped, whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

OPEN = 64
"""Errors that may get more lines at a time: as many processes may write between each other's lines."""
_LONGEST = 5_000
"""Lines that one error may have."""
_BEFORE = 30
"""Lines before an error that are kept for the statement in them."""

_STACK = re.compile(r"^(?:\s+|[\t ]*at )\S")
_SERVERS = re.compile(r"\d")
_NO_SERVER = re.compile(r"Exception|Error|Violation|SQLSTATE|goose|psql:|pg_restore|[/\\]\w+\.\w+:|@\w+\.\w+\(")
_BEGINS = " or "
"""What the first piece of a message that was broken has in it, where it has nothing else of one."""
_TIMED = 80
"""Lines before an error of which the last time is taken as its own, where its line has none."""


class Gatherer:
    """Gets the lines of a text one by one and gives each error to `give` once no more of its lines can come."""

    def __init__(self, give: Callable[[Draft], None], today: datetime) -> None:
        self._give = give
        self._today = today
        self._open: list[Draft] = []
        self._before: dict[str, deque[str]] = {}
        self._recent: dict[str, deque[Line]] = {}
        self._timed: dict[str, tuple[int, int, datetime | None]] = {}
        """By channel the last line that was looked at for a time, the line of the last time, and that time."""
        self._held: list[tuple[Line, bool]] = []
        self._lead = ""
        """The line before those that are held back: a message may have begun in it."""
        self._record: list[str] = []
        """The lines of a csvlog's record that is not whole yet."""
        self._record_line = 0
        self._channel = ""

    def take(self, number: int, raw: bytes, hit: bool) -> bool:  # noqa: FBT001 - as `Lines` gives it
        """One more line; whether it told something of an error.

        Args:
            number: of the line, from 1.
            raw: the line.
            hit: whether a word of an error is in it.
        """
        line = cleaned(number, raw, self._channel)
        self._channel = line.channel
        if self._record or formats.CSV.match(line.text):
            return self._csv(line)
        return self._read(line, hit=hit)

    def pending(self) -> list[Draft]:
        """The errors that may get more lines, for looking at only."""
        return list(self._open)

    def flush(self) -> None:
        """Gives all; nothing more comes."""
        self._release()
        if self._record:
            self._of_csv()
        for draft in self._open:
            self._give(draft)
        self._open.clear()

    # Lines that a console broke

    def _may_be_broken(self, line: Line, *, hit: bool) -> bool:
        text = line.text
        if (
            '{"' in text
            or len(text) > LONGEST
            or not (")=(" in text or (hit and (could_match(text) or _BEGINS in text)))
        ):
            return False
        said = of_text(text)
        return not whole(text, said) and (said is not None or words.of_driver(text) is None)

    def _read(self, line: Line, *, hit: bool) -> bool:
        """Reads a line, or holds it back: it may go on in the next, or may have begun in the one before."""
        if self._held and not self._goes_on(line):
            self._release()
        if self._held:
            self._held.append((line, hit))
            texts = [each.text for each, _ in self._held]
            text = unwrapped(texts) or (unwrapped([self._lead, *texts]) if self._lead else None)
            if text is not None:
                first = self._held[0][0]
                self._held = []
                return self._line(replace(first, text=text), hit=True)
            return self._shift() if len(self._held) >= LINES else True
        if not self._may_be_broken(line, hit=hit):
            return self._line(line, hit=hit)
        recent = self._recent.get(line.channel)
        follows = recent and recent[-1].number == line.number - 1 and label(line.text) is None
        self._lead = recent[-1].text if recent and follows and of_text(recent[-1].text) is None else ""
        if self._lead and (text := unwrapped((self._lead, line.text))) is not None:
            return self._line(replace(line, text=text), hit=True)
        self._held.append((line, hit))
        return True

    def _goes_on(self, line: Line) -> bool:
        return bool(line.text.strip()) and line.channel == self._held[0][0].channel and label(line.text) is None

    def _shift(self) -> bool:
        """Reads the first line that was held back as it is; those after it may be broken by themselves."""
        (line, hit), *rest = self._held
        self._held = []
        told = self._line(line, hit=hit)
        for each, its in rest:
            told |= self._read(each, hit=its)
        return told

    def _release(self) -> None:
        while self._held:
            self._shift()

    # csvlog and JSON

    def _csv(self, line: Line) -> bool:
        if not self._record:
            self._record_line = line.number
        self._record.append(line.whole)
        if sum(each.count('"') for each in self._record) % 2 and len(self._record) < 500:
            return True
        return self._of_csv()

    def _of_csv(self) -> bool:
        said = formats.csv_record("\n".join(self._record), self._today)
        self._record = []
        return said is not None and self._of_record(said, self._record_line, "", server=True)

    def _of_record(self, said: Said, number: int, channel: str, *, server: bool) -> bool:
        if not said.is_key:
            return False
        draft = self._start(said, number, channel, "json", server=server)
        draft.when = said.when or self._time(channel, number)
        draft.ended = True
        return True

    def _json(self, line: Line, *, hit: bool) -> bool | None:
        value = formats.json_in(line.text)
        if value is None:
            return None
        wrapped = formats.line_within(value)
        if wrapped is not None:
            text, channel = wrapped
            told = False
            when = formats.when_of(value, self._today)
            for each in text.split("\n"):
                inner = cleaned(line.number, each.encode())
                inner = replace(inner, channel=inner.channel or channel or line.channel, when=when)
                told |= self._line(inner, hit=hit)
            return told
        found = formats.records(value, self._today)
        server = "error_severity" in line.text
        every = [self._of_record(said, line.number, line.channel, server=server) for said in found]
        return any(every) or None

    # Text

    def _line(self, line: Line, *, hit: bool) -> bool:
        text = line.text
        self._recent.setdefault(line.channel, deque(maxlen=_TIMED)).append(line)
        self._age(line)
        if not text.strip():
            for each in self._open:
                each.blank |= each.channel == line.channel
            return False
        if "{" in text and (hit or "STATEMENT" in text or "DETAIL" in text):
            told = self._json(line, hit=hit)
            if told is not None:
                return told
        if len(text) > LONGEST:
            text = shortened(text)
            line = replace(line, text=text)
        draft = self._latest(line.channel)
        hit = hit or ")=(" in text
        named = label(text) if hit or draft else None
        teller = None
        if named:
            teller = self._of_label(named, line, hit=hit)
        elif hit or draft:
            teller = self._of_text(line, hit=hit)
        told = teller is not None
        draft = teller or self._latest(line.channel)
        if not told:
            self._remember(line)
        if draft is not None:
            self._belongs(draft, line, told=told)
            shown = f"{named.name}: {named.rest}" if named and draft.server else text
            draft.keep(shown)
        return told

    def _belongs(self, draft: Draft, line: Line, *, told: bool) -> None:
        """Keeps what a line tells of where in its dump an error is."""
        if told:
            draft.quiet, draft.blank = 0, False
            self._before.pop(line.channel, None)
        follow(draft, line.text, told=told)

    def _age(self, line: Line) -> None:
        stack = bool(_STACK.match(line.text))
        for each in list(self._open):
            if each.channel == line.channel and not stack:
                each.quiet += 1
            if each.quiet > AFTER or line.number - each.line > _LONGEST:
                self._open.remove(each)
                self._give(each)

    def _remember(self, line: Line) -> None:
        if not _STACK.match(line.text) or "  " not in line.text[:4] or not line.text.lstrip().startswith("at "):
            self._before.setdefault(line.channel, deque(maxlen=_BEFORE)).append(line.text[:4_000])

    def _latest(self, channel: str) -> Draft | None:
        return next((each for each in reversed(self._open) if each.channel == channel), None)

    def _time(self, channel: str, number: int) -> datetime | None:
        looked, at, when = self._timed.get(channel, (0, 0, None))
        for line in reversed(self._recent.get(channel, ())):
            found = line.when or time_of(line.whole, self._today) if line.number > looked else None
            if found is not None:
                at, when = line.number, found
            if found is not None or line.number <= looked:
                break
        self._timed[channel] = (number, at, when)
        return when if number - at <= _TIMED else None

    def _start(self, said: Said, number: int, channel: str, shape: str, *, server: bool) -> Draft:
        draft = Draft(said, number, channel, server)
        draft.shapes.add(shape)
        draft.when = self._time(channel, number)
        draft.before = "\n".join(self._before.pop(channel, ()))
        draft.traced = is_traced(draft.before)
        for each in list(self._open):
            if not server and not each.server and each.channel == channel:
                self._open.remove(each)
                self._give(each)
        if len(self._open) >= OPEN:
            self._give(self._open.pop(0))
        self._open.append(draft)
        return draft

    def _of_label(self, named: Label, line: Line, *, hit: bool) -> Draft | None:
        """What a line says that begins with a label."""
        if named.name in SEVERITY:
            if named.name not in SEVERE:
                said = words.said_in(line.text, hit=hit)
                notice = said is not None and said.match is not None and said.match.kind is ErrorKind.OTHER
                return None if notice else self._of_text(line, hit=hit)
            return self._severe(named, line, hit=hit)
        draft = self._whose(named, line)
        if draft is None or (named.prefix and _speaks(named.prefix)):
            return self._of_text(line, hit=hit)
        draft.part = named.name
        rest = named.rest
        if named.name == "DETAIL":
            return self._with_detail(draft, rest, line)
        if named.name == "STATEMENT" and draft.server:
            draft.sql = rest
        field = {
            "SCHEMA NAME": "schema",
            "TABLE NAME": "table",
            "CONSTRAINT NAME": "constraint",
            "SQLSTATE": "sqlstate",
        }.get(named.name)
        if field and rest.strip():
            self._add(draft, Said(**{field: rest.strip()}))  # type: ignore[arg-type]
        return draft

    def _severe(self, named: Label, line: Line, *, hit: bool) -> Draft | None:
        rest = named.rest.strip()
        server = bool(_SERVERS.search(named.prefix)) and not _NO_SERVER.search(named.prefix)
        code = formats.sqlstate_of(rest[:5]) if rest[5:6] in {"", ":"} else None
        if code and len(rest) == 5:
            said: Said | None = Said(sqlstate=code, message=rest)
        else:
            said = of_text(rest[7:] if code else rest)
            if said is not None:
                said = replace(said, sqlstate=code or words.code_in(line.text))
        if said is None or not said.is_key:
            other = self._of_text(line, hit=hit)
            if other is None and server:
                # One that is of no interest: the lines that follow are its own.
                other = self._start(Said(), line.number, line.channel, "", server=True)
                other.prefix = named.prefix
                return None
            return other
        alone = said.match is None  # The code and nothing else: no other line is of it.
        if not server and not alone:
            return self._print(said, line)
        draft = self._start(said, line.number, line.channel, "", server=server)
        draft.ended = alone
        draft.prefix, draft.part = named.prefix, "ERROR"
        return draft

    def _whose(self, named: Label, line: Line) -> Draft | None:
        """The error that a line with a label belongs to."""
        mine = [each for each in self._open if each.channel == line.channel]
        if not named.prefix.strip():
            return mine[-1] if mine else None
        likely = [(alike(each.prefix, named.prefix), at) for at, each in enumerate(mine) if each.server]
        best = max(likely, default=(0.0, -1))
        return mine[best[1]] if best[0] >= 0.5 else None

    def _with_detail(self, draft: Draft, text: str, line: Line) -> Draft | None:
        found = detail(text, None)
        said = Said(match=found, detail=text.strip())
        if found is not None and not agree(draft.said, said):
            return self._print(said, line)
        own = detail(text, draft.said.match)
        if own is None:
            return draft
        draft.said = replace(draft.said, match=own, detail=draft.said.detail or (text.strip() if found else ""))
        return draft

    def _of_text(self, line: Line, *, hit: bool) -> Draft | None:
        """What a line says that has no label."""
        text = line.text
        draft = self._latest(line.channel)
        if draft is not None and text.startswith("\t") and draft.server and draft.part:
            if draft.part == "STATEMENT" and len(draft.sql) < TEXT:
                draft.sql += "\n" + text[1:]
            return draft
        said = words.said_in(text, hit=hit)
        if said is None:
            return None
        if said.is_key:
            return self._print(said, line)
        if draft is None or draft.ended or (not draft.depth and not text[:1].isspace()):
            return None
        return draft if self._add(draft, said) else None

    def _add(self, draft: Draft, said: Said) -> bool:
        if not agree(draft.said, said):
            return False
        draft.said = joined(draft.said, said)
        return True

    def _print(self, said: Said, line: Line) -> Draft:
        """An error's message, or what tells of one by itself: of an error that is open, or the first of another."""
        shape = shape_of(line.text, said)
        draft = self._latest(line.channel)
        if (
            draft is not None
            and not draft.server
            and agree(draft.said, said)
            and is_again(draft, said, line, shape, time_of(line.whole, self._today))
        ):
            draft.said = joined(draft.said, said)
            draft.shapes.add(shape)
            draft.linked = False
            return draft
        made = self._start(said, line.number, line.channel, shape, server=False)
        made.indent = len(line.text) - len(line.text.lstrip())
        return made


def _speaks(prefix: str) -> bool:
    """Whether what stands before a label is a message itself."""
    return bool(of_text(prefix))
