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
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, cast

import attrs

from roger_actors.errors import ConfigError, InvalidConfig
from roger_actors.roger import queue
from roger_actors.roger.config import settings
from roger_actors.roger.config.broker_url import broker_address, redacted
from roger_actors.roger.config.settings import Check, Phrase, Refused, Section, Spot

Strategy: TypeAlias = Literal["one_for_one", "one_for_all", "rest_for_one"]
Restart: TypeAlias = Literal["permanent", "transient", "temporary"]
Shutdown: TypeAlias = "float | Literal['brutal_kill', 'infinity']"

RETRY_LEVELS: Final = (1.0, 3.0, 5.0, 10.0, 20.0, 35.0, 60.0, 100.0, 200.0, 400.0, 1000.0, 1800.0)
YEAR: Final = 366 * 86_400.0
MAX_WORKERS: Final = 65_535
MAX_PREFIX: Final = 40  # an AMQP queue's name has 255 bytes, a partition's id and a queue type take most

_ID: Final = rf"(?!.{{{queue.MAX_ID + 1}}})[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*"
_ID_WORDS: Final = f"letters, digits and '_', with single '-' between them, at most {queue.MAX_ID}"
_PREFIX_WORDS: Final = f"letters, digits and '_', with single '-' between them, at most {MAX_PREFIX}"
_NODE_NAME: Final = (
    "a name of letters, digits and '_', with single '-' or '.' between them",
    r"[A-Za-z0-9_]+([-.][A-Za-z0-9_]+)*",
)
_MODULE: Final = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_STRATEGIES: Final = ("one_for_one", "one_for_all", "rest_for_one")
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@attrs.frozen(kw_only=True)
class Supervision:
    """How one supervisor answers the exits of its children.

    Attributes:
        strategy: Whom it restarts besides the one that ended.
        max_restarts: Restarts tolerated within `max_seconds`, 0 or more; one more and it gives up.
        max_seconds: Width of that window in seconds, above 0.
        auto_shutdown: Whether it ends when `significant` children do; only for `children`.

    Source:
        OTP `supervisor` flags, with Elixir's defaults.
    """

    strategy: Strategy = "one_for_one"
    max_restarts: int = 3
    max_seconds: float = 5.0
    auto_shutdown: Literal["never", "any_significant", "all_significant"] = "never"


@attrs.frozen(kw_only=True)
class Child:
    """One process of the user's own, started with the node and supervised in its tree.

    Attributes:
        id: Unique among the children.
        start: The class, as `module:Class`; imported in the child's host, never in the kernel.
        args: Positional arguments of its `start_link`.
        kwargs: Keyword arguments of its `start_link`.
        restart: `permanent` (always), `transient` (after a failure) or `temporary` (never).
        shutdown: Seconds it gets to end, `brutal_kill` for none, `infinity` for all it wants.
        host: `app` for the app host that it shares with others, `own` for an OS process of its own.
        type: `worker` or `supervisor`.
        significant: Whether its end counts for the `auto_shutdown` of its supervisor.

    Source:
        OTP `supervisor:child_spec()`; `host` is ours.
    """

    id: str
    start: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = attrs.field(factory=dict)
    restart: Restart = "permanent"
    shutdown: Shutdown = 5.0
    host: Literal["app", "own"] = "app"
    type: Literal["worker", "supervisor"] = "worker"
    significant: bool = False


SUPERVISION: Final[Mapping[str, Supervision]] = MappingProxyType(
    {
        "hosts": Supervision(strategy="rest_for_one", max_restarts=10, max_seconds=30.0),
        "kernel": Supervision(strategy="rest_for_one"),
        "partitions": Supervision(),
        "partition": Supervision(),
        "workers": Supervision(max_restarts=1000, max_seconds=10.0),
        "children": Supervision(),
    }
)
"""Every supervisor that a configuration may tune, with its defaults, in the order of the tree."""

