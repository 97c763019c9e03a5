"""`python -m tests.oracle record | check | random [SEED …]`: play scenarios on Erlang.

`record` writes the traces of the kept scenarios; `check` records them again and compares with the files;
`random` makes scenarios up, plays them on both sides and compares, 500 for each seed.
"""

from __future__ import annotations

import argparse
import difflib
import subprocess
import sys
import time

from . import trace
from .erlang import ErlangNode
from .randomly import agree
from .recorded import FOLDER, GROUPS, written


def main() -> int:
    """Run one of the commands; return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.oracle")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("record", help="write the traces of the kept scenarios")
    commands.add_parser("check", help="record them again and compare with the files")
    random = commands.add_parser("random", help="play scenarios that hypothesis makes up on both sides")
    random.add_argument("--examples", type=int, default=500, help="how many for each seed")
    random.add_argument("seeds", type=int, nargs="*", help="by default three, from the commit's hash")
    given = parser.parse_args()
    with ErlangNode() as erlang:
        if given.command == "record":
            return _record(erlang)
        if given.command == "check":
            return _check(erlang)
        seeds = given.seeds or _seeds_of_the_commit()
        return max([agree(erlang, seed, given.examples) for seed in seeds])


def _fresh(erlang: ErlangNode) -> dict[str, str]:
    """Play every kept scenario and return what the files should hold."""
    files = {}
    for group, scenarios in GROUPS.items():
        traces = [trace.readable(scenario, erlang.play(scenario)) for scenario in scenarios]
        files[f"{group}.json"] = written(scenarios, traces)
    return files


def _record(erlang: ErlangNode) -> int:
    FOLDER.mkdir(exist_ok=True)
    files = _fresh(erlang)
    for path in FOLDER.glob("*.json"):
        if path.name not in files:
            path.unlink()
    for name, content in files.items():
        (FOLDER / name).write_text(content, encoding="utf-8")
    print(f"recorded {sum(map(len, GROUPS.values()))} scenarios in {len(files)} files")
    return 0


def _check(erlang: ErlangNode) -> int:
    begun = time.monotonic()
    fresh = _fresh(erlang)
    kept = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
    lines = [
        line
        for name in sorted(fresh.keys() | kept.keys())
        for line in difflib.unified_diff(
            *(files.get(name, "").splitlines() for files in (kept, fresh)),
            *(f"{whose}/{name}" for whose in ("kept", "erlang")),
            n=8,
            lineterm="",
        )
    ]
    if lines:
        print("\n".join(lines[:200]))
        print("the kept traces are not what Erlang does: python -m tests.oracle record", file=sys.stderr)
        return 1
    count = sum(map(len, GROUPS.values()))
    print(f"{count} recorded scenarios are what Erlang does ({time.monotonic() - begun:.1f} s)")
    return 0


def _seeds_of_the_commit() -> list[int]:
    """Return three parts of the hash, as numbers."""
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=FOLDER.parent, capture_output=True, text=True, check=True
    )
    return [int(done.stdout[start : start + 8], 16) for start in (0, 8, 16)]


if __name__ == "__main__":
    sys.exit(main())
