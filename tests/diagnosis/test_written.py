"""The statement in the text of an error, as drivers and logs print it; and what a definition would have made."""

from __future__ import annotations

import pytest

from fkexplorer.diagnosis.reading.definitions import Definition, definitions
from fkexplorer.diagnosis.reading.model import Written
from fkexplorer.diagnosis.reading.reader import read_text
from fkexplorer.diagnosis.reading.statements import row_of, target_of
from fkexplorer.diagnosis.reading.written import find_written

VIOLATES = 'insert or update on table "sessions" violates foreign key constraint "sessions_user_id_fkey"'
LINK = 'insert into "link" ("id", "user_id", "role") values ($1, $2, $3) returning "id"'

DRIZZLE = f"""[app] DrizzleQueryError: Failed query: {LINK}
params: 0b1c,acb42b05,member
    at X (y.js:1:2) {{
  query: '{LINK}',
  params: [ '0b1c', 'acb42b05', 'member' ],
  cause: error: {VIOLATES}
"""
TYPEORM = """QueryFailedError: x
  query: 'INSERT INTO "s"("user_id", "b") VALUES ($1, DEFAULT)',
  parameters: [ 'u' ],
  driverError: error"""
SQLALCHEMY = """(psycopg2.errors.ForeignKeyViolation) insert or update on table

[SQL: INSERT INTO s (id, user_id)
VALUES (%(id)s, %(u)s)]
[parameters: {'id': UUID('0b1c'), 'u': None}]
(Background on this error at: https://sqlalche.me/e/20/gkpj)"""
RAILS = """PG::ForeignKeyViolation: ERROR:  insert or update on table
: INSERT INTO "s" ("user_id") VALUES ($1) RETURNING "id"  [["user_id", 20481]]
app/models/x.rb:1"""
ENTITY = """Failed executing DbCommand (5ms) [Parameters=[@p0='7', @p1='x' (Nullable = false)], CommandType='Text']
INSERT INTO "s" ("UserId", "Note")
VALUES (@p0, @p1)
RETURNING "Id";
Npgsql.PostgresException: 23503"""
HIBERNATE = """insert into s (user_id,id) values (?,?)
binding parameter (1:BIGINT) <- [4711]
binding parameter (2:BIGINT) <- [5]
could not execute statement [ERROR: x] [insert into s (user_id,id) values (?,?)]"""
GORM = """x.go:41 ERROR: insert or update on table "s" violates
[2.118ms] [rows:0] INSERT INTO "s" ("user_id") VALUES ('4711') RETURNING "id"
"""
LARAVEL = """DETAIL:  Key (user_id)=(u@x.test) is not present in table "users".
(Connection: pgsql, SQL: insert into "s" ("user_id", "at") values (u@x.test, 2026-01-02 03:04:05))"""
SERVER = """ERROR:  insert or update on table
DETAIL:  Key (user_id)=(5) is not present in table "user".
CONTEXT:  unnamed portal with parameters: $1 = '5', $2 = NULL
STATEMENT:  INSERT INTO s (user_id, x)
	VALUES ($1, $2)
2026-11-24 10:00:00 LOG:  next"""
ECTO = """[debug] QUERY ERROR db=1.2ms
INSERT INTO "posts" ("user_id","at","note") VALUES ($1,$2,$3) RETURNING "id" [20481, ~N[2026-01-02 03:04:05], nil]"""
BATCH = "Batch entry 0 insert into s (user_id) values (('4711'::int8)) was aborted: ERROR: insert or update on table"
KNEX = 'update "s" set "user_id" = 5 where "id" = 6 - insert or update on table "s"'
TOLD = {"id": "0b1c", "user_id": "acb42b05", "role": "member"}

TEXTS = {
    "drizzle": (DRIZZLE, TOLD),
    "drizzle, its message alone": (f"Failed query: {LINK}\nparams: 0b1c,acb42b05,member\n", TOLD),
    "typeorm": (TYPEORM, {"user_id": "u"}),
    "sqlalchemy": (SQLALCHEMY, {"id": "0b1c", "user_id": None}),
    "rails": (RAILS, {"user_id": "20481"}),
    "ecto": (ECTO, {"user_id": "20481", "note": None}),
    "entity framework": (ENTITY, {"UserId": "7", "Note": "x"}),
    "hibernate": (HIBERNATE, {"user_id": "4711", "id": "5"}),
    "jdbc batch": (BATCH, {"user_id": "4711"}),
    "gorm": (GORM, {"user_id": "4711"}),
    "laravel": (LARAVEL, {"user_id": "u@x.test", "at": "2026-01-02 03:04:05"}),
    "knex": (KNEX, {"user_id": "5", "id": "6"}),
    "server log": (SERVER, {"user_id": "5", "x": None}),
    "json in a string": ('{"query": "insert into \\"s\\" (user_id) values (\'5\')", "params": []}', {"user_id": "5"}),
    "a name's quotes in quotes": ('error executing "INSERT INTO "s" ("user_id") VALUES (\'5\')": x', {"user_id": "5"}),
}


