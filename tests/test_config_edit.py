"""Accepting, rejecting and linking by file: what was there stays to the letter, the rest reads back."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fkexplorer.config import edit
from fkexplorer.config.edit import link, reject, unlink, unreject
from fkexplorer.config.settings import load_settings
from fkexplorer.database.model import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAIR = "public.posts(author_id):public.users(id)"

PIECES = [
    "# a comment",
    "#[[relationships]]",
    "",
    "   ",
    "[limits]\nmax_bytes = 5 # five",
    '[app]\nbell = true\n\n\n# "end"',
    "[environments.a]\nhosts = [\n  'x', # y\n]",
    '[environments."b.c"]\nhosts = ["""\n[[relationships]]\n"""]',
]
ENTRIES = [
    "[[relationships]]\npair = 'a(b):c(d)'",
    "[[relationships]]  # why\n# inside\npair = 'a(b):c(d)' # behind\n\nwhere = { 'k' = 'v' }\n# after",
    '  [[ relationships ]]\n  pair = "e(f):g(h)"\n  reason = """\n[[relationships]]\n# x\n"""',
    "[[rejected]]\npair = 'a(b):c(d)'",
    "[[rejected]]\nreason = ''\npair = 'e(f):g(h)'",
]

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """Files that parse: each table at most once, its arrays in pieces, with either kind of line ends."""
    tables = draw(st.lists(st.sampled_from(PIECES[4:]), unique=True))
    others = draw(st.lists(st.sampled_from(PIECES[:4] + ENTRIES)))
    text = "\n".join(draw(st.permutations(tables + others)))
    text += draw(st.sampled_from(["", "\n", "\n\n# end", "\n  "]))
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


def read(text: str) -> dict[str, Any]:
    return tomllib.loads(text.replace("\r\n", "\n"))


@given(
    text=documents(),
    name=names,
    reason=st.one_of(st.just(""), names),
    accepted=st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_what_was_there_stays_and_the_new_is_added(
    tmp_path_factory: pytest.TempPathFactory,
    text: str,
    name: str,
    reason: str,
    *,
    accepted: bool,
) -> None:
    path = tmp_path_factory.getbasetemp() / "round.toml"
    path.write_bytes(text.encode())
    old = read(text)
    pair = f'"{name}"(a):b(c)'
    changed = link(path, pair, reason) if accepted else reject(path, pair, reason)
    assert changed
    new = path.read_bytes().decode()
    entry = {"pair": pair} | ({"reason": reason} if reason else {})
    section = "relationships" if accepted else "rejected"
    assert read(new) == {**old, section: [*old.get(section, []), entry]}
    assert new.startswith(text)
    added = new[len(text) :]
    assert ("\r\n" in added) == text.endswith("\r\n")
    again = link(path, pair, "other") if accepted else reject(path, pair)
    assert not again
    assert path.read_bytes().decode() == new
    assert (unlink if accepted else unreject)(path, lambda each: each == pair)
    back = path.read_bytes().decode()
    assert {section: [], **read(back)} == {section: [], **old}
    assert back.rstrip() == text.rstrip()


@given(documents(), st.sampled_from(["a(b):c(d)", "e(f):g(h)"]))
@settings(deadline=None, max_examples=60)
def test_what_is_taken_out_takes_nothing_with_it(
    tmp_path_factory: pytest.TempPathFactory, text: str, pair: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "out.toml"
    path.write_bytes(text.encode())
    old = read(text)
    left = [each for each in old.get("relationships", []) if each["pair"] != pair]
    assert unlink(path, lambda each: each == pair) == (len(left) < len(old.get("relationships", [])))
    new = path.read_bytes().decode()
    assert {"relationships": [], **read(new)} == {**old, "relationships": left}
    inside = ("# inside", "# x")
    comments = [line.strip() for line in text.splitlines() if line.startswith("#") and line.strip() not in inside]
    assert [
        line.strip() for line in new.splitlines() if line.startswith("#") and line.strip() not in inside
    ] == comments


def test_a_file_is_made(tmp_path: Path) -> None:
    path = tmp_path / ".fkexplorer.toml"
    assert not unlink(path, lambda _: True)
    assert not path.exists()
    assert link(path, f"{PAIR} [kind=x]", "said so")
    assert path.read_text() == f'[[relationships]]\npair = "{PAIR} [kind=x]"\nreason = "said so"\n'
    assert path.stat().st_mode & 0o7777 == 0o644
    assert reject(path, "a(b):c(d)")
    assert path.read_text().endswith('"said so"\n\n[[rejected]]\npair = "a(b):c(d)"\n')
    assert unreject(path, lambda _: True)
    assert path.read_text().endswith('"said so"\n')
    [known] = load_settings(None, {"XDG_CONFIG_HOME": str(tmp_path / "none")}, tmp_path).relationships
    assert (known.pair, known.reason) == (f"{PAIR} [kind=x]", "said so")
    assert [each.name for each in tmp_path.iterdir()] == [".fkexplorer.toml"]


def test_the_mode_stays_and_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    real, path = tmp_path / "deep" / "real.toml", tmp_path / "link.toml"
    real.write_text("# mine\n")
    real.chmod(0o600)
    path.symlink_to("deep/real.toml")
    assert link(path, PAIR)
    assert path.is_symlink()
    assert real.read_text().startswith("# mine\n\n[[relationships]]")
    assert real.stat().st_mode & 0o7777 == 0o600


def test_several_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    code = "import sys; from pathlib import Path; from fkexplorer.config.edit import link; [link(Path(sys.argv[1]), f'{sys.argv[2]}(a{n}):b(c)') for n in range(10)]"  # noqa: E501
    others = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in "xy"]
    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(lambda at: link(path, f"z(a{at}):b(c)"), range(10)))
    assert [each.wait() for each in others] == [0, 0]
    assert {each["pair"] for each in read(path.read_text())["relationships"]} == {
        f"{name}(a{at}):b(c)" for name in "xyz" for at in range(10)
    }


