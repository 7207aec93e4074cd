"""What a missing key may have been meant to be: each way that it is near, and silence where it is not."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from fkexplorer.diagnosis.model import Side
from fkexplorer.diagnosis.near import near_misses
from fkexplorer.diagnosis.reading.model import ErrorKind, ParsedError
from fkexplorer.diagnosis.spellings import difference, spellings
from fkexplorer.schema.model import ColumnPair
from tests.diagnosis.cases import by_code, by_hand, case, case_of, edge_named, refused, told
from tests.orphans.connected import new_role, opened, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.diagnosis.model import Part

UUID = "a7189b92-ba75-4160-8fa0-426bfe8fa33a"
COMPOSED = "Zo\u00e9"

pytestmark = pytest.mark.matrix

SCHEMA = f"""
CREATE TABLE users (id text PRIMARY KEY);
INSERT INTO users VALUES ('guest'), ('McDonald'), (' padded'), ('007'), ('{UUID}'), ('{COMPOSED}');
CREATE TABLE sessions (user_id text CONSTRAINT owner REFERENCES users);
CREATE TABLE people (id uuid PRIMARY KEY, privy_did text UNIQUE, number int UNIQUE, code int UNIQUE);
INSERT INTO people VALUES ('{UUID}', 'did:privy:cm1', 5, 9);
CREATE TABLE notes (person text, uuid uuid CONSTRAINT note_of REFERENCES people (id));
CREATE TABLE calls (number int CONSTRAINT call_of REFERENCES people (number));
CREATE TABLE accounts (id int PRIMARY KEY, tenant text, deleted_at timestamp, UNIQUE (tenant, id));
INSERT INTO accounts VALUES (1, 'Acme', NULL), (2, 'Acme', '2026-01-02 03:04:05');
CREATE TABLE bills (account_id int CONSTRAINT bill_of REFERENCES accounts,
 tenant text, other int, CONSTRAINT of_tenant FOREIGN KEY (tenant, other) REFERENCES accounts (tenant, id));
