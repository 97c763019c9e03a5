"""What a host's processes are and do, as plain data: one of them, the busiest, or the whole tree.

Source: Erlang `process_info`, `supervisor:which_children` walked down.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any, Final

import msgspec

from roger_actors.otp.child_spec import ChildInfo
from roger_actors.otp.pid import Pid
from roger_actors.otp.reason import shown
from roger_actors.otp.runtime import CURRENT, Process, Runtime
from roger_actors.otp.serving import ServerProcess

TOP: Final = "top"
"""The name of a host's top supervisor."""

KEEPER: Final = "keeper"
"""The name of the process that runs a host."""

MOST_CHILDREN: Final = 200
"""Children of one supervisor, and processes outside the tree, that a walk tells."""

_OWN = str(Path(__file__).parents[1])
_ASYNCIO = str(Path(asyncio.__file__).parent)
_LOOP = asyncio.events.__file__


# -------------------------------------------------------------------- one process


def describe(process: Process) -> dict[str, Any]:
    """Return one process as plain data.

    Returns:
        `pid`, `host`, `name`, `class`, `state`, `mailbox` (messages that wait), `handled` (messages and
        continuations so far), and `function`: the callback or function that is not over yet, with the line
        where it waits.
    """
    return {
        "pid": str(process.pid),
        "host": process.pid.host,
        "name": process.names[0] if process.names else None,
        "class": process.label(),
        "state": state_of(process),
        "mailbox": process.backlog(),
        "handled": process.handled,
        "function": _function_of(process),
    }


def state_of(process: Process) -> str:
    """Return what a process does.

    `waiting` for a message, `runnable` (has messages and waits for its turn), `running`, `busy` (its callback
    or function awaits something), `suspended`, `starting`, `stopping`.
    """
    if isinstance(process, ServerProcess) and process.suspended:
        return "suspended"
    if isinstance(process, ServerProcess) and process.phase != "running":
        return process.phase
    if process is CURRENT.get():
        return "running"
    if process.is_idle():
        return "runnable" if process.mailbox and process.task is None else "waiting"
    return "busy"


def _function_of(process: Process) -> str | None:
    return None if process.work is None else _outermost(_awaited(process.work))


def _awaited(work: Any) -> Iterator[tuple[CodeType, int]]:
    """Give code and line of a coroutine and of what it awaits, the outermost first."""
    while work is not None:
        if isinstance(work, CoroutineType):
            frame, inner = work.cr_frame, work.cr_await
        elif isinstance(work, GeneratorType):
            frame, inner = work.gi_frame, work.gi_yieldfrom
        else:  # the rest of a coroutine that has taken its first step; or a future, which has no more
            work = getattr(work, "coroutine", None)
            continue
        if frame is not None:
            yield frame.f_code, frame.f_lineno
        work = inner


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _outermost(calls: Iterator[tuple[CodeType, int]]) -> str | None:
    """Return the first call that is the user's; else the first at all."""
    first = None
    for code, line in calls:
        if is_users(code.co_filename):
            return shown_call(code.co_qualname, code.co_filename, line)
        first = first or shown_call(code.co_qualname, code.co_filename, line)
    return first


def is_users(path: str) -> bool:
    """Return whether a file is neither this layer's nor asyncio's."""
    return not path.startswith((_OWN, _ASYNCIO, "<frozen"))


def shown_call(function: str, path: str, line: int) -> str:
    """Return a call for people: `Mailer.handle_call (mailer.py:31)`."""
    return f"{function.replace('.<locals>', '')} ({Path(path).name}:{line})"


def standing(runtime: Runtime, frame: FrameType | None) -> str:
    """Return, as JSON, which process the host's thread is in; called from a signal handler."""
    process = CURRENT.get()
    inner = [(one.f_code.co_qualname, one.f_code.co_filename, one.f_lineno) for one in _frames(frame)]
    said = {
        "pid": None if process is None else str(process.pid),
        "name": process.names[0] if process is not None and process.names else None,
        "class": None if process is None else process.label(),
        "function": call_of(inner),
        "processes": len(runtime.processes),
    }
    return msgspec.json.encode(said).decode()


