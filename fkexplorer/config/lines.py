"""The text of a configuration file: what is wrong in it is told with its line, which no TOML parser keeps."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any

from fkexplorer.database.model import Trouble

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Path = tuple[str | int, ...]
    """The keys that lead to a value, and the positions in lists."""


def nearest(text: str, names: Iterable[str]) -> str:
    """A hint: the name that was meant, or else all that there are."""
    known = list(names)
    near = difflib.get_close_matches(text, known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def wrong(place: str, what: str, hint: str) -> Trouble:
    """A mistake at a place, `file:line`."""
    return Trouble(f"{place} {what}", hint, code="bad_config")


class Lines:
    """One file's text, and what it has to be.

    Attributes:
        name: the file, as people are told of it.
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._lines = text.split("\n")

    def known(self, path: Path, table: Mapping[str, Any], names: Iterable[str]) -> None:
        """Make sure that a table has no other keys.

        Raises:
            Trouble: it has (`bad_config`).
        """
        for key in table:
            if key not in names:
                raise self.wrong((*path, key), f"{key} is not known", nearest(key, names))

    def check(self, path: Path, value: object, kind: type, what: str) -> None:
        """Make sure that a value is of this type, which `what` tells.

        Raises:
            Trouble: it is not (`bad_config`).
        """
        if not isinstance(value, kind):
            name = next(key for key in reversed(path) if isinstance(key, str))
            raise self.wrong(path, f"{name} is not {what}", f"write {name} as {what}")

    def wrong(self, path: Path, what: str, hint: str) -> Trouble:
        """A mistake in the value at that path."""
        return wrong(f"{self.place(path)}:", what, hint)

    def place(self, path: Path) -> str:
        """Where the value at that path begins, `file:line`."""
        return f"{self.name}:{self._line(path)}"

    def places(self, name: str, number: int) -> list[str]:
        """Where each of the tables `[[name]]` begins.

        Args:
            name: the array of tables.
            number: how many there are. A line in a text that looks like the head of one is told by it.
        """
        head = re.compile(rf"\s*\[\[\s*(?:{name}|\"{name}\"|'{name}')\s*\]\]")
        lines = [at for at, line in enumerate(self._lines, 1) if head.match(line)]
        if len(lines) != number:
            lines = [self._line((name, at)) for at in range(number)]
        return [f"{self.name}:{line}" for line in lines]

    def _line(self, path: Path) -> int:
        """The line on which the value at that path begins: the file up to there has it, up to before has it not.

        A file cut off amid a value does not parse, so that what parses ends with a whole line.
        """
        low, high = 1, len(self._lines)
        while low < high:
            middle = (low + high) // 2
            end, found = middle, self._has(path, middle)
            while found is None and end < high:
                end += 1
                found = self._has(path, end)
            low, high = (low, middle) if found or found is None else (end + 1, high)
        end = next(end for end in range(low, len(self._lines) + 1) if self._has(path, end))
        return next((before for before in range(end - 1, 0, -1) if self._has(path, before) is not None), 0) + 1

    def _has(self, path: Path, count: int) -> bool | None:
        """Whether these many lines have a value at that path; None where they end amid a value."""
        import tomllib  # noqa: PLC0415 - 10 ms, for those who have a file

        try:
            value: Any = tomllib.loads("\n".join(self._lines[:count]))
        except tomllib.TOMLDecodeError:
            return None
        for key in path:
            if isinstance(key, str):
                value = value.get(key) if isinstance(value, dict) else None
            else:
                value = value[key] if isinstance(value, list) and key < len(value) else None
        return value is not None
