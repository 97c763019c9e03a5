"""Plays scenarios on our supervisors, on an in-memory node whose time is virtual.

The same parts as in Erlang: a collector that every start asks and that monitors what was started, a tree made
from data, workers that do what their options say.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from contextlib import contextmanager
from typing import Any

from roger_actors.errors import (
    ChildAlreadyPresent,
    ChildAlreadyStarted,
    ChildNotFound,
    ChildRestarting,
    ChildRunning,
    InvalidChildSpec,
    NoProcess,
    ServerExited,
    SimpleOneForOne,
    StartFailed,
)
from roger_actors.otp import (
    KILL,
    KILLED,
    NORMAL,
    SHUTDOWN,
    Crash,
    Fault,
    GenServer,
    Ignore,
    NoReply,
    Ok,
    Pid,
    Reply,
    Shutdown,
    Start,
    Stop,
    Supervisor,
    SupervisorFlags,
    process,
)
from roger_actors.otp.message import CastRequest
from roger_actors.otp.reason import NOPROC, Atom
from roger_actors.testing.local_node import LocalNode
from roger_actors.transport.memory import NothingCanMove

from .scenario import Data

ATOMS = {atom.name: atom for atom in (NORMAL, SHUTDOWN, KILL, KILLED, NOPROC)}
REPORTS = logging.getLogger("roger_actors.otp.supervisor")


def play(scenario: Data) -> list[Data]:
    """Play a scenario and return its raw trace, in the shape of Erlang's."""
    with LocalNode() as node, _reports_to_the_collector():
        player = _Player(node)
        return [player.step(step) for step in [{"do": "start", "root": scenario["root"]}, *scenario["steps"]]]


# ------------------------------------------------------------------------------------------- the collector


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
def _reports_to_the_collector():
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


# ------------------------------------------------------------------------------------------------ the tree


async def _tell(*request: Any) -> Any:
    return await GenServer.call("collector", request, None)


async def start(child: Data, label: str | None = None) -> Any:
    """A child's start function, called in its supervisor; see `oracle_tree.erl`."""
    label = label or child["id"]
    how = await _tell("starting", label)
    try:
        result = await _start_as(how, child, label)
    except StartFailed as failed:
        await _tell("began", label, "fail", failed.reason)
        raise
    except RuntimeError:
        await _tell("began", label, "fail", "raised")
        raise
    if isinstance(result, Ignore):
        await _tell("began", label, "ignore", None)
    elif isinstance(result, str):
        await _tell("began", label, "fail", result)
    else:
        await _tell("began", label, "ok", result[0] if type(result) is tuple else result)
    return result


async def _start_as(how: str, child: Data, label: str) -> Any:
    if how == "garbage":
        return "garbage"
    if how == "raise":
        raise RuntimeError("raised")
    given = child.get("supervisor")
    if given is None:
        pid = await Worker.start_link("ok" if how == "extra" else how, child.get("worker", {}))
        return Ignore() if pid is None else (pid, "extra") if how == "extra" else pid
    if how == "fail":
        raise StartFailed(what=label, reason="failed")
    pid = await Supervisor.start_link(lambda: _children(how, given, label), flags=SupervisorFlags())
    return Ignore() if pid is None else pid


def _children(how: str, given: Data, label: str) -> Any:
    """The function that a supervisor calls for its flags and specs."""
    GenServer.cast("collector", ("entered", label, process.self()))
    if how == "ignore":
        return Ignore()
    if how == "init_raises":
        raise RuntimeError("raised")
    if how == "init_returns_garbage":
        return "garbage"
    return given["flags"], [spec(it) for it in given["children"]]


def spec(child: Data) -> Any:
    """Return a child spec: what was given is passed on as it is, right or wrong."""
    if "raw" in child:
        return child["raw"]
    fields = {key: value for key, value in child.items() if key not in {"worker", "supervisor", "start"}}
    if isinstance(child.get("shutdown"), int):
        fields["shutdown"] = child["shutdown"] / 1000
    if "supervisor" in child:
        fields.setdefault("type", "supervisor")
    begins = child.get("start", Start(start, child))
    return fields if begins == "missing" else {**fields, "start": begins}


def reason(data: Any) -> Any:
    """Return the reason that data stands for."""
    if isinstance(data, list):
        items = tuple(map(reason, data))
        return Shutdown(items[1]) if len(items) == 2 and items[0] is SHUTDOWN else items
    return data["text"] if isinstance(data, dict) else ATOMS.get(data, data)


