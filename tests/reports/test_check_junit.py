"""`check` as JUnit XML: one case for each edge, failed where there are orphans, an error where nobody could count."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree as ET

from fkexplorer.orphans.model import Status
from fkexplorer.reports.check_junit import check_junit
from tests.reports.test_documents import a_check

WANTED = {
    Status.CLEAN: None,
    Status.ORPHANS: "failure",
    Status.SKIPPED: "skipped",
    Status.TIMED_OUT: "error",
    Status.DENIED: "error",
    Status.UNRELIABLE: "error",
    Status.INCOMPARABLE: "error",
    Status.FAILED: "error",
}


def _suite(text: str) -> ET.Element:
    found = ET.fromstring(text).find("testsuite")  # noqa: S314 - it is our own
    assert found is not None
    return found


def test_each_way_that_a_count_can_end() -> None:
    _, _, check = a_check()
    suite = _suite(check_junit(check))
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "8",
        "failures": "1",
        "errors": "5",
        "skipped": "1",
    }
    found = {str(case.get("name")): next((child.tag for child in case), None) for case in suite}
    assert found == {
        f"public.of_{status.value}.of_{status.value}_user_id_fkey": kind for status, kind in WANTED.items()
    }


def test_an_excused_edge_is_skipped_with_its_reason() -> None:
    _, _, check = a_check()
    [edge] = check.with_status(Status.ORPHANS)
    suite = _suite(check_junit(replace(check, excused={edge.oid: "ignored: legacy"})))
    assert suite.get("failures") == "0"
    [message] = [each.get("message") for each in suite.iter("skipped") if "legacy" in str(each.get("message"))]
    assert message == "3 orphans of about 1,000 rows (0.30%) (ignored: legacy)"
