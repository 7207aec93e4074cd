"""What drivers, frameworks and servers print of an error, beyond the fixture: each is read for all that it tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from fkexplorer.diagnosis.reading.reader import read_text

MESSAGE = 'insert or update on table "sessions" violates foreign key constraint "sessions_user_id_fkey"'
DETAIL = 'Key (user_id)=(42) is not present in table "users".'
ESCAPED = MESSAGE.replace('"', '\\"')
ESCAPED_DETAIL = DETAIL.replace('"', '\\"')
TABLES = {"constraint": "sessions_user_id_fkey", "child_table": "sessions", "kind": "missing_parent"}
KEY = {**TABLES, "columns": ("user_id",), "values": ("42",), "parent_table": "users"}
CODE = {**KEY, "sqlstate": "23503"}
ALL = {**CODE, "child_schema": "public"}
UNKNOWN = {"kind": "other", "topic": "fk_violation_unknown_direction"}


@dataclass(frozen=True)
class Case:
    """A text, what it tells of the error, and of the row."""

    name: str
    text: str
    tells: dict[str, Any]
    row: dict[str, str | None] | None = None
    occurrences: int = 1
    others: int = field(default=0)


CASES = (
    Case(
        "asyncpg traceback",
        f"""\
Traceback (most recent call last):
  File "/app/main.py", line 9, in main
    await conn.execute('INSERT INTO sessions(user_id) VALUES ($1)', 42)
asyncpg.exceptions.ForeignKeyViolationError: {MESSAGE}
DETAIL:  {DETAIL}
""",
        KEY,
    ),
    Case(
        "SQLAlchemy chain",
        f"""\
