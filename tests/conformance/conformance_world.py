"""What a conformance test has at hand: children that obey, a journal, reports, and another host.

A test runs as a trapping process on the host `first`. In memory its children live beside it and time is
virtual; with real OS processes they live on the host `second`, so that every start, exit and shutdown
crosses the wire, and time is real.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import tempfile
from collections import deque
from pathlib import Path

import pytest

from roger_actors.errors import NoProcess, ServerExited, StartFailed
from roger_actors.otp import (
    KILL,
    RESTARTING,
    SHUTDOWN,
    ChildSpec,
    Down,
    ExitProcess,
    GenServer,
    Ignore,
    NoReply,
    Ok,
    Reply,
    Start,
    Stop,
    Supervisor,
    Timeout,
    process,
)
from roger_actors.otp.supervision.children import STARTED, start_one
from roger_actors.transport import HostExit

SCRIPT = "script"
"""The name, on the host `first`, of the server that knows how children shall begin, and what they did."""

ABNORMAL = "abnormal"
"""An exit reason that is not clean."""

MEMORY = []
"""The in-memory node of the test that runs, for `World.end_host`."""

RUNTIMES = {}
"""The in-memory node's app hosts by number, for `World.ends_unseen`."""


class Script(GenServer):
    """Holds the journal, and what each label's next starts shall do."""

    def init(self):
        return Ok({"journal": [], "plans": {}, "always": {}, "hanging": {}, "holding": {}})

    def handle_call(self, request, sender, state):
        match request:
            case ("begin", label):
                plan = state["plans"].get(label)
                behaviour = plan.popleft() if plan else state["always"].get(label, "ok")
                if behaviour == "hang":
                    state["hanging"][label] = sender
                    return NoReply(state)
                self._note(state, label, behaviour)
                return Reply(behaviour, state)
            case ("plan", label, behaviours):
                state["plans"][label] = deque(behaviours)
                state["always"].pop(label, None)
                return Reply(None, state)
            case ("always", label, behaviour):
                state["always"][label] = behaviour
                return Reply(None, state)
            case ("release", label, behaviour):
                if label not in state["hanging"]:
                    return Reply(False, state)
                self._note(state, label, behaviour)
                GenServer.reply(state["hanging"].pop(label), behaviour)
                return Reply(True, state)
            case ("hanging", label):
                return Reply(label in state["hanging"], state)
            case ("hold", label):
                state["holding"][label] = sender
                return NoReply(state)
            case ("let_go", label):
                if label not in state["holding"]:
                    return Reply(False, state)
                GenServer.reply(state["holding"].pop(label), None)
                return Reply(True, state)
            case "journal":
                return Reply(state["journal"], state)
        return super().handle_call(request, sender, state)

    def _note(self, state, label, behaviour):
        if behaviour == "ok":
            state["journal"].append(("started", label))
        else:
            state["journal"].append(("refused", label, behaviour))

    def handle_cast(self, request, state):
        state["journal"].append(request)
        return NoReply(state)


