"""The page about benchmarks in the documentation: a part that is written by hand, and the results.

`docs/pages/explanation/benchmarks.md` keeps its prose; what stands between the two markers is
rewritten from the JSON files, and the plots are copied beside it.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks.harness import settings_line
from benchmarks.summary import format_number, format_spread

BEGIN, END = "<!-- results: written by python -m benchmarks --page -->", "<!-- end of results -->"
ORDER = ("jobs", "enqueue", "latency", "partitions", "transport", "processes", "restarts", "supervisors")


def write_page(results: Path, pages: Path) -> None:
    """Put the results of a directory into the page, and their plots into `assets`.

    Args:
        results: Directory with `NAME.json`, `NAME.png` and `NAME.svg`.
        pages: The documentation's `pages` directory.
    """
    page = pages / "explanation" / "benchmarks.md"
    documents = [
        json.loads(file.read_text()) for name in ORDER if (file := results / f"{name}.json").exists()
    ]
    (pages / "assets").mkdir(exist_ok=True)
    for document in documents:
        for kind in ("png", "svg"):
            shutil.copy(results / f"{document['benchmark']}.{kind}", pages / "assets")
    before, _, rest = page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n\n{''.join(map(_section, documents))}{END}{after}")


def _section(document: dict[str, Any]) -> str:
    name = document["benchmark"]
    parts = [
        f"## {document['title']}",
        document["description"],
        f"![{document['title']}](../assets/{name}.svg)",
        _table(document),
        *([_goals(document)] if document["goals"] else []),
        *([_bounds(document)] if document.get("bounds") else []),
        _where(document),
    ]
    return "".join(f"{part}\n\n" for part in parts)


def _table(document: dict[str, Any]) -> str:
    figures = document["figures"]
    head = ["", *(f"{figure['label']}, {figure['unit']}" for figure in figures), "settings"]
    rows = [head, ["---", *("---:" for _ in figures), "---"]]
    for contender in document["contenders"]:
        name = f"**{contender['name']}**" if contender["is_ours"] else contender["name"]
        cells = [format_spread(contender["figures"].get(figure["key"])) for figure in figures]
        rows.append([name, *cells, settings_line(contender["settings"])])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _goals(document: dict[str, Any]) -> str:
    figures = _by_key(document)
    lines = [
        f"- {figures[goal['figure']]['label']}, {goal['ours']} against {goal['other']}:"
        f" ×{goal['ratio']['median']:.2f} ({goal['ratio']['minimum']:.2f}–{goal['ratio']['maximum']:.2f});"
        f" wanted ×{goal['factor']}: {'reached' if goal['reached'] else '**not reached**'}."
        for goal in document["goals"]
    ]
    return "Ratios, each taken within one repetition, median and range:\n\n" + "\n".join(lines)


def _bounds(document: dict[str, Any]) -> str:
    figures = _by_key(document)
    lines = [
        f"- {figures[bound['figure']]['label']}, {bound['ours']}:"
        f" {format_spread(bound['measured'])} {figures[bound['figure']]['unit']};"
        f" wanted at most {format_number(bound['at_most'])}:"
        f" {'reached' if bound['reached'] else '**not reached**'}."
        for bound in document["bounds"]
    ]
    return "Figures that are wanted:\n\n" + "\n".join(lines)


def _by_key(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {figure["key"]: figure for figure in document["figures"]}


def _where(document: dict[str, Any]) -> str:
    machine = document["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    repetitions = max((len(c["checks"]) for c in document["contenders"]), default=0)
    return (
        f"Median (smallest–largest) of {repetitions} repetitions.\n"
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB,"
        f" {machine['system']}, {machine['python']}; {packages}; {machine['at']}.\n"
        f"The machine's load at the end, over one minute: {machine['load_1min']}."
    )
