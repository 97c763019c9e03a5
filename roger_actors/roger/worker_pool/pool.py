"""The process that lends worker hosts to Workers.

Started by the kernel's root supervisor, before anything that runs jobs. It holds the `Ledger`, asks
the root host for more worker hosts and for the death of those whose job must end, and is told of
every result. When it dies, the partitions are restarted with it and the jobs come again.

Source:
    New here; on the BEAM there is no need to lend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from roger_actors.otp import Down, From, GenServer, NoReply, Ok, Pid, Reply, process
from roger_actors.otp import reason as reasons
from roger_actors.roger.kernel import Kernel
from roger_actors.roger.worker_host.mark import drop_marks, take_mark
from roger_actors.roger.worker_host.protocol import (
    Done,
    HookDone,
    Ready,
    Recall,
    Recalled,
    Results,
    Run,
    RunHook,
    StartRefused,
)
from roger_actors.roger.worker_pool.entries import Host, Stage, Ticket
from roger_actors.roger.worker_pool.hosts import (
    NotStarted,
    Started,
    end_host,
    end_hosts,
    start_host,
    stop_host,
)
from roger_actors.roger.worker_pool.ledger import STALL
from roger_actors.roger.worker_pool.message import (
    Begun,
    HostDied,
    Kill,
    Lend,
    Reclaim,
    Reclaimed,
    Snapshot,
    StopHosts,
    UnknownClass,
    Withdraw,
    Withdrawn,
)
from roger_actors.roger.worker_pool.state import PoolState
from roger_actors.transport import HostId

RUNNER = "job_runner"
KEPT_WARM = 1
"""Idle worker hosts that are kept, so that the next job need not wait for a fork."""
START_AGAIN = 1.0
"""Seconds after which a worker host that could not start is tried again."""


# -- messages to itself ---------------------------------------------------------------------------


class Stalled(NamedTuple):
    """Look whether running jobs hold back those sent behind them."""


class Reap(NamedTuple):
    """Look whether worker hosts have had nothing to do."""


class TryAgain(NamedTuple):
    """Ask for hosts again, some time after one could not start."""


class WorkerPool(GenServer[PoolState]):
    """Lends worker hosts; see the module."""

    def init(self, kernel: Kernel) -> Ok[PoolState]:
        """Lend nothing before the hosts of a predecessor are gone."""
        return Ok(PoolState(kernel, process.here().endpoint.directory), then="begin")

    async def handle_continue(self, token: Any, state: PoolState) -> NoReply[PoolState]:
        """End what a predecessor left, then have one host started: it tells which job classes there are."""
        await end_hosts()
        drop_marks(state.directory)
        if state.kernel.config.jobs:
            _ask_for_hosts(state, 1)
        process.send_after(state.kernel.config.worker_idle_timeout / 2, process.self(), Reap())
        return NoReply(state)

    def handle_call(self, request: Snapshot | StopHosts, sender: From, state: PoolState) -> Reply[PoolState]:
        """Answer `Snapshot` and `StopHosts`."""
        if isinstance(request, StopHosts):
            state.stopping = True
            for host in list(state.ledger.hosts.values()):
                stop_host(host.pid)
            return Reply(len(state.ledger.hosts), state)
        return Reply(_snapshot(state), state)

    def handle_info(self, message: Any, state: PoolState) -> NoReply[PoolState]:
        """Take one message: one step of the books, then give out what can be given out."""
        act = _ACTS.get(message.__class__)
        if act is not None:
            act(state, message)
        _place(state)
        return NoReply(state)


# -- helpers that act ----------------------------------------------------------------------------


def _lend(state: PoolState, ask: Lend) -> None:
    if state.classes and ask.class_name not in state.classes and not ask.hook:
        process.send(ask.worker, UnknownClass())
        return
    ticket = state.ledger.open(
        ask.worker, ask.queue, ask.limit, ask.partition, ask.payload, class_name=ask.class_name
    )
    ticket.watch, ticket.hold = ask.watch, ask.hold
    if ask.hook:
        ticket.hook = RunHook(ticket.number, ask.hook, ask.partition, ask.payload, ask.failure)


def _place(state: PoolState) -> None:
    """Give out every ticket that can be placed, then ask for hosts if some cannot."""
    ledger = state.ledger
    now = state.now()
    while (placed := ledger.next_placement(now)) is not None:
        ticket, host, asked_back = placed
        if asked_back:
            process.send((RUNNER, host.host), Recall([*asked_back]))
        if ticket.hold is not None and not ticket.hold.is_good(now):
            ledger.given_back([ticket.number], [], now)
            _take_out(state, ticket, "withdrawn")  # its lane may be another node's by now
            continue
        process.send((RUNNER, host.host), _order(state, ticket, host))
        _look_at_first(state, host)
        if len(host.tickets) > 1:
            _watch_stalls(state)
    if ledger.need and not state.stopping and now >= state.held_until:
        state.count_starting()
        _ask_for_hosts(state, ledger.wanted_hosts())


def _order(state: PoolState, ticket: Ticket, host: Host) -> Run | RunHook:
    """Return what the host is told; the end of a lane's job is put off from now on, if its lane stands."""
    if ticket.hook is not None:
        return ticket.hook
    if (hold := ticket.hold) is None:
        return Run(ticket.number, ticket.partition, ticket.payload)
    hold.host, hold.ticket = host.host, ticket.number
    state.kernel.fence.running.add(hold)
    return Run(ticket.number, ticket.partition, ticket.payload, hold.proof.until)


