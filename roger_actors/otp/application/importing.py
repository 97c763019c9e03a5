"""What a tree names, imported, and tried as far as that goes without starting it.

Importing runs the user's modules, so it is done where the tree is started, and by `check`.
"""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import attrs

from roger_actors.errors import ConfigError
from roger_actors.otp.application.short_names import behaviour_of, behaviour_of_child, nested_specs
from roger_actors.otp.child_spec import ChildSpec, Start, faults_of
from roger_actors.otp.gen_server import GenServer
from roger_actors.otp.hosts import AGENT, TOP, is_users
from roger_actors.otp.supervision.restart import SIMPLE
from roger_actors.settings import Phrase

_HOSTS_OWN: Final = {TOP: "the top supervisor", AGENT: "the host's agent", "keeper": "the host's keeper"}


def resolved(spec: ChildSpec, path: str, *, many: bool = False) -> ChildSpec:
    """Return a spec with its target imported and its name written out: by default, a server's is its id.

    Args:
        spec: Of a child, with what it supervises.
        path: Where it stands, for errors.
        many: Whether many processes are started from it, which cannot all have one name.

    Raises:
        ConfigError: It cannot be imported; names the place.
    """
    start: Any = getattr(spec, "start", None)
    if not isinstance(start, Start):
        return spec  # the supervisor says what is wrong with it
    target = imported(spec.start.target, f"{path}.start")
    kwargs = dict(spec.start.kwargs)
    given = kwargs.pop("name", spec.id if not many and hasattr(target, "start_link") else None)
    if isinstance(given, str):
        kwargs["name"] = given
    args = list(spec.start.args)
    if nested := nested_specs(spec):
        inside = [
            resolved(each, place, many=starts_many(spec))
            for each, place in zip(nested, nested_paths(spec, path), strict=True)
        ]
        args[0] = inside if isinstance(args[0], list) else inside[0]
    elif _takes_function(spec):
        args[0] = imported(args[0], f"{path}.function")
    return attrs.evolve(spec, start=Start(target, *args, **kwargs))


def _takes_function(spec: ChildSpec) -> bool:
    known = behaviour_of_child(spec)
    return known is not None and known[1].first == "function"


def starts_many(spec: ChildSpec) -> bool:
    """Return whether a supervisor starts many processes from its one child spec."""
    known = behaviour_of_child(spec)
    one = known is not None and known[1].first == "child"
    return one or getattr(spec.start, "kwargs", {}).get("strategy") == SIMPLE


def nested_paths(spec: ChildSpec, path: str) -> list[str]:
    """Return where each of the specs below a child stands."""
    known = behaviour_of_child(spec)
    key = "children" if known is None else known[1].first
    if key == "child":
        return [f"{path}.child"]
    return [f"{path}.children[{index}]" for index, _ in enumerate(nested_specs(spec))]


def imported(target: Any, key: str) -> Any:
    """Return what a target names, or itself if it is no name.

    Raises:
        ConfigError: It cannot be imported, for whatever reason.
    """
    if not isinstance(target, str):
        return target
    module, _, name = target.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split(".") if name else ():
            found = getattr(found, part)
    # The user's modules run here and may raise anything; SystemExit is a script without its guard.
    except (Exception, SystemExit) as error:
        cause = " ".join(f"{type(error).__name__}: {error}{_raised_at(error)}".split())
        expected = f"something that can be imported ({cause})"
        raise ConfigError(key=key, value=target, expected=expected) from error
    return found


def _raised_at(error: BaseException) -> str:
    """Return the line of the user's module that raised; empty where none has run so far."""
    frames = traceback.extract_tb(error.__traceback__)
    users = [frame for frame in frames if is_users(frame.filename) and "importlib" not in frame.filename]
    return f", at {users[-1].filename}:{users[-1].lineno}" if users else ""


# -- trying ---------------------------------------------------------------------------------------


def trial_of_children(specs: Sequence[ChildSpec], path: str = "children") -> list[ConfigError]:
    """Return what cannot be imported, is no server or function, or is given what it does not take.

    Runs the modules' top-level code in this process.

    Args:
        specs: From a file.
        path: Where they stand.
    """
    paths = [f"{path}[{index}]" for index, _ in enumerate(specs)]
    return [problem for spec, place in zip(specs, paths, strict=True) for problem in _trial(spec, place)]


