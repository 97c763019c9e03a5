"""Real Erlang as a contender: `peers/erlang_peer.erl`, compiled when it is wanted, where it is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs

from benchmarks.subprocesses import ROOT, ask

SOURCE = ROOT / "benchmarks/peers/erlang_peer.erl"
ABSENT = "Erlang is not installed on this machine and was not measured."


@attrs.frozen
class Erlang:
    """The compiled peer.

    Attributes:
        directory: Where its code is.
        name: Its name for people.
        settings: What a reader must know of the emulator.
    """

    directory: str
    name: str = "Erlang"
    settings: Mapping[str, str | int] = attrs.Factory(dict)

    def ask(self, *arguments: str | int, seconds: float = 60.0) -> dict[str, Any]:
        """Run one of its measurements in an emulator of its own.

        Args:
            arguments: What it says in its head.
            seconds: How long it may take.

        Raises:
            BenchmarkFailed: It took longer or exited with an error.
        """
        command = ["erl", "-noshell", "-noinput", "+P", "1000000", "-env", "ERL_CRASH_DUMP_SECONDS", "0"]
        where = ["-pa", self.directory, "-run", "erlang_peer", "main"]
        answer: dict[str, Any] = ask([*command, *where, *map(str, arguments)], {}, seconds)
        return answer


@contextmanager
def erlang() -> Iterator[Erlang | None]:
    """Compile the peer; None where Erlang is not installed."""
    if shutil.which("erl") is None or shutil.which("erlc") is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run(["erlc", "-o", directory, str(SOURCE)], check=True)
        about = Erlang(directory).ask("about")
        yield Erlang(
            directory,
            f"Erlang/OTP {about['otp']}",
            {"emulator": about["emulator"], "schedulers": about["schedulers"]},
        )
