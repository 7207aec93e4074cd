"""The kinds of errors in one text: each is a finding of its own, by its own topic; those of the incidents first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from fkexplorer.diagnosis.reading.reader import read_text
from fkexplorer.diagnosis.reading.times import time_from, time_of

TODAY = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_a_message_and_its_detail_without_labels() -> None:
    found = read_text("""\
insert or update on table "users" violates foreign key constraint "users_primary_workspace_id_workspaces_id_fk"
Key (primary_workspace_id)=(a7189b92-ba75-4160-8fa0-426bfe8fa33a) is not present in table "workspaces".
""").found
    assert [each.occurrences for each in found] == [1]
    error = found[0].error
    assert (error.kind, error.constraint) == ("missing_parent", "users_primary_workspace_id_workspaces_id_fk")
    assert (error.values, error.parent_table) == (("a7189b92-ba75-4160-8fa0-426bfe8fa33a",), "workspaces")


def test_an_error_of_a_phone_cut_off_at_its_end() -> None:
    found = read_text("""\
PostgrestException(message: insert or update on table "chat_conversations" violates foreign key constraint
"chat_conversations_user_id_fkey", code: 23503, details: Key (user_id)=(d78a04ae-0000-4000-8000-000000000001) is not
present in table "user_profiles"
""").found
    assert [each.occurrences for each in found] == [1]
    error = found[0].error
    assert (error.sqlstate, error.constraint) == ("23503", "chat_conversations_user_id_fkey")
    assert (error.columns, error.parent_table) == (("user_id",), "user_profiles")


def test_a_definition_refused_twice() -> None:
    line = 'Error [GetUserByAccountError]: foreign key constraint "sessions_user_id_fkey" cannot be implemented\n'
    found = read_text((line + "    at adapter (/app/auth.js:1:2)\n") * 2).found
    assert [(each.occurrences, each.error.kind, each.error.constraint) for each in found] == [
        (2, "cannot_implement", "sessions_user_id_fkey")
    ]


def test_what_two_starts_at_once_leave_in_a_log() -> None:
    found = read_text("""\
error: constraint "sessions_user_id_fkey" for relation "sessions" already exists
error: duplicate key value violates unique constraint "pg_type_typname_nsp_index"
Key (typname, typnamespace)=(sessions, 2200) already exists.
error: relation "sessions" already exists
error: relation "users" does not exist
error: there is no unique constraint matching given keys for referenced table "users"
ERROR:  column "usr_id" referenced in foreign key constraint does not exist
NOTICE:  relation "sessions" already exists, skipping
""").found
    assert [(each.occurrences, each.error.topic or each.error.kind) for each in found] == [
        (1, "already_exists"),
        (1, "already_exists"),
        (1, "already_exists"),
        (1, "relation_missing"),
        (1, "no_unique"),
        (1, "column_missing"),
    ]


def test_a_drop_with_its_dependents() -> None:
    error = (
        read_text("""\
ERROR:  cannot drop table users because other objects depend on it
DETAIL:  constraint sessions_user_id_fkey on table sessions depends on table users
HINT:  Use DROP ... CASCADE to drop the dependent objects too.
""")
        .found[0]
        .error
    )
    assert (error.topic, error.constraint, error.child_table) == ("drop_dependent", "sessions_user_id_fkey", "sessions")


def test_the_parameters_that_the_server_logs() -> None:
    prefix = "2026-11-21 01:56:42.548 UTC [44]"
    error = (
        read_text(f"""\
{prefix} ERROR:  insert or update on table "a" violates foreign key constraint "a_fk"
{prefix} DETAIL:  Key (x)=(1) is not present in table "pa".
{prefix} CONTEXT:  unnamed portal with parameters: $1 = '1', $2 = NULL
{prefix} STATEMENT:  insert into a(x, y) values ($1, $2)
""")
        .found[0]
        .error
    )
    assert error.row is not None
    assert error.row.values == {"x": "1", "y": None}


def test_a_value_with_a_line_end() -> None:
    error = (
        read_text("""\
ERROR:  insert or update on table "a" violates foreign key constraint "a_fk"
DETAIL:  Key (x)=(one
two) is not present in table "pa".
""")
        .found[0]
        .error
    )
    assert (error.values, error.parent_table) == (("one\ntwo",), "pa")


def test_a_value_with_a_line_end_in_the_log_of_the_server() -> None:
    prefix = "2026-11-21 01:56:42.548 UTC [44] app@shop"
    found = read_text(f"""\
{prefix} ERROR:  insert or update on table "a" violates foreign key constraint "a_fk"
{prefix} DETAIL:  Key (x)=(one
\ttwo) is not present in table "pa".
{prefix} STATEMENT:  insert into a(x)
\tvalues ('one
\ttwo');
""").found
    assert [(each.occurrences, each.error.values) for each in found] == [(1, ("one\ntwo",))]
    assert found[0].error.statement is not None
    assert found[0].error.statement.sql == "insert into a(x)\nvalues ('one\ntwo');"
    assert found[0].error.row is not None
    assert found[0].error.row.values == {"x": "one\ntwo"}


def test_errors_of_other_languages_in_a_log() -> None:
    prefix = "2026-11-21 01:56:42.548 CET [44] app@shop"
    found = read_text(f"""\
{prefix} FEHLER:  Einfügen oder Aktualisieren in Tabelle »s« verletzt Fremdschlüssel-Constraint »s_fk«
{prefix} DETAIL:  Schlüssel (u)=(1) ist nicht in Tabelle »p« vorhanden.
{prefix} ANWEISUNG:  insert into s(u) values (1)
{prefix} FEHLER:  doppelter Schlüsselwert verletzt Unique-Constraint »s_key«
""")
    assert found.others == 1
    assert [(each.occurrences, each.error.constraint, each.error.values) for each in found.found] == [
        (1, "s_fk", ("1",))
    ]
    error = found.found[0].error
    assert error.row is not None
    assert error.row.values == {"u": "1"}
    assert error.when == datetime(2026, 11, 21, 0, 56, 42, 548_000, UTC)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2026-11-21 01:56:42.548 UTC [1]", datetime(2026, 11, 21, 1, 56, 42, 548_000, UTC)),
        ("2026-11-21T01:56:42,5+01:00 x", datetime(2026, 11, 21, 0, 56, 42, 500_000, UTC)),
        ("2026/11/21 01:56:42 x", datetime(2026, 11, 21, 1, 56, 42)),  # noqa: DTZ001
        ("[21/Nov/2026:01:56:42 -0500]", datetime(2026, 11, 21, 6, 56, 42, tzinfo=UTC)),
        ("Nov 21 01:56:42 host x", datetime(2026, 11, 21, 1, 56, 42)),  # noqa: DTZ001
        ("Dec 31 01:56:42 host x", datetime(2025, 12, 31, 1, 56, 42)),  # noqa: DTZ001
        ("2026-11-21 01:56:42 XYZ", datetime(2026, 11, 21, 1, 56, 42)),  # noqa: DTZ001
        ("2026-13-45 01:56:42", None),
        ("Feb 29 01:56:42 host", None),
        ("at file.js:12:34", None),
    ],
)
def test_times(text: str, when: datetime | None) -> None:
    assert time_of(text, TODAY) == when


def test_times_in_fields() -> None:
    begin = datetime(1970, 1, 1, tzinfo=UTC)
    assert time_from(1763690202546, TODAY) == begin + timedelta(milliseconds=1763690202546)
    assert time_from("1763690202.5", TODAY) == begin + timedelta(seconds=1763690202.5)
    assert time_from("soon", TODAY) is None
