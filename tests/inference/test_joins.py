"""What the text of a query compares: by aliases and scopes, and nothing that only looks like a join."""

from __future__ import annotations

import time

import pytest

from fkexplorer.inference.joins import Body, joins_of
from tests.schema.samples import column, schema, table


@pytest.mark.parametrize(
    ("text", "joins"),
    [
        ("SELECT a.x FROM a JOIN b ON a.x = b.y", {"a.x = b.y"}),
        ("SELECT a.x = b.y FROM a, (b CROSS JOIN c) WHERE b.y = c.z", {"a.x = b.y", "b.y = c.z"}),
        ("SELECT 1 FROM s.a AS one LEFT JOIN ONLY b two ON (((one.x)::text)::varchar(9) = two.y::text)", {"a.x = b.y"}),
        ("SELECT 1 FROM a p, b q WHERE p.x OPERATOR(pg_catalog.=) q.y", {"a.x = b.y"}),
        ('SELECT 1 FROM a "P", b p WHERE "P".x = p.y', {"a.x = b.y"}),
        ("SELECT 1 FROM a WHERE EXISTS (SELECT FROM b WHERE b.y = a.x) AND a.x IN (SELECT c.z FROM c)", {"a.x = b.y"}),
        ("SELECT 1 FROM a UNION SELECT 1 FROM b a JOIN c ON a.y = c.z", {"b.y = c.z"}),
        ("SELECT 1 FROM a WHERE a.x = d.x AND a.id = s.b.y", {"a.id = b.y"}),
        ("MERGE INTO a USING b ON b.y = a.x WHEN MATCHED THEN DELETE", {"a.x = b.y"}),
        ("SELECT 1 FROM b JOIN c USING (z)", set()),
        ("SELECT 1 FROM a JOIN d USING (x)", {"a.x = d.x"}),
        # What only looks like it.
        ("SELECT 1 FROM a, b WHERE a.x <= b.y OR a.x <> b.y OR a.x = b.y + 1 OR 1 + a.x = b.y", set()),
        ("SELECT 1 FROM a, b WHERE lower(a.x) = b.y OR a.x = f.y(b.y) OR a.x = ANY (b.y) OR a.x = b.nothing", set()),
        ("SELECT 1 FROM a, (SELECT 1 AS y) b WHERE a.x = b.y", set()),
        ("WITH b AS (SELECT 1 AS y) SELECT 1 FROM a JOIN b ON a.x = b.y", set()),
        ("SELECT 1 FROM a, unnest(a.x, a.x) b WHERE a.x = b.y", set()),
        ("SELECT 'FROM a, b'' a.x = b.y' FROM a, b /* a.x = b.y */ -- a.x = b.y", set()),
        ("SELECT 1 FROM a WHERE a.x = new.y; SELECT 1 FROM b WHERE a.x = b.y", set()),
        (")))(((;;= a.x = FROM JOIN USING (", set()),
    ],
)  # fmt: skip
def test_what_a_text_compares(text: str, joins: set[str]) -> None:
    columns = {"a": "x", "b": "y", "c": "z", "d": "x"}
    tables = [table(at, name, "s", (column(1, "id"), column(2, own))) for at, (name, own) in enumerate(columns.items())]

    def name(side: tuple[int, int]) -> str:
        return f"{tables[side[0]].name}.{tables[side[0]].column(side[1]).name}"

    found = joins_of(schema(tables), [Body("s", "s.v", text)])
    assert {" = ".join(sorted((name(join.left), name(join.right)))) for join in found} == joins
    assert all(join.where == "s.v" for join in found)


@pytest.mark.parametrize(
    "piece", ["x", "/*", "'", '"', "$a$", "(", "a.", "a::", "E'\\", "WITH ", "SELECT (", "=", "a.x = "]
)
def test_no_text_takes_long(piece: str) -> None:
    times = []
    for length in (20_000, 160_000):
        started = time.process_time()
        joins_of(schema([table(1, "a")]), [Body("s", "s.v", piece * (length // len(piece)))])
        times.append(time.process_time() - started)
    # 8 times the text takes 8 times as long, and would take 64 times as long if it went by the square.
    assert times[1] < 24 * times[0] + 0.5
