"""Writes down what happens, in the order in which it happens, and says how the next starts shall go.

Source: `oracle_collector.erl`, which see.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import Any

from roger_actors.otp import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Crash,
    Fault,
    GenServer,
    NoReply,
    Ok,
    Pid,
    Reply,
    Shutdown,
    process,
)
from roger_actors.otp.reason import NOPROC, Atom

ATOMS = {atom.name: atom for atom in (NORMAL, SHUTDOWN, KILL, KILLED, NOPROC)}
REPORTS = logging.getLogger("roger_actors.otp.supervisor")


class Record:
    """What the collector knows; see `oracle_collector.erl`."""

    def __init__(self) -> None:
        self.count = 0
        self.events: list[list[Any]] = []
        self.names: dict[Pid, tuple[str, int]] = {}
        self.numbers: dict[str, int] = {}
        self.latest: dict[str, Pid] = {}
        self.alive: list[Pid] = []
        self.entered: set[Pid] = set()
        self.supervisors: list[Pid] = []
        self.open: list[tuple[Pid, str]] = []
        self.plans: dict[str, list[str]] = {}
        self.held: dict[str, Any] = {}

    @property
    def busy(self) -> set[Pid]:
        """Whoever starts something while a start is held."""
        return {parent for parent, _ in self.open} if self.held else set()

    def add(self, *event: Any) -> None:
        """Write an event down."""
        self.events.append(list(event))
        self.count += 1

    def name(self, pid: Pid) -> str:
        """Return a process's name in the trace."""
        label, number = self.names.get(pid, ("root", 0))
        return f"{label}#{number}" if number else label

    def named(self, label: str, pid: Pid) -> None:
        """Name a process and watch it; for the collector itself."""
        process.monitor(pid)
        self.names[pid] = label, self.numbers.get(label, 0) + 1

    def shown(self, value: Any) -> Any:
        """Return a value as data, in Erlang's words."""
        match value:
            case None:
                return "undefined"
            case Pid():
                return self.name(value)
            case Atom():
                return value.name
            case str() if value in ATOMS:
                return {"text": value}
            case Shutdown(detail):
                return ["shutdown", self.shown(detail)]
            case Crash():
                return "error"
            case Fault(kind, detail, child):
                return self._fault(kind, detail, child)
            case tuple() | list():
                return [self.shown(item) for item in value]
        return value

    def _fault(self, kind: str, detail: Any, child: Any) -> Any:
        if kind == "failed_to_start_child":
            return [kind, child, self.shown(detail)]
        return kind if detail is None else [kind, self.shown(detail)]


class Collector(GenServer[Record]):
    """Writes down what happens and says how the next starts shall go."""

    def init(self, record: Record) -> Ok[Record]:
        """Begin with nothing."""
        return Ok(record)

    def handle_call(self, request: Any, sender: Any, record: Record) -> Any:
        """See `oracle_collector.erl`."""
        match request:
            case ("starting", label):
                record.open.append((sender.pid, label))
                planned = record.plans.get(label)
                how = planned.pop(0) if planned else "ok"
                if how == "hold":
                    record.held[label] = sender
                    record.add("hold", label, record.name(sender.pid))
                    return NoReply(record)
                return Reply(how, record)
            case ("began", label, kind, value):
                record.open.remove((sender.pid, label))
                _began(record, label, kind, value, record.name(sender.pid))
            case ("terminating", reason):
                record.add("terminate", record.name(sender.pid), record.shown(reason))
        return Reply(None, record)

    def handle_cast(self, request: Any, record: Record) -> NoReply[Record]:
        """See `oracle_collector.erl`."""
        match request:
            case ("entered", label, pid):
                record.named(label, pid)
                record.entered.add(pid)
            case ("report", kind, pid, child, reason):
                record.add("report", record.name(pid), kind, record.shown(child), record.shown(reason))
            case ("plan", label, starts):
                record.plans[label] = starts
            case ("release", label, how):
                if label in record.held:
                    GenServer.reply(record.held.pop(label), how)
        return NoReply(record)

    def handle_info(self, message: Any, record: Record) -> NoReply[Record]:
        """Take an end."""
        pid = message.process
        record.open = [(parent, label) for parent, label in record.open if parent != pid]
        record.held = {label: sender for label, sender in record.held.items() if sender.pid != pid}
        record.entered.discard(pid)
        if pid in record.alive:
            record.alive.remove(pid)
            record.add("exit", record.name(pid), record.shown(message.reason))
        return NoReply(record)


def _began(record: Record, label: str, kind: str, value: Any, parent: str) -> None:
    if kind == "ignore":
        record.add("ignore", label, parent)
    elif kind == "fail":
        record.add("fail", label, parent, record.shown(value))
    else:
        if value not in record.names:
            record.named(label, value)
        record.numbers[label] = record.names[value][1]
        record.latest[label] = value
        record.alive.append(value)
        if value in record.entered:
            record.entered.discard(value)
            record.supervisors.append(value)
        record.add("start", record.name(value), parent)


class _Reports(logging.Handler):
    """Called in the supervisor that reports."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell the collector."""
        report: Any = record.report  # type: ignore[attr-defined]
        child = report["offender"]["id"]
        GenServer.cast("collector", ("report", report["kind"], process.self(), child, report.get("reason")))


@contextmanager
def reports_to_the_collector():
    others = logging.getLogger("roger_actors.otp")
    level, propagate, disabled = REPORTS.level, REPORTS.propagate, others.propagate
    handler = _Reports(logging.INFO)
    REPORTS.addHandler(handler)
    REPORTS.setLevel(logging.INFO)
    quiet = logging.NullHandler()
    others.addHandler(quiet)
    REPORTS.propagate = others.propagate = False
    try:
        yield
    finally:
        REPORTS.removeHandler(handler)
        others.removeHandler(quiet)
        REPORTS.setLevel(level)
        REPORTS.propagate, others.propagate = propagate, disabled
