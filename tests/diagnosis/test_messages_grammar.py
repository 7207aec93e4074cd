"""Properties of the grammar of messages: what is put into a template of any language comes out of its text again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from fkexplorer.diagnosis.reading import messages_known as known
from fkexplorer.diagnosis.reading.messages import Match, could_match, labels, match_detail, match_message, severities
from fkexplorer.diagnosis.reading.messages_keys import WAYS, cuts
from fkexplorer.diagnosis.reading.messages_pattern import PLACE, Template, languages, templates
from fkexplorer.diagnosis.reading.model import ErrorKind, Topic

if TYPE_CHECKING:
    import re

NAMES = st.text(st.sampled_from("abzÄé表の_0 \"'(),.=-[]{}%$"), min_size=1, max_size=20).filter(
    # A dot may be that of a schema, and some quotes have spaces within them.
    lambda name: all(part.strip(" ") == part and part for part in name.split("."))
)
PLAIN = st.from_regex(r"[a-zé][a-z0-9_]{0,20}", fullmatch=True)
VALUES = st.text(min_size=0, max_size=30) | st.sampled_from(
    ["", "null", "1, 2", "a)=(b", ") is not present in table", "O'Neil", "(1,2)", '{"a": [1]}', "line\nline"]
)
QUIET = settings(max_examples=60, deadline=None)


def filled(template: Template, said: dict[str, str]) -> str:
    """The text of a message with what is said filled in."""
    number = iter(range(len(template.message.names)))

    def fill(place: re.Match[str]) -> str:
        at = next(number)
        return said[template.message.names[int(place.group(1) or at + 1) - 1]]

    return PLACE.sub(fill, template.text)


def drawn(data: st.DataObject, template: Template, names: st.SearchStrategy[str] = NAMES) -> dict[str, str]:
    """Something for each place of a template."""
    return {name: data.draw(names, name) for name in template.message.names}


def meant(template: Template, said: dict[str, str]) -> dict[str, Any]:
    """The fields of the match that a text of this template must give."""
    fields: dict[str, Any] = {name: said[name] for name in said if name not in {"column", "dropped", ""}}
    if "column" in said:
        fields["columns"] = (said["column"],)
    if "parent_column" in said:
        fields["parent_columns"] = (fields.pop("parent_column"),)
    if "child_type" in said:
        fields["types"] = (fields.pop("child_type"), fields.pop("parent_type"))
    return {**fields, "kind": template.message.kind}


def check(match: Match | None, template: Template, said: dict[str, str]) -> None:
    """A match says what was put in; what can't be told apart by any reader may be read as the other."""
    assert match is not None
    fields = meant(template, said)
    if template.message.topic is Topic.RELATION_MISSING:
        names = [name for name in (match.parent_schema, match.parent_table) if name is not None]
        assert ".".join(names) == ".".join(said.values())
        return
    assert {name: getattr(match, name) for name in fields} == fields
    if template.message.sqlstate != "23505":
        assert match.topic is template.message.topic


@pytest.mark.parametrize("language", languages())
@given(data=st.data())
@QUIET
def test_names_come_back_from_a_message_of_any_language(language: str, data: st.DataObject) -> None:
    template = data.draw(st.sampled_from(templates("messages", language)))
    said = drawn(data, template)
    text = filled(template, said)
    assert could_match(text.encode())
    check(match_message(text), template, said)


@pytest.mark.parametrize("language", languages())
@given(data=st.data(), before=st.sampled_from(["ERROR:  ", "2026-11-21 01:56:42.548 UTC [22644] a@b FEHLER:  ", "("]))
@QUIET
def test_names_come_back_from_a_message_within_a_line(language: str, data: st.DataObject, before: str) -> None:
    template = data.draw(st.sampled_from(templates("messages", language)))
    said = drawn(data, template, PLAIN)
    after = data.draw(
        st.sampled_from([" (SQLSTATE 23503)", ")", ", code: 23503", "\n    at Socket.emit (a.js:1)", "'"])
    )
    match = match_message(before + filled(template, said) + after)
    check(match, template, said)
    assert match is not None
    assert match.start == len(before)
    assert match.end <= len(before + filled(template, said))


