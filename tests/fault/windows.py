"""The windows in which a kill can do harm, and how it is seen from outside that one was hit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from roger_actors.demo.history import SECOND
from tests.fault.sight import Sight

RUNNING = "jobs running"
BEFORE_CONFIRM = "before the confirm"
WAITING = "waiting on an execution key"
DELAYED = "delayed for a retry"
AFTER_FOLLOW_UP = "between follow-up and ack"
BEFORE_ACK = "done, before the ack"
HANDOVER = "during the handover of a lane"
COMPACTION = "during compaction of the journal"
ALL = (RUNNING, BEFORE_CONFIRM, WAITING, DELAYED, AFTER_FOLLOW_UP, BEFORE_ACK, HANDOVER, COMPACTION)
EMBEDDED = ALL[:-1]
"""On the embedded broker the tables are no journal."""
TOTAL: Counter[tuple[str, str]] = Counter()
"""How often each was hit in this run of the tests, by broker."""


def missed() -> list[str]:
    """Return the windows that no kill of this run of the tests has hit."""
    wanted = [("embedded", window) for window in EMBEDDED] + [("rabbitmq", window) for window in ALL]
    return [f"{broker}: {window}" for broker, window in wanted if not TOTAL[broker, window]]


def hit(sight: Sight, at: int, since: int, levels: Sequence[float], delayed: Callable[[], int]) -> set[str]:
    """Decide which windows a kill of a node has hit, from the logs alone where that is enough.

    Args:
        sight: The logs, read since the node is dead.
        at: A moment just before the kill.
        since: When the kill before this one was: what ran then and never ended was its prey.
        levels: Seconds until a retry, by attempt.
        delayed: Asks the broker how many messages wait for their time.
    """
    running = {job for job, entry in sight.running.items() if since < entry.at < at}
    found = {RUNNING} if running else set()
    held = {sight.keys[job] for job in running if job in sight.keys}
    old = at - SECOND // 20
    if any(accepted < old and sight.keys[job] in held for job, accepted in sight.unbegun.items()):
        found.add(WAITING)
    due = (
        e for e in sight.last.values() if e.what == "failed" and e.kind == "error" and e.attempt < len(levels)
    )
    if any(0 < at - entry.at < levels[entry.attempt] * SECOND for entry in due) and delayed():
        found.add(DELAYED)
    return found