class Player(GenServer):
    """A child that obeys, on whatever host.

    Calls: `("value",)`, `("reply", value)`, `("wait",)` (never answered), `("hand", pid)` (not answered
    either; the pid is sent the `From`), `("return", result)` (returned by the callback as it is),
    `("args",)`, `("do", name, *arguments)` (a function of `process`, which the player calls), `("stop",
    reason, reply)`. Casts: `("exit", reason)`, `("raise", text)`, `("stop", reason)`, `("unlink", pid)`,
    `("set", value)`, `("answer", sender, value)`, `("do", …)`, `("end", pid)` (stop it and wait), `("die",
    signal)` (the host's OS process).
    """

    async def init(
        self,
        label="player",
        home=None,
        *extra,
        trap=True,
        stops_in=None,
        stop_reason=None,
        holds=False,
        asks=None,
    ):
        """Begin as the script says.

        Args:
            label: What the journal calls it.
            home: The host of the script.
            extra: Anything; `("args",)` shows it.
            trap: Whether it traps exits, and so runs `terminate`.
            stops_in: Seconds that `terminate` takes; infinity for never.
            stop_reason: What `terminate` exits with instead.
            holds: Whether `terminate` waits until `World.let_go`.
            asks: The name, on the script's host, of a supervisor that `terminate` asks for its children.
        """
        target = SCRIPT if home is None else (SCRIPT, home)
        match await GenServer.call(target, ("begin", label), timeout=30.0):
            case "ok":
                pass
            case "ignore":
                return Ignore()
            case ("stop", reason):
                return Stop(reason)
            case ("raise", text):
                raise ValueError(text)
            case ("exit", reason):
                raise ExitProcess(reason)
            case ("return", value):
                return value
        if trap:
            process.trap_exit()
        return Ok(
            {
                "label": label,
                "script": target,
                "extra": extra,
                "stops_in": stops_in,
                "stop_reason": stop_reason,
                "holds": holds,
                "asks": asks,
                "value": None,
            }
        )

    def handle_call(self, request, sender, state):
        match request:
            case ("value",):
                return Reply(state["value"], state)
            case ("args",):
                return Reply(list(state["extra"]), state)
            case ("wait",):
                return NoReply(state)
            case ("hand", pid):
                process.send(pid, sender)
                return NoReply(state)
            case ("reply", value):
                return Reply(value, state)
            case ("return", result):
                return result
            case ("do", name, *arguments):
                return Reply(getattr(process, name)(*arguments), state)
            case ("stop", reason, reply):
                return Stop(reason, state, reply)
        return super().handle_call(request, sender, state)

    def handle_cast(self, request, state):
        match request:
            case ("do", name, *arguments):
                getattr(process, name)(*arguments)
            case ("end", pid):
                return self._end(pid, state)
            case ("answer", sender, value):
                GenServer.reply(sender, value)
            case ("exit", reason):
                process.exit(reason)
            case ("raise", text):
                raise ValueError(text)
            case ("stop", reason):
                return Stop(reason, state)
            case ("unlink", pid):
                process.unlink(pid)
            case ("set", value):
                state["value"] = value
            case ("die", signal):
                os.kill(os.getpid(), signal)
            case _:
                return super().handle_cast(request, state)
        return NoReply(state)

    async def _end(self, pid, state):
        await GenServer.stop(pid)
        return NoReply(state)

    def handle_info(self, message, state):
        GenServer.cast(state["script"], ("got", state["label"], message))
        return NoReply(state)

    async def terminate(self, reason, state):
        GenServer.cast(state["script"], ("stopped", state["label"], reason))
        if state["stops_in"] is not None:
            await process.sleep(state["stops_in"])
        if state["holds"]:
            await GenServer.call(state["script"], ("hold", state["label"]), timeout=None)
        if state["asks"] is not None:
            await Supervisor.which_children((state["asks"], state["script"][1]))
        if state["stop_reason"] is not None:
            raise ExitProcess(state["stop_reason"])


async def played(label, home, *extra, **options):
    """Start a player, as a function; the script may want something else of the label `start of …`."""
    target = SCRIPT if home is None else (SCRIPT, home)
    behaviour = await GenServer.call(target, ("begin", f"start of {label}"), timeout=30.0)
    match behaviour:
        case ("return", value):
            return value
        case ("raise", text):
            raise ValueError(text)
        case ("exit", reason):
            raise ExitProcess(reason)
        case ("cancel",):
            raise asyncio.CancelledError
    pid = await Player.start_link(label, home, *extra, **options)
    return (pid, behaviour[1]) if behaviour[0] == "extra" else pid


class Records(logging.Handler):
    """Keeps the log records of this host."""

    def __init__(self):
        super().__init__()
        self.found = []

    def emit(self, record):
        """Keep a record."""
        self.found.append(record)


class StoppedClock:
    """An event loop with a `time` of the test's; asyncio and all timers keep the loop's own.

    Attributes:
        now: Seconds, as supervisors see them.
    """

    def __init__(self, loop):
        self._loop = loop
        self.now = float(math.ceil(loop.time()))

    def time(self):
        """Return the moment that the test chose."""
        return self.now

    def __getattr__(self, name):
        """Return the loop's own."""
        return getattr(self._loop, name)


