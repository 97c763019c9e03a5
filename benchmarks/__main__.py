"""`python -m benchmarks NAME [--quick] [--out DIR]`: run, print, write JSON, draw."""

from __future__ import annotations

import importlib
import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import click
from rich.console import Console
from rich.table import Table

from benchmarks.harness import BenchmarkFailed, Plan, Prepare, Sample, run, settings_line
from benchmarks.page import write_page
from benchmarks.plot import draw
from benchmarks.rabbitmq import broker
from benchmarks.summary import format_number, format_spread, result_document

NAMES = ("transport", "processes", "restarts", "supervisors", "jobs", "enqueue", "latency", "partitions")
ON_RABBITMQ = ("jobs", "enqueue", "latency", "partitions")
DEFAULT_OUT = Path("benchmarks/results")

console = Console()


@click.command()
@click.argument("names", nargs=-1, required=True, type=click.Choice([*NAMES, "all"]))
@click.option("--quick", is_flag=True, help="One short repetition: under 30 s per benchmark.")
@click.option("--repetitions", type=click.IntRange(1), help="Repetitions of each contender.")
@click.option("--only", multiple=True, help="Only contenders whose name contains this (repeatable).")
@click.option("--broker", "broker_url", help="amqp:// URL of a RabbitMQ to use instead of a private one.")
@click.option(
    "--out", type=click.Path(path_type=Path), default=DEFAULT_OUT, help="Where results are written."
)
@click.option("--page", is_flag=True, help="Write plots and page of the docs from the results in --out.")
def main(  # noqa: PLR0917 - click hands over each option by name
    names: tuple[str, ...],
    quick: bool,
    repetitions: int | None,
    only: tuple[str, ...],
    broker_url: str | None,
    out: Path,
    page: bool,
) -> None:
    """Measure ours and others side by side; NAME is a benchmark, or `all`."""
    plan = Plan(quick=quick, repetitions=repetitions, broker_url=broker_url, only=only)
    out.mkdir(parents=True, exist_ok=True)
    failed = _run_all(_expanded(names), plan, out)
    if page:
        write_page(out, Path("docs/pages"))
    if failed:
        console.print(f"[red]failed: {', '.join(failed)}[/red]")
        sys.exit(1)


def _run_all(names: list[str], plan: Plan, out: Path) -> list[str]:
    with ExitStack() as stack:
        if sum(name in ON_RABBITMQ for name in names) > 1:
            plan = attrs.evolve(plan, broker_url=stack.enter_context(broker(plan)))
        return [name for name in names if not _run_one(name, plan, out)]


def _expanded(names: tuple[str, ...]) -> list[str]:
    return list(NAMES) if "all" in names else list(dict.fromkeys(names))


def _run_one(name: str, plan: Plan, out: Path) -> bool:
    prepare: Prepare = importlib.import_module(f"benchmarks.{name}").prepare
    with prepare(plan) as benchmark:
        console.print(f"[bold]{benchmark.title}[/bold]")
        series = run(benchmark, plan, _print_sample)
    document = result_document(benchmark, series, quick=plan.quick)
    (out / f"{name}.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    if document["contenders"]:
        draw(document, out)
        _print_table(document)
    return not series.has_failures


def _print_sample(contender: str, repetition: int, sample: Sample | BenchmarkFailed) -> None:
    if isinstance(sample, BenchmarkFailed):
        console.print(
            f"  {repetition}  {contender}: failed: {sample}", style="red", markup=False, highlight=False
        )
        return
    values = ", ".join(f"{key} {format_number(value)}" for key, value in sample.figures.items())
    checks = settings_line(sample.checks)
    console.print(
        f"  {repetition}  {contender}: {values}" + (f"  ({checks})" if checks else ""), highlight=False
    )


def _print_table(document: dict[str, Any]) -> None:
    table = Table(title=document["title"], title_justify="left")
    table.add_column("", no_wrap=True)
    for figure in document["figures"]:
        table.add_column(f"{figure['label']}\n{figure['unit']}", justify="right")
    for contender in document["contenders"]:
        cells = [format_spread(contender["figures"].get(figure["key"])) for figure in document["figures"]]
        table.add_row(contender["name"], *cells)
    console.print(table)
    for contender in document["contenders"]:
        console.print(f"{contender['name']}: {settings_line(contender['settings'])}", highlight=False)
    for goal in document["goals"]:
        console.print(
            f"{goal['figure']}: {goal['ours']} / {goal['other']} = {goal['ratio']['median']:.2f}"
            f" ({goal['ratio']['minimum']:.2f}–{goal['ratio']['maximum']:.2f}),"
            f" wanted {goal['factor']}: {_verdict(goal)}"
        )
    for bound in document["bounds"]:
        console.print(
            f"{bound['figure']}: {bound['ours']} = {format_spread(bound['measured'])},"
            f" wanted at most {format_number(bound['at_most'])}: {_verdict(bound)}"
        )


def _verdict(wanted: dict[str, Any]) -> str:
    return "[green]reached[/green]" if wanted["reached"] else "[red]not reached[/red]"


if __name__ == "__main__":
    main()
