"""`python -m tests.thespian_suite`: run Thespian's installed test suite against our system base.

Thespian ships its tests with its wheel; nothing of them is copied here.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Run the suite and return pytest's exit status."""
    with tempfile.TemporaryDirectory(prefix="thespian-suite-") as folder:
        command = [
            sys.executable, "-m", "pytest", "--pyargs", "thespian.test",
            "-p", "tests.thespian_suite.plugin", "-p", "no:cacheprovider",
            "-c", "/dev/null", "--rootdir", folder, "--timeout", "60", "-q", "-ra", *sys.argv[1:],
        ]  # fmt: skip
        return subprocess.run(command, cwd=folder, env=_environment(folder), check=False).returncode


def _environment(folder: str) -> dict[str, str]:
    # One of its tests expects that a killed program's output was still in its buffer.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**inherited, "PYTHONPATH": str(ROOT), "ROGER_RUNTIME_DIR": folder, "TMPDIR": folder}


if __name__ == "__main__":
    sys.exit(main())
