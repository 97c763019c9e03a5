"""The job of `digest_log` as a job class of ours."""

from __future__ import annotations

from benchmarks.digest_log import run_job
from roger_actors import Job


class Digest(Job):
    """Appends the digest of its argument."""

    queue_type = "digest"

    def perform(self, args: dict[str, str]) -> None:
        """Run the job."""
        run_job(args)
