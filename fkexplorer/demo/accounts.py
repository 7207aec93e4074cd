"""Under whose name a server runs, and what that user can read."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import random
from pathlib import Path

from fkexplorer.database.model import Trouble

_IDS = range(61184, 65520)
"""User ids that Linux distributions leave to be used for a while (systemd's dynamic users)."""


def account() -> str:
    """The name of the one who starts: `initdb` and the peer authentication know users by name.

    Raises:
        Trouble: the user id has no name.
    """
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        raise Trouble(
            f"the user id {os.geteuid()} has no name, and PostgreSQL does not run without one",
            "run as a user that the system knows (in a container: one of /etc/passwd)",
            code="no_server",
        ) from None


def nobody() -> int:
    """The id of the user that has no rights.

    Raises:
        Trouble: there is none.
    """
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        raise Trouble(
            "PostgreSQL does not run as root, and there is no user `nobody` to run it as",
            "run as another user",
            code="no_server",
        ) from None


def unnamed(number: int) -> bool:
    """Whether a user id is one that `unused_id` may have given: of the right range and no account's."""
    try:
        pwd.getpwuid(number)
    except KeyError:
        return number in _IDS
    return False


def unused_id() -> int:
    """A number that no account and no group has, and no process of this machine runs under."""
    used = {group.gr_gid for group in grp.getgrall()}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            used.add(process.stat().st_uid)
    numbers = list(_IDS)
    random.shuffle(numbers)
    return next(number for number in numbers if number not in used and unnamed(number))


def passable(folder: Path) -> bool:
    """Whether any user can get to and through a folder."""
    return all(place.stat().st_mode & 0o001 for place in (folder.resolve(), *folder.resolve().parents))


def readable_by_all(binaries: Path) -> bool:
    """Whether any user can run the programs; the files beside them were installed under the same umask."""
    places = [binaries, *(place for name in ("lib", "share") if (place := binaries.parent / name).is_dir())]
    programs = (binaries / "initdb", binaries / "postgres")
    try:
        return all(map(passable, places)) and all(path.stat().st_mode & 0o005 == 0o005 for path in programs)
    except FileNotFoundError:
        return True  # The start tells what is missing.
