"""The table of lines, tests, transports and results, written by the run that ran them all."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
PAGE = HERE.parent.parent / "docs/pages/reference/otp-conformance.md"
TRANSPORTS = ("memory", "real")

_HEAD = """\
# OTP conformance

<!-- Written by `make conformance`; do not edit. -->

What supervision means is a list of {count} lines, written from the sources and tests of OTP and Elixir.
Each line has one test.
It runs in memory with virtual time, and in a node of real OS processes whose children live on another host
than their supervisor.
`pytest tests/conformance -m "otp_line(57)"` runs one line.
P0: wrong without it; P1: needed to claim conformance; P2: a detail.

{summary}
"""


class Line(NamedTuple):
    """A line of the list."""

    number: int
    level: str
    section: str
    text: str


def read_list():
    """Return the lines of the list by number."""
    lines = {}
    section = ""
    for row in (HERE / "the_list.md").read_text().splitlines():
        if row.startswith("## "):
            section = row[3:]
        found = re.match(r"(\d+)\. \*\*(P\d)\*\* (.*)", row)
        if found:
            number = int(found[1])
            text = re.sub(r"(?: ?`\[[^`]*\]`)+$", "", found[3]).strip()
            lines[number] = Line(number, found[2], section, text)
    return lines


def left_out():
    """Return the reasons of lines that are left out, by number."""
    with (HERE / "left_out.toml").open("rb") as file:
        return {int(number): reason for number, reason in tomllib.load(file)["lines"].items()}


class Table:
    """Collects what ran."""

    def __init__(self):
        self._tests = {}
        self._expected = set()
        self._results = {}

    def collected(self, items):
        """Note which tests there are."""
        for item in items:
            for mark in item.iter_markers("otp_line"):
                number = mark.args[0]
                self._tests.setdefault(number, set()).add((item.path.name, item.originalname))
                self._expected.add(item.nodeid)

    def ran(self, item, report):
        """Note a phase of a test."""
        for mark in item.iter_markers("otp_line"):
            transport = next((name for name in TRANSPORTS if f"[{name}" in item.nodeid), None)
            if item.nodeid in self._expected and transport is not None:
                good = report.passed
                self._results.setdefault((mark.args[0], transport), {}).setdefault(item.nodeid, []).append(
                    good
                )

    def rows(self):
        """Return (line, test, transports, result) for each line, in order."""
        reasons = left_out()
        for number, line in sorted(read_list().items()):
            tests = self._tests.get(number, set())
            name = ", ".join(f"`{test}`" for _, test in sorted(tests))
            ran = [transport for transport in TRANSPORTS if (number, transport) in self._results]
            good = all(all(all(ok) for ok in self._results[number, transport].values()) for transport in ran)
            if number in reasons:
                yield line, name, "", f"left out: {reasons[number]}"
            else:
                yield line, name, ", ".join(ran), "holds" if ran == list(TRANSPORTS) and good else "OPEN"

    def is_whole(self):
        """Return whether every line that is not left out ran on every transport."""
        wanted = {(number, one) for number in set(read_list()) - set(left_out()) for one in TRANSPORTS}
        return wanted <= set(self._results)

    def write(self):
        """Write the page, if every line ran; return its path if that changed it."""
        if not self.is_whole():
            return None
        text = self.text()
        if PAGE.exists() and PAGE.read_text() == text:
            return None
        PAGE.write_text(text)
        return PAGE

    def text(self):
        """Return the page."""
        rows = list(self.rows())
        held = sum(result == "holds" for *_, result in rows)
        omitted = sum(result.startswith("left out") for *_, result in rows)
        still = len(rows) - held - omitted
        summary = f"**{held} lines hold, {omitted} are left out with a reason, {still} are open.**"
        parts = [_HEAD.format(count=len(rows), summary=summary)]
        section = None
        for line, name, transports, result in rows:
            if line.section != section:
                section = line.section
                parts.append(f"\n## {section}\n\n| line | level | rule | test | transports | result |")
                parts.append("|---|---|---|---|---|---|")
            text = line.text.replace("|", "\\|")
            parts.append(f"| {line.number} | {line.level} | {text} | {name} | {transports} | {result} |")
        return "\n".join(parts) + "\n"
