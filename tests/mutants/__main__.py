"""Apply each fault of `faults.toml` to a copy of the package and run its line's test on both transports.

A fault is caught when the line's test fails in memory and with real hosts; a run that hangs is red. A test
that cannot be collected or whose node does not start shows nothing: that is an invalid fault, not a catch.

    python -m tests.mutants                all
    python -m tests.mutants 48 175         those of some lines
    python -m tests.mutants one-in 4       a quarter, another one for each commit
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
FAULTS = Path(__file__).parent / "faults.toml"
TRANSPORTS = ("memory", "real")
AT_LEAST = 60
HANGS_AFTER = 40.0


class Fault(NamedTuple):
    """One seeded fault.

    Attributes:
        line: The line that must turn red.
        file: What is broken, below `roger_actors/otp`.
        old: The text that is replaced; it stands there once.
        new: What replaces it.
        what: The mistake that a programmer could have made.
    """

    line: int
    file: str
    old: str
    new: str
    what: str


def read_faults():
    """Return the faults."""
    with FAULTS.open("rb") as file:
        return [Fault(**entry) for entry in tomllib.load(file)["fault"]]


def seed(fault, folder):
    """Copy what the tests need into a folder and break it.

    Raises:
        ValueError: The text to replace is not there exactly once, or what comes of it is no Python.
    """
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "roger_actors", folder / "roger_actors", ignore=ignore)
    shutil.copytree(ROOT / "tests/conformance", folder / "tests/conformance", ignore=ignore)
    shutil.copy(ROOT / "tests/conftest.py", folder / "tests/conftest.py")
    shutil.copy(ROOT / "pyproject.toml", folder)
    broken = folder / "roger_actors/otp" / fault.file
    text = broken.read_text()
    if text.count(fault.old) != 1:
        raise ValueError(f"{fault.file} has {text.count(fault.old)} times: {fault.old!r}")
    broken.write_text(text.replace(fault.old, fault.new))
    compile(broken.read_text(), str(broken), "exec")


def verdict(fault):
    """Return what became of a fault: `caught`, or what is wrong by transport."""
    with tempfile.TemporaryDirectory(prefix="roger-mutant-", dir="/tmp") as name:
        folder = Path(name)
        if not files_of(fault.line):
            return "INVALID: the line has no test"
        try:
            seed(fault, folder)
        except (ValueError, SyntaxError) as error:
            return f"INVALID: {error}"
        found = verdicts(fault, folder)
    if all(result == "red" for result in found.values()):
        return "caught"
    return ", ".join(f"{transport}: {result}" for transport, result in found.items() if result != "red")


def files_of(line):
    """Return the files with the line's test: pytest need not collect the others."""
    tests = sorted((ROOT / "tests/conformance").glob("test_*.py"))
    return [str(path.relative_to(ROOT)) for path in tests if f"def test_line_{line:03}_" in path.read_text()]


def verdicts(fault, folder):
    """Return `red`, `SURVIVED`, or `INVALID` and why, by transport.

    One run tries both; only where that hangs, each gets a run of its own.
    """
    found = judge(fault, folder, TRANSPORTS)
    return found or {transport: judge(fault, folder, [transport])[transport] for transport in TRANSPORTS}


def judge(fault, folder, transports):
    """Run the line's test; return its verdicts by transport, empty if a run for several hung."""
    ended, output, report = run(fault, folder, transports)
    if ended is None:
        return {} if len(transports) > 1 else dict.fromkeys(transports, "red")
    if ended not in {0, 1} or not report.exists():
        return dict.fromkeys(transports, f"INVALID: pytest ended with {ended}\n{output[-1500:]}")
    cases = list(ET.parse(report).getroot().iter("testcase"))
    return {
        transport: _verdict([case for case in cases if f"[{transport}" in case.get("name")])
        for transport in transports
    }


def _verdict(cases):
    if any(case.find("failure") is not None for case in cases):
        return "red"
    broken = [error.text for case in cases for error in case.findall("error")]
    if broken or not cases:
        return f"INVALID: {(broken or ['no test ran'])[0][-1500:]}"
    return "SURVIVED"


def run(fault, folder, transports):
    """Run the line's test on transports; return exit status (None if it hung), output, report."""
    report = folder / "report.xml"
    report.unlink(missing_ok=True)
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"),
        *(*files_of(fault.line), "-k", f"test_line_{fault.line:03} and ({' or '.join(transports)})"),
        *(f"--junitxml={report}", f"--timeout={HANGS_AFTER / 2}"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    environment["CONFORMANCE_LIMIT"] = "10"
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            output, _ = process.communicate(timeout=HANGS_AFTER)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            return None, "", report
    hung = "+++ Timeout +++" in output or not report.exists()
    return None if hung and process.returncode == 1 else process.returncode, output, report


def sample(faults, one_in):
    """Return every so many-th fault; the commit's hash says which."""
    asked = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    commit = asked.stdout.strip() if asked.returncode == 0 else "0"
    return faults[int(commit, 16) % one_in :: one_in]


def main(words):
    """Try every fault, or those that were asked for; return the exit status."""
    faults = read_faults()
    if words[:1] == ["one-in"]:
        chosen = sample(faults, int(words[1]))
    else:
        lines = {int(word) for word in words}
        chosen = [fault for fault in faults if not lines or fault.line in lines]
    bad = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for fault, found in zip(chosen, pool.map(verdict, chosen), strict=True):
            bad += found != "caught"
            print(f"line {fault.line:3}  {fault.file:32} {fault.what}: {found}", flush=True)
    print(f"{len(chosen) - bad} of {len(chosen)} faults are caught on both transports")
    if len(faults) < AT_LEAST:
        print(f"there are {len(faults)} faults, {AT_LEAST} are wanted")
        bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
