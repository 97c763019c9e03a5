"""What users test with: a supervised tree, crashes, kills, and the plugin's fixture."""

from __future__ import annotations

import pytest

from roger_actors.errors import NoProcess, StartFailed
from roger_actors.otp import ChildSpec, Start, process
from roger_actors.testing import LocalNode
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