class Worker(GenServer[Data]):
    """A child that does what its options say; see `oracle_worker.erl`."""

    def init(self, how: str, options: Data) -> Any:
        """Begin, or do not."""
        match how:
            case "fail":
                return Stop("failed")
            case "ignore":
                return Ignore()
            case "init_raises":
                raise RuntimeError("raised")
            case "init_exits":
                process.exit("exited")
            case "init_returns_garbage":
                return "garbage"
        if options.get("trap"):
            process.trap_exit()
        if options.get("unlink"):
            parent = process.current().parent
            assert parent is not None
            process.unlink(parent)
        return Ok(options)

    def handle_call(self, request: Any, sender: Any, options: Data) -> Reply[Data]:
        """Answer."""
        return Reply("ok", options)

    def handle_cast(self, request: Any, options: Data) -> NoReply[Data]:
        """End."""
        if request == "raise":
            raise RuntimeError("raised")
        process.exit(request[1])
        return NoReply(options)

    def handle_info(self, message: Any, options: Data) -> NoReply[Data]:
        """Take no notice."""
        return NoReply(options)

    async def terminate(self, reason_: Any, options: Data) -> None:
        """Tell, then leave as the options say."""
        await _tell("terminating", reason_)
        last = options.get("last")
        if last == "stuck":
            await process.sleep(float("inf"))
        elif last is not None:
            process.exit(reason(last))


# ------------------------------------------------------------------------------------------------- playing


