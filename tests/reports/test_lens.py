"""The Lens: pictures letter by letter, and what holds for every one of them."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest
from rich.cells import cell_len

from fkexplorer.orphans.model import Count, Status
from fkexplorer.reports.lens import Lens, LensOrder, build_lens
from fkexplorer.reports.live import Live
from fkexplorer.reports.style import plain
from fkexplorer.schema.model import Schema, Triggers
from tests.reports.build import Builder, counted, gitlab

WIDE = """\
references 7  !16k ?              merge_requests        referenced by 22  !180k ?
                            ┌─────────────────────────┐
projects       !16k NV ◄─ ─ ┤ source_project_id    id ├◄─┬─ release_links_daily_summaries       !180k NV
  "               ?    ◄────┤ target_project_id       │  ├──issue_export_jobs_emails              !!2
users           !10 NV ◄─ ─ ┤ merge_user_id           │  └─ webhook_access_levels                  ok NV
  "              ok    ◄────┤ author_id  (org_id, id) ├◄────audit.mr_log.(org_id, mr_id)            ? (2) noix
  "              ok    ◄────┤ updated_by_id           │     + 18 clean                               z to show
ci_pipelines     ok c2 ◄────┤ head_pipeline_id        │
self             ok    ◄────┤ parent_id               │
                            └─────────────────────────┘"""

STANDARD = """\
references 7  !16k ?           merge_requests    referenced by 22  !180k ?
                            ┌──────────────────┐
projects       !16k NV ◄─ ─ ┤ source…ct_id  id ├◄─┬─ release_…mmaries  !180k NV
  "               ?    ◄────┤ target_p…ject_id │  ├──issue_ex…_emails    !!2
users           !10 NV ◄─ ─ ┤ merge_user_id    │  └─ webhook_…_levels     ok NV
  "              ok    ◄────┤ author_id  (o…d) ├◄────audit.mr_log          ? (2)
  "              ok    ◄────┤ updated_by_id    │     + 18 clean        z to show
ci_pipelines     ok c2 ◄────┤ head_pipeline_id │
self             ok    ◄────┤ parent_id        │
                            └──────────────────┘"""

IN_ASCII = """\
references 7  !16k ?           merge_requests    referenced by 22  !180k ?
                            +------------------+
projects       !16k NV <- - + source~ct_id  id +<-+- release_~mmaries  !180k NV
  "               ?    <----+ target_p~ject_id |  +--issue_ex~_emails    !!2
users           !10 NV <- - + merge_user_id    |  +- webhook_~_levels     ok NV
  "              ok    <----+ author_id  (o~d) +<----audit.mr_log          ? (2)
  "              ok    <----+ updated_by_id    |     + 18 clean        z to show
