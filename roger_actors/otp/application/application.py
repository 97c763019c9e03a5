"""Application: a supervised tree with a name and an environment, started and stopped as one.

Source: Erlang `application`; Elixir `Application`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, Self

import attrs

from roger_actors.errors import (
    ApplicationAlreadyStarted,
    ApplicationNotStarted,
    ConfigError,
    InvalidConfig,
    RogerActorsError,
    StartFailed,
)
from roger_actors.otp.application.advice import advice
from roger_actors.otp.application.importing import (
    imported,
    name_clashes,
    resolved,
    trial_of_children,
    trial_of_start,
)
from roger_actors.otp.application.tables import (
    DEFAULT_FLAGS,
    options_table,
    read_application,
    table_of,
)
from roger_actors.otp.child_spec import ChildSpec, Start, spec_of
from roger_actors.otp.message import Exit
from roger_actors.otp.pid import Pid
from roger_actors.otp.process import current, exit, here, receive, send, spawn, trap_exit  # noqa: A004 - its OTP name
from roger_actors.otp.reason import SHUTDOWN, Fault, Reason, is_clean
from roger_actors.otp.runtime import CURRENT, Runtime
from roger_actors.otp.supervision.restart import SIMPLE, SupervisorFlags
from roger_actors.otp.supervisor import Supervisor
from roger_actors.settings import Phrase, Section, Spot, read_tables

ApplicationType = Literal["permanent", "transient", "temporary"]

_STOP: Final = object()


def _specs(children: Iterable[Any]) -> tuple[Any, ...]:
    """Return children, named in any way that a supervisor takes, as specs."""
    return tuple(map(spec_of, children))


@attrs.frozen(kw_only=True)
class Application:
    """A tree, its top supervisor's flags and its environment.

    Attributes:
        name: What it is started and stopped as.
        children: Its child specs in starting order.
        flags: Of its top supervisor; Elixir's defaults.
        callback: Instead of children, a function that is called at each start of the top supervisor and
            returns child specs, `(SupervisorFlags, specs)` or `Ignore()`; the `start` of an OTP application.
        env: What `get_env` finds.

    Source:
        Erlang's application resource file: `{mod, …}`, `{env, …}`.
    """

    name: str = "application"
    children: tuple[ChildSpec, ...] = attrs.field(default=(), converter=_specs)
    flags: SupervisorFlags = DEFAULT_FLAGS
    callback: Start | None = None
    env: Mapping[str, Any] = attrs.field(factory=dict)

    # ---------------------------------------------------------------- from a file

    @classmethod
    def load(cls, path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> Self:
        """Read and check a tree file that describes an application and no node.

        For the application of a node's file: `roger_actors.load(path).application`.

        Args:
            path: The TOML file, with `[application]`, `[supervision.children]`, `[[children]]`.
            environ: Where `${NAME}` in `[application.env]` is looked up; None for the process's environment.

        Raises:
            InvalidConfig: It cannot be read, is no TOML, or is wrong; lists everything.
        """
        return cls.from_mapping(
            read_tables(Path(path)), source=str(path), environ=os.environ if environ is None else environ
        )

    @classmethod
    def from_mapping(
        cls,
        tables: Mapping[str, Any],
        *,
        source: str = "application",
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """Check tables, shaped as in the file, and build the value.

        Args:
            tables: `application`, `supervision`, `children`.
            source: What to call them in an error.
            environ: Where `${NAME}` in `env` is looked up; None expands nothing.

        Raises:
            InvalidConfig: Something is wrong; lists all of it.
        """
        if "node" in tables:
            shown, expected = (
                Phrase("a node's file"),
                f"one without; use roger_actors.load({source!r}).application",
            )
            problem = ConfigError(key="node", value=shown, expected=expected)
            raise InvalidConfig(source=source, problems=(problem,))
        application, problems = cls.as_far_as_good(tables, environ=environ)
        if problems:
            raise InvalidConfig(source=source, problems=tuple(problems))
        return application

    @classmethod
    def as_far_as_good(
        cls, tables: Mapping[str, Any], *, environ: Mapping[str, str] | None = None
    ) -> tuple[Self, list[ConfigError]]:
        """Return the value with what is good, for looking at, and everything that is wrong."""
        root = Section(Spot("", tables, []))
        supervision = root.section("supervision")
        found = read_application(root, supervision, environ)
        supervision.finish()
        root.finish()
        return cls(**found), root.spot.problems

    def to_mapping(self) -> dict[str, Any]:
        """Return the tables that `from_mapping` would build an equal value from."""
        start = {} if self.callback is None else _callback_table(self.callback)
        return {
            "application": {"name": self.name, **start, "env": dict(self.env)},
            "supervision": {"children": options_table(self.flags)},
            "children": [table_of(child) for child in self.children],
        }

    # ---------------------------------------------------------------- its tree

    def tree(self) -> Any:
        """Return what its top supervisor starts: called in it, at each of its starts.

        Imports what the file names, so it is never called in the kernel host.

        Returns:
            `(SupervisorFlags, specs)`, or what else the callback returned.

        Raises:
            ConfigError: Something cannot be imported; names the child.
        """
        if self.callback is None:
            many = self.flags.strategy == SIMPLE
            specs = [
                resolved(spec, f"children[{index}]", many=many) for index, spec in enumerate(self.children)
            ]
            return self.flags, specs
        target: Callable[..., Any] = imported(self.callback.target, "application.start")
        made = target(*self.callback.args, **self.callback.kwargs)
        return (self.flags, made) if isinstance(made, list) else made

    def trial(self) -> list[ConfigError]:
        """Return what cannot be imported, is given what it does not take, or has the name of another.

        Runs the top-level code of the modules that it names, in this process; starts nothing.
        """
        if self.callback is not None:
            return _trial_of_callback(self.callback)
        return [*trial_of_children(self.children), *name_clashes(map(_as_far_as_found, self.children))]

    def advice(self) -> list[ConfigError]:
        """Return what a supervisor accepts in it, and would be regretted."""
        paths = [f"children[{index}]" for index, _ in enumerate(self.children)]
        return list(advice(self.children, paths))

    def enter(self, runtime: Runtime) -> None:
        """Make its environment known on a host; what `start` does first."""
        runtime.environments.setdefault(self.name, dict(self.env))

    # ---------------------------------------------------------------- starting and stopping

    async def start(self, type_: ApplicationType = "temporary") -> Pid:
        """Start it on the current host, under a process of its own that belongs to no caller.

        Args:
            type_: What its end means when nobody stopped it: `permanent`: the host ends; `transient`: the
                host ends unless the reason is clean; `temporary`: nothing.

        Returns:
            The pid of its top supervisor.

        Raises:
            ApplicationAlreadyStarted: One of its name runs on this host.
            StartFailed: A spec is wrong, or a child did not start; nothing is left of it.
        """
        runtime = here()
        if _master_of(runtime, self.name) is not None:
            raise ApplicationAlreadyStarted(application=self.name)
        started: asyncio.Future[Pid] = runtime.loop.create_future()
        runtime.environments.pop(self.name, None)
        self.enter(runtime)
        master = runtime.applications[self.name] = spawn(_master, self, type_, started)
        ended = runtime.wait_for_end(master)
        assert ended.future is not None
        ended.future.add_done_callback(lambda end: _ended_first(self.name, started, end))
        try:
            return await started
        finally:
            runtime.forget(ended)

    @staticmethod
    async def stop(name: str) -> None:
        """Stop an application of this host in order, and return when it is gone.

        Raises:
            ApplicationNotStarted: None of that name runs here.
        """
        runtime = here()
        master = _master_of(runtime, name)
        if master is None:
            raise ApplicationNotStarted(application=name)
        ended = runtime.wait_for_end(master)
        assert ended.future is not None
        try:
            send(master, _STOP)
            await ended.future
        finally:
            runtime.forget(ended)

    @staticmethod
    def started_applications() -> list[str]:
        """Return the names of the applications that run on this host, or are starting."""
        runtime = here()
        return [name for name in runtime.applications if _master_of(runtime, name) is not None]

    # ---------------------------------------------------------------- environment

    # Usable in any thread of the host, that of a job above all: each is one operation on a dictionary.

    @staticmethod
    def get_env(name: str, key: str, default: Any = None) -> Any:
        """Return a value of an application's environment on this host, the default if there is none."""
        return _environments().get(name, {}).get(key, default)

    @staticmethod
    def get_all_env(name: str) -> dict[str, Any]:
        """Return a copy of an application's environment on this host; empty if there is none."""
        return dict(_environments().get(name, {}))

    @staticmethod
    def put_env(name: str, key: str, value: Any) -> None:
        """Set a value of an application's environment, on this host and until the host ends."""
        _environments().setdefault(name, {})[key] = value


