"""Asking all nodes: when the answers are taken to be all there are."""

from __future__ import annotations

import asyncio

import pytest

from roger_actors.roger.system import call
from roger_actors.roger.system.call import collect
from roger_actors.roger.system.message import Answer


def answers_to(*answers: Answer, timeout: float = 0.05, alive: set[str] = frozenset()):
    async def who_lives(_: float):
        return set(alive)

    async def ask():
        arrived: asyncio.Queue[Answer] = asyncio.Queue()
        for answer in answers:
            arrived.put_nowait(answer)
        return await collect(arrived, timeout, who_lives)

    return asyncio.run(ask())


def test_the_answers_of_all_who_are_alive_are_waited_for_and_no_longer() -> None:
    told = answers_to(
        Answer("1", "a", ["a", "b"], "pong"), Answer("1", "b", ["b"], None, "busy"), timeout=60.0
    )

    assert (told.values, told.errors, told.missing) == ({"a": "pong"}, {"b": "busy"}, ())


@pytest.mark.roger_fault("call without a limit")
def test_a_node_that_does_not_answer_is_waited_for_until_the_limit_and_named() -> None:
    told = answers_to(Answer("1", "a", ["a", "b", "c"], "pong"))

    assert (told.values, told.missing) == ({"a": "pong"}, ("b", "c"))


@pytest.mark.roger_fault("call without a limit")
def test_where_nobody_answers_the_answer_is_empty() -> None:
    told = answers_to()

    assert (told.values, told.errors, told.missing) == ({}, {}, ())


@pytest.mark.roger_fault("call without a limit")
def test_a_node_that_is_found_dead_meanwhile_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "LOST_AFTER", 0.01)

    told = answers_to(Answer("1", "a", ["a", "b"], "pong"), timeout=60.0, alive={"a"})

    assert (told.values, told.missing) == ({"a": "pong"}, ())
