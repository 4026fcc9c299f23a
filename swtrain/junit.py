"""JUnit XML, as CI systems show it: a suite of cases that passed, failed, or were not looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree


@dataclass(frozen=True)
class Case:
    """One check.

    Attributes:
        group: shown as the class of the case.
        name: of the case, unique in its group.
        failure: why it failed; None: it passed.
    """

    group: str
    name: str
    failure: str | None = None


def junit_xml(suite: str, cases: Sequence[Case]) -> str:
    """The document, with the schema that Jenkins, GitHub reporters and GitLab read; no clock in it."""
    failed = sum(case.failure is not None for case in cases)
    root = ElementTree.Element("testsuites", tests=str(len(cases)), failures=str(failed))
    place = ElementTree.SubElement(root, "testsuite", name=suite, tests=str(len(cases)), failures=str(failed))
    for case in cases:
        node = ElementTree.SubElement(place, "testcase", classname=f"{suite}.{case.group}", name=case.name)
        if case.failure is not None:
            ElementTree.SubElement(node, "failure", message=case.failure).text = case.failure
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
