"""`Client`: enqueue, cancel and look from any process and any thread; safe after a fork.

A web process holds one. It owns a daemon thread with an asyncio loop and a broker connection,
opened at the first use. A child made by `fork` (gunicorn's and uwsgi's workers) finds that the
thread is not its own and opens another; what the parent had stays untouched.

Source:
    `Roger.Job.enqueue` and friends, as an Elixir process calls them.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import Coroutine, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from roger_actors.broker import Broker, open_broker
from roger_actors.roger.client.async_client import AsyncClient
from roger_actors.roger.client.enqueuing import Enqueued
from roger_actors.roger.client.global_state import AsyncGlobal, Global
from roger_actors.roger.client.info import AsyncInfo, Info
from roger_actors.roger.client.jobs import Jobs
from roger_actors.roger.client.partition import AsyncPartition, Partition
from roger_actors.roger.client.shelves import Chosen
from roger_actors.roger.client.system import AsyncSystem, System
from roger_actors.roger.config import Config, load
from roger_actors.roger.jobs.job import JobRecord
from roger_actors.roger.jobs.registry import Registry
from roger_actors.roger.shelf.shelf import Shelved
from roger_actors.roger.system.call import Answers

T = TypeVar("T")

CLOSE_LIMIT = 5.0
"""Seconds that closing may take before the thread is left to end with the process."""


class _Service:
    """One process's thread, loop and broker behind a `Client`."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.process = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, name="roger-client", daemon=True)
        self.thread.start()
        try:
            self.client = self.wait(self._open())
        except BaseException:
            self.stop()
            raise

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()

    async def _open(self) -> AsyncClient:
        config = self.config
        self.broker: Broker = open_broker(
            config.broker,
            prefix=config.prefix,
            name=f"client of {config.name}",
            heartbeat=config.heartbeat,
        )
        await self.broker.connect(config.enqueue_timeout)
        return AsyncClient(
            self.broker,
            max_payload=config.max_payload,
            enqueue_timeout=config.enqueue_timeout,
            queue_kind=config.queue_kind,
            registry=functools.cache(lambda: Registry.load(config.jobs)),
        )

    def method(self, group: str, name: str) -> Any:
        """Return a method of the client, or of a group of it."""
        return getattr(getattr(self.client, group) if group else self.client, name)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the thread's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def close(self) -> None:
        """Close the broker and end the thread."""
        closing = asyncio.run_coroutine_threadsafe(self.broker.close(), self.loop)
        try:
            closing.result(CLOSE_LIMIT)
        finally:
            self.stop()

    def stop(self) -> None:
        """End the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(CLOSE_LIMIT)


_GROUPS = {"partition": AsyncPartition, "global_state": AsyncGlobal, "info": AsyncInfo, "system": AsyncSystem}
"""Operations that stand under a name of their own."""


class _OnThread:
    """Makes the methods of the thread's `AsyncClient`, or of a group, awaitable on the caller's own loop."""

    def __init__(self, client: Client, group: str = "") -> None:
        self._client = client
        self._group = group
        self._kind: type = _GROUPS.get(group, AsyncClient)

    def __getattr__(self, name: str) -> Any:
        if name in _GROUPS and not self._group:
            return _OnThread(self._client, name)
        if name.startswith("_") or not hasattr(self._kind, name):
            raise AttributeError(name)
        return functools.partial(self._call, name)

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return await self._call("__call__", *args, **kwargs)

    async def _call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        service = await asyncio.to_thread(self._client.service)
        work = service.method(self._group, name)(*args, **kwargs)
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, service.loop))


class Client:
    """The operations of `AsyncClient` for programs without a loop of their own.

    Thread-safe; safe after a fork; opened at the first use and closed by `close` or the `with` block.

    Args:
        config: A configuration file's path, its tables, or a `Config`.

    Attributes:
        aio: The same methods as awaitables, for programs with a loop: `await client.aio.enqueue(…)`.
        partition: Start, reconfigure and stop partitions on running nodes.
        global_state: Cancelled jobs, keys and paused queues, under Roger's names.
        system: Ask or tell all nodes.
        info: What every live node says of itself; `info()` is all of it.
        jobs: Where jobs are, and waiting for their end.
    """

    def __init__(self, config: Config | str | os.PathLike[str] | Mapping[str, Any]) -> None:
        self.config = read_config(config)
        self.aio = cast("AsyncClient", _OnThread(self))
        self.partition = Partition(functools.partial(self._wait_in, "partition"))
        self.global_state = Global(functools.partial(self._wait_in, "global_state"))
        self.system = System(functools.partial(self._wait_in, "system"))
        self.info = Info(functools.partial(self._wait_in, "info"))
        self.jobs = Jobs(functools.partial(self._wait_in, "jobs"))
        self._lock = threading.Lock()
        self._service: _Service | None = None

    def __enter__(self) -> Self:
        """Return the client; nothing is opened yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the connection and end the thread; the next use opens both again. Idempotent."""
        with self._lock:
            service, self._service = self._service, None
        if service is not None and service.process == os.getpid():
            service.close()

    def service(self) -> _Service:
        """Return this process's thread, started and connected if need be."""
        with self._lock:
            service = self._service
            if service is None or service.process != os.getpid():
                service = self._service = _Service(self.config)
            return service

    def _wait(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self._wait_in("", name, *args, **kwargs)

    def _wait_in(self, group: str, name: str, *args: Any, **kwargs: Any) -> Any:
        service = self.service()
        return service.wait(service.method(group, name)(*args, **kwargs))

    # -- jobs ------------------------------------------------------------------------------------

    def enqueue(
        self,
        record: JobRecord,
        partition: str,
        *,
        override_queue: str | None = None,
        delay: float = 0.0,
        at: datetime | None = None,
        timeout: float | None = None,
    ) -> JobRecord:
        """Put a job into its partition's queue; see `AsyncClient.enqueue`."""
        stamped = self._wait(
            "enqueue", record, partition, override_queue=override_queue, delay=delay, at=at, timeout=timeout
        )
        return cast("JobRecord", stamped)

    def enqueue_many(
        self,
        records: Sequence[JobRecord],
        partition: str,
        *,
        delay: float = 0.0,
        at: datetime | None = None,
        timeout: float | None = None,
    ) -> list[Enqueued]:
        """Put many jobs into one partition; see `AsyncClient.enqueue_many`."""
        outcomes = self._wait("enqueue_many", records, partition, delay=delay, at=at, timeout=timeout)
        return cast("list[Enqueued]", outcomes)

    def cancel(self, job_id: str, partition: str) -> Answers:
        """Cancel a job; see `AsyncClient.cancel`."""
        return cast("Answers", self._wait("cancel", job_id, partition))

    def purge(self, partition: str, queue_type: str) -> int:
        """Delete what waits in a queue; see `AsyncClient.purge`."""
        return cast("int", self._wait("purge", partition, queue_type))

    def queued_jobs(self, partition: str, queue_type: str, count: int = 100) -> list[JobRecord]:
        """Return jobs that wait in a queue; see `AsyncClient.queued_jobs`."""
        return cast("list[JobRecord]", self._wait("queued_jobs", partition, queue_type, count))

    # -- queues and nodes ------------------------------------------------------------------------

    def pause(self, queue_type: str, partition: str) -> Answers:
        """Stop starting jobs of a queue; see `AsyncClient.pause`."""
        return cast("Answers", self._wait("pause", queue_type, partition))

    def resume(self, queue_type: str, partition: str) -> Answers:
        """Undo `pause`."""
        return cast("Answers", self._wait("resume", queue_type, partition))

    def paused(self, partition: str) -> list[str]:
        """Return the queue types of a partition that are paused, sorted."""
        return cast("list[str]", self._wait("paused", partition))

    def ask_nodes(self, op: str, timeout: float | None = None, **args: Any) -> Answers:
        """Ask every live node; see `AsyncClient.ask_nodes`."""
        return cast("Answers", self._wait("ask_nodes", op, timeout, **args))

    # -- what is kept aside ----------------------------------------------------------------------

    def buried(self, partition: str, count: int = 100) -> list[Shelved]:
        """Return jobs that failed for good, oldest first."""
        return cast("list[Shelved]", self._wait("buried", partition, count))

    def requeue_buried(self, partition: str, job_ids: Chosen = None) -> list[Shelved]:
        """Give buried jobs a fresh start; see `AsyncClient.requeue_buried`."""
        return cast("list[Shelved]", self._wait("requeue_buried", partition, job_ids))

    def edit_buried(self, partition: str, job_id: str, args: Any) -> JobRecord:
        """Give one buried job other arguments and a fresh start; see `AsyncClient.edit_buried`."""
        return cast("JobRecord", self._wait("edit_buried", partition, job_id, args))

    def delete_buried(self, partition: str, job_ids: Chosen = None) -> list[Shelved]:
        """Delete buried jobs; see `AsyncClient.delete_buried`."""
        return cast("list[Shelved]", self._wait("delete_buried", partition, job_ids))

    def quarantine(self, count: int = 100) -> list[Shelved]:
        """Return payloads that nobody could take, oldest first."""
        return cast("list[Shelved]", self._wait("quarantine", count))

    def requeue_quarantine(self, message_ids: Chosen = None) -> list[Shelved]:
        """Publish quarantined payloads where they came from; see `AsyncClient.requeue_quarantine`."""
        return cast("list[Shelved]", self._wait("requeue_quarantine", message_ids))

    def delete_quarantine(self, message_ids: Chosen = None) -> list[Shelved]:
        """Delete quarantined payloads; see `AsyncClient.delete_quarantine`."""
        return cast("list[Shelved]", self._wait("delete_quarantine", message_ids))

    def parked(self, count: int = 100) -> list[Shelved]:
        """Return jobs of classes that no running node knew, oldest first."""
        return cast("list[Shelved]", self._wait("parked", count))


def read_config(config: Config | str | os.PathLike[str] | Mapping[str, Any]) -> Config:
    """Return a configuration from whatever a program has: a path, tables, or the value itself.

    Raises:
        InvalidConfig: It is wrong; lists everything.
    """
    if isinstance(config, Config):
        return config
    if isinstance(config, Mapping):
        return Config.from_mapping(config, environ=os.environ)
    return load(Path(config))