def _watch_stalls(state: PoolState) -> None:
    if not state.ticking:
        state.ticking = True
        process.send_after(STALL, process.self(), Stalled())


def _look_at_first(state: PoolState, host: Host) -> None:
    """A host's first job runs: say so to whom watches it, and kill it if that is wanted by now."""
    first = host.tickets[0]
    if first.told or first.stage is not Stage.RUNNING:
        return
    first.told = True
    if first.unwanted == "killed":
        _end(state, host, first.worker)
    elif first.watch:
        process.send(first.worker, Begun())


def _ask_for_hosts(state: PoolState, count: int) -> None:
    for _ in range(count):
        state.asked += 1
        process.spawn(start_host, state.kernel, process.self())
    state.count_starting()


def _take_results(state: PoolState, message: Results) -> None:
    host = state.ledger.hosts.get(HostId(message.host))
    if host is not None and message.rss:
        host.rss = message.rss
    for done in message.results:
        _answer(state, done)


def _answer(state: PoolState, done: Done) -> None:
    ledger = state.ledger
    ticket = ledger.tickets.get(done.ticket)
    if ticket is None or ticket.host is None:
        return
    host = ledger.host_of(ticket)
    ledger.finished(done.ticket, done.seconds, state.now())
    process.send(ticket.worker, done)
    if host.tickets:
        _look_at_first(state, host)
    elif host.doomed is None and _is_worn(state, host):
        ledger.retire_host(host)
        stop_host(host.pid)


def _is_worn(state: PoolState, host: Host) -> bool:
    limit = state.kernel.config.worker_max_jobs
    memory = state.kernel.config.worker_max_memory
    return (limit is not None and host.done >= limit) or (memory is not None and host.rss > memory)


def _kill(state: PoolState, ask: Kill) -> None:
    """End a Worker's job: take it out of the line, or kill the host that runs it."""
    ticket = state.ledger.by_worker.get(ask.worker)
    if ticket is None:
        return  # it has ended, and its `Done` is on the way
    if ticket.stage is Stage.RUNNING:
        _end(state, state.ledger.host_of(ticket), ask.worker)
    else:
        _take_out(state, ticket, "killed")


def _withdraw(state: PoolState, ask: Withdraw) -> None:
    ticket = state.ledger.by_worker.get(ask.worker)
    if ticket is not None and ticket.hook is None and not ticket.unwanted:
        _take_out(state, ticket, "withdrawn")


def _take_out(state: PoolState, ticket: Ticket, why: Literal["killed", "withdrawn"]) -> None:
    """Give a ticket back that has not begun: now if it waits, or when its host says so."""
    if ticket.stage is Stage.WAITING:
        state.ledger.close(ticket)
        process.send(ticket.worker, HostDied(reasons.NORMAL) if why == "killed" else Withdrawn())
    elif ticket.stage is not Stage.RUNNING:
        ticket.unwanted = why
        host = state.ledger.host_of(ticket)
        if asked := state.ledger.ask_back(host, [ticket]):
            process.send((RUNNER, host.host), Recall(asked))


def _take_back(state: PoolState, message: Recalled) -> None:
    """Jobs that a host gave back wait again, or go back to the Workers that asked for them."""
    ledger = state.ledger
    hosts = ledger.given_back(message.tickets, message.begun, state.now())
    _let_go(state, [ledger.tickets.get(number) for number in message.tickets])
    for host in hosts:
        if host.tickets:
            _look_at_first(state, host)


def _let_go(state: PoolState, tickets: Iterable[Ticket | None]) -> None:
    """Of tickets that wait again, give back those that are wanted no more."""
    for ticket in tickets:
        if ticket is not None and ticket.unwanted and ticket.stage is Stage.WAITING:
            _take_out(state, ticket, ticket.unwanted)


def _end(state: PoolState, host: Host, victim: Pid) -> None:
    if host.doomed is None:
        state.ledger.doom(host, victim)
        process.spawn(end_host, host.pid)


