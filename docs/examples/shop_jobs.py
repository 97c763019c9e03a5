import os
import signal

from roger_actors import Job


class Invoice(Job):
    """Writes an invoice, once for each order."""

    @classmethod
    def queue_key(cls, args):
        return f"invoice-{args['order']}"

    def perform(self, args):
        print("invoice for order", args["order"], flush=True)


class Crash(Job):
    """Takes its OS process with it the first time."""

    queue_type = "risky"
    retryable = True
    retry_levels = (0.1,)

    def perform(self, args):
        if self.record.retry_count == 0:
            os.kill(os.getpid(), signal.SIGSEGV)
        print("survived attempt", self.record.retry_count, flush=True)