@pytest.mark.parametrize("language", languages())
@given(data=st.data())
@QUIET
def test_keys_come_back_from_a_detail_of_any_language_or_are_among_the_ways_to_cut_it(
    language: str, data: st.DataObject
) -> None:
    template = data.draw(st.sampled_from(templates("details", language)))
    said = drawn(data, template)
    match = None
    if "columns" in said:
        columns = data.draw(st.lists(NAMES, min_size=1, max_size=3).map(tuple))
        values = data.draw(st.lists(VALUES, min_size=len(columns), max_size=len(columns)).map(tuple))
        said |= {"columns": ", ".join(columns), "values": ", ".join(values)}
        match = match_detail(filled(template, said))
        assert match is not None
        ways = [(match.columns, match.values), *((match.columns, each) for each in match.other_cuts), *match.other_keys]
        assert (columns, values) in ways or len(ways) >= WAYS
        del said["columns"], said["values"]
    match = match or match_detail(filled(template, said))
    check(match, template, said)


@given(
    st.lists(NAMES, min_size=1, max_size=4).flatmap(
        lambda names: st.tuples(
            st.just(tuple(names)), st.lists(VALUES, min_size=len(names), max_size=len(names)).map(tuple)
        )
    )
)
@example((("tenant_id", "order_no"), ("12", "SO-1, part (b)")))
@example((("a, b",), ("1",)))
@example((("a)=(b",), ("1",)))
def test_the_ways_to_cut_a_key_hold_the_right_one(key: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
    columns, values = key
    text = f"{', '.join(columns)})=({', '.join(values)}"
    found = cuts(text)
    assert key in found or len(found) == WAYS
    assert all(f"{', '.join(names)})=({', '.join(said)}" == text for names, said in found)
    assert len(set(found)) == len(found)
    assert all(len(names) == len(said) for names, said in found)


@given(data=st.data())
@QUIET
def test_what_is_left_of_a_detail_that_breaks_off_is_told(data: st.DataObject) -> None:
    language = data.draw(st.sampled_from(languages()))
    with_key = [each for each in templates("details", language) if "columns" in each.message.names]
    template = data.draw(st.sampled_from(with_key))
    assume(template.message.kind is not ErrorKind.OTHER)
    said = {"columns": "user_id", "values": "4711", "parent_table": "users", "child_table": "users"}
    text = filled(template, said)
    assume(text.index("(") < text.find("users"))
    end = data.draw(st.integers(text.index("(user_id)=(") + len("(user_id)=("), len(text)))
    match = match_detail(text[:end], Match(template.message.kind))
    assert match is not None
    assert match.columns == ("user_id",)
    whole = end > text.index("4711)") + len("4711")
    assert match.values == (("4711",) if whole else None)
    alone = match_detail(text[:end])
    assert (alone is not None) == whole
    if alone is not None:
        assert alone.values == ("4711",)
        assert alone.kind in {template.message.kind, ErrorKind.OTHER}
        assert (alone.kind is ErrorKind.OTHER) == (alone.topic is Topic.UNKNOWN_DIRECTION)


def test_every_message_has_its_translations() -> None:
    for language in languages():
        texts = {each.message.text for each in templates("messages", language)}
        assert known.MESSAGES[2].text in texts or language not in {"en", "de", "ja", "ko", "ru", "sv", "uk"}
        if language != "ka":
            assert {each.text for each in known.MESSAGES[:2]} <= texts


def test_labels_and_severities_are_known_in_every_language() -> None:
    assert {labels()[word] for word in ("DETAIL", "DÉTAIL", "ПОДРОБНОСТИ", "詳細", "AYRINTI")} == {"DETAIL"}
    assert {labels()[word] for word in ("ANWEISUNG", "INSTRUCTION", "文", "STATEMENT")} == {"STATEMENT"}
    assert {severities()[word] for word in ("ERROR", "FEHLER", "ERREUR", "ОШИБКА", "오류")} == {"ERROR"}