def call_of(calls: Sequence[tuple[str, str, int]]) -> str | None:
    """Return the user's outermost call in what the loop has called; else the innermost call.

    Args:
        calls: Function, file and line, the innermost first. A host is forked from within its parent's loop,
            so the parent's calls stand outside the host's own.
    """
    loop = next((at for at, (name, path, _) in enumerate(calls) if _is_loop(name, path)), len(calls))
    users = [call for call in calls[:loop] if is_users(call[1])]
    found = users[-1] if users else calls[0] if calls else None
    return None if found is None else shown_call(*found)


def _is_loop(function: str, path: str) -> bool:
    return function.rpartition(".")[2] == "_run" and path == _LOOP


# -------------------------------------------------------------------- many


def busiest(runtime: Runtime, limit: int, order: str) -> dict[str, Any]:
    """Return a host's processes with the longest mailboxes (`mailbox`) or the most messages (`handled`)."""
    if order == "handled":
        found = heapq.nlargest(limit, runtime.processes.values(), key=lambda process: process.handled)
    else:
        found = heapq.nlargest(limit, runtime.processes.values(), key=_pressed)
    return {
        "processes": [describe(process) for process in found],
        "count": len(runtime.processes),
        "lingering": len(runtime.lingering),
    }


def _pressed(process: Process) -> tuple[int, int]:
    return process.backlog(), process.handled


def host_tree(runtime: Runtime) -> dict[str, Any]:
    """Return what a host runs, walked down from its top supervisor; and what stands in no tree."""
    top = runtime.names.get(TOP)
    seen: set[int] = set()
    tree = (
        None
        if top is None
        else _node(runtime, ChildInfo(TOP, top.pid, "supervisor", (top.label(),)), 0, seen)
    )
    others = [process for process in runtime.processes.values() if process.pid.serial not in seen]
    placed = [
        _described(runtime, process, seen)
        for process in others
        if process.parent and process.parent.host != runtime.host
    ]
    loose = [process for process in others if process.pid.serial not in seen]
    return {
        "host": runtime.host,
        "role": runtime.endpoint.role,
        "processes": len(runtime.processes),
        "lingering": len(runtime.lingering),
        "placed": placed,
        "outside": [describe(process) for process in loose[:MOST_CHILDREN]],
        "outside_count": len(loose),
        "tree": tree,
    }


def _node(runtime: Runtime, info: ChildInfo, restarts: int, seen: set[int]) -> dict[str, Any]:
    pid = info.pid
    node: dict[str, Any] = {
        "id": info.id if isinstance(info.id, str | int) else shown(info.id),
        "pid": str(pid) if isinstance(pid, Pid) else None,
        "host": pid.host if isinstance(pid, Pid) else None,
        "type": info.type,
        "class": info.modules[0] if info.modules else "",
        "state": "restarting" if pid is not None and not isinstance(pid, Pid) else "stopped",
        "restarts": restarts,
        "children": [],
    }
    process = runtime.find(pid) if isinstance(pid, Pid) else None
    if process is not None:
        node.update(_described(runtime, process, seen))
    elif isinstance(pid, Pid):
        node["state"] = "elsewhere"
    return node


def _described(runtime: Runtime, process: Process, seen: set[int]) -> dict[str, Any]:
    """Return a process with what it supervises."""
    seen.add(process.pid.serial)
    node = {**describe(process), "children": []}
    if not isinstance(process, ServerProcess) or process.state is None:
        return node
    children = process.server.children_of(process.state)
    node["count"] = len(children)
    for info, _ in children[MOST_CHILDREN:]:
        if isinstance(info.pid, Pid):
            seen.add(info.pid.serial)
    node["children"] = [_node(runtime, info, restarts, seen) for info, restarts in children[:MOST_CHILDREN]]
    return node
