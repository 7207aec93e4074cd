"""The lines about an edge say in which partitions its orphans lie, as long as that is what the count says."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from fkexplorer.orphans.missing import ROWS
from fkexplorer.orphans.model import Bound, Page, Value
from fkexplorer.orphans.partitions import PARTITION
from fkexplorer.reports.live import Live, partitions_line
from fkexplorer.reports.style import plain
from tests.reports.build import NOW, Builder, counted
from tests.tui.helpers import opened, run

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

TABLES = """
CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(0, 9);
CREATE TABLE c (pid int CONSTRAINT fk REFERENCES p) PARTITION BY RANGE (pid);
CREATE TABLE low PARTITION OF c FOR VALUES FROM (0) TO (12);
CREATE TABLE high PARTITION OF c FOR VALUES FROM (12) TO (100);
"""


def page(*parts: tuple[str, int], more: bool = False) -> Page:
    """What was read of these partitions."""
    rows = tuple((Value(name), Value(str(number))) for name, number in parts)
    return Page((PARTITION, ROWS), rows, more=more, after=None, as_of=NOW, seconds=0.01)


def test_the_line_names_the_worst_and_tells_its_age() -> None:
    made = Builder()
    made.table("p")
    made.table("c", "p_id")
    edge = made.edge("c", "p_id", "p")
    schema = made.schema()

    def line(found: Page, orphans: int, *, seconds: float = 0, bound: Bound = Bound.EXACT) -> str:
        live = Live(partitions={edge.oid: found})
        count = counted(edge, orphans, bound=bound)
        said = partitions_line(schema, edge, count, live, NOW + timedelta(seconds=seconds))
        return plain(said) if said else ""

    two = page(("public.a", 1200), ('"Old".b', 3))
    assert line(two, 1203) == 'by partition: a 1,200, "Old".b 3'
    assert line(two, 1203, seconds=75).endswith("(1m ago)")
    assert line(two, 1204) == "", "another number than the count's is not told beside it"
    assert line(two, 1203, bound=Bound.LOWER) == ""
    assert line(page(("public.a", 3), more=True), 3) == ""
    assert line(page(*((f"public.t{n}", 9 - n) for n in range(5))), 35) == "by partition: t0 9, t1 8, t2 7, 2 more"


async def test_on_the_demo(demo_url: str) -> None:
    for size in ((80, 24), (140, 40)):
        async with opened(demo_url, size=size) as person:
            await person.open_lens("shop.page_views", "page_views_product_id_fkey")
            await person.sees(r"by partition: page_views_2025_05 8\b")
            await person.press("o")
            await person.read()
            await person.open_lens("shop.page_views", "page_views_customer_id_fkey")
            await person.misses("by partition")


async def test_it_follows_the_count(make_database: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fkexplorer.tui.session.EVERY", 0.2)
    url = make_database(TABLES)
    async with opened(url) as person:
        await person.open_lens("c", "fk")
        assert "by partition" not in person.text
        await run(url, "SET session_replication_role = replica; INSERT INTO c VALUES (10), (50), (51)")
        await person.sees(r"by partition: high 2, low 1$")
        await run(url, "DELETE FROM c WHERE pid = 51")
        await person.sees(r"by partition: (high 1, low 1|low 1, high 1)$")
        await run(url, "DELETE FROM c WHERE pid > 9")
        await person.misses("by partition")
