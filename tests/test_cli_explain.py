"""`fkexplorer explain` on the four incidents of the demo, from their original error texts."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import tempfile
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fkexplorer import explaining
from fkexplorer.config.settings import Settings
from fkexplorer.console import Console
from fkexplorer.database.connection import Database
from fkexplorer.database.model import Trouble
from fkexplorer.database.source import Source
from fkexplorer.demo.database import build_demo
from fkexplorer.explaining import ExplainOptions
from tests.commands import Done, assert_told, environment, finish, run, start
from tests.diagnosis.logs import USER, char_wrapped, github_link

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

WORKSPACE = "a7189b92-ba75-4160-8fa0-426bfe8fa33a"
PROFILE = "d78a04ae-5a41-4c7e-9d0b-3f6c8e21b7aa"
WORKSPACES = f"""\
insert or update on table "users" violates foreign key constraint "users_primary_workspace_id_workspaces_id_fk"
DETAIL:  Key (primary_workspace_id)=({WORKSPACE}) is not present in table "workspaces".
"""
PROFILES = f"""\
PostgrestException(message: insert or update on table "chat_conversations" violates foreign key constraint
"chat_conversations_user_id_fkey", code: 23503, details: Key (user_id)=({PROFILE}) is not present in table
"user_profiles", hint: null)
"""
NEXTAUTH = 'Error [GetUserByAccountError]: foreign key constraint "sessions_user_id_fkey" cannot be implemented\n'
INCIDENT = github_link()
LINK = "github.user_github_installation.user_github_installation_user_id_user_id_fk"
PRIMARY = "users.users_primary_workspace_id_workspaces_id_fk"
ERROR = {
    *("kind", "sqlstate", "constraint", "child_schema", "child_table", "columns", "values", "parent_table", "edge"),
    *("occurrences", "live", "findings", "ruled_out", "suggestions"),
}
"""What the contract promises of an error."""


@pytest.fixture(scope="module")
def demo(make_database: Callable[[str], str]) -> str:
    """The demo's database."""
    conninfo = make_database("SELECT 1")
    build_demo(conninfo)
    return conninfo


@pytest.fixture(scope="module")
def github_log(demo: str) -> str:
    """Incident 1's log, of an installation that is there."""
    [(installation,)] = query(demo, "SELECT id::text FROM github.installation ORDER BY id LIMIT 1")
    return INCIDENT.replace("61234567", installation)


def query(conninfo: str, statement: str) -> list[tuple[Any, ...]]:
    """The rows of a statement, which is committed."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


async def explain(text: str, *arguments: str, env: Mapping[str, str] | None = None) -> Done:
    """The command with a text in its pipe."""
    process = await start("explain", "-", *arguments, env=env, stdin=asyncio.subprocess.PIPE)
    return await finish(process, text)


async def errors(text: str, conninfo: str, edge: str | None = None) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and the errors as JSON: the command in this process."""
    said = io.StringIO()
    with tempfile.NamedTemporaryFile() as file, contextlib.redirect_stdout(said):
        file.write(text.encode())
        file.flush()
        database = await Database.connect(Source(conninfo, "-d"))
        try:
            options = ExplainOptions(file.name, "json", edge)
            code = await explaining.explain(database, Console({}), Settings(), options)
        finally:
            await database.close()
    found = json.loads(said.getvalue())["errors"]
    assert all(set(error) >= ERROR for error in found)
    return code, found


def codes(evidence: list[dict[str, Any]]) -> dict[str, str]:
    """Code and text of each."""
    return {each["code"]: each["text"] for each in evidence}


def flat(text: str) -> str:
    """The text without its line breaks."""
    return " ".join(text.split())


async def test_incident_1_as_a_program_reads_it(demo: str, github_log: str) -> None:
    code, [error] = await errors(github_log, demo)
    assert code == 1
    assert (error["kind"], error["edge"], error["live"], error["side"]) == ("missing_parent", LINK, True, "parent")
    assert (error["child_table"], error["columns"], error["values"]) == (
        "user_github_installation",
        ["user_id"],
        [USER],
    )
    assert (error["constraint"], error["sqlstate"], error["parent_table"]) == (LINK.rpartition(".")[2], "23503", "user")
    assert error["occurrences"] == 2
    found, ruled_out = codes(error["findings"]), codes(error["ruled_out"])
    assert next(iter(found)) == "key_missing"
    assert f'github."user" has no row with id = {USER}' in found["key_missing"]
    assert "The text says schema public" in found["schema_differs"]
    assert re.search(r"found in 0 of \d+ columns searched.*outside this database", found["from_outside"])
    assert "23503 is no duplicate" in ruled_out["no_duplicate"]
    assert "ON CONFLICT does not absorb it" in ruled_out["no_duplicate"]
    assert "has no row with (user_id, installation_id)" in ruled_out["no_duplicate"]
    assert "github.installation has id = " in ruled_out["other_key_present"]
    assert "a refused insert leaves no row" in ruled_out["no_row_left"]
    assert error["trace"]["found"] == 0
    assert error["trace"]["searched"] > 50
    own = error["totals"][0]
    assert (own["edge"], own["rows"], own["parents"], own["orphans"], own["nulls"]) == (LINK, 130, 160, 0, 0)
    actions = {each["action"]: each for each in error["suggestions"] if each["action"]}
    assert actions["insert-parents"]["key"] == [USER]
    assert actions["insert-parents"]["command"] == f"fkexplorer plan {LINK} insert-parents --key {USER}"
    assert all(each["at"].endswith("Z") for each in (*error["findings"], *error["ruled_out"]))
    assert error["problem"] is None


