"""Frames on a stream: whatever way the bytes arrive, the same frames come out."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roger_actors.transport.thespian.link import CONTROL, FRAME, PICKLE, Inbox, Link

KINDS = st.sampled_from([FRAME, PICKLE, CONTROL])
FRAMES = st.lists(st.tuples(KINDS, st.binary(max_size=300)), max_size=20)


@pytest.fixture
def pair() -> Iterator[tuple[Link, Link]]:
    """Two connected links."""
    ends = socket.socketpair()
    for end in ends:
        end.setblocking(False)
    first, second = Link(ends[0], "first"), Link(ends[1], "second")
    yield first, second
    first.close()
    second.close()


class _NoSocket:
    def fileno(self) -> int:
        return -1


def cutter() -> Link:
    """Return a link that only cuts."""
    return Link(_NoSocket(), "cutter")  # type: ignore[arg-type]


def bytes_of(frames: list[tuple[int, bytes]]) -> bytes:
    link = cutter()
    for kind, data in frames:
        link.push(kind, data)
    return b"".join(link.out)


@given(FRAMES, st.lists(st.integers(1, 50), min_size=1))
def test_frames_cut_at_any_place_come_out_whole_and_in_order(
    frames: list[tuple[int, bytes]], sizes: list[int]
) -> None:
    stream, link, inbox = bytes_of(frames), cutter(), deque()
    position = turn = 0

    while position < len(stream):
        step = sizes[turn % len(sizes)]
        link.cut(stream[position : position + step], inbox)
        position, turn = position + step, turn + 1

    assert [(kind, data) for _, kind, data in inbox] == frames


def test_a_full_socket_takes_the_rest_later(pair: tuple[Link, Link]) -> None:
    first, second = pair
    inbox: Inbox = deque()
    payloads = [bytes([index]) * 50_000 for index in range(50)]
    for payload in payloads:
        first.push(FRAME, payload)

    assert not first.write()
    while len(inbox) < len(payloads):
        second.read_all(inbox)
        first.write()

    assert [data for _, _, data in inbox] == payloads
    assert first.queued == 0


def test_a_mark_is_told_when_everything_before_it_has_left(pair: tuple[Link, Link]) -> None:
    first, second = pair
    first.push(FRAME, b"small")
    first.mark("first")
    first.push(FRAME, b"x" * 5_000_000)
    first.mark("second")

    first.write()

    assert first.written() == ["first"]
    inbox: Inbox = deque()
    while not first.write():
        second.read_all(inbox)
    assert first.written() == ["second"]


def test_the_marks_of_what_never_left_are_told_too(pair: tuple[Link, Link]) -> None:
    first, _ = pair
    first.push(FRAME, b"x")
    first.mark("lost")

    assert first.unwritten() == ["lost"]
    assert first.unwritten() == []


def test_what_was_written_before_the_end_is_read_before_the_end(pair: tuple[Link, Link]) -> None:
    first, second = pair
    first.push(FRAME, b"last words")
    first.write()
    first.close()
    inbox: Inbox = deque()

    assert not second.read_all(inbox)

    assert [data for _, _, data in inbox] == [b"last words"]


def test_writing_to_a_closed_end_raises(pair: tuple[Link, Link]) -> None:
    first, second = pair
    second.close()
    first.push(FRAME, b"x")

    with pytest.raises(OSError, match="pipe"):
        first.write()
