"""`roger-actors bench`: the measurements of `benchmarks/`, from a checkout of the repository."""

from __future__ import annotations

import importlib.util
import os
import sys

import click


@click.command(
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    options_metavar="",
)
@click.argument("arguments", metavar="[NAME]... [OPTION]...", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> None:
    """Measure this project and its peers side by side, in one run.

    NAME is transport, processes, restarts, supervisors, jobs, enqueue, latency or all. It needs a checkout
    of the repository with its development environment; `bench -- --help` lists the options
    (--quick, --out, --page ...).
    """
    if importlib.util.find_spec("benchmarks") is None:
        raise click.ClickException(
            "there is no package 'benchmarks' here; the benchmarks are in the repository, not in the wheel"
        )
    sys.stdout.flush()
    given = arguments[1:] if arguments[:1] == ("--",) else arguments
    os.execv(sys.executable, [sys.executable, "-m", "benchmarks", *(given or ("all",))])  # noqa: S606