async def test_incident_1_as_a_person_reads_it(demo: str, github_log: str) -> None:
    done = await explain(github_log, "-d", demo, env=environment(COLUMNS="80"))
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[0] == LINK
    own = conninfo_to_dict(demo)
    text = flat(done.out)
    for words in (
        "wrong side: parent; it would come again now",
        f'github."user" has no row with id = {USER}.',
        f"UTC as postgres@[local]/{own['dbname']}",
        "found in 0 of ",
        "130 rows, 160 parents, 0 NULL, 0 orphans, 0 missing keys, 30 parents without a child",
        "insert-parents: Insert the parent",
        "a refused insert leaves no row",
    ):
        assert words in text, done.out
    shown = lines[: lines.index("to see it again, each with what it gave")]
    assert all(len(line) <= 80 for line in shown if "SELECT" not in line and "INSERT" not in line), done.out
    assert re.search(r'\[github\."user": 0 rows, \d\d:\d\d:\d\d\]', text)


async def test_each_query_gives_by_hand_what_is_said(demo: str, github_log: str) -> None:
    _, [error] = await errors(github_log, demo)
    queries = error["verification"]
    assert len(queries) > 5
    for each in queries:
        [(number,)] = query(demo, each["query"])
        assert each["result"].split()[0] == str(number), each


async def test_the_user_came_since(demo: str, github_log: str) -> None:
    query(demo, f"INSERT INTO github.\"user\" VALUES ('{USER}', 'a', 'a@b.c', true, now())")
    try:
        code, [error] = await errors(github_log, demo)
    finally:
        query(demo, f"DELETE FROM github.\"user\" WHERE id = '{USER}'")
    assert (code, error["live"], error["side"]) == (0, False, None)
    assert f"has id = {USER} now" in codes(error["findings"])["key_exists_now"]
    assert not any(each["action"] in {"insert-parents", "delete"} for each in error["suggestions"])


async def test_the_next_foreign_key_would_refuse_it_too(demo: str) -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    text = INCIDENT.replace("61234567", nobody)
    _, [error] = await errors(text, demo)
    assert f"github.installation has no row with id = {nobody}" in codes(error["findings"])["other_key_missing"]
    query(demo, f"INSERT INTO github.\"user\" VALUES ('{USER}', 'a', 'a@b.c', true, now())")
    try:
        code, [error] = await errors(text, demo)
    finally:
        query(demo, f"DELETE FROM github.\"user\" WHERE id = '{USER}'")
    # The parent is there, and yet the insert would be refused: nothing is mended.
    assert (code, error["live"]) == (1, True)


async def test_incident_2_is_told_of_both_schemas_and_none_is_chosen(demo: str) -> None:
    done = await explain(WORKSPACES, "-d", demo)
    assert done.code == 2
    reason, hint = done.err.splitlines()[-2:]
    assert "would come again is not known" in reason
    assert "--edge" in hint
    code, [error] = await errors(WORKSPACES, demo)
    assert (code, error["edge"], error["live"]) == (2, None, None)
    labels = {each["edge"] for each in error["candidates"]}
    assert labels == {f"workspaces.{PRIMARY}", f"workspaces_dangling.{PRIMARY}"}
    assert all(label in done.out for label in labels)


