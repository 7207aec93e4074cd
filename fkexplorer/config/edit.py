"""Writes what somebody decided of a relationship into a configuration file, and leaves all else there as it is.

The lines are added and taken out as text, and what comes of it is parsed to make sure: libraries that keep comments put
the tables of an array together, wherever they stood, and lose the comments after one that goes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fkexplorer.config.lines import Lines
from fkexplorer.database.model import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NEW_MODE = 0o644
"""Of a file that is made: it is meant to be read by all who work on the project."""
_TRIES = 5
"""How often a file that others keep changing is read again."""


def link(path: Path, pair: str, reason: str = "") -> bool:
    """Note that a pair is a relationship: linked by hand, or a guess that is accepted.

    Args:
        path: the file, which is made where there is none; a symbolic link is followed.
        pair: as `edge_label` writes it.
        reason: why, in somebody's words; may be empty.

    Returns:
        Whether it was not there yet.

    Raises:
        Trouble: the file cannot be read or written (`no_config`), or is wrong (`bad_config`).
    """
    return _edit(path, lambda text: _added(path, text, "relationships", pair, reason))


def reject(path: Path, pair: str, reason: str = "") -> bool:
    """Note that a guess is not to be shown again; the rest as of `link`."""
    return _edit(path, lambda text: _added(path, text, "rejected", pair, reason))


def unlink(path: Path, matches: Callable[[str], bool]) -> bool:
    """Take out the relationships whose pair, as it is written there, matches.

    Returns:
        Whether there was one.

    Raises:
        Trouble: as of `link`.
    """
    return _edit(path, lambda text: _without(path, text, "relationships", matches))


def unreject(path: Path, matches: Callable[[str], bool]) -> bool:
    """The same for rejected guesses."""
    return _edit(path, lambda text: _without(path, text, "rejected", matches))


def _edit(path: Path, change: Callable[[str], str]) -> bool:
    """Change a file's text, once nobody else is at it; whether it is another one then."""
    real = Path(os.path.realpath(path))
    try:
        with _alone(real.parent):
            for _ in range(_TRIES):
                before, text = _state(real), _read(path, real)
                changed = change(text)
                if changed == text:
                    return False
                if _replaced(real, changed, before):
                    return True
    except OSError as error:
        raise Trouble(
            f"the configuration {path} cannot be written: {error.strerror}",
            "make the file and its folder writable, or name another with --config",
            code="no_config",
        ) from None
    raise Trouble(f"{path} is changed by others all the time", "try again", code="no_config")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One of us at a time: the lock is on the folder, so that none is left behind."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _state(path: Path) -> tuple[int, ...]:
    """What tells a file from a changed one; () where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode


def _read(path: Path, real: Path) -> str:
    try:
        return real.read_bytes().decode()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise Trouble(f"{path} is not UTF-8", "write the file in UTF-8, as TOML has to be", code="bad_config") from None


def _replaced(path: Path, text: str, before: tuple[int, ...]) -> bool:
    """Write the text beside a file and put it in its place, at once or not at all; False where it has changed."""
    descriptor, name = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as beside:
            beside.write(text.encode())
            beside.flush()
            os.fsync(beside.fileno())
            os.fchmod(beside.fileno(), before[-1] & 0o7777 if before else _NEW_MODE)
            with contextlib.suppress(PermissionError):  # only root may give a file away
                os.fchown(beside.fileno(), *_owner(path))
        if _state(path) != before:
            return False
        Path(name).replace(path)
        return True
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()


def _owner(path: Path) -> tuple[int, int]:
    """The owner and the group of a file; of one that is not there, those of its folder."""
    found = (path if path.exists() else path.parent).stat()
    return found.st_uid, found.st_gid


def _added(path: Path, text: str, section: str, pair: str, reason: str) -> str:
    """The text with one more table at its end; the same where there is such a one already."""
    document = _parsed(path, text)
    tables = _tables(path, document, section)
    if any(each.get("pair") == pair for each in tables):
        return text
    entry = {"pair": pair, **({"reason": reason} if reason else {})}
    end = "\r\n" if text.endswith("\r\n") else "\n"
    lines = [f"[[{section}]]", *(f"{key} = {_written(value)}" for key, value in entry.items()), ""]
    gap = "" if not text else end if text.endswith("\n") else 2 * end
    made = text + gap + end.join(lines)
    if not _is(made, section, {**document, section: [*tables, entry]}):
        raise _not_tables(path, section)
    return made


def _without(path: Path, text: str, section: str, matches: Callable[[str], bool]) -> str:
    """The text without the tables whose pair matches; comments behind them stay."""
    while True:
        document = _parsed(path, text)
        tables = _tables(path, document, section)
        at = next((at for at, table in enumerate(tables) if matches(str(table.get("pair", "")))), None)
        if at is None:
            return text
        wanted = {**document, section: [*tables[:at], *tables[at + 1 :]]}
        *whole, last = text.split("\n")
        lines = [*(f"{line}\n" for line in whole), last]
        first = int(Lines("", text.replace("\r\n", "\n")).places(section, len(tables))[at].rpartition(":")[2]) - 1
        # It ends with the first line without which, and those before, the rest is what it has to be.
        ends = range(first + 1, len(lines) + 1)
        end = next((end for end in ends if _is("".join([*lines[:first], *lines[end:]]), section, wanted)), None)
        if end is None:
            raise _not_tables(path, section)
        if first and not lines[first - 1].strip() and not "".join(lines[end : end + 1]).strip():
            first -= 1  # of two empty lines one is enough
        text = "".join([*lines[:first], *lines[end:]])


def _is(text: str, section: str, wanted: dict[str, Any]) -> bool:
    """Whether a text says just that; a section that is empty may be missing."""
    try:
        document = tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError:
        return False
    return {section: [], **document} == wanted


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text.replace("\r\n", "\n"))
    except tomllib.TOMLDecodeError as error:
        raise Trouble(f"{path} is not TOML: {error}", "mend the file first", code="bad_config") from None


def _tables(path: Path, document: dict[str, Any], section: str) -> list[dict[str, Any]]:
    tables = document.get(section, [])
    if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
        raise _not_tables(path, section)
    return tables


def _not_tables(path: Path, section: str) -> Trouble:
    return Trouble(
        f"{path} has {section} in another form than tables", f"write each as a table, [[{section}]]", code="bad_config"
    )


def _written(text: str) -> str:
    """A text as TOML has it: in single quotes where that shows it as it is, as names in double quotes want it."""
    whole = text.encode(errors="replace").decode()  # halves of surrogate pairs are no UTF-8
    if '"' in whole and "'" not in whole and whole.isprintable():
        return f"'{whole}'"
    return json.dumps(whole, ensure_ascii=False).replace("\x7f", "\\u007f")
