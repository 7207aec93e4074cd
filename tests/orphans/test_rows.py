"""What a page of orphan rows shows, what it leaves on the server, and what it says of itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from fkexplorer.database.model import Trouble
from fkexplorer.orphans.model import Value
from fkexplorer.orphans.rows import childless_parents, missing_keys, orphan_rows, orphan_rows_of_table, whole_row
from tests.orphans.pages import ask, counted, opened, run, texts, the_edge, the_table, walk

if TYPE_CHECKING:
    from pathlib import Path

PARENT = "CREATE TABLE parent (id int PRIMARY KEY);"


async def test_key_and_foreign_key_come_first(database_url: str) -> None:
    run(
        database_url,
        f"""{PARENT}
        CREATE TABLE child (note text, pid int CONSTRAINT fk REFERENCES parent, z int, k int, j int,
         PRIMARY KEY (k, j));
        INSERT INTO child VALUES (NULL, 7, 1, 2, 3), ('NULL', 8, NULL, 2, 4), ('', 9, 0, 2, 5), ('x', NULL, 0, 2, 6);
        """,
    )
    async with opened(database_url) as (database, schema):
        page = await orphan_rows(database, schema, the_edge(schema))
        marks = [(field.name, field.key, field.foreign, field.secret) for field in page.fields]
        assert marks == [
            ("k", True, False, False),
            ("j", True, False, False),
            ("pid", False, True, False),
            ("note", False, False, False),
            ("z", False, False, False),
        ]
        assert texts(page, "k", "j", "pid", "note", "z") == [
            ("2", "3", "7", None, "1"),
            ("2", "4", "8", "NULL", None),
            ("2", "5", "9", "", "0"),
        ]
        assert (page.more, page.after, page.as_role, page.left_out) == (False, None, False, ())
        assert page.keys == (("2", "3"), ("2", "4"), ("2", "5"))


async def test_the_time_is_the_servers(database_url: str) -> None:
    run(database_url, f"{PARENT} CREATE TABLE child (pid int CONSTRAINT fk REFERENCES parent);")
    async with opened(database_url) as (database, schema):
        [(before,)] = ask(database_url, "SELECT clock_timestamp()")
        page = await orphan_rows(database, schema, the_edge(schema))
        [(after,)] = ask(database_url, "SELECT clock_timestamp()")
        assert before <= page.as_of <= after
        assert page.as_of.tzinfo is UTC
        assert 0 < page.seconds < 10
        assert abs(page.as_of - datetime.now(UTC)) < timedelta(minutes=1)
        assert (len(page.rows), len(page.keys)) == (0, 0)


async def test_values_are_cut_on_the_server(database_url: str, tmp_path: Path) -> None:
    run(
        database_url,
        f"""{PARENT}
        CREATE DOMAIN blob AS bytea;
        CREATE TABLE child (k int PRIMARY KEY, pid int CONSTRAINT fk REFERENCES parent,
         words text, bytes bytea, more blob, json jsonb, list int[], here point);
        INSERT INTO child SELECT g, 7, v, convert_to(v, 'UTF8'), 'abc', to_jsonb(v), NULL, '(1,2)'
         FROM (SELECT repeat('€', 3500000) AS v) s, generate_series(1, 3) g;
        INSERT INTO child SELECT g, 7, v FROM (SELECT repeat('€', 3500000) AS v) s, generate_series(4, 50) g;
        INSERT INTO child SELECT 51, 7, 'short', 'ab', repeat('x', 10)::bytea, '{{}}', array_agg(g), NULL
         FROM generate_series(1, 1000000) g;
        """,
    )
    async with counted(database_url, tmp_path) as (way, sizes), opened(way) as (database, schema):
        edge = the_edge(schema)
        sizes.clear()
        page = await orphan_rows(database, schema, edge, width=20)
        assert len(page.rows) == 51
        assert sum(sizes) < 50_000
        names = [field.name for field in page.fields]
        row = dict(zip(names, page.rows[0], strict=True))
        assert row["words"] == Value("€" * 20, cut=True)
        assert row["bytes"] == Value("\\x" + "e282ac" * 3, cut=True)
        assert row["more"] == Value("\\x616263")
        assert row["json"] == Value('"' + "€" * 19, cut=True)
        assert row["list"] == Value(None)
        assert row["here"] == Value("(1,2)")
        last = dict(zip(names, page.rows[-1], strict=True))
        assert last["words"] == Value("short")
        assert last["bytes"] == Value("\\x6162")
        assert last["more"] == Value("\\x" + "78" * 9, cut=True)
        assert last["list"] == Value("{1,2,3,4,5,6,7,8,9,1", cut=True)
        sizes.clear()
        whole = await whole_row(database, schema, the_table(schema, "child"), key=page.keys[0])
        assert whole.rows[0][names.index("words")] == Value("€" * 3_500_000)
        assert whole.rows[0][names.index("bytes")] == Value("\\x" + "e282ac" * 3_500_000)
        assert sum(sizes) > 30_000_000


async def test_a_value_of_just_the_width_is_not_cut(database_url: str) -> None:
    [(name,)] = ask(database_url, "SELECT current_database()")
    run(
        database_url,
        f"""{PARENT}
        ALTER DATABASE {name} SET bytea_output = 'escape';
        CREATE TABLE child (pid int CONSTRAINT fk REFERENCES parent, words varchar, bytes bytea, fixed char(6));
        INSERT INTO child VALUES (7, '123456', '\\x123456', '123456');
        """,
    )
    async with opened(database_url) as (database, schema):
        for width in range(10):
            page = await orphan_rows(database, schema, the_edge(schema), width=width)
            for column, whole in (("words", "123456"), ("bytes", "\\x123456"), ("fixed", "123456")):
                at = [field.name for field in page.fields].index(column)
                assert page.rows[0][at] == Value(whole[:width], cut=len(whole) > width)


async def test_hostile_names_and_values(database_url: str) -> None:
    name = 'Ünï "" %s %% :x \'; DROP'
    run(
        database_url,
        f"""CREATE SCHEMA "{name}";
        CREATE TYPE "{name}"."{name}t" AS ENUM ('a %s', 'b''');
        CREATE TABLE "{name}"."{name}" ("{name}" "{name}"."{name}t" PRIMARY KEY);
        CREATE TABLE "{name}"."user" ("{name}" "{name}"."{name}t", "k %" text, "select" text,
         PRIMARY KEY ("k %", "{name}"),
         CONSTRAINT fk FOREIGN KEY ("{name}") REFERENCES "{name}"."{name}");
        INSERT INTO "{name}"."user" SELECT e, 'k %s :x '' ' || g, E'\\x1b[31m\\n\\t[/]'
         FROM unnest(enum_range(NULL::"{name}"."{name}t")) e, generate_series(1, 5) g;
        """,
    )
    plain = name.replace('""', '"')
    async with opened(database_url) as (database, schema):
        edge = the_edge(schema)
        pages = await walk(lambda after: orphan_rows(database, schema, edge, after=after, limit=3))
        found = [row for page in pages for row in texts(page, "k %", plain, "select")]
        assert sorted(found) == [(f"k %s :x ' {g}", e, "\x1b[31m\n\t[/]") for g in range(1, 6) for e in ("a %s", "b'")]
        assert (
            texts(await whole_row(database, schema, schema.child_of(edge), key=pages[1].keys[0]), "k %")
            == texts(pages[1], "k %")[:1]
        )


SECRETS = f"""{PARENT}
CREATE TABLE child (session_token text PRIMARY KEY, pid int CONSTRAINT fk REFERENCES parent, "apiKey" text, note text);
INSERT INTO child SELECT 'tok' || g, 7, CASE WHEN g > 1 THEN 'key' || g END, 'note' || g FROM generate_series(1, 9) g;
"""


async def test_secrets_stay_on_the_server(database_url: str, tmp_path: Path) -> None:
    run(database_url, SECRETS)
    run(database_url, "CREATE ROLE reader_of_rows; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_of_rows")
    try:
        async with opened(database_url, role="reader_of_rows") as (database, schema):
            edge = the_edge(schema)
            secret = [field.name for field in (await orphan_rows(database, schema, edge)).fields if field.secret]
            assert secret == ["session_token", "apiKey"]
            # From here the server refuses any statement that so much as names one of them.
            run(
                database_url,
                "REVOKE SELECT ON child FROM reader_of_rows; GRANT SELECT (ctid, pid, note) ON child TO reader_of_rows",
            )
            pages = await walk(lambda after: orphan_rows(database, schema, edge, after=after, limit=4))
            assert [note for page in pages for (note,) in texts(page, "note")] == [f"note{g}" for g in range(1, 10)]
            masked = Value(None, masked=True)
            for page in pages:
                assert [field.name for field in page.fields] == ["session_token", "pid", "apiKey", "note"]
                assert all((row[0], row[2]) == (masked, masked) for row in page.rows)
            row = await whole_row(database, schema, the_table(schema, "child"), key=pages[1].keys[0])
            assert texts(row, "note") == [("note5",)]
            assert row.rows[0][0] == masked
            with pytest.raises(Trouble, match="permission denied"):
                await orphan_rows(database, schema, edge, reveal=True)
            await orphan_rows_of_table(database, schema, the_table(schema, "child"))
    finally:
        run(database_url, "DROP OWNED BY reader_of_rows; DROP ROLE reader_of_rows")


async def test_secrets_are_shown_when_asked_for(database_url: str) -> None:
    run(database_url, SECRETS)
    async with opened(database_url) as (database, schema):
        edge = the_edge(schema)
        page = await orphan_rows(database, schema, edge, limit=2, reveal=True)
        assert texts(page, "session_token", "apiKey", "note") == [("tok1", None, "note1"), ("tok2", "key2", "note2")]
        assert [field.secret for field in page.fields] == [True, False, True, False]
        assert "tok" not in str((page.after, page.keys))
        # Masked and shown pages have one order, so that a cursor and a row's key serve both.
        assert texts(await orphan_rows(database, schema, edge, after=page.after), "note")[0] == ("note3",)
        row = await whole_row(database, schema, the_table(schema, "child"), key=page.keys[1], reveal=True)
        assert texts(row, "session_token") == [("tok2",)]


async def test_columns_that_the_role_may_not_read(database_url: str) -> None:
    run(
        database_url,
        f"""{PARENT}
        CREATE TABLE child (k int PRIMARY KEY, other int NOT NULL UNIQUE,
         pid int CONSTRAINT fk REFERENCES parent, pay int);
        INSERT INTO child SELECT g, -g, 7, 1000 FROM generate_series(1, 9) g;
        CREATE ROLE part_of_rows;
        GRANT SELECT ON parent TO part_of_rows; GRANT SELECT (other, pid) ON child TO part_of_rows;
        CREATE ROLE less_of_rows;
        GRANT SELECT ON parent TO less_of_rows; GRANT SELECT (pid) ON child TO less_of_rows;
        CREATE ROLE none_of_rows;
        """,
    )
    try:
        async with opened(database_url, role="part_of_rows") as (database, schema):
            edge = the_edge(schema)
            pages = await walk(lambda after: orphan_rows(database, schema, edge, after=after, limit=4))
            assert [row for page in pages for row in texts(page, "other", "pid")] == [
                (str(g), "7") for g in range(-9, 0)
            ]
            assert {page.left_out for page in pages} == {("k", "pay")}
            assert [field.name for field in pages[0].fields] == ["pid", "other"]
        async with opened(database_url, role="less_of_rows") as (database, schema):
            with pytest.raises(Trouble, match=r"tells the rows of public\.child apart") as refused:
                await orphan_rows(database, schema, the_edge(schema))
            assert refused.value.code == "denied"
        async with opened(database_url, role="none_of_rows") as (database, schema):
            with pytest.raises(Trouble, match="permission denied for table") as refused:
                await orphan_rows(database, schema, the_edge(schema))
            assert refused.value.code == "denied"
    finally:
        run(
            database_url,
            "DROP OWNED BY part_of_rows, less_of_rows; DROP ROLE part_of_rows, less_of_rows, none_of_rows",
        )


async def test_row_security_hides_rows_only_where_that_is_said(database_url: str) -> None:
    run(
        database_url,
        f"""{PARENT}
        CREATE TABLE child (k int PRIMARY KEY, pid int CONSTRAINT fk REFERENCES parent, tenant int);
        INSERT INTO child SELECT g, 7, g % 2 FROM generate_series(1, 9) g;
        ALTER TABLE child ENABLE ROW LEVEL SECURITY;
        CREATE POLICY mine ON child USING (tenant = 1);
        CREATE ROLE tenant_of_rows; GRANT SELECT ON ALL TABLES IN SCHEMA public TO tenant_of_rows;
        """,
    )
    try:
        async with opened(database_url, role="tenant_of_rows") as (database, schema):
            edge, table = the_edge(schema), the_table(schema, "child")
            refusals = (
                orphan_rows(database, schema, edge),
                orphan_rows_of_table(database, schema, table),
                missing_keys(database, schema, edge),
                childless_parents(database, schema, edge),
                whole_row(database, schema, table, key=("1",)),
            )
            for refusal in refusals:
                with pytest.raises(Trouble) as refused:
                    await refusal
                assert refused.value.code == "row_security"
            pages = await walk(lambda after: orphan_rows(database, schema, edge, after=after, limit=2, as_role=True))
            assert [key for page in pages for key in page.keys] == [("1",), ("3",), ("5",), ("7",), ("9",)]
            assert all(page.as_role for page in pages)
            assert (await whole_row(database, schema, table, key=("3",), as_role=True)).as_role
            with pytest.raises(Trouble, match="the row is gone"):
                await whole_row(database, schema, table, key=("2",), as_role=True)
        async with opened(database_url) as (database, schema):
            assert len((await orphan_rows(database, schema, the_edge(schema))).rows) == 9
    finally:
        run(database_url, "DROP OWNED BY tenant_of_rows; DROP ROLE tenant_of_rows")


async def test_a_table_that_is_gone_is_told_in_words(database_url: str) -> None:
    run(database_url, f"{PARENT} CREATE TABLE child (pid int CONSTRAINT fk REFERENCES parent);")
    async with opened(database_url) as (database, schema):
        run(database_url, "DROP TABLE child")
        with pytest.raises(Trouble) as gone:
            await orphan_rows(database, schema, the_edge(schema))
        assert "child" in gone.value.reason
        assert "\n" not in gone.value.reason + gone.value.hint


async def test_rows_of_a_table_name_every_constraint_that_they_violate(database_url: str) -> None:
    run(
        database_url,
        f"""{PARENT}
        INSERT INTO parent VALUES (1);
        CREATE TABLE child (k int PRIMARY KEY, a int CONSTRAINT "fk A" REFERENCES parent,
         b int CONSTRAINT fk_b REFERENCES parent, up int CONSTRAINT fk_up REFERENCES child);
        INSERT INTO child SELECT g, CASE WHEN g % 2 = 0 THEN 7 ELSE 1 END, CASE WHEN g % 3 = 0 THEN 8 END,
         CASE WHEN g % 5 = 0 THEN 99 ELSE 1 END FROM generate_series(1, 60) g;
        CREATE TABLE bare (k int);
        """,
    )
    names = {2: '"fk A"', 3: "fk_b", 5: "fk_up"}
    wanted = [
        (str(g), ", ".join(name for by, name in names.items() if g % by == 0))
        for g in range(1, 61)
        if any(g % by == 0 for by in names)
    ]
    async with opened(database_url) as (database, schema):
        table = the_table(schema, "child")
        pages = await walk(lambda after: orphan_rows_of_table(database, schema, table, after=after, limit=7))
        assert [
            (k, ", ".join(sorted((v or "").split(", ")))) for page in pages for k, v in texts(page, "k", "violates")
        ] == wanted
        assert [len(page.rows) for page in pages[:-1]] == [7] * (len(pages) - 1)
        assert [field.name for field in pages[0].fields] == ["k", "violates", "a", "b", "up"]
        assert [field.foreign for field in pages[0].fields] == [False, False, True, True, True]
        with pytest.raises(Trouble) as refused:
            await orphan_rows_of_table(database, schema, the_table(schema, "bare"))
        assert refused.value.code == "no_edges"


async def test_one_page_is_exact_at_its_limit(database_url: str) -> None:
    run(
        database_url,
        f"""{PARENT} CREATE TABLE child (k int PRIMARY KEY, pid int CONSTRAINT fk REFERENCES parent);
        INSERT INTO child SELECT g, 7 FROM generate_series(1, 200) g;
        """,
    )
    async with opened(database_url) as (database, schema):
        edge = the_edge(schema)
        page = await orphan_rows(database, schema, edge)
        assert (len(page.rows), page.more, page.after) == (200, False, None)
        run(database_url, "INSERT INTO child VALUES (201, 7)")
        page = await orphan_rows(database, schema, edge)
        assert (len(page.rows), page.more, page.after) == (200, True, ("200",))
