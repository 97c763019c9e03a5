"""Jobs with an execution key on their way: started, kept waiting, or moved to a side lane.

All but `move`, `load` and `publish_marker` runs in the consumer's process and returns at once; these
three are processes of their own, because they wait for the broker.

Source:
    New here; see `roger_actors.roger.partition.side_lanes`.
"""

from __future__ import annotations

from collections import Counter, deque

from roger_actors.broker import Change, Delivery, Message, QueueSpec
from roger_actors.errors import BrokerError, Unroutable
from roger_actors.otp import Pid, process
from roger_actors.roger import queue
from roger_actors.roger.jobs.codec import JobHeader
from roger_actors.roger.kernel import Kernel
from roger_actors.roger.partition.holding import Source, State
from roger_actors.roger.partition.side_lanes import (
    BATCH,
    COPIED_AGAIN,
    COUNTED_EVERY,
    MARKER,
    TABLE,
    TRY_AGAIN,
    WAITS_LONG,
    End,
    Loaded,
    LookAtWaiting,
    Move,
    MoveAgain,
    Moved,
    Wake,
    number_of,
    still_waiting,
    table_key,
    to_put_aside,
)
from roger_actors.roger.partition.starting import start_serial

ALIGN = "align"
"""The consumer's step that opens and closes subscriptions."""
WAKE = "wake"
"""The marker that says nothing but: read the table."""
ENTRY = b"1"

# -- deliveries ----------------------------------------------------------------------------------


def take_serial(state: State, source: Source, delivery: Delivery, header: JobHeader) -> None:
    """Start a job with an execution key, or have it wait: in memory, or in a side lane."""
    aside, key = state.aside, header.execution_key
    assert key is not None
    if source is state.lane:
        if not aside.is_loaded:
            aside.early.append((delivery, header))
            _load(state)
            return
        if key in aside.keys:
            aside.moving.append((delivery, header))
            _start_moving(state)
            return
    elif aside.copies.is_second(delivery, header):
        if source.subscription is not None:
            source.subscription.ack(delivery)
        look_at_ends(state)
        return
    _watch_waiting(state)
    line = state.keys.get(key)
    if line is None:
        state.keys[key] = deque()
        start_serial(state, source, delivery, header)
        return
    line.append((delivery, header))
    if source is state.lane:
        _put_aside(state)


def _put_aside(state: State) -> None:
    """Put busy keys aside when too many jobs wait for theirs; looks now and then only."""
    aside = state.aside
    aside.counted += 1
    if aside.counted % COUNTED_EVERY:
        return
    waiting = {key: len(line) for key, line in state.keys.items() if line and key not in aside.keys}
    for key in to_put_aside(waiting):
        _put_key_aside(state, key)
    _start_moving(state)


def _put_key_aside(state: State, key: str) -> None:
    """Have all that wait for a key moved, the first one too if it holds the key and has not begun.

    Left behind in the lane, it would come after the others once another node gets the lane.
    """
    line, first = state.keys[key], [waiting for waiting in state.held_back if waiting[1].execution_key == key]
    for waiting in first:
        state.held_back.remove(waiting)
    state.aside.keys.add(key)
    state.aside.moving.extend([*first, *line])
    line.clear()
    if first:
        del state.keys[key]


def _watch_waiting(state: State) -> None:
    if not state.aside.is_watched:
        state.aside.is_watched = True
        process.send_after(WAITS_LONG, process.self(), LookAtWaiting())


def look_at_waiting(state: State, _: LookAtWaiting) -> None:
    """Put aside the keys whose jobs have kept deliveries of the lane for long: they pin its log."""
    aside = state.aside
    aside.is_watched = False
    first = {key: line[0] for key, line in state.keys.items() if line and key not in aside.keys}
    paused = {header.execution_key or "": (delivery, header) for delivery, header in state.held_back}
    if state.may_serve_lane:
        first |= {key: waiting for key, waiting in paused.items() if key not in aside.keys}
    for key in still_waiting(aside.first, first):
        _put_key_aside(state, key)
    aside.first = {key: waiting for key, waiting in first.items() if key not in aside.keys}
    if first:
        _watch_waiting(state)
    _start_moving(state)


