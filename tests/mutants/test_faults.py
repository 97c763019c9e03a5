"""The seeded faults: enough of them, and each can still be made."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
OTP = HERE.parent.parent / "roger_actors" / "otp"
FAULTS = tomllib.loads((HERE / "faults.toml").read_text())["fault"]


def test_there_are_at_least_sixty():
    assert len(FAULTS) >= 60


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault['line']}: {fault['what']}")
def test_what_a_fault_replaces_stands_in_its_file_once(fault):
    text = (OTP / fault["file"]).read_text()

    assert text.count(fault["old"]) == 1
    assert fault["new"] != fault["old"]
    compile(text.replace(fault["old"], fault["new"]), fault["file"], "exec")
