"""Whole logs: errors between other lines, nested in each other's dumps, of several processes, broken by a console."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from fkexplorer.diagnosis.reading.reader import read_text
from tests.diagnosis.logs import USER, char_wrapped, github_link, word_wrapped

if TYPE_CHECKING:
    from fkexplorer.diagnosis.reading.model import Reading

TODAY = datetime(2026, 11, 24, tzinfo=UTC)


def _short(reading: Reading) -> list[tuple[int, str, str | None, tuple[str | None, ...] | None]]:
    return [(each.occurrences, each.error.kind, each.error.constraint, each.error.values) for each in reading.found]


LINK = [(2, "missing_parent", "user_github_installation_user_id_user_id_fk", (USER,))]


def test_two_attempts_printed_three_times_each_are_one_finding_seen_twice() -> None:
    reading = read_text(github_link())
    assert _short(reading) == LINK
    found = reading.found[0]
    assert (found.first, found.last) == (
        datetime(2026, 11, 20, 9, 14, 2, 120_000, UTC),
        datetime(2026, 11, 20, 9, 14, 48, 120_000, UTC),
    )
    assert found.per_minute == pytest.approx(60 / 46)
    assert found.keys == {(USER,): 2}
    error = found.error
    assert (error.sqlstate, error.child_schema, error.child_table) == ("23503", "public", "user_github_installation")
    assert (error.columns, error.parent_table) == (("user_id",), "user")
    assert reading.others == 0
    assert reading.lines == github_link().count("\n")


def test_the_query_and_its_parameters_give_the_row() -> None:
    error = read_text(github_link()).found[0].error
    assert error.statement is not None
    assert error.statement.sql.startswith('insert into "user_github_installation"')
    assert error.row is not None
    assert error.row.values == {
        "id": "a0f5be1d-77a3-4b0c-8a8e-5f1d2c3b4a59",
        "user_id": USER,
        "installation_id": "61234567",
        "role": "owner",
    }


@pytest.mark.parametrize("width", [48, 60, 72, 79, 80, 100, 120, 132, 160])
def test_broken_at_a_width_it_is_the_same(width: int) -> None:
    for broken in (char_wrapped(github_link(), width), word_wrapped(github_link(), width)):
        reading = read_text(broken)
        assert _short(reading) == LINK
        assert reading.found[0].error.parent_table == "user"


INTERLEAVED = """\
2026-11-21 01:56:42.548 UTC [22644] me@app ERROR:  insert or update on table "a" violates foreign key constraint "a_fk"
2026-11-21 01:56:42.549 UTC [22645] me@app ERROR:  insert or update on table "b" violates foreign key constraint "b_fk"
2026-11-21 01:56:42.548 UTC [22644] me@app DETAIL:  Key (x)=(1) is not present in table "pa".
2026-11-21 01:56:42.549 UTC [22645] me@app DETAIL:  Key (y)=(2) is not present in table "pb".
2026-11-21 01:56:42.549 UTC [22645] me@app STATEMENT:  insert into b(y) values (2);
2026-11-21 01:56:42.548 UTC [22644] me@app STATEMENT:  insert into a(x)
\tvalues (1);
2026-11-21 01:56:43.548 UTC [22644] me@app ERROR:  duplicate key value violates unique constraint "a_pkey"
2026-11-21 01:56:43.548 UTC [22644] me@app DETAIL:  Key (x)=(1) already exists.
2026-11-21 01:56:43.548 UTC [22644] me@app STATEMENT:  insert into a(x) values (9);
2026-11-21 01:56:44.548 UTC [22644] me@app ERROR:  syntax error at or near "selec" at character 1
2026-11-21 01:56:44.548 UTC [22644] me@app STATEMENT:  selec 1
2026-11-21 01:57:42.548 UTC [22644] me@app ERROR:  insert or update on table "a" violates foreign key constraint "a_fk"
2026-11-21 01:57:42.548 UTC [22644] me@app DETAIL:  Key (x)=(7) is not present in table "pa".
2026-11-21 01:57:42.548 UTC [22644] me@app STATEMENT:  insert into a(x) values (7);
"""


def test_lines_of_two_processes_are_told_apart() -> None:
    reading = read_text(INTERLEAVED)
    assert _short(reading) == [(2, "missing_parent", "a_fk", ("7",)), (1, "missing_parent", "b_fk", ("2",))]
    assert reading.others == 1
    first, second = reading.found
    assert (first.keys, second.keys) == ({("1",): 1, ("7",): 1}, {("2",): 1})
    assert first.per_minute == 1.0
    assert [each.error.row.values if each.error.row else None for each in reading.found] == [{"x": "7"}, {"y": "2"}]


@pytest.mark.parametrize(
    "prefix",
    [
        "%m [%p] ",
        "2026-11-21 01:56:42 UTC:10.0.0.7(53102):app@shop:[{pid}]:",
        "{pid} 2026-11-21 01:56:42.123 CET 6b00fa5a.5874 [{line}-1] user=app,db=shop,app=psql,client=::1 ",
        "<2026-11-21 01:56:42.123 UTC > ",
        "1763690202.546 [{pid}]: [{line}-1] ",
        "app@shop/{pid} ",
        "2026-11-21T01:56:42.123Z app-db-0 postgres[{pid}]: [{line}-1] ",
        "Nov 21 01:56:42 db1 postgres[{pid}]: [7-{line}] 2026-11-21 01:56:42 UTC [{pid}] ",
        "\x1b[33mdb-1  |\x1b[0m 2026-11-21 01:56:42.123 UTC [{pid}] ",
        "2026-11-21T01:56:42.123456789Z stderr F 2026-11-21 01:56:42.123 UTC [{pid}] ",
    ],
)
def test_any_prefix_of_a_log(prefix: str) -> None:
    lines = (
        'ERROR:  insert or update on table "a" violates foreign key constraint "a_fk"',
        'DETAIL:  Key (x)=(1) is not present in table "pa".',
        "STATEMENT:  insert into a(x, note) values (1, 'it''s')",
    )
    made = prefix.replace("%m [%p]", "2026-11-21 01:56:42.123 UTC [{pid}]")
    text = "".join(
        made.format(pid=pid, line=at) + line + "\n" for pid in (4711, 4712, 4713) for at, line in enumerate(lines, 1)
    )
    reading = read_text(text, TODAY)
    assert _short(reading) == [(3, "missing_parent", "a_fk", ("1",))]
    error = reading.found[0].error
    assert error.row is not None
    assert error.row.values == {"x": "1", "note": "it's"}


PSQL = 'ERROR:  insert or update on table "s" violates foreign key constraint "s_fk"\n'
KEY = 'DETAIL:  Key (u)=({key}) is not present in table "p".\n'


def test_repeats_are_counted_with_their_keys() -> None:
    text = "".join(PSQL + KEY.format(key=key) for key in (1, 2, 1, 3))
    reading = read_text(text)
    assert [(each.occurrences, dict(each.keys)) for each in reading.found] == [
        (4, {("1",): 2, ("2",): 1, ("3",): 1}),
    ]
    assert reading.found[0].first is None
    assert reading.found[0].per_minute is None


def test_repeats_without_a_detail_are_counted_too() -> None:
    assert _short(read_text(PSQL * 3)) == [(3, "missing_parent", "s_fk", None)]
    assert _short(read_text("ERROR:  23503\n" * 3)) == [(3, "other", None, None)]


def test_the_keys_of_a_finding_are_bounded() -> None:
    text = "".join(PSQL + KEY.format(key=key) for key in range(1200))
    found = read_text(text).found[0]
    assert (found.occurrences, len(found.keys), found.more_keys) == (1200, 1000, True)


def test_what_both_the_server_and_the_program_log_is_counted_once() -> None:
    server = """\
