"""The tables as a journal: what its entries are, and what state they add up to. Pure.

The journal is a queue with a single active consumer; entries are not acknowledged before a snapshot has
made them superfluous, so whoever becomes its consumer gets all that matters again, in order. It then
writes an `Epoch`; having read that back, it knows everything that was written before, and it is the
owner. An entry counts only under the epoch that stands in the journal before it, so an owner that was
deposed without knowing cannot change anything: its entries come after its successor's `Epoch`, and
nobody counts them.

A snapshot is written in parts, and batches go on between them. Each part holds the values as they are at
its place in the journal, so a reader takes part and batch as they come: what was changed after its part
is in a later batch, what was changed before is in the part.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

import msgspec

from roger_actors.broker.base import Change, Changed

SNAPSHOT_BYTES = 1 << 16
"""About the size of a part; the loop is held for some milliseconds by one."""
ANSWERS_KEPT = 5000
SUPERFLUOUS_LAPSES = 10_000

Write = tuple[str, str, bytes | None]
Lease = tuple[str, str, float, bool]
"""Table, key, the seconds that the entry has left, and whether it stays when they are over."""
LOGS = "logs"
"""The table of the last number in each log, by first segment and name of the log's table."""
End = tuple[float, bool]
"""When a lease is over, and whether its entry stays."""
Slice = list[tuple[str, str, bytes]]


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="h"):
    """A candidate has come; makes sure that the journal has something to deliver."""

    candidate: str


class Probe(msgspec.Struct, frozen=True, array_like=True, tag="p"):
    """Nothing; who reads it back was still the owner when it was written.

    Attributes:
        epoch: Of the owner that wrote it.
        number: 1, 2, 3 … within the epoch.
    """

    epoch: str
    number: int


class Epoch(msgspec.Struct, frozen=True, array_like=True, tag="e"):
    """A new owner begins.

    Attributes:
        epoch: Its name, new each time.
        timeout: Seconds after which the broker closes a channel that does not acknowledge, 0 if unknown.
    """

    epoch: str
    timeout: float = 0.0


class Batch(msgspec.Struct, frozen=True, array_like=True, tag="b"):
    """Changes that were made together.

    Attributes:
        epoch: Of the owner that wrote it.
        number: 1, 2, 3 … within the epoch.
        writes: Table, key and value (None: deleted) of each change that was made.
        answers: For each request by its id, which of its changes were made.
        leases: Those of the writes that do not stand for good.
    """

    epoch: str
    number: int
    writes: list[Write]
    answers: list[tuple[str, list[bool]]]
    leases: list[Lease] = []


class Snapshot(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """One part of the whole state; with the last part, all entries before the first are superfluous.

    Attributes:
        epoch: Of the owner that wrote it.
        number: Of its last batch before this part.
        part: 0, 1, 2 …
        parts: How many there are, told by the last part; 0 in those before.
        entries: A packed `Slice`, read only by those who need it.
        answers: As in `Batch`, the latest, in the last part.
        leases: Of the entries of this part.
        timeout: As in `Epoch`.
        reign: Which owner since the journal began wrote it, 1, 2, 3 …; the later one is right.
    """

    epoch: str
    number: int
    part: int
    parts: int
    entries: msgspec.Raw
    answers: list[tuple[str, list[bool]]]
    leases: list[Lease] = []
    timeout: float = 0.0
    reign: int = 0

    @property
    def is_last(self) -> bool:
        """Whether the snapshot is complete with this part."""
        return self.part == self.parts - 1


Entry = Hello | Probe | Epoch | Batch | Snapshot

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Entry).decode
_decode_slice = msgspec.msgpack.Decoder(Slice).decode


