"""`roger-actors tree`: the supervision tree, as a file plans it or as a node runs it."""

from __future__ import annotations

from pathlib import Path

import click

from roger_actors.cli.options import file_argument, json_option, name_of, timeout_option
from roger_actors.cli.output import print_json
from roger_actors.cli.tree_drawing import draw, running
from roger_actors.roger import Branch, load, planned


@click.command()
@file_argument
@click.option("--live", is_flag=True, help="Draw the tree of the running node of FILE, or of that name.")
@timeout_option
@json_option
def command(file: Path, live: bool, timeout: float, as_json: bool) -> None:
    """Draw the supervision tree that FILE plans; no node is needed.

    With --live, the tree of the node that runs on this machine: pids and OS processes, restarts, what
    each process has handled and waits for, and the processes outside any tree. Instead of FILE it may be
    the name of the node.
    """
    tree = _running(file, timeout) if live else planned(load(file))
    if as_json:
        print_json(tree.to_mapping())
    else:
        draw(tree)


def _running(file: Path, timeout: float) -> Branch:
    from roger_actors.bootstrap import look_into

    name = name_of(file)
    with look_into(name) as outside:
        return running(name, outside.tree(timeout))