def take_marker(state: State, source: Source, delivery: Delivery) -> None:
    """Take a message that is no job, and what it says."""
    if source.subscription is not None:
        source.subscription.ack(delivery)
    if source is state.lane:
        _load(state)
        return
    for number, side in state.sides.items():
        if side is source:
            state.aside.ends[number].came(str(delivery.headers[MARKER]))
    look_at_ends(state)


# -- moving --------------------------------------------------------------------------------------


def _start_moving(state: State, _: MoveAgain | None = None) -> None:
    aside = state.aside
    if not aside.has_to_move() or state.lane_spec is None or state.quiet:
        return
    batch = [aside.moving.popleft() for _ in range(min(BATCH, len(aside.moving)))]
    keys = {header.execution_key or "" for _, header in batch}
    work = Move(aside.epoch, batch, frozenset(keys - aside.written), frozenset(aside.gone - keys))
    aside.gone.clear()
    aside.is_moving = True
    process.spawn(move, state.kernel, state.partition, state.lane_spec, work, process.self())


move_again = _start_moving


async def move(kernel: Kernel, partition: str, lane: QueueSpec, work: Move, consumer: Pid) -> None:
    """Write down which keys are aside, then copy a batch. A process of its own."""
    broker, limit = kernel.broker, kernel.config.enqueue_timeout
    changes = [Change(TABLE, table_key(partition, key), ENTRY, None) for key in work.gone]
    changes += [Change(TABLE, table_key(partition, key), None, ENTRY) for key in work.new]
    messages = [_copy(partition, delivery, header) for delivery, header in work.batch]
    is_written = False
    failures: list[BrokerError | None]
    try:
        await broker.tables.change(changes, limit)
        is_written = True
        names = {message.queue for message in messages}
        await broker.declare([QueueSpec(name, lane.kind, single_active=True) for name in names])
        failures = await broker.publish_many(messages, limit)
    except BrokerError as error:
        failures = [error] * len(messages)
    process.send(consumer, Moved(work, is_written, failures))


def _copy(partition: str, delivery: Delivery, header: JobHeader) -> Message:
    name = queue.side_lane_name(partition, number_of(header.execution_key or ""))
    headers = {**delivery.headers, COPIED_AGAIN: 1} if delivery.redelivered else delivery.headers
    return Message(name, delivery.body, header.id, partition, headers)


def moved(state: State, message: Moved) -> None:
    """Ack what was copied; the rest is tried again, in its order."""
    aside, work = state.aside, message.move
    aside.is_moving = False
    is_current = work.epoch == aside.epoch
    if is_current:
        _note_table(state, message)
    again = []
    for (delivery, header), failure in zip(work.batch, message.failures, strict=True):
        subscription = state.lane.subscription if state.lane is not None else None
        if failure is None and subscription is not None and subscription.ack(delivery):
            continue
        if is_current and failure is not None:
            again.append((delivery._replace(redelivered=True), header))  # it may be there all the same
    if again:
        aside.moving.extendleft(reversed(again))
        process.send_after(TRY_AGAIN, process.self(), MoveAgain())
        return
    _start_moving(state)
    look_at_ends(state)


def _note_table(state: State, message: Moved) -> None:
    aside, work = state.aside, message.move
    if not message.is_written:
        aside.gone |= work.gone - aside.keys
        return
    aside.written |= work.new
    aside.written -= work.gone
    for number, count in Counter(number_of(h.execution_key or "") for _, h in work.batch).items():
        _open(state, number).since += count


def _open(state: State, number: int) -> End:
    """Consume a side lane from now on."""
    if number not in state.sides:
        state.sides[number] = Source(queue.side_lane_name(state.partition, number), "", 1)
        process.send(process.self(), ALIGN)
    return state.aside.ends.setdefault(number, End())


# -- who has the lane, reads what is aside ----------------------------------------------------------


