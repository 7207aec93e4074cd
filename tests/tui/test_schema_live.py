"""The schema changes while the app runs: it is taken without a restart, and what is still there stays where it was."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from fkexplorer.orphans.events import Counted
from fkexplorer.tui.world import View
from tests.tui.helpers import Person, opened, run

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = """
CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1);
CREATE TABLE q (id int PRIMARY KEY); INSERT INTO q VALUES (1);
CREATE TABLE c (id int PRIMARY KEY, p_id int, q_id int, again int); INSERT INTO c VALUES (1, 1, 1, 1);
ALTER TABLE c ADD CONSTRAINT c_p FOREIGN KEY (p_id) REFERENCES p NOT VALID;
ALTER TABLE c ADD CONSTRAINT c_q FOREIGN KEY (q_id) REFERENCES q;
"""


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A monitor that looks as often as it can."""
    monkeypatch.setattr("fkexplorer.tui.session.EVERY", 0.1)


def counts_of(person: Person, edge: str) -> int:
    """How often an edge was counted."""
    oid = person.edge(edge).oid
    return sum(isinstance(event, Counted) and event.count.edge == oid for event in person.heard)


async def test_a_rename_leaves_cursor_trail_and_counts(make_database: Callable[[str], str]) -> None:
    url = make_database(SCHEMA)
    async with opened(url, size=(100, 24)) as person:
        await person.open_lens("p")
        await person.open_lens("c", "c_q")
        known, place = person.app.world.counts[person.edge("c_q").oid], person.app.main.lens.cursor
        await run(url, "ALTER TABLE p RENAME TO people")
        await person.told(r"^The schema changed: table public\.p renamed to public\.people\.$")
        await person.sees(r"^people +ok ")
        assert person.in_view(View.LENS)
        assert person.app.main.lens.current == person.edge("c_q").oid
        assert person.app.main.lens.cursor == place
        assert person.app.world.counts[person.edge("c_q").oid].orphans == known.orphans
        assert re.search(r"tables > people > c ", person.lines()[1])
        await person.press("backspace")
        assert person.app.main.lens.table == person.table("people").oid


async def test_a_constraint_is_validated_dropped_added_and_replaced(make_database: Callable[[str], str]) -> None:
    url = make_database(SCHEMA)
    async with opened(url, size=(100, 24)) as person:
        await person.open_lens("c", "c_p")
        await person.sees(r"^p +ok NV")
        await run(url, "ALTER TABLE c VALIDATE CONSTRAINT c_p")
        await person.told(r"foreign key public\.c\.c_p: not valid, now enforced")
        await person.misses(r"^p +ok NV")
        assert person.app.main.lens.current == person.edge("c_p").oid
        # One that is new is counted without being asked for.
        await run(
            url,
            "UPDATE c SET again = 9; ALTER TABLE c ADD CONSTRAINT c_again FOREIGN KEY (again) REFERENCES q NOT VALID",
        )
        await person.told(r"foreign key public\.c\.c_again added")
        await person.sees(r'^(q|  ") +!1 NV')
        assert person.app.main.lens.current == person.edge("c_p").oid
        await run(url, "ALTER TABLE c DROP CONSTRAINT c_q")
        await person.told(r"foreign key public\.c\.c_q dropped")
        assert person.app.main.lens.current == person.edge("c_p").oid
        # Replaced by another on the same columns, the cursor goes with it.
        before = person.edge("c_p").oid
        await run(url, "ALTER TABLE c DROP CONSTRAINT c_p, ADD CONSTRAINT c_p2 FOREIGN KEY (p_id) REFERENCES p")
        await person.told(r"c_p2 added|c_p dropped")
        assert person.edge("c_p2").oid != before
        assert person.app.main.lens.current == person.edge("c_p2").oid


async def test_history_goes_on_when_a_constraint_is_replaced(make_database: Callable[[str], str]) -> None:
    url = make_database(SCHEMA)
    async with opened(url, size=(100, 24)) as person:
        await run(url, "SET session_replication_role = replica; INSERT INTO c VALUES (2, 8)")
        await person.sees(r"^ c +\*!1 ")
        await run(
            url,
            "ALTER TABLE c DROP CONSTRAINT c_p, ADD CONSTRAINT c_p2 FOREIGN KEY (p_id) REFERENCES p NOT VALID",
        )
        await person.told(r"c_p2 added")
        await person.sees(r"^ c +\*!1 ")
        await person.press("exclamation_mark")
        assert person.app.main.lens.current == person.edge("c_p2").oid
        await person.sees(r"^ \+1 (in the last minute|at \d\d:\d\d:\d\d)")


async def test_a_table_comes_and_goes_and_the_list_stays_in_place(make_database: Callable[[str], str]) -> None:
    url = make_database(SCHEMA)
    async with opened(url) as person:
        lines = person.app.main.tables
        await person.go_to("p")
        order = lines.order
        # Before all others in any order: it would be first.
        await run(url, "CREATE TABLE a (id int); INSERT INTO a VALUES (7);"
                       "ALTER TABLE a ADD CONSTRAINT a_p FOREIGN KEY (id) REFERENCES p NOT VALID")  # fmt: skip
        await person.told(r"table public\.a added|foreign key public\.a\.a_p added")
        await person.sees(r"^ a +!1 ")
        assert lines.order[: len(order)] == order
        assert lines.current == person.table("p").oid
        await run(url, "DROP TABLE a")
        await person.told(r"table public\.a dropped")
        await person.misses(r"^ a ")
        assert lines.order == order
        assert lines.current == person.table("p").oid
        # The one under the cursor, and the one in the Lens.
        await person.open_lens("q")
        await run(url, "DROP TABLE q CASCADE")
        await person.until(lambda: person.in_view(View.TABLES))
        await person.misses(r"^ q ")
        assert counts_of(person, "c_p") > 0
        assert person.app._exception is None
