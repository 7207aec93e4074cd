"""What the README has to be copied from it: the job for GitHub Actions, the line for cron, the configuration."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from fkexplorer.config.settings import load_settings
from tests.commands import environment, run
from tests.test_cli_commands import SHOP, execute

if TYPE_CHECKING:
    from collections.abc import Mapping

README = Path(__file__).parents[1] / "README.md"
BASH = ("bash", "--noprofile", "--norc", "-eo", "pipefail")
"""As a runner of GitHub starts it."""
BROKEN = "SET session_replication_role = replica; UPDATE items SET order_id = 999 WHERE id = 1"


def block(language: str) -> str:
    """The README's one block of code in this language."""
    [found] = re.findall(rf"```{language}\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return str(found)


async def shell(command: str, folder: Path, env: Mapping[str, str], *words: str) -> tuple[int, str]:
    """Run a command by a shell, with its options; its exit code and all that it printed."""
    process = await asyncio.create_subprocess_exec(
        *words,
        "-c",
        command,
        cwd=folder,
        env=dict(env),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode()


@pytest.fixture(name="env")
def _env(tmp_path: Path) -> dict[str, str]:
    """Where the program is installed already, and nothing leads to an index of packages."""
    programs = Path(sys.executable).parent
    return environment(
        PATH=f"{programs}{os.pathsep}{os.environ['PATH']}",
        HOME=str(tmp_path),
        PIP_NO_INDEX="1",
        PIP_DISABLE_PIP_VERSION_CHECK="1",
        PGSERVICEFILE=str(tmp_path / "services"),
        GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"),
    )


@pytest.fixture(name="database")
async def _database(database_url: str, tmp_path: Path, env: dict[str, str]) -> str:
    """A database with problems that are all in the baseline, where job and cron look for them."""
    await execute(database_url, SHOP)
    (tmp_path / "services").write_text(
        "[production]\n" + "".join(f"{part}\n" for part in _parts(database_url)), encoding="utf-8"
    )
    for command in ("check", "doctor"):
        file = str(tmp_path / "fkexplorer-baseline.json")
        done = await run(command, "-d", database_url, "--write-baseline", file, env=env)
        assert done.code == 0, done.err
    return database_url


def _parts(conninfo: str) -> list[str]:
    return [f"{name}={value}" for name, value in re.findall(r"(\w+)='?([^' ]*)'?", conninfo) if value]


async def _job(folder: Path, env: Mapping[str, str]) -> dict[str, int]:
    """Run the steps of the job that are commands, as a runner does; the exit code of each."""
    document: Any = yaml.safe_load(block("yaml"))
    [job] = document["jobs"].values()
    codes: dict[str, int] = {}
    for step in job["steps"]:
        if "run" in step and (not any(codes.values()) or step.get("if") == "always()"):
            codes[step["name"]], said = await shell(step["run"], folder, env, *BASH)
            assert "Traceback" not in said
    return codes


async def test_the_job_of_github_actions(database: str, tmp_path: Path, env: dict[str, str]) -> None:
    document: Any = yaml.safe_load(block("yaml"))
    [job] = document["jobs"].values()
    assert job["env"] == {"DATABASE_URL": "${{ secrets.DATABASE_URL }}"}
    env["DATABASE_URL"] = database
    assert await _job(tmp_path, env) == {"install": 0, "orphans": 0, "constraints": 0}
    assert "no new orphans" in (tmp_path / "summary.md").read_text()
    suite = ET.parse(tmp_path / "foreign-keys.xml").find("testsuite")  # noqa: S314 - it is our own
    assert suite is not None
    assert suite.get("failures") == "0"

    await execute(database, BROKEN)
    (tmp_path / "summary.md").unlink()
    codes = await _job(tmp_path, env)
    assert codes["install"] == 0
    assert codes["orphans"] == 1
    assert "constraints" in codes, "it is looked at whatever came before"
    assert "items_order_id_fkey" in (tmp_path / "summary.md").read_text()


def test_the_configuration_is_read(tmp_path: Path) -> None:
    (tmp_path / ".fkexplorer.toml").write_text(block("toml"), encoding="utf-8")
    settings = load_settings(None, {"XDG_CONFIG_HOME": str(tmp_path)}, tmp_path)
    assert {each.name for each in settings.environments} == {"staging", "production"}
    assert settings.relationships[1].pair.endswith("[subject_type=Post]")
    assert len(settings.rejected) == len(settings.ignored) == len(settings.sources) == 1
    assert settings.limits
    assert settings.app


async def test_the_line_for_cron(database: str, tmp_path: Path, env: dict[str, str]) -> None:
    [line] = block("crontab").splitlines()
    command = line.split(maxsplit=5)[5]
    assert line.split()[:5] == ["17", "3", "*", "*", "*"]
    assert "%" not in command, "cron makes a line break of it"
    assert await shell(command, tmp_path, env, "sh") == (0, "")
    await execute(database, BROKEN)
    code, said = await shell(command, tmp_path, env, "sh")
    assert code == 0
    assert "items_order_id_fkey" in said
