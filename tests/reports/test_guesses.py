"""Guesses apart: in lists with their reasons, drawn dotted, in no total."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fkexplorer.inference.model import Guess, Inference, Lonely, Reason
from fkexplorer.reports.badges import edge_badge, score_text, tags, total
from fkexplorer.reports.guesses import guess_items, undecided
from fkexplorer.reports.lens import build_lens
from fkexplorer.reports.live import Live
from fkexplorer.reports.sentence import edge_detail, pairing
from fkexplorer.reports.style import Span, plain
from fkexplorer.reports.tables import edges_by_table, order_of_tables, table_detail, table_line, worst_edge
from fkexplorer.schema.model import Condition, EdgeKind, EdgeState, Relationship, Schema
from tests.reports.build import NOW, Builder, counted

NAMED = Reason("name_of_table", "named like users.id", 4.0)
TYPED = Reason("same_type", "same type", 1.0)
LEAKY = Reason("contained", "985 of 1,000 sampled keys are there", -0.5)


def guess(edge: Relationship, score: float = 0.93, *, rivals: tuple[int, ...] = (), against: bool = False) -> Guess:
    return Guess(edge, score, (NAMED, TYPED, *((LEAKY,) if against else ())), rivals)


def made() -> tuple[Builder, Relationship, Relationship, Schema]:
    built = Builder()
    built.table("users")
    built.table("posts", "user_id", "editor_id")
    known = built.edge("posts", "editor_id", "users")
    loose = built.edge("posts", "user_id", "users", kind=EdgeKind.INFERRED, name="", validated=False, enforced=False)
    return built, known, loose, built.schema()


@pytest.mark.parametrize(
    ("score", "one", "two"), [(0.75, ".7", ".75"), (0.939, ".9", ".93"), (0.999, ".9", ".99"), (1.0, ".9", ".99")]
)
def test_a_score_is_cut_and_never_certain(score: float, one: str, two: str) -> None:
    assert (score_text(score, 1), score_text(score, 2)) == (one, two)


def test_a_guess_is_in_no_total_moves_nothing_and_is_never_loud() -> None:
    _, known, loose, schema = made()
    counts = {known.oid: counted(known, 0), loose.oid: counted(loose, 1000)}
    assert loose.state is EdgeState.UNDECLARED
    sums = total(schema, schema.edges.values(), counts)
    assert (sums.edges, sums.checked, sums.orphans, sums.with_orphans, sums.guesses) == (1, 1, 0, 0, 1)
    assert sums.worst == Span("ok", "ok")
    assert edge_badge(schema, loose, counts[loose.oid]) == Span("!1k", "unknown")
    edges = edges_by_table(schema)
    alone = replace(schema, edges={known.oid: known})
    assert order_of_tables(schema, edges, counts) == order_of_tables(alone, edges_by_table(alone), counts)
    assert worst_edge(schema, edges[loose.child].known, counts) == known
    assert [span.text for span in tags(loose, score=0.93)] == ["inf .9"]


def test_the_table_and_its_detail_tell_them_apart() -> None:
    _, known, loose, schema = made()
    counts = {known.oid: counted(known, 0), loose.oid: counted(loose, 3)}
    edges, live = edges_by_table(schema), Live(guesses={loose.oid: guess(loose)})
    posts = schema.tables[loose.child]
    line = plain(table_line(schema, posts, edges[posts.oid], counts, live, width=80))
    assert line.split() == ["posts", "ok", "1+1", "1k", "8.0", "KiB"]
    lines = [plain(line) for line in table_detail(schema, posts, edges[posts.oid], counts, live, now=NOW, width=80)]
    assert lines[1] == " 1 foreign key, 1 counted, none with orphans; 1 guess"
    # What is known comes first, however bad the guess looks.
    assert [line.split()[:2] for line in lines[2:]] == [["ok", "editor_id"], ["!3", "user_id"]]
    assert lines[3].rstrip().endswith("inf .9")
    bare = replace(schema, edges={loose.oid: loose})
    [_, words, *_] = table_detail(bare, posts, edges_by_table(bare)[posts.oid], counts, live, now=NOW, width=80)
    assert plain(words) == " It refers to no table; 1 guess."


@pytest.mark.parametrize(("ascii_only", "left", "right"), [(False, "◄··┤", "├··"), (True, "<..+", "+..")])
def test_it_is_dotted_on_either_side(*, ascii_only: bool, left: str, right: str) -> None:
    _, known, loose, schema = made()
    live = Live(guesses={loose.oid: guess(loose)})
    counts = {known.oid: counted(known, 2), loose.oid: counted(loose, 0)}

    def drawn(table: int, width: int) -> str:
        return build_lens(schema, table, counts, width=width, ascii=ascii_only, live=live).text

    child = drawn(loose.child, 79)
    assert f" ok inf .9 {left} user_id" in child
    assert child.startswith("references 1 + 1 inf  !")
    parent = drawn(loose.parent, 79)
    assert f"{right[1:]}" in parent
    assert "referenced by 1 + 1 inf  !" in parent
    assert "inf .9" in drawn(loose.child, 50)


def test_the_detail_gives_score_and_reasons_best_first() -> None:
    _, _, loose, schema = made()
    live = Live(guesses={loose.oid: guess(loose, against=True)})
    [head, body, *_] = edge_detail(schema, loose, counted(loose, 3), now=NOW, live=live)
    assert plain(head) == ("a guess, .93  named like users.id, same type; but 985 of 1,000 sampled keys are there")
    assert plain(body).startswith("posts.user_id -> users.id  3 orphans of")


def test_which_rows_a_conditional_one_is_for() -> None:
    _, known, loose, schema = made()
    only = Condition(known.pairs[0].child, "Post")
    assert pairing(schema, replace(loose, only=only)) == "posts.user_id -> users.id where editor_id = 'Post'"


def test_the_list_has_all_kinds_and_leaves_out_what_is_decided() -> None:
    built = Builder()
    for name in ("users", "people", "groups"):
        built.table(name)
    built.table("blog.posts", "user_id", "group_id", "owner_id", "tag_id")

    def loose(column: str, parent: str) -> Relationship:
        edge = built.edge("blog.posts", column, parent, kind=EdgeKind.INFERRED, name="")
        built.edges.clear()
        return edge

    user, group = loose("user_id", "users"), loose("group_id", "groups")
    owners = [loose("owner_id", parent) for parent in ("users", "people")]
    rivals = tuple(edge.parent for edge in owners)
    posts = user.child
    inference = Inference(
        (guess(user), *(guess(edge, 0.8, rivals=rivals) for edge in owners), guess(group, 0.6)),
        (Lonely(posts, (built.tables["blog.posts"].columns[-1].number,), "no table is named like it"),),
        ("posts was not read: timed out",),
    )
    schema = built.schema()

    def said(schema: Schema) -> list[str]:
        return [plain(item.line) for item in guess_items(schema, inference)]

    assert said(schema) == [
        "1 guess drawn, dotted",
        ".93  blog.posts.user_id -> public.users.id",
        "  named like users.id, same type",
        "",
        "2 guesses ambiguous: others are as likely, so none is drawn",
        ".80  blog.posts.owner_id -> public.users.id",
        "  named like users.id, same type",
        ".80  blog.posts.owner_id -> public.people.id",
        "  named like users.id, same type",
        "",
        "1 guess less likely, not drawn",
        ".60  blog.posts.group_id -> public.groups.id",
        "  named like users.id, same type",
        "",
        "1 column looks like a reference, and nothing is found that it refers to",
        "blog.posts.tag_id  no table is named like it",
        "",
        "not looked at",
        "posts was not read: timed out",
    ]
    # Whoever accepts one of two rivals has decided on both.
    accepted = replace(owners[1], kind=EdgeKind.CONFIGURED)
    later = replace(schema, edges={accepted.oid: accepted})
    assert [each.edge for each in undecided(later, inference)] == [user, group]
    assert [plain(item.line) for item in guess_items(schema, Inference(()))] == ["Nothing is left to be guessed."]
