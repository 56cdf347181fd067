"""The CUDA runtime, as far as CuPy and this project use it.

What a call may leave to later is left to later, by "API synchronization behavior" in NVIDIA's documentation of
the runtime; what it must refuse during a capture is refused, by "CUDA Graphs" in the programming guide.
"""

from __future__ import annotations

import ctypes
import struct

from .calls import FLOAT, INT, POINTER, SIZE, UNSIGNED, Library, Out
from .copies import DEVICE_TO_DEVICE, Copy
from .device import HANDLES, MEMORY, PINNED, STREAMS, stream
from .errors import CudaError, Status
from .memory import TOTAL
from .streams import Event

RUNTIME = Library()
_function = RUNTIME.function

VERSION = 13_000
CAPABILITY = (9, 0)
NAME = b"emulated GPU, which shows no time"
_BUS_ID = b"0000:01:00.0\0"
_MULTIPROCESSORS = 132
#: cudaDeviceAttr: multiprocessors, capability, and what CuPy wants to know of clocks and textures.
_ATTRIBUTES = {
    16: _MULTIPROCESSORS,
    75: CAPABILITY[0],
    76: CAPABILITY[1],
    **dict.fromkeys((13, 15, 17, 20, 36, 69, 87), 0),
}
#: cudaDeviceProp of CUDA 13: offset -> format and value; what is not here is zero.
_PROPERTIES = {
    0: ("256s", NAME),
    288: ("Q", TOTAL),
    308: ("i", 32),  # warpSize
    320: ("i", 1024),  # maxThreadsPerBlock
    360: ("ii", *CAPABILITY),
    384: ("i", _MULTIPROCESSORS),
    596: ("i", 50 << 20),  # l2CacheSize
}
_PROPERTIES_BYTES = 704  # as far as CuPy reads
_NON_BLOCKING = 1  # cudaStreamNonBlocking
_UNREGISTERED, _PINNED, _DEVICE = range(3)  # cudaMemoryType


# The device ---------------------------------------------------------------------------------------------------


@_function("cudaDriverGetVersion", Out(INT))
def driver_version():
    return VERSION


@_function("cudaRuntimeGetVersion", Out(INT))
def runtime_version():
    return VERSION


@_function("cudaGetDeviceCount", Out(INT))
def device_count():
    return 1


@_function("cudaGetDevice", Out(INT))
def get_device():
    return 0


@_function("cudaSetDevice", INT)
def set_device(device):
    if device != 0:
        raise CudaError(Status.INVALID_DEVICE, f"device {device}")


@_function("cudaDeviceGetPCIBusId", POINTER, INT, INT)
def device_bus_id(address, length, device):
    ctypes.memmove(address, _BUS_ID, min(length, len(_BUS_ID)))


@_function("cudaDeviceGetAttribute", Out(INT), INT, INT)
def device_attribute(attribute, device):
    if attribute not in _ATTRIBUTES:
        raise NotImplementedError(f"attribute {attribute}")
    return _ATTRIBUTES[attribute]


@_function("cudaGetDeviceProperties", POINTER, INT)
def device_properties(address, device):
    ctypes.memset(address, 0, _PROPERTIES_BYTES)
    for offset, (form, *values) in _PROPERTIES.items():
        packed = struct.pack(form, *values)
        ctypes.memmove(address + offset, packed, len(packed))


@_function("cudaDeviceSynchronize")
def device_synchronize():
    STREAMS.synchronize_all()


@_function("cudaGetLastError")
def last_error():
    pass


# Memory -------------------------------------------------------------------------------------------------------


@_function("cudaMemGetInfo", Out(SIZE), Out(SIZE))
def memory_info():
    return TOTAL - MEMORY.used, TOTAL


@_function("cudaMalloc", Out(POINTER), SIZE)
def malloc(size):
    STREAMS.refuse_unsafe()
    return MEMORY.allocate(size)


@_function("cudaFree", POINTER)
def free(address):
    """It waits for all that the device has to do."""
    STREAMS.refuse_unsafe()
    STREAMS.drain()
    if address:
        MEMORY.free(address)


@_function("cudaHostAlloc", Out(POINTER), SIZE, UNSIGNED)
def host_alloc(size, flags):
    STREAMS.refuse_unsafe()
    return PINNED.allocate(size)


@_function("cudaFreeHost", POINTER)
def free_host(address):
    STREAMS.refuse_unsafe()
    PINNED.free(address)


@_function("cudaPointerGetAttributes", POINTER, POINTER)
def pointer_attributes(attributes, address):
    """cudaPointerAttributes: the kind of memory, the device, the address there, and that on the host."""
    kind = _DEVICE if MEMORY.holds(address) else _PINNED if PINNED.holds(address) else _UNREGISTERED
    packed = struct.pack("iiQQ", kind, 0, address if kind else 0, address)
    ctypes.memmove(attributes, packed, len(packed))