def _load(state: State) -> None:
    aside = state.aside
    if not aside.is_loaded and not aside.is_loading:
        aside.is_loading = True
        process.spawn(load, state.kernel, state.partition, aside.epoch, process.self())


async def load(kernel: Kernel, partition: str, epoch: int, consumer: Pid) -> None:
    """Read which execution keys are aside, however long the broker is away. A process of its own."""
    prefix = table_key(partition, "")
    while True:
        try:
            found = await kernel.broker.tables.scan(TABLE, prefix, kernel.config.enqueue_timeout)
        except BrokerError as error:
            kernel.log.warning("partition %s: its lane waits: %s; trying again", partition, error)
            await process.sleep(TRY_AGAIN)
        else:
            keys = frozenset(key.removeprefix(prefix) for key in found)
            process.send(consumer, Loaded(epoch, keys))
            return


def loaded(state: State, message: Loaded) -> None:
    """Take what came meanwhile, now that it is known what is aside."""
    aside = state.aside
    aside.is_loading = False
    if message.epoch != aside.epoch:
        if aside.early:
            _load(state)
        return
    aside.is_loaded = True
    aside.keys |= message.keys
    aside.written |= message.keys
    for number in sorted(map(number_of, message.keys)):
        _open(state, number)
    look_at_ends(state)
    early, aside.early = aside.early, []
    for delivery, header in early:
        if state.lane is not None:
            take_serial(state, state.lane, delivery, header)


def wake(state: State, _: Wake) -> None:
    """See that somebody serves the side lanes: whoever has the lane gets a marker there."""
    lane = state.lane
    if lane is not None and lane.is_consumed and not state.aside.is_loaded and not state.quiet:
        process.spawn(publish_marker, state.kernel, state.partition, lane.name, WAKE)


# -- the end of a side lane ---------------------------------------------------------------------------


def look_at_ends(state: State) -> None:
    """Find out whether side lanes are empty, and close those that are."""
    aside = state.aside
    if aside.is_moving or aside.moving:
        return
    for number, end in list(aside.ends.items()):
        if _is_in_hand(state, state.sides[number]):
            continue
        if end.is_reached:
            _close(state, number)
        elif not end.marker or end.has_come:
            name = state.sides[number].name
            process.spawn(publish_marker, state.kernel, state.partition, name, end.renew())


def lose_side_lane(state: State, side: Source) -> None:
    """Let go of what came out of a side lane and has not begun: it comes again."""
    for key, line in state.keys.items():
        state.keys[key] = deque(waiting for waiting in line if waiting[0].queue != side.name)
    for delivery, header in state.held_back:
        if delivery.queue == side.name:
            state.keys.pop(header.execution_key or "", None)
    state.held_back = [waiting for waiting in state.held_back if waiting[0].queue != side.name]
    for number, known in state.sides.items():
        if known is side:
            state.aside.ends[number] = End()


def _is_in_hand(state: State, side: Source) -> bool:
    if side.held:
        return True
    lines = (line[0][0] for line in state.keys.values() if line)
    held_back = (delivery for delivery, _ in state.held_back)
    return any(delivery.queue == side.name for delivery in (*lines, *held_back))


def _close(state: State, number: int) -> None:
    """Have the keys of an empty side lane back in the lane."""
    aside = state.aside
    back = {key for key in aside.keys if number_of(key) == number}
    aside.keys -= back
    aside.gone |= back
    del aside.ends[number]
    state.closing.append(state.sides.pop(number))
    process.send(process.self(), ALIGN)
    _start_moving(state)


async def publish_marker(kernel: Kernel, partition: str, name: str, marker: str) -> None:
    """Publish a marker behind everything in a queue. A process of its own."""
    message = Message(name, b"", f"marker-{marker}", partition, {MARKER: marker})
    while True:
        try:
            await kernel.broker.publish(message, kernel.config.enqueue_timeout)
        except Unroutable:
            return  # its partition was deleted
        except BrokerError as error:
            kernel.log.debug("partition %s: no marker in %s: %s", partition, name, error)
            await process.sleep(TRY_AGAIN)
        else:
            return