_FIXED_STRATEGY: Final = {
    "hosts": "rest_for_one",
    "kernel": "rest_for_one",
    "partitions": "one_for_one",
    "workers": "one_for_one",
}


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
        max_payload: Largest encoded job that may be enqueued.
        max_buried: Buried jobs kept per partition, the newest ones; None keeps all.
        enqueue_timeout: Seconds an enqueue waits for the broker's confirm.
        shutdown_timeout: Seconds running jobs get to finish at a graceful stop.
        heartbeat: Seconds without a sign of life after which a host or the broker counts as lost.
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
        supervision: The supervisors of the tree by name; complete.
        children: The user's own processes, in starting order.
    """

    name: str
    broker: str = attrs.field(repr=lambda url: repr(redacted(url)))
    jobs: tuple[str, ...] = ()
    hooks: str | None = None
    prefix: str = ""
    queue_kind: Literal["quorum", "classic"] = "quorum"
    retry_levels: tuple[float, ...] = RETRY_LEVELS
    max_payload: int = 1024**2
    max_buried: int | None = None
    enqueue_timeout: float = 30.0
    shutdown_timeout: float = 60.0
    heartbeat: float = 6.0
    max_worker_hosts: int | None = None
    worker_max_jobs: int | None = None
    worker_max_memory: int | None = None
    max_deaths: int = 3
    worker_idle_timeout: float = 60.0
    log_level: str = "INFO"
    logging: Mapping[str, Any] | None = None
    partitions: Mapping[str, Mapping[str, int]] = attrs.field(factory=dict)
    supervision: Mapping[str, Supervision] = SUPERVISION
    children: tuple[Child, ...] = ()

    @property
    def redacted_broker(self) -> str:
        """The broker's address without its password, for people to read."""
        return redacted(self.broker)

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
        problems: list[ConfigError] = []
        root = Section(Spot("", mapping, problems))
        read = {
            **_read_node(root.section("node"), directory, environ),
            **_read_logging(root.section("logging")),
            "partitions": _read_partitions(root.section("partitions")),
            "supervision": _read_supervision(root.section("supervision")),
        }
        read["children"] = root.take("children", _children(read["supervision"]["children"]), ())
        root.finish()
        if problems:
            raise InvalidConfig(source=source, problems=tuple(problems))
        return cls(**read)

    def to_mapping(self) -> dict[str, Any]:
        """Return the tables that `from_mapping` would build an equal value from, as builtins."""
        flat = attrs.asdict(self, recurse=False)
        level, table = flat.pop("log_level"), flat.pop("logging")
        partitions, supervision = flat.pop("partitions"), flat.pop("supervision")
        children = [_child_table(child) for child in flat.pop("children")]
        return {
            "node": {key: value for key, value in flat.items() if value is not None},
            "logging": {"level": level} if table is None else dict(table),
            "partitions": {name: {"queues": dict(queues)} for name, queues in partitions.items()},
            "supervision": {name: _flags_of(name, flags) for name, flags in supervision.items()},
            "children": children,
        }


# -- [node] and [logging] -------------------------------------------------------------------------


def _read_node(
    section: Section, directory: PurePath | None, environ: Mapping[str, str] | None
) -> dict[str, Any]:
    if environ is not None:
        section.replace(_expanding(environ))
    read = {
        "name": section.need("name", settings.text(*_NODE_NAME)),
        "broker": section.need("broker", broker_address(directory)),
        **{key: section.take(key, check, None) for key, check in _NODE.items()},
    }
    section.finish()
    return {key: value for key, value in read.items() if value is not None}


def _expanding(environ: Mapping[str, str]) -> Check[object]:
    def expanded(spot: Spot) -> object:
        if not isinstance(spot.value, str):
            return spot.value
        missing = [name for name in settings.VARIABLE.findall(spot.value) if name not in environ]
        for name in missing:
            spot.note(f"the environment variable {name} to be set", Phrase(f"${{{name}}}"))
        if missing:
            raise Refused
        return settings.VARIABLE.sub(lambda found: environ[found[1]], spot.value)

    return expanded