def _reclaim(state: PoolState, ask: Reclaim) -> None:
    ticket = state.ledger.by_worker.get(ask.worker)
    if ticket is None or ticket.host is None:
        if ticket is not None:
            state.ledger.close(ticket)
        process.send(ask.asked_by, Reclaimed(ask.worker))
        return
    state.reclaims.setdefault(ticket.host, []).append(ask)
    _end(state, state.ledger.hosts[ticket.host], ask.worker)


def _monitor(state: PoolState, host: Pid) -> None:
    if host.host not in state.monitored:
        state.monitored.add(host.host)
        process.monitor(host)


def _forked(state: PoolState, started: Started) -> None:
    host = started.host
    state.asked -= 1
    if host.host in state.early:
        state.early.discard(host.host)
    else:
        state.forked.add(host.host)
    _monitor(state, host)


def _take_host(state: PoolState, ready: Ready) -> None:
    pid = Pid(process.self().node, HostId(ready.host), 0)
    if ready.host in state.forked:
        state.forked.discard(ready.host)
    elif state.replacements:
        state.replacements.pop()
    else:
        state.early.add(ready.host)
    state.classes = frozenset(ready.classes)
    state.refusal = ""
    state.ledger.add_host(Host(pid, ready.os_pid, state.classes, state.now()))
    state.count_starting()
    _monitor(state, pid)
    state.kernel.classes = state.classes


def _not_started(state: PoolState, message: NotStarted | StartRefused) -> None:
    """A host could not start: say why, and try again a little later."""
    if isinstance(message, NotStarted):
        state.asked -= 1
    if message.detail != state.refusal:
        state.kernel.log.error("a worker host could not start: %s", message.detail)
        state.refusal = message.detail
    state.held_until = state.now() + START_AGAIN
    process.send_after(START_AGAIN, process.self(), TryAgain())


def _host_down(state: PoolState, down: Down) -> None:
    host_id, reason = HostId(down.process.host), down.reason
    state.monitored.discard(host_id)
    state.early.discard(host_id)
    state.forked.discard(host_id)
    host = state.ledger.hosts.get(host_id)
    held = list(host.tickets) if host is not None else []
    running = state.ledger.remove_host(host_id, take_mark(state.directory, host_id))
    _let_go(state, held)
    if host is not None and host.doomed is None and not reasons.is_clean(reason):
        state.replacements.append(state.now())
        state.deaths[str(reason)] += 1
    for ask in state.reclaims.pop(host_id, ()):
        process.send(ask.asked_by, Reclaimed(ask.worker))
    if running is not None:
        process.send(running.worker, HostDied(reason))
    state.count_starting()


def _recall_stalled(state: PoolState, _: Stalled) -> None:
    state.ticking = False
    for host, asked in state.ledger.stalled(state.now()):
        process.send((RUNNER, host.host), Recall(asked))
    if any(len(host.tickets) > 1 for host in state.ledger.hosts.values()):
        _watch_stalls(state)


def _reap(state: PoolState, _: Reap) -> None:
    limit = state.kernel.config.worker_idle_timeout
    idle = state.ledger.idle_longer_than(limit, state.now())
    spare = max(0, len(state.ledger.hosts) - KEPT_WARM)
    for host in idle[:spare]:
        state.ledger.retire_host(host)
        stop_host(host.pid)
    process.send_after(limit / 2, process.self(), Reap())


def _hook_done(state: PoolState, message: HookDone) -> None:
    _answer(state, Done(message.ticket, ok=True, started_at=0, seconds=0.0))


_ACTS: Mapping[type, Callable[[PoolState, Any], None]] = {
    Lend: _lend,
    Results: _take_results,
    Kill: _kill,
    Reclaim: _reclaim,
    Withdraw: _withdraw,
    Ready: _take_host,
    Recalled: _take_back,
    HookDone: _hook_done,
    Started: _forked,
    NotStarted: _not_started,
    StartRefused: _not_started,
    Down: _host_down,
    Stalled: _recall_stalled,
    Reap: _reap,
}
"""What the pool does with each message; the rest (`TryAgain`) only has it look at its lines."""


def _snapshot(state: PoolState) -> dict[str, Any]:
    return {
        "classes": sorted(state.classes),
        "refusal": state.refusal,
        "starting": state.ledger.starting,
        "waiting": sum(len(line.waiting) for line in state.ledger.lines.values()),
        "deaths": dict(state.deaths),
        "running_for": {
            str(ticket.worker): state.now() - ticket.begun
            for ticket in state.ledger.tickets.values()
            if ticket.stage is Stage.RUNNING and ticket.hook is None
        },
        "hosts": [
            {
                "host": str(host.pid),
                "os_pid": host.os_pid,
                "queues": sorted(host.shares),
                "tickets": len(host.tickets),
                "done": host.done,
            }
            for host in state.ledger.hosts.values()
        ],
    }