ci_pipelines     ok c2 <----+ head_pipeline_id |
self             ok    <----+ parent_id        |
                            +------------------+"""

LIST = """\
merge_requests
references 7  !16k ?   referenced by 22  !180k ?
<- projects.source_project_id      !16k NV
<- projects.target_project_id         ?
<- users.merge_user_id              !10 NV
<- users.author_id                   ok
<- users.updated_by_id               ok
<- ci_pipelines.head_pipeline_id     ok c2
<- self.parent_id                    ok
-> release_links_daily_summaries  !180k NV
-> issue_export_jobs_emails         !!2
-> webhook_access….webhook_mr_id     ok NV
-> audit.mr_log.(org_id, mr_id)       ? (2) noix
   + 18 clean  z to show"""


@pytest.mark.parametrize(
    ("width", "ascii", "picture"),
    [(110, False, WIDE), (80, False, STANDARD), (80, True, IN_ASCII), (48, False, LIST)],
)
def test_pictures(width: int, ascii: bool, picture: str) -> None:
    made, counts = gitlab(17)
    table = made.tables["merge_requests"].oid
    cycles = {made.edges["merge_requests.head_pipeline_id"].oid: 2}
    lens = build_lens(made.schema(), table, counts, width=width, ascii=ascii, cycles=cycles, fold_hint="z to show")
    assert lens.text == picture


def check_all(lens: Lens, schema: Schema, width: int) -> None:
    """What holds for every Lens."""
    for line in [*lens.title, *(row.spans for row in lens.rows)]:
        assert cell_len(plain(line)) == width, plain(line)
    parents = [row.parent_edge for row in lens.rows if row.parent_edge is not None]
    children = [row.child_edge for row in lens.rows if row.child_edge is not None]
    assert sorted(parents) == sorted(edge.oid for edge in schema.edges.values() if edge.child == lens.table)
    below = [edge.oid for edge in schema.edges.values() if edge.parent == lens.table]
    assert len(children) == len(set(children))
    assert set(children) <= set(below)
    assert len(below) - len(children) == sum(row.folded for row in lens.rows)
    assert lens.order == LensOrder(tuple(parents), tuple(children))
    for side, edges in ((False, parents), (True, children)):
        for edge in edges:
            row = lens.row_of(edge, child=side)
            assert row is not None
            assert (lens.rows[row].child_edge if side else lens.rows[row].parent_edge) == edge


@pytest.mark.parametrize("seed", range(12))
def test_any_table_of_any_schema_at_any_width(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - a repeatable one
    made = Builder()
    words = ["users", "Order Items", "[/]", "中文表", "a\x1b[31mb", "x" * 63, "tab\tle", "e\u0301t\u0301e", "audit.log"]
    for index in range(14):
        made.table(
            f"{chance.choice(words)}{index}",
            *(f"column_{number}" for number in range(9)),
            rows=chance.choice([None, 5]),
        )
    names = list(made.tables)
    counts: dict[int, Count] = {}
    for index in range(chance.randrange(120)):
        hub = names[0] if chance.random() < 0.5 else chance.choice(names)
        columns, keys = chance.choice([("column_1", "id"), ("column_2,column_3", "column_4,id"), ("id", "column_5")])
        edge = made.edge(
            chance.choice(names),
            columns,
            hub,
            keys,
            name=f"fk{index}",
            validated=chance.random() < 0.7,
            triggers=Triggers(child_off=1) if chance.random() < 0.2 else Triggers(),
            index=chance.choice([None, "i"]),
        )
        made.edges[str(index)] = edge
        if chance.random() < 0.8:
            status = chance.choice(list(Status))
            number = {Status.CLEAN: 0, Status.ORPHANS: chance.randrange(1, 2_000_000)}.get(status)
            counts[edge.oid] = counted(edge, number, status=status)
    schema = made.schema()
    cycles = {edge.oid: 2 for edge in schema.edges.values() if chance.random() < 0.2}
    for name in names[:5]:
        for width in (40, 59, 60, 64, 80, 99, 100, 133, 160):
            for ascii in (False, True):
                lens = build_lens(
                    schema, made.tables[name].oid, counts, width=width, ascii=ascii, cycles=cycles, fold_hint="z"
                )
                assert not ascii or lens.text.isascii()
                check_all(lens, schema, width)


def test_counts_repaint_in_place() -> None:
    made, counts = gitlab(30)
    schema, table = made.schema(), made.tables["merge_requests"].oid
    first = build_lens(schema, table, {}, width=80)
    assert sum(row.folded for row in first.rows) == 0  # unknown is not clean
    second = build_lens(schema, table, counts, width=80, order=first.order)
    assert second.order == first.order
    assert [(row.parent_edge, row.child_edge) for row in second.rows] == [
        (row.parent_edge, row.child_edge) for row in first.rows
    ]
    assert [plain(row.box) for row in second.rows] == [plain(row.box) for row in first.rows]
    changed = [
        (row.parent_edge, row.child_edge)
        for row, before in zip(second.rows, first.rows, strict=True)
        if row.spans != before.spans
    ]
    assert changed
    sorted_again = build_lens(schema, table, counts, width=80)
    assert sum(row.folded for row in sorted_again.rows) == 31
    check_all(sorted_again, schema, 80)


def test_a_folded_child_that_breaks_comes_out_without_moving_the_others() -> None:
    made, counts = gitlab(30)
    schema, table = made.schema(), made.tables["merge_requests"].oid
    before = build_lens(schema, table, counts, width=80)
    broken = made.edges["clean_007.merge_request_id"]
    after = build_lens(schema, table, counts | {broken.oid: counted(broken, 5)}, width=80, order=before.order)
    assert broken.oid not in before.order.children
    assert [edge for edge in after.order.children if edge != broken.oid] == list(before.order.children)
    assert broken.oid in after.order.children
    assert sum(row.folded for row in after.rows) == 30


def test_only_clean_and_held_children_of_a_hub_fold() -> None:
    made, counts = gitlab(30)
    loose = made.edges["clean_003.merge_request_id"]
    made.edges["clean_003.merge_request_id"] = replace(loose, validated=False)
    schema, table = made.schema(), made.tables["merge_requests"].oid
    asked = counts | {made.edges["clean_004.merge_request_id"].oid: counted(loose, None, status=Status.TIMED_OUT)}
    busy = made.edges["clean_005.merge_request_id"].oid
    lens = build_lens(schema, table, asked, width=80, live=Live(running={busy}, asked={busy}))
    shown = set(lens.order.children)
    assert {loose.oid, made.edges["clean_004.merge_request_id"].oid, busy} <= shown
    assert sum(row.folded for row in lens.rows) == 28
    assert not any(row.folded for row in build_lens(schema, table, counts, width=80, fold_clean=False).rows)
    assert not any(row.folded for row in build_lens(schema, table, counts, width=80, hub=36).rows)


def test_groups_are_by_worst_edge_and_repeat_the_name_once() -> None:
    made = Builder()
    made.table("users")
    made.table("a_notes", "author_id", "editor_id")
    made.table("z_notes", "author_id", "editor_id")
    clean = [made.edge("a_notes", name, "users") for name in ("author_id", "editor_id")]
    bad = made.edge("z_notes", "editor_id", "users")
    other = made.edge("z_notes", "author_id", "users")
    counts = {edge.oid: counted(edge) for edge in (*clean, other)} | {bad.oid: counted(bad, 3)}
    lens = build_lens(made.schema(), made.tables["users"].oid, counts, width=80)
    assert lens.order.children == (bad.oid, other.oid, clean[0].oid, clean[1].oid)
    right = [plain(row.right).split() for row in lens.rows if row.child_edge]
    assert right == [
        ["z_notes.editor_id", "!!3"],
        ['".author_id', "ok"],
        ["a_notes.author_id", "ok"],
        ['".editor_id', "ok"],
    ]


def test_children_are_grouped_by_the_key_that_they_refer_to() -> None:
    made = Builder()
    made.table("users", "privy_did")
    for name in ("keys", "members", "logs"):
        made.table(name, "user_id")
    made.edge("keys", "user_id", "users")
    made.edge("members", "user_id", "users", "privy_did")
    made.edge("logs", "user_id", "users")
    lens = build_lens(made.schema(), made.tables["users"].oid, {}, width=80)
    assert lens.text.splitlines()[1:] == [
        "             ┌───────────┐",
        "             │        id ├◄─┬──keys                 ?",
        "             │           │  └──logs                 ?",
        "             │ privy_did ├◄────members.user_id      ?",
        "             └───────────┘",
    ]


def test_a_self_reference_stands_on_both_sides() -> None:
    made = Builder()
    made.table("categories", "parent_id")
    edge = made.edge("categories", "parent_id", "categories")
    lens = build_lens(made.schema(), made.tables["categories"].oid, {edge.oid: counted(edge, 2)}, width=80)
    assert lens.order == LensOrder((edge.oid,), (edge.oid,))
    row = lens.rows[1]
    assert plain(row.left).split() == ["self", "!!2"]
    assert plain(row.right).split() == ["self.parent_id", "!!2"]


def test_a_table_alone_shows_its_key() -> None:
    made = Builder()
    made.table("alone", key=("a", "b"))
    lens = build_lens(made.schema(), made.tables["alone"].oid, {}, width=80)
    assert "references 0" in plain(lens.title[0])
    assert "referenced by 0" in plain(lens.title[0])
    assert plain(lens.rows[1].box).strip() == "│ (a, b) │"


def test_a_problem_colours_its_whole_row() -> None:
    made, counts = gitlab(0)
    lens = build_lens(made.schema(), made.tables["merge_requests"].oid, counts, width=80)
    assert {span.style for span in lens.rows[1].left} == {"severe"}
    assert "severe" not in {span.style for span in lens.rows[2].left}


def test_a_hub_is_fast() -> None:
    made, counts = gitlab(202)
    schema, table = made.schema(), made.tables["merge_requests"].oid
    best = 1.0
    lens = build_lens(schema, table, counts, width=80, fold_clean=False)
    for _ in range(5):
        start = time.perf_counter()
        build_lens(schema, table, counts, width=80, fold_clean=False)
        best = min(best, time.perf_counter() - start)
    assert len(lens.order.children) == 207
    assert best < 0.05  # about 6 ms on an idle core