async def test_incident_2_where_nothing_is_left(demo: str) -> None:
    code, [error] = await errors(WORKSPACES, demo, f"workspaces.{PRIMARY}")
    assert (code, error["live"], error["side"]) == (1, True, "parent")
    own, members = error["totals"]
    assert (own["rows"], own["parents"], own["nulls"], own["orphans"]) == (179, 179, 0, 0)
    assert (members["rows"], members["parents"], members["nulls"], members["orphans"]) == (183, 179, 0, 0)
    assert own["as_of"] == members["as_of"]
    found, ruled_out = codes(error["findings"]), codes(error["ruled_out"])
    assert list(found)[:2] == ["key_missing", "concurrent_delete"]
    assert "users_primary_workspace_id_workspaces_id_fk is NO ACTION" in found["rules_disagree"]
    assert "workspace_members_workspace_id_workspaces_id_fk is CASCADE" in found["rules_disagree"]
    assert "can't be known" in found["deletion_times_unknown"]
    assert "0 orphans on 2 edges" in str(ruled_out)
    assert {"no_row_left", "no_duplicate"} <= set(ruled_out)
    lock = next(each for each in error["suggestions"] if "FOR KEY SHARE" in (each["sql"] or ""))
    [row] = query(demo, f"SELECT count(*) FROM workspaces.workspaces WHERE id = '{WORKSPACE}'")
    assert row == (0,)
    assert query(demo, lock["sql"]) == []
    change = next(each for each in error["suggestions"] if each["action"] == "change-on-delete")
    assert change["edge"] == f"workspaces.{PRIMARY}"


async def test_incident_2_with_a_membership_left(demo: str) -> None:
    code, [error] = await errors(WORKSPACES, demo, f"workspaces_dangling.{PRIMARY}")
    assert code == 1
    members = "workspaces_dangling.workspace_members.workspace_members_workspace_id_workspaces_id_fk"
    delete = next(each for each in error["suggestions"] if each["action"] == "delete")
    assert (delete["edge"], delete["key"]) == (members, [WORKSPACE])
    statement = f"SELECT id::text FROM workspaces_dangling.workspace_members WHERE workspace_id = '{WORKSPACE}'"
    assert delete["rows"] == [list(row) for row in query(demo, statement)]
    assert delete["command"] == f"fkexplorer plan {members} delete"
    [holding] = [each for each in error["trace"]["sightings"] if each["rows"] and each["tied"]]
    assert (holding["place"], holding["rows"]) == ("workspaces_dangling.workspace_members.workspace_id", 1)
    by_edge = {each["edge"]: each for each in error["totals"]}
    assert (by_edge[members]["orphans"], by_edge[members]["missing_keys"]) == (1, 1)


async def test_incident_3_has_the_gap(demo: str) -> None:
    code, [error] = await errors(PROFILES, demo)
    assert code == 1
    assert error["edge"] == "chat.chat_conversations.chat_conversations_user_id_fkey"
    gap = error["gap"]
    assert (gap["source"], gap["target"], gap["rows"], gap["missing"]) == ("auth.users", "chat.user_profiles", 412, 37)
    assert gap["trigger"] is None
    assert len(query(demo, gap["query"])) == 37
    where = {each["place"] for each in error["trace"]["sightings"] if each["rows"]}
    assert "auth.users.id" in where
    assert not any(each.startswith("chat.user_profiles") for each in where)
    first = error["suggestions"][0]
    assert (first["action"], first["scope"], first["source"]) == ("backfill", "gap", "auth.users")
    assert first["command"].endswith("backfill --from auth.users --scope gap")
    text = flat((await explain(PROFILES, "-d", demo)).out)
    assert "37 of 412 rows of auth.users have no row in chat.user_profiles." in text
    assert "No trigger of auth.users makes rows of chat.user_profiles" in text


async def test_incident_4_is_a_guess_by_its_name(demo: str) -> None:
    code, [error] = await errors(NEXTAUTH * 2, demo)
    assert (error["kind"], error["edge"], error["occurrences"]) == ("cannot_implement", None, 2)
    [guess] = error["candidates"]
    assert guess["label"] == "nextauth.sessions(user_id):nextauth.users(id)"
    assert guess["reasons"]
    found, ruled_out = codes(error["findings"]), codes(error["ruled_out"])
    assert "constraint_absent" in found
    texts = " ".join(found.values())
    assert "nextauth.sessions.user_id is text, nextauth.users.id is uuid" in texts
    assert "3 values of nextauth.sessions.user_id" in texts
    assert "5 rows of nextauth.sessions would still name no row" in texts
    assert {"order_of_creation", "no_unique_key", "two_starts"} <= set(ruled_out)
    assert (code, error["live"]) == (1, True)
    assert "ALTER COLUMN user_id TYPE uuid USING user_id::uuid" in str(error["suggestions"])


async def test_incident_4_where_the_table_never_came(make_database: Callable[[str], str]) -> None:
    conninfo = make_database("CREATE TABLE users (id uuid PRIMARY KEY)")
    code, [error] = await errors(NEXTAUTH, conninfo)
    assert code == 1
    assert "sessions does not exist: its CREATE failed." in codes(error["findings"]).values()
    assert error["edge"] is None


