"""What a supervisor needs to know of a child, checked (pure).

Source: OTP `supervisor`, child specifications; Elixir `Supervisor.child_spec/2`.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, Union

import attrs

from roger_actors.errors import InvalidChildSpec
from roger_actors.otp.pid import Pid
from roger_actors.otp.reason import Atom, Fault, shown

Restart = Literal["permanent", "transient", "temporary"]
ChildType = Literal["worker", "supervisor"]
ShutdownLimit = float | Literal["brutal_kill", "infinity"]
Modules = tuple[str, ...] | Literal["dynamic"]

RESTARTING: Final = Atom("restarting")
"""Stands for the pid of a child whose restart is being tried again."""

DEFAULT_SHUTDOWN: Final = 5.0

PATH: Final = r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*"
"""What `module:name` looks like."""

HOSTS: Final = ("same", "own")

_RESTARTS: Final = ("permanent", "transient", "temporary")
_TYPES: Final = ("worker", "supervisor")


class Start:
    """How to start a child: a server class or a function, and what to give it.

    Args:
        target: A class with `start_link`, which is called with the arguments; or a function (`def` or
            `async def`) that starts a process linked to its caller and returns its pid, `(pid, extra)`
            or `Ignore()`; or `module:name` of either, found where the child is started.
        args: Positional arguments.
        kwargs: Keyword arguments; for a server class also `name` and `timeout`.
    """

    __slots__ = ("args", "kwargs", "target")

    def __init__(self, target: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> None:
        self.target = target
        self.args = args
        self.kwargs = kwargs

    def __repr__(self) -> str:
        """Return what is started and how many arguments it gets; logs must not tell these."""
        given = len(self.args) + len(self.kwargs)
        return f"Start({self.name}, <{given} arguments>)" if given else f"Start({self.name})"

    def __eq__(self, other: object) -> bool:
        """Two starts are equal when they start the same in the same way."""
        if not isinstance(other, Start):
            return NotImplemented
        return (self.target, self.args, self.kwargs) == (other.target, other.args, other.kwargs)

    def __hash__(self) -> int:
        """Hash by what is started."""
        return hash(self.target)

    @property
    def name(self) -> str:
        """What is started, for people."""
        return str(getattr(self.target, "__qualname__", self.target))

    @property
    def path(self) -> str:
        """`module:name` of what is started; of its class, if it has no name itself."""
        if isinstance(self.target, str):
            return self.target
        named: Any = self.target if hasattr(self.target, "__qualname__") else type(self.target)
        return f"{named.__module__}:{named.__qualname__}"

    def resolved(self) -> Callable[..., Any]:
        """Return what is started, imported if it was given by name.

        Raises:
            ImportError, AttributeError: There is no such thing.
        """
        if not isinstance(self.target, str):
            return self.target
        module, _, name = self.target.partition(":")
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        target: Callable[..., Any] = found
        return target


@attrs.frozen(kw_only=True)
class ChildSpec:
    """A child of a supervisor.

    Attributes:
        id: Names the child within its supervisor.
        start: How to start it.
        restart: `permanent`: always restarted; `transient`: only after an abnormal exit; `temporary`: never.
        shutdown: Seconds it has for its `terminate`; `brutal_kill`: none; `infinity`: no limit. None means
            5 seconds for a worker and no limit for a supervisor.
        type: `worker` or `supervisor`; by default what `start` starts.
        significant: Whether its own end may end the supervisor; see `auto_shutdown`.
        modules: Names of what the child runs, for people and tools, or `dynamic` if that changes; by
            default the path of what `start` starts.
        host: `same`: the supervisor's host; `own`: an app host of its own; or an app host's number.
    """

    id: Any
    start: Start
    restart: Restart = "permanent"
    shutdown: ShutdownLimit | None = None
    type: ChildType | None = None
    significant: bool = False
    modules: Modules | list[str] | None = None
    host: str | int = "same"

    def normalised(self) -> ChildSpec:
        """Return the same with every default written out."""
        kind: ChildType = self.type or (
            "supervisor" if getattr(self.start.target, "is_supervisor", False) else "worker"
        )
        shutdown = self.shutdown
        if shutdown is None:
            shutdown = "infinity" if kind == "supervisor" else DEFAULT_SHUTDOWN
        return attrs.evolve(
            self,
            type=kind,
            shutdown="infinity" if shutdown == float("inf") else shutdown,
            modules=self.module_names(),
        )

    def module_names(self) -> Modules:
        """Return `modules` with the default written out."""
        if self.modules is None:
            return (self.start.path,)
        return "dynamic" if self.modules == "dynamic" else tuple(self.modules)


AnySpec = Union[ChildSpec, Mapping[str, Any], type, tuple[Any, ...]]  # noqa: UP007 an alias of several kinds
"""What says which child is wanted; `spec_of` reads it."""

_KEYS: Final = frozenset(field.name for field in attrs.fields(ChildSpec))
_ERLANGS_TUPLE: Final = ("id", "start", "restart", "shutdown", "type", "modules")


def spec_of(child: Any) -> Any:
    """Return a child as a `ChildSpec`; what says no child comes back as it is, for `fault_of` to name.

    Args:
        child: A `ChildSpec`; a mapping of its attributes, whose other keys are ignored; Erlang's tuple
            `(id, start, restart, shutdown, type, modules)`; or a class, alone or as `(class, *arguments)`,
            whose `child_spec` is asked.

    Source:
        Erlang `supervisor:child_spec()`; Elixir's children lists.
    """
    if isinstance(child, ChildSpec):
        return child
    if isinstance(child, Mapping):
        return ChildSpec(**{"id": None, "start": None, **{key: child[key] for key in _KEYS & child.keys()}})
    given = child if isinstance(child, tuple) else (child,)
    if len(given) == len(_ERLANGS_TUPLE) and isinstance(given[1], Start):
        return ChildSpec(**dict(zip(_ERLANGS_TUPLE, given, strict=True)))
    if given and isinstance(given[0], type) and hasattr(given[0], "child_spec"):
        made = given[0].child_spec(*given[1:])
        return spec_of(made) if isinstance(made, ChildSpec | Mapping) else child
    return child


def overridden(child: Any, overrides: dict[str, Any]) -> ChildSpec:
    """Return a child's spec with some attributes replaced.

    Raises:
        InvalidChildSpec: It is no child, or a spec has no such attribute.
    """
    spec = spec_of(child)
    if not isinstance(spec, ChildSpec):
        raise error_of(Fault("invalid_child_spec", shown(child)))
    for key, value in overrides.items():
        if key not in _KEYS:
            raise InvalidChildSpec(
                child=spec.id,
                field=key,
                value=value,
                expected=f"one of {', '.join(sorted(_KEYS))}",
                kind="unknown_key",
            )
    return attrs.evolve(spec, **overrides)


class ChildInfo(NamedTuple):
    """One line of `which_children`.

    Attributes:
        id: The child's id; None under a `DynamicSupervisor`.
        pid: Its pid, None when it does not run, `RESTARTING` while its restart is tried again.
        type: `worker` or `supervisor`.
        modules: What it runs, as its spec says.
    """

    id: Any
    pid: Pid | Atom | None
    type: ChildType
    modules: Modules


class ChildCount(NamedTuple):
    """What `count_children` returns.

    Attributes:
        specs: Known children.
        active: Children that run.
        supervisors: Known supervisors, running or not.
        workers: Known workers, running or not.
    """

    specs: int
    active: int
    supervisors: int
    workers: int


def fault_of(spec: Any, *, auto_shutdown: str | None = None) -> Fault | None:
    """Return the first thing that is wrong with a spec, as OTP names it, or None; see `faults_of`."""
    return next(faults_of(spec, auto_shutdown=auto_shutdown), None)


def faults_of(spec: Any, *, auto_shutdown: str | None = None) -> Iterator[Fault]:
    """Give everything that is wrong with a spec, in the order in which OTP asks.

    Args:
        spec: Should be a `ChildSpec`.
        auto_shutdown: The supervisor's, to see that a significant child can mean something; None to not ask.
    """
    if not isinstance(spec, ChildSpec):
        yield Fault("invalid_child_spec", shown(spec))
        return
    yield from (Fault(kind, value, spec.id) for kind, value, valid in _checks(spec) if not valid)
    if spec.significant is True and (spec.restart == "permanent" or auto_shutdown == "never"):
        other = spec.restart if spec.restart == "permanent" else "auto_shutdown never"
        yield Fault("bad_combination", ("significant", other), spec.id)


def _checks(spec: ChildSpec) -> Iterable[tuple[str, Any, bool]]:
    yield "missing_id", spec.id, spec.id is not None
    yield "invalid_id", shown(spec.id), is_hashable(spec.id)
    start: Any = spec.start
    yield "missing_start", start, start is not None
    yield "invalid_mfa", shown(start), start is None or _is_start(start)
    yield "invalid_restart_type", spec.restart, spec.restart in _RESTARTS
    yield "invalid_shutdown", spec.shutdown, _is_shutdown(spec.shutdown)
    yield "invalid_child_type", spec.type, spec.type is None or spec.type in _TYPES
    yield "invalid_significant", spec.significant, spec.significant.__class__ is bool
    yield from _module_checks(spec.modules)
    yield "invalid_host", spec.host, _is_host(spec.host)


def _module_checks(modules: Any) -> Iterable[tuple[str, Any, bool]]:
    named = isinstance(modules, list | tuple)
    yield "invalid_modules", shown(modules), named or modules is None or modules == "dynamic"
    if named:
        for name in modules:
            yield "invalid_module", shown(name), isinstance(name, str) and name != ""


def is_hashable(value: object) -> bool:
    """Return whether a value can be an id; a tuple is what is in it."""
    try:
        hash(value)
    except Exception:  # noqa: BLE001 - the user's own __hash__ may do anything
        return False
    return True


def _is_start(value: object) -> bool:
    target: Any = value.target if isinstance(value, Start) else None
    return callable(target) or (isinstance(target, str) and re.fullmatch(PATH, target) is not None)


def _is_shutdown(value: object) -> bool:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value >= 0
    return value is None or value in ("brutal_kill", "infinity")


def _is_host(value: object) -> bool:
    if isinstance(value, int) and not isinstance(value, bool):
        return value >= 0
    return value in HOSTS


FAULTY_FIELDS: Final = {
    "missing_id": ("id", "an id"),
    "invalid_id": ("id", "a hashable id"),
    "missing_start": ("start", "a Start"),
    "invalid_mfa": ("start", "Start(class or function, …)"),
    "invalid_restart_type": ("restart", "'permanent', 'transient' or 'temporary'"),
    "invalid_shutdown": ("shutdown", "seconds, 0 or more, 'brutal_kill' or 'infinity'"),
    "invalid_child_type": ("type", "'worker' or 'supervisor'"),
    "invalid_significant": ("significant", "true or false"),
    "invalid_modules": ("modules", "an array of names, or 'dynamic'"),
    "invalid_module": ("modules", "names in it"),
    "invalid_host": ("host", "'same', 'own' or a host's number"),
    "invalid_child_spec": ("spec", "a ChildSpec, a mapping, or a class with child_spec"),
    "duplicate_child_name": ("id", "an id that no other child has"),
    "bad_combination": ("significant", "a transient or temporary child of a supervisor with auto_shutdown"),
}
"""For each kind of fault, which field is wrong, and what is expected of it."""


def error_of(fault: Fault) -> InvalidChildSpec:
    """Return a fault as the error that a caller gets."""
    field, expected = FAULTY_FIELDS[fault.kind]
    return InvalidChildSpec(
        child=fault.child, field=field, value=fault.detail, expected=expected, kind=fault.kind
    )


def check_specs(specs: Any, *, auto_shutdown: str | None = None) -> None:
    """Check a list of child specs, given in any way that `spec_of` reads.

    Raises:
        InvalidChildSpec: One is wrong, or two have the same id.
        TypeError: It is no list.
    """
    if not isinstance(specs, list | tuple):
        raise TypeError(f"child specs come as a list, not {type(specs).__qualname__}")
    fault = first_fault(map(spec_of, specs), auto_shutdown=auto_shutdown)
    if fault is not None:
        raise error_of(fault)


def first_fault(specs: Iterable[Any], *, auto_shutdown: str | None = None) -> Fault | None:
    """Return the first thing that is wrong in a list of specs, or None."""
    return next((fault for _, fault in list_faults(specs, auto_shutdown=auto_shutdown)), None)


def list_faults(specs: Iterable[Any], *, auto_shutdown: str | None = None) -> Iterator[tuple[int, Fault]]:
    """Give everything that is wrong in a list of specs, with the place of each."""
    seen: set[Any] = set()
    for index, spec in enumerate(specs):
        faults = list(faults_of(spec, auto_shutdown=auto_shutdown))
        yield from ((index, fault) for fault in faults)
        if any(fault.kind in _WITHOUT_ID for fault in faults):
            continue
        if spec.id in seen:
            yield index, Fault("duplicate_child_name", spec.id, spec.id)
        seen.add(spec.id)


_WITHOUT_ID: Final = ("invalid_child_spec", "missing_id", "invalid_id")
