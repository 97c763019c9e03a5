"""draft by the lead to test the kernel; the job helper owns and replaces this file"""

from __future__ import annotations

import os
from typing import Any

from roger_actors.otp import GenServer, NoReply, Ok, process
from roger_actors.roger.worker_host.executor import Executor, Loaded, Refused, Stopped
from roger_actors.roger.worker_host.protocol import (
    Done, HookDone, Ready, Recall, Recalled, Results, Run, RunHook, StartRefused,
)
from roger_actors.transport import HostId


class JobRunner(GenServer[Any]):
    trap_exit = True

    def init(self, given: Any) -> Ok[Any]:
        runtime = process.here()
        pool = (given.pool, HostId(given.kernel))

        def on_results(outcomes: list[Any]) -> None:
            done = []
            for o in outcomes:
                if isinstance(o, Loaded):
                    runtime.send(pool, Ready(runtime.host, os.getpid(), o.classes))
                elif isinstance(o, Refused):
                    runtime.send(pool, StartRefused(o.detail))
                elif isinstance(o, Done):
                    done.append(o)
                elif isinstance(o, HookDone):
                    runtime.send(pool, o)
            if done:
                runtime.send(pool, Results(done, 0, runtime.host))

        ex = Executor(jobs=given.jobs, hooks=given.hooks, retry_levels=given.retry_levels, on_results=on_results,
                      post=runtime.loop.call_soon_threadsafe, later=runtime.loop.call_later)
        ex.start()
        return Ok(ex)

    def handle_info(self, message: Any, state: Executor) -> NoReply[Any]:
        match message:
            case Run() | RunHook():
                state.submit(message)
            case Recall():
                dropped = state.recall(message.tickets)
                rt = process.here()
                process.send(("worker_pool", HostId(1)), Recalled(dropped))
        return NoReply(state)