def test_a_file_that_changed_meanwhile_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.toml"
    path.write_text("# one\n")
    replaced: Callable[..., bool] = edit._replaced
    edits = iter(["# two, by an editor\n"])

    def late(*arguments: Any) -> bool:  # noqa: ANN401 - as the original
        for text in edits:
            path.write_text(text)
        return replaced(*arguments)

    monkeypatch.setattr(edit, "_replaced", late)
    assert link(path, PAIR)
    assert path.read_text() == f'# two, by an editor\n\n[[relationships]]\npair = "{PAIR}"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("relationships = [ { pair = 'a(b):c(d)' } ]\n", "in another form than tables"),
        ("relationships = 3\n", "in another form than tables"),
        ("[[relationships]\n", "is not TOML"),
        ("relationships.x = 1\n", "in another form than tables"),
    ],
)
def test_a_file_that_is_written_otherwise(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    changes: list[Callable[[], bool]] = [lambda: link(path, PAIR)]
    changes += [] if "pair" in text else [lambda: unlink(path, lambda _: True)]
    for change in changes:
        with pytest.raises(Trouble) as caught:
            change()
        assert caught.value.code == "bad_config"
        assert words in caught.value.reason
        assert path.read_text() == text


def test_what_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(Trouble) as caught:
        link(tmp_path / "none" / "c.toml", PAIR)
    assert caught.value.code == "no_config"
    assert "No such file or directory" in caught.value.reason
    (tmp_path / "d.toml").mkdir()
    with pytest.raises(Trouble, match="Is a directory"):
        link(tmp_path / "d.toml", PAIR)
    (tmp_path / "b.toml").write_bytes(b"\xff")
    with pytest.raises(Trouble, match="is not UTF-8"):
        link(tmp_path / "b.toml", PAIR)


def test_a_folder_that_is_read_only(open_folder: Path) -> None:
    code = f"""
import os
from pathlib import Path
from fkexplorer.config.edit import link
from fkexplorer.database.model import Trouble
if os.getuid() == 0:
    os.setuid(65534)
try:
    link(Path({str(open_folder / "c.toml")!r}), "a(b):c(d)")
except Trouble as trouble:
    print(trouble.code, trouble.reason, sep="|")
"""
    open_folder.chmod(0o555)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("no_config|the configuration ")
    assert "cannot be written: Permission denied" in done.stdout
