"""`check`, `show` and `rows` as processes on a real server."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.commands import assert_told, environment, finish, run, start
from tests.reports.test_documents import EDGE, SUMMARY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PASSWORD = "hunter2-open-sesame"  # noqa: S105 - a made-up one

SHOP = """
CREATE TABLE customers (id int PRIMARY KEY, name text);
CREATE TABLE orders (id int PRIMARY KEY, customer_id int, api_token text, note text);
CREATE TABLE items (id int PRIMARY KEY, order_id int NOT NULL, code text);
CREATE TABLE "Odd [/] Name" (id int PRIMARY KEY, "a b" int REFERENCES customers);
INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(1, 20) n;
INSERT INTO orders SELECT n, CASE WHEN n % 10 = 0 THEN 900 + n % 3 WHEN n % 7 = 0 THEN NULL ELSE n % 15 + 1 END,
    'token-' || n, CASE WHEN n = 10 THEN E'line\\nbreak \\x1b[31m' WHEN n = 20 THEN NULL ELSE '' END
    FROM generate_series(1, 50) n;
INSERT INTO items SELECT n, n % 40 + 1, 'x' FROM generate_series(1, 80) n;
ALTER TABLE orders ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY (customer_id) REFERENCES customers NOT VALID;
ALTER TABLE items ADD CONSTRAINT items_order_id_fkey FOREIGN KEY (order_id) REFERENCES orders ON DELETE CASCADE;
CREATE SCHEMA other;
CREATE TABLE other.items (id int PRIMARY KEY, item_id int REFERENCES public.items);
ANALYZE;
"""


async def execute(conninfo: str, *statements: str) -> list[Any]:
    """Run statements; the rows of the last."""
    async with await psycopg.AsyncConnection.connect(conninfo, autocommit=True) as connection:
        rows: list[Any] = []
        for statement in statements:
            cursor = await connection.execute(statement.encode())
            rows = await cursor.fetchall() if cursor.description else []
        return rows


@pytest.fixture
async def shop(database_url: str) -> str:
    """A database with one broken foreign key of four."""
    await execute(database_url, SHOP)
    return database_url


@pytest.fixture
async def reader(shop: str) -> AsyncIterator[str]:
    """The shop as a role that may read nothing yet."""
    name = f"reader_{conninfo_to_dict(shop)['dbname']}"
    await execute(shop, f'CREATE ROLE "{name}" LOGIN')
    try:
        yield make_conninfo(shop, user=name)
    finally:
        await execute(shop, f'DROP OWNED BY "{name}"', f'DROP ROLE "{name}"')


async def test_check_finds_orphans(shop: str) -> None:
    done = await run("check", shop)
    assert done.code == 1
    lines = done.out.splitlines()
    assert "public.orders.orders_customer_id_fkey" in lines[0]
    assert "5 orphans of about 50 rows" in lines[0]
    assert lines[0].split()[0] == "!5"
    assert lines[-1].startswith("4 of 4 foreign keys checked, 1 with orphans: 5 orphans (")
    (word,) = done.err.splitlines()
    assert word.startswith("fkexplorer: database ")
    assert word.endswith("(argument)")


async def test_check_as_json_keeps_the_contract(shop: str) -> None:
    done = await run("check", "--format", "json", "-d", shop, "--full")
    assert done.code == 1
    assert "--database" in done.err
    document = json.loads(done.out)
    assert set(document) == {"fkexplorer", "database", "started", "seconds", "summary", "problems", "edges"}
    assert set(document["summary"]) == SUMMARY
    assert all(set(edge) == EDGE for edge in document["edges"])
    assert document["database"]["server"].startswith("PostgreSQL ")
    assert document["database"]["name"] == conninfo_to_dict(shop)["dbname"]
    assert document["database"]["user"] == "postgres"
    assert document["summary"]["edges"] == document["summary"]["checked"] == 4
    worst = document["edges"][0]
    assert worst["id"] == "public.orders.orders_customer_id_fkey"
    assert (worst["orphans"], worst["missing_keys"], worst["rows"], worst["nulls"]) == (5, 3, 50, 7)
    assert (worst["state"], worst["status"], worst["bound"]) == ("not_valid", "orphans", "exact")
    cascade = next(edge for edge in document["edges"] if edge["constraint"] == "items_order_id_fkey")
    assert (cascade["on_delete"], cascade["orphans"], cascade["status"]) == ("cascade", 0, "clean")
    assert cascade["childless"] == 10


async def test_check_in_full_tells_all_totals_of_every_edge(shop: str) -> None:
    done = await run("check", shop, "--full")
    assert done.code == 1
    lines = done.out.splitlines()
    assert "5 orphans of 50 rows (10%), 3 missing keys" in lines[0]
    # Of 50 orders 7 have no customer; of 20 customers those from 1 to 15 have an order.
    assert lines[2].split(", ") == [f"{'':8}7 rows without a key (NULL)", "5 parents without a child"]
    clean = lines[lines.index("clean:") :]
    at = next(at for at, line in enumerate(clean) if "public.items.items_order_id_fkey" in line)
    assert "0 orphans of 80 rows" in clean[at]
    assert clean[at + 2].strip() == "0 rows without a key (NULL), 10 parents without a child"
    assert sum("parent" in line for line in lines) == 4


async def test_a_clean_database_ends_0(shop: str) -> None:
    await execute(shop, "DELETE FROM orders WHERE customer_id > 100")
    done = await run("check", shop)
    assert done.code == 0
    assert "no orphans" in done.out


async def test_an_empty_database_ends_0(database_url: str) -> None:
    done = await run("check", database_url)
    assert (done.code, done.out) == (0, "no foreign keys in 0 tables\n")


async def test_scope(shop: str) -> None:
    clean = await run("check", shop, "--table", "public.items", "--format", "json")
    assert clean.code == 0
    document = json.loads(clean.out)
    assert {edge["constraint"] for edge in document["edges"]} == {"items_order_id_fkey", "items_item_id_fkey"}
    assert document["summary"]["tables"] == 1
    other = json.loads((await run("check", shop, "--schema", "other", "--format", "json")).out)
    assert [edge["constraint"] for edge in other["edges"]] == ["items_item_id_fkey"]
    both = await run("check", shop, "--schema", "other", "--table", "orders", "--format", "json")
    assert both.code == 1
    assert json.loads(both.out)["summary"]["edges"] == 3


async def test_what_is_skipped(shop: str) -> None:
    done = await run("check", shop, "--max-bytes", "1", "--format", "json")
    assert done.code == 0
    document = json.loads(done.out)
    assert document["summary"]["skipped"] == 4
    assert document["summary"]["checked"] == 0
    assert {edge["orphans"] for edge in document["edges"]} == {None}
    failed = await run("check", shop, "--max-bytes", "1", "--fail-on-skipped")
    assert failed.code == 2
    assert "4 foreign keys could not be checked: 4 skipped" in failed.err
    assert "--max-bytes" in failed.err.splitlines()[-1]
    assert "not counted:" in failed.out


async def test_what_is_denied(shop: str, reader: str) -> None:
    role = conninfo_to_dict(reader)["user"]
    done = await run("check", reader)
    assert done.code == 2
    reason, hint = done.err.splitlines()[-2:]
    assert reason == "fkexplorer: 4 foreign keys could not be checked: 4 denied"
    assert "SELECT" in hint
    await execute(shop, f'GRANT SELECT ON orders, customers TO "{role}"')
    found = await run("check", reader, "--format", "json")
    assert found.code == 1  # orphans elsewhere
    summary = json.loads(found.out)["summary"]
    assert (summary["checked"], summary["failed"], summary["orphans"]) == (1, 3, 5)


async def test_show(shop: str) -> None:
    done = await run("show", "orders", "-d", shop, "--width", "90")
    assert done.code == 0
    assert "references 1  !5" in done.out
    assert "orders" in done.out.splitlines()[0]
    assert "customers" in done.out
    assert "!5 NV" in done.out
    assert "┌" in done.out
    assert "items" in done.out
    assert max(map(len, done.out.splitlines())) <= 90
    plain = await run("show", "orders", "-d", shop, "--ascii")
    assert plain.code == 0
    assert plain.out.isascii()
    assert "+--" in plain.out
    odd = await run("show", '"Odd [/] Name"', "-d", shop)
    assert "Odd [/] Name" in odd.out


async def test_names_that_are_not_there_or_not_enough(shop: str) -> None:
    assert_told(await run("show", "oders", "-d", shop), "there is no table oders", "public.orders")
    assert_told(await run("show", "items", "-d", shop), "2 tables", "other.items, public.items")
    assert_told(await run("rows", "orders_customer_fkey", "-d", shop), "public.orders.orders_customer_id_fkey")
    assert_told(await run("check", shop, "--table", "zzz"), "there is no table zzz")
    assert_told(await run("check", shop, "--schema", "zzz"), "zzz", "other, public")


async def test_rows(shop: str) -> None:
    done = await run("rows", "orders(customer_id)", "-d", shop)
    assert done.code == 0
    lines = done.out.splitlines()
    assert len(lines) == 2 + 5
    assert {"id", "customer_id", "api_token", "note"} <= set(lines[0].split())
    assert "token-10" not in done.out
    assert done.out.count("***") == 5
    assert "line␊break ␛[31m" in done.out
    assert "5 orphans" in done.err
    assert "masked: api_token (--reveal shows them)" in done.err
    revealed = await run("rows", "orders(customer_id)", "-d", shop, "--reveal")
    assert "token-10" in revealed.out
    few = await run("rows", "orders_customer_id_fkey", "-d", shop, "--limit", "2")
    assert len(few.out.splitlines()) == 4
    assert "2 orphans, and there are more (--limit)" in few.err


async def test_rows_for_programs(shop: str) -> None:
    done = await run("rows", "orders_customer_id_fkey", "-d", shop, "--format", "csv")
    assert done.code == 0
    rows = list(csv.DictReader(io.StringIO(done.out, newline="")))
    assert [row["id"] for row in rows] == ["10", "20", "30", "40", "50"]
    assert rows[0]["note"] == "line\nbreak \x1b[31m"
    assert {row["api_token"] for row in rows} == {"***"}
    document = json.loads((await run("rows", "orders_customer_id_fkey", "-d", shop, "--format", "json")).out)
    assert document["edge"] == "public.orders.orders_customer_id_fkey"
    assert document["kind"] == "orphans"
    assert [row["note"] for row in document["rows"]] == ["line\nbreak \x1b[31m", None, "", "", ""]
    assert document["masked"] == ["api_token"]
    assert document["more"] is False


async def test_missing_keys_and_childless_parents(shop: str) -> None:
    keys = json.loads((await run("rows", "orders_customer_id_fkey", "-d", shop, "--keys", "--format", "json")).out)
    assert keys["kind"] == "keys"
    assert sorted((row["customer_id"], row["rows"]) for row in keys["rows"]) == [
        ("900", "1"),
        ("901", "2"),
        ("902", "2"),
    ]
    parents = await run("rows", "orders_customer_id_fkey", "-d", shop, "--childless", "--format", "csv")
    found = {row["id"] for row in csv.DictReader(io.StringIO(parents.out, newline=""))}
    expected = await execute(shop, "SELECT id::text FROM customers EXCEPT SELECT customer_id::text FROM orders")
    assert found == {row[0] for row in expected}
    assert found


PARTITIONED = """
CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(0, 9);
CREATE TABLE c (pid int CONSTRAINT fk REFERENCES p) PARTITION BY RANGE (pid);
CREATE TABLE low PARTITION OF c FOR VALUES FROM (0) TO (12);
CREATE SCHEMA "Old, old";
CREATE TABLE "Old, old".high PARTITION OF c FOR VALUES FROM (12) TO (100);
SET session_replication_role = replica; INSERT INTO c SELECT generate_series(0, 19);
"""


async def test_orphans_by_partition(database_url: str) -> None:
    await execute(database_url, PARTITIONED)
    asked = ("rows", "public.c.fk", "-d", database_url, "--by-partition")
    done = await run(*asked)
    assert done.out.splitlines()[2:] == ['"Old, old".high     8', "public.low          2"]
    assert "public.c.fk: 2 partitions with orphans" in done.err
    table = await run(*asked, "--format", "csv")
    assert list(csv.reader(io.StringIO(table.out, newline=""))) == [
        ["partition", "rows"],
        ['"Old, old".high', "8"],
        ["public.low", "2"],
    ]
    document = json.loads((await run(*asked, "--format", "json", "--limit", "1")).out)
    assert (document["kind"], document["more"]) == ("partitions", True)
    assert document["rows"] == [{"partition": '"Old, old".high', "rows": "8"}]
    shown = await run("show", "c", "-d", database_url, "--ascii")
    assert shown.out.endswith(
        """
