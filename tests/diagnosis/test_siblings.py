"""The other foreign keys of a refused row, against what PostgreSQL says once the first one is mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.diagnosis.reading.model import ErrorKind, ParsedError, Row
from fkexplorer.diagnosis.siblings import siblings
from tests.diagnosis.cases import by_hand, case, case_of, refused, row, told
from tests.orphans.connected import new_role, opened, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.diagnosis.model import Evidence, Part

pytestmark = pytest.mark.matrix

SCHEMA = """
CREATE TABLE users (id int PRIMARY KEY);
CREATE TABLE installations (id uuid PRIMARY KEY);
CREATE TABLE places (country text, city text, PRIMARY KEY (country, city));
INSERT INTO installations VALUES ('4f1c8e0a-7a2e-4a43-9f3b-0c7d2a6b5e11');
CREATE TABLE links (id int PRIMARY KEY, user_id int CONSTRAINT l_user REFERENCES users,
 installation_id uuid CONSTRAINT l_installation REFERENCES installations,
 country text, city text, CONSTRAINT l_place FOREIGN KEY (country, city) REFERENCES places MATCH FULL,
 parent int CONSTRAINT l_parent REFERENCES links);
CREATE TABLE alone (user_id int CONSTRAINT a_user REFERENCES users);
"""
INSTALLATION = "4f1c8e0a-7a2e-4a43-9f3b-0c7d2a6b5e11"


@pytest.fixture(scope="module")
def links(make_database: Callable[[str], str]) -> str:
    return make_database(SCHEMA)


async def of_row(conninfo: str, role: str | None = None, **values: str | None) -> Part:
    """What is said of a row that `l_user` refused."""
    async with case(conninfo, "l_user", told("user_id", "7", row=row("links", **values)), role=role) as one:
        return await siblings(one)


def beginning(evidence: tuple[Evidence, ...], name: str) -> Evidence:
    """The one whose text begins with that constraint."""
    [found] = [each for each in evidence if each.text.split(":")[0].split()[0] == name]
    return found


async def test_one_that_is_present_and_one_that_would_fail_next(links: str) -> None:
    part = await of_row(links, id="1", user_id="7", installation_id=INSTALLATION, parent="5", country=None, city=None)
    present = beginning(part.ruled_out, "l_installation")
    assert present.code == "other_key_present"
    assert present.text == f"l_installation is fine: public.installations has id = {INSTALLATION}."
    assert by_hand(links, present.query) == [(1,)]
    [missing] = part.findings
    assert missing.code == "other_key_missing"
    assert missing.text == "l_parent would refuse the row next: public.links has no row with id = 5."
    assert by_hand(links, missing.query) == [(0,)]
    assert beginning(part.ruled_out, "l_place").code == "other_key_null"
    values = f"INSERT INTO links (id, user_id, installation_id, parent) VALUES (1, 7, '{INSTALLATION}', 5)"
    assert refused(links, values).constraint == "l_user"
    await run(links, "INSERT INTO users VALUES (7)")
    assert refused(links, values).constraint == "l_parent"
    await run(links, "DELETE FROM users")


async def test_a_row_that_refers_to_itself(links: str) -> None:
    part = await of_row(links, id="5", user_id="7", parent="5")
    own = beginning(part.ruled_out, "l_parent")
    assert own.code == "other_key_present"
    assert "refers to itself" in own.text


async def test_null_in_a_part_of_a_match_full_key(links: str) -> None:
    part = await of_row(links, country="DE", city=None)
    mixed = beginning(part.findings, "l_place")
    assert mixed.code == "other_key_missing"
    assert "MATCH FULL" in mixed.text


async def test_columns_that_the_text_does_not_tell_and_values_of_another_type(links: str) -> None:
    part = await of_row(links, user_id="7", installation_id="no-uuid", parent=None)
    assert beginning(part.findings, "l_installation").code == "other_key_unknown"
    assert 'invalid input syntax for type uuid: "no-uuid"' in beginning(part.findings, "l_installation").text
    assert beginning(part.findings, "l_place").text == (
        "l_place: the text does not tell country, city of public.links, so that it was not looked at."
    )
    assert beginning(part.ruled_out, "l_parent").code == "other_key_null"


async def test_what_the_role_may_not_read(links: str) -> None:
    async with new_role(links) as role:
        await run(links, f"GRANT SELECT ON links TO {role}")
        part = await of_row(links, role, id="1", installation_id=INSTALLATION)
    unknown = beginning(part.findings, "l_installation")
    assert unknown.code == "other_key_unknown"
    assert "no SELECT on public.installations" in unknown.text


async def test_without_an_edge_the_row_tells_its_table(links: str) -> None:
    error = ParsedError(ErrorKind.MISSING_PARENT, row=Row("public", "links", {"user_id": "7"}))
    async with opened(links) as there:
        part = await siblings(case_of(there, None, error))
    assert beginning(part.findings, "l_user").code == "other_key_missing"


async def test_silent_without_a_row_or_another_key(links: str) -> None:
    async with opened(links) as there:
        for edge, error in (
            ("l_user", told("user_id", "7")),
            ("l_user", told("user_id", "7", row=row("users", id="7"))),
            ("a_user", told("user_id", "7", row=row("alone", user_id="7"))),
        ):
            part = await siblings(case_of(there, edge, error))
            assert (part.findings, part.ruled_out) == ((), ())
