"""The crash file: private, without local values and without passwords."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from fkexplorer.crash import masked, report, state_folder, write_crash

if TYPE_CHECKING:
    from pathlib import Path


def fail(password: str) -> None:
    local_secret = "a value in a local variable of " + str(len(password))
    raise ValueError(f"bad: {password}\nDETAIL:  Key (id)=({local_secret})")


def caught() -> Exception:
    try:
        try:
            fail("hunter2")
        except ValueError as error:
            raise RuntimeError("second") from error
    except RuntimeError as error:
        return error
    raise AssertionError


def test_the_file_is_private_and_holds_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = write_crash(caught(), ["hunter2", ""])
    assert path.parent == tmp_path / "state" / "fkexplorer"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    text = path.read_text(encoding="utf-8")
    assert "hunter2" not in text
    assert "a value in a local variable of 7" not in text
    assert "Key (id)=(a value" not in text
    assert "ValueError: bad: ***" in text
    assert "RuntimeError: second" in text
    assert "in fail" in text
    assert write_crash(caught()) != path


def test_an_existing_open_folder_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "fkexplorer"
    folder.mkdir(mode=0o755)
    assert state_folder({"XDG_STATE_HOME": str(tmp_path)}) == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_without_a_home_a_private_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setenv("HOME", str(blocked))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = state_folder({"XDG_STATE_HOME": str(blocked)})
    assert folder.parent == tmp_path
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert state_folder({"XDG_STATE_HOME": "relative"}).parent == tmp_path


def test_longer_secrets_first() -> None:
    assert masked("pass password", ["pass", "password"]) == "*** ***"


def test_groups_are_told() -> None:
    def fail_twice() -> None:
        raise ExceptionGroup("two", [ValueError("one"), KeyError("other")])

    with pytest.raises(ExceptionGroup) as info:
        fail_twice()
    text = report(info.value, [])
    assert "ValueError: one" in text
    assert "KeyError: 'other'" in text
