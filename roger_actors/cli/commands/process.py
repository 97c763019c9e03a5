"""`roger-actors process`: one running process, asked as Erlang's `sys` asks."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import click
from rich.text import Text

from roger_actors.cli.options import json_option, node_option
from roger_actors.cli.output import clean, print_done, print_facts, print_json_line, stdout


@click.group()
def command() -> None:
    """Look at one running process of a node.

    PROCESS is a pid as `top` and `tree --live` show it (`<shop.3.17>`, or 3.17), or a registered name;
    NAME@HOST, with the number or role of a host, where several have that name. The node is that of the
    file, or of --node.
    """


@command.command()
@click.argument("process")
@node_option
@json_option
def status(process: str, node: str, as_json: bool) -> None:
    """Show what a server is and holds, as its `format_status` lets it be shown."""
    from roger_actors.bootstrap import look_into

    with look_into(node) as outside:
        found = outside.status(process)
    if as_json:
        print_json_line(found)
    else:
        print_facts(found)


@command.command()
@click.argument("process")
@node_option
def suspend(process: str, node: str) -> None:
    """Let a server's messages queue up until `process resume`; none is lost."""
    from roger_actors.bootstrap import look_into

    with look_into(node) as outside:
        outside.suspend(process)
    print_done(f"suspended {process}")


@command.command()
@click.argument("process")
@node_option
def resume(process: str, node: str) -> None:
    """Let a suspended server go on with what has queued up."""
    from roger_actors.bootstrap import look_into

    with look_into(node) as outside:
        outside.resume(process)
    print_done(f"resumed {process}")


@command.command()
@click.argument("process")
@click.option("-n", "--count", type=click.IntRange(1), help="End after so many events.")
@click.option(
    "--length", type=click.IntRange(10, 10_000), default=200, show_default=True, help="Characters shown."
)
@node_option
@json_option
def trace(process: str, count: int | None, length: int, node: str, as_json: bool) -> None:
    """Print what a process receives, answers, sends and becomes, until it ends or Ctrl-C.

    With --json, one object on each line.
    """
    from roger_actors.bootstrap import look_into

    begun: float | None = None
    signal.signal(signal.SIGTERM, _terminated)
    with look_into(node) as outside:
        events = outside.trace(process, length)
        try:
            for event in _first(events, count):
                begun = event.get("at", 0.0) if begun is None else begun
                if as_json:
                    print_json_line(event)
                else:
                    _print(event, begun)
        except KeyboardInterrupt:
            pass  # the way to end it
        finally:
            events.close()


def _terminated(number: int, _: object) -> NoReturn:
    """End in order: the trace is to end with the command."""
    raise SystemExit(128 + number)


def _first(events: Iterator[dict[str, Any]], count: int | None) -> Iterator[dict[str, Any]]:
    """Give so many events, without the signs that nothing happens."""
    given = 0
    for event in events:
        if event:
            yield event
            given += 1
        if given == count:
            return


def _print(event: Mapping[str, Any], begun: float) -> None:
    if "dropped" in event:
        stdout().print(Text(f"{event['dropped']} events came too fast and were dropped", style="yellow"))
        return
    line = Text.assemble(
        (f"{event['at'] - begun:9.3f}  ", "dim"), (f"{event['kind']:<9}  ", "bold"), clean(event["text"])
    )
    if event["peer"] is not None:
        line.append(f"  {'from' if event['kind'] == 'received' else 'to'} {clean(event['peer'])}", "dim")
    stdout().print(line, soft_wrap=True)
