"""Showing what is kept aside: buried jobs, quarantined payloads, parked jobs."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Sequence
from typing import Any, Final, NoReturn

import click

from roger_actors.cli.output import ago, clean, print_done, print_facts, print_json, print_table
from roger_actors.roger import Shelved

SHOWN_BYTES: Final = 2000
"""Of a payload, in the form for people."""


def print_list(kept: Sequence[Shelved], empty: str, *, as_json: bool, queues: bool = True) -> None:
    """Print what lies on a shelf, a line for each.

    Args:
        kept: What lies there.
        empty: The line printed when that is nothing.
        as_json: Whether to print JSON.
        queues: Whether to say which queue each came from.
    """
    if as_json:
        print_json([as_mapping(each) for each in kept])
        return
    columns = ("id", "class", *(("queue",) if queues else ()), "attempts#", "ago", "cause")
    print_table(columns, [_row(each, queues=queues) for each in kept], empty)


def _row(kept: Shelved, *, queues: bool) -> tuple[object, ...]:
    where = (kept.queue,) if queues else ()
    attempts = kept.attempts or None
    return (kept.message_id, _job(kept)[0], *where, attempts, ago(kept.at), _first_line(kept.cause))


def print_one(kept: Sequence[Shelved], message_id: str, shelf: str, *, as_json: bool) -> None:
    """Print all that is known of one message; an error if it is not on the shelf."""
    found = next((each for each in kept if each.message_id == message_id), None)
    if found is None:
        _not_there(message_id, shelf)
    if as_json:
        print_json(as_mapping(found))
        return
    name, args = _job(found)
    print_facts(
        {
            "id": found.message_id,
            "class": name,
            "partition": found.partition,
            "queue": found.queue,
            "attempts": found.attempts or None,
            "node": found.node,
            "ago": ago(found.at),
            "kind": found.kind,
            "cause": found.cause,
            "args" if name else "payload": args,
        }
    )
    if found.stack:
        print()
        print(clean(found.stack.rstrip()))


def in_both(before: Sequence[Shelved], after: Sequence[Shelved]) -> set[str]:
    """Return the ids of what is on a shelf and was there before."""
    return {each.message_id for each in before} & {each.message_id for each in after}


def report(
    done: Sequence[Shelved],
    word: str,
    ids: Sequence[str] | None,
    shelf: str,
    *,
    as_json: bool,
    stays: tuple[Collection[str], str] = ((), ""),
) -> None:
    """Say what was moved or deleted; an error if a message was named and was not.

    Args:
        done: What was.
        word: That it was, in one word.
        ids: Which were named; None for all.
        shelf: Where they were looked for.
        as_json: Whether to print JSON.
        stays: What was on the shelf and still is, and why what was to be moved would be.
    """
    moved = [each.message_id for each in done]
    if as_json:
        print_json({word: moved})
    elif ids is None or len(moved) > 1:
        print_done(f"{word} {len(moved)} {'message' if len(moved) == 1 else 'messages'}")
    elif moved:
        print_done(f"{word} {moved[0]}")
    here, reason = stays
    left = [each for each in (sorted(here) if ids is None else ids) if each not in moved]
    said = [f"{each} stays: {reason}" if each in here else f"{each} is not in {shelf}" for each in left]
    if said:
        raise click.ClickException("; ".join(said))


def as_mapping(kept: Shelved) -> dict[str, Any]:
    """Return a message as builtins, for JSON."""
    return {
        "id": kept.message_id,
        "class": _job(kept)[0],
        "partition": kept.partition,
        "queue": kept.queue,
        "cause": kept.cause,
        "kind": kept.kind,
        "stack": kept.stack,
        "attempts": kept.attempts,
        "node": kept.node,
        "at": kept.at,
        "payload": kept.body.decode("utf-8", "backslashreplace"),
        "payload_base64": base64.b64encode(kept.body).decode("ascii"),
    }


def _not_there(message_id: str, shelf: str) -> NoReturn:
    raise click.ClickException(f"{message_id} is not in {shelf}")


def _job(kept: Shelved) -> tuple[str | None, str]:
    """Return the class that a payload names and its arguments, or None and what the payload looks like."""
    try:
        read = json.loads(kept.body)
    except (ValueError, RecursionError):
        read = None
    if isinstance(read, dict) and isinstance(read.get("class"), str):
        return read["class"], _cut(json.dumps(read.get("args"), ensure_ascii=False))
    return None, _cut(kept.body[:SHOWN_BYTES].decode("utf-8", "backslashreplace"), len(kept.body))


def _cut(text: str, size: int | None = None) -> str:
    whole = len(text) if size is None else size
    return text if whole <= SHOWN_BYTES else f"{text[:SHOWN_BYTES]}… ({whole} bytes)"


def _first_line(text: str) -> str:
    line = text.strip().partition("\n")[0]
    return line if len(line) <= 200 else line[:199] + "…"
