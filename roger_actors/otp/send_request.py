"""Asking without waiting: `send_request`, and the ways to get the response.

A response reaches the process that asked in one of three ways. It comes as a message, `Response` or `Down`:
`check_response` tells whether a message is one. Or the process waits for it, in `wait_response` or
`receive_response`, inside a function's process or an `async` callback. Or it waits for the first of many
that are gathered in `RequestIds`.

Source: OTP `gen_server`: `send_request`, `wait_response`, `receive_response`, `check_response`, `reqids_*`,
`multi_call`, `abcast`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Container, Iterable
from typing import Any, Final, NamedTuple, overload

from roger_actors import errors
from roger_actors.errors import CallTimeout, NoProcess, ServerExited, StartFailed
from roger_actors.otp.message import CastRequest, Down, Refusal, Response
from roger_actors.otp.pid import Ref
from roger_actors.otp.process import current, here
from roger_actors.otp.reason import NOPROC, Atom
from roger_actors.otp.runtime import Inbox, Process, Target
from roger_actors.transport import HostId

NO_REPLY: Final = Atom("no_reply")
"""What `check_response` says of a message that is no response."""


async def ask(target: Target, request: Any, timeout: float | None, operation: str | None = None) -> Any:
    """Ask a server, or with an operation its behaviour; raise what it refused with."""
    answer = await here().call(target, request, timeout, operation)
    if answer.__class__ is Refusal:
        raise refused(answer)
    return answer


def refused(refusal: Refusal) -> errors.RogerActorsError:
    """Return the error that a server wants raised at its caller."""
    kind = getattr(errors, refusal.error, None)
    if isinstance(kind, type) and issubclass(kind, errors.RogerActorsError):
        return kind(**refusal.data)
    return StartFailed(what=refusal.error, reason=refusal.data)


class RequestIds:
    """Requests of one process, each with a label, so that it can wait for the first response of many.

    `len()` is how many there are. A request is in one collection only.

    Source: OTP `gen_server:reqids_new`, `reqids_size`.
    """

    __slots__ = ("_inbox", "_labels")

    def __init__(self) -> None:
        self._labels: dict[Ref, Any] = {}
        self._inbox = Inbox()

    def __len__(self) -> int:
        """Return how many requests are in it."""
        return len(self._labels)

    def add(self, request: Ref, label: Any) -> None:
        """Put a request of the current process in.

        Args:
            request: What `send_request` returned.
            label: What its answer will be called.

        Raises:
            ValueError: It is in here already.

        Source: OTP `gen_server:reqids_add`.
        """
        if request in self._labels:
            raise ValueError(f"request {request} is in the collection already")
        self._labels[request] = label
        pending = here().calls.get(request.number)
        if pending is None:
            self._inbox.arrived.append(request)
        else:
            pending.inbox = self._inbox

    def to_list(self) -> list[tuple[Ref, Any]]:
        """Return the requests with their labels.

        Source: OTP `gen_server:reqids_to_list`.
        """
        return list(self._labels.items())

    def answer(self, message: Any, *, delete: bool) -> Answer | None:
        """Return the answer that a message is, None if it answers none of these requests.

        Args:
            message: Any message.
            delete: Take the request out.
        """
        kind = message.__class__
        if (kind is not Response and kind is not Down) or message.ref not in self._labels:
            return None
        label = self._labels.pop(message.ref) if delete else self._labels[message.ref]
        return Answer(message, label)

    async def wait(self, timeout: float | None) -> Response | Down | None:
        """Wait for the first message that answers one of them; None when the time is over."""
        process = current()
        message = _arrived(process, self._inbox, self._labels)
        return message or await _wait(process, self._inbox, self._labels, timeout)

    def abandon(self) -> None:
        """Give all of them up: what answers them is never seen."""
        for request in self._labels:
            abandon(request)
        self._labels.clear()


class Answer(NamedTuple):
    """The answer to one of many requests.

    Attributes:
        response: The `Response`, or the `Down` of who was asked.
        label: What the request was called.
    """

    response: Response | Down
    label: Any

    @property
    def value(self) -> Any:
        """The reply; raises what a call would raise."""
        return _value(self.response)


class SendRequest:
    """The part of `GenServer` that asks without waiting."""

    __slots__ = ()

    @staticmethod
    def send_request(
        target: Target,
        request: Any,
        timeout: float | None = None,
        *,
        label: Any = None,
        requests: RequestIds | None = None,
    ) -> Ref:
        """Ask without waiting: the answer comes as `Response(ref, value)`, an end as `Down`.

        After `timeout` seconds the `Response` carries a `CallTimeout`, and a late answer is dropped. If
        the process is not there the `Down` comes at once.

        Args:
            target: Whom to ask.
            request: Given to `handle_call`.
            timeout: Seconds, None for no limit.
            label: What the answer is called, with `requests`.
            requests: A collection that the request is put in.

        Returns:
            The request's id.

        Raises:
            CallingSelf: The process asks itself.
            Undeliverable: The request cannot travel to its host.

        Source: OTP `gen_server:send_request`.
        """
        runtime = here()
        process = current()
        try:
            request_id = runtime.ref(runtime.ask(target, request, timeout=timeout).number)
        except (NoProcess, ServerExited) as error:
            request_id = runtime.ref(runtime.new_number())
            runtime.deliver_response(process, Down(request_id, target, getattr(error, "reason", NOPROC)))
        if requests is not None:
            requests.add(request_id, label)
        return request_id

    @overload
    @staticmethod
    async def wait_response(request: Ref, timeout: float | None = None) -> Any: ...

    @overload
    @staticmethod
    async def wait_response(
        request: RequestIds, timeout: float | None = None, *, delete: bool = True
    ) -> Answer | None: ...

    @staticmethod
    async def wait_response(
        request: Ref | RequestIds, timeout: float | None = None, *, delete: bool = True
    ) -> Any:
        """Wait for the response to a request; when the time is over the request stays valid.

        Args:
            request: The request's id, or a collection of them.
            timeout: Seconds, None for no limit.
            delete: Whether a request that was answered is taken out of the collection.

        Returns:
            The reply. For a collection the first `Answer`; None if the collection is empty.

        Raises:
            CallTimeout: Nothing came in time; wait again, or let it come as a message.
            NoProcess, ServerExited: Who was asked is not there, or ended; not for a collection.
            ValueError: The response was taken already, or the request was abandoned.

        Source: OTP `gen_server:wait_response`.
        """
        found = await _first(request, timeout, delete=delete)
        if found is None:
            raise CallTimeout(process=_asked(request), seconds=timeout)
        return found.answer

    @overload
    @staticmethod
    async def receive_response(request: Ref, timeout: float | None = None) -> Any: ...

    @overload
    @staticmethod
    async def receive_response(
        request: RequestIds, timeout: float | None = None, *, delete: bool = True
    ) -> Answer | None: ...

    @staticmethod
    async def receive_response(
        request: Ref | RequestIds, timeout: float | None = None, *, delete: bool = True
    ) -> Any:
        """Wait for the response to a request; when the time is over the request is abandoned.

        Like `wait_response`, but a response that comes too late is never seen; of a collection all
        requests are abandoned.

        Source: OTP `gen_server:receive_response`.
        """
        found = await _first(request, timeout, delete=delete)
        if found is None:
            error = CallTimeout(process=_asked(request), seconds=timeout)
            request.abandon() if isinstance(request, RequestIds) else abandon(request)
            raise error
        return found.answer

    @overload
    @staticmethod
    def check_response(message: Any, request: Ref) -> Any: ...

    @overload
    @staticmethod
    def check_response(message: Any, request: RequestIds, *, delete: bool = True) -> Answer | Atom | None: ...

    @staticmethod
    def check_response(message: Any, request: Ref | RequestIds, *, delete: bool = True) -> Any:
        """Tell whether a message, of `handle_info` or `receive`, is the response to a request.

        Args:
            message: Any message.
            request: The request's id, or a collection of them.
            delete: Whether a request that was answered is taken out of the collection.

        Returns:
            `NO_REPLY` if it is another message, else the reply. For a collection the `Answer`; None if
            the collection is empty.

        Raises:
            NoProcess, ServerExited: Who was asked is not there, or ended; not for a collection.

        Source: OTP `gen_server:check_response`.
        """
        if isinstance(request, RequestIds):
            if not len(request):
                return None
            answer = request.answer(message, delete=delete)
            return NO_REPLY if answer is None else answer
        kind = message.__class__
        if (kind is not Response and kind is not Down) or message.ref != request:
            return NO_REPLY
        return _value(message)

    @staticmethod
    async def multi_call(
        hosts: Iterable[HostId], name: str, request: Any, timeout: float | None = None
    ) -> tuple[dict[HostId, Any], list[HostId]]:
        """Ask the servers of that name on many hosts at the same time.

        Args:
            hosts: Which hosts.
            name: What the server is called on each.
            request: Given to `handle_call`.
            timeout: Seconds for all of them together, None for no limit.

        Returns:
            The replies by host, and the hosts that gave none: there is no such server, it ended, or it
            was too slow. What comes later is never seen.

        Source: OTP `gen_server:multi_call`.
        """
        wanted = list(hosts)
        replies: dict[HostId, Any] = {}
        requests = RequestIds()
        loop = here().loop
        deadline = None if timeout is None else loop.time() + timeout
        try:
            for host in wanted:
                SendRequest.send_request((name, host), request, label=host, requests=requests)
            while len(requests):
                message = await requests.wait(None if deadline is None else deadline - loop.time())
                if message is None:
                    break
                answer = requests.answer(message, delete=True)
                if answer is not None and answer.response.__class__ is Response:
                    replies[answer.label] = answer.value
        finally:
            requests.abandon()
        return replies, [host for host in wanted if host not in replies]

    @staticmethod
    def abcast(hosts: Iterable[HostId], name: str, request: Any) -> None:
        """Cast to the servers of that name on many hosts; silent where there is none.

        Source: OTP `gen_server:abcast`.
        """
        runtime = here()
        for host in hosts:
            try:
                runtime.send((name, host), CastRequest(request))
            except NoProcess:
                continue


class _Found(NamedTuple):
    """That a wait was not in vain, and what it returns."""

    answer: Any


async def _first(request: Ref | RequestIds, timeout: float | None, *, delete: bool) -> _Found | None:
    """Wait for the first response; None when the time is over."""
    if isinstance(request, RequestIds):
        if not len(request):
            return _Found(None)
        message = await request.wait(timeout)
        return None if message is None else _Found(request.answer(message, delete=delete))
    message = await _response(request, timeout)
    return None if message is None else _Found(_value(message))


def _asked(request: Ref | RequestIds) -> Any:
    """Return who was asked, for a `CallTimeout`."""
    if isinstance(request, RequestIds):
        return f"any of {len(request)} servers"
    pending = here().calls.get(request.number)
    return request if pending is None else pending.name


async def _response(request: Ref, timeout: float | None) -> Response | Down | None:
    process = current()
    message = process.take_response(request.number)
    if message is not None:
        return message
    pending = process.runtime.calls.get(request.number)
    if pending is None or pending.process is not process:
        raise ValueError(f"no response to {request} will come: it was taken, or the request abandoned")
    before, pending.inbox = pending.inbox, Inbox()
    try:
        return await _wait(process, pending.inbox, (request,), timeout)
    finally:
        pending.inbox = before


async def _wait(
    process: Process, inbox: Inbox, requests: Container[Ref], timeout: float | None
) -> Response | Down | None:
    runtime = process.runtime
    future: asyncio.Future[Any] = runtime.loop.create_future()
    inbox.future = future
    timer = None if timeout is None else runtime.timers.start(max(0.0, timeout), _time_is_over, future)
    try:
        message: Response | Down | None = await future
    except asyncio.CancelledError:
        if future.done() and not future.cancelled() and future.result() is not None and process.alive:
            inbox.arrived.appendleft(future.result().ref)  # too late for this wait, not for the next
            runtime.deliver_response(process, future.result())
        raise
    finally:
        inbox.future = None
        if timer is not None:
            runtime.timers.cancel(timer)
    # When the time is over one may still come before this process runs.
    return message or _arrived(process, inbox, requests)


def _time_is_over(future: asyncio.Future[Any]) -> None:
    if not future.done():
        future.set_result(None)


def _arrived(process: Process, inbox: Inbox, requests: Container[Ref]) -> Response | Down | None:
    """Take the first response that came while nobody waited out of the mailbox."""
    while inbox.arrived:
        request = inbox.arrived.popleft()
        message = process.take_response(request.number) if request in requests else None
        if message is not None:
            return message
    return None


def abandon(request: Ref) -> None:
    """Give a request up: what answers it is never seen."""
    process = current()
    pending = process.runtime.calls.get(request.number)
    if pending is not None:
        process.runtime.forget(pending)
    else:
        process.take_response(request.number)


def _value(response: Response | Down) -> Any:
    if isinstance(response, Down):
        if response.reason is NOPROC:
            raise NoProcess(process=response.process)
        raise ServerExited(process=response.process, reason=response.reason)
    value = response.value
    if value.__class__ is Refusal:
        raise refused(value)
    if isinstance(value, CallTimeout):
        raise value
    return value
