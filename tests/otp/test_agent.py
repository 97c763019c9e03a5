from __future__ import annotations

import operator

import pytest

from roger_actors.errors import CallTimeout, NameTaken, NoProcess, ServerExited, StartFailed, Undeliverable
from roger_actors.otp import Agent, ChildSpec, Crash, Down, Fault, GenServer, Start, Supervisor, process


def five():
    return 5


async def slowly(state, seconds):
    await process.sleep(seconds)
    return state


def fails(*_):
    raise ValueError("broken")


async def test_an_agent_holds_what_its_function_returned():
    assert await Agent.get(await Agent.start_link(five), int) == 5
    assert await Agent.get(await Agent.start_link(dict, [("a", 1)]), dict.get, "a") == 1


async def test_functions_run_in_the_agents_process():
    agent = await Agent.start_link(process.self)

    assert await Agent.get(agent, lambda first: (first, process.self())) == (agent, agent)


async def test_a_state_is_changed_by_functions_with_arguments():
    agent = await Agent.start_link(five)

    assert await Agent.update(agent, operator.add, 2) is None
    assert await Agent.get_and_update(agent, lambda state, by: (state, state * by), 3) == 7
    Agent.cast(agent, operator.sub, 1)

    assert await Agent.get(agent, int) == 20


async def test_functions_may_be_coroutine_functions():
    agent = await Agent.start_link(slowly, 1, 1.0)

    await Agent.update(agent, slowly, 1.0)
    assert await Agent.get(agent, slowly, 1.0) == 1


async def test_functions_run_one_after_the_other():
    agent = await Agent.start_link(list)

    async def append(state, item, seconds):
        await process.sleep(seconds)
        return [*state, item]

    Agent.cast(agent, append, "slow", 2.0)
    Agent.cast(agent, append, "quick", 0.0)

    assert await Agent.get(agent, list) == ["slow", "quick"]


async def test_a_function_that_raises_ends_the_agent_and_its_caller_is_told():
    agent = await Agent.start(five)
    ref = process.monitor(agent)

    with pytest.raises(ServerExited) as caught:
        await Agent.get(agent, fails)

    assert caught.value.reason.kind == "ValueError"
    assert isinstance((await process.receive()).reason, Crash)
    agent = await Agent.start(five)
    ref = process.monitor(agent)
    Agent.cast(agent, fails)
    down = await process.receive()
    assert isinstance(down, Down)
    assert (down.ref, down.reason.kind) == (ref, "ValueError")


async def test_get_and_update_wants_a_pair():
    agent = await Agent.start(five)

    with pytest.raises(ServerExited) as caught:
        await Agent.get_and_update(agent, int)

    assert caught.value.reason == Fault("bad_return_value", "5")


async def test_a_first_state_that_raises_is_a_failed_start():
    with pytest.raises(StartFailed):
        await Agent.start_link(fails)
    with pytest.raises(StartFailed):
        await Agent.start_link(slowly, 1, 10.0, timeout=1.0)


async def test_an_agent_has_a_name_and_a_place_in_a_tree():
    child = ChildSpec(id="counts", start=Start(Agent, dict, name="counts"))
    await Supervisor.start_link([child, (Agent, five)], strategy="one_for_one")

    await Agent.update("counts", operator.or_, {"a": 1})
    assert await Agent.get("counts", dict.get, "a") == 1
    with pytest.raises(NameTaken):
        await Agent.start_link(five, name="counts")


async def test_stop_ends_an_agent_and_calls_to_it_fail():
    agent = await Agent.start_link(five)

    await Agent.stop(agent)

    with pytest.raises(NoProcess):
        await Agent.get(agent, int)
    Agent.cast("nobody", int)


async def test_a_wait_has_a_limit():
    agent = await Agent.start_link(five)

    with pytest.raises(CallTimeout):
        await Agent.update(agent, slowly, 10.0, timeout=1.0)
    assert await GenServer.get_state(agent, 20.0) == 5


async def keeps():
    await Agent.start_link(five, name="five")
    await process.receive()


def test_functions_travel_between_app_hosts_and_what_cannot_is_refused(node):
    far = node.start_host()
    node.spawn(keeps, host=far)

    async def scenario():
        await Agent.update(("five", far), operator.add, 1)
        assert await Agent.get(("five", far), int) == 6
        with pytest.raises(Undeliverable, match="lambda"):
            await Agent.get(("five", far), lambda state: state)
        with pytest.raises(Undeliverable):
            Agent.cast(("five", far), lambda state: state)

    node.run(scenario, host=node.start_host())

    async def in_the_root_host():
        with pytest.raises(Undeliverable, match="function"):
            await Agent.get(("five", far), five)

    node.run(in_the_root_host)


def test_a_result_that_cannot_travel_is_the_askers_trouble_and_not_the_agents(node):
    far = node.start_host()
    node.spawn(keeps, host=far)

    async def scenario():
        for ask in (Agent.get, Agent.get_and_update):
            with pytest.raises(Undeliverable):
                await ask(("five", far), unportable)
        assert await Agent.get(("five", far), five_more) == 5

    node.run(scenario, host=node.start_host())


def unportable(state):
    return lambda: None, state


def five_more(state):
    return state
