"""The application: jobs, partitions, workers and what is kept about them; mirrors `lib/roger/`.

May import `otp`, `broker` and below. Nothing here names a concrete transport or broker; `bootstrap`
does. Other layers take names from here; each is loaded at its first use, so that a client does not
load what only the kernel host needs.

Reading order: `config` (what is configured), `job` and `codec` (what is run),
`client` (from outside), `partition` (one tenant on one node), `system` (the cluster's bus).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roger_actors.roger.client.async_client import AsyncClient
    from roger_actors.roger.client.client import Client
    from roger_actors.roger.client.jobs import JobNotEnded, JobStatus
    from roger_actors.roger.client.queues import QueueCheck, check_queues, mend_queues
    from roger_actors.roger.config import (
        SCHEMA_FILE,
        Branch,
        Checked,
        Config,
        Problem,
        check,
        check_imports,
        load,
        planned,
    )
    from roger_actors.roger.global_state.key_set import KeySet
    from roger_actors.roger.jobs.hooks import Hooks
    from roger_actors.roger.jobs.job import Job, JobRecord
    from roger_actors.roger.jobs.registry import Registry
    from roger_actors.roger.shelf.shelf import Shelved
    from roger_actors.roger.system.call import Answers

__all__ = [
    "SCHEMA_FILE",
    "Answers",
    "AsyncClient",
    "Branch",
    "Checked",
    "Client",
    "Config",
    "Hooks",
    "Job",
    "JobNotEnded",
    "JobRecord",
    "JobStatus",
    "KeySet",
    "Problem",
    "QueueCheck",
    "Registry",
    "Shelved",
    "check",
    "check_imports",
    "check_queues",
    "load",
    "mend_queues",
    "planned",
]

_HOMES = {
    "client.async_client": ("AsyncClient",),
    "client.client": ("Client",),
    "client.jobs": ("JobNotEnded", "JobStatus"),
    "client.queues": ("QueueCheck", "check_queues", "mend_queues"),
    "config": (
        *("SCHEMA_FILE", "Branch", "Checked", "Config", "Problem"),
        *("check", "check_imports", "load", "planned"),
    ),
    "global_state.key_set": ("KeySet",),
    "jobs.hooks": ("Hooks",),
    "jobs.job": ("Job", "JobRecord"),
    "jobs.registry": ("Registry",),
    "shelf.shelf": ("Shelved",),
    "system.call": ("Answers",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name at its first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
