"""Payloads: what goes in comes out, and what is no job is told so on one line."""

from __future__ import annotations

import json
import re

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roger_actors.errors import JobTooLarge, NewerFormat, RogerActorsError, UndecodableJob
from roger_actors.roger.jobs import codec
from roger_actors.roger.jobs.arguments import is_too_deep
from roger_actors.roger.jobs.job import Job, JobRecord
from roger_actors.roger.jobs.registry import Registry

FULL = JobRecord(
    id="an-id",
    module="myapp.jobs.Resize",
    args={"id": 7, "name": "é"},
    queue_key="resize-7",
    execution_key="user-3",
    queue_type="images",
    retry_count=2,
    queued_at=1_700_000_000_000,
    started_at=1_700_000_000_001,
    max_execution_time=30.0,
    retryable=True,
    retry_levels=(1.0, 2.5),
    retry_jitter=0.25,
    version=3,
)


class Square(Job):
    def perform(self, args): ...


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@given(json_values)
def test_any_json_value_travels_there_and_back(args):
    record = Square.create(args)

    assert codec.decode(codec.encode(record)) == record


@pytest.mark.roger_line(1)
def test_every_field_travels():
    assert codec.decode(codec.encode(FULL)) == FULL


def test_a_payload_is_json_with_a_version_and_roger_s_names():
    assert json.loads(codec.encode(FULL)) == {
        "v": 1,
        "id": "an-id",
        "class": "myapp.jobs.Resize",
        "args": {"id": 7, "name": "é"},
        "queue_key": "resize-7",
        "execution_key": "user-3",
        "queue_type": "images",
        "retry_count": 2,
        "queued_at": 1_700_000_000_000,
        "started_at": 1_700_000_000_001,
        "max_execution_time": 30.0,
        "retryable": True,
        "retry_levels": [1.0, 2.5],
        "retry_jitter": 0.25,
        "class_version": 3,
    }


def test_fields_with_their_default_are_left_out():
    assert set(json.loads(codec.encode(Square.create(1)))) == {"v", "id", "class", "args"}


def test_fields_that_this_release_does_not_know_are_ignored():
    payload = json.dumps({**json.loads(codec.encode(FULL)), "colour": [[1]]}).encode()

    assert codec.decode(payload) == FULL


def test_the_header_says_what_the_kernel_needs_and_carries_the_arguments_unread():
    header = codec.decode_header(codec.encode(FULL))

    assert (header.id, header.class_name, header.queue_key) == ("an-id", "myapp.jobs.Resize", "resize-7")
    assert (header.retryable, header.retry_levels, header.max_execution_time) == (True, (1.0, 2.5), 30.0)
    assert bytes(memoryview(header.args)) == '{"id":7,"name":"é"}'.encode()
    assert codec.encode_header(header) == codec.encode(FULL)


def test_a_retry_counts_one_more_and_keeps_the_arguments_byte_by_byte():
    payload = codec.encode(FULL).replace(b'"name":"', b'"name" :  "')

    again = codec.with_retry(payload, 3)

    assert b'"name" :  "' in again
    assert codec.decode(again) == attrs.evolve(FULL, retry_count=3, started_at=0)


def test_the_start_is_stamped_while_decoding():
    assert codec.decode(codec.encode(FULL), started_at=5).started_at == 5


def test_a_class_that_nobody_knows_is_no_decoding_error():
    assert codec.decode(b'{"v":1,"id":"a","class":"next.release.Job","args":1}').module == "next.release.Job"


def job_with(**fields):
    return json.dumps({"v": 1, "id": "a", "class": "b", "args": 1, **fields}).encode()


def without(field):
    whole = json.loads(job_with())
    del whole[field]
    return json.dumps(whole).encode()