public.c.fk, by partition:
partition        rows
---------------  ----
"Old, old".high     8
public.low          2
"""
    )
    assert "by partition" not in (await run("show", "p", "-d", database_url)).out, "the partitions are not of this one"
    await execute(database_url, "DELETE FROM c WHERE pid > 9")
    assert "by partition" not in (await run("show", "c", "-d", database_url)).out
    none = await run(*asked)
    assert (none.code, none.out) == (0, "")
    assert "0 partitions with orphans" in none.err


async def test_by_partition_wants_a_partitioned_table(shop: str) -> None:
    done = await run("rows", "orders_customer_id_fkey", "-d", shop, "--by-partition")
    assert_told(done, "public.orders has no partitions", "--keys")
    assert_told(
        await run("rows", "orders_customer_id_fkey", "-d", shop, "--by-partition", "--keys"), "not allowed with"
    )


async def test_rows_come_in_pages_up_to_the_limit(shop: str) -> None:
    await execute(
        shop,
        "ALTER TABLE orders DISABLE TRIGGER ALL",
        "INSERT INTO orders SELECT n, 990 FROM generate_series(1001, 2000) n",
    )
    done = await run("rows", "orders_customer_id_fkey", "-d", shop, "--limit", "450", "--format", "csv")
    found = [row["id"] for row in csv.DictReader(io.StringIO(done.out, newline=""))]
    assert len(found) == len(set(found)) == 450
    everything = await run("rows", "orders_customer_id_fkey", "-d", shop, "--limit", "9999", "--format", "csv")
    assert len(everything.out.splitlines()) == 1 + 1005 + 1  # one value has a line break
    assert "1,005 orphans" in everything.err


async def test_a_role_that_cannot_read_the_rows(reader: str) -> None:
    assert_told(await run("rows", "orders_customer_id_fkey", "-d", reader))


async def test_a_reader_that_goes_away_is_no_fault(shop: str) -> None:
    code = (
        "import os\n"
        "read, write = os.pipe()\nos.close(read)\nos.dup2(write, 1)\n"
        "from fkexplorer.__main__ import main\nmain()\n"
    )
    for arguments in (["check", shop], ["show", "orders", "-d", shop], ["rows", "orders(customer_id)", "-d", shop]):
        done = await run(*arguments, code=code)
        assert done.code in (0, 1)
        assert "Traceback" not in done.err
        assert "Broken" not in done.err


async def test_where_the_database_comes_from(shop: str) -> None:
    env = environment(DATABASE_URL=shop)
    assert "($DATABASE_URL)" in (await run("check", env=env)).err
    option = await run("-d", shop, "check", env=environment(DATABASE_URL="postgresql://nowhere.invalid/x"))
    assert option.code == 1
    assert "(--database)" in option.err
    parts = conninfo_to_dict(shop)
    names = {"host": "PGHOST", "port": "PGPORT", "dbname": "PGDATABASE", "user": "PGUSER"}
    from_libpq = environment(**{names[name]: str(value) for name, value in parts.items() if name in names})
    assert (await run("check", env=from_libpq)).code == 1


async def test_a_database_that_is_not_there(shop: str) -> None:
    done = await run("check", make_conninfo(shop, dbname="no_such_database", password=PASSWORD))
    assert_told(done, "no_such_database")
    assert PASSWORD not in done.err


async def test_the_password_shows_up_nowhere(shop: str) -> None:
    conninfo = make_conninfo(shop, password=PASSWORD)
    for arguments in (
        ["check", conninfo],
        ["check", "-d", conninfo, "--format", "json"],
        ["show", "orders", "-d", conninfo],
        ["rows", "orders(customer_id)", "-d", conninfo],
        ["rows", "nothing_like_it", "-d", conninfo],
        ["check", make_conninfo(conninfo, port="1", host="127.0.0.1")],
    ):
        done = await run(*arguments)
        assert PASSWORD not in done.out + done.err
        assert done.out + done.err


async def locked(shop: str, *arguments: str) -> tuple[asyncio.subprocess.Process, psycopg.AsyncConnection[Any]]:
    """The program while its count waits on the server, and the connection that makes it wait."""
    blocker = await psycopg.AsyncConnection.connect(shop)
    await blocker.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
    process = await start(*arguments)
    for _ in range(1000):
        if await waiting(shop):
            return process, blocker
        await asyncio.sleep(0.01)
    process.kill()
    raise AssertionError("the count never reached the server")


async def waiting(shop: str) -> int:
    """Statements of others that wait for a lock in this database."""
    (row,) = await execute(
        shop,
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    return int(row[0])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
async def test_a_signal_ends_it_and_what_runs_on_the_server(shop: str, number: signal.Signals, code: int) -> None:
    process, blocker = await locked(shop, "check", shop)
    try:
        begun = time.monotonic()
        process.send_signal(number)
        done = await finish(process)
        assert done.code == code
        assert time.monotonic() - begun < 1.5
        assert done.out == ""
        assert "Traceback" not in done.err
        assert await waiting(shop) == 0
    finally:
        await blocker.close()


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc")
async def test_the_process_list_shows_no_password(shop: str) -> None:
    conninfo = make_conninfo(shop, password=PASSWORD)
    for arguments in (["check", conninfo], ["check", f"--database={conninfo}"], ["-d", conninfo, "check"]):
        process, blocker = await locked(shop, *arguments)
        try:
            shown = await asyncio.to_thread(Path(f"/proc/{process.pid}/cmdline").read_bytes)
            assert PASSWORD.encode() not in shown
            assert b"fkexplorer" in shown
            assert b"check" in shown
            assert b"***" in shown
        finally:
            process.terminate()
            await finish(process)
            await blocker.close()


async def test_a_command_line_without_a_password_stays(shop: str) -> None:
    if sys.platform != "linux":
        pytest.skip("there is no /proc")
    process, blocker = await locked(shop, "check", shop)
    try:
        shown = await asyncio.to_thread(Path(f"/proc/{process.pid}/cmdline").read_bytes)
        assert shown.split(b"\0")[1:-1] == [b"-m", b"fkexplorer", b"check", shop.encode()]
    finally:
        process.terminate()
        await finish(process)
        await blocker.close()
