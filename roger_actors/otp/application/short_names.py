"""What a tree file starts by a short name: `start = "DynamicSupervisor"`.

The options of each are those of its own `start_link` (or `init`), read from its signature, so that the
file knows an option when the code does.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, get_args, get_origin, get_type_hints

import attrs
import msgspec

from roger_actors.otp.behaviours import Agent, PartitionSupervisor, TaskSupervisor
from roger_actors.otp.behaviours.partition_supervisor import option_problems
from roger_actors.otp.child_spec import ChildSpec, spec_of
from roger_actors.otp.dynamic_supervisor import DynamicSupervisor, option_faults
from roger_actors.otp.gen_server import GenServer
from roger_actors.otp.reason import Fault
from roger_actors.otp.registry import Registry
from roger_actors.otp.supervision.restart import FAULTY_FLAGS, SupervisorFlags, flags_faults
from roger_actors.otp.supervisor import Supervisor

_NO_OPTIONS: Final = {"name", "timeout", "flags", "self"}
"""Parameters of a `start_link` that a file says in another way, or not at all."""


@attrs.frozen
class Option:
    """One option of a behaviour.

    Attributes:
        hint: Its type.
        default: What it is when left out; `inspect.Parameter.empty` if it may not be.
    """

    hint: Any
    default: Any

    @property
    def words(self) -> tuple[str, ...]:
        """The words that it may be, if it is one of a few."""
        return words_of(self.hint)


class Wrong(NamedTuple):
    """What is wrong with an option.

    Attributes:
        option: Its name.
        expected: What would have been right, in words.
        kind: What OTP calls such a fault.
    """

    option: str
    expected: str
    kind: str


@attrs.frozen
class Behaviour:
    """A server of ours that a file may start by its name.

    Attributes:
        server: Its class.
        options: What its start takes by keyword, besides its name.
        wrongs: Gives everything that is wrong with options, as the code does.
        first: The key under which a file puts what the start takes first: `children` for a list of specs,
            `child` for one from which many are started, `function` for a function, with `args`.
    """

    server: type[GenServer[Any]]
    options: Mapping[str, Option]
    wrongs: Callable[[Mapping[str, Any]], Iterator[Wrong]]
    first: Literal["children", "child", "function"] | None = None


def words_of(hint: Any) -> tuple[str, ...]:
    """Return the words that a type allows: of a `Literal`, also inside a union."""
    if get_origin(hint) is Literal:
        return tuple(word for word in get_args(hint) if isinstance(word, str))
    return tuple(word for part in get_args(hint) for word in words_of(part))


def flags_of(options: Mapping[str, Any]) -> SupervisorFlags:
    """Return the options of a supervisor as the flags that they mean."""
    return SupervisorFlags(
        strategy=options.get("strategy", "one_for_one"),
        intensity=options["max_restarts"],
        period=options["max_seconds"],
        auto_shutdown=options.get("auto_shutdown", "never"),
    )


def flags_of_child(spec: ChildSpec) -> SupervisorFlags | None:
    """Return the flags of a child that is a supervisor of ours, else None."""
    known = behaviour_of_child(spec)
    if known is None or "max_restarts" not in known[1].options:
        return None
    defaults = {name: option.default for name, option in known[1].options.items()}
    return flags_of({**defaults, **spec.start.kwargs})


def _options(server: type[GenServer[Any]], *nested: str) -> dict[str, Option]:
    """Return the keyword options of a server's start: of `init`, where `start_link` passes them on."""
    inherited = server.start_link.__func__ is GenServer.start_link.__func__  # type: ignore[attr-defined]
    function = server.init if inherited else server.start_link
    hints = get_type_hints(function)
    return {
        parameter.name: Option(hints[parameter.name], parameter.default)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name not in {*_NO_OPTIONS, *nested}
    }


def named(faults: Iterable[Fault], fields: Mapping[str, tuple[str, str]]) -> Iterator[Wrong]:
    """Give, for each fault, the option that is wrong."""
    return (Wrong(*fields[fault.kind], fault.kind) for fault in faults)


def _of_supervisor(options: Mapping[str, Any]) -> Iterator[Wrong]:
    return named(flags_faults(flags_of(options)), FAULTY_FLAGS)


_FAULTY_DYNAMIC: Final = {
    **FAULTY_FLAGS,
    "invalid_strategy": ("strategy", "'one_for_one'"),
    "invalid_auto_shutdown": ("auto_shutdown", "'never'"),
    "invalid_max_children": ("max_children", "a whole number, 0 or more"),
    "invalid_extra_arguments": ("extra_arguments", "an array"),
}


