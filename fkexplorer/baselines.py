"""The file of known problems, read and written for `check` and `doctor`."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from fkexplorer.database.model import Trouble
from fkexplorer.reports.baseline import Baseline, Malformed, baseline_text, read_baseline

if TYPE_CHECKING:
    from collections.abc import Callable


def load_baseline(path: str) -> Baseline:
    """The baseline in a file.

    Raises:
        Trouble: it cannot be read (`no_file`), or is no baseline (`bad_baseline`).
    """
    try:
        return read_baseline(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Trouble(
            f"the baseline {path} cannot be read: {reason}", "--write-baseline writes one", code="no_file"
        ) from None
    except Malformed as error:
        raise Trouble(
            f"{path} is not read as a baseline: {error}",
            "name another file: --write-baseline makes one",
            code="bad_baseline",
        ) from None


def baseline_before(path: str) -> Baseline:
    """The baseline that is to be written anew: an empty one where there is no such file yet.

    Raises:
        Trouble: as of `load_baseline`.
    """
    return load_baseline(path) if Path(path).exists() else Baseline()


def save_baseline(path: str, change: Callable[[Baseline], Baseline]) -> Baseline:
    """Write a baseline: what the other command has in that file stays. The file is whole at any moment.

    Args:
        path: the file, which need not be there.
        change: gives the new baseline from what is in the file, or from an empty one.

    Raises:
        Trouble: the file there is no baseline, or it cannot be written (`no_file`).
    """
    made = change(baseline_before(path))
    target = Path(os.path.realpath(path))
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o644
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(baseline_text(made))
            Path(name).chmod(mode)
            Path(name).replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise Trouble(
            f"the baseline {path} cannot be written: {error.strerror}", "name another file", code="no_file"
        ) from None
    return made
