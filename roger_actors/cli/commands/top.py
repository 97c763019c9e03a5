"""`roger-actors top`: a running node's hosts and its busiest processes, again and again."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import click
from rich.live import Live

from roger_actors.cli import top_view
from roger_actors.cli.options import file_argument, json_option, name_of, timeout_option
from roger_actors.cli.output import print_json, print_table, stdout
from roger_actors.otp import Outside


@click.command()
@file_argument
@click.option("--once", is_flag=True, help="Print one look, as where the output is no terminal.")
@click.option("--sort", type=click.Choice(top_view.SORTS), default="mailbox", show_default=True)
@click.option(
    "-n", "--count", type=click.IntRange(1), default=40, show_default=True, help="Processes shown once."
)
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 3600.0),
    default=1.0,
    show_default=True,
    help="Seconds between two looks, over which rates are measured.",
)
@timeout_option
@json_option
def command(
    *, file: Path, once: bool, sort: str, count: int, interval: float, timeout: float, as_json: bool
) -> None:
    """Watch the running node of FILE, or of that name: its hosts and its busiest processes.

    A host that does not answer is shown with since when, what the operating system sees of it, and the
    callback or function that holds it; `roger-actors kill-host` ends it. Rates are messages handled.
    """
    from roger_actors.bootstrap import look_into

    name = name_of(file)
    with look_into(name) as outside:
        looks = _Looks(outside, name, sort, timeout)
        if as_json or once or not stdout().is_terminal:
            looks.take()
            threading.Event().wait(interval)
            _print(looks.take(), count, as_json=as_json)
        else:
            _watch(looks, interval)


class _Looks:
    """Takes one look after the other, each with rates since the last."""

    def __init__(self, outside: Outside, name: str, sort: str, timeout: float) -> None:
        self._outside = outside
        self._name = name
        self._sort = sort
        self._timeout = timeout
        self._before: dict[str, Any] | None = None

    def take(self) -> dict[str, Any]:
        order = "handled" if self._sort in {"rate", "handled"} else "mailbox"
        now = self._outside.top(1000, order, self._timeout)
        view = top_view.view_of(self._name, now, self._before, self._sort)
        self._before = now
        return view


def _print(view: dict[str, Any], count: int, *, as_json: bool) -> None:
    if as_json:
        print_json({**view, "processes": view["processes"][:count]})
        return
    print(top_view.summary(view))
    print()
    print_table(top_view.HOSTS, top_view.host_rows(view), "no hosts")
    print()
    print_table(top_view.PROCESSES, top_view.process_rows(view, count), "no processes")


def _watch(looks: _Looks, interval: float) -> None:
    console = stdout()
    pause = threading.Event()
    try:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(top_view.screen(looks.take(), console.height), refresh=True)
                pause.wait(interval)
    except KeyboardInterrupt:
        return  # the way to end it
