"""Makes a pattern of a message's template in any language, so that what was filled in can be read back."""

from __future__ import annotations

import json
import re
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

from fkexplorer.diagnosis.reading import messages_known as known

PLACE = re.compile(r"%(?:(\d+)\$)?l?[sdu]")
KEY = re.compile(r"\(%(?:1\$)?s\)=\(%(?:2\$)?s\)")
"""The key of a DETAIL: it is written so in every language."""

# A name is at most 63 bytes, one with its schema 127 and a dot; the limit keeps a text without an end from being
# searched to its end. Longer are a description of an object and the name of a type.
_NAME = r"[^\n]{1,150}?"
# Where a message begins with a name that is not quoted, the name does not hold what stands before messages.
_FIRST = r"(?:(?!:\s)[^\n]){1,150}?"
_FIRST_IN_LINE = r"""(?=\S)(?:(?:(?<=[:(\n]\s\s)|(?<=[:(\n]\s)|(?<=[(\n]))[^\n:]{1,150}?|(?<![^\s:('"])[^\s:('"]+?)"""
_ENDS = r"""(?=[\s,;:.)\]}>'"`’”»|(]|\Z)"""
_QUOTED_BY = {'"': '"“”', "»": "»«", "«": "»«"}


@cache
def data() -> dict[str, Any]:
    """The translations, see `tests/messages.py`: `texts` by message id and language, `words` by label."""
    return dict(json.loads(Path(__file__).with_name("messages.json").read_text("utf-8")))


@cache
def languages() -> tuple[str, ...]:
    """The languages that there are messages in, English first."""
    return ("en", *sorted({language for texts in data()["texts"].values() for language in texts}))


def translations(text: str, language: str) -> tuple[str, ...]:
    """The texts of a message in a language; English's own where it is that."""
    return (text,) if language == "en" else tuple(data()["texts"].get(text, {}).get(language, ()))


def _literal(text: str) -> str:
    """The pattern of a template's own words: any kind of space, also a line's end, and quotes of any kind."""
    found = re.escape(text).replace("\\\n", "\\ ").replace("\\\u00a0", "\\ ").replace("\u00a0", "\\ ")
    found = re.sub(r"(?:\\ )+", r"\\s+", found)
    found = found.replace("«\\s+", "«\\s*").replace("\\s+»", "\\s*»")
    return found.replace('"', '["“”]')


class Template:
    """A message in one language."""

    def __init__(self, message: known.Known, text: str, language: str) -> None:
        self.message = message
        self.language = language
        self.text = text.strip()
        """As the catalogue has it, with its places."""
        self.anchor = max(re.split(r"[\s\"«»]+", PLACE.sub(" ", self.text)), key=len)
        """The longest word of its own: a text without it can't be this message."""

    @cached_property
    def whole(self) -> re.Pattern[str]:
        """Matches a text that is the message and nothing else."""
        return re.compile(rf"\s*{self._pattern(loose=False)}\s*\Z", re.DOTALL)

    @cached_property
    def part(self) -> re.Pattern[str]:
        """Finds the message in a text that has more before and after it."""
        return re.compile(self._pattern(loose=True), re.DOTALL)

    @cached_property
    def cut(self) -> re.Pattern[str] | None:
        """Finds a message that was cut off within its last name; None where it does not end with one."""
        place = list(PLACE.finditer(self.text))
        if len(place) < 2 or len(self.text) - place[-1].end() > 1:
            return None
        head = self._of(self.text[: place[-1].start()], last=None)
        return re.compile(rf"{head}(?P<rest>[^\s\"»«]*?)(?:\.\.\.|…)?\s*\Z", re.DOTALL)

    def _pattern(self, *, loose: bool) -> str:
        text = self.text
        stop = text.endswith((".", "。"))
        body = text[:-1] if stop else text
        last = max((place.end() for place in PLACE.finditer(body)), default=-1)
        found = self._of(body, last=last if loose else None, loose=loose)
        if loose and last >= len(body) - 2:
            found += _ENDS
        return found + (r"(?:[.。])?" if stop else "")

    def _of(self, body: str, *, last: int | None, loose: bool = False) -> str:
        parts: list[str] = []
        at = 0
        key = KEY.search(body)
        for number, place in enumerate(PLACE.finditer(body), 1):
            if key and place.start() > key.start() and place.end() < key.end():
                if place.start() == key.start() + 1:
                    parts.append(_literal(body[at : place.start()]) + ("(?P<key>.*?)" if loose else "(?P<key>.*)"))
                    at = key.end() - 1
                continue
            index = int(place.group(1) or number) - 1
            name = self.message.names[index] if index < len(self.message.names) else ""
            if place.start() == 0 and name != "left":  # A description of an object may hold anything.
                inside = _FIRST_IN_LINE if loose else _FIRST
            elif place.end() == last:
                inside = _last(body[place.end() :])
            else:
                inside = _NAME
            parts.append(_literal(body[at : place.start()]) + (f"(?P<{name}>{inside})" if name else inside))
            at = place.end()
        return "".join(parts) + _literal(body[at:])


def _last(rest: str) -> str:
    """The last name of a message with more text behind it: quotes in it come in pairs, or it ends at the first."""
    if not rest:
        return r"""[^\s'",;)\]}]+?(?=\.?(?:[\s'",;:)\]}]|\Z))"""
    if len(rest.strip()) > 1:
        return _NAME
    quotes = _QUOTED_BY.get(rest.strip(), "")
    return rf"(?:[^{quotes}\n]+(?:[{quotes}][^{quotes}\n]*[{quotes}][^{quotes}\n]*)*?|{_NAME})" if quotes else _NAME


Kind = Literal["messages", "details"]


@cache
def templates(kind: Kind, language: str) -> tuple[Template, ...]:
    """The primary messages or the DETAILs in a language."""
    texts = known.MESSAGES if kind == "messages" else known.DETAILS
    return tuple(Template(each, text, language) for each in texts for text in translations(each.text, language))


@cache
def plain_templates(kind: Kind, language: str) -> tuple[Template, ...]:
    """Those of them that are in ASCII: no other can be in a text that is."""
    return tuple(each for each in templates(kind, language) if each.text.isascii())