def _environments() -> dict[str, dict[str, Any]]:
    process = CURRENT.get()
    runtime = Runtime.default if process is None else process.runtime
    if runtime is None:
        raise RuntimeError("no host runs here: start a node, or use roger_actors.testing")
    return runtime.environments


def _master_of(runtime: Runtime, name: str) -> Pid | None:
    master = runtime.applications.get(name)
    return None if master is None or runtime.find(master) is None else master


def _as_far_as_found(spec: ChildSpec) -> ChildSpec:
    try:
        return resolved(spec, "")
    except ConfigError:
        return spec


def _trial_of_callback(callback: Start) -> list[ConfigError]:
    try:
        target = imported(callback.target, "application.start")
    except ConfigError as problem:
        return [problem]
    return list(trial_of_start(target, callback, "application"))


def _callback_table(callback: Start) -> dict[str, Any]:
    return {"start": callback.path, "args": list(callback.args), "kwargs": dict(callback.kwargs)}


def _ended_first(name: str, started: asyncio.Future[Pid], end: asyncio.Future[Reason]) -> None:
    """Tell whoever waits for an application that its master was killed before it had started."""
    if not started.done() and not end.cancelled():
        started.set_exception(StartFailed(what=f"application {name}", reason=end.result()))


async def _master(application: Application, type_: ApplicationType, started: asyncio.Future[Pid]) -> None:
    """Be whom an application's top supervisor is linked to, and say what its end means."""
    runtime = current().runtime
    trap_exit()
    try:
        top = await Supervisor.start_link(application.tree, flags=application.flags)
        if top is None:
            raise StartFailed(what=f"application {application.name}", reason=Fault("bad_return", "Ignore()"))
    except RogerActorsError as error:
        del runtime.applications[application.name]
        if not started.done():  # whoever wanted it may have ended, or been cancelled
            started.set_exception(error)
        return
    if not started.done():
        started.set_result(top)
    stopping, reason = await _watch(top)
    del runtime.applications[application.name]
    if not stopping and (type_ == "permanent" or (type_ == "transient" and not is_clean(reason))):
        runtime.on_shutdown(reason)


async def _watch(top: Pid) -> tuple[bool, Reason]:
    """Return why an application ended, and whether it was asked to."""
    stopping = False
    while True:
        message = await receive()
        if message is _STOP:
            stopping = True
            exit(top, SHUTDOWN)
        elif message.__class__ is Exit and message.pid == top:
            return stopping, message.reason