class World:
    """The test's helper; one for each run of a test.

    Attributes:
        transport: `memory` or `real`.
        second: Number of the other app host.
        elsewhere: Where children live: a host number for `ChildSpec.host`, or `same`.
        handler: Takes the log records of this host while the test runs.
    """

    def __init__(self, transport, second):
        self.transport = transport
        self.second = second
        self.elsewhere = "same" if transport == "memory" else int(second)
        self.handler = Records()
        self._players = []
        self._loop = None

    @property
    def records(self):
        """The log records of this host since the test began."""
        return self.handler.found

    def place(self, where):
        """Return what `host` of a child is: `beside` the test, or `away` on the other host."""
        return "same" if where == "beside" else int(self.second)

    # ------------------------------------------------------------ children

    def start(self, label, *extra, **options):
        """Return the `Start` of a player."""
        home = int(process.self().host)
        target = Player if self.transport == "memory" else "conformance_world:Player"
        return Start(target, label, home, *extra, **options)

    def child(self, id_, *extra, label=None, options=None, **fields):
        """Return the spec of a player.

        Args:
            id_: Its id, and its label unless another is given.
            extra: More arguments for it.
            label: What the journal and plans call it.
            options: `trap`, `stops_in`, `stop_reason`; `name` to register it.
            fields: Of the `ChildSpec`.
        """
        start = self.start(label if label is not None else id_, *extra, **(options or {}))
        return ChildSpec(id=id_, start=start, **{"host": self.elsewhere, **fields})

    def function_child(self, id_, *extra, **fields):
        """Return the spec of a player that a function starts; plans for `start of …` tell the function.

        Its behaviours: `ok`, `("extra", value)`, `("return", value)`, `("raise", text)`, `("exit", reason)`,
        `("cancel",)`.
        """
        start = self.start(id_, *extra)
        target = played if self.transport == "memory" else "conformance_world:played"
        return ChildSpec(
            id=id_, start=Start(target, *start.args, **start.kwargs), **{"host": self.elsewhere, **fields}
        )

    def nested(self, id_, children, *, options=None, **fields):
        """Return the spec of a supervisor beside its parent; one_for_one, ten restarts unless told."""
        options = options or {}
        if "flags" not in options:
            options = {"strategy": "one_for_one", "max_restarts": 10, **options}
        return ChildSpec(id=id_, start=Start(Supervisor, children, **options), **fields)

    async def player(self, label="player", *extra, host=None, link=False, **options):
        """Start a player that has no supervisor.

        Args:
            label: What the journal and plans call it.
            extra: More arguments for it.
            host: Where; by default where children live. `same` for the test's own host.
            link: Whether it stays linked to the test, which is its parent.
            options: As for `child`.
        """
        host = self.elsewhere if host is None else host
        outcome = await start_one(self.child(label, *extra, options=options, host=host))
        assert outcome.kind is STARTED, outcome
        self._players.append(outcome.pid)
        if not link:
            process.unlink(outcome.pid)
        return outcome.pid

    def stop_clock(self):
        """Let restarts be counted at moments that the test chooses, in `now`; at first a whole second."""
        runtime = process.here()
        self._loop, runtime.loop = runtime.loop, StoppedClock(runtime.loop)
        return runtime.loop

    def clean(self):
        """Let the clock go on, and kill the players that the test left."""
        if self._loop is not None:
            process.here().loop = self._loop
        for pid in self._players:
            process.exit(pid, KILL)

    async def supervisor(self, children, **options):
        """Start a supervisor linked to the test; one_for_one with ten restarts in 5 s unless told."""
        if "flags" in options:
            return await Supervisor.start_link(children, **options)
        return await Supervisor.start_link(
            children, **{"strategy": "one_for_one", "max_restarts": 10, **options}
        )

    async def refused(self, children, **options):
        """Return why such a supervisor does not start; nothing of it is left, and no exit signal comes."""
        before = set(process.here().processes)
        with pytest.raises(StartFailed) as caught:
            await self.supervisor(children, **options)
        await self.nothing(0)
        left = [one for serial, one in process.here().processes.items() if serial not in before]
        assert not [one for one in left if one.label() != "_answer"]
        return caught.value.reason

    async def is_alive(self, pid):
        """Return whether a player is alive, on whatever host."""
        try:
            await Player.call(pid, ("value",))
        except (NoProcess, ServerExited):
            return False
        return True

    async def pids(self, supervisor):
        """Return the pids of a supervisor's children by id; the question waits for a restart under way."""
        return {info.id: info.pid for info in await Supervisor.which_children(supervisor)}

    async def settled(self, supervisor):
        """Wait until no child is restarting; return the pids by id."""
        while RESTARTING in [info.pid for info in await Supervisor.which_children(supervisor)]:
            await process.sleep(0.001)
        return await self.pids(supervisor)

    async def whole(self, supervisor):
        """Return the pids of a tree of supervisors by id."""
        found = {}
        for info in await Supervisor.which_children(supervisor):
            found[info.id] = info.pid
            if info.type == "supervisor":
                found |= await self.whole(info.pid)
        return found

    # ------------------------------------------------------------ the script

    async def plan(self, label, *behaviours):
        """Say how a label's next starts go; later ones are `ok`.

        A behaviour is `ok`, `ignore`, `hang` (until `release`), `("stop", reason)`, `("raise", text)`,
        `("exit", reason)` or `("return", value)`.
        """
        await GenServer.call(SCRIPT, ("plan", label, list(behaviours)))

    async def always(self, label, behaviour):
        """Say how all of a label's next starts go, until the next `plan`."""
        await GenServer.call(SCRIPT, ("always", label, behaviour))

    async def release(self, label, behaviour="ok"):
        """Let a start that hangs go on, as soon as it hangs."""
        while not await GenServer.call(SCRIPT, ("release", label, behaviour)):
            await process.sleep(0.005)

    async def hangs(self, label):
        """Wait until a start hangs."""
        while not await GenServer.call(SCRIPT, ("hanging", label)):
            await process.sleep(0.005)

    async def journal(self):
        """Return what happened so far.

        Entries: `("started", label)`, `("stopped", label, reason)`, `("refused", label, behaviour)`,
        `("got", label, message)`.
        """
        return [tuple(entry) for entry in await GenServer.call(SCRIPT, "journal")]

    async def let_go(self, label):
        """Let a `terminate` that holds go on, as soon as it does."""
        while not await GenServer.call(SCRIPT, ("let_go", label)):
            await process.sleep(0.005)

    async def journalled(self, *entry):
        """Wait until something has happened."""
        while entry not in await self.journal():
            await process.sleep(0.005)

    # ------------------------------------------------------------ ends

    async def end(self, pid, reason):
        """Let a player end with a reason (`KILL` kills it) and wait until it has; return the seen reason.

        Its supervisor has the exit signal in its mailbox when this returns, before any later request.
        """
        ref = process.monitor(pid)
        if reason is KILL:
            process.exit(pid, KILL)
        else:
            GenServer.cast(pid, ("exit", reason))
        return (await self.down(ref)).reason

    async def ends_unseen(self, pid):
        """Kill a process of the other app host; return before this host is told, with the news on its way.

        What the caller does without an `await` happens at that moment.
        """
        if self.transport == "memory":
            there = RUNTIMES[pid.host]
            there.exit(there.host_pid, pid, KILL)
            there.remote.flush()
            return
        with tempfile.TemporaryDirectory(prefix="roger-", dir="/tmp") as folder:
            await GenServer.call(("stage", pid.host), ("kill_when_told", pid, folder))
            (Path(folder) / "go").touch()
            while not (Path(folder) / "done").exists():
                pass

    async def end_supervisor(self, pid, reason):
        """Let a supervisor end with a reason (`KILL` kills it) and wait until it has; its parent is told."""
        ref = process.monitor(pid)
        if reason is KILL:
            process.exit(pid, KILL)
        else:
            await GenServer.stop(pid, reason)
        return (await self.down(ref)).reason

    async def stop(self, supervisor):
        """Stop a supervisor of the test's in order and take its exit signal; return the reason."""
        process.exit(supervisor, SHUTDOWN)
        return await self.exit_of(supervisor)

    async def down(self, ref, within=10.0):
        """Return the `Down` of a monitor."""
        message = await process.receive(within, matching=lambda one: getattr(one, "ref", None) == ref)
        assert isinstance(message, Down), f"no Down within {within} s, but {message!r}"
        return message

    async def exit_of(self, pid, within=10.0):
        """Return the reason of a linked process's exit signal."""
        message = await process.receive(within, matching=lambda one: getattr(one, "pid", None) == pid)
        assert not isinstance(message, Timeout), f"no exit of {pid} within {within} s"
        return message.reason

    async def nothing(self, seconds=0.2):
        """Assert that no message reaches the test for that long."""
        message = await process.receive(seconds)
        assert isinstance(message, Timeout), f"unexpected {message!r}"

    def end_host(self, signal=None, status=None):
        """End the other app host as the system would; it is started anew under another number."""
        if self.transport == "memory":
            MEMORY[0].end_host(self.second, HostExit(signal=signal, status=status))
        else:
            GenServer.cast(("stage", self.second), ("end", signal, status))

    # ------------------------------------------------------------ reports

    def reports(self, kind=None):
        """Return the supervisor reports logged on this host, of one kind if told."""
        found = [record.report for record in self.records if hasattr(record, "report")]
        return [report for report in found if kind is None or report["kind"] == kind]

    def errors(self):
        """Return the messages of errors logged on this host, without supervisor reports."""
        return [
            record.getMessage()
            for record in self.records
            if record.levelno >= logging.ERROR and not hasattr(record, "report")
        ]
