"""A password that the server wants: asked for on the terminal, never echoed, never repeated."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import ptyprocess
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.commands import assert_told, environment, run

if TYPE_CHECKING:
    from collections.abc import Iterator

PASSWORD = "hunter2-open-sesame"  # noqa: S105 - a made-up one


@pytest.fixture
def guarded(database_url: str) -> Iterator[str]:
    """A database that lets one role in by password alone."""
    role = sql.Identifier("guarded_role")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, PASSWORD))
        row = connection.execute("SHOW hba_file").fetchone()
        assert row is not None
        path = Path(row[0])
        before = path.read_text()
        name = conninfo_to_dict(database_url)["dbname"]
        path.write_text(f"local {name} guarded_role scram-sha-256\n{before}")
        connection.execute("SELECT pg_reload_conf()")
        try:
            yield make_conninfo(database_url, user="guarded_role")
        finally:
            path.write_text(before)
            connection.execute("SELECT pg_reload_conf()")
            connection.execute(sql.SQL("DROP ROLE {}").format(role))


def in_terminal(conninfo: str, *answers: str) -> tuple[int | None, str]:
    """`check` in a terminal with these answers to its questions; the exit code and all that the terminal got."""
    process = ptyprocess.PtyProcess.spawn(
        [sys.executable, "-m", "fkexplorer", "check", conninfo],
        dimensions=(24, 200),
        env=environment(TERM="xterm-256color"),
    )
    said = b""
    for number, answer in enumerate(answers, 1):
        while said.count(b"Password for") < number:
            said += process.read(65536)
        process.write(answer.encode())
    try:
        while True:
            said += process.read(65536)
    except EOFError:
        pass
    process.wait()
    return process.exitstatus, said.decode()


def test_a_password_is_asked_for_and_never_shown(guarded: str) -> None:
    code, said = in_terminal(guarded, PASSWORD + "\n")
    assert code == 0, said
    assert "Password for guarded_role@" in said
    assert "no foreign keys in 0 tables" in said
    # Somebody watches: progress is drawn on one line and taken away before the result.
    assert "\r\x1b[Kreading the catalogue" in said
    assert said.rindex("\r\x1b[K") < said.index("no foreign keys")
    assert PASSWORD not in said


def test_a_wrong_one_is_told_and_asked_again(guarded: str) -> None:
    code, said = in_terminal(guarded, "wrong-one\n", PASSWORD + "\n")
    assert code == 0, said
    assert said.count("Password for") == 2
    assert "wrong-one" not in said


def test_three_wrong_ones_are_enough(guarded: str) -> None:
    code, said = in_terminal(guarded, "wrong-1\n", "wrong-2\n", "wrong-3\n")
    assert code == 2
    assert said.count("Password for") == 3
    assert "hint:" in said
    assert "wrong-" not in said


def test_ctrl_c_at_the_question(guarded: str) -> None:
    code, said = in_terminal(guarded, "\x03")
    assert code == 130
    assert "Traceback" not in said


def test_without_a_terminal_it_is_told(guarded: str) -> None:
    assert_told(asyncio.run(run("check", guarded)), "password")


def test_one_in_the_conninfo_is_used_and_never_shown(guarded: str) -> None:
    done = asyncio.run(run("check", make_conninfo(guarded, password=PASSWORD)))
    assert done.code == 0
    assert PASSWORD not in done.out + done.err
    wrong = asyncio.run(run("check", make_conninfo(guarded, password="not-" + PASSWORD)))
    assert_told(wrong)
    assert PASSWORD not in wrong.err
