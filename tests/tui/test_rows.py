"""Pages of rows: which ones, how many, in what order; columns, masks, one row in full."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from fkexplorer.tui.dialogs import RowScreen
from fkexplorer.tui.messages import PageLoaded
from fkexplorer.tui.world import RowsKind, View
from tests.tui.helpers import Gate, Person, opened, run

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = """
CREATE TABLE p (id int PRIMARY KEY, created_at date, note text);
INSERT INTO p SELECT n, date '2025-01-01' + (n * 7 % 20), 'note ' || n FROM generate_series(1, 20) n;
CREATE TABLE q (id int PRIMARY KEY);
CREATE TABLE c (id int PRIMARY KEY, p_id int, q_id int, token text, a text, b text, d text, e text, f text, big text);
INSERT INTO c SELECT n, CASE WHEN n <= 450 THEN 1000 + n % 7 ELSE n % 10 + 1 END, NULL,
  'sesame-' || n, repeat('a', 25), repeat('b', 25), repeat('d', 25), repeat('e', 25), 'last ' || n, 'x'
  FROM generate_series(1, 480) n;
INSERT INTO c (id, q_id) VALUES (481, 77);
CREATE TABLE fine (id int PRIMARY KEY, p_id int REFERENCES p);
INSERT INTO fine VALUES (1, 1);
ALTER TABLE c ADD CONSTRAINT c_p_fk FOREIGN KEY (p_id) REFERENCES p NOT VALID;
ALTER TABLE c ADD CONSTRAINT c_q_fk FOREIGN KEY (q_id) REFERENCES q NOT VALID;
ANALYZE;
"""


@pytest.fixture(scope="module")
def url(make_database: Callable[[str], str]) -> str:
    """450 orphans of p, one of q, and a clean table."""
    return make_database(SCHEMA)


def loaded(person: Person, column: str) -> list[str | None]:
    """That column of all rows that are there."""
    rows = person.app.main.rows
    at = [field.name for field in rows.fields].index(column)
    return [row[at].text for row in rows.rows]


async def open_rows(person: Person, edge: str = "c_p_fk", key: str = "o") -> None:
    """Open rows of an edge by keys."""
    table = person.app.world.table(person.edge(edge).child)
    assert table is not None
    await person.open_lens(table.name, edge)
    await person.press(key)
    await person.read()


async def test_all_pages_hold_every_orphan_once(url: str) -> None:
    async with opened(url) as person:
        await open_rows(person)
        assert person.in_view(View.ROWS)
        assert "200 of 450" in person.text
        assert loaded(person, "id") == [str(n) for n in range(1, 201)]
        await person.press("G")
        await person.until(lambda: len(person.app.main.rows.rows) == 400)
        # More rows leave the cursor where it is.
        assert person.app.main.rows.cursor == 199
        await person.sees("400 of 450")
        await person.press("G")
        await person.until(lambda: len(person.app.main.rows.rows) == 450)
        await person.press("G")
        await person.read()
        assert loaded(person, "id") == [str(n) for n in range(1, 451)]
        await person.sees(r"c\.p_id -> p\.id +450\b")
        assert "of >" not in person.text


async def test_the_next_page_comes_before_the_end_is_reached(url: str) -> None:
    async with opened(url) as person:
        await open_rows(person)
        rows = person.app.main.rows
        while len(rows.rows) == 200 and rows.cursor < 198:
            await person.press("pagedown")
            await person.read()
        assert len(rows.rows) == 400
        assert rows.cursor < 199


async def test_without_a_count_the_number_is_a_lower_bound(url: str) -> None:
    async with opened(url, max_bytes=1) as person:
        assert re.search(r"^ c +- ", person.text, re.MULTILINE)
        await open_rows(person)
        await person.sees("200 of >200")


async def test_rows_of_a_table_break_any_of_its_keys(url: str) -> None:
    async with opened(url, size=(120, 30)) as person:
        await person.go_to("c")
        await person.press("O")
        await person.read()
        await person.sees(r"orphans of public\.c +200 of >200|orphans of c +200 of >200")
        for _ in range(2):
            await person.press("G")
            await person.read()
            await person.until(lambda: not person.app.main.rows.waiting)
        assert loaded(person, "id") == [str(n) for n in (*range(1, 451), 481)]
        violates = loaded(person, "violates")
        assert set(violates[:450]) == {"c_p_fk"}
        assert violates[450] == "c_q_fk"
        await person.press("v")
        await person.told("only the orphans of one foreign key can be grouped")


async def test_missing_keys_grouped_and_back(url: str) -> None:
    async with opened(url) as person:
        await open_rows(person)
        await person.press("v")
        await person.read()
        await person.sees(r"missing keys +c\.p_id -> p\.id +7\b")
        keys = dict(zip(loaded(person, "p_id"), loaded(person, "rows"), strict=True))
        assert keys == {str(1000 + n): str(64 + (1 <= n <= 2)) for n in range(7)}
        await person.press("enter")
        await person.told("v shows the rows behind these keys")
        await person.press("v")
        await person.read()
        await person.sees(r"orphans +c\.p_id -> p\.id +200 of 450")
        await person.press("escape")
        assert person.in_view(View.LENS)


async def test_parents_without_a_child_newest_first(url: str) -> None:
    async with opened(url) as person:
        await open_rows(person, key="b")
        await person.sees(r"childless")
        await person.sees(r"newest created_at first")
        found = loaded(person, "id")
        by_date = sorted(range(11, 21), key=lambda n: (-(n * 7 % 20), n))
        assert found == [str(n) for n in by_date]
        query = person.app.main.rows.query_shown
        assert query is not None
        assert query.kind is RowsKind.CHILDLESS
        await person.press("enter")
        await person.until(lambda: isinstance(person.app.screen, RowScreen))
        await person.sees(f"note {by_date[0]}")


async def test_an_edge_without_orphans_says_so(url: str) -> None:
    async with opened(url) as person:
        await open_rows(person, "fine_p_id_fkey")
        await person.sees(r"fine\.p_id -> p\.id +0\b")
        await person.sees("^ No rows")
        await person.press("enter", "j", "G", "l")
        assert person.in_view(View.ROWS)
        await person.press("q")
        assert person.in_view(View.LENS)


async def test_key_and_foreign_key_come_first_and_the_column_cursor_scrolls(url: str) -> None:
    async with opened(url) as person:
        await open_rows(person)
        names = person.lines()[3]
        assert re.match(r" +id +p_id +", names), names
        rows = person.app.main.rows
        assert rows.fields[rows.column].name == "p_id"
        assert " last 1" not in person.text
        await person.press(*["l"] * 12)
        assert rows.fields[rows.column].name == rows.fields[-1].name
        await person.sees("last 1 ")
        assert all(len(line) <= 80 for line in person.lines())
        await person.press(*["h"] * 12)
        assert rows.column == 0
        assert re.match(r" +id +p_id +", person.lines()[3])


async def test_secrets_are_masked_until_asked_for(url: str) -> None:
    async with opened(url, size=(130, 24)) as person:
        await open_rows(person)
        assert "1 secret masked (M)" in person.text
        assert "sesame" not in person.text
        assert "***" in person.text
        assert set(loaded(person, "token")) == {None}
        await person.press("enter")
        await person.until(lambda: isinstance(person.app.screen, RowScreen))
        assert "sesame" not in person.text
        await person.press("escape", "M")
        await person.read()
        await person.sees("sesame-1 ")
        await person.sees(r"1 secret SHOWN \(M\)")
        await person.press("M")
        await person.read()
        await person.misses("sesame")


async def test_no_secret_no_mask(url: str) -> None:
    async with opened(url) as person:
        await open_rows(person, "fine_p_id_fkey")
        await person.press("M")
        await person.told("unmask: no secret column here")


async def test_a_row_in_full_even_ten_megabytes(make_database: Callable[[str], str]) -> None:
    url = make_database(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p_id int, big text, n text);"
        "INSERT INTO c VALUES"
        " (1, 5, 'begin' || repeat('0123456789', 1048576) || 'the-end', NULL), (2, 6, E'a\\nb', '');"
        "ALTER TABLE c ADD CONSTRAINT c_p_fk FOREIGN KEY (p_id) REFERENCES p NOT VALID;"
    )
    async with opened(url) as person:
        await open_rows(person)
        assert re.search(r"begin0123456789\d*…", person.text)
        assert "the-end" not in person.text
        await person.press("enter")
        await person.until(lambda: isinstance(person.app.screen, RowScreen))
        await person.sees(r"big +begin0123456789")
        assert max(map(len, person.lines())) <= 80
        await person.press("G")
        await person.sees("NULL")
        await person.press("k")
        await person.sees("the-end")
        await person.press("y")
        await person.until(lambda: len(person.app.clipboard) == 5 + 10 * 1048576 + 7)
        await person.press("escape", "j", "enter")
        await person.until(lambda: isinstance(person.app.screen, RowScreen))
        await person.sees(r"big +a *│?\n.* b ")


async def test_a_row_that_is_gone(make_database: Callable[[str], str]) -> None:
    url = make_database(SCHEMA)
    async with opened(url) as person:
        await open_rows(person)
        await run(url, "DELETE FROM c WHERE id = 1")
        await person.press("enter")
        await person.told("gone|no longer|no row")
        assert not isinstance(person.app.screen, RowScreen)


async def test_a_late_page_of_another_question_is_dropped(url: str) -> None:
    gate = Gate(PageLoaded)
    async with opened(url, gate=gate) as person:
        await person.open_lens("c", "c_p_fk")
        await person.press("o")
        await person.until(lambda: len(gate.held) == 1)
        await person.press("v")
        await person.until(lambda: len(gate.held) == 2)
        gate.pass_one()
        await person.pilot.pause()
        assert person.app.main.rows.rows == []
        assert person.app.main.rows.waiting
        assert "reading" in person.text
        gate.pass_one()
        await person.read()
        assert len(person.app.main.rows.rows) == 7


async def test_filter_over_loaded_rows(url: str) -> None:
    async with opened(url) as person:
        await open_rows(person)
        await person.press("slash")
        await person.type("1003")
        await person.press("enter")
        await person.sees(r"29 of 200 loaded|28 of 200 loaded")
        assert {row[1].text for at in person.app.main.rows._shown for row in [person.app.main.rows.rows[at]]} == {
            "1003"
        }
        await person.press("n", "n", "N")
        assert person.app.main.rows.cursor == 1
        await person.press("escape")
        await person.sees("200 of 450")


async def test_docked_rows_keep_the_lens_in_sight(url: str) -> None:
    async with opened(url, size=(140, 40)) as person:
        await open_rows(person)
        text = person.text
        assert re.search(r"references 2  !451", text)
        assert "200 of 450" in text
        assert text.index("c_p_fk  ON DELETE") < text.index("200 of 450")
        await person.pilot.resize_terminal(80, 24)
        await person.misses("references 2  !451")
        await person.sees("200 of 450")


async def test_copying_the_value_and_the_query(url: str) -> None:
    async with opened(url) as person:
        await open_rows(person)
        await person.press("y")
        await person.until(lambda: person.app.clipboard == "1001")
        await person.press("Y")
        await person.until(lambda: "SELECT" in person.app.clipboard)
        assert "NOT (EXISTS" in person.app.clipboard