class State:
    """The tables at one place in the journal.

    Entries lie by table and by the first segment of their key (all up to the first `/`), so that a scan
    of one partition does not walk all of them.

    Attributes:
        number: The last batch that counted.
    """

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self._tables: dict[str, dict[str, dict[str, bytes]]] = {}
        self._lapses: dict[tuple[str, str], float] = {}
        self._kept: dict[tuple[str, str], float] = {}
        self._queue: list[tuple[float, str, str]] = []
        self._answers: dict[str, list[bool]] = {}

    # -- what the owner asks

    def get(self, table: str, key: str) -> bytes | None:
        """Return a value, None where there is none."""
        return self._tables.get(table, {}).get(_segment(key), {}).get(key)

    def scan(self, table: str, prefix: str) -> dict[str, bytes]:
        """Return the entries of a table whose key starts with `prefix`."""
        segments = self._tables.get(table, {})
        if "/" in prefix:
            chosen = [segments.get(_segment(prefix), {})]
        else:
            chosen = [entries for segment, entries in segments.items() if segment.startswith(prefix)]
            chosen += [segments[""]] if prefix and "" in segments else []
        return {k: v for entries in chosen for k, v in entries.items() if k.startswith(prefix)}

    def begin(self, epoch: str) -> Batch:
        """Return the next batch, for `lapse` and `decide` to fill."""
        self.number += 1
        return Batch(epoch, self.number, [], [], [])

    def decide(self, request: str, changes: Sequence[Change], batch: Batch, now: float) -> list[Changed]:
        """Make those of a request's changes that can be made, and put them into the batch.

        Args:
            request: Its id; one that was answered before gets the same answer again.
            changes: What is asked.
            batch: From `begin`.
            now: On the owner's monotonic clock, in seconds.
        """
        before = self._answers.get(request)
        if before is not None and len(before) == len(changes):
            results = [
                Changed(done=done, current=self.get(change.table, change.key))
                for change, done in zip(changes, before, strict=True)
            ]
        else:
            results = [self._decide_one(change, batch, now) for change in changes]
        answer = (request, [result.done for result in results])
        batch.answers.append(answer)
        self._remember([answer])
        return results

    def _decide_one(self, change: Change, batch: Batch, now: float) -> Changed:
        table, key = change.table, change.key
        current = self.get(table, key)
        is_over = bool(self._kept) and self._kept.get((table, key), now + 1.0) <= now
        if not change.applies_to(current, is_over=is_over):
            return Changed(done=False, current=current)
        new = change.new
        if change.log and new is not None:
            new = self._number(table, key, batch) + b" " + new
        is_leased = change.lease > 0 and new is not None
        self._put(table, key, new, (now + change.lease, change.kept) if is_leased else None)
        batch.writes.append((table, key, new))
        if is_leased:
            batch.leases.append((table, key, change.lease, change.kept))
        if change.log:
            self._shorten(table, key, change.log, batch)
        return Changed(done=True, current=new)

    def _number(self, table: str, key: str, batch: Batch) -> bytes:
        name = _segment(key) + table
        number = b"%d" % (int(self.get(LOGS, name) or b"0") + 1)
        self._put(LOGS, name, number, None)
        batch.writes.append((LOGS, name, number))
        return number

    def _shorten(self, table: str, key: str, most: int, batch: Batch) -> None:
        entries = self._tables[table].get(_segment(key), {})
        while len(entries) > most:
            oldest = next(iter(entries))
            self._put(table, oldest, None, None)
            batch.writes.append((table, oldest, None))

    def has_lapsed(self, now: float) -> bool:
        """Whether `lapse` may have something to do."""
        return bool(self._queue) and self._queue[0][0] <= now

    def lapse(self, batch: Batch, now: float, most: int) -> None:
        """Delete entries whose lease is over, looking at `most` of them."""
        for _ in range(most):
            if not self.has_lapsed(now):
                return
            due, table, key = heapq.heappop(self._queue)
            if self._lapses.get((table, key)) == due:
                self._put(table, key, None, None)
                batch.writes.append((table, key, None))

    def slices(self) -> Iterator[tuple[Slice, bool]]:
        """Return all entries, some at a time, with the values at that time; True comes with the last.

        The state may change between two of them.
        """
        piece: Slice = []
        size = 0
        for table in list(self._tables):
            for segment in list(self._tables[table]):
                for key in list(self._tables[table].get(segment, ())):
                    if size > SNAPSHOT_BYTES:
                        yield piece, False
                        piece, size = [], 0
                    value = self.get(table, key)
                    if value is not None:
                        piece.append((table, key, value))
                        size += len(table) + len(key) + len(value) + 8
        yield piece, True

    def leases(self, piece: Slice, now: float) -> list[Lease]:
        """Return what is left of the leases of some entries."""
        return [
            (table, key, max(lapses[table, key] - now, 0.001), lapses is self._kept)
            for lapses in (self._lapses, self._kept)
            if lapses
            for table, key, _ in piece
            if (table, key) in lapses
        ]

    def answers(self) -> list[tuple[str, list[bool]]]:
        """Return the latest answers by request."""
        return list(self._answers.items())

    # -- what a reader does

    def write(self, batch: Batch, now: float) -> None:
        """Make the changes of the batch after the last one."""
        self.number = batch.number
        leases = _ends(batch.leases, now)
        for table, key, value in batch.writes:
            self._put(table, key, value, leases.get((table, key)) if leases and value is not None else None)
        self._remember(batch.answers)

    def load(self, part: Snapshot, now: float) -> None:
        """Take over the entries of one part of a snapshot."""
        leases = _ends(part.leases, now)
        for table, key, value in _decode_slice(part.entries):
            self._put(table, key, value, leases.get((table, key)))
        self._remember(part.answers)

    def _put(self, table: str, key: str, value: bytes | None, lease: End | None) -> None:
        segments = self._tables.setdefault(table, {})
        segment = _segment(key)
        entries = segments.setdefault(segment, {})
        if value is None:
            entries.pop(key, None)
            if not entries:
                del segments[segment]
        else:
            entries[key] = value
        if self._kept:
            self._kept.pop((table, key), None)
        if self._lapses and self._lapses.pop((table, key), None) is not None:
            self._tidy()
        if lease is not None:
            end, is_kept = lease
            if is_kept:
                self._kept[table, key] = end
            else:
                self._lapses[table, key] = end
                heapq.heappush(self._queue, (end, table, key))

    def _tidy(self) -> None:
        """Keep what is queued within bounds: most leases end long before they lapse."""
        if len(self._queue) > 2 * len(self._lapses) + SUPERFLUOUS_LAPSES:
            self._queue = [(due, table, key) for (table, key), due in self._lapses.items()]
            heapq.heapify(self._queue)

    def _remember(self, answers: Sequence[tuple[str, list[bool]]]) -> None:
        self._answers.update(answers)
        while len(self._answers) > ANSWERS_KEPT:
            del self._answers[next(iter(self._answers))]