Traceback (most recent call last):
  File "/app/.venv/lib/python3.11/site-packages/sqlalchemy/engine/base.py", line 1967, in _exec_single_context
    self.dialect.do_execute(
psycopg2.errors.ForeignKeyViolation: {MESSAGE}
DETAIL:  {DETAIL}


The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/main.py", line 12, in <module>
    session.commit()
sqlalchemy.exc.IntegrityError: (psycopg2.errors.ForeignKeyViolation) {MESSAGE}
DETAIL:  {DETAIL}

[SQL: INSERT INTO sessions (user_id, note) VALUES (%(user_id)s, %(note)s) RETURNING sessions.id]
[parameters: {{'user_id': 42, 'note': None}}]
(Background on this error at: https://sqlalche.me/e/20/gkpj)
""",
        KEY,
        {"user_id": "42", "note": None},
    ),
    Case(
        "Django, logged and raised",
        f"""\
(0.002) INSERT INTO "sessions" ("user_id") VALUES (42) RETURNING "sessions"."id"; args=(42,); alias=default
Internal Server Error: /signup
Traceback (most recent call last):
  File "/app/.venv/lib/python3.11/site-packages/django/db/backends/utils.py", line 105, in _execute
    return self.cursor.execute(sql, params)
psycopg.errors.ForeignKeyViolation: {MESSAGE}
DETAIL:  {DETAIL}

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/shop/views.py", line 33, in post
    form.save()
django.db.utils.IntegrityError: {MESSAGE}
DETAIL:  {DETAIL}

""",
        KEY,
        {"user_id": "42"},
    ),
    Case("repr of psycopg2", f"ForeignKeyViolation('{MESSAGE}\\nDETAIL:  {DETAIL}\\n')", KEY),
    Case(
        "pino",
        f'{{"level":50,"time":1763690202546,"err":{{"type":"DatabaseError","message":"{ESCAPED}",'
        f'"stack":"error: {ESCAPED}\\n    at Parser","code":"23503","detail":"{ESCAPED_DETAIL}",'
        f'"schema":"public","table":"sessions","constraint":"sessions_user_id_fkey"}},"msg":"{ESCAPED}"}}',
        ALL,
    ),
    Case(
        "winston, the error's fields beside the message",
        f'{{"level":"error","message":"{ESCAPED}","code":"23503","detail":"{ESCAPED_DETAIL}","timestamp":"2026-11-21"}}',
        CODE,
    ),
    Case(
        "Drizzle, as JSON with its cause",
        f'{{"query":"insert into \\"sessions\\" (\\"user_id\\", \\"note\\") values ($1, $2)","params":[42,"a, b"],'
        f'"cause":{{"name":"error","message":"{ESCAPED}","code":"23503","detail":"{ESCAPED_DETAIL}","schema":"public"}}}}',
        ALL,
        {"user_id": "42", "note": "a, b"},
    ),
    Case(
        "JSON over lines",
        f"""\
{{
  "error": {{
    "code": "23503",
    "details": "{ESCAPED_DETAIL}",
    "hint": null,
    "message": "{ESCAPED}"
  }}
}}
""",
        CODE,
    ),
    Case(
        "JSON in a log line",
        f'2026-11-21 request failed {{"code":"23503","detail":"{ESCAPED_DETAIL}"}} id=7',
        {"kind": "missing_parent", "columns": ("user_id",), "values": ("42",), "parent_table": "users"},
    ),
    Case(
        "TypeORM",
        f"""\
QueryFailedError: {MESSAGE}
    at PostgresQueryRunner.query (/app/node_modules/typeorm/driver/postgres/PostgresQueryRunner.js:299:19) {{
  query: 'INSERT INTO "sessions"("user_id", "note") VALUES ($1, $2) RETURNING "id"',
  parameters: [ 42, 'two' ],
  driverError: error: {MESSAGE}
      at Parser.parseErrorMessage (/app/node_modules/pg-protocol/dist/parser.js:285:98) {{
    code: '23503',
    detail: '{DETAIL}',
    schema: 'public',
    table: 'sessions',
    constraint: 'sessions_user_id_fkey'
  }},
  code: '23503',
  detail: '{DETAIL}',
  schema: 'public',
  table: 'sessions',
  constraint: 'sessions_user_id_fkey'
}}
""",
        ALL,
        {"user_id": "42", "note": "two"},
    ),
    Case(
        "Knex",
        f"""\
error: insert into "sessions" ("note", "user_id") values ($1, $2) returning "id" - {MESSAGE}
    at Parser.parseErrorMessage (/app/node_modules/pg-protocol/dist/parser.js:287:98) {{
  code: '23503',
  detail: '{DETAIL}',
}}
""",
        CODE,
    ),
    Case(
        "Prisma 6",
        "Invalid `prisma.session.create()` invocation:\n\n\n"
        "Foreign key constraint violated on the constraint: `sessions_user_id_fkey`",
        {**UNKNOWN, "constraint": "sessions_user_id_fkey"},
    ),
    Case(
        "Prisma, with the database's own words",
        f'ConnectorError(ConnectorError {{ user_facing_error: None, kind: QueryError(PostgresError {{ code: "23503", '
        f'message: "{ESCAPED}", severity: "ERROR", detail: Some("{ESCAPED_DETAIL}"), column: None, hint: None }}) }})',
        CODE,
    ),
    Case(
        "Ecto",
        "** (Ecto.ConstraintError) constraint error when attempting to insert struct:\n\n"
        '    * "sessions_user_id_fkey" (foreign_key_constraint)\n\nIf you would like to stop this',
        {**UNKNOWN, "constraint": "sessions_user_id_fkey"},
    ),
    Case(
        "Postgrex",
        f"** (Postgrex.Error) ERROR 23503 (foreign_key_violation) {MESSAGE}\n\n"
        "    table: sessions\n    constraint: sessions_user_id_fkey\n\n" + DETAIL,
        KEY,
    ),
    Case("lib/pq", f"pq: {MESSAGE}", TABLES),
    Case("pgx", f"ERROR: {MESSAGE} (SQLSTATE 23503)", {**TABLES, "sqlstate": "23503"}),
    Case(
        "pgx, %#v",
        f'&pgconn.PgError{{Severity:"ERROR", Code:"23503", Message:"{ESCAPED}", Detail:"{ESCAPED_DETAIL}", Hint:"", '
        'Position:0, SchemaName:"public", TableName:"sessions", ConstraintName:"sessions_user_id_fkey", Line:2596}',
        ALL,
    ),
    Case(
        "Go's slog",
        f'time=2026-11-21T01:56:42Z level=ERROR msg="save" err="ERROR: {ESCAPED} (SQLSTATE 23503)"',
        {**TABLES, "sqlstate": "23503"},
    ),
    Case("diesel", f'DatabaseError(ForeignKeyViolation, "{ESCAPED}")', TABLES),
    Case(
        "tokio-postgres",
        f'Error {{ kind: Db, cause: Some(DbError {{ severity: "ERROR", code: SqlState(E23503), message: "{ESCAPED}", '
        f'detail: Some("{ESCAPED_DETAIL}"), schema: Some("public"), table: Some("sessions") }}) }}',
        {**KEY, "child_schema": "public"},
    ),
    Case(
        "Spring, by three hands",
        f"""\
2026-11-21 01:56:42.546  WARN 1 --- [exec-1] o.h.engine.jdbc.spi.SqlExceptionHelper : SQL Error: 0, SQLState: 23503
2026-11-21 01:56:42.547 ERROR 1 --- [exec-1] o.h.engine.jdbc.spi.SqlExceptionHelper : ERROR: {MESSAGE}
  Detail: {DETAIL}
2026-11-21 01:56:42.560 ERROR 1 --- [exec-1] o.a.c.c.C.[.[dispatcherServlet] : threw exception [Request processing \
failed: org.springframework.dao.DataIntegrityViolationException: could not execute statement [ERROR: {MESSAGE}
  Detail: {DETAIL}] [insert into sessions (user_id,id) values (?,?)]; SQL [insert into sessions (user_id,id) values \
(?,?)]; constraint [sessions_user_id_fkey]] with root cause

org.postgresql.util.PSQLException: ERROR: {MESSAGE}
  Detail: {DETAIL}
\tat org.postgresql.core.v3.QueryExecutorImpl.receiveErrorResponse(QueryExecutorImpl.java:2725)
""",
        CODE,
    ),
    Case(
        "Hibernate, the cause last, twice",
        f"""\
org.springframework.dao.DataIntegrityViolationException: could not execute statement; SQL [n/a]; \
constraint [sessions_user_id_fkey]; nested exception is org.hibernate.exception.ConstraintViolationException
\tat org.springframework.orm.jpa.vendor.HibernateJpaDialect.convert(HibernateJpaDialect.java:276)
Caused by: org.hibernate.exception.ConstraintViolationException: could not execute statement
\tat org.hibernate.exception.internal.SQLStateConversionDelegate.convert(SQLStateConversionDelegate.java:109)
\t... 61 more
Caused by: org.postgresql.util.PSQLException: ERROR: {MESSAGE}
  Detail: {DETAIL}
\tat org.postgresql.core.v3.QueryExecutorImpl.receiveErrorResponse(QueryExecutorImpl.java:2725)
"""
        * 2,
        KEY,
        occurrences=2,
    ),
    Case(
        "JDBC batch",
        f"java.sql.BatchUpdateException: Batch entry 0 insert into sessions (user_id) values ('42') was aborted: "
        f"ERROR: {MESSAGE}\n  Detail: {DETAIL}  Call getNextException to see other errors in the batch.",
        KEY,
        {"user_id": "42"},
    ),
    Case("DataGrip", f"[23503] ERROR: {MESSAGE}\nDetail: {DETAIL}", CODE),
    Case("pgAdmin", f"ERROR:  {DETAIL}{MESSAGE} \n\nERROR:  {MESSAGE}\nSQL state: 23503\nDetail: {DETAIL}", CODE),
    Case(
        "Entity Framework",
        f"""\
fail: Microsoft.EntityFrameworkCore.Database.Command[20102]
      Failed executing DbCommand (4ms) [Parameters=[@p0='42', @p1='x' (Nullable = false)], CommandType='Text', \
CommandTimeout='30']
      INSERT INTO sessions (user_id, note)
      VALUES (@p0, @p1);
fail: Microsoft.EntityFrameworkCore.Update[10000]
      Microsoft.EntityFrameworkCore.DbUpdateException: An error occurred while saving the entity changes.
       ---> Npgsql.PostgresException (0x80004005): 23503: {MESSAGE}

      DETAIL: {DETAIL}
         at Npgsql.Internal.NpgsqlConnector.ReadMessageLong(NpgsqlConnector connector)
        Exception data:
          Severity: ERROR
          SqlState: 23503
          MessageText: {MESSAGE}
          Detail: {DETAIL}
          SchemaName: public
          TableName: sessions
          ConstraintName: sessions_user_id_fkey
""",
        ALL,
        {"user_id": "42", "note": "x"},
    ),
    Case(
        "Npgsql without details",
        f"Npgsql.PostgresException (0x80004005): 23503: {MESSAGE}\n\n"
        "DETAIL: Detail redacted as it may contain sensitive data. Specify 'Include Error Detail' to include it.",
        {**TABLES, "sqlstate": "23503"},
    ),
    Case(
        "Rails with its log",
        f"""\
  Session Create (0.6ms)  INSERT INTO "sessions" ("user_id", "note") VALUES ($1, $2) RETURNING "id"  \
[["user_id", 42], ["note", "hi"]]
  TRANSACTION (0.2ms)  ROLLBACK
Completed 500 Internal Server Error in 31ms (ActiveRecord: 4.2ms | Allocations: 9211)

ActiveRecord::InvalidForeignKey (PG::ForeignKeyViolation: ERROR:  {MESSAGE}
DETAIL:  {DETAIL}
):

app/controllers/sessions_controller.rb:12:in `create'
""",
        KEY,
        {"user_id": "42", "note": "hi"},
    ),
    Case(
        "Laravel, old",
        f"[2026-11-21 01:56:42] production.ERROR: SQLSTATE[23503]: Foreign key violation: 7 ERROR:  {MESSAGE}\n"
        f'DETAIL:  {DETAIL} (SQL: insert into "sessions" ("user_id", "note") values (42, x y))',
        CODE,
    ),
    Case(
        "PDO",
        f"PDOException: SQLSTATE[23503]: Foreign key violation: 7 ERROR:  {MESSAGE}\nDETAIL:  {DETAIL} in /a.php:9",
        CODE,
    ),
    Case(
        "Flutter",
        f"flutter: PostgrestException(message: {MESSAGE}, code: 23503, details: {DETAIL}, hint: null)",
        CODE,
    ),
    Case(
        "supabase-js, printed",
        f"{{\n  code: '23503',\n  details: '{DETAIL}',\n  hint: null,\n  message: '{MESSAGE}'\n}}",
        CODE,
    ),
    Case(
        "Supabase, status as details",
        f'{{"code":"23503","details":"Conflict","hint":null,"message":"{ESCAPED}"}}',
        {**TABLES, "sqlstate": "23503", "columns": None},
    ),
    Case(
        "GoTrue",
        '{"level":"error","msg":"500: Database error saving new user","time":"2026-11-21T01:56:42Z"}',
        {"kind": "other", "topic": "auth_trigger_failure"},
    ),
    Case(
        "GraphQL with two errors",
        f'{{"errors":[{{"message":"{ESCAPED}"}},{{"message":"{ESCAPED}"}}]}}',
        TABLES,
        occurrences=2,
    ),
    Case("a row of Sentry", f"ForeignKeyViolation\n{MESSAGE}\nDETAIL:  {DETAIL}\n", KEY),
    Case("HTML", f"<pre>ERROR: {MESSAGE}\nDETAIL: {DETAIL}</pre>", KEY),
    Case("a chat", f"> ```\n> ERROR: {MESSAGE}\n> DETAIL: {DETAIL}\n> ```\n", KEY),
    Case(
        "a unique key beside it",
        f'ERROR:  duplicate key value violates unique constraint "s_key"\nDETAIL:  Key (user_id)=(42) already exists.\n'
        f"ERROR:  {MESSAGE}\nDETAIL:  {DETAIL}\n",
        KEY,
        others=1,
    ),
    Case(
        "pg_restore",
        "pg_restore: from TOC entry 3299; 2606 16429 FK CONSTRAINT sessions sessions_user_id_fkey app\n"
        f"pg_restore: error: could not execute query: ERROR:  {MESSAGE}\nDETAIL:  {DETAIL}\n"
        "Command was: ALTER TABLE ONLY public.sessions\n"
        "    ADD CONSTRAINT sessions_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id);\n",
        {**KEY, "child_schema": "public", "parent_columns": ("id",)},
    ),
)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_format_is_read(case: Case) -> None:
    reading = read_text(case.text)
    assert [each.occurrences for each in reading.found] == [case.occurrences]
    assert reading.others == case.others
    error = reading.found[0].error
    assert {name: getattr(error, name) for name in case.tells} == case.tells
    if case.row is not None:
        assert error.row is not None
        assert error.row.values == case.row


@pytest.mark.parametrize("after", [", hint: null)", "', schema: 'public' }", ""])
def test_a_detail_ends_where_its_sentence_does(after: str) -> None:
    [found] = read_text(f"PostgrestException(message: {MESSAGE}, code: 23503, details: {DETAIL}{after}").found
    assert found.error.excerpt.splitlines()[-1] == f"DETAIL: {DETAIL}"