db-1   | 2026-11-21 01:56:42.548 UTC [44] ERROR:  insert or update on table "a" violates foreign key constraint "a_fk"
db-1   | 2026-11-21 01:56:42.548 UTC [44] DETAIL:  Key (x)=(1) is not present in table "pa".
db-1   | 2026-11-21 01:56:42.548 UTC [44] STATEMENT:  insert into a(x) values ($1)
"""
    program = """\
api-1  | error: insert or update on table "a" violates foreign key constraint "a_fk"
api-1  |     at Parser.parseErrorMessage (/app/node_modules/pg-protocol/dist/parser.js:285:98) {
api-1  |   code: '23503',
api-1  |   detail: 'Key (x)=(1) is not present in table "pa".',
api-1  |   constraint: 'a_fk'
api-1  | }
"""
    reading = read_text((server + program) * 2)
    assert _short(reading) == [(2, "missing_parent", "a_fk", ("1",))]
    assert reading.found[0].keys == {("1",): 2}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello\n",
        "GET /api/keys 401\nforeign key to success\n",
        '{"level":30,"msg":"foreign keys loaded","code":"23503x"}\n',
        "commit 23503ab: violates nothing\n",
    ],
)
def test_a_text_without_an_error_has_none(text: str) -> None:
    reading = read_text(text)
    assert (reading.found, reading.others) == ((), 0)
    assert (reading.lines, reading.bytes) == (text.count("\n"), len(text))


LOGGED_AND_RAISED = """\
2026-11-21 01:56:42,100 ERROR app: save failed: (psycopg2.errors.ForeignKeyViolation) {message}
DETAIL:  {detail}

