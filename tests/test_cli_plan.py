"""`plan` as a person calls it: the script on stdout, words on stderr, and nothing done to the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from fkexplorer.arguments import parsers
from fkexplorer.config.settings import Settings
from fkexplorer.console import Console
from fkexplorer.database.model import Trouble
from fkexplorer.planning import PlanOptions, plan
from tests.commands import assert_told, run
from tests.fixes.byhand import hashes
from tests.fixes.psqlrun import psql_of, run_script
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAKE = """
CREATE TABLE p (id int PRIMARY KEY, name text NOT NULL, token text DEFAULT 'hunter2');
CREATE TABLE users (id int PRIMARY KEY, meta jsonb);
CREATE TABLE c (id int PRIMARY KEY, pid int);
CREATE TABLE d (id int PRIMARY KEY, cid int REFERENCES c);
CREATE TABLE pp (a int, b text, PRIMARY KEY (a, b));
CREATE TABLE cc (id int PRIMARY KEY, a int, b text);
INSERT INTO p SELECT n, 'p' || n FROM generate_series(1, 10) n;
INSERT INTO users SELECT n, jsonb_build_object('name', 'u' || n) FROM generate_series(5, 12) n;
INSERT INTO c SELECT n, n FROM generate_series(1, 13) n;
INSERT INTO d VALUES (1, 1), (2, 13);
INSERT INTO pp VALUES (1, 'x,y'), (2, 'z');
INSERT INTO cc VALUES (1, 1, 'x,y'), (2, 9, 'old'), (3, 8, 'u');
ALTER TABLE c ADD CONSTRAINT fk FOREIGN KEY (pid) REFERENCES p NOT VALID;
"""


@pytest.fixture(scope="module")
def conninfo(make_database: Callable[[str], str]) -> str:
    """One database for the tests that only read."""
    return make_database(MAKE)


async def planned(conninfo: str, arguments: list[str]) -> int:
    """The command in this process: starting another takes a second each."""
    asked = PlanOptions.of(parsers()["plan"].parse_args(arguments))
    async with opened(conninfo) as (database, _):
        return await plan(database, Console({}), Settings(), asked)


@pytest.mark.parametrize(
    ("arguments", "query", "rows", "words"),
    [
        (["fk", "set-null"], "SELECT count(*) FROM c WHERE pid IS NULL", 3, "3 rows in 1 table, 1 step"),
        (
            ["fk", "set-null", "--strict-lock"],
            "SELECT count(*) FROM c WHERE pid IS NULL",
            3,
            "3 rows in 1 table, 1 step",
        ),
        (["c(pid)", "repoint", "--to", "7"], "SELECT count(*) FROM c WHERE pid = 7", 4, "3 rows in 1 table"),
        (["fk", "repoint", "--map", "{map}"], "SELECT count(*) FROM c WHERE pid = 2", 2, "1 row in 1 table"),
        (["fk", "insert-parents", "--set", "name='n'"], "SELECT count(*) FROM p WHERE name = 'n'", 3, "3 rows"),
        (
            ["fk", "backfill", "--from", "users", "--set", "name=s.meta->>'name'"],
            "SELECT count(*) FROM p WHERE name LIKE 'u%'",
            2,
            "2 rows in 1 table",
        ),
        (
            ["fk", "backfill", "--from", "users", "--set", "name=s.meta->>'name'", "--key", "12"],
            "SELECT count(*) FROM p WHERE name = 'u12'",
            1,
            "1 row in 1 table",
        ),
        (["cc(a,b):pp(a,b)", "repoint", "--to", '2,"z"'], "SELECT count(*) FROM cc WHERE b = 'z'", 2, "2 rows"),
        (["cc(b, a):pp(b, a)", "repoint", "--map", "{pairs}"], "SELECT count(*) FROM cc WHERE a = 1", 2, "1 row"),
        (["cc(a,b):pp(a,b)", "insert-parents", "--key", "5,q"], "SELECT count(*) FROM pp WHERE b = 'q'", 1, "1 row"),
        (
            ["cc(a,b):pp(a,b)", "add-constraint", "--name", "made"],
            "SELECT count(*) FROM pg_constraint WHERE conname = 'made' AND convalidated",
            1,
            "2 steps",
        ),
    ],
)
async def test_a_plan_is_a_script_that_runs(
    make_database: Callable[[str], str],
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    *,
    arguments: list[str],
    query: str,
    rows: int,
    words: str,
) -> None:
    (tmp_path / "map.csv").write_text("old,new\n11,2\n99,3\n\n")
    (tmp_path / "pairs.csv").write_text('"old",9,"x,y",1\n')
    known = {"map": str(tmp_path / "map.csv"), "pairs": str(tmp_path / "pairs.csv")}
    conninfo = make_database(MAKE)
    if "add-constraint" in arguments:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("DELETE FROM cc WHERE id > 1")
    was = hashes(conninfo)
    assert await planned(conninfo, [word.format(**known) for word in arguments]) == 0
    said = capsys.readouterr()
    assert words in said.err
    assert hashes(conninfo) == was
    assert "hunter2" not in said.out
    assert ('LOCK TABLE ONLY "public"."p" IN SHARE MODE;' in said.out) is ("--strict-lock" in arguments)
    ran = await run_script(psql_of(18), conninfo, said.out, tmp_path)
    assert (ran.code, ran.err) == (0, ""), ran
    with psycopg.connect(conninfo) as connection:
        assert connection.execute(query.encode()).fetchone() == (rows,)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["fk"], ["ACTION"]),
        (["fk", "delte"], ["'delte' is no action", "did you mean delete?"]),
        (["fk", "drop"], ["'drop' is no action"]),
        (["fk", "delete", "--force"], ["--force"]),
        (["fk", "delete", "--to", "3"], ["--to is not for delete", "it is for repoint"]),
        (["fk", "repoint", "--to", "3", "--map", "x"], ["not allowed with"]),
        (["fk", "repoint"], ["say which parent", "--to KEY"]),
        (["fk", "repoint", "--map", "/nowhere.csv"], ["/nowhere.csv cannot be read"]),
        (["fk", "repoint", "--map", "{map}"], ["map.csv:2 has 1 value in place of 2", "old, new"]),
        (["fk", "insert-parents"], ["needs a value for name", "--set COLUMN=SQL"]),
        (["fk", "insert-parents", "--set", "name"], ["is not COLUMN=SQL"]),
        (["fk", "insert-parents", "--set", "nam=1"], ["no column nam", "did you mean name?"]),
        (["fk", "insert-parents", "--set", "name=1; DROP TABLE p"], ["semicolon"]),
        (["fk", "backfill", "--from", "nobody"], ["there is no table nobody"]),
        (["fk", "backfill", "--scope", "gap"], ["which table", "--from TABLE"]),
        (["fk", "delete", "--repeatable"], ["--repeatable and --max-rows belong together"]),
        (["fk", "delete", "--max-rows", "9"], ["--repeatable and --max-rows belong together"]),
        (["fk", "validate", "--repeatable", "--max-rows", "9"], ["leave out --repeatable"]),
        (["fk", "validate", "--strict-lock"], ["leave out --strict-lock"]),
        (["fk", "validate"], ["3 rows would keep the server from it, by public.c.fk", "its orphans"]),
        (
            ["fk", "delete"],
            ["1 row would keep the server from it, by public.d.d_cid_fkey", "refer to rows that would go"],
        ),
        (["fk", "change-on-delete"], ["say which rule", "--rule RULE"]),
        (["fk", "change-on-delete", "--rule", "no"], ["--rule"]),
        (["cc(a):pp(b)", "repoint", "--to", "1"], ["no operator compares", "give them one type first"]),
        (["cc(a):pp(b)", "add-constraint"], ["no operator compares a, integer, with b, text", "change the type"]),
        (["c.fk", "delete", "--scope", "uncastable"], ["the columns can be compared", "leave out the scope"]),
        (["c.fk", "change-type", "--scope", "uncastable"], ["--scope is not for change-type"]),
        (["c.fk", "delete", "--scope", "gap"], ["--scope gap is not for delete", "backfill"]),
        (["c.fk", "delete", "--side", "parent"], ["--side is not for delete", "change-type"]),
        (["cc(a,b):pp(a)", "delete"], ["2 columns", "as many on either side"]),
        (["nothing", "delete"], ["no foreign key nothing"]),
    ],
)
async def test_what_cannot_be_planned(
    conninfo: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    (tmp_path / "map.csv").write_text("old,new\n1\n")
    known = {"map": str(tmp_path / "map.csv")}
    with pytest.raises(Trouble) as caught:
        await planned(conninfo, [word.format(**known) for word in arguments])
    assert capsys.readouterr().out == ""
    for word in words:
        assert word in f"{caught.value.reason} {caught.value.hint}"


async def test_nothing_to_do(conninfo: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for arguments in (["d_cid_fkey", "delete"], ["d_cid_fkey", "validate"], ["d(cid):c(id)", "add-constraint"]):
        assert await planned(conninfo, arguments) == 0
        said = capsys.readouterr()
        assert said.err.endswith("fkexplorer: nothing to do\n")
        ran = await run_script(psql_of(18), conninfo, said.out, tmp_path)
        assert (ran.code, ran.err) == (0, "")
        assert "fkexplorer: nothing to do" in ran.out


async def test_the_program(conninfo: str) -> None:
    done = await run("plan", "fk", "set-null", "-d", conninfo)
    assert done.code == 0
    assert done.out.startswith("-- fkexplorer ")
    assert done.err.splitlines()[-1].endswith("to run it: psql -X -f FILE")
    assert_told(await run("plan", "fk", "delete", "-d", conninfo), "1 row would keep the server from it")
    assert_told(await run("plan", "fk", "drop"), "'drop' is no action")
