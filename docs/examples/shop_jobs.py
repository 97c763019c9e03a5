import os
import signal
from pathlib import Path

from roger_actors import Job


class Invoice(Job):
    """Writes an invoice, once for each order."""

    @classmethod
    def queue_key(cls, args):
        return f"invoice-{args['order']}"

    def perform(self, args):
        print("invoice for order", args["order"], flush=True)


class Crash(Job):
    """Takes its OS process with it, the first time."""

    queue_type = "risky"

    def perform(self, args):
        if not Path("crashed").exists():
            Path("crashed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        print("survived", flush=True)
