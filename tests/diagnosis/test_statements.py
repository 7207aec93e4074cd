"""The row of a refused statement, as the drivers and logs have it; what is not surely told is left out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fkexplorer.diagnosis.reading.definitions import definitions
from fkexplorer.diagnosis.reading.literals import UNTOLD, Kind, tokens
from fkexplorer.diagnosis.reading.model import Written
from fkexplorer.diagnosis.reading.statements import Target, parameters_of, row_of, target_of
from fkexplorer.diagnosis.reading.written import find_written
from fkexplorer.fixes.sql import literal, name
from fkexplorer.schema.names import quote

if TYPE_CHECKING:
    from collections.abc import Mapping

Values = dict[str, str | None]


def written(sql: str, parameters: str = "") -> Written:
    """The statement with what a driver printed of its parameters."""
    found = parameters_of(parameters)
    return Written(sql, (), found) if isinstance(found, dict) else Written(sql, found or ())


ROWS: list[tuple[str, str, str, Values]] = [
    # Drivers and ORMs.
    (
        'insert into "user_github_installation" ("id", "user_id", "installation_id", "role") values ($1, $2, $3, $4)',
        "params: 0b1c,acb42b05-c3e7-4818-aedb-42f95a2f3b54,9f1e,member",
        "user_github_installation",
        {
            "id": "0b1c",
            "user_id": "acb42b05-c3e7-4818-aedb-42f95a2f3b54",
            "installation_id": "9f1e",
            "role": "member",
        },
    ),
    (
        'insert into "sessions" ("id", "user_id") values (default, $1) returning "id"',
        "[ '11111111-2222-4333-8444-555555555555' ]",
        "sessions",
        {"user_id": "11111111-2222-4333-8444-555555555555"},
    ),
    ("insert into sessions(user_id) values (%(u)s)", "[parameters: {'u': 'x'}]", "sessions", {"user_id": "x"}),
    (
        "INSERT INTO a (id, owner, at, paid) VALUES ($1::UUID, $2::VARCHAR, $3::TIMESTAMP WITHOUT TIME ZONE, $4)",
        "(UUID('0b1c'), None, datetime.datetime(2026, 1, 2), True)",
        "a",
        {"id": "0b1c", "owner": None, "at": "2026-01-02 00:00:00", "paid": "true"},
    ),
    (
        "INSERT INTO a (b, c, d) VALUES ($1::timestamp, $2::timestamp with time zone, $3::timestamptz)",
        "[ '2026-01-02 03:04:05+01', '2026-01-02 03:04:05', 2026-01-02T03:04:05.000Z ]",
        "a",
        {"d": "2026-01-02T03:04:05.000Z"},
    ),
    (
        "INSERT INTO a (id, owner, at) VALUES (%s, %s, %s)",
        '(5, "it\'s", datetime.datetime(2026, 1, 2, 3, 4))',
        "a",
        {"id": "5", "owner": "it's", "at": "2026-01-02 03:04:00"},
    ),
    (
        'INSERT INTO "posts" ("user_id", "title") VALUES ($1, $2) RETURNING "id"',
        '[["user_id", 20481], ["title", nil]]',
        "posts",
        {"user_id": "20481", "title": None},
    ),
    (
        'INSERT INTO "Orders" ("UserId", "Note") VALUES (@p0, @p1)',
        "[Parameters=[@p0='7', @p1='?' (DbType = String)], CommandType='Text', CommandTimeout='30']",
        "Orders",
        {"UserId": "7"},
    ),
    (
        "insert into session (expires, user_id) values (?, ?)",
        "binding parameter (1:TIMESTAMP) <- [null]\nbinding parameter (2:BIGINT) <- [4711]\n",
        "session",
        {"user_id": "4711"},
    ),
    ("insert into t (a, b) values (:a, :b)", '{"a": "x", "b": {"deep": [1, 2]}}', "t", {"a": "x"}),
    ("INSERT INTO t (a, b) VALUES ($1, $2)", "parameters: $1 = 'it''s', $2 = NULL", "t", {"a": "it's", "b": None}),
    ("INSERT INTO t (a, b) VALUES ($1, $2)", "Parameters: $1 = 'long...', $2 = '5'", "t", {"b": "5"}),
    # A comma in a value: there seem to be more of them than the statement has.
    ("insert into t (a, b, c) values ($1, $2, 'c')", "params: Smith, John,5", "t", {"c": "c"}),
    # Values in the statement.
    (
        'INSERT INTO "sessions" ("user_id",n,x,f) VALUES (\'1111\',-1.5,NULL,now()) RETURNING "id"',
        "",
        "sessions",
        {"user_id": "1111", "n": "-1.5", "x": None},
    ),
    (
        'insert into "rosters" ("jid", sid, at, n) values (u@example.test, vvs2G7Exxx, 2026-01-02 03:04:05, ?)',
        "",
        "rosters",
        {"jid": "u@example.test", "sid": "vvs2G7Exxx", "at": "2026-01-02 03:04:05"},
    ),
    (
        "Batch entry 0 insert into t (a, b) values (('1'::int8), ('abc')) was aborted: ERROR",
        "",
        "t",
        {"a": "1", "b": "abc"},
    ),
    (
        "INSERT INTO T (A, \"B\", c) VALUES (CAST('1' AS integer), uuid 'ab', '2026-01-02 10:00'::date)",
        "",
        "t",
        {"a": "1", "B": "ab"},
    ),
    ("insert into t (a, b) values ('1.7'::int, E'it\\'s\\n')", "", "t", {"b": "it's\n"}),
    ("insert into t (a, b, c) values (1 + 1, coalesce('x', 'y'), $$it's$$)", "", "t", {"c": "it's"}),
    (
        "INSERT INTO s.t AS x (a, b) SELECT 1, 'y' AS b WHERE NOT EXISTS (SELECT FROM s.t)",
        "",
        "t",
        {"a": "1", "b": "y"},
    ),
    ("insert into t (a, b) select u.id, 'fixed' from u", "", "t", {"b": "fixed"}),
    ("/* a */ insert into t -- b\n (a) values (1) on conflict do nothing", "", "t", {"a": "1"}),
    # Another row may be the one that is written: only what both have is told.
    (
        "insert into l (id, u, i, role) values (1, 2, 3, 'm') on conflict (u, i) do update set role = excluded.role",
        "",
        "l",
        {"u": "2", "i": "3", "role": "m"},
    ),
    # Several rows: what they have in common.
    ("insert into t (a, b) values (1, 2), (3, 2)", "", "t", {"b": "2"}),
    ("insert into t (a, b) values (%(a)s, %(b)s)", "[{'a': 1, 'b': 2}, {'a': 1, 'b': 3}]", "t", {"a": "1"}),
    # UPDATE and DELETE tell a part of the row.
    ("UPDATE users SET org = $1, at = now() WHERE users.id = $2", "['7', 5]", "users", {"org": "7", "id": "5"}),
    ("update t set (a, b) = (1, 2), c = c + 1 where (a = 5 and d is null)", "", "t", {"a": "1", "b": "2", "d": None}),
    ("update t as x set a = 1 from u where x.k = 2 and m = 3 and u.n = 4", "", "t", {"a": "1", "k": "2"}),
    ("delete from workspaces where id=%s", "[7]", "workspaces", {"id": "7"}),
    ('delete from "app_users" where "id" in ($1)', "[ 'u' ]", "app_users", {"id": "u"}),
    ("delete from only t where 'x' = a and b > 5 and c between 1 and 2", "", "t", {"a": "x"}),
]


@pytest.mark.parametrize(("sql", "parameters", "table", "values"), ROWS)
def test_what_a_statement_tells_of_its_row(sql: str, parameters: str, table: str, values: Values) -> None:
    row = row_of(written(sql, parameters))
    assert row is not None
    assert (row.table, dict(row.values)) == (table, values)


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("insert into t values (1, 2)", ""),
        ("insert into t (a) select id from u union select 1", ""),
        ("insert into t (a) values ($1)", ""),
        ("insert into t (a, b) values ($1, $2)", "[1, 2, 3]"),
        ("insert into t (a) values ('not closed)", ""),
        ("insert into t (a, b) values (1, x, y)", ""),
        ("insert into t (a) values (f(1))", ""),
        ("delete from t where a = 1 or b = 2", ""),
        ("delete from t where a <= 1", ""),
        ("delete from t where a = null", ""),
        ("delete from t using u where a = 1", ""),
        ("insert into t (a, b) values (case when true then 1 end, x)", ""),
        ("select 'insert into t (a) values (1)'", ""),
        ("select 1 for update", ""),
        ("", ""),
    ],
)
def test_what_is_not_told_is_no_row(sql: str, parameters: str) -> None:
    assert row_of(written(sql, parameters)) is None


def test_the_schema_of_the_table() -> None:
    row = row_of(written('insert into "My App".t (a) values (1)'))
    assert row is not None
    assert row.schema == "My App"


def test_the_error_tells_which_of_several_rows_it_was() -> None:
    many = written("insert into t (id, u, x) values (1, 'AB12', 'p'), (2, 'c', 'q'), (3, 'ab12', 'p')")
    by_key: list[tuple[Mapping[str, str | None], Values]] = [
        ({"u": "c"}, {"id": "2", "u": "c", "x": "q"}),
        ({"u": "ab12"}, {"x": "p"}),
    ]
    for key, values in by_key:
        row = row_of(many, key=key)
        assert row is not None
        assert dict(row.values) == values
    assert row_of(many, key={"u": "nobody"}) is None


def test_the_rows_that_sqlalchemy_inserts_at_once_are_told_apart() -> None:
    sql = (
        "INSERT INTO t (a, u) SELECT p0::VARCHAR, p1::UUID"
        " FROM (VALUES (%(a__0)s, %(u__0)s, 0), (%(a__1)s, %(u__1)s, 1))"
        " AS imp_sen(p0, p1, sen_counter) ORDER BY sen_counter RETURNING t.id, t.id AS id__1"
    )
    many = written(sql, "{'a__0': 'x', 'u__0': '0b1c', 'a__1': 'y', 'u__1': '9f1e'}")
    row = row_of(many, key={"u": "9f1e"})
    assert row is not None
    assert dict(row.values) == {"a": "y", "u": "9f1e"}
    assert row_of(many) is None


def test_the_tables_name_tells_which_of_several_statements_it_was() -> None:
    both = written("with x as (insert into a (k) values ('1') returning k) insert into b (k, v) select k, 'z' from x")
    assert row_of(both) is None
    row = row_of(both, "b")
    assert row is not None
    assert (row.table, dict(row.values)) == ("b", {"v": "z"})


def test_what_a_statement_writes_to() -> None:
    assert target_of("delete from a.b where x = 1") == Target("delete", "a", "b", "b")
    assert target_of('update only "B" x set y = 1') == Target("update", None, "B", "x")
    assert target_of("insert into t select 1 for update") == Target("insert", None, "t", "t")
    assert target_of("delete from a; delete from b") is None
    assert target_of("select 1") is None


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(TEXTS, TEXTS.filter(bool))
def test_literals_and_names_are_read_as_they_are_written(value: str, column: str) -> None:
    """Both as this program writes them, which PostgreSQL reads back in other tests."""
    [token] = tokens(literal(value))
    assert (token.kind, token.text, token.told) == (Kind.STRING, value, True)
    [quoted] = tokens(name(column))
    assert (quoted.kind, quoted.text) == (Kind.NAME, column)
    [needed] = tokens(quote(column))
    assert needed.text == column


@given(st.dictionaries(TEXTS.filter(bool), st.none() | TEXTS, min_size=1), TEXTS.filter(bool))
def test_an_insert_tells_the_row_that_it_writes(row: dict[str, str | None], table: str) -> None:
    columns = ", ".join(map(name, row))
    sql = f"INSERT INTO {name('public', table)} ({columns}) VALUES ({', '.join(map(literal, row.values()))})"
    found = row_of(Written(sql))
    assert found is not None
    assert (found.schema, found.table, found.values) == ("public", table, row)
    places = ", ".join(f"${at}" for at in range(1, len(row) + 1))
    sql = f"INSERT INTO {name('public', table)} ({columns}) VALUES ({places})"
    assert row_of(Written(sql, tuple(row.values()))) == found


@given(st.lists(st.none() | TEXTS, min_size=1))
def test_parameters_are_read_as_the_drivers_print_them(values: list[str | None]) -> None:
    printed = {"python list": repr(values), "python tuple": repr(tuple(values)), "json": json.dumps(values)}
    printed["raw json"] = json.dumps(values, ensure_ascii=False)
    for language, text in printed.items():
        assert parameters_of(text) == tuple(values), language
    named = {f"p{at}": value for at, value in enumerate(values)}
    assert parameters_of(f"[parameters: {named!r}]") == named


@given(st.lists(st.none() | TEXTS, min_size=1))
def test_parameters_are_read_as_the_server_logs_them(values: list[str | None]) -> None:
    shown = [
        f"${at} = {literal(value) if value is None else repr_of_server(value)}" for at, value in enumerate(values, 1)
    ]
    expected = tuple(UNTOLD if value is not None and value.endswith("...") else value for value in values)
    assert parameters_of(f"parameters: {', '.join(shown)}") == expected


def repr_of_server(value: str) -> str:
    """A parameter as `appendStringInfoStringQuoted` writes it: quotes doubled, backslashes as they are."""
    return "'" + value.replace("'", "''") + "'"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("[ 'a', 1n, undefined, [Object], 'b' +\n 'c' ]", ("a", "1", None, UNTOLD, "bc")),
        ("[ 2026-01-02T03:04:05.000Z, 2026-01-02 ]", ("2026-01-02T03:04:05.000Z", "2026-01-02")),
        ('[nil, "\\e\\u00e4", <<1, 2>>, #<Foo a: {b => 1}>, :sym, 5]', (None, "\x1bä", UNTOLD, UNTOLD, UNTOLD, "5")),
        ("(Decimal('1.50'), <Role.A: 'x'>, b'\\x00', date(2026, 1, 2))", ("1.50", UNTOLD, UNTOLD, "2026-01-02")),
        ('["\\ud83d", "\\ud83d\\ude00", "\\n�"]', (UNTOLD, "😀", "\n�")),
        ("('abc ... (300 characters truncated) ... xyz', 'x' 'y', 1 + 1)", (UNTOLD, UNTOLD, UNTOLD)),
        ("a,,Tue Nov 24 2026 10:00:00 GMT+0000 (UTC),[object Object]", ("a", UNTOLD, UNTOLD, UNTOLD)),
        ("[]", ()),
        ("[1, 2", None),
        ("[1, 2)", None),
        ("", None),
        ("[[[[[[1]]]]]]", (UNTOLD,)),
    ],
)  # fmt: skip
def test_parameters_of_other_languages(text: str, values: tuple[str | None, ...] | None) -> None:
    assert parameters_of(text) == values


def test_a_hostile_text_takes_no_time_and_no_stack() -> None:
    deep = "[" * 20_000
    assert parameters_of(deep) is None
    assert row_of(Written("insert into t (a) values (" + "(" * 20_000)) is None
    assert row_of(Written("insert into t (a) values (" + "(" * 20_000 + "1" + ")" * 20_001)) is None
    assert row_of(Written("insert into t (a) values (1" + "::int" * 20_000 + ")")) is None
    assert row_of(Written("delete from t where " + "(" * 2_000 + "a = 1" + ")" * 2_000)) is None
    assert row_of(Written("insert into t (a) values ('" + "x" * 200_000)) is None
    assert parameters_of("['" + "\\'" * 20_000) is None
    assert find_written("\n" * 20_000) is None
    assert len(definitions("create table t (a int references u, " * 1_000)) == 1
    assert parameters_of(repr([str(UUID(int=at)) for at in range(2_000)])) == tuple(
        str(UUID(int=at)) for at in range(2_000)
    )