def _modules(spot: Spot) -> tuple[str, ...]:
    name = settings.text("a module's dotted name, e.g. 'myapp.jobs'", _MODULE)
    return tuple(dict.fromkeys(settings.array(name, 'an array of module names, e.g. ["myapp.jobs"]')(spot)))


def _class_path(spot: Spot) -> str:
    return settings.text("a class as 'module:Class'", rf"{_MODULE}:{_MODULE}")(spot)


_WAIT: Final = settings.seconds(at_least=0, at_most=YEAR)
_LIMIT: Final = settings.whole(1)
_NODE: Final[Mapping[str, Check[Any]]] = {
    "jobs": _modules,
    "hooks": _class_path,
    "prefix": settings.text(_PREFIX_WORDS, rf"(?=.{{0,{MAX_PREFIX}}}$)({_ID}\.?)?"),
    "queue_kind": settings.one_of("quorum", "classic"),
    "retry_levels": settings.array(_WAIT, "an array of seconds, e.g. [1, 3, 10]"),
    "max_payload": settings.size(1),
    "max_buried": _LIMIT,
    "enqueue_timeout": settings.seconds(above=0, at_most=YEAR),
    "shutdown_timeout": _WAIT,
    "heartbeat": settings.seconds(at_least=1, at_most=3600),
    "max_worker_hosts": _LIMIT,
    "worker_max_jobs": _LIMIT,
    "worker_max_memory": settings.size(1024**2),
    "max_deaths": _LIMIT,
    "worker_idle_timeout": settings.seconds(above=0, at_most=YEAR),
}
"""What may be set in `[node]`; a setting left out has the default of `Config`."""


def _read_logging(section: Section) -> dict[str, Any]:
    if "version" not in section.values:
        level = section.take("level", settings.one_of(*_LEVELS), "INFO")
        section.finish()
        return {"log_level": level, "logging": None}
    section.need("version", settings.whole(1, 1))
    return {"log_level": "INFO", "logging": dict(section.values)}


# -- [partitions.*] -------------------------------------------------------------------------------


def _read_partitions(section: Section) -> dict[str, dict[str, int]]:
    taken: dict[str, str] = {}
    return {name: _read_partition(section.section(name), name, taken) for name in section.values}


def _read_partition(section: Section, name: str, taken: dict[str, str]) -> dict[str, int]:
    _check_id(section.spot, name, "a partition named with")
    queues = section.section("queues")
    if not queues.values and "queues" not in section.values:
        queues.spot.note("a table of queue types, e.g. { default = 10 }", Phrase("nothing"))
    found = {key: queues.need(key, settings.whole(0, MAX_WORKERS)) for key in queues.values}
    for queue_type in queues.values:
        _check_queue_name(queues.spot.under(queue_type, queue_type), name, queue_type, taken)
    section.finish()
    return found


def _check_queue_name(spot: Spot, partition: str, queue_type: str, taken: dict[str, str]) -> None:
    _check_id(spot, queue_type, "a queue type named with")
    name = queue.make_name(partition, queue_type)
    if name in taken:
        spot.note(f"a queue name of its own, not that of {taken[name]}", name)
    taken.setdefault(name, spot.path)


def _check_id(spot: Spot, word: str, what: str) -> None:
    if not queue.is_id(word):
        spot.note(
            f"{what} {_ID_WORDS}", word if len(word) <= settings.SHOWN else Phrase(f"{len(word)} characters")
        )


# -- [supervision.*] ------------------------------------------------------------------------------


def _read_supervision(section: Section) -> dict[str, Supervision]:
    found = {name: _read_flags(section.section(name), name, SUPERVISION[name]) for name in SUPERVISION}
    section.finish()
    return found