@_function("cudaMemcpyAsync", POINTER, POINTER, SIZE, INT, POINTER)
def memcpy_async(to, source, size, direction, handle):
    Copy(to, source, size, direction).enqueue(stream(handle))


@_function("cudaMemcpy", POINTER, POINTER, SIZE, INT)
def memcpy(to, source, size, direction):
    """On the null stream.  It returns when it is done, but not where CUDA says that it may return earlier."""
    copy = Copy(to, source, size, direction)
    if copy.staged is not None:
        STREAMS.synchronize(STREAMS.null)
    copy.enqueue(STREAMS.null)
    if copy.staged is None and direction != DEVICE_TO_DEVICE:
        STREAMS.synchronize(STREAMS.null)


@_function("cudaMemsetAsync", POINTER, INT, SIZE, POINTER)
def memset_async(address, value, size, handle):
    MEMORY.check(address, size)

    def fill() -> None:
        MEMORY.check(address, size)
        ctypes.memset(address, value, size)

    STREAMS.enqueue(stream(handle), f"a fill of {size} bytes", fill)


# Streams and events -------------------------------------------------------------------------------------------


@_function("cudaStreamCreateWithPriority", Out(POINTER), UNSIGNED, INT)
def stream_create_with_priority(flags, priority):
    return HANDLES.add(STREAMS.create(blocking=not flags & _NON_BLOCKING))


@_function("cudaStreamDestroy", POINTER)
def stream_destroy(handle):
    STREAMS.destroy(HANDLES.remove(handle))


@_function("cudaStreamSynchronize", POINTER)
def stream_synchronize(handle):
    STREAMS.synchronize(stream(handle))


@_function("cudaStreamQuery", POINTER)
def stream_query(handle):
    if not STREAMS.is_idle(stream(handle)):
        raise CudaError(Status.NOT_READY, "")


@_function("cudaStreamWaitEvent", POINTER, POINTER, UNSIGNED)
def stream_wait_event(handle, event, flags):
    STREAMS.wait(stream(handle), HANDLES[event])


@_function("cudaEventCreateWithFlags", Out(POINTER), UNSIGNED)
def event_create(flags):
    return HANDLES.add(Event())


@_function("cudaEventDestroy", POINTER)
def event_destroy(event):
    HANDLES.remove(event)


@_function("cudaEventRecord", POINTER, POINTER)
def event_record(event, handle):
    STREAMS.record(HANDLES[event], stream(handle))


@_function("cudaEventQuery", POINTER)
def event_query(event):
    STREAMS.refuse_unsafe()
    if not STREAMS.is_done(HANDLES[event].operation):
        raise CudaError(Status.NOT_READY, "")


@_function("cudaEventSynchronize", POINTER)
def event_synchronize(event):
    STREAMS.finish(HANDLES[event].operation)


@_function("cudaEventElapsedTime", Out(FLOAT), POINTER, POINTER)
def event_elapsed_time(start, end):
    """Milliseconds on the host's clock between the moments at which they came about."""
    events = HANDLES[start], HANDLES[end]
    for event in events:
        if event.operation is None or not event.operation.done:
            raise CudaError(Status.INVALID_HANDLE if event.operation is None else Status.NOT_READY, "an event")
    return 1e3 * (events[1].seconds - events[0].seconds)


# Graphs -------------------------------------------------------------------------------------------------------


@_function("cudaStreamBeginCapture", POINTER, INT)
def begin_capture(handle, mode):
    STREAMS.begin_capture(stream(handle), mode)


@_function("cudaStreamEndCapture", POINTER, Out(POINTER))
def end_capture(handle):
    return HANDLES.add(STREAMS.end_capture(stream(handle)))


@_function("cudaStreamIsCapturing", POINTER, Out(INT))
def is_capturing(handle):
    return int(STREAMS.is_capturing(stream(handle)))


@_function("cudaGraphInstantiate", Out(POINTER), POINTER, ctypes.c_ulonglong)
def graph_instantiate(graph, flags):
    return HANDLES.add(tuple(HANDLES[graph]))


@_function("cudaGraphUpload", POINTER, POINTER)
def graph_upload(executable, handle):
    HANDLES[executable], stream(handle)


@_function("cudaGraphLaunch", POINTER, POINTER)
def graph_launch(executable, handle):
    STREAMS.launch(stream(handle), HANDLES[executable])


@_function("cudaGraphDestroy", POINTER)
def graph_destroy(graph):
    HANDLES.remove(graph)


@_function("cudaGraphExecDestroy", POINTER)
def executable_destroy(executable):
    HANDLES.remove(executable)
