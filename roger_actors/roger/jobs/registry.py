"""The job classes that a host may run, by the names that messages know them by.

The registry is filled from the modules that the configuration lists, before the first message is read.
A message only ever looks a name up: nothing is imported because a message says so.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence

from roger_actors.errors import InvalidJob, NewerJob, UnknownJobClass
from roger_actors.roger.jobs import job
from roger_actors.roger.jobs.job import Job
from roger_actors.roger.jobs.versions import known_words


class Registry:
    """Job classes by registered name.

    Args:
        classes: What it holds at first.

    Raises:
        InvalidJob: One of them cannot be run, or two have the same name.
    """

    def __init__(self, classes: Iterable[type[Job]] = ()) -> None:
        self._classes: dict[str, type[Job]] = {}
        for job_class in classes:
            self.add(job_class)

    @classmethod
    def load(cls, modules: Sequence[str]) -> Registry:
        """Import modules and take every job class that is an attribute of one of them.

        A class without a `perform` of its own is a base for others and is left out.

        Args:
            modules: Dotted names; their own submodules are not searched.

        Raises:
            InvalidJob: A module has no job class, or two classes have the same name.
            Exception: Whatever a module raises when it is imported.
        """
        registry = cls()
        for module in modules:
            registry.add_module(module)
        return registry

    def add_module(self, name: str) -> None:
        """Import one module and take its job classes; see `load`."""
        found = [value for value in vars(importlib.import_module(name)).values() if job.is_job(value)]
        if not found:
            detail = "has no job class; list the modules that define or import them"
            raise InvalidJob(job=f"module {name}", detail=detail)
        for job_class in found:
            self.add(job_class)

    def add(self, job_class: type[Job]) -> str:
        """Take one class in and return its registered name.

        Raises:
            InvalidJob: It cannot be run, or another class has its name.
        """
        name = job.check(job_class)
        holder = self._classes.setdefault(name, job_class)
        if holder is not job_class:
            detail = (
                f"{_where(job_class)} and {_where(holder)} both have this name; give one another job_name"
            )
            raise InvalidJob(job=name, detail=detail)
        return name

    def find(self, name: str, version: int = 1) -> type[Job]:
        """Return the class that a message means.

        Args:
            name: Its registered name.
            version: The version that the message was made for.

        Raises:
            UnknownJobClass: There is none of this name.
            NewerJob: There is, but of an older version.
        """
        found = self._classes.get(name)
        if found is None:
            raise UnknownJobClass(name=name)
        if version > found.version:
            raise NewerJob(name=name, version=version, known=found.version)
        return found

    @property
    def names(self) -> list[str]:
        """The registered names, sorted."""
        return sorted(self._classes)

    @property
    def known(self) -> list[str]:
        """What the kernel is told of this registry; see `roger_actors.roger.jobs.versions`."""
        return known_words({name: found.version for name, found in self._classes.items()})


def _where(job_class: type[Job]) -> str:
    return f"{job_class.__module__}.{job_class.__qualname__}"
