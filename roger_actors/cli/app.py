"""The command `roger-actors`: finds the subcommand, turns errors into one line and a status.

Exit status: 0 done, 1 it failed, 2 the command line or the configuration is wrong, 130 interrupted.
A command is imported when it is called, so that `--help` and `check` stay quick.
"""

from __future__ import annotations

import difflib
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Final

import click
from click.exceptions import NoArgsIsHelpError

from roger_actors.cli.output import clean
from roger_actors.errors import ConfigError, InvalidConfig, RogerActorsError
from roger_actors.settings import placed

COMMANDS: Final = {
    "run": "Start a node from a supervision-tree file and stay until it ends.",
    "check": "Say everything that is wrong with a supervision-tree file.",
    "schema": "Print the JSON Schema of the supervision-tree file, for editors.",
    "tree": "Draw the supervision tree, planned or live.",
    "top": "Watch a running node's hosts and its busiest processes.",
    "process": "Look at one running process: its status, its messages; suspend and resume it.",
    "kill-host": "Kill one OS process of a running node; its supervisor starts it anew.",
    "enqueue": "Put a job into a partition's queue.",
    "cancel": "Cancel a job, waiting or running.",
    "status": "Say where a job is, or wait for its end.",
    "info": "Show the nodes, their partitions, queues and running jobs.",
    "health": "Say whether a node of this machine is ready, or live; for probes.",
    "partitions": "Start, stop, reconfigure and delete partitions at run time.",
    "pause": "Stop starting the jobs of a queue.",
    "resume": "Start the jobs of a paused queue again.",
    "buried": "Look at jobs that failed for good; requeue, edit or delete them.",
    "queues": "Find queues that are declared otherwise than wanted, and mend them.",
    "quarantine": "Look at payloads nobody could take; requeue or delete them.",
    "parked": "Look at jobs of classes or versions that no running node knows.",
    "demo": "Run two tenants through crashes and count what was lost.",
    "bench": "Measure this project beside its peers.",
}
"""Every command with its line in `--help`; each is `command` of the module of its name."""


class _Commands(click.Group):
    """The group that imports a command when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Answer a misspelt command with the one that was probably meant."""
        near = difflib.get_close_matches(args[0], COMMANDS, n=1)
        if args[0] not in COMMANDS and near:
            ctx.fail(f"No such command '{args[0]}'. Did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = importlib.import_module(
            f"roger_actors.cli.commands.{cmd_name.replace('-', '_')}"
        ).command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="FILE is a supervision-tree file; without one, $ROGER_CONFIG or roger.toml is taken.",
)
@click.version_option(package_name="roger-actors", prog_name="roger-actors", message="%(prog)s %(version)s")
def roger_actors() -> None:
    """Supervised processes and multi-tenant jobs on RabbitMQ, or on a single file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: What follows the program's name; None for the process's own.

    Returns:
        The exit status.
    """
    _import_from_here()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that knows no `└` is no failure
    try:
        status = roger_actors.main(
            None if arguments is None else list(arguments), "roger-actors", standalone_mode=False
        )
    except (click.ClickException, RogerActorsError) as error:
        return _failed(error)
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        return _reader_gone()
    return status if isinstance(status, int) else 0


def _failed(error: click.ClickException | RogerActorsError) -> int:
    match error:
        case NoArgsIsHelpError():
            print(error.format_message())
            return 2
        case click.ClickException():
            return _say([_usage(error)], 2 if isinstance(error, click.UsageError) else 1)
        case InvalidConfig():
            return _say(placed(error), 2)
        case _:
            return _say([str(error)], 2 if isinstance(error, ConfigError) else 1)


def _import_from_here() -> None:
    """Let job modules be found in the working directory, as `python -m` does."""
    if not sys.flags.safe_path and "" not in sys.path and os.getcwd() not in sys.path:  # noqa: PTH109 - as text
        sys.path.insert(0, os.getcwd())  # noqa: PTH109


def _say(lines: Sequence[str], status: int) -> int:
    for line in lines:
        print(f"error: {clean(' '.join(line.split()))}", file=sys.stderr)
    return status


def _usage(error: click.ClickException) -> str:
    message = error.format_message().rstrip(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return message if context is None else f"{message} (see '{context.command_path} --help')"


def _reader_gone() -> int:
    """End quietly when the reader of a pipe has seen enough."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
