"""Apply each fault of `faults.toml` to a copy of the package and run its line's test on both transports.

A fault is caught when the line's test fails in memory and with real hosts; a run that hangs is red. A test
that cannot be collected or whose node does not start shows nothing: that is an invalid fault, not a catch.

    python -m tests.mutants                all
    python -m tests.mutants 48 175         those of some lines
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
        try:
            seed(fault, folder)
        except (ValueError, SyntaxError) as error:
            return f"INVALID: {error}"
        found = {transport: run(fault, folder, transport) for transport in TRANSPORTS}
    if all(result == "red" for result in found.values()):
        return "caught"
    return ", ".join(f"{transport}: {result}" for transport, result in found.items() if result != "red")


def run(fault, folder, transport):
    """Run the line's test on one transport: `red`, `SURVIVED`, or `INVALID` and why."""
    report = folder / f"{transport}.xml"
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"),
        *("tests/conformance", "-k", f"test_line_{fault.line:03} and {transport}", f"--junitxml={report}"),
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
            return "red"
    if process.returncode == 0:
        return "SURVIVED"
    if process.returncode != 1 or not report.exists():
        return f"INVALID: pytest ended with {process.returncode}\n{output[-1500:]}"
    cases = ET.parse(report).getroot().iter("testcase")
    return "red" if any(case.find("failure") is not None for case in cases) else f"INVALID: {output[-1500:]}"


def main(lines):
    """Try every fault (of some lines); return the exit status."""
    faults = read_faults()
    chosen = [fault for fault in faults if not lines or fault.line in lines]
    bad = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for fault, found in zip(chosen, pool.map(verdict, chosen), strict=True):
            bad += found != "caught"
            print(f"line {fault.line:3}  {fault.file:32} {fault.what}: {found}", flush=True)
    print(f"{len(chosen) - bad} of {len(chosen)} faults are caught on both transports")
    if not lines and len(faults) < AT_LEAST:
        print(f"there are {len(faults)} faults, {AT_LEAST} are wanted")
        bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main({int(word) for word in sys.argv[1:]}))