[SQL: INSERT INTO sessions (user_id) VALUES (%(u)s)]
[parameters: {{'u': 42}}]
Traceback (most recent call last):
  File "/app/a.py", line 1, in save
    do()
psycopg2.errors.ForeignKeyViolation: {message}
DETAIL:  {detail}


The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/b.py", line 1, in commit
    commit()
sqlalchemy.exc.IntegrityError: (psycopg2.errors.ForeignKeyViolation) {message}
DETAIL:  {detail}
"""
LARAVEL = """\
[2026-11-21 01:56:42] production.ERROR: SQLSTATE[23503]: Foreign key violation: 7 ERROR:  {message}
DETAIL:  {detail} (Connection: pgsql, SQL: insert into "sessions" ("user_id") values (42)) {{"userId":1,"exception":\
"[object] (Illuminate\\\\Database\\\\QueryException(code: 23503): SQLSTATE[23503]: 7 ERROR:  {message}
DETAIL:  {detail} (Connection: pgsql, SQL: insert into "sessions" ("user_id") values (42)) at /app/x.php:829)
[stacktrace]
#0 /app/y.php(783): x()

[previous exception] [object] (PDOException(code: 23503): SQLSTATE[23503]: Foreign key violation: 7 ERROR:  {message}
DETAIL:  {detail} at /app/x.php:565)
[stacktrace]
#0 /app/y.php(783): x()
"}}
"""
NEXT_AUTH = """\
[auth][error] AdapterError: Read more at https://errors.authjs.dev#adaptererror
[auth][cause]: error: {message}
    at /app/node_modules/pg-pool/index.js:45:11
[auth][details]: {{
  "length": 292,
  "code": "23503",
  "detail": "{detail}",
  "schema": "public"
}}
"""
LINE_AND_DUMP = """\
[app] Failed to save: {message}
[app] error: {message}
[app]     at save (/app/a.js:1:2) {{
[app]   code: '23503',
[app]   detail: '{detail}',
[app] }}
"""


@pytest.mark.parametrize("times", [1, 2, 3])
@pytest.mark.parametrize("log", [LOGGED_AND_RAISED, LARAVEL, NEXT_AUTH, LINE_AND_DUMP])
def test_an_error_printed_by_several_hands_is_one(log: str, times: int) -> None:
    detail = MISSING.replace('"', '\\"') if log is NEXT_AUTH else MISSING
    reading = read_text(log.format(message=REFUSED, detail=detail) * times)
    assert [each.occurrences for each in reading.found] == [times]
    assert _told(reading) == TOLD


REFUSED = 'insert or update on table "sessions" violates foreign key constraint "sessions_user_id_fkey"'
MISSING = 'Key (user_id)=(42) is not present in table "users".'
TOLD = ("sessions_user_id_fkey", "sessions", ("user_id",), ("42",), "users")


def _told(reading: Reading) -> tuple[object, ...]:
    error = reading.found[0].error
    return (error.constraint, error.child_table, error.columns, error.values, error.parent_table)


def test_the_fields_of_a_csvlog_over_lines() -> None:
    message, detail = (each.replace('"', '""') for each in (REFUSED, MISSING))
    record = (
        '2026-11-21 01:56:42.546 UTC,"me","app",22644,"[local]",6b00fa5a.5874,1,"INSERT",2026-11-21 01:56:42 UTC,3/95,'
        f'767,ERROR,23503,"{message}","{detail}",,,,,"insert into sessions(user_id)\nvalues (42);",,,"psql",,,0\n'
    )
    other = record.replace("ERROR,23503", "LOG,00000").replace(message, "x")
    reading = read_text(other + record * 2)
    assert [each.occurrences for each in reading.found] == [2]
    assert _told(reading) == TOLD
    error = reading.found[0].error
    assert error.sqlstate == "23503"
    assert error.row is not None
    assert error.row.values == {"user_id": "42"}
    assert error.when == datetime(2026, 11, 21, 1, 56, 42, 546_000, UTC)


def test_the_lines_that_a_collector_wrapped() -> None:
    escaped = ((label, each.replace('"', '\\"')) for label, each in (("ERROR", REFUSED), ("DETAIL", MISSING)))
    text = "".join(
        f'{{"log":"2026-11-21 01:56:42.548 UTC [44] {label}:  {line}\\n","time":"2026-11-21T01:56:42.5Z"}}\n'
        for label, line in escaped
    )
    reading = read_text(text * 2)
    assert [each.occurrences for each in reading.found] == [2]
    assert _told(reading) == TOLD
