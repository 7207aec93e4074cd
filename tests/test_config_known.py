"""Relationships, rejected guesses, ignored problems and other files in the configuration; mistakes by file and line."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from fkexplorer.config.known import Ignored, NotedPair, SourceFiles
from fkexplorer.config.settings import Settings
from fkexplorer.database.model import Trouble
from tests.test_config import load, told

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
# known to all
[[relationships]]
pair = "public.posts(author_id):public.users(id)"

[[relationships]]
pair = 'a("b c", d) : "x:(y)"(e,f)'   # quoted
reason = \"\"\"
[[relationships]] is no head here
\"\"\"
[[relationships]]
pair = "comments(about):posts(id) [about_type=Post]"


[[rejected]]
pair = "a(b):c(d)"
reason = "another system's ids"
[[ rejected ]]
pair = "a(b):e(f)"

[[ignored]]
edge = "public.a.a_b_fkey"
finding = "no_index"
reason = "written once a year"
until = 2027-01-31

[[ignored]]
edge = "old.log.*"
reason = "an archive"

[sources]
dbt = ["models/*.yml", "schema.yml"]
tbls = ".tbls.yml"
"""


def test_all_that_is_known(tmp_path: Path) -> None:
    settings = load(tmp_path, TEXT, '[[relationships]]\npair = "mine(a):mine(b)"\n[sources]\ndbml = "x.dbml"\n')
    home = tmp_path / "home" / "fkexplorer"
    at = ".fkexplorer.toml:{}".format
    assert settings == Settings(
        relationships=(
            NotedPair("public.posts(author_id):public.users(id)", at(2)),
            NotedPair('a("b c", d) : "x:(y)"(e,f)', at(5), reason="[[relationships]] is no head here\n"),
            NotedPair("comments(about):posts(id) [about_type=Post]", at(10)),
            NotedPair("mine(a):mine(b)", f"{home}/config.toml:1"),
        ),
        rejected=(
            NotedPair("a(b):c(d)", at(14), "another system's ids"),
            NotedPair("a(b):e(f)", at(17)),
        ),
        ignored=(
            Ignored("public.a.a_b_fkey", "written once a year", at(20), "no_index", date(2027, 1, 31)),
            Ignored("old.log.*", "an archive", at(26)),
        ),
        sources=(
            SourceFiles("dbt", "models/*.yml", tmp_path, at(31)),
            SourceFiles("dbt", "schema.yml", tmp_path, at(31)),
            SourceFiles("tbls", ".tbls.yml", tmp_path, at(32)),
            SourceFiles("dbml", "x.dbml", home, f"{home}/config.toml:4"),
        ),
    )


def test_an_ignore_runs_out_after_its_last_day() -> None:
    until = Ignored("a", "r", "f:1", until=date(2027, 1, 31))
    assert [until.expired(date(2027, month, day)) for month, day in ((1, 30), (1, 31), (2, 1))] == [False, False, True]
    assert not Ignored("a", "r", "f:1").expired(date(9999, 12, 31))


def test_places_of_many(tmp_path: Path) -> None:
    settings = load(tmp_path, "".join(f'[[relationships]]\npair = "a(b{at}):c(d)"\n' for at in range(2000)))
    assert [each.origin for each in settings.relationships] == [f".fkexplorer.toml:{2 * at + 1}" for at in range(2000)]


def test_what_no_parser_gets_to_the_end_of_is_not_toml(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match=r"\.fkexplorer\.toml:1 is not TOML"):
        load(tmp_path, "relationships = " + "[" * 100_000)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[[relationship]]\n", 1, ["relationship is not known", "did you mean relationships?"]),
        ("[relationships]\n", 1, ["relationships is not a list of tables: [[relationships]]"]),
        ("relationships = [3]\n", 1, ["relationships is not a list of tables"]),
        ("[[relationships]]\nreason = 'x'\n", 1, ["a table of relationships has no pair", "the child first"]),
        ("\n[[rejected]]\n[[rejected]]\npair = 'a(b):c(d)'\n", 2, ["a table of rejected has no pair"]),
        ("[[relationships]]\npair = 'a(b):c(d)'\n[[relationships]]\npair = 'a.b'\n", 4, ["'a.b' is no pair"]),
        ('[[relationships]]\npair = "a(b):c(d) [e=of two]"\n', 2, ["is no pair", "[column='value']"]),
        ("[[relationships]]\npair = 3\n", 2, ["3 is no pair of columns"]),
        ("[[relationships]]\npair = 'a(b, c):d(e)'\n", 2, ["has not as many columns on either side"]),
        ("[[relationships]]\npair = 'a(b):c(d)'\nreson = 'x'\n", 3, ["reson is not known", "did you mean reason?"]),
        ("[[relationships]]\npair = 'a(b):c(d)'\nreason = 3\n", 3, ["reason is not a text"]),
        ("[[relationships]]\npair = 'a(b):c(d) [x]'\n", 2, ["'a(b):c(d) [x]' is no pair"]),
        ("[[rejected]]\npair = 'a(b):c(d)'\nwhere = { x = 'y' }\n", 3, ["where is not known"]),
        ("[[ignored]]\nreason = 'x'\n", 1, ["names no edge", "schema.table.*"]),
        ("[[ignored]]\nedge = ' '\n", 2, ["names no edge"]),
        ("[[ignored]]\nedge = 'a.b.c'\n", 1, ["no reason is told why a.b.c is ignored"]),
        ("[[ignored]]\nedge = 'a.b.c'\nreason = ''\n", 3, ["no reason is told"]),
        ("[[ignored]]\nedge = 'a'\nreason = 'r'\nuntil = '2027-01-31'\n", 4, ["is no day", "without quotes"]),
        ("[[ignored]]\nedge = 'a'\nreason = 'r'\nuntil = 2027-01-31T00:00:00\n", 4, ["is no day"]),
        ("[sources]\ndbm = 'x'\n", 2, ["dbm is not known", "did you mean dbml?"]),
        ("[sources]\ndbt = []\ntbls = 3\n", 3, ["tbls names no files", 'write tbls = ["path/to/file"']),
        ("[sources]\ndbt = ['a', '']\n", 2, ["dbt names no files"]),
        ("sources = 3\n", 1, ["sources is not a table: [sources]"]),
        ("a = '''\n[[rejected]]\n'''\n[[rejected]]\n", 1, ["a is not known"]),
        ("[limits]\nmax_bytes = 1\n" * 1 + "# x\n" * 3 + "[[rejected]]\npair = '''\na'''\n", 7, ["is no pair"]),
    ],
)
def test_a_mistake_is_told_by_file_and_line(tmp_path: Path, text: str, line: int, words: list[str]) -> None:
    trouble = told(tmp_path, text)
    assert trouble.code == "bad_config"
    assert trouble.reason.startswith(f".fkexplorer.toml:{line}:"), trouble.reason
    for word in words:
        assert word in f"{trouble.reason} {trouble.hint}"
