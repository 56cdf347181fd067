"""The emulated GPU's streams: nothing is done before something waits for it, and then all that comes before."""

import numpy as np
import pytest

ONES = np.ones(8, np.float32)


@pytest.fixture
def stream(cupy):
    return cupy.cuda.Stream(non_blocking=True)


@pytest.fixture
def peek():
    """A function: what a device array holds at this moment, which no program can see."""
    import ctypes

    def look(array):
        return np.frombuffer(ctypes.string_at(array.data.ptr, array.nbytes), array.dtype).reshape(array.shape)

    return look


def fill(array, byte, stream):
    array.data.memset_async(byte, array.nbytes, stream)


def pinned(cupy, count):
    memory = cupy.cuda.alloc_pinned_memory(4 * count)
    return np.frombuffer(memory, np.float32, count)


def test_what_nobody_wrote_is_nan(cupy, stream):
    assert np.isnan(cupy.empty(8, "f4").get(stream)).all()


def test_nothing_is_done_until_something_waits(cupy, stream, peek):
    x = cupy.empty(8, "f4")
    fill(x, 0, stream)
    assert np.isnan(peek(x)).all()
    assert not stream.done
    stream.synchronize()
    assert not peek(x).any()
    assert stream.done


def test_an_event_waits_for_what_came_before_it_alone(cupy, stream, peek):
    x, event = cupy.empty(8, "f4"), cupy.cuda.Event()
    fill(x, 0, stream)
    event.record(stream)
    fill(x, 1, stream)
    event.synchronize()
    assert not peek(x).any()
    assert event.done
    assert not stream.done


def test_a_stream_waits_for_an_event_of_another(cupy, stream, peek):
    other, event, x = cupy.cuda.Stream(non_blocking=True), cupy.cuda.Event(), cupy.empty(8, "f4")
    fill(x, 0, other)
    event.record(other)
    stream.wait_event(event)
    assert np.isnan(peek(x)).all(), "waiting is done in the stream's turn, not by the caller"
    stream.synchronize()
    assert not peek(x).any()


def test_two_streams_do_not_wait_for_each_other(cupy, stream):
    x = cupy.empty(8, "f4")
    fill(x, 0, stream)
    assert np.isnan(x.get(cupy.cuda.Stream(non_blocking=True))).all()


def test_the_null_stream_does_not_wait_for_a_non_blocking_one(cupy, stream):
    x = cupy.empty(8, "f4")
    fill(x, 0, stream)
    assert np.isnan(x.get(cupy.cuda.Stream.null)).all()


def test_a_non_blocking_stream_does_not_wait_for_the_null_one(cupy, stream):
    x = cupy.empty(8, "f4")
    fill(x, 0, cupy.cuda.Stream.null)
    assert np.isnan(x.get(stream)).all()


def test_the_null_stream_and_a_blocking_one_wait_for_each_other(cupy):
    blocking, null = cupy.cuda.Stream(), cupy.cuda.Stream.null
    x, y = cupy.empty(8, "f4"), cupy.empty(8, "f4")
    fill(x, 0, blocking)
    fill(y, 0, null)
    assert not x.get(null).any()
    fill(y, 1, null)
    fill(x, 1, blocking)
    fill(x, 2, null)
    assert (x.get(blocking).view("u1") == 2).all()
    assert (y.get(blocking).view("u1") == 1).all()


def test_a_thousand_turns_between_two_streams(cupy):
    """The chain of what waits for what is longer than Python's stack."""
    blocking, null, x = cupy.cuda.Stream(), cupy.cuda.Stream.null, cupy.empty(8, "f4")
    for i in range(1500):
        fill(x, i % 256, blocking if i % 2 else null)
    assert (x.get(null).view("u1") == 1499 % 256).all()


def test_a_device_waits_for_all_streams(cupy, stream, peek):
    x, y = cupy.empty(8, "f4"), cupy.empty(8, "f4")
    fill(x, 0, stream)
    fill(y, 0, cupy.cuda.Stream(non_blocking=True))
    cupy.cuda.Device().synchronize()
    assert not peek(x).any()
    assert not peek(y).any()


def test_who_asks_in_a_loop_is_answered_in_the_end(cupy, stream):
    x, event = cupy.empty(8, "f4"), cupy.cuda.Event()
    fill(x, 0, stream)
    event.record(stream)
    assert any(event.done for _ in range(10_000))


def test_work_of_a_stream_that_is_no_more_is_done(cupy, peek):
    x, stream = cupy.empty(8, "f4"), cupy.cuda.Stream(non_blocking=True)
    fill(x, 0, stream)
    del stream
    cupy.cuda.Device().synchronize()
    assert not peek(x).any()


def test_pageable_memory_is_read_at_once(cupy, stream, peek):
    x, values = cupy.empty(8, "f4"), ONES.copy()
    x.set(values, stream)
    values[:] = 2
    assert np.isnan(peek(x)).all()
    np.testing.assert_array_equal(x.get(stream), ONES)


def test_pinned_memory_is_read_in_its_turn(cupy, stream):
    x, values = cupy.empty(8, "f4"), pinned(cupy, 8)
    values[:] = 1
    x.set(values, stream)
    values[:] = 2
    np.testing.assert_array_equal(x.get(stream), 2 * ONES)


def test_pageable_memory_is_written_when_the_call_returns(cupy, stream):
    x = cupy.empty(8, "f4")
    x.set(ONES, stream)
    np.testing.assert_array_equal(x.get(stream, blocking=False), ONES)


def test_pinned_memory_is_written_in_its_turn(cupy, stream):
    x, out = cupy.empty(8, "f4"), pinned(cupy, 8)
    x.set(ONES, stream)
    x.get(stream, out=out, blocking=False)
    assert np.isnan(out).all()
    stream.synchronize()
    np.testing.assert_array_equal(out, ONES)


def test_null_stream_work_is_told_with_its_place(cupy, stream, told):
    x = cupy.empty(8, "f4")
    fill(x, 0, stream)
    assert told("null") == []
    fill(x, 0, cupy.cuda.Stream.null)
    (line,) = told("null")
    assert line.startswith("a fill of 32 bytes at tests/emulate/test_lazy_streams.py:")
