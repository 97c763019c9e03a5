"""From nested tables to the settings of a `Config`, every one of them checked.

One function per table of the file. Pure: the environment and the folder are handed in.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any, Final

from roger_actors import settings
from roger_actors.errors import ConfigError
from roger_actors.otp import Application, SupervisorFlags, read_application, read_options
from roger_actors.roger import queue
from roger_actors.roger.config.broker_url import broker_address
from roger_actors.roger.config.supervision import SUPERVISION
from roger_actors.settings import Check, Phrase, Section, Spot

YEAR: Final = 366 * 86_400.0
MAX_WORKERS: Final = 65_535
MAX_PREFIX: Final = 40  # an AMQP queue's name has 255 bytes, a partition's id and a queue type take most

_ID: Final = rf"(?!.{{{queue.MAX_ID + 1}}})[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*"
_ID_WORDS: Final = f"letters, digits and '_', with single '-' between them, at most {queue.MAX_ID}"
_PREFIX_WORDS: Final = f"letters, digits and '_', with single '-' between them, at most {MAX_PREFIX}"
NODE_NAME: Final = settings.text(
    "a name of letters, digits and '_', with single '-' or '.' between them",
    r"[A-Za-z0-9_]+([-.][A-Za-z0-9_]+)*",
)
_MODULE: Final = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
LEVEL: Final = settings.one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
DICT_CONFIG: Final = settings.whole(1, 1)
WORKERS: Final = settings.whole(0, MAX_WORKERS)

_FIXED_STRATEGY: Final = {
    "hosts": "rest_for_one",
    "kernel": "rest_for_one",
    "partitions": "one_for_one",
    "workers": "one_for_one",
}


def read(
    mapping: Mapping[str, Any], directory: PurePath | None, environ: Mapping[str, str] | None
) -> tuple[dict[str, Any], list[ConfigError]]:
    """Return what a configuration sets, and everything that is wrong in it.

    What is left out, or wrong, has the default of `Config`, or is empty.

    Args:
        mapping: The tables, shaped as in the TOML file.
        directory: What a relative path of the embedded broker is relative to, None for nothing.
        environ: Where `${NAME}` is looked up; None expands nothing.
    """
    problems: list[ConfigError] = []
    root = Section(Spot("", mapping, problems))
    supervision = root.section("supervision")
    found = {
        **_read_node(root.section("node"), directory, environ),
        **_read_logging(root.section("logging")),
        "partitions": _read_partitions(root.section("partitions")),
        "supervision": _read_supervision(supervision),
    }
    application = {"name": found.get("name", ""), **read_application(root, supervision, environ)}
    supervision.finish()
    root.finish()
    return {"name": "", "broker": "", **found, "application": Application(**application)}, problems


# -- [node] and [logging] -------------------------------------------------------------------------


def _read_node(
    section: Section, directory: PurePath | None, environ: Mapping[str, str] | None
) -> dict[str, Any]:
    if environ is not None:
        section.replace(settings.expanding(environ))
    read = {
        "name": section.need("name", NODE_NAME),
        "broker": section.need("broker", broker_address(directory)),
        **{key: section.take(key, check, None) for key, check in NODE.items()},
    }
    section.finish()
    return {key: value for key, value in read.items() if value is not None}


def _distinct(names: Check[tuple[str, ...]]) -> Check[tuple[str, ...]]:
    """Return a check that takes each item once."""
    return Check(lambda spot: tuple(dict.fromkeys(names(spot))), names.schema)


_MODULE_NAME: Final = settings.text("a module's dotted name, e.g. 'myapp.jobs'", _MODULE)
_WAIT: Final = settings.seconds(at_least=0, at_most=YEAR)
_LIMIT: Final = settings.whole(1)
NODE: Final[Mapping[str, Check[Any]]] = {
    "jobs": _distinct(settings.array(_MODULE_NAME, 'an array of module names, e.g. ["myapp.jobs"]')),
    "hooks": settings.text("a class as 'module:Class'", rf"{_MODULE}:{_MODULE}"),
    "prefix": settings.text(_PREFIX_WORDS, rf"(?=.{{0,{MAX_PREFIX}}}$)({_ID}\.?)?"),
    "queue_kind": settings.one_of("quorum", "classic"),
    "retry_levels": settings.array(_WAIT, "an array of seconds, e.g. [1, 3, 10]"),
    "retry_jitter": settings.fraction(),
    "max_payload": settings.size(1),
    "max_buried": _LIMIT,
    "enqueue_timeout": settings.seconds(above=0, at_most=YEAR),
    "shutdown_timeout": _WAIT,
    "heartbeat": settings.seconds(at_least=1, at_most=3600),
    "fence_after": settings.seconds(at_least=2, at_most=3600),
    "long_after": settings.seconds(at_least=1, at_most=YEAR),
    "max_worker_hosts": _LIMIT,
    "worker_max_jobs": _LIMIT,
    "worker_max_memory": settings.size(1024**2),
    "max_deaths": _LIMIT,
    "worker_idle_timeout": settings.seconds(above=0, at_most=YEAR),
}
"""What may be set in `[node]`; a setting left out has the default of `Config`."""


def _read_logging(section: Section) -> dict[str, Any]:
    if "version" not in section.values:
        level = section.take("level", LEVEL, "INFO")
        section.finish()
        return {"log_level": level, "logging": None}
    section.need("version", DICT_CONFIG)
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
    found = {key: queues.need(key, WORKERS) for key in queues.values}
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


def _read_supervision(section: Section) -> dict[str, SupervisorFlags]:
    return {
        name: read_options(section.section(name), default, strategies_of(name), auto_shutdown=False)
        for name, default in SUPERVISION.items()
    }


def strategies_of(name: str) -> tuple[str, ...]:
    """Return the strategies with which a supervisor of the node's own tree works."""
    fixed = _FIXED_STRATEGY.get(name)
    return (fixed,) if fixed else ("one_for_one", "one_for_all", "rest_for_one")
