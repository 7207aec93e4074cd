"""`impact` as a person and as a program call it: the tree, the document, and what is said of a mistake."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from fkexplorer.arguments import parsers
from fkexplorer.config.settings import Settings
from fkexplorer.console import Console
from fkexplorer.database.model import Trouble
from fkexplorer.demo.database import build_demo
from fkexplorer.impacting import ImpactOptions, impact
from tests.commands import assert_told, run
from tests.orphans.connected import opened

if TYPE_CHECKING:
    from collections.abc import Callable

MAKE = """
CREATE TABLE "Pair" (x int, y text, PRIMARY KEY (x, y));
CREATE TABLE pairs (id int PRIMARY KEY, x int, y text,
 CONSTRAINT pairs_fk FOREIGN KEY (x, y) REFERENCES "Pair" ON DELETE SET NULL);
CREATE TABLE codes (code text PRIMARY KEY);
INSERT INTO "Pair" VALUES (1, 'a,b'), (2, 'c');
INSERT INTO pairs VALUES (1, 1, 'a,b'), (2, 1, 'a,b'), (3, 2, 'c');
INSERT INTO codes VALUES ('a,b');
"""


@pytest.fixture(scope="module")
def small(make_database: Callable[[str], str]) -> str:
    return make_database(MAKE)


@pytest.fixture(scope="module")
def demo(make_database: Callable[[str], str]) -> str:
    conninfo = make_database("")
    build_demo(conninfo)
    return conninfo


async def asked(conninfo: str, *arguments: str) -> int:
    """The command in this process: starting another takes a second each."""
    options = parsers()["impact"].parse_args(arguments)
    wanted = ImpactOptions(options.table, tuple(options.keys), options.format, options.max_bytes)
    async with opened(conninfo) as (database, _):
        return await impact(database, Console({}, ascii=options.ascii), Settings(), wanted)


async def document(conninfo: str, capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert await asked(conninfo, *arguments, "--format", "json") == 0
    read: dict[str, Any] = json.loads(capsys.readouterr().out)
    return read


async def test_the_text_names_what_refuses_and_what_is_slow(demo: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert await asked(demo, "shop.customers", "17", "--ascii") == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert captured.out.isascii()
    assert all(len(line) <= 80 for line in lines)
    assert lines[0] == "delete 1 row of shop.customers: 17"
    assert lines[1].startswith("PostgreSQL refuses it: by shop.orders.orders_customer_id_fkey")
    assert any("shop.addresses.customer_id" in line and line.endswith("2 rows deleted") for line in lines)
    assert any(
        line.startswith("|  ") and "shop.orders.billing_address_id" in line and line.endswith("4 rows REFUSE  noix")
        for line in lines
    )
    assert any(line.split() == ["shop.orders.billing_address_id", "about", "64.0", "KiB"] for line in lines)
    assert "PostgreSQL refuses it" in captured.err


async def test_json_has_all_that_is_known(small: str, capsys: pytest.CaptureFixture[str]) -> None:
    read = await document(small, capsys, '"Pair"', '1,"a,b"', "2,c")
    [hop] = read.pop("tree")
    assert hop == {
        "constraint": "public.pairs.pairs_fk",
        "table": "public.pairs",
        "columns": ["x", "y"],
        "does": "set_null",
        "rows": 3,
        "at_least": False,
        "refused": 0,
        "doubtful": 0,
        "reason": None,
        "indexed": False,
        "bytes": hop["bytes"],
        "see_above": False,
        "tree": [],
    }
    assert read == {
        "table": 'public."Pair"',
        "keys": [["1", "a,b"], ["2", "c"]],
        "rows": 2,
        "verdict": "goes",
        "blockers": [],
        "complete": True,
        "stopped_by": None,
        "max_rows": 100_000,
        "as_of": read["as_of"],
        "seconds": read["seconds"],
        "tables": [
            {"table": 'public."Pair"', "deleted": 2, "updated": 0, "more_updates": 0},
            {"table": "public.pairs", "deleted": 0, "updated": 3, "more_updates": 0},
        ],
        "triggers": [],
    }
    # The value of one column is what it is, with commas and all.
    assert (await document(small, capsys, "codes", "a,b"))["rows"] == 1


async def test_what_refuses_comes_with_the_way_to_it(demo: str, capsys: pytest.CaptureFixture[str]) -> None:
    read = await document(demo, capsys, "shop.customers", "17")
    assert read["verdict"] == "refused"
    paths = {each["constraint"]: each["path"] for each in read["blockers"]}
    assert paths["shop.orders.orders_customer_id_fkey"] == []
    assert paths["shop.orders.orders_billing_address_id_fkey"] == ["shop.addresses.addresses_customer_id_fkey"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("pars", "1"), "no_table", "pairs"),
        (("pairs", "x"), "usage", "integer"),
        (("Pair", "1"), "usage", "told by x, y"),
        (("pairs", "77"), "no_row", "no row 77"),
    ],
)
async def test_mistakes(small: str, arguments: tuple[str, ...], code: str, words: str) -> None:
    with pytest.raises(Trouble) as raised:
        await asked(small, *arguments)
    assert raised.value.code == code
    assert words in f"{raised.value.reason} {raised.value.hint}"


async def test_as_a_process(small: str) -> None:
    done = await run("impact", "-d", small, "pairs", "1", "2")
    assert done.code == 0
    assert "It goes through: no foreign key refuses it." in done.out
    assert_told(await run("impact", "pairs"), "KEY")
