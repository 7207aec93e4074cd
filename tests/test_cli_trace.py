"""`trace` as a person and as a program call it: places, rows, what was not searched; and what is said of a mistake."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from fkexplorer.arguments import parsers
from fkexplorer.config.settings import Settings
from fkexplorer.console import Console
from fkexplorer.database.model import Trouble
from fkexplorer.demo.database import build_demo
from fkexplorer.diagnosis.trace import trace as search
from fkexplorer.headless import CheckOptions, check
from fkexplorer.reports.style import plain
from fkexplorer.reports.trace import trace_lines
from fkexplorer.reports.values import width
from fkexplorer.schema.graph import Graph
from fkexplorer.tracing import TraceOptions, asked, trace
from tests.commands import assert_told, run
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable

DEAD = "a7189b92-ba75-4160-8fa0-426bfe8fa33a"
NEWEST = "d78a04ae-5a41-4c7e-9d0b-3f6c8e21b7aa"

MAKE = """
CREATE SCHEMA "Odd.Schema";
CREATE TABLE "Odd.Schema"."Order Items" ("Order Id" int, "no" int, note text, api_token text,
 PRIMARY KEY ("Order Id", "no"));
CREATE TABLE lines (o int, n int, FOREIGN KEY (o, n) REFERENCES "Odd.Schema"."Order Items");
CREATE TABLE codes (code text PRIMARY KEY);
INSERT INTO "Odd.Schema"."Order Items" VALUES (1, 2, E'\\x1b[31mred\\nline', 'hunter2');
INSERT INTO lines VALUES (1, 2), (1, 2);
INSERT INTO codes VALUES ('a,b'), ('1,2');
"""


@pytest.fixture(scope="module")
def small(make_database: Callable[[str], str]) -> str:
    return make_database(MAKE)


@pytest.fixture(scope="module")
def demo(make_database: Callable[[str], str]) -> str:
    conninfo = make_database("")
    build_demo(conninfo)
    return conninfo


async def traced(conninfo: str, *arguments: str) -> int:
    """The command in this process: starting another takes a second each."""
    options = parsers()["trace"].parse_args(arguments)
    asked = TraceOptions(options.columns, options.value, options.format, options.max_bytes)
    async with opened(conninfo) as (database, _):
        return await trace(database, Console({}, ascii=options.ascii), Settings(), asked)


async def document(conninfo: str, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert await traced(conninfo, *arguments, "--format", "json") == 0
    read: dict[str, Any] = json.loads(capsys.readouterr().out)
    return read


async def test_the_text_shows_key_by_tables(demo: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await traced(demo, "chat.chat_conversations.user_id", NEWEST, "--ascii") == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert captured.out.isascii()
    assert all(len(line) <= 80 for line in lines)
    assert lines[0] == NEWEST
    rows = [
        " ".join(line.split()) for line in lines[lines.index("tied to it by foreign keys:") + 1 :] if line[2:3] != " "
    ]
    assert rows[:4] == [
        "1 row auth.users.id parent key",
        "1 row auth.identities.user_id refers to it",
        "no row chat.chat_conversations.user_id refers to it",
        "no row chat.user_profiles.id parent key",
    ]
    assert any(line.startswith(f"      id={NEWEST} email=yuki.lindqvist@example.com") for line in lines)
    assert "Values inside JSON and arrays" in captured.out
    assert "found in 3 of" in captured.err
    assert "chat.chat_conversations.user_id" in captured.err


async def test_json_has_all_that_is_known(demo: str, capsys: pytest.CaptureFixture[str]) -> None:
    read = await document(demo, capsys, "workspaces_dangling.workspaces.id", DEAD)
    assert read["columns"] == "workspaces_dangling.workspaces.id"
    assert read["value"] == [DEAD]
    assert read["found"] == 1
    assert read["searched"] + read["not_searched"] == len(read["sightings"])
    [held] = [each for each in read["sightings"] if each["rows"]]
    assert held == {
        "place": "workspaces_dangling.workspace_members.workspace_id",
        "schema": "workspaces_dangling",
        "table": "workspace_members",
        "columns": ["workspace_id"],
        "where": None,
        "role": "refers to it",
        "tied": True,
        "rows": 1,
        "at_least": False,
        "reason": None,
        "sample": held["sample"],
        "keys": [[held["sample"][0]["id"]]],
    }
    assert held["sample"][0]["workspace_id"] == DEAD
    read = await document(demo, capsys, "shop.orders.status", "paid", "--max-bytes", "8K")
    [left] = [each for each in read["sightings"] if each["place"] == "shop.orders.status"]
    assert left["rows"] is None
    assert left["reason"].startswith("no index, ")


async def test_nowhere_is_said_with_how_many_were_searched(demo: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await traced(demo, 'github."user".id', "acb42b05-c3e7-4818-aedb-42f95a2f3b54") == 0
    captured = capsys.readouterr()
    assert "found in 0 of " in captured.out
    assert "not in " in captured.out


async def test_names_are_written_as_sql_writes_them_and_keys_as_csv(
    small: str, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {"lines(o, n)", '"Odd.Schema"."Order Items"("Order Id", no)'}
    for written in ("lines(o,n)", '"Odd.Schema"."Order Items" ("Order Id", "no")', '"Order Items"("Order Id",no)'):
        read = await document(small, capsys, written, "1,2")
        held = {each["place"].removeprefix("public."): each["rows"] for each in read["sightings"] if each["rows"]}
        assert held == dict(zip(sorted(places, reverse=True), (2, 1), strict=True))
    read = await document(small, capsys, '"Order Items"."Order Id"', "1")
    assert {each["place"] for each in read["sightings"] if each["tied"]} == {
        '"Odd.Schema"."Order Items"."Order Id"',
        "public.lines.o",
    }
    # The value of one column is what it is, with commas and all.
    read = await document(small, capsys, "codes.code", "a,b")
    assert read["found"] == 1
    # Secrets are not read, and what is in a value does not move the cursor.
    assert await traced(small, '"Order Items".note', "\x1b[31mred\nline") == 0
    captured = capsys.readouterr()
    assert "hunter2" not in captured.out
    assert "\x1b" not in captured.out
    assert "note=␛[31mred␊line" in captured.out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("lines", "1"), "usage", "table.column"),
        (("public.lines", "1"), "usage", "public.lines.COLUMN"),
        (("codes.cod", "1"), "no_column", "code"),
        (("cods.code", "1"), "no_table", "codes"),
        (("lines(o,n)", "1"), "usage", "2 columns"),
    ],
)
async def test_mistakes(small: str, arguments: tuple[str, ...], code: str, words: str) -> None:
    with pytest.raises(Trouble) as raised:
        await traced(small, *arguments)
    assert raised.value.code == code
    assert words in f"{raised.value.reason} {raised.value.hint}"


async def test_as_a_process(small: str) -> None:
    done = await run("trace", "-d", small, "codes.code", "1,2")
    assert done.code == 0
    assert "1 row  public.codes.code" in done.out
    assert_told(await run("trace", "codes.code"), "VALUE")


async def test_lines_of_the_app_lead_to_rows_and_keep_to_their_width(demo: str) -> None:
    async with opened(demo) as (database, schema):
        table, columns = asked(schema, "shop.customers.id")
        found = await search(database, schema, Graph(schema), table, columns, ("17",), max_bytes=1 << 30, seconds=30.0)
    long = [replace(each, label="名" * 90, not_searched="x y" * 90, rows=None) for each in found.sightings[-9:-4]]
    sightings = (*found.sightings, *long, *(replace(each, tied=True, role="a role " * 9) for each in long))
    for cells in (40, 80, 200):
        for one in (found, replace(found, sightings=sightings)):
            assert all(width(plain(each.line)) <= cells for each in trace_lines(one, cells=cells))
    lines = trace_lines(found)
    opening = [(each.sighting.label, each.row) for each in lines if each.sighting is not None and each.row is not None]
    orders = next(each for each in found.sightings if each.label == "shop.orders.customer_id")
    assert [row for label, row in opening if label == "shop.orders.customer_id"] == list(range(len(orders.keys)))


async def test_the_gap_is_in_the_json_of_check(demo: str, capsys: pytest.CaptureFixture[str]) -> None:
    async with opened(demo) as (database, _):
        assert await check(database, Console({}), Settings(), CheckOptions(format="json", schemas=("chat",))) == 0
    edges = {each["constraint"]: each["childless"] for each in json.loads(capsys.readouterr().out)["edges"]}
    assert edges["user_profiles_id_fkey"] == 37
    assert edges["chat_conversations_user_id_fkey"] is None
