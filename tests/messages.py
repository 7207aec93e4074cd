"""Derives the translations of the messages that matter from PostgreSQL's message catalogues.

    python -m tests.messages share/locale/*/LC_MESSAGES/{postgres,libpq5}-*.mo > messages.json

Takes the compiled catalogues of the server and of libpq, of as many majors as there are. Those of 15 are in Debian's
server package; the npm packages of the server for Windows have those of 15 to 18.
"""

from __future__ import annotations

import gettext
import json
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from fkexplorer.diagnosis.reading import messages_known as known

PLACE = re.compile(r"%(?:(\d+)\$)?l?[sdu]")


SHORTEST = 7
"""Bytes of a word that is rare enough."""
FIRST = 0xC0
"""The first byte of a letter outside ASCII is at least this in UTF-8."""


def wanted() -> list[str]:
    """The message ids that are kept."""
    texts = [each.text for each in (*known.MESSAGES, *known.DETAILS)]
    return [*texts, known.DEPENDS, known.CONSTRAINT_ON, known.TABLE, known.AT_CHARACTER]


def arguments(text: str) -> list[str]:
    """The places of a text by their number, so that two texts can be compared."""
    return sorted(each.group(1) or str(at) for at, each in enumerate(PLACE.finditer(text), 1))


def translated(catalogue: gettext.NullTranslations, text: str) -> str | None:
    """A text in the catalogue's language; None where it has none, or one that lacks an argument."""
    found = catalogue.gettext(text)
    return found if found != text and arguments(found) == arguments(text) else None


def word(catalogue: gettext.NullTranslations, name: str) -> str | None:
    """A label or severity in the catalogue's language, without its colon."""
    forms = (name, f"{name}:  ", f"{name}:  %s\n", f"{name}:  %s, %s:%d\n", f"{name}:  %s: ")
    found = next((text for form in forms if (text := catalogue.gettext(form)) != form), None)
    return found.partition(":")[0].partition("：")[0].strip() if found else None


def parts(text: str) -> set[str]:
    """What may stand for a template: parts of its own words, long enough to be rare and without a space to wrap at."""
    words = re.split(r"[\s\"«»]+", PLACE.sub(" ", text))
    found = {
        word[start:end]
        for word in words
        for start in range(len(word))
        for end in range(start + 1, len(word) + 1)
        if len(word[start:end].encode()) >= SHORTEST
    }
    return found or {max(words, key=lambda word: len(word.encode()))}


def cover(texts: set[str]) -> list[str]:
    """Few words of which each text has one: greedily that which most of those without any have, the longest of them."""
    able = {text: parts(text) for text in sorted(texts)}
    chosen: list[str] = []
    while able:
        counts = Counter(part for found in able.values() for part in found)
        best = max(counts, key=lambda part: (counts[part], part.isascii(), len(part), part))
        chosen.append(best)
        able = {text: found for text, found in able.items() if best not in text}
    return sorted(chosen)


def rare(texts: dict[str, dict[str, list[str]]]) -> dict[str, list[str]]:
    """Words of which every primary message has one, in every language.

    Under the empty name those of the messages in ASCII; under a byte in hexadecimal those of the others that have this
    byte: a text without it need not be searched for them. All words of 130 would be sought at 30 MB/s, these at 90.
    """
    messages = {
        (language, text)
        for each in known.MESSAGES
        for language, found in {"en": [each.text], **texts.get(each.text, {})}.items()
        for text in found
    }
    words = {"": cover({text for _, text in messages if text.isascii()})}
    groups: dict[str, set[str]] = defaultdict(set)
    for language in sorted({language for language, _ in messages}):
        left = {text for own, text in messages if own == language and not any(word in text for word in words[""])}
        while left:
            counts = Counter(byte for text in left for byte in {byte for byte in text.encode() if byte >= FIRST})
            best = max(counts, key=lambda byte: (counts[byte], byte))
            got = {text for text in left if best in text.encode()}
            groups[f"{best:x}"] |= got
            left -= got
    return words | {byte: cover(group) for byte, group in sorted(groups.items())}


def derive(paths: list[Path]) -> dict[str, Any]:
    """What the data file holds: for each message its texts by language, and the words of labels and severities."""
    texts: dict[str, dict[str, list[str]]] = {text: defaultdict(list) for text in wanted()}
    words: dict[str, set[str]] = {name: set() for name in (*known.LABELS, *known.FIELDS, *known.SEVERITIES)}
    for path in sorted(paths):
        language = path.parts[-3]
        with path.open("rb") as file:
            catalogue = gettext.GNUTranslations(file)
        for text, found in texts.items():
            new = translated(catalogue, text)
            if new is not None and new not in found[language]:
                found[language].append(new)
        for name, others in words.items():
            other = word(catalogue, name)
            if other is not None:
                others.add(other)
    kept = {text: dict(sorted(found.items())) for text, found in texts.items() if found}
    return {
        "rare": rare(kept),
        "texts": kept,
        "words": {name: sorted(others) for name, others in words.items() if others},
    }


if __name__ == "__main__":
    json.dump(derive([Path(name) for name in sys.argv[1:]]), sys.stdout, ensure_ascii=False, indent=0)
    sys.stdout.write("\n")
