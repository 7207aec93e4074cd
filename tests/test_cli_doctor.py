"""`doctor` as a person, a program and a CI call it: the text, the documents, exit codes, and what is configured."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import psycopg
import pytest

from fkexplorer.arguments import parsers
from fkexplorer.config.settings import Settings, load_settings
from fkexplorer.console import Console
from fkexplorer.database.model import Trouble
from fkexplorer.demo.database import build_demo
from fkexplorer.examining import DoctorOptions, doctor
from tests.commands import run
from tests.orphans.connected import new_role, opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SESSIONS = "nextauth.sessions(user_id):nextauth.users(id)"
CONFIGURED = """
[[relationships]]
pair = "public.c(p_id):public.p(id)"

[[relationships]]
pair = "public.gone(p_id):public.p(id)"
"""
MAKE = """
CREATE TABLE p (id int PRIMARY KEY);
CREATE TABLE c (p_id int);
CREATE TABLE d (p_id int CONSTRAINT d_fkey REFERENCES p ON DELETE CASCADE);
CREATE INDEX ON d (p_id);
INSERT INTO p SELECT generate_series(1, 5);
INSERT INTO c SELECT generate_series(1, 8);
"""
FIELDS = {"code", "severity", "edge", "text", "sql", "action"}


@pytest.fixture(scope="module")
def small(make_database: Callable[[str], str]) -> str:
    return make_database(MAKE)


@pytest.fixture(scope="module")
def demo(make_database: Callable[[str], str]) -> str:
    conninfo = make_database("")
    build_demo(conninfo)
    return conninfo


async def asked(conninfo: str, *arguments: str, settings: Settings | None = None, role: str | None = None) -> int:
    """The command in this process: starting another takes a second each."""
    options = parsers()["doctor"].parse_args(arguments)
    wanted = DoctorOptions.of(options)
    async with opened(conninfo, role) as (database, _):
        return await doctor(database, Console({}, ascii=options.ascii), settings or Settings(), wanted)


async def document(
    conninfo: str, capsys: pytest.CaptureFixture[str], *arguments: str, settings: Settings | None = None
) -> dict[str, Any]:
    await asked(conninfo, *arguments, "--format", "json", settings=settings)
    read: dict[str, Any] = json.loads(capsys.readouterr().out)
    return read


@pytest.fixture
def configured(tmp_path: Path) -> Settings:
    file = tmp_path / "known.toml"
    file.write_text(CONFIGURED)
    return load_settings(str(file), {}, tmp_path)


async def test_a_pair_that_can_not_be_made_reads_well_at_80_columns(
    demo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await asked(demo, SESSIONS, "--ascii") == 1
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert captured.out.isascii()
    assert lines[0] == "can't be made (1)"
    assert lines[2] == f"{SESSIONS}  [types_differ]"
    statements = [line for line in lines if line.startswith("    ")]
    told = [line for line in lines if line not in statements and not line.startswith("  run  ")]
    assert all(len(line) <= 80 for line in told)
    [change, add, validate] = [line.strip() for line in statements if line.startswith("    ALTER")]
    assert 'ALTER COLUMN "user_id" TYPE uuid USING ' in change
    assert add.endswith("NOT VALID;")
    assert "VALIDATE CONSTRAINT" in validate
    assert f"  run  fkexplorer plan '{SESSIONS}' change-type" in lines
    assert lines[-2].startswith("1 can't be made; 1 pair examined (")
    assert lines[-1].startswith("looked at ")


async def test_the_document_keeps_its_contract(demo: str, capsys: pytest.CaptureFixture[str]) -> None:
    read = await document(demo, capsys)
    assert read["findings"]
    for each in read["findings"]:
        assert each.keys() >= FIELDS
        assert each["severity"] in {"error", "warning", "notice"}
        assert each["text"] and each["seen"] and each["why"]  # noqa: PT018 - of each the same
    severities = [each["severity"] for each in read["findings"]]
    assert severities == sorted(severities, key=["error", "warning", "notice"].index)
    assert read["summary"]["errors"] == 0
    assert read["summary"]["warnings"] == severities.count("warning") > 0
    read = await document(demo, capsys, SESSIONS)
    [error] = read["findings"]
    assert (error["code"], error["severity"], error["edge"]) == ("types_differ", "error", SESSIONS)
    assert error["action"] == "change-type"
    assert error["sql"].splitlines()[0].startswith("-- First clean 8 rows")
    assert error["sql"].endswith(";")
    assert {lock["mode"] for lock in error["locks"]} >= {"AccessExclusiveLock"}


async def test_what_is_configured_is_examined_and_what_is_not_there_is_named(
    small: str, configured: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    read = await document(small, capsys, settings=configured)
    errors = {each["code"]: each for each in read["findings"] if each["severity"] == "error"}
    assert errors.keys() == {"orphans_in_the_way", "table_missing"}
    assert errors["orphans_in_the_way"]["edge"] == "public.c(p_id):public.p(id)"
    assert errors["orphans_in_the_way"]["text"].startswith("3 orphans in public.c.p_id")
    assert errors["table_missing"]["edge"] is None
    assert errors["table_missing"]["text"].endswith("known.toml:5)")
    assert read["summary"]["examined"] == 2
    # A file of another tool may be of another database: what it names and is not there is said, and no error.
    tables = '[sources]\ntbls = "tbls.yml"\n'
    (tmp_path / "tbls.yml").write_text(
        "relations:\n- table: elsewhere\n  columns: [p_id]\n  parentTable: p\n  parentColumns: [id]\n"
    )
    (tmp_path / "other.toml").write_text(tables)
    settings = load_settings(str(tmp_path / "other.toml"), {}, tmp_path)
    assert await asked(small, settings=settings) == 0
    assert "there is no table elsewhere" in capsys.readouterr().err
    # Without them nothing is wrong.
    assert await asked(small) == 0


async def test_a_pair_about_some_rows_is_counted_and_can_be_no_constraint(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "known.toml"
    file.write_text('[[relationships]]\npair = "notes(about_id):p(id) [about_type=P]"\n')
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE notes (about_id int, about_type text);"
            "INSERT INTO p VALUES (1); INSERT INTO notes VALUES (1, 'P'), (2, 'P'), (3, 'Q'), (4, NULL)"
        )
    settings = load_settings(str(file), {}, tmp_path)
    [notice] = (await document(database_url, capsys, settings=settings))["findings"]
    assert (notice["code"], notice["severity"], notice["sql"]) == ("conditional", "notice", None)
    assert notice["text"].endswith("it has 1 orphan.")


async def test_junit_has_a_case_for_what_is_well_and_for_each_finding(
    small: str, configured: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await asked(small, "--format", "junit", settings=configured) == 1
    [suite] = ET.fromstring(capsys.readouterr().out)  # noqa: S314 - it is our own
    cases = {case.get("name"): case for case in suite}
    assert len(cases["public.d.d_fkey"]) == 0
    assert cases["public.c(p_id):public.p(id) orphans_in_the_way"][0].tag == "failure"
    assert int(suite.get("failures", "")) == 2
    assert int(suite.get("tests", "")) == len(cases)


async def test_markdown_has_the_statements_in_blocks(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await asked(small, "c(p_id):p(id)", "--format", "markdown") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("# The constraints of ")
    assert "## Can't be made" in lines
    assert "### `public.c(p_id):public.p(id)`: orphans_in_the_way" in lines
    begin = lines.index("```sql")
    assert "NOT VALID;" in lines[begin + 1]


async def test_the_name_of_a_constraint_that_is_not_there_is_a_guess(
    demo: str, small: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await asked(demo, "sessions_user_id_fkey") == 1
    captured = capsys.readouterr()
    assert f"there is no foreign key sessions_user_id_fkey; a guess: {SESSIONS} (its name" in captured.err
    assert "types_differ" in captured.out
    # Its table may be what is not there: the CREATE that had the constraint failed.
    assert await asked(small, "visits_p_id_fkey") == 1
    assert "There is no table visits: its CREATE failed" in capsys.readouterr().out
    with pytest.raises(Trouble, match="there is no foreign key nothing_at_all"):
        await asked(small, "nothing_at_all")


async def test_one_foreign_key_alone(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await asked(small, "d_fkey") == 0
    assert "1 foreign key examined" in capsys.readouterr().out


async def test_a_table_that_is_not_there_is_a_finding_and_an_ambiguous_one_is_a_mistake(
    demo: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await asked(demo, "sesions(user_id):nextauth.users(id)") == 1
    assert "[table_missing]" in capsys.readouterr().out
    with pytest.raises(Trouble, match="users is the name of"):
        await asked(demo, "nextauth.sessions(user_id):users(id)")


async def test_what_could_not_be_looked_at_is_no_success(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with new_role(small) as role:
        assert await asked(small, "d_fkey", role=role) == 2
    captured = capsys.readouterr()
    assert "not looked at" in captured.out
    assert "could not be looked at: no SELECT on public.d" in captured.err
    # What is left out by its size is said, and is nobody's fault.
    assert await asked(small, "d_fkey", "--max-bytes", "1") == 0
    assert "over the cost limit (1)" in capsys.readouterr().out


async def test_as_a_process(small: str) -> None:
    done = await run("doctor", "-d", small, "c(p_id):p(id)")
    assert done.code == 1, done
    assert "VALIDATE would fail" in done.out
    helped = await run("doctor", "--help")
    assert helped.code == 0
    assert '"table(column, ...):table(column, ...)"' in helped.out


async def test_one_script_of_all(
    demo: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert await asked(demo, SESSIONS, "--plan") == 0
    said = capsys.readouterr()
    assert said.out.startswith("-- fkexplorer ")
    assert "a plan of 3 fixes of 1 foreign key\n" in said.out
    assert "-- Rows that are in the way are mended by quarantine; --clean has the other ways." in said.out
    assert "8 rows by quarantine, 4 steps; to run it: psql -X -f FILE" in said.err
    assert await asked(demo, SESSIONS, "--plan", "--clean", "delete") == 0
    said = capsys.readouterr()
    assert "8 rows by delete, 4 steps" in said.err
    assert 'DELETE FROM ONLY "nextauth"."sessions"' in said.out
    # Nothing was done by it.
    with psycopg.connect(demo) as connection:
        assert connection.execute("SELECT count(*) FROM nextauth.sessions").fetchone() == (148,)


async def test_a_plan_that_was_ignored_is_said(
    small: str, capsys: pytest.CaptureFixture[str], configured: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "known.toml"
    file.write_text(CONFIGURED + '[[ignored]]\nedge = "public.c(p_id):public.p(id)"\nreason = "known"\n')
    ignoring = load_settings(str(file), {}, tmp_path)
    assert await asked(small, "--plan", settings=ignoring) == 0
    said = capsys.readouterr()
    assert "-- There is nothing to do." in said.out
    assert "--   public.c(p_id):public.p(id): ignored: known" in said.out
    assert "nothing to do" in said.err
    assert await asked(small, "--plan", settings=configured) == 0
    said = capsys.readouterr()
    assert "ADD CONSTRAINT" in said.out
    assert "public.gone" in said.out


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--clean", "delete"), "--clean is for --plan"),
        (("--plan", "--format", "json"), "--format json"),
        (("--plan", "--write-baseline", "x"), "--write-baseline"),
    ],
)
async def test_options_of_a_plan(small: str, arguments: tuple[str, ...], reason: str) -> None:
    with pytest.raises(Trouble, match=reason) as raised:
        await asked(small, *arguments)
    assert raised.value.code == "usage"
