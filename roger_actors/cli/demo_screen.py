"""What the demo shows: bars that move on a terminal, lines in a pipe, tables at the end."""

from __future__ import annotations

import re
from types import TracebackType
from typing import Final, Self

import attrs
from rich import box
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from roger_actors.cli.output import clean, print_table, stdout
from roger_actors.cli.tree_drawing import draw, running
from roger_actors.demo.checker import Counts
from roger_actors.demo.log import Entry
from roger_actors.demo.run import Outcome, Progress, Settings

BAR: Final = 32
"""Columns of a progress bar."""
FAULTS_SHOWN: Final = 20
"""Faults that are listed before the rest is only counted."""
_ENDED_ELSEWHERE: Final = ("signal", "status", "timeout")
_STYLES: Final = {"failed": "yellow", "buried": "red", "cancelled": "magenta"}
_COLUMNS: Final = (
    *("tenant", "enqueued#", "refused#", "done#", "retried#"),
    *("failed#", "cancelled#", "buried#", "lost#"),
)


class Screen:
    """Shows a run while it goes on; a context manager.

    Args:
        quiet: Show nothing.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._console = stdout()
        self._live: Live | None = None
        self._phase = ""

    def __enter__(self) -> Self:
        """Begin."""
        if self._console.is_terminal and not self._quiet:
            self._live = Live(console=self._console, refresh_per_second=12, transient=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last state standing."""
        if self._live is not None:
            self._live.stop()

    def begin(self, settings: Settings) -> None:
        """Say what will be run."""
        if not self._quiet:
            broker = "the given broker" if settings.broker else "embedded broker"
            self._console.print(
                Text.assemble(
                    ("roger-actors demo", "bold"),
                    (f"  {settings.jobs} jobs and some trouble, {broker}, seed {settings.seed}", "dim"),
                )
            )

    def show(self, progress: Progress) -> None:
        """Show how far the run is."""
        if self._quiet:
            return
        if progress.phase != self._phase:
            self._phase = progress.phase
            self._say(progress.elapsed, Text(progress.phase, "bold"))
        for entry in progress.news:
            self._say(progress.elapsed, _event(entry))
        if self._live is not None:
            self._live.update(_bars(progress))

    def _say(self, elapsed: float, line: Text) -> None:
        """Print a line above the bars; on a terminal, one that is too long ends in `…`."""
        text = Text(f"{elapsed:5.1f} s  ", "dim").append_text(line)
        is_terminal = self._console.is_terminal
        self._console.print(text, no_wrap=True, overflow="ellipsis" if is_terminal else "ignore")


def _event(entry: Entry) -> Text:
    """Return a line about something that a job did not survive."""
    why = entry.detail
    if entry.kind in _ENDED_ELSEWHERE:
        why = re.sub(r"^job \S+ |did not end by itself: its worker host ", "", why)
    return Text.assemble(
        (f"{entry.partition:<7} ", "bold"),
        f"{entry.name:<13}",
        (f"{entry.what:<10}", _STYLES.get(entry.what, "")),
        (clean(why), "dim"),
    )


def _bars(progress: Progress) -> Group:
    grid = Table.grid(padding=(0, 2))
    for tenant, planned in progress.planned.items():
        counts = progress.verdict.tenants.get(tenant, Counts())
        ended = counts.enqueued - counts.lost + counts.refused
        grid.add_row(
            Text(tenant, "bold"),
            ProgressBar(total=planned, completed=ended, width=BAR),
            Text(f"{ended}/{planned}"),
            Text(f"{counts.retried} retried", "yellow" if counts.retried else "dim"),
        )
    return Group(Text(), grid, Text(f"{progress.elapsed:.1f} s  {progress.phase}", "dim"))


def print_outcome(outcome: Outcome) -> None:
    """Print the supervision tree, the table, and what the checker says."""
    console = stdout()
    console.print()
    draw(running("demo", outcome.tree))
    console.print()
    _print_tenants(console, outcome)
    for line in _lines(outcome):
        console.print(line)
    if outcome.node_log:
        _print_node_log(console, outcome.node_log)


def _print_tenants(console: Console, outcome: Outcome) -> None:
    rows = [(tenant, *attrs.astuple(counts)) for tenant, counts in sorted(outcome.verdict.tenants.items())]
    if not console.is_terminal:
        print_table(_COLUMNS, rows, "nothing was enqueued")
        return
    table = Table(box=box.SIMPLE_HEAD, collapse_padding=True, pad_edge=False, header_style="bold")
    for column in _COLUMNS:
        table.add_column(column.rstrip("#"), justify="right" if column.endswith("#") else "left")
    for row in rows:
        *figures, lost = row
        table.add_row(
            *(str(figure) for figure in figures), Text(str(lost), "bold red" if lost else "bold green")
        )
    console.print(table)


def _lines(outcome: Outcome) -> list[Text]:
    verdict = outcome.verdict
    lost = verdict.lost
    return [
        _line(lost == 0, f"{lost} lost; decided by two logs, the enqueuer's and the jobs', not by the node"),
        *(_line(False, f"{fault.job} {fault.what}".strip()) for fault in verdict.faults[:FAULTS_SHOWN]),
        *_more(len(verdict.faults) - FAULTS_SHOWN),
        _line(True, f"{len(verdict.again)} ran twice" + (", as the docs allow" if verdict.again else "")),
        _tampering(outcome),
        *(_line(False, f"not noticed: a line {each.what!r} {each.how}") for each in outcome.unnoticed),
        *([] if outcome.cancelled_after is None else [_cancel(outcome.cancelled_after)]),
        *(_line(False, f"left behind: {what}") for what in outcome.left),
        *([] if outcome.left else [_line(True, "nothing left behind: no process, no subprocess, no file")]),
        Text(f"{outcome.jobs_seconds:.1f} s for the jobs, {outcome.seconds:.1f} s in all", "dim"),
    ]


def _tampering(outcome: Outcome) -> Text:
    if not outcome.tampering:
        return _line(False, "the checker was not tried: the run was not clean")
    noticed = len(outcome.tampering) - len(outcome.unnoticed)
    text = f"the checker noticed {noticed} of {len(outcome.tampering)} lines removed or doubled to try it"
    return _line(not outcome.unnoticed, text)


def _cancel(seconds: float) -> Text:
    return _line(True, f"a running job and its subprocess were gone {seconds * 1000:.0f} ms after cancel")


def _line(good: bool, text: str) -> Text:
    mark = ("✓ ", "bold green") if good else ("✗ ", "bold red")
    return Text.assemble(mark, clean(text))


def _more(count: int) -> list[Text]:
    return [_line(False, f"and {count} more faults")] if count > 0 else []


def _print_node_log(console: Console, log: str) -> None:
    console.print(Text("\nthe end of the node's log:", "bold"))
    console.print(Text(clean(log), "dim"))
