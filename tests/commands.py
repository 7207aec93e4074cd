"""The program as a process: its exit code, what it wrote to either stream."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

DATABASE_VARIABLES = (
    "DATABASE_URL",
    "PGHOST",
    "PGPORT",
    "PGUSER",
    "PGDATABASE",
    "PGSERVICE",
    "PGPASSWORD",
    "PGHOSTADDR",
)


@dataclass(frozen=True, slots=True)
class Done:
    """A process that has ended."""

    code: int | None
    out: str
    err: str


def environment(**variables: str) -> dict[str, str]:
    """The environment without a database in it, in a UTF-8 locale."""
    kept = {name: value for name, value in os.environ.items() if name not in DATABASE_VARIABLES}
    return {**kept, "LC_ALL": "C.UTF-8", "COLUMNS": "100", **variables}


async def start(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    code: str = "",
    stdin: int = asyncio.subprocess.DEVNULL,
    cwd: Path | None = None,
) -> asyncio.subprocess.Process:
    """The program in the background; `code` is Python that runs it instead of `-m fkexplorer`."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *(["-c", code] if code else ["-m", "fkexplorer"]),
        *arguments,
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(env) if env is not None else environment(),
        cwd=cwd,
        start_new_session=True,  # no controlling terminal: nobody is asked for a password
    )


async def finish(process: asyncio.subprocess.Process, text: str | None = None) -> Done:
    """Wait for its end, half a minute at most; the text goes to its stdin, which is a pipe then."""
    try:
        out, err = await asyncio.wait_for(process.communicate(None if text is None else text.encode()), 30)
    except TimeoutError:
        process.kill()
        raise
    return Done(process.returncode, out.decode(), err.decode())


async def run(*arguments: str, env: Mapping[str, str] | None = None, code: str = "", cwd: Path | None = None) -> Done:
    """The program from start to end, in a folder if one is given."""
    return await finish(await start(*arguments, env=env, code=code, cwd=cwd))


def assert_told(done: Done, *words: str) -> None:
    """Exit code 2, nothing on stdout, one line of reason and one of hint, with these words in them."""
    assert done.code == 2, done
    assert done.out == ""
    reason, hint = done.err.splitlines()[-2:]
    assert reason.startswith("fkexplorer: ")
    assert hint.startswith("  hint: ")
    assert len(reason) > 20
    assert len(hint) > 15
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err, done.err
