"""What the doctor says before a constraint is tried is what is said of the server's refusal afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fkexplorer.demo.database import build_demo
from fkexplorer.diagnosis.reading.reader import read_text
from fkexplorer.orphans.model import Status
from tests.diagnosis.cannots import ADD, SCHEMA, case_for, error_of, explained
from tests.diagnosis.test_diagnose import diagnosed
from tests.doctor.pairs import errors, examined_names, examined_pairs, runnable
from tests.orphans.connected import new_role, run

if TYPE_CHECKING:
    from collections.abc import Callable

BARE = 'Error [GetUserByAccountError]: foreign key constraint "sessions_user_id_fkey" cannot be implemented\n'
PAIR = "nextauth.sessions(user_id):nextauth.users(id)"


async def test_sign_ins_that_fail_are_explained_as_the_doctor_sees_them(make_database: Callable[[str], str]) -> None:
    demo = make_database("")
    build_demo(demo)
    [bare] = read_text(BARE).found
    async with case_for(demo, bare.error) as case:
        assert [each.label for each in case.placed.candidates] == [PAIR]
    part = await explained(demo, bare.error)
    examined = await examined_pairs(demo, PAIR)
    [finding] = examined.findings
    assert finding.code == "types_differ"
    # Word for word: the types, what does not cast, what would be an orphan then, which side is to change.
    said = {each.code: each for each in part.findings}
    for code in ("uncastable", "orphans_after_cast", "change_direction"):
        assert said[code].text in finding.text
    assert part.findings[0].text in finding.text
    # The count has the same numbers, apart from each other, and is no orphan of a constraint that there can't be.
    count = examined.counts[examined.edges[0].oid]
    assert (count.status, count.orphans) == (Status.INCOMPARABLE, None)
    assert said["uncastable"].text.startswith(f"{count.uncastable} values ")
    assert said["orphans_after_cast"].result == f"{count.orphans_if_cast} rows"
    # The statements, too: the doctor's are quoted, spare the tables that inherit, and cast in SQL's own way.
    advised = _words("\n".join(each.sql for each in part.suggestions))
    for statement in runnable(finding):
        assert _words(statement.partition(" USING ")[0].replace("TABLE ONLY ", "TABLE ")) in advised
    # Once the table itself is missing, both say that its CREATE failed, and not that the database is another one.
    await run(demo, "DROP TABLE nextauth.sessions")
    diagnosis = await diagnosed(demo, BARE)
    assert "sessions does not exist: its CREATE failed." in {each.text for each in diagnosis.findings}
    [absent] = (await examined_names(demo, PAIR)).findings
    assert absent.code == "table_missing"
    assert "There is no table nextauth.sessions: its CREATE failed" in absent.text


def _words(statements: str) -> str:
    """Without quotes and blanks, and the schema of a type."""
    return "".join(statements.replace('"', "").replace("pg_catalog.", "").split())


async def test_each_refusal_has_the_cause_that_the_doctor_has(database_url: str) -> None:
    await run(database_url, SCHEMA)
    for columns, parent, code in (
        ("user_id", "users(id)", "types_differ"),
        ("email", "users(email)", "unusable_key"),
        ("number", "users(number)", "deferrable_key"),
        ("token", "users(code)", "no_unique_key"),
        ("id", "people(id)", "not_a_table"),
        ("email, number", "users(id)", "arity"),
        ("userid", "users(id)", "column_missing"),
    ):
        error = error_of(database_url, f"{ADD} ({columns}) REFERENCES {parent}")
        part = await explained(database_url, error)
        pair = f"sessions({columns}):{parent}"
        named = code in {"not_a_table", "arity", "column_missing"}
        found = errors(await (examined_names if named else examined_pairs)(database_url, pair))
        assert code in found, pair
        assert part.live is True
        told = {each.code for each in part.findings}
        assert told & set(found), (pair, told, set(found))
    # Who may not, is told the same GRANT.
    async with new_role(database_url) as role:
        await run(database_url, f"ALTER TABLE sessions OWNER TO {role}, ALTER user_id TYPE uuid USING NULL")
        error = error_of(database_url, f"{ADD} (user_id) REFERENCES users (id)", role=role)
        part = await explained(database_url, error, role=role)
        lacks = errors(await examined_pairs(database_url, "sessions(user_id):users(id)", role=role))[
            "privilege_missing"
        ]
        grants = {each.sql.rstrip(";") for each in part.suggestions if each.sql.startswith("GRANT")}
        assert grants
        assert grants <= set(runnable(lacks))
        await run(database_url, "ALTER TABLE sessions OWNER TO postgres")
