"""The words that scenarios are made of; all of it is plain data, written in JSON beside Erlang's traces.

A scenario: `{"name", "root": child, "steps": [step, …]}`, and `"differs"` where the list and Erlang disagree.

A child is its spec (`id`, `restart`, `shutdown` in milliseconds, `type`, `significant`, `modules` and other
keys: given as they are, right or wrong) and either `"worker": {…}` or `"supervisor": {"flags", "children"}`.
A worker's options: `trap` (exits), `unlink` (from its supervisor), `last` (what its `terminate` exits with;
`stuck`: it never returns). Ids are labels: unique in the whole tree. A child of a `simple_one_for_one`
supervisor has the label that `start_child` gives it. `{"raw": value}` is no spec at all; `start` replaces
the start function (`missing` leaves it out).

A reason is a word; a list stands for a tuple, `{"text": word}` for a string.

Each start of a child first asks how it shall go: `ok` unless a `plan` says `fail`, `ignore`, `raise`,
`garbage`, `extra`, `init_raises`, `init_exits`, `init_returns_garbage`, or `hold`: then it waits for
`release`. The root's `first` holds such plans, by label, for the first start.
"""

from __future__ import annotations

from typing import Any

Data = dict[str, Any]

STRATEGIES = ("one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one")
RESTARTS = ("permanent", "transient", "temporary")
KILL = "kill"
X = ["shutdown", "x"]
"""The clean reason `{shutdown, x}`."""


# ---------------------------------------------------------------------------------------------- children


def worker(id_: str, restart: str | None = None, *, options: Data | None = None, **spec: Any) -> Data:
    """A worker; what is not given is left to the default."""
    given = {} if restart is None else {"restart": restart}
    made = {"id": id_, **given, **spec}
    return {**made, "worker": options} if options else made


def trapping(id_: str, restart: str | None = None, **spec: Any) -> Data:
    """A worker that traps exits, and so runs `terminate` when it is stopped."""
    return worker(id_, restart, options={"trap": True}, **spec)


def supervisor(
    id_: str,
    children: list[Data],
    strategy: str = "one_for_one",
    *,
    intensity: int = 10,
    auto_shutdown: str | None = None,
    **spec: Any,
) -> Data:
    """A supervisor, the root or a child."""
    flags: Data = {"strategy": strategy, "intensity": intensity, "period": 1000}
    if auto_shutdown is not None:
        flags["auto_shutdown"] = auto_shutdown
    return {"id": id_, **spec, "supervisor": {"flags": flags, "children": children}}


def top(children: list[Data], strategy: str = "one_for_one", **options: Any) -> Data:
    """The root supervisor."""
    return supervisor("top", children, strategy, **options)


def flagged(flags: Any, children: list[Data] | None = None) -> Data:
    """A root supervisor with flags as they are given."""
    return {"id": "top", "supervisor": {"flags": flags, "children": children or []}}


# ------------------------------------------------------------------------------------------------- steps


def end(child: str, reason: Any) -> Data:
    """The child exits with a reason; it is killed if that is `kill`."""
    return {"do": "exit", "child": child, "reason": reason}


def crash(child: str) -> Data:
    """The child exits abnormally."""
    return end(child, "boom")


def error(child: str) -> Data:
    """The child's callback raises an error."""
    return {"do": "raise", "child": child}


def signal(to: str, reason: Any) -> Data:
    """A stranger sends an exit signal."""
    return {"do": "signal", "to": to, "reason": reason}


def plan(child: str, *starts: str) -> Data:
    """Say how the child's next starts go."""
    return {"do": "plan", "child": child, "starts": list(starts)}


def release(child: str, as_: str = "ok") -> Data:
    """Let a held start go on."""
    return {"do": "release", "child": child, "as": as_}


def leave(reason: Any) -> Data:
    """The process that started the root supervisor exits."""
    return {"do": "leave", "reason": reason}


def send(to: str) -> Data:
    """Somebody sends a message that nobody expects."""
    return {"do": "send", "to": to}


def call(function: str, supervisor: str, **given: Any) -> Data:
    """Call one of `supervisor`'s functions."""
    return {"do": function, "supervisor": supervisor, **given}


def start_child(supervisor: str, child: Data | str) -> Data:
    """Add a child; under `simple_one_for_one` by its label."""
    given = {"label": child} if isinstance(child, str) else {"child": child}
    return call("start_child", supervisor, **given)


def terminate_child(supervisor: str, id_: str) -> Data:
    """Stop a child by its id."""
    return call("terminate_child", supervisor, id=id_)


def terminate_pid(supervisor: str, label: str) -> Data:
    """Stop a child by the pid of its last incarnation."""
    return call("terminate_child", supervisor, pid=label)


def restart_child(supervisor: str, id_: str) -> Data:
    """Start a stopped child again."""
    return call("restart_child", supervisor, id=id_)


def delete_child(supervisor: str, id_: str) -> Data:
    """Forget a stopped child."""
    return call("delete_child", supervisor, id=id_)


def stop(supervisor: str, reason: Any = "shutdown") -> Data:
    """Stop a supervisor from outside, synchronously."""
    return call("stop", supervisor, reason=reason)


def check(specs: Any, auto_shutdown: str | None = None) -> Data:
    """Check child specs without a supervisor."""
    given = {} if auto_shutdown is None else {"auto_shutdown": auto_shutdown}
    return {"do": "check_childspecs", "specs": specs, **given}


def written(step: Data) -> str:
    """Return a step on one line, for people."""
    words = {key: value for key, value in step.items() if key != "do"}
    return " ".join([step["do"], *(f"{key}={_plain(value)}" for key, value in words.items())])


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        inner = ",".join(f"{key}:{_plain(item)}" for key, item in value.items())
        return "{" + inner + "}"
    return "[" + ",".join(map(_plain, value)) + "]" if isinstance(value, list) else str(value)
