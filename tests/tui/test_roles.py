"""Roles that may not see everything: row security and missing privileges."""

from __future__ import annotations

import re
import uuid
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from psycopg.conninfo import make_conninfo

from fkexplorer.orphans.model import Status
from fkexplorer.tui.messages import Connected
from fkexplorer.tui.world import View
from tests.tui.helpers import Gate, opened, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SCHEMA = """
CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1);
CREATE TABLE c (id int PRIMARY KEY, p_id int, who text);
INSERT INTO c VALUES (1, 1, 'me'), (2, 8, 'me'), (3, 9, 'other');
ALTER TABLE c ADD CONSTRAINT c_p_fk FOREIGN KEY (p_id) REFERENCES p NOT VALID;
"""


@asynccontextmanager
async def limited(url: str, script: str) -> AsyncIterator[str]:
    """The conninfo of a role of its own, after this script with ROLE as its name."""
    name = f"role_{uuid.uuid4().hex[:12]}"
    await run(url, f"CREATE ROLE {name} LOGIN; {SCHEMA}; {script.replace('ROLE', name)}")
    try:
        yield make_conninfo(url, user=name)
    finally:
        await run(url, f"DROP OWNED BY {name}; DROP ROLE {name}")


async def test_row_security_is_told_and_rows_are_labelled(database_url: str) -> None:
    script = """
    GRANT SELECT ON p, c TO ROLE; ALTER TABLE c ENABLE ROW LEVEL SECURITY;
    CREATE POLICY mine ON c USING (who = 'me');
    """
    async with limited(database_url, script) as conninfo, opened(conninfo) as person:
        edge = person.edge("c_p_fk")
        assert person.app.world.counts[edge.oid].status is Status.UNRELIABLE
        assert re.search(r"^ c +R ", person.text, re.MULTILINE)
        assert "no orphans" not in person.lines()[0]
        assert "1 not known" in person.lines()[0]
        await person.open_lens("c", "c_p_fk")
        await person.press("o")
        await person.read()
        await person.sees("as your role sees them")
        rows = person.app.main.rows
        assert [row[0].text for row in rows.rows] == ["2"]
        await person.press("enter")
        await person.sees(r"who +me")


async def test_a_denied_table_is_greyed_with_its_reason(database_url: str) -> None:
    async with limited(database_url, "GRANT SELECT ON p TO ROLE") as conninfo, opened(conninfo) as person:
        assert re.search(r"^ c +D ", person.text, re.MULTILINE)
        await person.open_lens("c", "c_p_fk")
        off = person.app.palette["off"].color
        words = [segment for segment in person.segments()[-1] if "rows" in segment.text]
        assert words
        assert all(segment.style is not None and segment.style.color == off for segment in words)
        await person.press("o")
        await person.told("rows: no SELECT on c")
        assert person.in_view(View.LENS)
        await person.press("question_mark")
        await person.sees(r"Orphan rows of this foreign key\. *\(no SELECT on c\)|no SELECT on c")


async def test_what_never_reached_the_server_is_as_old_as_it_is_here(database_url: str) -> None:
    gate = Gate(Connected)
    async with (
        limited(database_url, "GRANT SELECT ON p TO ROLE") as conninfo,
        opened(conninfo, gate=gate, wait=False) as person,
    ):
        await person.until(lambda: gate.held)
        [connected] = gate.held
        assert isinstance(connected, Connected)
        # As if this computer's clock were two hours behind the server's.
        connected.facts = replace(connected.facts, connected_at=connected.facts.connected_at + timedelta(hours=2))
        gate.open()
        await person.counted()
        await person.open_lens("c", "c_p_fk")
        await person.sees(r"denied: a privilege is missing")
        assert re.search(r"as of \S+ \((just now|\d+s ago)\)", " ".join(person.text.split()))


async def test_no_usage_of_the_schema(database_url: str) -> None:
    script = """
    CREATE SCHEMA hidden; ALTER TABLE c SET SCHEMA hidden; GRANT SELECT ON p, hidden.c TO ROLE;
    """
    async with limited(database_url, script) as conninfo, opened(conninfo) as person:
        await person.open_lens("hidden.c", "c_p_fk")
        assert person.app.world.counts[person.edge("c_p_fk").oid].status is Status.DENIED
        await person.press("o")
        await person.told("rows: no USAGE on schema hidden")


async def test_a_privilege_taken_away_meanwhile(database_url: str) -> None:
    async with limited(database_url, "GRANT SELECT ON p, c TO ROLE") as conninfo, opened(conninfo) as person:
        await person.sees(r"^ c +!2")
        await run(database_url, "REVOKE SELECT ON c FROM PUBLIC, " + conninfo_user(conninfo))
        await person.open_lens("c", "c_p_fk")
        await person.press("o")
        await person.read()
        await person.sees("permission denied")
        await person.press("escape", "r")
        await person.until(lambda: person.app.world.counts[person.edge("c_p_fk").oid].status is Status.DENIED)


async def test_columns_that_may_not_be_read_are_left_out(database_url: str) -> None:
    script = "GRANT SELECT ON p TO ROLE; GRANT SELECT (id, p_id) ON c TO ROLE"
    async with limited(database_url, script) as conninfo, opened(conninfo, size=(110, 24)) as person:
        await person.sees(r"^ c +!2")
        await person.open_lens("c", "c_p_fk")
        await person.press("o")
        await person.read()
        await person.sees("1 columns? denied")
        assert [field.name for field in person.app.main.rows.fields] == ["id", "p_id"]


def conninfo_user(conninfo: str) -> str:
    """The role's name."""
    found = re.search(r"role_\w+", conninfo)
    assert found is not None
    return found[0]
