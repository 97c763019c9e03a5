"""The second release of a class; `roger_test_old_release` has the first."""

from __future__ import annotations

from typing import Any

from roger_test_jobs import tell

from roger_actors import Job


class Report(Job):
    """Takes a table, and fails at the attempt that it is told; an older one at its first."""

    job_name = "report"
    version = 2
    retryable = True
    retry_levels = (0,)

    @classmethod
    def queue_key(cls, args: Any) -> str:
        return "report"

    @classmethod
    def upcast(cls, args: Any, from_version: int) -> Any:
        return {"number": args, "from": from_version, "fail": 0}

    def perform(self, args: Any) -> None:
        tell("new", id=self.record.id, args=args, retry_count=self.record.retry_count)
        if args.get("fail") == self.record.retry_count:
            raise ValueError(args)
