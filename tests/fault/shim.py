"""What is preloaded into nodes and enqueuers, so that a test can set their clock and fill their disk.

No privilege is needed, and nothing else of the machine is touched. It takes a C compiler.
"""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LAYOUT = struct.Struct("ll")


class Shim:
    """The library and what it is told.

    Args:
        directory: Where both are made.
    """

    def __init__(self, directory: Path) -> None:
        self._told = directory / "shim"
        self._told.write_bytes(LAYOUT.pack(0, 0))
        library = directory / "shim.so"
        source = Path(__file__).with_name("shim.c")
        command = ["cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
        subprocess.run(command, check=True)
        self.environment = {"LD_PRELOAD": str(library), "ROGER_FAULT_SHIM": str(self._told)}
        self._seconds = self._is_full = 0

    def _tell(self) -> None:
        file = os.open(self._told, os.O_RDWR)
        try:
            with mmap.mmap(file, LAYOUT.size) as shared:
                LAYOUT.pack_into(shared, 0, self._seconds, self._is_full)
        finally:
            os.close(file)

    def set_clock(self, seconds: int) -> None:
        """Let the wall clock be `seconds` away from the right time."""
        self._seconds = seconds
        self._tell()

    @contextmanager
    def full_disk(self) -> Iterator[None]:
        """Let every write to the embedded broker's files fail with ENOSPC."""
        self._is_full = 1
        self._tell()
        try:
            yield
        finally:
            self._is_full = 0
            self._tell()
