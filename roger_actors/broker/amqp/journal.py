"""The tables as a journal: what its entries are, and what state they add up to. Pure.

The journal is a queue with a single active consumer; entries are never acknowledged but by compaction,
so whoever becomes its consumer gets all of them again, in order. It then writes an `Epoch`; having read
that back, it knows everything that was written before, and it is the owner. An entry counts only under
the epoch that stands in the journal before it, so an owner that was deposed without knowing cannot
change anything: its entries come after its successor's `Epoch`, and nobody counts them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from roger_actors.broker.base import Change, Changed

SNAPSHOT_BYTES = 1 << 20
ANSWERS_KEPT = 5000

Write = tuple[str, str, bytes | None]


class Hello(msgspec.Struct, frozen=True, array_like=True, tag="h"):
    """A candidate has come; makes sure that the journal has something to deliver."""

    candidate: str


class Epoch(msgspec.Struct, frozen=True, array_like=True, tag="e"):
    """A new owner begins."""

    epoch: str


class Batch(msgspec.Struct, frozen=True, array_like=True, tag="b"):
    """Changes that were made together.

    Attributes:
        epoch: Of the owner that wrote it.
        number: 1, 2, 3 … within the epoch.
        writes: Table, key and value (None: deleted) of each change that was made.
        answers: For each request by its id, which of its changes were made.
    """

    epoch: str
    number: int
    writes: list[Write]
    answers: list[tuple[str, list[bool]]]


class Snapshot(msgspec.Struct, frozen=True, array_like=True, tag="s"):
    """One part of the whole state; with the last part, all entries before the first are superfluous.

    Attributes:
        epoch: Of the owner that wrote it.
        number: Of its last batch.
        part: 0, 1, 2 …
        parts: How many there are.
        entries: Table, key and value.
        answers: As in `Batch`, the latest, in the last part.
    """

    epoch: str
    number: int
    part: int
    parts: int
    entries: list[tuple[str, str, bytes]]
    answers: list[tuple[str, list[bool]]]


Entry = Hello | Epoch | Batch | Snapshot

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Entry).decode


class Replica:
    """The state that the entries read so far add up to.

    Attributes:
        epoch: The one that counts now, None before any was seen.
        number: The last batch that counted.
        tables: Values by table and key.
    """

    def __init__(self) -> None:
        self.epoch: str | None = None
        self.number = 0
        self.tables: dict[str, dict[str, bytes]] = {}
        self._answers: dict[str, list[bool]] = {}
        self._loading: list[Snapshot] = []

    def apply(self, entry: Entry) -> None:
        """Read the next entry."""
        if isinstance(entry, Epoch):
            self.epoch, self.number, self._loading = entry.epoch, 0, []
        elif isinstance(entry, Batch):
            # A repeated number was published twice, a missing one is not to be had: neither counts.
            if entry.epoch == self.epoch and entry.number == self.number + 1:
                self.write(entry)
        elif isinstance(entry, Snapshot):
            self._load(entry)

    def write(self, batch: Batch) -> None:
        """Make the changes of a batch that counts."""
        self.number = batch.number
        for table, key, value in batch.writes:
            if value is None:
                self.tables.get(table, {}).pop(key, None)
            else:
                self.tables.setdefault(table, {})[key] = value
        self._remember(batch.answers)

    def _remember(self, answers: Sequence[tuple[str, list[bool]]]) -> None:
        self._answers.update(answers)
        while len(self._answers) > ANSWERS_KEPT:
            del self._answers[next(iter(self._answers))]

    def _load(self, part: Snapshot) -> None:
        if self.epoch not in {None, part.epoch}:
            return
        if part.part == 0:
            self._loading = []
        if len(self._loading) != part.part:
            return  # the beginning of it is not to be had
        self._loading.append(part)
        if part.part == part.parts - 1:
            self.epoch, self.number, self.tables = part.epoch, part.number, {}
            for piece in self._loading:
                for table, key, value in piece.entries:
                    self.tables.setdefault(table, {})[key] = value
            self._answers = dict(part.answers)
            self._loading = []

    # -- what the owner asks

    def get(self, table: str, key: str) -> bytes | None:
        """Return a value, None where there is none."""
        return self.tables.get(table, {}).get(key)

    def scan(self, table: str, prefix: str) -> dict[str, bytes]:
        """Return the entries of a table whose key starts with `prefix`."""
        return {k: v for k, v in self.tables.get(table, {}).items() if k.startswith(prefix)}

    def decide(
        self, request: str, changes: Sequence[Change], ahead: dict[tuple[str, str], bytes | None]
    ) -> tuple[list[Changed], list[Write]]:
        """Decide which of a request's changes are made.

        Args:
            request: Its id; one that was answered before gets the same answer again.
            changes: What is asked.
            ahead: Writes of the batch being made, which this extends.
        """
        before = self._answers.get(request)
        if before is not None and len(before) == len(changes):
            return [
                Changed(done=done, current=self.get(change.table, change.key))
                for change, done in zip(changes, before, strict=True)
            ], []
        results, writes = [], []
        for table, key, expected, new in changes:
            place = (table, key)
            current = ahead[place] if place in ahead else self.get(table, key)
            done = current == expected
            if done:
                ahead[place] = new
                writes.append((table, key, new))
            results.append(Changed(done=done, current=new if done else current))
        return results, writes

    def snapshot(self, epoch: str) -> Iterator[Snapshot]:
        """Return the state as entries of about 1 MiB each."""
        pieces: list[list[tuple[str, str, bytes]]] = [[]]
        size = 0
        for table, entries in self.tables.items():
            for key, value in entries.items():
                if size > SNAPSHOT_BYTES:
                    pieces.append([])
                    size = 0
                pieces[-1].append((table, key, value))
                size += len(table) + len(key) + len(value)
        for part, piece in enumerate(pieces):
            answers = list(self._answers.items()) if part == len(pieces) - 1 else []
            yield Snapshot(epoch, self.number, part, len(pieces), piece, answers)
