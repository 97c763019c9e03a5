"""Every `async def` test here runs as a trapping process of a node whose time is virtual."""

from __future__ import annotations

import inspect

import pytest

from roger_actors.otp import process
from roger_actors.testing.local_node import LocalNode


@pytest.fixture
def node():
    with LocalNode() as local:
        yield local
        assert local.loop.is_closed() or not local.runtime().lingering


@pytest.fixture
def journal():
    return []


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def body():
        process.trap_exit()
        await pyfuncitem.obj(**arguments)

    given = arguments.get("node")
    if given is not None:
        given.run(body)
    else:
        with LocalNode() as local:
            local.run(body)
    return True