def _trial(spec: ChildSpec, path: str) -> Iterator[ConfigError]:
    if any(fault.kind in {"missing_start", "invalid_mfa"} for fault in faults_of(spec)):
        return  # told by whoever read it
    try:
        target = imported(spec.start.target, f"{path}.start")
    except ConfigError as problem:
        yield problem
    else:
        if behaviour_of(target) is None:
            yield from trial_of_start(target, spec.start, path)
        elif _takes_function(spec):
            yield from trial_of_function(Start(*spec.start.args), f"{path}.function")
    for below, place in zip(nested_specs(spec), nested_paths(spec, path), strict=True):
        yield from _trial(below, place)


def trial_of_start(target: Any, start: Start, path: str) -> Iterator[ConfigError]:
    """Give what is wrong with a start whose target is imported."""
    link = getattr(target, "start_link", None)
    if link is None and (isinstance(target, type) or not callable(target)):
        expected = "a server (a class with start_link) or a function that starts a process"
        yield ConfigError(key=f"{path}.start", value=start.path, expected=expected, kind="undef")
        return
    kwargs = {key: value for key, value in start.kwargs.items() if key != "name" or link is None}
    for function, args in _takers(target, link):
        try:
            inspect.signature(function).bind(*args, *start.args, **kwargs)
        except TypeError as error:
            given = ", ".join(
                [*map(repr, start.args), *(f"{key}={value!r}" for key, value in kwargs.items())]
            )
            expected = f"what {function.__qualname__} takes ({error})"
            shown = Phrase(f"{start.path!r} with {given or 'no arguments'}")
            yield ConfigError(key=f"{path}.start", value=shown, expected=expected, kind="undef")
        except ValueError:
            return  # a function of C without a signature


def trial_of_function(call: Start, key: str) -> Iterator[ConfigError]:
    """Give what is wrong with a function that is called when a server starts."""
    try:
        function = imported(call.target, key)
        inspect.signature(function).bind(*call.args)
    except ConfigError as problem:
        yield problem
    except TypeError as error:
        yield ConfigError(
            key=key, value=call.path, expected=f"a function of its args ({error})", kind="undef"
        )


def _takers(target: Any, link: Any) -> Iterator[tuple[Callable[..., Any], tuple[Any, ...]]]:
    """Give the function that takes a start's arguments, with those that it gets besides."""
    if link is None:
        yield target, ()
    elif getattr(link, "__func__", None) is GenServer.start_link.__func__:  # type: ignore[attr-defined]
        yield target.init, (None,)
    else:
        yield link, ()


# -- names ----------------------------------------------------------------------------------------


def name_clashes(specs: Iterable[ChildSpec], path: str = "children") -> Iterator[ConfigError]:
    """Give the children that would be registered under a name that another child of their host has.

    Args:
        specs: Resolved or not; of those that are not, only names that stand in the file are known.
        path: Where they stand.
    """
    taken: dict[tuple[Any, str], str] = {("same", name): owner for name, owner in _HOSTS_OWN.items()}
    for spec, place, host in _walk(specs, path, "same"):
        name = _registered(spec)
        if name is None:
            continue
        owner = taken.setdefault((host, name), place)
        if owner is not place:
            expected = f"a name that nobody else has on its host, not that of {owner}"
            key = f"{place}.name" if "name" in spec.start.kwargs else f"{place}.id"
            yield ConfigError(key=key, value=name, expected=expected, kind="already_started")


def _registered(spec: ChildSpec) -> str | None:
    """Return the name that a child will be registered under, as far as that is known."""
    known = behaviour_of(spec.start.target) is not None or hasattr(spec.start.target, "start_link")
    name = spec.start.kwargs.get("name", spec.id if known else None)
    return name if isinstance(name, str) and name else None


def _walk(specs: Iterable[ChildSpec], path: str, host: Any) -> Iterator[tuple[ChildSpec, str, Any]]:
    for index, spec in enumerate(specs):
        start: Any = spec.start
        if not isinstance(start, Start):
            continue  # told by whoever read it
        place = f"{path}[{index}]"
        there = host if spec.host == "same" else place if spec.host == "own" else repr(spec.host)
        yield spec, place, there
        if not starts_many(spec):
            yield from _walk(nested_specs(spec), f"{place}.children", there)
