"""Foreign text: nothing in it may reach a terminal as a command, and its width must be the screen's."""

from __future__ import annotations

import sys
import unicodedata
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from fkexplorer.reports.values import (
    age,
    duration,
    exact,
    fit,
    human,
    inert,
    moment,
    percent,
    size,
    width,
)

ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=60)


@pytest.mark.parametrize(
    ("text", "visible", "in_ascii"),
    [
        ("plain text", "plain text", "plain text"),
        ("a\nb\tc\r", "a␊b␉c␍", "a\\nb\\tc\\r"),
        ("\x1b[31mred", "␛[31mred", "\\x1b[31mred"),
        ("\x1b]0;title\x07", "␛]0;title␇", "\\x1b]0;title\\x07"),
        ("\x9b2J\x7f\x00", "\\x9b2J␡␀", "\\x9b2J\\x7f\\x00"),
        ("a\u202egnp.exe", "a\\u202egnp.exe", "a\\u202egnp.exe"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff", "zero\\u200bwidth\\ufeff"),
        ("half \ud800 pair", "half \\ud800 pair", "half \\ud800 pair"),
        ("Müller 中文 e\u0301", "Müller 中文 e\u0301", "M\\xfcller \\u4e2d\\u6587 e\\u0301"),
        ("key\xa0", "key\\xa0", "key\\xa0"),
        ("\u0301first", "\\u0301first", "\\u0301first"),
        ("❤\ufe0f", "❤\\ufe0f", "\\u2764\\ufe0f"),
        ("[/] [bold]", "[/] [bold]", "[/] [bold]"),
    ],
)
def test_inert_shows_what_a_terminal_would_obey(text: str, visible: str, in_ascii: str) -> None:
    assert inert(text) == visible
    assert inert(text, ascii=True) == in_ascii


def test_every_character_is_harmless_and_as_wide_as_the_screen_thinks() -> None:
    for code in range(sys.maxunicode + 1):
        text = inert("a" + chr(code))
        assert width(text) == cell_len(text), hex(code)
        assert all(unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in text)


def test_stacked_marks_end() -> None:
    assert width(inert("a" + "\u0301" * 50)) > 40  # shown as escapes, not piled up


@given(ANY_TEXT)
def test_inert_twice_is_inert_once(text: str) -> None:
    assert inert(inert(text)) == inert(text)
    assert inert(text, ascii=True).isascii()


@given(ANY_TEXT, st.integers(0, 40), st.booleans(), st.booleans())
def test_fit_is_exactly_as_wide_as_asked(text: str, cells: int, middle: bool, ascii: bool) -> None:
    fitted = fit(text, cells, middle=middle, ascii=ascii)
    assert cell_len(fitted) == cells
    assert width(fit(text, cells, middle=middle, ascii=ascii, pad=False)) <= cells


@pytest.mark.parametrize(
    ("text", "cells", "expected"),
    [
        ("merge_requests", 14, "merge_requests"),
        ("merge_requests", 16, "merge_requests  "),
        ("release_links_daily_summaries", 21, "release_li…_summaries"),
        ("中文中文", 5, "中…文"),
        ("中文中文", 4, "中… "),
        ("ab", 1, "…"),
        ("ab", 0, ""),
    ],
)
def test_fit_keeps_both_ends(text: str, cells: int, expected: str) -> None:
    assert fit(text, cells) == expected


def test_fit_at_the_end_at_the_right_in_ascii() -> None:
    assert fit("abcdef", 4, middle=False) == "abc…"
    assert fit("abcdef", 4, ascii=True) == "ab~f"
    assert fit("7", 4, right=True) == "   7"


def test_fit_does_not_read_megabytes() -> None:
    fitted = fit("ab\n" * 5_000_000 + "end", 20)
    assert fitted.startswith("ab␊ab␊")
    assert fitted.endswith("␊end")
    assert width(fitted) == 20


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (37, "37"),
        (999, "999"),
        (1000, "1k"),
        (1_300, "1.3k"),
        (9_949, "9.9k"),
        (9_960, "10k"),
        (16_004, "16k"),
        (180_000, "180k"),
        (999_499, "999k"),
        (999_500, "1M"),
        (2_104_551, "2.1M"),
        (3_000_000_000, "3G"),
    ],
)
def test_human_numbers_are_short(number: int, text: str) -> None:
    assert human(number) == text
    assert len(text) <= 4


def test_exact_numbers() -> None:
    assert exact(16_004) == "16,004"


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 10, "0%"),
        (10, 10, "100%"),
        (16_004, 2_104_551, "0.76%"),
        (1, 1_000_000, "<0.01%"),
        (15, 1000, "1.5%"),
        (123, 1000, "12%"),
        (9_999, 10_000, ">99.9%"),
        (995, 1000, "99.5%"),
        (3, 0, "?"),
    ],
)
def test_percent_never_rounds_something_to_nothing_or_to_all(part: int, whole: int, text: str) -> None:
    assert percent(part, whole) == text


def test_times_and_sizes() -> None:
    assert [age(seconds) for seconds in (0, 12, 61, 7_300, 200_000)] == [
        "just now",
        "12s ago",
        "1m ago",
        "2h ago",
        "2d ago",
    ]
    assert [duration(seconds) for seconds in (0.004, 1.25, 200)] == ["4 ms", "1.2 s", "3 min 20 s"]
    assert [size(number) for number in (812, 8192, 1_500_000_000)] == ["812 B", "8.0 KiB", "1.4 GiB"]
    there = timezone(timedelta(hours=2))
    assert moment(datetime(2026, 11, 21, 4, 0, 1, 999_999, tzinfo=there)) == "2026-11-21T02:00:01Z"
