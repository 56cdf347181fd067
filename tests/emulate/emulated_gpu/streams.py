"""The order in which work is done: streams, events, captured graphs.

An operation knows those that must come before it.  It is done when something waits for it, or for one that
comes after it, and not a moment earlier: CUDA promises no more than that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from . import report
from .errors import CudaError, Status

#: After so many questions whether an operation is done, it is: a GPU's answer would be yes some day.
_PATIENCE = 1_000
_RELAXED = 2  # cudaStreamCaptureModeRelaxed

Action = Callable[[], None]


@dataclass(eq=False)
class Operation:
    """Something that a stream is to do, and what must be done before."""

    number: int
    name: str
    action: Action
    after: list[Operation]
    done: bool = False
    questions: int = 0


@dataclass(eq=False)
class Node:
    """An operation of a graph: a name for it, what is done, and the numbers of the nodes before it."""

    name: str
    action: Action
    after: list[int]


@dataclass(eq=False)
class Capture:
    """The operations of a graph that is being recorded; ``broken`` by a call that is not allowed meanwhile.

    Other streams take part from when they wait for an event of it, up to its end.
    """

    mode: int
    nodes: list[Node] = field(default_factory=list)
    broken: bool = False

    def check(self) -> None:
        if self.broken:
            raise CudaError(Status.CAPTURE_INVALIDATED, "a call during this capture was not allowed")


@dataclass(eq=False)
class Stream:
    """``last`` is what was enqueued last.  A blocking stream waits for the null stream, and that one for it."""

    blocking: bool
    last: Operation | None = None
    capture: Capture | None = None
    tips: list[int] = field(default_factory=list)  # the nodes that the next one comes after


@dataclass(eq=False)
class Event:
    """A place in a stream: after all that comes before ``operation``, which was done at ``seconds``."""

    operation: Operation | None = None
    seconds: float = 0.0
    capture: Capture | None = None
    tips: list[int] = field(default_factory=list)  # likewise, in a capture


class Streams:
    """All streams of the device, the legacy null stream among them.

    Attributes
    ----------
    fault : what an operation failed with.  No call succeeds after it.
    """

    def __init__(self):
        self.null = Stream(blocking=True)
        self.fault: CudaError | None = None
        self._all = [self.null]
        self._pending: dict[int, Operation] = {}
        self._numbers = count()

    def create(self, blocking: bool) -> Stream:
        self._all.append(Stream(blocking))
        return self._all[-1]

    def destroy(self, stream: Stream) -> None:
        """What it was to do is done all the same, so nothing changes."""
        self._refuse_captured([stream])

    # Operations ----------------------------------------------------------------------------------------------

    def enqueue(
        self, stream: Stream, name: str, action: Action, after: Operation | None = None
    ) -> Operation | None:
        """Have a stream do something; None if that goes into a graph."""
        if stream.capture is not None:
            stream.capture.check()
            stream.capture.nodes.append(Node(name, action, stream.tips))
            stream.tips = [len(stream.capture.nodes) - 1]
            return None
        if stream is self.null:
            self._refuse_captured(self._blocking(), Status.CAPTURE_IMPLICIT)
            report.write("null", f"{name} at {report.caller()}")
            before = self._blocking()
        else:
            before = [stream, self.null] if stream.blocking else [stream]
        needed = [o for o in (*(s.last for s in before), after) if o is not None and not o.done]
        operation = Operation(next(self._numbers), name, action, needed)
        self._pending[operation.number] = stream.last = operation
        return operation

    def synchronize(self, stream: Stream) -> None:
        """Do all that was enqueued on a stream; for the null stream, on any that blocks."""
        streams = self._blocking() if stream is self.null else [stream]
        self._refuse_captured(streams)
        self.finish(*(s.last for s in streams))

    def synchronize_all(self) -> None:
        self._refuse_captured(self._all)
        self.drain()

    def drain(self) -> None:
        """Do all that was enqueued anywhere."""
        self.finish(*self._pending.values())

    def finish(self, *operations: Operation | None) -> None:
        """Do some operations and what comes before them; CudaError if one fails."""
        for operation in self._needed(*operations):
            self._do(operation)

    def is_done(self, operation: Operation | None) -> bool:
        if operation is None or operation.done:
            return True
        operation.questions += 1
        if operation.questions == _PATIENCE:
            self.finish(operation)
        return False

    def is_idle(self, stream: Stream) -> bool:
        self._refuse_captured([stream])
        return self.is_done(stream.last)

    def reset(self) -> None:
        """Forget what failed, what was not done yet and what was being captured."""
        self.fault = None
        self._pending.clear()
        for stream in self._all:
            stream.last = stream.capture = None
            stream.tips = []

    def _blocking(self) -> list[Stream]:
        return [s for s in self._all if s.blocking]

    def _needed(self, *operations: Operation | None) -> list[Operation]:
        """What is still to be done for them, in the order in which it was enqueued."""
        open_, needed = [o for o in operations if o is not None], {}
        while open_:
            operation = open_.pop()
            if not operation.done and operation.number not in needed:
                needed[operation.number] = operation
                open_ += operation.after
        return [needed[number] for number in sorted(needed)]

    def _do(self, operation: Operation) -> None:
        try:
            _run(operation.name, operation.action)
        except CudaError as error:
            self.fault = error
            report.problem(str(error))
            raise
        operation.done, operation.after = True, []
        del operation.action, self._pending[operation.number]

    # Events --------------------------------------------------------------------------------------------------

    def record(self, event: Event, stream: Stream) -> None:
        event.capture, event.tips = stream.capture, list(stream.tips)
        if stream.capture is not None:
            stream.capture.check()
            return

        def note_the_time() -> None:
            event.seconds = time.perf_counter()

        event.operation = self.enqueue(stream, "an event", note_the_time)

    def wait(self, stream: Stream, event: Event) -> None:
        """Let what is enqueued on a stream from now on come after an event."""
        if event.capture is None:
            self._refuse_captured([stream], Status.CAPTURE_ISOLATION)
            self.enqueue(stream, "waiting for an event", lambda: None, event.operation)
            return
        event.capture.check()
        if stream.capture not in (None, event.capture):
            raise CudaError(Status.CAPTURE_MERGE, "an event of another capture")
        stream.tips = [*stream.tips, *event.tips] if stream.capture else list(event.tips)
        stream.capture = event.capture

    # Graphs --------------------------------------------------------------------------------------------------

    def begin_capture(self, stream: Stream, mode: int) -> None:
        if stream is self.null or stream.capture is not None:
            raise CudaError(Status.CAPTURE_UNSUPPORTED, "the null stream, or one that is being captured")
        stream.capture, stream.tips = Capture(mode), []

    def end_capture(self, stream: Stream) -> list[Node]:
        """The operations that were enqueued since it began, in an order as unlike as can be."""
        capture = stream.capture
        if capture is None:
            raise CudaError(Status.INVALID_VALUE, "the stream is not being captured")
        others = [s for s in self._all if s is not stream and s.capture is capture]
        last, loose = stream.tips, [tip for s in others for tip in s.tips]
        for each in (stream, *others):
            each.capture, each.tips = None, []
        capture.check()
        if not set(loose) <= _reached(capture.nodes, last):
            raise CudaError(Status.CAPTURE_UNJOINED, "nothing waits for a stream that took part")
        return _latest_first(capture.nodes)

    def is_capturing(self, stream: Stream) -> bool:
        if stream is self.null:
            self._refuse_captured(self._blocking(), Status.CAPTURE_IMPLICIT)
        return stream.capture is not None

    def launch(self, stream: Stream, nodes: list[Node]) -> None:
        """Do a graph's operations, one after the other."""

        def run_all() -> None:
            for node in nodes:
                _run(node.name, node.action)

        report.write("launch", str(len(nodes)))
        self.enqueue(stream, f"a graph of {len(nodes)}", run_all)

    def refuse_unsafe(self) -> None:
        """CudaError while a stream is captured in a mode that forbids allocations and the like."""
        self._refuse_captured([s for s in self._all if s.capture is not None and s.capture.mode != _RELAXED])

    def _refuse_captured(self, streams: list[Stream], status: Status = Status.CAPTURE_UNSUPPORTED) -> None:
        """CudaError if one of the streams is being captured; that breaks the capture."""
        captures = [s.capture for s in streams if s.capture is not None]
        for capture in captures:
            capture.broken = True
        if captures:
            raise CudaError(status, "not allowed while a stream is being captured")


def _reached(nodes: list[Node], tips: list[int]) -> set[int]:
    """Some nodes, by their numbers, and all that come before them."""
    reached, open_ = set(), list(tips)
    while open_:
        number = open_.pop()
        if number not in reached:
            reached.add(number)
            open_ += nodes[number].after
    return reached


def _latest_first(nodes: list[Node]) -> list[Node]:
    """Each after those that it comes after; of several, the one first that was enqueued last.

    So a branch is late, if nothing waits for it.
    """
    done: set[int] = set()
    order, left = [], list(range(len(nodes)))
    while left:
        number = max(n for n in left if done.issuperset(nodes[n].after))
        left.remove(number)
        done.add(number)
        order.append(nodes[number])
    return order


def _run(name: str, action: Action) -> None:
    """What is not valid any more when its turn comes fails as it would on a GPU, where no call is to blame."""
    try:
        action()
    except CudaError as error:
        status = Status.ILLEGAL_ADDRESS if error.status is Status.INVALID_VALUE else error.status
        raise CudaError(status, f"{name}: {error}") from None
