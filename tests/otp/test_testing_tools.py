"""What users test with: a supervised tree, crashes, kills, and the plugin's fixture."""

from __future__ import annotations

import pytest

from roger_actors.errors import NoProcess, StartFailed
from roger_actors.otp import SHUTDOWN, ChildSpec, ExitProcess, GenServer, Ok, Start, process
from roger_actors.testing import LocalNode, NothingCanMove
from roger_actors.testing.puppet import Puppet


def child(name, journal, **options):
    return ChildSpec(id=name, start=Start(Puppet, name, journal, trap=True, name=name, **options))


def test_a_crashed_process_runs_terminate_and_is_restarted(journal):
    with LocalNode() as node:
        tree = node.supervise([child("a", journal)])
        before = node.whereis("a")

        node.crash("a", ValueError("oops"))

        assert journal[1][:2] == ("stopped", "a")
        assert journal[1][2].message == "oops"
        assert node.children(tree)["a"] == node.whereis("a") != before


def test_a_killed_process_runs_no_terminate_and_is_restarted(journal):
    with LocalNode() as node:
        node.supervise([child("a", journal)])

        node.kill("a")

        assert journal == [("started", "a"), ("started", "a")]


def test_a_process_inside_its_code_crashes_where_it_stands():
    with LocalNode() as node:
        pid = node.spawn(process.sleep, 10.0)
        node.settle()

        node.crash(pid)

        assert node.runtime().find(pid) is None
        node.settle()
        assert not node.lingering()


def test_too_many_crashes_end_the_tree(journal):
    with LocalNode() as node:
        tree = node.supervise([child("a", journal)], max_restarts=1)

        node.crash("a")
        node.crash("a")

        assert node.runtime().find(tree) is None


def test_who_is_not_there_cannot_crash():
    with LocalNode() as node:
        with pytest.raises(NoProcess):
            node.crash("nobody")
        with pytest.raises(NoProcess):
            node.kill("nobody")
        assert node.whereis("nobody") is None


def test_a_tree_that_does_not_start_says_why():
    with LocalNode() as node, pytest.raises(StartFailed):
        node.supervise([ChildSpec(id="a", start=Start(Puppet, begins=lambda: ValueError("no")))])


def test_the_plugin_runs_async_tests_as_processes_and_sees_lingering_code(pytester):
    pytester.makepyfile(
        """
        import asyncio
        from roger_actors import process
        from roger_actors.otp import KILL

        async def test_is_a_trapping_process(local_node):
            pid = process.spawn_link(lambda: process.exit("gone"))
            assert (await process.receive(5)).reason == "gone"

        async def stubborn():
            while True:
                try:
                    await process.sleep(60.0)
                except asyncio.CancelledError:
                    pass

        async def test_leaves_code_behind(local_node):
            pid = process.spawn(stubborn)
            await process.sleep(1.0)
            process.exit(pid, KILL)
        """
    )

    result = pytester.runpytest_subprocess(
        "-p", "roger_actors.testing.pytest_plugin", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"
    )

    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*still running after their processes had ended*stubborn*"])


@pytest.mark.parametrize(
    ("move", "instead"),
    [
        (lambda node: node.supervise([]), "await Supervisor.start_link"),
        (lambda node: node.call("a", "x"), "await GenServer.call"),
        (lambda node: node.children("a"), "await Supervisor.which_children"),
        (lambda node: node.crash("a"), "await GenServer.stop"),
        (lambda node: node.kill("a"), "process.exit"),
        (lambda node: node.run(process.sleep, 1.0), "await the function"),
        (lambda node: node.settle(), "await process.sleep"),
        (lambda node: node.advance(1.0), "await process.sleep"),
        (lambda node: node.start_host(), "in a fixture"),
    ],
)
async def test_what_moves_time_is_refused_in_an_async_test_with_what_to_write_there(node, move, instead):
    with pytest.raises(RuntimeError, match="is for plain functions") as caught:
        move(node)
    assert instead in str(caught.value)


def test_who_waits_for_ever_is_named():
    async def waits_in_vain():
        await process.receive()

    with LocalNode() as node:
        with pytest.raises(NothingCanMove, match=r"waiting: <memory.0.1> in .*waits_in_vain > receive"):
            node.run(waits_in_vain)
        for _ in range(20):
            node.spawn(waits_in_vain)
        with pytest.raises(NothingCanMove, match="and 12 more"):
            node.run(waits_in_vain)


def test_whose_exit_signal_ended_a_run_is_told():
    class Ends(GenServer):
        def init(self):
            return Ok(None)

        def handle_cast(self, request, state):
            return process.exit(SHUTDOWN)

    async def is_linked():
        pid = await Ends.start_link()
        Ends.cast(pid, "end")
        await process.receive()

    with LocalNode() as node:
        with pytest.raises(ExitProcess) as caught:
            node.run(is_linked)
        (note,) = caught.value.__notes__
    assert caught.value.reason is SHUTDOWN
    assert note.startswith("an exit signal of <memory.0.2> ended the process that ran test_whose")
    assert "is_linked" in note
