"""Exit reasons: why a process ended, as values (pure).

A reason is not an exception: it is what links, monitors and supervisors are told. Three kinds are
*clean*: `NORMAL`, `SHUTDOWN` and `Shutdown(anything)`; every other value is abnormal, also the plain
string `"shutdown"`. An exception that ends a process becomes a reason in `of_exception`, as text,
where it happened, so that no exception ever travels.

Source: OTP exit reasons; `supervisor` for which of them are clean.
"""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import Any, Final

import msgspec

from roger_actors import errors


class Atom:
    """A named constant, one object per name; unlike the string of the same text.

    Attributes:
        name: The text shown.

    Source:
        Erlang atoms.
    """

    __slots__ = ("name",)
    _known: Final[dict[str, Atom]] = {}
    name: str

    def __new__(cls, name: str) -> Atom:  # noqa: PYI034 - atoms are not subclassed
        """Return the one atom of that name."""
        atom = cls._known.get(name)
        if atom is None:
            atom = super().__new__(cls)
            atom.name = name
            cls._known[name] = atom
        return atom

    def __repr__(self) -> str:
        """Return the bare name."""
        return self.name

    def __reduce__(self) -> tuple[type[Atom], tuple[str]]:
        """Pickle by name, so that identity survives a journey."""
        return Atom, (self.name,)


NORMAL: Final = Atom("normal")
"""It had nothing more to do."""
SHUTDOWN: Final = Atom("shutdown")
"""It was told to stop, in order."""
KILL: Final = Atom("kill")
"""What `exit(pid, KILL)` asks for: the end, at once, untrappable."""
KILLED: Final = Atom("killed")
"""How observers see a process that was killed."""
NOPROC: Final = Atom("noproc")
"""There was no such process to link or monitor."""
NOCONNECTION: Final = Atom("noconnection")
"""Its host or node cannot be reached, and nothing more is known."""
TIMEOUT: Final = Atom("timeout")
"""It took longer than it was given."""

KNOWN_ATOMS: Final = frozenset(Atom._known)  # noqa: SLF001 - its own class


def written(value: msgspec.Struct) -> list[Any]:
    """Return a struct's values as one would write them: without the last ones that are None by default."""
    values = list(msgspec.structs.astuple(value))
    needed = len(values) - len(value.__struct_defaults__)
    while len(values) > needed and values[-1] is None:
        values.pop()
    return values


