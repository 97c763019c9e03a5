"""From nested tables to the settings of a `Config`, every one of them checked.

One function per table of the file. Pure: the environment and the folder are handed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final, Literal, TypeAlias, cast

from roger_actors.errors import ConfigError, InvalidConfig
from roger_actors.roger import queue
from roger_actors.roger.config import settings
from roger_actors.roger.config.broker_url import broker_address
from roger_actors.roger.config.settings import Check, Phrase, Refused, Section, Spot
from roger_actors.roger.config.supervision import SUPERVISION, Child, Shutdown, Supervision

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

_FIXED_STRATEGY: Final = {
    "hosts": "rest_for_one",
    "kernel": "rest_for_one",
    "partitions": "one_for_one",
    "workers": "one_for_one",
}


def read(
    mapping: Mapping[str, Any], source: str, directory: PurePath | None, environ: Mapping[str, str] | None
) -> dict[str, Any]:
    """Return what a configuration sets; what it leaves out has the default of `Config`.

    Args:
        mapping: The tables, shaped as in the TOML file.
        source: What to call them in an error.
        directory: What a relative path of the embedded broker is relative to, None for nothing.
        environ: Where `${NAME}` is looked up; None expands nothing.

    Raises:
        InvalidConfig: Something is wrong; it lists all of it.
    """
    problems: list[ConfigError] = []
    root = Section(Spot("", mapping, problems))
    found = {
        **_read_node(root.section("node"), directory, environ),
        **_read_logging(root.section("logging")),
        "partitions": _read_partitions(root.section("partitions")),
        "supervision": _read_supervision(root.section("supervision")),
    }
    found["children"] = root.take("children", _children(found["supervision"]["children"]), ())
    root.finish()
    if problems:
        raise InvalidConfig(source=source, problems=tuple(problems))
    return found


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
    return {name: _read_partition(section.section(name), name) for name in section.values}


def _read_partition(section: Section, name: str) -> dict[str, int]:
    if not queue.is_id(name):
        _note_name(section.spot, name, f"a partition named with {_ID_WORDS}")
    queues = section.section("queues")
    if not queues.values and "queues" not in section.values:
        queues.spot.note("a table of queue types, e.g. { default = 10 }", Phrase("nothing"))
    found = {key: queues.need(key, settings.whole(0, MAX_WORKERS)) for key in queues.values}
    for queue_type in queues.values:
        _check_type(queues.spot.under(queue_type, queue_type), queue_type)
    section.finish()
    return found


def _check_type(spot: Spot, queue_type: str) -> None:
    if not queue.is_type(queue_type):
        _note_name(spot, queue_type, f"a queue type named with {queue.TYPE_WORDS}")


def _note_name(spot: Spot, word: str, expected: str) -> None:
    spot.note(expected, word if len(word) <= settings.SHOWN else Phrase(f"{len(word)} characters"))


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
