"""`roger-actors run FILE`: a node in the foreground, from its start to its drained end.

SIGTERM and SIGINT drain it: no new jobs, those that run may finish within `shutdown_timeout`. A second
one ends it now; what ran is run again elsewhere. SIGHUP reads the file again and takes its partitions
over. As process 1 of a container it also does what an init does.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Final, TypeAlias

import click

from roger_actors import Node
from roger_actors.cli.first_process import stand_in_for_init
from roger_actors.cli.options import file_argument
from roger_actors.cli.output import clean
from roger_actors.errors import ConfigError, InvalidConfig, RogerActorsError
from roger_actors.roger import Config, load
from roger_actors.settings import placed

SAME_SIGNAL: Final = 0.5
"""Seconds within which a second signal is taken for the first one, sent twice."""
STOPPING: Final = (signal.SIGTERM, signal.SIGINT)


@click.command()
@file_argument
def command(file: Path) -> int:
    """Start the node of FILE and stay until it ends.

    SIGTERM or SIGINT (Ctrl-C) drains it: no new jobs, those that run may finish within
    shutdown_timeout; a second one ends it now. SIGHUP reads FILE again and takes its partitions over.
    """
    config = load(file)
    status = stand_in_for_init()
    return status if status is not None else _run(file, config)


class Ended:
    """The node is no more."""

    def __init__(self, error: RogerActorsError | None = None) -> None:
        self.error = error


Event: TypeAlias = "signal.Signals | Ended"


def _run(file: Path, config: Config) -> int:
    events: SimpleQueue[Event] = SimpleQueue()
    with _signals_into(events), Node.start(config) as node:
        _say(f"node {config.name} is up on {config.redacted_broker}; Ctrl-C drains it")
        _in_thread(events, node.wait)
        while True:
            match events.get():
                case signal.SIGHUP:
                    _reload(node, file)
                case Ended() as ended:
                    return _ended_by_itself(node, ended)
                case _:
                    return _stop(node, config, events)


def _stop(node: Node, config: Config, events: SimpleQueue[Event]) -> int:
    _say(f"node {config.name} is draining, for up to {config.shutdown_timeout:g} s; once more ends it now")
    _in_thread(events, lambda: node.stop(config.shutdown_timeout))
    begun = time.monotonic()
    while True:
        match events.get():
            # coreutils' timeout, and a shell's `kill 0`, signal a process and then its whole group
            case signal.SIGTERM | signal.SIGINT if time.monotonic() - begun < SAME_SIGNAL:
                continue
            case Ended(error=None):
                _say(f"node {config.name} has ended")
                return 0
            case Ended(error=error):
                _say(f"error: {error}")
                return 1
            case signal.SIGTERM | signal.SIGINT as number:
                _say(f"node {config.name} ends now")
                node.stop(0.0)
                return 128 + number


def _reload(node: Node, file: Path) -> None:
    try:
        config = load(file)
        node.reload(config)
    except InvalidConfig as error:
        for problem in placed(error):
            _say(f"error: {problem}")
        _say(f"{file} was not taken over; the partitions are as they were")
    except (ConfigError, RogerActorsError) as error:
        _say(f"error: {error}")
    else:
        _say(f"{file} was read again; partitions: {', '.join(config.partitions) or 'none'}")


def _ended_by_itself(node: Node, ended: Ended) -> int:
    why = str(ended.error or node.why_ended)
    _say(f"error: node {node.config.name} has ended by itself{f': {why}' if why else ''}")
    return 1


@contextmanager
def _signals_into(events: SimpleQueue[Event]) -> Iterator[None]:
    """Turn the signals into events: putting into a SimpleQueue is safe in a handler."""
    numbers = (*STOPPING, signal.SIGHUP)
    previous = {
        number: signal.signal(number, lambda number, _frame: events.put(signal.Signals(number)))
        for number in numbers
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _in_thread(events: SimpleQueue[Event], work: Callable[[], object]) -> None:
    """Do what blocks beside the signals, and make an event of its end."""

    def run() -> None:
        try:
            work()
        except RogerActorsError as error:
            events.put(Ended(error))
        else:
            events.put(Ended())

    threading.Thread(target=run, daemon=True, name="roger-run").start()


def _say(line: str) -> None:
    print(clean(line), file=sys.stderr, flush=True)
