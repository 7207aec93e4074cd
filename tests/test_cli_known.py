"""Commands know what is configured: it is counted, listed, traced, explained and planned like what is declared."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from fkexplorer.config.settings import Settings, load_settings
from fkexplorer.console import Console
from fkexplorer.database.model import Trouble
from fkexplorer.explaining import ExplainOptions, explain
from fkexplorer.headless import CheckOptions, RowsOptions, check, rows, show
from fkexplorer.impacting import ImpactOptions, impact
from fkexplorer.planning import PlanOptions, plan
from fkexplorer.schema.actions import FixAction
from fkexplorer.tracing import TraceOptions, trace
from tests.commands import assert_told, environment, run, start
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCRIPT = """
CREATE SCHEMA s;
CREATE TABLE s.users (id int PRIMARY KEY, name text);
CREATE TABLE s.posts (id int PRIMARY KEY, author int, editor int REFERENCES s.users ON DELETE CASCADE);
CREATE TABLE s.notes (id int PRIMARY KEY, post int, kind text);
INSERT INTO s.users VALUES (1, 'a'), (2, 'b');
INSERT INTO s.posts VALUES (1, 1, 1), (2, 7, 2), (3, 7, NULL), (4, NULL, 1);
INSERT INTO s.notes VALUES (1, 1, 'x'), (2, 9, 'x');
"""
AUTHOR = "s.posts(author):s.users(id)"
NOTES = "s.notes(post):s.posts(id)"
CONFIG = f"""
[[relationships]]
pair = "{AUTHOR}"
[[relationships]]
pair = "s.notes(post):posts(id)"
[[relationships]]
pair = "notes(gone):posts(id)"
"""


@pytest.fixture(scope="module")
def conninfo(make_database: Callable[[str], str]) -> str:
    return make_database(SCRIPT)


def settings(folder: Path, text: str) -> Settings:
    (folder / ".fkexplorer.toml").write_text(text)
    return load_settings(None, {"XDG_CONFIG_HOME": str(folder / "none")}, folder)


def lines_of(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


async def checked(conninfo: str, known: Settings, **options: Any) -> int:  # noqa: ANN401 - as CheckOptions takes them
    async with opened(conninfo) as (database, _):
        return await check(database, Console({}), known, CheckOptions(**options))


async def document(conninfo: str, known: Settings, capsys: pytest.CaptureFixture[str], **options: Any) -> Any:  # noqa: ANN401 - as above, and as JSON gives it
    capsys.readouterr()
    code = await checked(conninfo, known, format="json", **options)
    return code, json.loads(capsys.readouterr().out)


async def test_check_counts_what_is_configured(
    conninfo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = settings(tmp_path, CONFIG)
    code, found = await document(conninfo, known, capsys)
    assert code == 1
    summary = found["summary"]
    assert (summary["edges"], summary["declared"], summary["configured"], summary["inferred"]) == (3, 1, 2, 0)
    assert (summary["orphans"], summary["edges_with_orphans"], summary["checked"]) == (3, 2, 3)
    told = {edge["id"]: edge for edge in found["edges"]}
    assert list(told) == [AUTHOR, NOTES, "s.posts.posts_editor_fkey"]
    assert [told[AUTHOR][key] for key in ("kind", "state", "constraint", "orphans", "origin")] == [
        "configured", "undeclared", None, 2, ".fkexplorer.toml:2",
    ]  # fmt: skip
    assert found["problems"] == [".fkexplorer.toml:6: s.notes has no column gone"]
    assert await checked(conninfo, known) == 1
    told_text = capsys.readouterr()
    text = lines_of(told_text.out)
    assert text[0].startswith(f"    !2  {AUTHOR}")
    assert text[0].endswith("cfg  noix")
    assert text[1] == "        posts.author -> users.id"
    assert text[-1].startswith(
        "3 of 3 relationships (1 foreign key, 2 configured) checked, 2 with orphans: 3 orphans ("
    )
    assert ".fkexplorer.toml:6: s.notes has no column gone" in told_text.err


async def test_what_is_linked_and_not_there_is_not_clean(
    conninfo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = settings(tmp_path, '[[relationships]]\npair = "notes(gone):posts(id)"\n')
    assert await checked(conninfo, known) == 2
    assert "1 configured relationship could not be checked: .fkexplorer.toml:1" in capsys.readouterr().err
    assert await checked(conninfo, known, tables=("users",)) == 0, "that was not asked for"
    (tmp_path / "s.yml").write_text("relations: [{table: a, columns: [b], parentTable: c, parentColumns: [d]}]")
    assert await checked(conninfo, settings(tmp_path, "[sources]\ntbls = 's.yml'\n")) == 0
    assert "s.yml:1: there is no table a" in capsys.readouterr().err


async def test_check_of_what_is_declared_says_what_it_did(conninfo: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await checked(conninfo, Settings()) == 0
    out = capsys.readouterr().out
    assert lines_of(out)[-1].startswith("1 of 1 foreign key checked, no orphans (")
    assert "cfg" not in out


IGNORED = """
[[ignored]]
edge = "{edge}"
reason = "an import of 2019"
{more}
"""


@pytest.mark.parametrize(
    ("edge", "more", "told"),
    [
        (AUTHOR, "", (0, "ignored: an import of 2019", None)),
        ("posts(author):users(id)", "until = 9999-12-31", (0, "ignored until 9999-12-31: an import of 2019", None)),
        ("s.posts.*", "", (0, "ignored: an import of 2019", None)),
        (AUTHOR, "until = 2020-01-31", (1, None, "was ignored until 2020-01-31: an import of 2019")),
        (AUTHOR, "finding = 'no_index'", (1, None, None)),
        ("s.users.*", "", (1, None, None)),
    ],
)
async def test_what_is_ignored_does_not_fail(
    conninfo: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    edge: str,
    more: str,
    told: tuple[int, str | None, str | None],
) -> None:
    code, excused, lapsed = told
    text = f'[[relationships]]\npair = "{AUTHOR}"\n' + IGNORED.format(edge=edge, more=more)
    known = settings(tmp_path, text)
    got, found = await document(conninfo, known, capsys)
    assert got == code
    edges = {each["id"]: each for each in found["edges"]}
    assert (edges[AUTHOR]["excused"], edges[AUTHOR]["lapsed"]) == (excused, lapsed)
    assert edges[AUTHOR]["orphans"] == 2, "it is told all the same"
    assert edges["s.posts.posts_editor_fkey"]["excused"] is None, "it has no problem"
    assert found["summary"]["excused"] == (excused is not None)
    assert await checked(conninfo, known) == code
    out = capsys.readouterr().out
    if excused:
        assert out.startswith("known or ignored:\n")
    if words := excused or lapsed:
        assert f"({words})" in out


async def test_an_ignore_of_nothing_is_told(conninfo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "".join(
        IGNORED.format(edge=edge, more="") for edge in ("s.gone.*", "s.posts.gone", "a(b):c(d)", "posts.*", NOTES)
    )
    _, found = await document(conninfo, settings(tmp_path, text), capsys)
    assert found["problems"] == [
        ".fkexplorer.toml:2: there is no table s.gone, which was to be ignored",
        ".fkexplorer.toml:7: there is no foreign key s.posts.gone, which was to be ignored",
        ".fkexplorer.toml:12: there is no relationship a(b):c(d), which was to be ignored",
    ]


async def test_show_rows_and_trace(conninfo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known, console = settings(tmp_path, CONFIG), Console({})
    async with opened(conninfo) as (database, _):
        assert await show(database, console, known, "posts", 100) == 0
        lens = capsys.readouterr().out
        assert "!2" in lens
        assert "cfg" in lens
        for edge in (AUTHOR, "posts(author)", "posts(author) : users(id)"):
            assert await rows(database, console, known, RowsOptions(edge, "keys", format="csv")) == 0
            assert capsys.readouterr().out.splitlines()[1].split(",")[:2] == ["7", "2"]
        assert await trace(database, console, known, TraceOptions("s.users.id", "7")) == 0
        assert "posts.author" in capsys.readouterr().out


async def test_a_delete_goes_by_constraints_alone(
    conninfo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wish = ImpactOptions("users", ("1",), "json")
    told = []
    for known in (Settings(), settings(tmp_path, CONFIG)):
        async with opened(conninfo) as (database, _):
            assert await impact(database, Console({}), known, wish) == 0
        told.append({key: value for key, value in json.loads(capsys.readouterr().out).items() if key != "seconds"})
    assert str(told[0]["at"])[:10] == str(told[1]["at"])[:10] if "at" in told[0] else True
    for each in told:
        each.pop("at", None)
        each.pop("as_of", None)
    assert told[0] == told[1]


async def test_a_plan_for_what_is_configured(conninfo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = settings(tmp_path, CONFIG)
    async with opened(conninfo) as (database, _):
        assert await plan(database, Console({}), known, PlanOptions("posts(author)", FixAction.SET_NULL)) == 0
        assert "UPDATE" in capsys.readouterr().out
        # The script of another edge is the same with it and without.
        scripts = []
        for each in (Settings(), known):
            wish = PlanOptions("posts(editor)", FixAction.CHANGE_ON_DELETE, rule="restrict")
            assert await plan(database, Console({}), each, wish) == 0
            scripts.append([line for line in capsys.readouterr().out.splitlines() if not line.startswith("--")])
        assert scripts[0] == scripts[1]


@pytest.mark.parametrize("chosen", [None, AUTHOR])
async def test_an_error_of_a_configured_pair_is_explained(
    conninfo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], chosen: str | None
) -> None:
    path = tmp_path / "err.txt"
    path.write_text(
        'ERROR:  insert or update on table "posts" violates foreign key constraint "posts_author_fkey"\n'
        'DETAIL:  Key (author)=(7) is not present in table "users".\n'
        'ERROR:  insert or update on table "posts" violates foreign key constraint "posts_editor_fkey"\n'
        'DETAIL:  Key (editor)=(7) is not present in table "users".\n'
        'ERROR:  foreign key violation\nDETAIL:  Key (post)=(9) is not present in table "posts".\n'
    )
    known = settings(tmp_path, CONFIG)
    async with opened(conninfo) as (database, _):
        code = await explain(database, Console({}), known, ExplainOptions(str(path), "json", chosen))
        author, editor, bare = json.loads(capsys.readouterr().out)["errors"]
        assert code in {1, 2}
        assert author["edge"] == AUTHOR
        assert "key_missing" in {each["code"] for each in author["findings"]}
        assert editor["edge"] == "s.posts.posts_editor_fkey", "what has a constraint is not what was configured"
        assert bare["edge"] == (NOTES if chosen is None else AUTHOR)
        await explain(database, Console({}), known, ExplainOptions(str(path), "text", chosen))
    assert AUTHOR in capsys.readouterr().out


async def test_watch_sees_writes_of_either_side(make_database: Callable[[str], str], tmp_path: Path) -> None:
    conninfo = make_database(SCRIPT)
    config = tmp_path / "c.toml"
    config.write_text(f'[[relationships]]\npair = "{AUTHOR}"\n')
    process = await start("check", "--watch", "-d", conninfo, "--config", str(config), env=environment())
    assert process.stdout is not None
    try:
        for statement, words in (
            ("", "-> 2"),
            ("INSERT INTO s.posts VALUES (9, 8)", "2 -> 3"),
            ("INSERT INTO s.users VALUES (7)", "3 -> 1"),
            ("ALTER TABLE s.posts ADD note text; UPDATE s.posts SET author = 1", "1 -> 0"),
        ):
            if statement:
                with psycopg.connect(conninfo) as connection:
                    connection.execute(statement.encode())
            line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
            assert f"{AUTHOR}" in line
            assert words in line.replace(" orphans", "").replace(" orphan", "").replace("clean", "0")
    finally:
        process.terminate()
        await process.wait()


GUESSED = """
CREATE TABLE users (id uuid PRIMARY KEY, name text);
CREATE TABLE posts (id int PRIMARY KEY, user_id uuid NOT NULL);
INSERT INTO users SELECT md5(n::text)::uuid FROM generate_series(1, 100) n;
INSERT INTO posts SELECT n, md5((1 + n % 101)::text)::uuid FROM generate_series(1, 400) n;
"""
GUESS = "public.posts(user_id):public.users(id)"


@pytest.mark.matrix
async def test_guesses_are_counted_where_they_are_asked_for(
    make_database: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conninfo = make_database(GUESSED)
    code, found = await document(conninfo, Settings(), capsys)
    assert (code, found["edges"]) == (0, [])
    code, found = await document(conninfo, Settings(), capsys, inferred=True)
    assert code == 1, "whoever asks for guesses is told of their orphans"
    [edge] = found["edges"]
    assert (edge["id"], edge["kind"], edge["orphans"], edge["origin"]) == (GUESS, "inferred", 3, None)
    assert 0.75 <= edge["score"] <= 1
    assert {"code", "text", "points"} == set(edge["reasons"][0])
    summary = found["summary"]
    assert (summary["declared"], summary["inferred"], summary["orphans_of_inferred"]) == (0, 1, 3)
    assert await checked(conninfo, Settings(), inferred=True) == 1
    text = lines_of(capsys.readouterr().out)
    assert text[0] == "guessed: no constraint, and nobody has said so:"
    assert f"3  {GUESS}" in text[1]
    assert f"(guessed, {edge['score']:.2f})" in text[1]
    assert edge["reasons"][0]["text"] in text[3]
    assert (
        "1 of 1 relationship (0 foreign keys, 1 inferred) checked, 1 with orphans: 3 orphans, 3 of them by" in text[-1]
    )

    rejected = settings(tmp_path, f'[[rejected]]\npair = "{GUESS}"\n')
    code, found = await document(conninfo, rejected, capsys, inferred=True)
    assert (code, found["edges"]) == (0, [])
    accepted = settings(tmp_path, '[[relationships]]\npair = "posts(user_id):users(id)"\n')
    code, found = await document(conninfo, accepted, capsys, inferred=True)
    assert [(each["id"], each["kind"], each["score"]) for each in found["edges"]] == [(GUESS, "configured", None)]
    ignored = settings(tmp_path, f'[[ignored]]\nedge = "{GUESS}"\nreason = "a log"\n')
    code, found = await document(conninfo, ignored, capsys, inferred=True)
    assert (code, found["edges"][0]["excused"]) == (0, "ignored: a log")
    async with opened(conninfo) as (database, _):
        with pytest.raises(Trouble, match="there is no foreign key"):
            await plan(database, Console({}), Settings(), PlanOptions("posts(user_id)", FixAction.DELETE))


async def test_neither_guesses_nor_a_baseline_are_watched(conninfo: str) -> None:
    assert_told(await run("check", "--watch", "--inferred", "-d", conninfo), "--inferred is not for --watch")
    for option in ("--baseline", "--write-baseline"):
        done = await run("check", "--watch", option, "known.json", "-d", conninfo)
        assert_told(done, "are not for --watch", "leave out --watch")