@pytest.mark.parametrize("driver", TEXTS)
def test_the_statement_is_found_with_its_parameters(driver: str) -> None:
    text, values = TEXTS[driver]
    written = find_written(text)
    assert written is not None
    row = row_of(written)
    assert row is not None
    assert dict(row.values) == values


def test_bare_parameters_that_go_on_in_the_next_line_are_not_told() -> None:
    written = find_written(f"Failed query: {LINK}\nparams: 0b1c,acb42b05,two\nlines\n")
    assert written is not None
    assert (written.sql, written.parameters) == (LINK, ())


def test_the_statement_of_the_errors_table_counts() -> None:
    text = "query: insert into a (x, y) values (1, 2);\nquery: insert into b (x) values (3);\n"
    for table, expected in (("b", "b"), ("a", "a"), (None, "a")):
        written = find_written(text, table)
        assert written is not None
        target = target_of(written.sql)
        assert target is not None
        assert target.table == expected


BLOCKED = """(psycopg.errors.ForeignKeyViolation) update or delete on table "members" violates foreign key constraint\
 "notes_member_fkey" on table "notes"
DETAIL:  Key (id)=(1) is still referenced from table "notes".

[SQL: DELETE FROM orgs WHERE orgs.id = %(id)s]
[parameters: {'id': 7}]
"""


def test_the_statement_of_a_blocked_delete_may_be_of_another_table() -> None:
    [found] = read_text(BLOCKED).found
    assert found.error.statement == Written("DELETE FROM orgs WHERE orgs.id = %(id)s", (), {"id": "7"})
    assert found.error.row is None


@pytest.mark.parametrize("text", [VIOLATES, 'update or delete on table "a" violates', "please insert into the box", ""])
def test_an_error_alone_is_no_statement(text: str) -> None:
    assert find_written(text) is None


RESTORE = """pg_restore: error: could not execute query
Command was: ALTER TABLE ONLY public."Order items"
    ADD CONSTRAINT "Fk" FOREIGN KEY (a, "B") REFERENCES public.orders(id, k) ON DELETE CASCADE;

"""
GOOSE = r"""failed to run SQL migration: "CREATE TABLE IF NOT EXISTS sessions (\n  id UUID PRIMARY KEY,\n  user_id UUID
 NOT NULL REFERENCES users(id) ON DELETE CASCADE\n);": ERROR: foreign key constraint"""
TABLE = """[SQL: create table bad(id int, user_id int references "user")]
(Background on this error at: x)"""
DDL = 'Error executing DDL "alter table if exists p add constraint FK42u foreign key (c_id) references c" via JDBC'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RESTORE, Definition("Fk", "public", "Order items", ("a", "B"), "public", "orders", ("id", "k"))),
        (GOOSE, Definition(None, None, "sessions", ("user_id",), None, "users", ("id",))),
        (TABLE, Definition(None, None, "bad", ("user_id",), None, "user", ())),
        (DDL, Definition("fk42u", None, "p", ("c_id",), None, "c", ())),
        (
            "QUERY: ALTER TABLE a ADD COLUMN IF NOT EXISTS z int CONSTRAINT k REFERENCES y (q)",
            Definition("k", None, "a", ("z",), None, "y", ("q",)),
        ),
    ],
)
def test_what_a_definition_would_have_made(text: str, expected: Definition) -> None:
    written = find_written(text)
    assert written is not None
    assert definitions(written.sql) == (expected,)


def test_every_foreign_key_of_a_definition_is_told() -> None:
    found = definitions(
        "CREATE TABLE t (a int, b numeric(5, 2), c int REFERENCES x, PRIMARY KEY (a, c), CHECK (a > 0),"
        " FOREIGN KEY (a, c) REFERENCES y (p, q)); ALTER TABLE t ADD FOREIGN KEY (b) REFERENCES z, ADD q int;"
    )
    assert [(each.columns, each.parent, each.parent_columns) for each in found] == [
        (("c",), "x", ()),
        (("a", "c"), "y", ("p", "q")),
        (("b",), "z", ()),
    ]
    assert definitions("select 1 from table_of where references = 1") == ()
