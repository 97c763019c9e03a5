"""Handlers are users' code: whatever they raise, the process that logs goes on."""

from __future__ import annotations

import logging

import pytest

from roger_actors.errors import StartFailed
from roger_actors.otp import SHUTDOWN, ChildSpec, Exit, ExitProcess, GenServer, Start, Supervisor, process
from roger_actors.testing.puppet import Puppet, end


class Raising(logging.Handler):
    def __init__(self, error):
        super().__init__()
        self.error = error

    def emit(self, record):
        raise self.error


@pytest.fixture(params=[RuntimeError("handler"), ExitProcess("handler"), SystemExit("handler")], autouse=True)
def raising(request):
    handler = Raising(request.param)
    logger = logging.getLogger("roger_actors")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)


async def test_a_crash_that_cannot_be_logged_ends_the_server_as_any_other(journal, capsys):
    server = await Puppet.start_link("a", journal, trap=True)

    Puppet.cast(server, ("exit", "crash"))

    assert await process.receive() == Exit(server, "crash")
    assert ("stopped", "a", "crash") in journal
    assert "handler" in capsys.readouterr().err


async def test_a_supervisor_restarts_although_it_cannot_report():
    sup = await Supervisor.start_link(
        [ChildSpec(id="a", start=Start(Puppet))], strategy="one_for_one", max_restarts=1
    )
    before = (await Supervisor.which_child(sup, "a")).pid

    await end(before, "crash")

    after = (await Supervisor.which_child(sup, "a")).pid
    assert after not in {None, before}
    await end(after, "crash")
    assert await process.receive() == Exit(sup, SHUTDOWN)


async def test_a_failed_start_that_cannot_be_logged_is_a_failed_start():
    class Broken(GenServer):
        def init(self):
            raise ValueError("no init")

    with pytest.raises(StartFailed, match="no init"):
        await Broken.start_link()


async def test_a_function_that_crashes_ends_although_it_cannot_be_logged():
    def crashes():
        raise ValueError("x")

    pid = process.spawn_link(crashes)

    assert (await process.receive()).pid == pid


async def test_a_stray_message_that_cannot_be_logged_is_harmless():
    sup = await Supervisor.start_link([], strategy="one_for_one")

    process.send(sup, "stray")

    assert await Supervisor.which_children(sup) == []


async def test_arguments_that_cannot_be_shown_are_harmless():
    class Hidden:
        def __repr__(self):
            raise ValueError("nothing to see")

    sup = await Supervisor.start_link(
        [ChildSpec(id="a", start=Start(Puppet, Hidden()))], strategy="one_for_one"
    )
    before = (await Supervisor.which_child(sup, "a")).pid

    await end(before, "crash")

    assert (await Supervisor.which_child(sup, "a")).pid != before