def _read_flags(section: Section, name: str, default: Supervision) -> Supervision:
    fixed = _FIXED_STRATEGY.get(name)
    strategies = (fixed,) if fixed else _STRATEGIES
    flags = Supervision(
        strategy=section.take("strategy", settings.one_of(*strategies), default.strategy),
        max_restarts=section.take("max_restarts", settings.whole(0), default.max_restarts),
        max_seconds=section.take("max_seconds", settings.seconds(above=0, at_most=YEAR), default.max_seconds),
        auto_shutdown=section.take("auto_shutdown", _auto_shutdown, "never")
        if name == "children"
        else "never",
    )
    section.finish()
    return flags


def _auto_shutdown(spot: Spot) -> Any:
    return settings.one_of("never", "any_significant", "all_significant")(spot)


# -- [[children]] ---------------------------------------------------------------------------------


def _children(flags: Supervision) -> Check[tuple[Child, ...]]:
    def check(spot: Spot) -> tuple[Child, ...]:
        children = settings.array(_read_child, "an array of tables, written [[children]]")(spot)
        _check_unique(spot, children)
        _check_significant(spot, children, flags)
        return children

    return check


_Arguments: TypeAlias = tuple[tuple[Any, ...], dict[str, Any]]
_NO_ARGUMENTS: Final[_Arguments] = ((), {})


def _read_child(spot: Spot) -> Child:
    section = Section(spot)
    take = section.take
    positional, named = take("args", _arguments, _NO_ARGUMENTS)
    kind: Literal["worker", "supervisor"] = take("type", settings.one_of("worker", "supervisor"), "worker")
    child = Child(
        id=section.need("id", settings.text(f"an id of {_ID_WORDS}", _ID)),
        start=section.need("start", _class_path),
        args=positional,
        kwargs=named,
        restart=take("restart", settings.one_of("permanent", "transient", "temporary"), "permanent"),
        shutdown=take("shutdown", _shutdown, "infinity" if kind == "supervisor" else 5.0),
        host=take("host", _host, "app"),
        type=kind,
        significant=take("significant", settings.boolean, default=False),
    )
    section.finish()
    return child


def _arguments(spot: Spot) -> _Arguments:
    match spot.value:
        case Mapping() as named:
            return (), dict(named)
        case list() | tuple() as positional:
            return tuple(positional), {}
    return spot.refuse("a table of keyword arguments or an array of positional ones")


def _shutdown(spot: Spot) -> Shutdown:
    if spot.value in ("brutal_kill", "infinity"):
        return cast("Shutdown", spot.value)
    if isinstance(spot.value, str):
        spot.refuse("seconds, 'brutal_kill' or 'infinity'")
    return settings.seconds(at_least=0, at_most=YEAR)(spot)


def _host(spot: Spot) -> Any:
    if spot.value == "kernel":
        spot.refuse("'app' or 'own'; no user code runs in the kernel host, so that none can harm it")
    return settings.one_of("app", "own")(spot)


def _check_unique(spot: Spot, children: tuple[Child, ...]) -> None:
    first: dict[str, int] = {}
    for index, child in enumerate(children):
        if child.id and first.setdefault(child.id, index) != index:
            clash = spot.item(index, None).under("id", child.id)
            clash.note(f"an id of its own, not that of children[{first[child.id]}]")


def _check_significant(spot: Spot, children: tuple[Child, ...], flags: Supervision) -> None:
    for index, child in enumerate(children):
        here = spot.item(index, None).under("significant", child.significant)
        if child.significant is True and child.restart == "permanent":
            here.note("false, or a restart other than 'permanent' (such a child never ends for good)")
        elif child.significant is True and flags.auto_shutdown == "never":
            here.note("false, or supervision.children.auto_shutdown other than 'never'")


# -- back to tables -------------------------------------------------------------------------------


def _child_table(child: Child) -> dict[str, Any]:
    table = attrs.asdict(child, recurse=False)
    positional, named = table.pop("args"), table.pop("kwargs")
    return {**table, "args": list(positional) if positional else dict(named)}


def _flags_of(name: str, flags: Supervision) -> dict[str, Any]:
    table = attrs.asdict(flags)
    if name != "children":
        del table["auto_shutdown"]
    return table
