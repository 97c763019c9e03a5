"""Pykka's actors (a thread each), timed in one process. Argument: how many of each."""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from pathlib import Path

import pykka


class Echo(pykka.ThreadingActor):
    def __init__(self):
        super().__init__()
        self.count = 0
        self.seen = threading.Event()

    def on_receive(self, message):
        if message is None:
            self.count += 1
        return message


class Short(pykka.ThreadingActor):
    def on_receive(self, message):
        self.stop()

    def on_stop(self):
        ended.set()


ended = threading.Event()


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def main(count: int) -> None:
    figures = {}
    echo = Echo.start()
    begun = time.perf_counter()
    for _ in range(count):
        echo.ask(1)
    figures["call_us"] = (time.perf_counter() - begun) / count * 1e6

    begun = time.perf_counter()
    for _ in range(count):
        echo.tell(None)
    echo.ask(1)
    figures["cast_us"] = (time.perf_counter() - begun) / count * 1e6

    begun = time.perf_counter()
    for _ in range(count):
        ended.clear()
        Short.start().tell("end")
        ended.wait()
    figures["cycle_us"] = (time.perf_counter() - begun) / count * 1e6

    live = min(count, 500)
    gc.collect()
    before = resident()
    begun = time.perf_counter()
    actors = [Echo.start() for _ in range(live)]
    figures["start_us"] = (time.perf_counter() - begun) / live * 1e6
    figures["bytes"] = (resident() - before) / live
    figures["live"] = live
    for actor in [*actors, echo]:
        actor.stop()
    print(json.dumps(figures))


if __name__ == "__main__":
    main(int(sys.argv[1]))
