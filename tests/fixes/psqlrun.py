"""A script run by psql as a person runs it, in a folder of its own."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fkexplorer.demo.binaries import find_binaries
from tests.servers import binaries, missing

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ran:
    """How a script ended."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """All that was said."""
        return self.out + self.err


def psql_of(major: int) -> Path:
    """The psql of that server's own version where it is here, else the wheel's."""
    for folder in (binaries(str(major)), find_binaries()):
        if (folder / "psql").exists():
            return folder / "psql"
    missing("psql")
    raise AssertionError("a test that misses something does not go on")


async def start(psql: Path, conninfo: str, text: str, folder: Path) -> asyncio.subprocess.Process:
    """The script of this text, in a file in that folder, running there."""
    file = folder / "plan.sql"
    file.write_text(text)
    return await asyncio.create_subprocess_exec(
        str(psql),
        *("-X", "-d", conninfo, "-f", str(file)),
        cwd=folder,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def finish(process: asyncio.subprocess.Process) -> Ran:
    """Wait for its end."""
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


async def run_script(psql: Path, conninfo: str, text: str, folder: Path) -> Ran:
    """The script from start to end."""
    return await finish(await start(psql, conninfo, text, folder))
