from __future__ import annotations

import pickle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roger_actors.errors import Undeliverable
from roger_actors.otp import Crash, Exit, ExitStatus, Fault, From, Pid, Ref, Shutdown, Signal, wire
from roger_actors.otp.reason import NORMAL, SHUTDOWN

pids = st.builds(Pid, st.text(max_size=5), st.integers(0, 9), st.integers(0, 99))
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(),
    st.binary(),
    st.sampled_from([NORMAL, SHUTDOWN]),
    pids,
    st.builds(Ref, st.text(max_size=5), st.integers(0, 9), st.integers(0, 99)),
    st.builds(From, pids, st.integers(0, 99)),
    st.builds(Crash, st.text(), st.text(), st.text()),
    st.builds(Signal, st.integers(1, 64)),
    st.builds(ExitStatus, st.integers(0, 255)),
)
hashable = st.one_of(st.integers(), st.text(), pids, st.tuples(st.integers(), st.text()))
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(hashable, inner, max_size=4),
        st.sets(hashable, max_size=4),
        st.frozensets(hashable, max_size=4),
        st.builds(Shutdown, inner),
        st.builds(Exit, pids, inner),
        st.builds(Fault, st.text(), inner, inner),
    ),
    max_leaves=20,
)


@given(values)
def test_what_is_plain_comes_back_as_it_was(value):
    back = wire.loads(wire.dumps(value))

    assert back == value
    assert type(back) is type(value)


@given(st.binary(max_size=60))
def test_noise_is_refused_and_runs_nothing(noise):
    try:
        wire.unframe(b"P" + noise, plain_only=True)
    except Undeliverable:
        pass


@given(st.lists(values, min_size=1, max_size=5))
def test_a_frame_keeps_its_signals(signals):
    frame = wire.frame([wire.encode_plain([0, signal]) for signal in signals], plain=True)

    assert wire.unframe(frame, plain_only=True) == [[0, signal] for signal in signals]


class Own:
    pass


class Unregistered(msgspec.Struct):
    number: int


@pytest.mark.parametrize(
    "value", [Own(), [Own()], {"a": (1, Own())}, Shutdown(Own()), Unregistered(1), object, len]
)
def test_what_is_not_plain_is_refused_by_the_name_of_its_type(value):
    with pytest.raises(Undeliverable) as caught:
        wire.dumps(value)

    assert any(name in caught.value.type for name in ("Own", "Unregistered", "type", "builtin"))


def test_a_value_nested_without_end_is_refused():
    value = []
    value.append(value)

    with pytest.raises(Undeliverable, match="nested deeper"):
        wire.dumps(value)


def test_a_pickle_is_refused_where_only_plain_frames_are_allowed():
    frame = wire.frame([wire.encode_pickled([1])], plain=False)

    assert wire.unframe(frame, plain_only=False) == [[1]]
    with pytest.raises(Undeliverable, match="not accepted"):
        wire.unframe(frame, plain_only=True)


def test_a_struct_needs_a_tag_of_its_own():
    class Crash(msgspec.Struct, array_like=True, tag=True):
        pass

    with pytest.raises(ValueError, match="array_like"):
        wire.register(Unregistered)
    with pytest.raises(ValueError, match="taken by Crash"):
        wire.register(Crash)


def test_reasons_keep_their_identity_through_a_pickle():
    assert pickle.loads(pickle.dumps((NORMAL, SHUTDOWN))) == (NORMAL, SHUTDOWN)
    assert pickle.loads(pickle.dumps(SHUTDOWN)) is SHUTDOWN