class _Structured(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Base of the reasons that say more than their name: `str()` is for people, `repr()` as it is written."""

    def __repr__(self) -> str:
        """Return it as it would be written."""
        return f"{type(self).__qualname__}({', '.join(shown(value, 10_000) for value in written(self))})"

    def __str__(self) -> str:
        """Return the same; most have more to say."""
        return repr(self)


class Shutdown(_Structured, frozen=True):
    """A clean reason with something to say.

    Attributes:
        detail: Anything.
    """

    detail: Any

    def __str__(self) -> str:
        """Return what it says."""
        return f"shutdown: {said(self.detail)}"


class Crash(_Structured, frozen=True):
    """An uncaught exception, rendered to text where it happened.

    Attributes:
        kind: Qualified name of the exception's class.
        message: Its `str()`, shortened.
        traceback: The formatted traceback, or an empty string.
    """

    kind: str
    message: str
    traceback: str = ""

    def __str__(self) -> str:
        """Return kind and message on one line."""
        return f"{self.kind}: {self.message}" if self.message else self.kind

    def __repr__(self) -> str:
        """Return it without its traceback, which is many lines long."""
        return f"Crash({self.kind!r}, {self.message!r})"


class Signal(_Structured, frozen=True):
    """The host's OS process was ended by a signal.

    Attributes:
        number: The signal's number, 9 for SIGKILL.
    """

    number: int


class ExitStatus(_Structured, frozen=True):
    """The host's OS process ended with a status, or `SystemExit` was raised with one.

    Attributes:
        status: The exit status.
    """

    status: int


class CallExit(_Structured, frozen=True):
    """A call failed and the caller did not catch it.

    Attributes:
        reason: `TIMEOUT`, `NOPROC`, or the reason the server exited with.
        call: Which call, for people.
    """

    reason: Any
    call: str

    def __str__(self) -> str:
        """Return the reason and which call."""
        return f"{said(self.reason)} ({self.call})"


class Fault(_Structured, frozen=True):
    """Something was refused; named as OTP names it.

    Attributes:
        kind: `bad_return_value`, `start_spec`, `invalid_strategy`, `failed_to_start_child` …
        detail: What was refused, or the inner reason.
        child: The child's id, where there is one.
    """

    kind: str
    detail: Any = None
    child: Any = None

    def __str__(self) -> str:
        """Return OTP's word for it, and of what."""
        if self.kind == "failed_to_start_child":
            return f"child {shown(self.child)} did not start: {said(self.detail)}"
        if self.child is not None:
            what, whose = shown(self.detail), shown(self.child)
            return f"{self.kind} {what}" if what == whose else f"{self.kind} {what} (child {whose})"
        return self.kind if self.detail is None else f"{self.kind}: {said(self.detail)}"


Reason = Any
"""An `Atom`, one of the structs above, or any other value (which is then abnormal)."""


class ExitProcess(BaseException):
    """Raised inside a process to end it with a reason; `process.exit(reason)` raises it.

    Not an `Exception`, so that user code that catches everything does not swallow it by accident.

    Args:
        reason: The exit reason.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def is_clean(reason: Reason) -> bool:
    """Return whether a reason is exactly `NORMAL`, `SHUTDOWN` or `Shutdown(…)`."""
    return reason is NORMAL or reason is SHUTDOWN or reason.__class__ is Shutdown


def of_exception(error: BaseException) -> Reason:  # noqa: PLR0911 - a table of cases
    """Return the reason that an exception which nobody caught ends its process with."""
    if isinstance(error, ExitProcess):
        return error.reason
    if isinstance(error, SystemExit):
        return _of_status(error.code)
    if isinstance(error, errors.ServerExited):
        call = f"call to {error.process}"
        return Shutdown(call) if error.reason is SHUTDOWN else CallExit(error.reason, call)
    if isinstance(error, errors.CallTimeout):
        return CallExit(TIMEOUT, str(error))
    if isinstance(error, errors.NoProcess):
        return CallExit(NOPROC, str(error))
    return crash_of(error)


def _of_status(code: object) -> Reason:
    if code is None or code == 0:
        return NORMAL
    return ExitStatus(code) if isinstance(code, int) else Crash("SystemExit", str(code)[:2000])


def crash_of(error: BaseException) -> Crash:
    """Render an exception to a `Crash`; a `__str__` that fails is survived."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    try:
        message = str(error)[:2000]
    except Exception:  # noqa: BLE001 - the user's own __str__ may do anything
        message = "<no message: __str__ failed>"
    if isinstance(error, errors.ConfigError):  # says which setting is wrong; the way to it tells no more
        return Crash(name, message)
    try:
        text = "".join(traceback.format_exception(kind, error, _trace(error), limit=-30))[:16000]
    except Exception:  # noqa: BLE001 - likewise
        text = ""
    return Crash(name, message, text)


def shown(value: object, limit: int = 500) -> str:
    """Return a value as text for people; a `__repr__` that fails is survived.

    Args:
        value: Anything.
        limit: How many characters at most.
    """
    try:
        return repr(value)[:limit]
    except Exception:  # noqa: BLE001 - the user's own __repr__ may do anything
        return f"<{type(value).__qualname__}: __repr__ failed>"


def said(reason: Reason) -> str:
    """Return a reason, or what is inside one, as text for people."""
    return str(reason) if isinstance(reason, str | Atom | _Structured) else shown(reason)


def _trace(error: BaseException) -> TracebackType | None:
    """Return the frames of what failed, without the first: that is the one that caught it."""
    trace = error.__traceback__
    return trace.tb_next if trace is not None and trace.tb_next is not None else trace


def of_host_exit(signal: int | None, status: int | None) -> Reason:
    """Return the reason of every process on a host that ended so."""
    if signal is not None:
        return Signal(signal)
    return NOCONNECTION if status is None else ExitStatus(status)
