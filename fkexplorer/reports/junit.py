"""Results as JUnit XML, the one form of a report that every CI shows: what `check` and `doctor` print with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from fkexplorer.reports.values import inert

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that was looked at: it passes where none of the three texts says otherwise."""

    name: str
    classname: str
    """What it is a part of; tools group by what stands before its last dot."""
    seconds: float = 0.0
    failure: str = ""
    """What is wrong with it: the first line is its message, all of it what is shown when that is opened."""
    error: str = ""
    """Why it could not be looked at, where it should have been."""
    skipped: str = ""
    """Why it was not looked at, or does not count."""


def junit_text(suite: str, cases: Sequence[Case]) -> str:
    """One suite with a test case each, as the XML of Ant's JUnit task: ASCII, ended by a line break.

    Args:
        suite: its name.
        cases: in the order in which they are shown.
    """
    kinds = ("failure", "error", "skipped")
    totals = {kind: sum(bool(getattr(case, kind)) for case in cases) for kind in kinds}
    attributes = {
        "name": inert(suite),
        "tests": str(len(cases)),
        "failures": str(totals["failure"]),
        "errors": str(totals["error"]),
        "time": f"{sum(case.seconds for case in cases):.3f}",
    }
    root = ET.Element("testsuites", attributes)
    # Jenkins' schema (junit-10.xsd) knows `skipped` of a suite alone.
    element = ET.SubElement(root, "testsuite", {**attributes, "skipped": str(totals["skipped"])})
    for case in cases:
        of = {"name": inert(case.name), "classname": inert(case.classname), "time": f"{case.seconds:.3f}"}
        own = ET.SubElement(element, "testcase", of)
        for kind in kinds:
            if text := getattr(case, kind):
                _told(own, kind, text)
    ET.indent(root, " ")
    xml: bytes = ET.tostring(root, encoding="us-ascii", xml_declaration=True)
    return xml.decode("ascii") + "\n"


def _told(case: ET.Element, kind: str, text: str) -> None:
    # Whatever a name holds, the XML may hold no control character.
    lines = [inert(line) for line in text.split("\n")]
    attributes = {"message": lines[0]} if kind == "skipped" else {"message": lines[0], "type": kind}
    ET.SubElement(case, kind, attributes).text = "\n".join(lines)
