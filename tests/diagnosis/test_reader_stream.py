"""The same text reads the same however it comes: in any pieces, in another encoding, with prefixes or broken lines."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fkexplorer.diagnosis.reading.lines import BLOCK, HEAD
from fkexplorer.diagnosis.reading.reader import Reader, read_text
from tests.benchmarks.reading import MEGABYTE, log, read
from tests.diagnosis.logs import char_wrapped, github_link

if TYPE_CHECKING:
    from fkexplorer.diagnosis.reading.model import Found, Reading

TEXTS = [json.loads(line)["text"] for line in Path(__file__).with_name("errors.jsonl").read_text("utf-8").splitlines()]
ALL = "\nGET / 200\n".join(TEXTS).encode()
WHOLE = read_text(ALL.decode())
LINK = github_link().encode()
FAR = b"GET /health 200\n" * (HEAD // 8)
"""Enough of nothing that what follows is not in the part that is read in any case."""


def _pieces(text: bytes, cuts: list[int]) -> Reading:
    reader = Reader()
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    for start, end in pairwise(edges):
        reader.feed(text[start:end])
    return reader.close()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, len(ALL)), max_size=12))
@example([1, 2, 3])
def test_pieces_of_any_size(cuts: list[int]) -> None:
    assert _pieces(ALL, cuts) == WHOLE


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, len(LINK)), max_size=8), st.integers(0, 3))
def test_what_was_read_so_far_does_not_change_what_comes(cuts: list[int], blocks: int) -> None:
    text = FAR * blocks + LINK
    whole = _pieces(text, [])
    reader = Reader()
    start = 0
    for cut in sorted(cut % len(text) for cut in cuts):
        reader.feed(text[start:cut])
        so_far = reader.reading
        assert sum(each.occurrences for each in so_far.found) <= 2
        start = cut
    reader.feed(text[start:])
    assert reader.close() == whole


def test_a_follower_sees_an_error_once_its_lines_are_there() -> None:
    reader = Reader()
    reader.feed(b'ERROR:  insert or update on table "s" violates foreign key constraint "s_fk"\n')
    assert [each.error.values for each in reader.reading.found] == [None]
    reader.feed(b'DETAIL:  Key (u)=(1) is not present in table "p".\n')
    assert [each.error.values for each in reader.reading.found] == [("1",)]
    assert [each.error.values for each in reader.reading.found] == [("1",)]
    assert [each.occurrences for each in reader.close().found] == [1]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_other_encodings(encoding: str) -> None:
    text = TEXTS[0] + "\n" + TEXTS[26] + "\n"
    assert _errors(_pieces(text.encode(encoding), [1, 2, 3, 90, 91])) == _errors(read_text(text))


def test_bad_bytes_and_line_ends_of_windows() -> None:
    text = b"\xff\xc0 noise \x00\r\n" + TEXTS[0].replace("\n", "\r\n").encode() + b"\r\n\xc3"
    assert [each.error.values for each in _pieces(text, []).found] == [("11111111-2222-4333-8444-555555555555",)]


@pytest.mark.parametrize("at", [HEAD - 40, BLOCK - 300, BLOCK - 80, BLOCK - 1, BLOCK, 2 * BLOCK - 150])
def test_an_error_across_the_blocks_that_are_looked_at(at: int) -> None:
    before = (b"GET /health 200\n" * (at // 16 + 1))[: at - 1] + b"\n"
    found = _pieces(before + LINK + FAR * 3, []).found
    assert [(each.occurrences, each.error.row is not None) for each in found] == [(2, True)]
    assert found[0].error.line - before.count(b"\n") == read_text(LINK.decode()).found[0].error.line


def test_a_line_without_an_end_is_cut_and_read() -> None:
    piece = (
        b'{"code":"23503","message":"insert or update on table \\"s\\" violates foreign key constraint \\"s_fk\\""} '
    )
    reading = _pieces(piece + b"x" * (3 * BLOCK) + b"\n" + piece + b"\n", [])
    assert [each.error.constraint for each in reading.found] == ["s_fk"]


_NAMES = st.from_regex(r"\A[a-z_]{1,40}\Z")
_VALUES = st.one_of(
    st.uuids().map(str), st.integers(-(10**12), 10**12).map(str), st.from_regex(r"\A[A-Za-z0-9:@._-]{1,60}\Z")
)
_PREFIXES = st.sampled_from(
    ["", "[app] ", "app-1  | ", "> ", "\x1b[31m", "2026-11-21T01:02:03Z ", "api-7f9c[12]: ", "web-1 | [web] "]
)


@settings(max_examples=60, deadline=None)
@given(st.tuples(_NAMES, _NAMES, _NAMES, _NAMES), _VALUES, _PREFIXES, st.integers(60, 130), st.sampled_from("\n\r"))
def test_with_any_prefix_and_broken_anywhere(
    names: tuple[str, str, str, str], value: str, prefix: str, width: int, end: str
) -> None:
    table, constraint, column, parent = names
    end = end.replace("\r", "\r\n")
    lines = [
        f'{prefix}error: insert or update on table "{table}" violates foreign key constraint "{constraint}"',
        f"{prefix}    at Parser.parseErrorMessage (/app/parser.js:285:98) {{",
        f"{prefix}  code: '23503',",
        f"{prefix}  detail: 'Key ({column})=({value}) is not present in table \"{parent}\".',",
        f"{prefix}  schema: 'public'",
        f"{prefix}}}",
    ]
    wanted = [(1, constraint, table, (column,), (value,), parent)]
    assert _errors(read_text(end.join(lines))) == wanted
    assert _errors(read_text(char_wrapped("\n".join(lines), width).replace("\n", end))) == wanted


def _errors(reading: Reading) -> list[tuple[object, ...]]:
    return [_error(each) for each in reading.found]


def _error(found: Found) -> tuple[object, ...]:
    error = found.error
    return (
        found.occurrences,
        error.constraint,
        error.child_table,
        error.columns,
        error.values,
        error.parent_table,
    )


def test_a_log_is_read_at_a_speed_that_is_bound_by_its_bytes() -> None:
    text, planted = log(3 * MEGABYTE, MEGABYTE // 4)
    read(text[:MEGABYTE])  # What is made once is made before the clock runs.
    begun = time.process_time()
    reading = read(text)
    taken = time.process_time() - begun
    assert sum(each.occurrences for each in reading.found) == planted
    begun = time.process_time()
    matched = sum("violates foreign key" in line.decode().strip() for line in text.splitlines())
    plain = time.process_time() - begun
    assert matched >= planted
    # As measured it takes 13 times as long as to split the text into lines, decode them and look for one word.
    assert taken < 40 * plain


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(TEXTS),
    st.lists(
        st.tuples(st.integers(0, 5000), st.integers(0, 400), st.text("\"'`{}()[]\\,:=\n\t\0»", max_size=3)), max_size=4
    ),
)
def test_a_damaged_text_is_read_without_a_fault(text: str, damage: list[tuple[int, int, str]]) -> None:
    for at, length, put in damage:
        start = at % (len(text) + 1)
        text = text[:start] + put + text[start + length :]
    reading = read_text(text)
    assert reading.bytes == len(text.encode("utf-8", "replace"))
    assert all(1 <= each.error.line <= reading.lines for each in reading.found)
    assert all(each.occurrences >= sum(each.keys.values()) > 0 or not each.keys for each in reading.found)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=300))
def test_any_text_at_all_is_read(text: str) -> None:
    assert read_text(text).found == ()
