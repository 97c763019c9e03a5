"""`roger-actors tree`: the supervision tree, as planned by a file or as it is on the running nodes."""

from __future__ import annotations

from pathlib import Path

import click

from roger_actors.cli.options import file_argument, json_option
from roger_actors.cli.output import print_json
from roger_actors.cli.tree_drawing import draw
from roger_actors.roger import load, planned


@click.command()
@file_argument
@json_option
def command(file: Path, as_json: bool) -> None:
    """Draw the supervision tree that FILE plans; no node is needed."""
    tree = planned(load(file))
    if as_json:
        print_json(tree.to_mapping())
    else:
        draw(tree)
