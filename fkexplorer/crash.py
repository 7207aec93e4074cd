"""What is left of a fault of the program: one private file, for whoever reports it."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fkexplorer.version import version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MASK = "***"


def state_folder(environ: Mapping[str, str]) -> Path:
    """The private folder (0700) for files of this program, made if it is not there.

    `$XDG_STATE_HOME/fkexplorer`, else `~/.local/state/fkexplorer`; a new private temporary folder where neither can
    be written.
    """
    homes: list[Path] = []
    given = environ.get("XDG_STATE_HOME", "")
    if given.startswith("/"):  # the specification says to ignore a relative one
        homes.append(Path(given))
    with contextlib.suppress(RuntimeError):
        homes.append(Path.home() / ".local" / "state")
    for home in homes:
        folder = home / "fkexplorer"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
        except OSError:
            continue
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="fkexplorer-"))


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text without any of these secrets."""
    for secret in sorted({secret for secret in secrets if secret}, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def report(error: BaseException, secrets: Iterable[str]) -> str:
    """What the file says: versions and the traceback, without local values, without these secrets.

    The messages of database errors carry values of rows in their later lines (DETAIL, CONTEXT, parameters): only the
    first line of each message is kept.
    """
    lines = [
        f"fkexplorer {version()}",
        f"Python {platform.python_version()} on {sys.platform}",
        datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "",
        *_traceback(error, set()),
    ]
    return masked("\n".join(lines) + "\n", secrets)


def _traceback(error: BaseException, seen: set[int]) -> list[str]:
    seen.add(id(error))
    lines: list[str] = []
    for other, words in (
        (error.__cause__, "The above was the direct cause of:"),
        (None if error.__cause__ or error.__suppress_context__ else error.__context__, "While that was handled:"),
    ):
        if other is not None and id(other) not in seen:
            lines += [*_traceback(other, seen), "", words, ""]
    for frame in traceback.extract_tb(error.__traceback__):
        lines.append(f"  {frame.filename}:{frame.lineno} in {frame.name}")
        if frame.line:
            lines.append(f"    {frame.line}")
    lines.append(summary(error))
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            if id(member) not in seen:
                lines += ["", *(f"  {line}" for line in _traceback(member, seen))]
    return lines


def summary(error: BaseException) -> str:
    """The error's type and the first line of its message."""
    first = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__qualname__}: {first}" if first else type(error).__qualname__


def write_crash(error: BaseException, secrets: Iterable[str] = ()) -> Path:
    """Write the report to a new file of mode 0600 and return its path.

    Raises:
        OSError: it could be written nowhere.
    """
    folder = state_folder(os.environ)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    handle, name = tempfile.mkstemp(prefix=f"crash-{stamp}-", suffix=".txt", dir=folder)  # mkstemp makes it 0600
    with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(report(error, secrets))
    return Path(name)