class Replica:
    """What the entries read so far add up to.

    Attributes:
        epoch: The one that counts now, None before any was seen.
        reign: How many owners there have been: those of the last snapshot and the epochs after it.
        state: The tables.
        timeout: See `Epoch`.
        needed: Position of the oldest entry that matters: what was before it is in a snapshot.
    """

    def __init__(self) -> None:
        self.epoch: str | None = None
        self.reign = 0
        self.state = State()
        self.timeout = 0.0
        self.needed = 0
        self._loading: State | None = None
        self._began = self._parts = self._reign = 0
        self._author = ""

    def apply(self, entry: Entry, now: float, position: int = 0) -> None:
        """Read the next entry.

        Args:
            entry: What was read.
            now: When, on the reader's monotonic clock in seconds, for leases.
            position: Where it stands, for `needed`.
        """
        if isinstance(entry, Epoch):
            self.epoch, self.state.number, self._loading = entry.epoch, 0, None
            self.reign += 1
            self.timeout = entry.timeout or self.timeout
        elif isinstance(entry, Batch):
            self._write(entry, now)
        elif isinstance(entry, Snapshot):
            self._load(entry, now, position)

    def _write(self, batch: Batch, now: float) -> None:
        # A repeated number was published twice, a missing one is not to be had: neither counts.
        if batch.epoch == self.epoch and batch.number == self.state.number + 1:
            self.state.write(batch, now)
        loading = self._loading
        if loading is not None and batch.epoch == self._author and batch.number == loading.number + 1:
            loading.write(batch, now)

    def _load(self, part: Snapshot, now: float, position: int) -> None:
        if self._is_outdated(part):
            return
        if part.part == 0:
            self._loading, self._author, self._reign = State(part.number), part.epoch, part.reign
            self._began, self._parts = position, 0
        loading = self._loading
        if loading is None or (part.epoch, part.part) != (self._author, self._parts):
            return  # the beginning of it is not to be had
        if part.number != loading.number:
            self._loading = None  # a batch between its parts is missing
            return
        loading.load(part, now)
        self._parts += 1
        if part.is_last:
            self.epoch, self.state, self._loading = part.epoch, loading, None
            self.reign = part.reign
            self.timeout = part.timeout or self.timeout
            self.needed = self._began

    def _is_outdated(self, part: Snapshot) -> bool:
        """Return whether a snapshot is of an owner that had been deposed, and wrote on for a while.

        Its parts may stand between those of the right one, before or after the first of them.
        """
        if self._loading is not None and part.epoch != self._author and part.reign < self._reign:
            return True
        return self.epoch not in {None, part.epoch} and part.reign <= self.reign


def _ends(leases: Sequence[Lease], now: float) -> dict[tuple[str, str], End]:
    return {(table, key): (now + seconds, is_kept) for table, key, seconds, is_kept in leases}


def _segment(key: str) -> str:
    return key[: key.find("/") + 1]
