"""What a diagnosis says of its looks: each has a time and a query that runs, and what was left out is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fkexplorer.demo.database import build_demo
from fkexplorer.diagnosis.diagnose import diagnose
from fkexplorer.diagnosis.reading.reader import read_text
from fkexplorer.reports.explain import explain_text
from fkexplorer.schema.graph import Graph
from fkexplorer.schema.names import edge_label
from tests.diagnosis.cases import GIB, by_code, by_hand
from tests.orphans.connected import opened
from tests.test_cli_explain import INCIDENT, PRIMARY, PROFILES, WORKSPACES

if TYPE_CHECKING:
    from collections.abc import Callable

    from fkexplorer.diagnosis.model import Diagnosis

MISSING = """\
ERROR:  insert or update on table "c" violates foreign key constraint "c_fk"
DETAIL:  Key (pid)=(acb42b05-c3e7-4818-aedb-42f95a2f3b54) is not present in table "p".
"""


@pytest.fixture(scope="module")
def demo(make_database: Callable[[str], str]) -> str:
    """The demo's database."""
    conninfo = make_database("SELECT 1")
    build_demo(conninfo)
    return conninfo


async def explained(
    conninfo: str, text: str, label: str | None = None, max_bytes: int = GIB
) -> tuple[Diagnosis, list[str]]:
    """The diagnosis of the only error of a text, and its lines."""
    [found] = read_text(text).found
    async with opened(conninfo) as (database, schema):
        chosen = next((edge.oid for edge in schema.edges.values() if edge_label(schema, edge) == label), None)
        diagnosis = await diagnose(database, schema, Graph(schema), found, max_bytes=max_bytes, chosen=chosen)
        return diagnosis, explain_text(diagnosis, schema)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        (INCIDENT.replace("61234567", "00000000-0000-4000-8000-000000000000"), None),
        (WORKSPACES, f"workspaces.{PRIMARY}"),
        (WORKSPACES, f"workspaces_dangling.{PRIMARY}"),
        (PROFILES, None),
    ],
    ids=["github", "workspaces", "dangling", "profiles"],
)
async def test_each_look_has_a_time_and_a_query_that_runs(demo: str, text: str, label: str | None) -> None:
    diagnosis, lines = await explained(demo, text, label)
    assert len(diagnosis.ruled_out) > 8
    said = " ".join(" ".join(lines).split())
    for each in (*diagnosis.findings, *diagnosis.ruled_out):
        assert each.at.tzinfo is not None, each
        assert each.looked_at, each
        assert f"{each.at:%H:%M:%S}" in said, each
        if each.query:
            by_hand(demo, each.query)
    # What is ruled out can be looked at again by hand, or is the trace's, the totals' and the text's own word.
    unasked = {each.code for each in diagnosis.ruled_out if not each.query}
    assert unasked <= {"corrupt_data", "from_outside", "no_duplicate"}


async def test_columns_that_were_not_searched_are_named(make_database: Callable[[str], str]) -> None:
    conninfo = make_database("""
        CREATE TABLE p (id uuid PRIMARY KEY);
        CREATE TABLE c (pid uuid CONSTRAINT c_fk REFERENCES p);
        CREATE TABLE d (pid uuid CONSTRAINT d_fk REFERENCES p, n int);
        CREATE INDEX ON c (pid);
        INSERT INTO p SELECT gen_random_uuid() FROM generate_series(1, 500);
        INSERT INTO c SELECT id FROM p; INSERT INTO d SELECT id, 1 FROM p;
        ANALYZE""")
    diagnosis, lines = await explained(conninfo, MISSING, max_bytes=8192)
    outside = by_code(diagnosis.findings)["from_outside"]
    assert outside.text.startswith(
        "The key was found in 0 of 2 columns searched (1 not searched): it may come from outside"
    )
    assert diagnosis.live is True
    said = " ".join(" ".join(lines).split())
    assert "where the key lives: found in 0 of 2 columns searched, 1 not searched" in said
    assert "not searched: public.d.pid (no index, 32.0 KiB)" in said
    assert "orphans on" not in said
    assert all("not counted" in each.problem for each in diagnosis.totals)


async def test_edges_that_are_too_many_to_be_counted_are_named(make_database: Callable[[str], str]) -> None:
    tables = "".join(f"CREATE TABLE c{n} (pid uuid CONSTRAINT c{n}_fk REFERENCES p);" for n in range(9))
    conninfo = make_database(
        f"CREATE TABLE p (id uuid PRIMARY KEY); CREATE TABLE c (pid uuid CONSTRAINT c_fk REFERENCES p); {tables}"
    )
    diagnosis, _ = await explained(conninfo, MISSING)
    assert len(diagnosis.totals) == 6
    left_out = by_code(diagnosis.findings)["not_counted"]
    assert left_out.text == ("4 more foreign keys around public.p are not counted: c5_fk, c6_fk, c7_fk and 1 more.")
    assert by_code(diagnosis.ruled_out)["corrupt_data"].text == "No corrupt data: 0 orphans on 6 edges."
