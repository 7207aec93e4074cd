"""JUnit XML is what CI servers read: its numbers agree, and no name that is in a database can break it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from fkexplorer.reports.junit import Case, junit_text

CASES = (
    Case("a_fkey", "public.a", 0.25),
    Case("b_fkey", "public.b", 1.0, failure="3 orphans\npublic.b(a_id) refers to public.a(id)"),
    Case("c_fkey", "public.c", error="denied: no SELECT on public.c"),
    Case("d_fkey", "public.d", skipped="about 3.0 GiB, over the limit of 1.0 GiB"),
)


def _parsed(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314 - it is our own


def test_the_numbers_of_the_suite_are_those_of_its_cases() -> None:
    root = _parsed(junit_text("foreign keys of app", CASES))
    assert root.tag == "testsuites"
    [suite] = root
    assert suite.tag == "testsuite"
    totals = {"name": "foreign keys of app", "tests": "4", "failures": "1", "errors": "1", "time": "1.250"}
    assert root.attrib == totals
    assert suite.attrib == {**totals, "skipped": "1"}
    assert [case.attrib for case in suite] == [
        {"name": "a_fkey", "classname": "public.a", "time": "0.250"},
        {"name": "b_fkey", "classname": "public.b", "time": "1.000"},
        {"name": "c_fkey", "classname": "public.c", "time": "0.000"},
        {"name": "d_fkey", "classname": "public.d", "time": "0.000"},
    ]
    assert [[each.tag for each in case] for case in suite] == [[], ["failure"], ["error"], ["skipped"]]
    [failure] = suite[1]
    assert failure.attrib == {"message": "3 orphans", "type": "failure"}
    assert failure.text == "3 orphans\npublic.b(a_id) refers to public.a(id)"


def test_a_suite_of_nothing_is_one() -> None:
    [suite] = _parsed(junit_text("none", ()))
    assert (suite.get("tests"), len(suite)) == ("0", 0)


@given(st.text(), st.text(min_size=1))
def test_whatever_a_name_holds_the_xml_is_well_formed(name: str, told: str) -> None:
    text = junit_text(name, [Case(name, name, failure=told)])
    assert text.isascii()
    [[case]] = _parsed(text)
    assert len(case) == 1
    assert case.get("name") is not None