class _Player:
    def __init__(self, node: LocalNode) -> None:
        self.node = node
        self.record = Record()
        self.callers = 0
        self.answers: list[Data] = []
        node.run(lambda: Collector.start(self.record, name="collector"))
        self.parent = node.spawn(self._parent)

    async def _parent(self) -> None:
        """The process that starts the root supervisor, as an application master would."""
        process.trap_exit()
        while True:
            match await process.receive():
                case ("start", root, caller):
                    try:
                        result = await start(root)
                    except Exception as error:
                        result = error
                    process.send(caller, ("started", result))
                case ("leave", why):
                    process.exit(why)

    def step(self, step: Data) -> Data:
        """Do one step and return what came of it."""
        self.answers = []
        _ACTS[step["do"]](self, step)
        self._settle()
        record = self.record
        told = {"events": record.events, "answers": sorted(self.answers, key=lambda answer: answer["n"])}
        record.events = []
        supervisors = [pid for pid in record.supervisors if pid in record.alive]
        return {**told, "children": {record.name(pid): self._children(pid) for pid in supervisors}}

    def _settle(self) -> None:
        """Go on until every process has answered a request made after the last thing that happened."""
        record = self.record
        while True:
            self.node.settle()
            count = record.count
            for pid in [pid for pid in record.alive if pid not in record.busy]:
                self._answers_at_all(pid)
            if record.count == count:
                return

    def _answers_at_all(self, pid: Pid) -> None:
        """One round trip, given up when a start is held: then whoever starts something cannot answer."""

        async def ask() -> None:
            """Ask anything."""
            try:
                await GenServer.call(pid, ("count_children",), None)
            except (NoProcess, ServerExited):
                return

        try:
            self.node.run(ask)
        except NothingCanMove:
            assert self.record.held

    def _children(self, pid: Pid) -> Any:
        if pid in self.record.busy:
            return "busy"

        async def ask() -> Any:
            """Ask what a supervisor says of its children."""
            infos = await Supervisor.which_children(pid)
            return [info[:3] for info in infos], list(await Supervisor.count_children(pid))

        return self.record.shown(self.node.run(ask))

    # ------------------------------------------------------------------------------------------- steps

    def ask(self, call: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Ask from a process of its own, and write the answer down when it comes."""
        self.callers += 1
        number = self.callers

        async def body() -> None:
            """Ask."""
            answer = await _answer_of(call)
            self.answers.append({"n": number, "value": self.record.shown(answer)})

        self.node.spawn(body)

    def request(self, call: Callable[[Any], Coroutine[Any, Any, Any]], step: Data) -> None:
        """Call a function of `Supervisor`."""
        supervisor = self.record.latest.get(step["supervisor"], "nobody")
        self.ask(lambda: call(supervisor))

    def living(self, label: str) -> Pid | None:
        """Return a child's pid if it lives."""
        pid = self.record.latest.get(label)
        return pid if pid in self.record.alive else None

    def deliver(self, to: Any, message: Any) -> None:
        """Send a message from outside all processes."""
        if to is not None:
            self.node.runtime().send(to, message)

    def send(self, label: str, message: Any) -> None:
        """Send a message to a child that lives."""
        self.deliver(self.living(label), message)

    def tell(self, label: str, request: Any) -> None:
        """Cast to a child that lives."""
        self.send(label, CastRequest(request))

    def cast(self, to: Any, request: Any) -> None:
        """Cast from outside all processes."""
        self.deliver(to, CastRequest(request))

    def signal(self, label: str, why: Any) -> None:
        """Send an exit signal to a child that lives."""
        pid = self.living(label)
        if pid is not None:
            runtime = self.node.runtime()
            runtime.exit(runtime.host_pid, pid, why)

    def child_of(self, step: Data) -> Any:
        """Return the id or the pid that a step names."""
        return step["id"] if "id" in step else self.record.latest.get(step["pid"])


async def _answer_of(call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Return what Erlang's function would."""
    try:
        return await call()
    except StartFailed as error:
        return "error", error.reason
    except InvalidChildSpec as error:
        return "error", Fault(error.data["kind"], error.data["value"])
    except ChildAlreadyStarted as error:
        return "error", ("already_started", error.data["pid"])
    except tuple(_REFUSALS) as error:
        return "error", _REFUSALS[type(error)]
    except TypeError:
        return "error", "badarg"
    except NoProcess:
        return "exit", NOPROC
    except ServerExited as error:
        return "exit", error.reason


_REFUSALS = {
    ChildAlreadyPresent: "already_present",
    ChildNotFound: "not_found",
    ChildRestarting: "restarting",
    ChildRunning: "running",
    SimpleOneForOne: "simple_one_for_one",
}


async def _started(result: Any) -> Any:
    result = await result
    return ("ok", *result) if type(result) is tuple else ("ok", result)


async def _done(result: Any) -> Any:
    await result
    return "ok"


def _start(player: _Player, step: Data) -> None:
    for label, starts in step["root"].get("first", {}).items():
        player.cast("collector", ("plan", label, list(starts)))

    async def call() -> Any:
        """Let the parent start the root supervisor."""
        process.send(player.parent, ("start", step["root"], process.self()))
        _, result = await process.receive()
        if isinstance(result, Exception):
            raise result
        return "ignore" if isinstance(result, Ignore) else ("ok", result)

    player.ask(call)


def _plan(player: _Player, step: Data) -> None:
    player.cast("collector", ("plan", step["child"], list(step["starts"])))


def _release(player: _Player, step: Data) -> None:
    player.cast("collector", ("release", step["child"], step["as"]))


def _exit(player: _Player, step: Data) -> None:
    why = reason(step["reason"])
    if why is KILL:
        player.signal(step["child"], KILL)
    else:
        player.tell(step["child"], ("exit", why))


def _start_child(player: _Player, step: Data) -> None:
    given = [step["label"]] if "label" in step else spec(step["child"])
    player.request(lambda sup: _started(Supervisor.start_child(sup, given)), step)


def _get_childspec(player: _Player, step: Data) -> None:
    async def call(supervisor: Any) -> Any:
        """Show what Erlang's spec has too."""
        found = await Supervisor.get_childspec(supervisor, player.child_of(step))
        limit = found.shutdown
        limit = limit if isinstance(limit, str) else round(limit * 1000)
        return found.restart, limit, found.type, found.significant

    player.request(call, step)


def _which_children(player: _Player, step: Data) -> None:
    async def call(supervisor: Any) -> Any:
        """Show ids and pids."""
        return [info[:2] for info in await Supervisor.which_children(supervisor)]

    player.request(call, step)


def _which_child(player: _Player, step: Data) -> None:
    async def call(supervisor: Any) -> Any:
        """Show what Erlang's answer has too."""
        return "ok", (await Supervisor.which_child(supervisor, player.child_of(step)))[:3]

    player.request(call, step)


def _check(player: _Player, step: Data) -> None:
    async def call() -> Any:
        """Check."""
        specs = step["specs"]
        given = [spec(it) for it in specs] if isinstance(specs, list) else spec(specs)
        Supervisor.check_childspecs(given, step.get("auto_shutdown"))
        return "ok"

    player.ask(call)


_ACTS: dict[str, Callable[[_Player, Data], None]] = {
    "start": _start,
    "plan": _plan,
    "release": _release,
    "exit": _exit,
    "raise": lambda player, step: player.tell(step["child"], "raise"),
    "signal": lambda player, step: player.signal(step["to"], reason(step["reason"])),
    "send": lambda player, step: player.send(step["to"], "stray"),
    "leave": lambda player, step: player.deliver(player.parent, ("leave", reason(step["reason"]))),
    "start_child": _start_child,
    "terminate_child": lambda player, step: player.request(
        lambda sup: _done(Supervisor.terminate_child(sup, player.child_of(step))), step
    ),
    "restart_child": lambda player, step: player.request(
        lambda sup: _started(Supervisor.restart_child(sup, player.child_of(step))), step
    ),
    "delete_child": lambda player, step: player.request(
        lambda sup: _done(Supervisor.delete_child(sup, player.child_of(step))), step
    ),
    "stop": lambda player, step: player.request(
        lambda sup: _done(Supervisor.stop(sup, reason(step["reason"]))), step
    ),
    "get_childspec": _get_childspec,
    "which_children": _which_children,
    "which_child": _which_child,
    "count_children": lambda player, step: player.request(Supervisor.count_children, step),
    "check_childspecs": _check,
}
