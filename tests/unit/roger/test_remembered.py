"""What a node was told at run time, and its configuration."""

from __future__ import annotations

from roger_actors.roger.partition.remembered import Remembered, still_stands

FILE = {"acme": {"default": 2}}
TOLD = {"acme": {"default": 5}, "beta": {"default": 1}}


def test_what_was_told_at_run_time_stands_while_the_configuration_is_the_same() -> None:
    assert still_stands(Remembered(FILE, TOLD), FILE) == TOLD


def test_a_configuration_that_was_edited_wins() -> None:
    assert still_stands(Remembered(FILE, TOLD), {"acme": {"default": 3}}) is None


def test_a_node_that_was_told_nothing_runs_its_configuration() -> None:
    assert still_stands(None, FILE) is None
