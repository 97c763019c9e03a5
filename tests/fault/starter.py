"""A service that starts a node and enqueues through it; killed by the fault tests, with or before its node.

    python starter.py TABLES.json DIRECTORY SEED

It ends in order on SIGTERM.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path

from roger_actors import Node
from roger_actors.demo import jobs, plan
from roger_actors.demo.enqueuing import Enqueuer
from roger_actors.demo.log import Log

EVERY = 0.15


def main() -> None:
    tables = json.loads(Path(sys.argv[1]).read_text())
    places = plan.Places(Path(sys.argv[2]))
    seed = int(sys.argv[3])
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    with Node.start(tables) as node:
        (places.directory / f"ready-{node.config.name}").write_text(str(seed))
        maker = plan.Maker(places, seed)
        files = plan.sources(seed, 100_000)
        enqueuer = Enqueuer(node, Log(places.enqueued, durable=True))
        quiet = places.directory / "quiet"
        while not stop.wait(EVERY):
            if not quiet.exists():
                enqueuer.enqueue(maker.make(jobs.Digest, "acme", file=files.pop()))


if __name__ == "__main__":
    main()
