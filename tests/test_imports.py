"""What a command imports decides how fast it answers: Textual alone takes a third of a second."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.commands import DATABASE_VARIABLES

if TYPE_CHECKING:
    from pathlib import Path

HEAVY = ("textual", "rich", "sqlalchemy", "psycopg", "psycopg_pool", "networkx", "asyncio", "setproctitle")

PROBE = """
import contextlib, io, json, sys
from fkexplorer.__main__ import main
with contextlib.redirect_stdout(io.StringIO()) as said:
    try:
        main()
    except SystemExit as end:
        code = end.code
print(json.dumps([code, len(said.getvalue()), sorted({name.partition(".")[0] for name in sys.modules})]))
"""


def probe(*arguments: str) -> tuple[int, int, set[str]]:
    """The exit code, how much was said, and the top-level packages that were imported."""
    done = subprocess.run([sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, check=True)
    code, said, modules = json.loads(done.stdout)
    return code, said, set(modules)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["-h"],
        ["--version"],
        ["check", "--help"],
        ["show", "--help"],
        ["rows", "--help"],
        ["plan", "--help"],
        ["explain", "--help"],
        ["report", "--help"],
    ],
)
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    code, said, modules = probe(*arguments)
    assert code == 0
    assert said > 5
    assert modules.isdisjoint(HEAVY)


def test_a_text_alone_is_explained_without_anything_heavy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in DATABASE_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "err.txt"
    path.write_text('insert or update on table "a" violates foreign key constraint "a_fk"\n')
    for kind in ("text", "json"):
        code, said, modules = probe("explain", str(path), "--format", kind)
        assert code == 0
        assert said > 50
        assert modules.isdisjoint(HEAVY)


def test_the_probe_sees_what_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import networkx\n" + PROBE, "--version"], capture_output=True, text=True, check=True
    )
    assert "networkx" in json.loads(done.stdout)[2]


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("fkexplorer.reports.lens", ("sqlalchemy", "psycopg", "textual", "networkx")),
        ("fkexplorer.reports.document", ("sqlalchemy", "psycopg", "textual", "networkx")),
        ("fkexplorer.headless", ("textual", "rich", "networkx")),
        ("fkexplorer.database.source", ("sqlalchemy", "psycopg", "networkx")),
    ],
)
def test_layers_as_the_interpreter_sees_them(module: str, forbidden: tuple[str, ...]) -> None:
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert module in json.loads(done.stdout)
    assert {name.partition(".")[0] for name in json.loads(done.stdout)}.isdisjoint(forbidden)
