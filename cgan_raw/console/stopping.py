"""What asks a command to end: SIGINT (Ctrl-C), SIGTERM, and SIGHUP, which a closed terminal sends."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator

_HANG_UP = getattr(signal, "SIGHUP", None)  # Windows has none
_NUMBERS = tuple(filter(None, (signal.SIGINT, signal.SIGTERM, _HANG_UP)))
_TOGETHER_SECONDS = 0.05  # apart, and two signals are one: timeout(1) sends two
_END = b"\0"
_ACKNOWLEDGED = b"stopping, once the run is saved; Ctrl-C again ends it at once\n"


class Stopped(SystemExit):
    """A command is to end; its code is 128 and the signal's number."""


class Stop:
    """What was heard: the number of a signal that asks for an end, None as long as there is none."""

    def __init__(self):
        self.received: int | None = None


class StopSignals(Stop):
    """A context in which the first signal is noted and raised as :class:`Stopped`; a second ends the process.

    An exception can be lost on its way, in a callback from C or while an object is deleted.  So whoever begins
    something that lasts, or leaves something behind, calls :meth:`check`.  A handler in Python waits until C
    code has returned; what must not wait is done by a thread that the system tells of each signal.

    Signals that this process was told to ignore, as by nohup(1), are ignored.
    """

    def __init__(self):
        super().__init__()
        self._deferred = self._announced = False

    def __enter__(self) -> StopSignals:
        reading, self._writing = os.pipe()
        if hasattr(os, "set_blocking"):  # asked for by all systems but Windows
            os.set_blocking(self._writing, False)
        self._watcher = threading.Thread(target=self._watch, args=(reading,), daemon=True)
        self._watcher.start()
        self._wakeup = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        self._hook, sys.unraisablehook = sys.unraisablehook, self._unraisable
        heard = [number for number in _NUMBERS if signal.getsignal(number) != signal.SIG_IGN]
        self._handlers = {number: signal.signal(number, self._receive) for number in heard}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        sys.unraisablehook = self._hook
        signal.set_wakeup_fd(self._wakeup)
        os.write(self._writing, _END)  # a process that was forked may have it open too
        os.close(self._writing)
        self._watcher.join()
        self.received = None

    @contextlib.contextmanager
    def deferred(self, announce: bool) -> Iterator[StopSignals]:
        """Inside, a signal is noted in ``received`` and not raised; Ctrl-C is acknowledged on stderr."""
        self._deferred, self._announced = True, announce
        try:
            yield self
        finally:
            self._deferred = False

    def check(self) -> None:
        """Raise what has been received, unless that is deferred."""
        if self.received is not None and not self._deferred:
            raise Stopped(self.exit_code)

    @property
    def exit_code(self) -> int:
        """0, or 128 and the number of the signal that was received."""
        return 0 if self.received is None else 128 + self.received

    def _receive(self, number: int, _frame) -> None:
        if self.received is None:
            self.received = number
            self.check()

    def _watch(self, reading: int) -> None:
        first = None
        with open(reading, "rb", buffering=0) as numbers:
            while (byte := numbers.read(1)) != _END:
                if byte[0] not in _NUMBERS:
                    continue
                if first is None:
                    first = time.monotonic()
                    if byte[0] == signal.SIGINT and self._deferred and self._announced:
                        with contextlib.suppress(OSError):
                            os.write(2, _ACKNOWLEDGED)
                elif byte[0] != _HANG_UP and time.monotonic() > first + _TOGETHER_SECONDS:
                    os._exit(128 + byte[0])  # a shell and a closed terminal both send SIGHUP: nobody insists

    def _unraisable(self, what) -> None:
        """Say nothing of a :class:`Stopped` that was lost: it is raised again."""
        if not issubclass(what.exc_type, Stopped):
            self._hook(what)


@contextlib.contextmanager
def interrupt_deferred() -> Iterator[Stop]:
    """For a call from somebody's own program: inside, the first Ctrl-C is noted, and it arrives at the end.

    A second one arrives at once.  Other signals are the program's, and so is Ctrl-C in any thread but the main
    one, which alone may set handlers.
    """
    stop, before = Stop(), signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before in (signal.SIG_IGN, None):
        yield stop
        return

    def note(number: int, _frame) -> None:
        stop.received = number
        signal.signal(number, before)

    signal.signal(signal.SIGINT, note)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
    if stop.received is not None:
        signal.raise_signal(stop.received)


#: The one of a process.
SIGNALS = StopSignals()