NO_JOBS = {
    "empty": (b"", "it is empty"),
    "blank": (b" \n", "it is empty"),
    "not JSON": (b"hello", "it is not JSON"),
    "a pickle": (b"\x80\x04K\x01.", "it is not JSON"),
    "cut off": (job_with()[:-1], "it is not JSON"),
    "followed by something": (job_with() + b"x", "it is not JSON"),
    "not UTF-8": (b'{"v":1,"id":"a","class":"b","args":"\xff"}', "it is not JSON"),
    "a lone surrogate": (b'{"v":1,"id":"a","class":"b","args":"\\ud800"}', "it is not JSON"),
    "a list": (b"[]", "Expected `object`, got `array`"),
    "null": (b"null", "Expected `object`, got `null`"),
    "no version": (without("v"), "missing required field `v`"),
    "no id": (without("id"), "missing required field `id`"),
    "no class": (without("class"), "missing required field `class`"),
    "no args": (without("args"), "missing required field `args`"),
    "id no string": (job_with(id=7), "Expected `str`, got `int` - at `$.id`"),
    "id empty": (job_with(id=""), "length >= 1 - at `$.id`"),
    "id too long": (job_with(id="x" * 256), "length <= 255 - at `$.id`"),
    "id of two lines": (job_with(id="a\nb"), "cannot be printed"),
    "class no string": (job_with(**{"class": None}), "at `$.class`"),
    "key no string": (job_with(queue_key=[1]), "at `$.queue_key`"),
    "key with a zero byte": (job_with(execution_key="a\0b"), "cannot be printed"),
    "queue type no name": (job_with(queue_type="other.lane"), "its queue_type 'other.lane' is no name"),
    "version of nobody": (job_with(v=0), "its format version is 0, and this release reads 1"),
    "version of the future": (job_with(v=2), "its format version is 2, and this release reads 1"),
    "future with another shape": (b'{"v":2,"job":{}}', "its format version is 2, and this release reads 1"),
    "class version of nobody": (job_with(class_version=0), "at `$.class_version`"),
    "version no number": (job_with(v="1"), "at `$.v`"),
    "absurd version": (job_with(v=10**30), "at `$.v`"),
    "negative count": (job_with(retry_count=-1), "at `$.retry_count`"),
    "absurd count": (job_with(retry_count=10**9), "at `$.retry_count`"),
    "absurd stamp": (job_with(queued_at=10**18), "at `$.queued_at`"),
    "limit below one": (job_with(max_execution_time=0.5), "at `$.max_execution_time`"),
    "absurd level": (job_with(retry_levels=[1e300]), "at `$.retry_levels[0]`"),
    "absurd jitter": (job_with(retry_jitter=2), "at `$.retry_jitter`"),
    "no levels": (job_with(retry_levels=[]), "at `$.retry_levels`"),
    "infinite argument": (job_with().replace(b'"args": 1', b'"args": 1e999'), "Number out of range"),
    "huge integer": (job_with().replace(b'"args": 1', b'"args": 1' + b"0" * 5000), "out of range"),
    "deep": (job_with().replace(b"1}", b"[" * 101 + b"]" * 101 + b"}"), "nested deeper than 100 levels"),
    "bottomless": (job_with().replace(b"1}", b"[" * 10**6 + b"]" * 10**6 + b"}"), "nested deeper than 100"),
    "unclosed": (b'{"v":1,"args":' + b"[" * 10**6, ""),
    "ten MiB": (job_with(args="x" * 10 * 2**20), "more than 8388608"),
    "ten MiB of blanks": (b" " * 10 * 2**20, "more than 8388608"),
}


@pytest.mark.roger_fault("payload runs code")
@pytest.mark.parametrize(
    "read", [codec.decode, codec.decode_header, lambda payload: codec.with_retry(payload, 1)]
)
@pytest.mark.parametrize(("payload", "cause"), NO_JOBS.values(), ids=NO_JOBS)
def test_what_is_no_job_is_refused_with_its_cause_on_one_line(payload, cause, read):
    with pytest.raises(UndecodableJob) as caught:
        read(payload)

    assert cause in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 500


@pytest.mark.roger_line(3)
def test_a_payload_without_id_or_runnable_class_is_refused_each_in_its_own_words():
    class Lazy(Job): ...

    registry = Registry([Square])
    refusals = {
        "missing required field `id`": lambda: codec.decode(without("id")),
        "no job class": lambda: registry.find(codec.decode(job_with(**{"class": "nobody.Nothing"})).module),
        "defines no perform": lambda: registry.add(Lazy),
        "Expected `str`, got `int` - at `$.class`": lambda: codec.decode(job_with(**{"class": 7})),
    }

    for words, attempt in refusals.items():
        with pytest.raises(RogerActorsError, match=re.escape(words)):
            attempt()


@pytest.mark.parametrize("payload", [job_with(v=2), b'{"v":2,"job":{}}', job_with(v=2**31, args=[[1]])])
def test_a_format_of_the_future_is_told_apart_from_what_is_no_job(payload):
    with pytest.raises(NewerFormat):
        codec.decode(payload)


@pytest.mark.parametrize("name", ["version of nobody", "version no number", "absurd version", "no version"])
def test_what_has_no_version_of_the_future_is_no_job(name):
    with pytest.raises(UndecodableJob) as caught:
        codec.decode(NO_JOBS[name][0])

    assert not isinstance(caught.value, NewerFormat)


@given(st.binary())
def test_no_bytes_raise_anything_else(payload):
    with pytest.raises(UndecodableJob):
        codec.decode(payload)


@given(st.lists(st.booleans(), max_size=200))
def test_depth_is_the_number_of_levels_however_they_mix(levels):
    encoded = b'"]\\""'
    for is_list in levels:
        encoded = b'[0,[],{},"[{",' + encoded + b"]" if is_list else b'{"[{":' + encoded + b"}"

    assert is_too_deep(encoded) is (len(levels) + (levels[:1] == [True]) > 100)


def test_a_payload_over_the_limit_is_refused_with_its_size():
    payload = codec.encode(FULL)

    codec.check_size(FULL, payload, len(payload))
    with pytest.raises(
        JobTooLarge, match=rf"myapp.jobs.Resize an-id: payload of {len(payload)} bytes is over"
    ):
        codec.check_size(FULL, payload, len(payload) - 1)
