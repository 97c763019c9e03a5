"""Trees as data turned into supervisors: child specs, the start function of every child, the workers.

Source: `oracle_tree.erl` and `oracle_worker.erl`, which see.
"""

from __future__ import annotations

from typing import Any

from roger_actors.errors import StartFailed
from roger_actors.otp import (
    SHUTDOWN,
    GenServer,
    Ignore,
    NoReply,
    Ok,
    Reply,
    Shutdown,
    Start,
    Stop,
    Supervisor,
    SupervisorFlags,
    process,
)

from .collector import ATOMS

Data = dict[str, Any]


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
    if how == "extra":
        started = await _start_as("ok", child, label)
        return started if isinstance(started, Ignore) else (started, "extra")
    given = child.get("supervisor")
    if given is None:
        pid = await Worker.start_link(how, child.get("worker", {}))
        return Ignore() if pid is None else pid
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
    if how == "init_exits":
        process.exit("exited")
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
