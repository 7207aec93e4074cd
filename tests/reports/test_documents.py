"""What `check` and `rows` print, against the shape that other programs rely on."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest

from fkexplorer.database.model import ServerFacts
from fkexplorer.orphans.model import Bound, Count, Field, Page, Status, Value
from fkexplorer.reports.document import Check, check_document, check_json, worst_first
from fkexplorer.reports.pages import csv_lines, field_names, masked_names, rows_json, shown, table_text
from fkexplorer.reports.text import check_text, summary_line
from fkexplorer.reports.values import width
from tests.reports.build import NOW, Builder, column, counted

FACTS = ServerFacts(
    database="app",
    user="me",
    host="localhost",
    port=5432,
    version_number=180006,
    version="PostgreSQL 18.6",
    superuser=False,
    bypasses_row_security=False,
    standby=False,
    pooled=False,
    replication_role="origin",
    connected_at=NOW,
)

SUMMARY = {"tables", "edges", "declared", "inferred", "configured", "checked", "skipped", "failed"}
SUMMARY |= {"edges_with_orphans", "orphans", "orphans_of_inferred", "excused"}
EDGE = {"id", "kind", "constraint", "child", "parent", "match", "on_delete", "on_update", "deferrable", "state"}
EDGE |= {"validated", "index", "status", "orphans", "bound", "missing_keys", "rows", "nulls", "unchecked"}
EDGE |= {"childless", "as_of", "seconds", "error", "score", "reasons", "origin", "where", "excused", "lapsed"}
EDGE |= {"uncastable", "orphans_if_cast"}


def a_check() -> tuple[Builder, dict[int, Count], Check]:
    """One edge for each way a count can end."""
    made = Builder()
    made.table("user")
    counts: dict[int, Count] = {}
    statuses = [status for status in Status if status is not Status.STOPPED]
    for status in statuses:
        made.table(f"of_{status.value}", "user_id")
        edge = made.edge(
            f"of_{status.value}",
            "user_id",
            "user",
            index=f"public.{status.value}_idx",
            validated=status is Status.DENIED,
        )
        number = {Status.CLEAN: 0, Status.ORPHANS: 3}.get(status)
        error = None if number is not None else f"why {status.value}"
        counts[edge.oid] = counted(edge, number, status=status, error=error)
    schema = made.schema()
    edges = worst_first(schema, list(schema.edges.values()), counts)
    check = Check("0.1.0", FACTS, schema, edges, len(schema.tables), counts, NOW, 1.2345)
    return made, counts, check


def test_the_document_has_the_contract_s_shape() -> None:
    _, _, check = a_check()
    document: dict[str, Any] = json.loads(check_json(check))
    assert set(document) == {"fkexplorer", "database", "started", "seconds", "summary", "problems", "edges"}
    assert document["fkexplorer"] == "0.1.0"
    assert document["database"] == {
        "name": "app",
        "server": "PostgreSQL 18.6",
        "user": "me",
        "standby": False,
        "pooled": False,
    }
    assert document["started"] == "2026-11-21T02:00:00Z"
    assert document["seconds"] == 1.234
    summary = document["summary"]
    assert set(summary) == SUMMARY
    assert summary == {
        "tables": 9,
        "edges": 8,
        "declared": 8,
        "inferred": 0,
        "configured": 0,
        "checked": 2,
        "skipped": 1,
        "failed": 5,
        "edges_with_orphans": 1,
        "orphans": 3,
        "orphans_of_inferred": 0,
        "excused": 0,
    }
    assert summary["checked"] + summary["skipped"] + summary["failed"] == summary["edges"]
    for edge in document["edges"]:
        assert set(edge) == EDGE
        known = edge["status"] in ("clean", "orphans")
        assert (edge["orphans"] is not None) == known
        assert (edge["bound"] == "exact") == known
        assert (edge["error"] is None) == known
        assert (edge["as_of"] is None) == (edge["status"] == "skipped")
    assert next(edge["status"] for edge in document["edges"]) == "orphans"
    assert [edge["status"] for edge in document["edges"]][-1] == "clean"


def test_one_edge_in_full() -> None:
    _made, counts, check = a_check()
    edge = next(edge for edge in check.edges if counts[edge.oid].status is Status.ORPHANS)
    full = replace(
        counts[edge.oid], rows=500, nulls=4, missing_keys=2, unchecked=0, childless=7, bound=Bound.LOWER, seconds=0.01
    )
    excused = {edge.oid: "in the baseline with 3 orphans"}
    check = replace(check, edges=[edge], counts={edge.oid: full}, excused=excused)
    document: Any = check_document(check)
    assert document["edges"] == [
        {
            "id": "public.of_orphans.of_orphans_user_id_fkey",
            "kind": "declared",
            "constraint": "of_orphans_user_id_fkey",
            "child": {"schema": "public", "table": "of_orphans", "columns": ["user_id"]},
            "parent": {"schema": "public", "table": "user", "columns": ["id"]},
            "where": None,
            "match": "simple",
            "on_delete": "no action",
            "on_update": "no action",
            "deferrable": False,
            "state": "not_valid",
            "validated": False,
            "index": "orphans_idx",
            "status": "orphans",
            "orphans": 3,
            "bound": "lower",
            "missing_keys": 2,
            "rows": 500,
            "nulls": 4,
            "unchecked": 0,
            "childless": 7,
            "uncastable": None,
            "orphans_if_cast": None,
            "as_of": "2026-11-21T02:00:00Z",
            "seconds": 0.01,
            "error": None,
            "score": None,
            "reasons": [],
            "origin": None,
            "excused": "in the baseline with 3 orphans",
            "lapsed": None,
        }
    ]


def test_a_count_that_is_missing_is_a_fault_and_never_a_zero() -> None:
    _, counts, check = a_check()
    broken = replace(check, counts=dict(list(counts.items())[1:]))
    with pytest.raises(KeyError):
        check_document(broken)


def test_text_says_what_was_found_what_was_not_counted_and_why() -> None:
    _, _, check = a_check()
    lines = check_text(check)
    words = "!3 public.of_orphans.of_orphans_user_id_fkey 3 orphans of about 1,000 rows (0.30%) NV"
    assert lines[0].split() == words.split()
    assert lines[1].strip() == 'of_orphans.user_id -> "user".id'
    text = "\n".join(lines)
    for status in ("skipped", "timed_out", "denied", "unreliable", "incomparable", "failed"):
        assert f"why {status}" in text
    assert "clean now, but PostgreSQL does not vouch for it:" in text
    assert lines[-1] == (
        "2 of 8 foreign keys checked, 1 with orphans: 3 orphans;"
        " 1 skipped, 1 timed out, 1 denied, 1 hidden by row security, 1 not comparable, 1 failed (1.2 s)"
    )


def test_text_in_full_says_what_else_was_counted() -> None:
    _, counts, check = a_check()
    counts = {
        oid: replace(count, rows=500, nulls=0, unchecked=2, childless=7) if count.known else count
        for oid, count in counts.items()
    }
    check = replace(check, counts=counts)
    lines = check_text(check, full=True)
    totals = (
        "        0 rows without a key (NULL), 2 rows let pass by MATCH SIMPLE: a part of the key is NULL,"
        " 7 parents without a child"
    )
    assert lines.count(totals) == sum(count.known for count in counts.values()) == 2
    assert totals not in check_text(check)


def test_summary_of_nothing() -> None:
    _, _, check = a_check()
    assert summary_line(replace(check, edges=[])) == "no foreign keys in 9 tables"
    clean = [edge for edge in check.edges if check.count(edge).status is Status.CLEAN]
    assert summary_line(replace(check, edges=clean)) == "1 of 1 foreign key checked, no orphans (1.2 s)"
    skipped = [edge for edge in check.edges if check.count(edge).status is Status.SKIPPED]
    assert summary_line(replace(check, edges=skipped)) == "0 of 1 foreign key checked; 1 skipped (1.2 s)"


ID = Field("id", column(1, "id"), key=True, foreign=False, secret=False)
NOTE = Field("note", replace(column(2, "note"), category="S"), key=False, foreign=False, secret=False)
TOKEN = Field("token", replace(column(3, "token"), category="S"), key=False, foreign=False, secret=True)
PAGE = Page(
    fields=(ID, NOTE, TOKEN),
    rows=(
        (Value("1"), Value('say "hi", now\n\x1b[31m'), Value(None, masked=True)),
        (Value("22"), Value(None), Value(None)),
        (Value("3"), Value(""), Value(None, masked=True)),
        (Value("4"), Value("NULL"), Value(None, masked=True)),
        (Value("5"), Value("=1+1"), Value(None, masked=True)),
        (Value("6"), Value("long", cut=True), Value(None, masked=True)),
    ),
    more=True,
    after=("6",),
    as_of=NOW,
    seconds=0.01,
)


def test_csv_comes_back_as_it_was() -> None:
    text = "".join(csv_lines([PAGE]))
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == ["id", "note", "token"]
    assert rows[1] == ["1", 'say "hi", now\n\x1b[31m', "***"]
    assert text.splitlines()[3:5] == ["22,,", '3,"",***']  # NULL is nothing, an empty text is quoted
    assert rows[5] == ["5", "=1+1", "***"]


def test_csv_for_a_terminal_is_inert() -> None:
    lines = list(csv_lines([PAGE], tame=True))
    assert all(line.removesuffix("\n").isprintable() for line in lines)
    assert len(lines) == 7


def test_rows_as_json() -> None:
    text = rows_json([PAGE], edge="public.a.b", kind="orphans")
    assert text.isascii()
    document: Any = json.loads(text)
    assert document["edge"] == "public.a.b"
    assert document["columns"] == ["id", "note", "token"]
    assert document["masked"] == ["token"]
    assert document["rows"][0] == {"id": "1", "note": 'say "hi", now\n\x1b[31m', "token": "***"}
    assert document["rows"][1] == {"id": "22", "note": None, "token": None}
    assert document["more"] is True
    assert json.loads(rows_json([], edge="e", kind="keys"))["rows"] == []


def test_rows_as_text_align_and_tell_null_from_a_text() -> None:
    lines = table_text([PAGE])
    assert lines[0].split() == ["id", "note", "token"]
    assert "22  NULL" in lines[3]
    assert " 3  ''" in lines[4]
    assert " 4  'NULL'" in lines[5]
    assert "long…" in lines[7]
    assert all(line.isprintable() for line in lines)
    assert all(line.isascii() for line in table_text([PAGE], ascii=True))
    assert table_text([]) == []
    wide = replace(PAGE, rows=((Value("1"), Value("中" * 100), Value(None)),))
    assert max(map(width, table_text([wide]))) <= 2 + 2 + 40 + 2 + 5
    assert shown(Value(None, masked=True)) == "***"


def test_names_of_computed_columns_do_not_collide() -> None:
    rows = Field("rows", column(1, "rows"), key=False, foreign=True, secret=False)
    computed = Field("rows", None, key=False, foreign=False, secret=False)
    assert field_names([rows, computed]) == ["rows", "rows_"]
    assert field_names([ID, computed]) == ["id", "rows"]


def test_only_what_was_masked_is_named() -> None:
    assert masked_names([PAGE]) == ["token"]
    shown_page = replace(PAGE, rows=((Value("1"), Value("x"), Value("secret")),))
    assert masked_names([shown_page]) == []