async def test_without_a_database_it_only_parses(github_log: str, tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    path.write_text(github_log)
    done = await run("explain", str(path), "--format", "json", env=environment())
    assert done.code == 0
    document = json.loads(done.out)
    [error] = document["errors"]
    assert document["database"] is None
    assert (error["edge"], error["live"], error["findings"], error["ruled_out"], error["suggestions"]) == (
        None,
        None,
        [],
        [],
        [],
    )
    assert error["values"] == [USER]
    assert "no database was named" in done.err
    text = await run("explain", str(path))
    assert text.code == 0
    assert f"user_id = {USER}" in text.out
    assert "come again" not in text.out


async def test_a_text_without_an_error(demo: str) -> None:
    for arguments in ([], ["-d", demo]):
        done = await explain("all is well\n", *arguments)
        assert (done.code, done.out) == (0, "")
        assert "no foreign-key error in 1 line" in done.err
    done = await explain('ERROR:  duplicate key value violates unique constraint "users_pkey"\n')
    assert "no foreign-key error in 1 line; 1 other error of a database\n" in done.err
    done = await explain("", "--format", "json")
    assert json.loads(done.out)["errors"] == []
    assert done.code == 0


async def test_what_ends_with_2(demo: str, tmp_path: Path) -> None:
    bare = await explain("ERROR:  23503\n", "-d", demo)
    assert bare.code == 2
    assert "hint: the text names too little to look for" in bare.err
    assert_told(await explain(PROFILES, "-d", "host=127.0.0.1 port=1 dbname=x"))
    assert_told(await run("explain", str(tmp_path / "none.log")), "none.log cannot be read")
    with pytest.raises(Trouble, match="no foreign key nothing"):
        await errors(PROFILES, demo, "nothing")


async def test_secrets_are_shown_nowhere(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        "CREATE TABLE keys (api_token text PRIMARY KEY);"
        "CREATE TABLE uses (id int, api_token text CONSTRAINT uses_fk REFERENCES keys)"
    )
    text = (
        'ERROR:  insert or update on table "uses" violates foreign key constraint "uses_fk"\n'
        'DETAIL:  Key (api_token)=(hunter22) is not present in table "keys".\n'
        "STATEMENT:  INSERT INTO uses (id, api_token) VALUES (1, 'hunter22')\n"
    )
    code, found = await errors(text, conninfo)
    assert code == 1
    assert "hunter22" not in str(found)
    assert found[0]["values"] == found[0]["trace"]["value"] == ["***"]
    for arguments in ([], ["--format", "markdown"]):
        done = await explain(text, "-d", conninfo, *arguments)
        assert done.code == 1, done
        assert "hunter22" not in done.out + done.err
        assert "api_token" in done.out


async def test_a_role_that_may_read_nothing_is_told_so(demo: str) -> None:
    name = f"stranger_{os.getpid()}"
    query(demo, f"CREATE ROLE {name} LOGIN; GRANT USAGE ON SCHEMA chat TO {name}")
    try:
        code, [error] = await errors(PROFILES, make_conninfo(demo, user=name))
    finally:
        query(demo, f"DROP OWNED BY {name}; DROP ROLE {name}")
    assert (code, error["live"]) == (2, None)
    assert "denied" in codes(error["findings"])
    assert error["totals"][0]["orphans"] is None
    assert error["totals"][0]["problem"]


async def test_markdown_keeps_what_is_foreign_inert(make_database: Callable[[str], str]) -> None:
    conninfo = make_database(
        'CREATE TABLE p (id text PRIMARY KEY); CREATE TABLE "*c*" (p text CONSTRAINT c_fk REFERENCES p)'
    )
    text = (
        'ERROR:  insert or update on table "*c*" violates foreign key constraint "c_fk"\n'
        'DETAIL:  Key (p)=(<b>`x`) is not present in table "p".\n'
    )
    done = await explain(text, "-d", conninfo, "--format", "markdown")
    assert done.code == 1
    outside = re.sub(r"(?ms)^ *```.*?^ *```$|`` .*? ``", "", done.out)
    assert "\\<b>\\`x\\`" in outside
    assert "<b>" not in outside.replace("\\<b>", "")
    assert "\\*c\\*" in outside


async def test_a_terminal_is_told_what_to_do(github_log: str) -> None:
    main, terminal = os.openpty()
    process = await start("explain", stdin=terminal)
    os.close(terminal)
    assert process.stderr is not None
    assert b"paste the text, then Ctrl-D" in await asyncio.wait_for(process.stderr.readline(), 20)
    os.write(main, PROFILES.encode() + b"\x04")
    done = await finish(process)
    os.close(main)
    assert done.code == 0
    assert PROFILE in done.out


async def test_help_names_the_exit_codes() -> None:
    done = await run("explain", "--help")
    assert "exit codes" in done.out
    assert "tail -f" in done.out


async def test_the_log_hard_wrapped_by_a_console_is_the_same_finding(demo: str, github_log: str) -> None:
    code, found = await errors(char_wrapped(github_log, 80), demo)
    assert code == 1
    assert [error["edge"] for error in found] == [LINK]
    assert (found[0]["values"], found[0]["occurrences"]) == ([USER], 2)
