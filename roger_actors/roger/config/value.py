"""The configuration of a node: one checked, frozen value, built once and passed down.

`Config.from_mapping` turns nested tables (a TOML file, or a program's own dictionary) into a `Config`
or raises one `InvalidConfig` that lists everything that is wrong. Nothing here reads a file, the
environment or a clock; `roger_actors.roger.config.tree_file` does that, and nothing after it does.

You set name, broker, jobs and partitions; you may set the rest; tests set the levels and timeouts.

Source:
    Roger's application environment (`partitions`, `callbacks`, `retry_levels`, `shutdown_timeout` …).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final, Literal

import attrs

from roger_actors.errors import ConfigError, InvalidConfig
from roger_actors.otp import Application, ChildSpec, SupervisorFlags, options_table
from roger_actors.roger.config.broker_url import redacted
from roger_actors.roger.config.reading import read
from roger_actors.roger.config.supervision import SUPERVISION

RETRY_LEVELS: Final = (1.0, 3.0, 5.0, 10.0, 20.0, 35.0, 60.0, 100.0, 200.0, 400.0, 1000.0, 1800.0)


@attrs.frozen(kw_only=True)
class Config:
    """Everything that a node or a client has to know. Durations are seconds, sizes bytes.

    Attributes:
        name: Name of the node; unique among the nodes on its broker.
        broker: `embedded:PATH`, or an `amqp://` or `amqps://` URL with everything expanded. Holds a
            password: print `redacted_broker`.
        jobs: Modules whose job classes may be run and enqueued; nothing else is ever imported.
        hooks: Class with the hooks around jobs, as `module:Class`; None for none.
        prefix: Put in front of every queue's name; systems with different prefixes never meet.
        queue_kind: `quorum` or `classic`, on RabbitMQ.
        retry_levels: Seconds before the 1st, 2nd … retry; a job that fails after the last is buried.
        retry_jitter: Random part added to each retry's delay, from 0 to 1 of it, so that jobs that failed
            together do not come again together; 0 for none.
        max_payload: Largest encoded job that may be enqueued.
        max_buried: Buried jobs kept per partition, the newest ones; None keeps all.
        enqueue_timeout: Seconds an enqueue waits for the broker's confirm.
        shutdown_timeout: Seconds running jobs get to finish at a graceful stop.
        heartbeat: Seconds of silence after which a connection to RabbitMQ counts as lost, where the URL
            does not say so itself (`?heartbeat=`).
        fence_after: Seconds that a job with an execution key may go on while this node gets no answer from
            RabbitMQ; then it is killed, since another node may run it again that long and half a second
            later.
        long_after: Seconds that a job runs before it is written down, so that its delivery need not wait.
        max_worker_hosts: Jobs that run at the same time on this node at most; None for the sum of its
            queues' max_workers.
        worker_max_jobs: Jobs after which a worker host is replaced; None for never.
        worker_max_memory: Resident bytes over which a worker host is replaced after its job; None
            for never.
        max_deaths: Worker hosts that one job may end (by a crash, a signal, lack of memory) before it
            is buried with that cause.
        worker_idle_timeout: Seconds after which an idle worker host is ended.
        log_level: Level of the root logger in every host, when `logging` is not given.
        logging: A table for `logging.config.dictConfig`, used in every host; None for plain lines on
            the standard error stream.
        partitions: For each partition its queue types, for each of those its max_workers (0:
            declared, so that it can be enqueued to, but not consumed here).
        supervision: The supervisors of the node's own tree by name; complete.
        application: The user's own processes, their top supervisor and their environment.
    """

    name: str
    broker: str = attrs.field(repr=lambda url: repr(redacted(url)))
    jobs: tuple[str, ...] = ()
    hooks: str | None = None
    prefix: str = ""
    queue_kind: Literal["quorum", "classic"] = "quorum"
    retry_levels: tuple[float, ...] = RETRY_LEVELS
    retry_jitter: float = 0.1
    max_payload: int = 1024**2
    max_buried: int | None = None
    enqueue_timeout: float = 30.0
    shutdown_timeout: float = 60.0
    heartbeat: float = 3.0
    fence_after: float = 4.0
    long_after: float = 60.0
    max_worker_hosts: int | None = None
    worker_max_jobs: int | None = None
    worker_max_memory: int | None = None
    max_deaths: int = 3
    worker_idle_timeout: float = 60.0
    log_level: str = "INFO"
    logging: Mapping[str, Any] | None = None
    partitions: Mapping[str, Mapping[str, int]] = attrs.field(factory=dict)
    supervision: Mapping[str, SupervisorFlags] = SUPERVISION
    application: Application = attrs.field(factory=Application)

    @property
    def redacted_broker(self) -> str:
        """The broker's address without its password, for people to read."""
        return redacted(self.broker)

    @property
    def children(self) -> tuple[ChildSpec, ...]:
        """The user's own processes, in starting order."""
        return self.application.children

    @property
    def has_application(self) -> bool:
        """Whether there are processes of the user's own."""
        return bool(self.application.children) or self.application.callback is not None

    @classmethod
    def from_mapping(
        cls,
        mapping: Mapping[str, Any],
        *,
        source: str = "configuration",
        directory: PurePath | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> Config:
        """Check nested tables and build the value.

        Args:
            mapping: The tables, shaped as in the TOML file.
            source: What to call them in an error, a file's name for instance.
            directory: What a relative path of the embedded broker is relative to; None leaves it as
                it is, relative to the process.
            environ: Where `${NAME}` in strings of `[node]` is looked up; None expands nothing.

        Raises:
            InvalidConfig: Something is wrong; it lists all of it.
        """
        config, problems = cls.as_far_as_good(mapping, directory=directory, environ=environ)
        if problems:
            raise InvalidConfig(source=source, problems=tuple(problems))
        return config

    @classmethod
    def as_far_as_good(
        cls,
        mapping: Mapping[str, Any],
        *,
        directory: PurePath | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> tuple[Config, list[ConfigError]]:
        """Return the value with what is good, for looking at, and everything that is wrong; see there."""
        found, problems = read(mapping, directory, environ)
        return cls(**found), problems

    def to_mapping(self) -> dict[str, Any]:
        """Return the tables that `from_mapping` would build an equal value from, as builtins."""
        flat = attrs.asdict(self, recurse=False)
        level, table = flat.pop("log_level"), flat.pop("logging")
        partitions, supervision = flat.pop("partitions"), flat.pop("supervision")
        own = flat.pop("application").to_mapping()
        flags = {name: options_table(each) for name, each in supervision.items()}
        for each in flags.values():
            del each["auto_shutdown"]
        return {
            "node": {key: value for key, value in flat.items() if value is not None},
            "logging": {"level": level} if table is None else dict(table),
            "partitions": {name: {"queues": dict(queues)} for name, queues in partitions.items()},
            **own,
            "supervision": {**flags, **own["supervision"]},
        }
