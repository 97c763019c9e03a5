"""Our frames are pika's frames, byte for byte as it reads them."""

from __future__ import annotations

import pika.frame
import pika.spec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roger_actors.broker.amqp import wire

short = st.text(max_size=60)


def _frames(data: bytes) -> list:
    found = []
    while data:
        size, frame = pika.frame.decode_frame(data)
        assert size
        found.append(frame)
        data = data[size:]
    return found


@given(short, short, st.booleans())
def test_pika_reads_our_publish(exchange, queue, mandatory):
    (frame,) = _frames(wire.publish_method(3, exchange, queue, mandatory=mandatory))

    assert isinstance(frame.method, pika.spec.Basic.Publish)
    assert (frame.channel_number, frame.method.exchange, frame.method.routing_key) == (3, exchange, queue)
    assert frame.method.mandatory is mandatory


@given(
    st.binary(max_size=5000),
    short,
    short,
    st.dictionaries(
        st.text(min_size=1, max_size=20), st.text(max_size=20) | st.integers(-(2**31), 2**31) | st.booleans()
    ),
    short,
    short,
)
def test_pika_and_we_read_our_content(body, message_id, app_id, headers, correlation_id, reply_to):
    data = wire.content(
        1,
        body,
        1024,
        message_id=message_id,
        app_id=app_id,
        headers=headers,
        correlation_id=correlation_id,
        reply_to=reply_to,
    )
    header, *bodies = _frames(data)

    assert b"".join(frame.fragment for frame in bodies) == body
    assert max((len(frame.fragment) for frame in bodies), default=0) <= 1016
    assert header.body_size == len(body)
    assert header.properties.delivery_mode == 2
    assert (header.properties.headers or {}) == headers
    size = int.from_bytes(data[3:7], "big")
    content = wire.read_content(data[7 : 7 + size])
    assert content == (len(body), headers, correlation_id, reply_to, message_id, app_id)


def test_we_read_properties_that_we_never_write():
    properties = pika.spec.BasicProperties(
        content_type="text/plain", content_encoding="utf-8", priority=3, timestamp=99, type="t", user_id="u",
        cluster_id="c", message_id="m", expiration="5",
    )  # fmt: skip
    data = pika.frame.Header(1, 7, properties).marshal()

    assert wire.read_content(data[7:-1]) == (7, {}, "", "", "m", "")


@given(st.integers(1, 2**63), st.booleans())
def test_pika_reads_our_acks(tag, flag):
    acked, nacked = _frames(wire.ack(7, tag, multiple=flag) + wire.nack(7, tag, requeue=flag))

    assert (acked.method.delivery_tag, acked.method.multiple) == (tag, flag)
    assert (nacked.method.delivery_tag, nacked.method.requeue, nacked.method.multiple) == (tag, flag, False)


@given(short, st.integers(1, 2**63), st.booleans(), short, short)
def test_we_read_the_brokers_deliver_return_and_confirm(consumer, tag, flag, exchange, queue):
    deliver = pika.frame.Method(1, pika.spec.Basic.Deliver(consumer, tag, flag, exchange, queue)).marshal()
    returned = pika.frame.Method(1, pika.spec.Basic.Return(312, "NO_ROUTE", exchange, queue)).marshal()
    confirm = pika.frame.Method(1, pika.spec.Basic.Ack(tag, flag)).marshal()

    assert wire.read_deliver(deliver[7:-1]) == (tag, flag)
    assert wire.read_confirm(confirm[7:-1]) == (tag, flag)
    if len(returned) > 40:
        assert wire.read_return(returned[7:-1])[1] == queue


def test_a_name_over_255_bytes_is_refused():
    with pytest.raises(ValueError, match="longer than 255 bytes"):
        wire.publish_method(1, "", "q" * 256, mandatory=True)
