"""One text for what both players say, so that two traces can be compared line by line.

Where OTP promises no order, none is compared: children that lost their supervisor end while its own
supervisor goes on (`orphans`), and a `simple_one_for_one` supervisor stops all its children at once.
Progress reports are compared only where a scenario asks for them (`"progress": true`): line 219 took most of
them away.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from typing import Any

from .scenario import Data, written

Step = dict[str, Any]
DETAIL_IS_TEXT = ("invalid_", "duplicate_child_name")
"""Faults whose detail is compared, where it is a word."""
NAME_ONLY = (
    *("bad_combination", "bad_return", "bad_return_value", "bad_start_spec", "badarg"),
    *("invalid_child_spec", "invalid_mfa", "invalid_module", "invalid_modules", "invalid_type"),
    *("missing_id", "missing_start"),
)
"""Errors of which only the name is compared: their details are terms of one language."""


def readable(scenario: Data, raw: list[Data]) -> list[Step]:
    """Return a player's raw trace as steps of text: `do`, `events`, `orphans`, `answers`, `children`."""
    steps = [{"do": "start"}, *scenario["steps"]]
    simple = set(_simple_labels(scenario))
    dead: set[str] = set()
    parents: dict[str, str] = {}
    return [
        _step(step, told, parents, dead, simple, progress=scenario.get("progress", False))
        for step, told in zip(steps, raw, strict=True)
    ]


def _simple_labels(scenario: Data) -> Iterator[str]:
    return (step["label"] for step in scenario["steps"] if step["do"] == "start_child" and "label" in step)


def _step(
    step: Data, told: Data, parents: dict[str, str], dead: set[str], simple: set[str], *, progress: bool
) -> Step:
    ordered: list[list[Any]] = []
    orphans: list[tuple[str, list[Any]]] = []
    for event in told["events"]:
        if event[0] == "report" and event[2] == "progress" and not progress:
            continue
        if event[0] == "start":
            parents[event[1]] = event[2]
        family = _orphan_above(event, parents, dead)
        if family is None:
            ordered.append(event)
        else:
            orphans.append((family, event))
        if event[0] == "exit":
            dead.add(event[1])
    found: Step = {"do": written(step), "events": [_event(event) for event in _unordered(ordered, simple)]}
    if orphans:
        # What happens below one of them stays in order.
        found["orphans"] = [_event(event) for _, event in sorted(orphans, key=operator.itemgetter(0))]
    if told["answers"]:
        answers = [(answer["n"], _of_no_order(answer["value"])) for answer in told["answers"]]
        found["answers"] = [f"{number}: {text(value)}" for number, value in answers]
    found["children"] = {name: _children(told["children"][name]) for name in sorted(told["children"])}
    return found


# ------------------------------------------------------------------------------------------------ orders


def _subject(event: list[Any]) -> str:
    """Return the process that an event happens in."""
    return event[2] if event[0] in {"start", "fail", "ignore", "hold"} else event[1]


def _orphan_above(event: list[Any], parents: dict[str, str], dead: set[str]) -> str | None:
    """Return the nearest process, from the event's own upwards, whose supervisor is dead; None without."""
    name = _subject(event)
    while name in parents:
        if parents[name] in dead:
            return name
        name = parents[name]
    return None


def _unordered(events: list[list[Any]], simple: set[str]) -> list[list[Any]]:
    """Sort runs of ends of children that are stopped all at once."""

    def at_once(event: list[Any]) -> bool:
        """Return whether that is such an end."""
        return event[0] in {"terminate", "exit"} and event[1].split("#")[0] in simple

    sorted_: list[list[Any]] = []
    for is_run, group in itertools.groupby(events, at_once):
        run = list(group)
        sorted_ += sorted(run, key=lambda event: event[1]) if is_run else run
    return sorted_


# ------------------------------------------------------------------------------------------------- texts


def _event(event: list[Any]) -> str:
    match event:
        case ["report", supervisor, kind, child, reason]:
            return f"{supervisor} reports {kind}: {text(child)}" + (
                "" if kind == "progress" else f" {text(reason)}"
            )
        case ["start", name, parent]:
            return f"{parent} starts {name}"
        case ["fail", label, parent, reason]:
            return f"{parent} fails to start {label}: {text(reason)}"
        case ["ignore" | "hold" as how, label, parent]:
            return f"{parent} starts {label}: {how}"
        case ["terminate", name, reason]:
            return f"{name} terminates: {text(reason)}"
        case ["exit", name, reason]:
            return f"{name} exits: {text(reason)}"
    raise ValueError(event)


def _of_no_order(answer: Any) -> Any:
    """Sort what which_children says of children without ids."""
    is_list = (
        isinstance(answer, list)
        and answer
        and all(isinstance(it, list) and it[:1] == ["undefined"] for it in answer)
    )
    return sorted(answer, key=str) if is_list else answer


def _children(told: Any) -> str:
    if told == "busy":
        return "busy"
    infos, counts = told
    if infos and infos[0][0] == "undefined":
        infos = sorted(infos, key=lambda info: str(info[1]))
    shown = [
        f"{text(id_)}={text(child)}" + ("" if kind == "worker" else f" ({kind})")
        for id_, child, kind in infos
    ]
    names = ("specs", "active", "supervisors", "workers")
    counted = ", ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True))
    return f"{', '.join(shown) or 'none'}; {counted}"


def text(term: Any) -> str:
    """Return a term as Erlang would write it, without what differs between languages."""
    if isinstance(term, dict):
        return f'"{term["text"]}"'
    if not isinstance(term, list):
        return (
            "bad_return" if term == "garbage" else str(term).lower() if isinstance(term, bool) else str(term)
        )
    if term and isinstance(term[0], str):
        head, rest = term[0], term[1:]
        if head in NAME_ONLY:
            return head
        if head == "EXIT":
            return text(rest[0])
        if head.startswith(DETAIL_IS_TEXT) and not isinstance(rest[0], str):
            return head
    return "{" + ",".join(map(text, term)) + "}"


# ------------------------------------------------------------------------------------------- comparison


def difference(theirs: list[Step], ours: list[Step]) -> str:
    """Return where two traces part, for people; empty if nowhere."""
    for number, (their, our) in enumerate(zip(theirs, ours, strict=True)):
        if their != our:
            return "\n".join([
                f"step {number}: {their['do']}",
                *_side_by_side(their, our),
            ])  # fmt: skip
    return ""


def _side_by_side(their: Step, our: Step) -> Iterator[str]:
    for key in ("events", "orphans", "answers", "children"):
        left, right = their.get(key, []), our.get(key, [])
        mark = "  " if left == right else "* "
        for who, lines in (("erlang", left), ("ours", right)):
            shown = (
                [f"{name}: {value}" for name, value in lines.items()] if isinstance(lines, dict) else lines
            )
            yield f"{mark}{who:7} {key}: " + ("\n" + " " * 20).join(shown or ["-"])


def shown(steps: list[Step]) -> str:
    """Return a whole trace as text."""
    lines = []
    for number, step in enumerate(steps):
        lines.append(f"{number:3} {step['do']}")
        lines += [f"      {event}" for key in ("events", "orphans", "answers") for event in step.get(key, [])]
        lines += [f"      [{name}: {children}]" for name, children in step["children"].items()]
    return "\n".join(lines)
