"""`roger-actors kill-host`: the end of one OS process of a node, for one that hangs."""

from __future__ import annotations

import click

from roger_actors.cli.options import json_option, node_option
from roger_actors.cli.output import print_done, print_json


@click.command()
@click.argument("host", type=click.IntRange(1))
@node_option
@json_option
def command(host: int, node: str, as_json: bool) -> None:
    """Kill the OS process of HOST, a number that `top` shows, with all that it started.

    Its supervisor is told as of any death, and starts it anew; the rest of the node goes on. Jobs that
    ran there run again.
    """
    from roger_actors.bootstrap import look_into

    with look_into(node) as outside:
        info = outside.hosts().get(host, {})
        outside.kill_host(host)
    if as_json:
        print_json({"host": host, "role": info.get("role"), "os_pid": info.get("os_pid")})
    else:
        print_done(f"killed host {host} ({info.get('role')}, OS process {info.get('os_pid')})")