CREATE SCHEMA other; CREATE TABLE other.accounts (id int PRIMARY KEY); INSERT INTO other.accounts VALUES (77);
CREATE TABLE accounts_archive (id int, note text); INSERT INTO accounts_archive VALUES (88);
CREATE TABLE tokens (session_token text PRIMARY KEY); INSERT INTO tokens VALUES ('S3CR3T');
CREATE TABLE uses (session_token text CONSTRAINT of_token REFERENCES tokens);
"""


@pytest.fixture(scope="module")
def users(make_database: Callable[[str], str]) -> str:
    return make_database(SCHEMA)


async def near(
    conninfo: str, edge: str, error: ParsedError, *, role: str | None = None, max_bytes: int = 1 << 30
) -> Part:
    async with case(conninfo, edge, error, role=role, max_bytes=max_bytes) as one:
        return await near_misses(one)


@pytest.mark.parametrize(
    ("typed", "there", "differs"),
    [
        ("GUEST", "guest", "the case of its letters"),
        ("mCdONALD", "McDonald", "the case of its letters"),
        ("guest ", "guest", "spaces around it"),
        ("padded", "' padded'", "spaces around it"),
        ("Guest\u200b", "guest", "characters that are not seen and the case of its letters"),
        ("7", "007", "leading zeros"),
        ("0007", "007", "leading zeros"),
        (UUID.upper(), UUID, "the case of its letters"),
        (UUID.replace("-", ""), UUID, "the form of the uuid"),
        (f"{{{UUID}}}", UUID, "the form of the uuid"),
        (unicodedata.normalize("NFD", COMPOSED), COMPOSED, "how its letters are composed (Unicode)"),
    ],
)
async def test_another_spelling(users: str, typed: str, there: str, differs: str) -> None:
    part = await near(users, "owner", refused(users, f"INSERT INTO sessions VALUES ('{typed}')"))
    miss = by_code(part.findings)["near_miss"]
    assert miss.text == f"public.users has id = {there}: it differs in {differs}."
    assert part.side is Side.CHILD
    assert len(by_hand(users, miss.query)) == 1
    assert "no_near_miss" not in by_code(part.ruled_out)


async def test_no_other_spelling_is_said(users: str) -> None:
    part = await near(users, "owner", told("user_id", "nobody"))
    assert part.findings == ()
    assert part.side is None
    none = by_code(part.ruled_out)["no_near_miss"]
    assert by_hand(users, none.query) == []


async def test_large_tables_are_asked_by_an_index_alone(users: str) -> None:
    part = await near(users, "owner", told("user_id", "GUEST"), max_bytes=0)
    assert by_code(part.findings)["near_miss"].result == "id = guest"
    part = await near(users, "owner", told("user_id", "mCdONALD"), max_bytes=0)
    assert by_code(part.findings).keys() == {"near_not_searched"}
    assert part.findings[0].text == (
        "Not looked at for the key: any mixture of cases in public.users (it would have to be read)."
    )


async def test_a_part_of_a_key_in_another_case(users: str) -> None:
    part = await near(users, "of_tenant", told("tenant,other", "ACME", "2"))
    miss = by_code(part.findings)["near_miss"]
    assert miss.text == "public.accounts has (tenant, id) = (Acme, 2): it differs in the case of its letters."
    part = await near(users, "of_tenant", told("tenant,other", "ACME", "3"))
    assert "near_miss" not in by_code(part.findings)


async def test_the_value_of_another_column(users: str) -> None:
    part = await near(users, "call_of", told("number", "9"))
    other = by_code(part.findings)["key_in_other_column"]
    assert other.text == "public.people has code = 9: the value belongs to code, and the key refers to number."
    assert part.side is Side.CHILD
    assert by_hand(users, other.query) == [(1,)]
    part = await near(users, "call_of", told("number", "8"))
    assert part.findings == ()
    assert [each.code for each in part.ruled_out] == ["not_in_other_column"] * 2
    assert part.side is None


async def test_a_uuid_that_is_kept_as_text(users: str) -> None:
    async with opened(users) as there:
        _, schema = there
        edge = edge_named(schema, "note_of")
        child = schema.child_of(edge)
        [pair] = edge.pairs
        edge = replace(edge, pairs=(ColumnPair(child.columns[0], pair.parent, None),))
        part = await near_misses(case_of(there, edge, told("person", f"{{{UUID.upper()}}}")))
    assert by_code(part.findings)["near_miss"].result == f"id = {UUID}"


async def test_another_schema_an_archive_and_rows_that_are_marked(users: str) -> None:
    part = await near(users, "bill_of", told("account_id", "77"))
    found = by_code(part.findings)
    assert found["key_in_other_schema"].text == (
        "other.accounts has id = 77: the row is in that schema, and the constraint refers to public.accounts."
    )
    assert "key_in_archive" not in found
    assert found["not_soft_deleted"].text.startswith("public.accounts marks rows as deleted in deleted_at, and")
    assert by_code(part.ruled_out)[
        "not_in_archive"
    ].text == "public.accounts_archive does not have id = 88 either.".replace("88", "77")
    part = await near(users, "bill_of", told("account_id", "88"))
    found = by_code(part.findings)
    assert by_hand(users, found["key_in_archive"].query) == [(1,)]
    assert "key_in_other_schema" not in found
    part = await near(users, "bill_of", told("account_id", "2"))
    assert by_code(part.findings)["soft_deleted"].result == "2026-01-02 03:04:05"
    part = await near(users, "bill_of", told("account_id", "1"))
    assert part.findings == ()


async def test_what_the_role_may_not_see_is_named(users: str) -> None:
    async with new_role(users) as role:
        await run(users, f"GRANT SELECT ON accounts TO {role}; GRANT SELECT (id) ON people TO {role}")
        part = await near(users, "bill_of", told("account_id", "77"), role=role)
        found = by_code(part.findings)
        assert "key_in_other_schema" not in found
        left = found["near_not_searched"].text
        assert "other.accounts (this role has no USAGE on schema other)" in left
        assert "public.accounts_archive (this role has no SELECT on public.accounts_archive (id))" in left
        assert not part.ruled_out


async def test_row_security_hides_a_row_from_others_or_does_not(make_database: Callable[[str], str]) -> None:
    conninfo = make_database("""
    CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (pid int CONSTRAINT fk REFERENCES p);
    INSERT INTO p VALUES (1), (2);
    ALTER TABLE p ENABLE ROW LEVEL SECURITY; CREATE POLICY first ON p USING (id = 1);
    """)
    part = await near(conninfo, "fk", told("pid", "2"))
    assert by_code(part.findings)["row_security"].text.startswith(
        "public.p has row security: the constraint sees id = 2"
    )
    part = await near(conninfo, "fk", told("pid", "3"))
    assert by_code(part.ruled_out)["not_hidden"].result == "0 rows"
    async with new_role(conninfo) as role:
        await run(conninfo, f"GRANT SELECT ON p, c TO {role}")
        part = await near(conninfo, "fk", told("pid", "2"), role=role)
        assert part.ruled_out == ()


async def test_a_text_that_can_be_cut_in_two_ways_has_no_near_miss(users: str) -> None:
    part = await near(users, "of_tenant", told("tenant,other", "ACME", "2", other_cuts=(("A", "2"),)))
    assert (part.findings, part.ruled_out) == ((), ())


async def test_a_secret_is_in_no_text(users: str) -> None:
    part = await near(users, "of_token", told("session_token", "s3cr3t"))
    miss = by_code(part.findings)["near_miss"]
    assert "s3cr3t" not in f"{miss.text}{miss.query}{miss.result}".lower()


async def test_silent_where_there_is_no_missing_key(users: str) -> None:
    for error in (
        told("user_id", "guest"),
        told("id", "GUEST", kind=ErrorKind.STILL_REFERENCED),
        ParsedError(ErrorKind.MISSING_PARENT),
    ):
        part = await near(users, "owner", error)
        assert (part.findings, part.ruled_out, part.side) == ((), (), None)


def test_spellings_are_others() -> None:
    assert "42" not in spellings("42")
    assert "0042" in spellings("42")
    assert difference("A ", "a") == "spaces around it and the case of its letters"
    assert difference(UUID, f"{{{UUID.upper()}}}") == "the case of its letters and the form of the uuid"