def _of_dynamic(options: Mapping[str, Any]) -> Iterator[Wrong]:
    extra = options.get("extra_arguments", ())
    return named(option_faults(flags_of(options), options["max_children"], extra), _FAULTY_DYNAMIC)


def _of_partitions(options: Mapping[str, Any]) -> Iterator[Wrong]:
    strategy, auto_shutdown = options["strategy"], options["auto_shutdown"]
    own = list(option_problems("its id", options["partitions"], strategy, auto_shutdown))
    told = {problem.key for problem in own}
    yield from (Wrong(each.key, each.expected, f"invalid_{each.key}") for each in own)
    yield from (wrong for wrong in _of_supervisor(options) if wrong.option not in told)


def _none(_: Mapping[str, Any]) -> Iterator[Wrong]:
    return iter(())


def _typed(server: type[GenServer[Any]]) -> Behaviour:
    """Return a behaviour whose options' types say all about them."""
    options = _options(server)

    def wrongs(given: Mapping[str, Any]) -> Iterator[Wrong]:
        for name, value in given.items():
            try:
                msgspec.convert(value, options[name].hint)
            except msgspec.ValidationError as error:
                words = " or ".join(map(repr, options[name].words))
                yield Wrong(name, words or _in_words(str(error)), f"invalid_{name}")

    return Behaviour(server, options, wrongs)


def _in_words(fault: str) -> str:
    """Return what msgspec says that it expected, in the words of TOML."""
    wanted = re.search(r"[Ee]xpected `(\w+)", fault)
    kind = wanted[1] if wanted else fault
    return {"array": "an array", "object": "a table", "str": "a string", "int": "a whole number"}.get(
        kind, kind
    )


BEHAVIOURS: Final[Mapping[str, Behaviour]] = {
    "Supervisor": Behaviour(Supervisor, _options(Supervisor, "children"), _of_supervisor, "children"),
    "DynamicSupervisor": Behaviour(DynamicSupervisor, _options(DynamicSupervisor), _of_dynamic),
    "PartitionSupervisor": Behaviour(
        PartitionSupervisor,
        _options(PartitionSupervisor, "child_spec", "with_arguments"),
        _of_partitions,
        "child",
    ),
    "TaskSupervisor": Behaviour(TaskSupervisor, _options(TaskSupervisor), _of_dynamic),
    "Registry": _typed(Registry),
    "Agent": Behaviour(Agent, {}, _none, "function"),
}
"""By the name that a file starts it under."""


def behaviour_of(target: object) -> tuple[str, Behaviour] | None:
    """Return the behaviour with its short name, of a name or of a class; None if it is none of ours."""
    for name, behaviour in BEHAVIOURS.items():
        if target == name or target is behaviour.server:
            return name, behaviour
    return None


def behaviour_of_child(spec: ChildSpec) -> tuple[str, Behaviour] | None:
    """Return the behaviour that a child is started from; a faulty spec may have no start at all."""
    return behaviour_of(getattr(spec.start, "target", None))


def short_name(spec: ChildSpec) -> str:
    """Return how a file says what a child is started from."""
    known = behaviour_of_child(spec)
    return spec.start.path if known is None else known[0]


def walk(specs: Iterable[ChildSpec]) -> Iterator[ChildSpec]:
    """Give every child of a tree, each before what it will supervise."""
    for spec in specs:
        yield spec
        yield from walk(nested_specs(spec))


def placed(specs: Iterable[ChildSpec], name: str) -> ChildSpec | None:
    """Return the spec that decides on which host a child runs: its own, or that of a supervisor above it.

    Args:
        specs: The tree.
        name: What the child is registered as, or its id.

    Returns:
        The nearest spec with a host other than `same`; None if there is none, or no such child.
    """
    for spec in specs:
        below = nested_specs(spec)
        inner = placed(below, name)
        is_it = name in {spec.id, spec.start.kwargs.get("name")}
        if inner is not None or is_it or name in map(_name_of, walk(below)):
            return inner or (None if spec.host == "same" else spec)
    return None


def _name_of(spec: ChildSpec) -> Any:
    return spec.start.kwargs.get("name", spec.id)


def nested_specs(spec: ChildSpec) -> list[ChildSpec]:
    """Return the specs that a child is started with: what it will supervise."""
    args = getattr(spec.start, "args", ())  # a spec may be read that has no start
    if args and isinstance(args[0], ChildSpec):
        return [args[0]]
    if args and isinstance(args[0], list):
        return [each for each in map(spec_of, args[0]) if isinstance(each, ChildSpec)]
    return []
