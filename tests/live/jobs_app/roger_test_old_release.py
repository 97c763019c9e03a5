"""The first release of a class; `roger_test_new_release` has the second."""

from __future__ import annotations

from typing import Any

from roger_test_jobs import tell

from roger_actors import Job


class Report(Job):
    """Takes a number."""

    job_name = "report"

    @classmethod
    def queue_key(cls, args: Any) -> str:
        return "report"

    def perform(self, args: Any) -> None:
        tell("old", id=self.record.id, args=args)
