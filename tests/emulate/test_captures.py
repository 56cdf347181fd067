"""Captures on the emulated GPU: what goes into a graph, and what is not allowed meanwhile."""

import numpy as np
import pytest


@pytest.fixture
def stream(cupy):
    return cupy.cuda.Stream(non_blocking=True)


@pytest.fixture
def x(cupy):
    return cupy.empty(8, "f4")


def fill(array, byte, stream):
    array.data.memset_async(byte, array.nbytes, stream)


def test_what_is_captured_is_done_by_the_graph_alone(x, stream, told):
    stream.begin_capture()
    fill(x, 1, stream)
    fill(x, 2, stream)
    graph = stream.end_capture()
    assert np.isnan(x.get(stream)).all()
    for _ in range(2):
        fill(x, 0, stream)
        graph.launch(stream)
        assert (x.get(stream).view("u1") == 2).all()
    assert told("launch") == ["2", "2"]


def test_other_streams_go_on(x, stream, cupy):
    other = cupy.cuda.Stream(non_blocking=True)
    stream.begin_capture()
    fill(x, 0, other)
    assert not x.get(other).any()
    stream.end_capture()


def wait(runtime, stream, x, host):
    runtime.streamSynchronize(stream)


def wait_for_all(runtime, stream, x, host):
    runtime.deviceSynchronize()


def upload_pageable(runtime, stream, x, host):
    runtime.memcpyAsync(x, host, 32, runtime.memcpyHostToDevice, stream)


def download_pageable(runtime, stream, x, host):
    runtime.memcpyAsync(host, x, 32, runtime.memcpyDeviceToHost, stream)


def begin_again(runtime, stream, x, host):
    runtime.streamBeginCapture(stream, runtime.streamCaptureModeRelaxed)


def wait_for_an_event_outside(runtime, stream, x, host):
    from cupy.cuda import Stream

    other, event = Stream(non_blocking=True), runtime.eventCreateWithFlags(0)
    runtime.eventRecord(event, other.ptr)
    runtime.streamWaitEvent(stream, event)


@pytest.mark.parametrize(
    "call",
    [wait, wait_for_all, upload_pageable, download_pageable, begin_again, wait_for_an_event_outside],
)
def test_what_is_not_allowed(call, x, stream, cupy):
    """Called past CuPy, which knows some of that too."""
    host = np.zeros(8, "f4")
    stream.begin_capture()
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match=r"CAPTURE_UNSUPPORTED|CAPTURE_ISOLATION"):
        call(cupy.cuda.runtime, stream.ptr, x.data.ptr, host.ctypes.data)


def test_asking_is_not_allowed(stream, cupy):
    stream.begin_capture()
    assert cupy.cuda.runtime.streamQuery(stream.ptr) == 900  # cudaErrorStreamCaptureUnsupported
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="CAPTURE_INVALIDATED"):
        stream.end_capture()


def test_a_call_that_is_not_allowed_breaks_the_capture(x, stream, cupy):
    stream.begin_capture()
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError):
        stream.synchronize()
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="CAPTURE_INVALIDATED"):
        fill(x, 0, stream)
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="CAPTURE_INVALIDATED"):
        stream.end_capture()
    stream.begin_capture()
    stream.end_capture()


@pytest.mark.parametrize(("mode", "allowed"), [("Global", False), ("ThreadLocal", False), ("Relaxed", True)])
def test_an_allocation_is_allowed_in_relaxed_mode_alone(mode, allowed, stream, cupy):
    runtime = cupy.cuda.runtime
    stream.begin_capture(getattr(runtime, f"streamCaptureMode{mode}"))
    if allowed:
        runtime.free(runtime.malloc(32))
        stream.end_capture()
    else:
        with pytest.raises(runtime.CUDARuntimeError, match="CAPTURE_UNSUPPORTED"):
            runtime.malloc(32)
        with pytest.raises(runtime.CUDARuntimeError, match="CAPTURE_INVALIDATED"):
            stream.end_capture()


def test_the_null_stream_while_a_blocking_one_is_captured(x, cupy):
    stream = cupy.cuda.Stream()
    stream.begin_capture()
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="CAPTURE_IMPLICIT"):
        fill(x, 0, cupy.cuda.Stream.null)
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="CAPTURE_INVALIDATED"):
        stream.end_capture()


def test_the_null_stream_is_not_captured(cupy):
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="CAPTURE_UNSUPPORTED"):
        cupy.cuda.runtime.streamBeginCapture(0, cupy.cuda.runtime.streamCaptureModeRelaxed)


def test_a_capture_that_never_began(stream, cupy):
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="INVALID_VALUE"):
        cupy.cuda.runtime.streamEndCapture(stream.ptr)


# Branches ---------------------------------------------------------------------------------------------------


@pytest.fixture
def side(cupy):
    return cupy.cuda.Stream(non_blocking=True)


def after(stream, other):
    """What comes next on a stream comes after all on another one."""
    stream.wait_event(other.record())


def test_a_branch_is_part_of_the_graph(x, stream, side, cupy):
    stream.begin_capture()
    fill(x, 1, stream)
    after(side, stream)
    fill(x, 2, side)
    after(stream, side)
    graph = stream.end_capture()
    graph.launch(stream)
    assert (x.get(stream).view("u1") == 2).all()
    fill(x, 3, side)  # takes no part any more
    assert (x.get(side).view("u1") == 3).all()


def test_a_branch_that_nobody_waits_for_is_late(x, stream, side, cupy):
    """Two branches write to one place: the one that was enqueued first comes last."""
    stream.begin_capture()
    after(side, stream)
    fill(x, 1, side)
    fill(x, 2, stream)
    after(stream, side)
    graph = stream.end_capture()
    graph.launch(stream)
    assert (x.get(stream).view("u1") == 1).all()


def test_a_branch_must_be_joined(x, stream, side, cupy):
    stream.begin_capture()
    fill(x, 1, stream)
    after(side, stream)
    fill(x, 2, side)
    with pytest.raises(cupy.cuda.runtime.CUDARuntimeError, match="CAPTURE_UNJOINED"):
        stream.end_capture()
