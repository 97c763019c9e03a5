from __future__ import annotations

import pytest

from roger_actors.errors import NameTaken, NoProcess, StartFailed
from roger_actors.otp import NORMAL, GenServer, Ignore, Stop, Via, process
from roger_actors.testing.puppet import Puppet


class Names:
    """A registry of a user: a dict."""

    def __init__(self):
        self.known = {}

    def register_name(self, key, pid):
        assert process.is_alive(pid)
        if key in self.known and process.is_alive(self.known[key]):
            return False
        self.known[key] = pid
        return True

    def unregister_name(self, key):
        self.known.pop(key, None)

    def whereis_name(self, key):
        return self.known.get(key)

    def send(self, key, message):
        if key not in self.known:
            raise NoProcess(process=key)
        process.send(self.known[key], message)


async def test_every_use_of_a_target_takes_a_via(journal):
    name = Via(Names(), "a")
    pid = await Puppet.start("a", journal, name=name)

    Puppet.cast(name, ("set", 1))
    process.send(name, "hello")
    process.send_after(0.5, name, "later")
    await process.sleep(1)

    assert process.whereis(name) == pid
    assert await Puppet.call(name, ("state",)) == 1
    request = Puppet.send_request(name, ("state",))
    assert await Puppet.receive_response(request) == 1
    assert (await GenServer.get_status(name))["pid"] == pid
    assert journal[1:] == [("got", "a", "hello"), ("got", "a", "later")]
    ref = process.monitor(name)
    await GenServer.stop(name)
    assert (await process.receive()).ref == ref


async def test_an_unknown_via_is_nobody():
    name = Via(Names(), "nobody")

    Puppet.cast(name, "silent")
    process.send_after(0.1, name, "silent too")
    with pytest.raises(NoProcess):
        process.send(name, "x")
    with pytest.raises(NoProcess) as caught:
        await Puppet.call(name, "x")
    ref = process.monitor(name)
    down = await process.receive()

    assert caught.value.process == name
    assert (down.ref, down.process) == (ref, name)
    assert process.whereis(name) is None


async def test_a_name_that_is_taken_starts_nothing_and_tells_the_holder(journal):
    names = Names()
    first = await Puppet.start(name=Via(names, "a"))

    for start in (Puppet.start, Puppet.start_link, Puppet.start_monitor):
        with pytest.raises(NameTaken) as caught:
            await start("second", journal, name=Via(names, "a"))
        assert caught.value.holder == first
    with pytest.raises(NameTaken):
        process.spawn_link(print, name=Via(names, "a"))

    assert journal == []
    assert process.current().links in (None, set())


@pytest.mark.parametrize("result", [Stop("no"), Ignore(), ValueError("x"), None])
@pytest.mark.parametrize("waits", [False, True])
async def test_a_start_that_fails_gives_the_name_back(result, waits):
    class Fails(GenServer):
        def init(self):
            return self.later() if waits else self.now()

        async def later(self):
            await process.sleep(1)
            return self.now()

        def now(self):
            if isinstance(result, Exception):
                raise result
            return result

    names = Names()
    if isinstance(result, Ignore):
        assert await Fails.start_link(name=Via(names, "a")) is None
    else:
        with pytest.raises(StartFailed):
            await Fails.start_link(name=Via(names, "a"))

    assert names.known == {}


async def test_a_registry_that_raises_leaves_no_process_behind(journal):
    class Broken(Names):
        def register_name(self, key, pid):
            raise OSError("no registry today")

    before = len(process.here().processes)
    with pytest.raises(OSError, match="today"):
        await Puppet.start_link("a", journal, name=Via(Broken(), "a"))

    assert journal == []
    assert len(process.here().processes) == before
    assert process.current().links in (None, set())


async def test_what_is_no_registry_is_refused_when_the_name_is_made():
    with pytest.raises(TypeError, match=r"has no register_name$"):
        Via(object, "a")
    with pytest.raises(TypeError, match=r"has no register_name; write Registry.via\('tenants', 'a'\)$"):
        Via("tenants", "a")


def test_a_via_names_a_process_of_another_host(node):
    far = node.spawn(process.receive, host=node.start_host())
    names = Names()
    names.known["far"] = far

    node.run(end_by_name, Via(names, "far"), far)


async def end_by_name(name, far):
    ref = process.monitor(name)
    process.send(name, "end")

    down = await process.receive()
    assert (down.ref, down.process, down.reason) == (ref, far, NORMAL)
