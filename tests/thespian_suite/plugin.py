"""A pytest plugin that runs Thespian's own tests against this project's system base.

Where Thespian's tests say `multiprocTCPBase`, they get ours; only tests that name it are kept. What
stands in `exclusions.txt` is skipped with the reason given there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from roger_actors.transport.thespian import system_base

STANDS_FOR = "multiprocTCPBase"
EXCLUSIONS = Path(__file__).with_name("exclusions.txt")

sys.modules[f"thespian.system.{STANDS_FOR}"] = system_base


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests that run on a system base of several processes, and skip the excluded ones."""
    kept = [item for item in items if _is_ours(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept
    if config.getoption("excluded_too"):
        return
    reasons = exclusions()
    for item in items:
        name = item.nodeid.rpartition("/")[2]
        if name in reasons:
            item.add_marker(pytest.mark.skip(reason=reasons[name]))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that runs everything."""
    parser.addoption("--excluded-too", action="store_true", help="Run what exclusions.txt excludes.")


def _is_ours(item: pytest.Item) -> bool:
    callspec = getattr(item, "callspec", None)
    if callspec is not None and "asys" in callspec.params:
        return bool(callspec.params["asys"] == STANDS_FOR)
    return "TCP" in item.nodeid and "Routing" not in item.nodeid


def exclusions() -> dict[str, str]:
    """Read the list: a test per line, its reason after two blanks and a hash."""
    lines = [line for line in EXCLUSIONS.read_text().splitlines() if line and not line.startswith("#")]
    return {name.strip(): reason.strip() for name, _, reason in (line.partition("  #") for line in lines)}
