"""What stands inside and outside the times of the benchmarks, by clocks that only the work itself moves.

The GPU here is a queue: work begins when what was enqueued before has ended, and the host waits for nothing but
``synchronize``.
"""

import dataclasses
import json
import subprocess
import sys
from types import SimpleNamespace
from unittest.mock import Mock

import pytest

from bench import device, experts, kernels
from bench.results import CHECKOUT

FLUSH, TOUCH, LAUNCH, KERNEL = 1000.0, 50.0, 8.0, 3.0  # seconds of a flush, a warming call, a launch, a kernel


class Clock:
    """The host's: whoever uses the host's time adds to it."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(device, "time", clock)
    return clock


def worker(clock, *seconds):
    """A call that takes so long; the last value is that of all further calls."""
    left = list(seconds)

    def work():
        clock.now += left.pop(0) if len(left) > 1 else left[0]

    return work


# The host's clock -----------------------------------------------------------------------------------------


def test_preparing_and_the_first_calls_are_not_in_the_time(clock):
    """Each call is prepared."""
    prepared, run = [], worker(clock, *[100.0] * device.WARM, KERNEL)

    def prepare():
        prepared.append(clock.now)
        clock.now += FLUSH

    assert device._host_times(run, prepare, 4) == [KERNEL] * 4
    assert len(set(prepared)) == device.WARM + 4


def test_the_best_of_some_calls_is_the_shortest(clock):
    assert device._best(worker(clock, *[9.0] * device.WARM, 4.0, 2.0, 3.0, 5.0)) == 2.0


@pytest.mark.parametrize(("fastest", "times"), [(0, 1), (1, 2), (2, 2), (3, 1), (4, 2), (5, 2)])
def test_the_peaks_of_a_processor_are_work_by_time(monkeypatch, fastest, times):
    """Reading moves each byte once, copying and changing it twice, by all cores or by one; a product has 2 n^3
    operations."""
    monkeypatch.setattr(device, "_CPU_PRODUCT", 16)
    monkeypatch.setattr(device, "_last_level_bytes", lambda: 4096)
    seconds = [100.0] * 7
    seconds[fastest] = 1.0
    monkeypatch.setattr(device, "_best", lambda run, prepare=None: seconds.pop(0))
    assert device.Cpu().peaks == device.Peaks({"float32": 2 * 16**3 / 100}, times * 2048)


def test_the_bandwidth_of_a_processor_is_that_of_empty_caches(monkeypatch):
    """As kernels are timed, of which none may then be above its roof."""
    monkeypatch.setattr(device, "_CPU_PRODUCT", 16)
    monkeypatch.setattr(device, "_last_level_bytes", lambda: 4096)
    prepared, calls = [], []
    monkeypatch.setattr(device.Cpu, "prepare", lambda self, touch: prepared.append(len(calls)))
    for name in ("max", "copyto", "negative"):
        monkeypatch.setattr(device.np, name, lambda *_: calls.append(1))
    monkeypatch.setattr(device.Cpu, "_on_each_core", lambda self, function, *arrays: function(*arrays))
    assert device.Cpu().peaks.bytes > 0
    assert prepared == list(range(6 * (device.WARM + device._TRIES)))


def test_a_kernel_is_timed_on_arrays_that_are_not_in_the_caches(monkeypatch):
    """Before each call the caches are emptied, then the code is warmed up on other, tiny arrays."""
    events = []
    monkeypatch.setattr(device, "_CPU_BUFFER_CACHES", 0.01)
    monkeypatch.setattr(device.Cpu, "_on_each_core", lambda self, *work: events.append("flush"))
    case = next(c for c in kernels.cases("bce") if c.label == "cpu")

    def function(*arguments):
        events.append(arguments[2].shape)
        case.function(*arguments)

    def host_times(run, prepare, rounds):
        prepare()
        events.append("start")
        run()
        return [1.0]

    kernels.measure(dataclasses.replace(case, function=function), host_times)
    assert events == ["flush", (1, 1), "start", (32, 1)]


def test_both_clocks_have_their_times(monkeypatch):
    """What a row calls its seconds is by the device's clock, where there is one."""
    case = next(c for c in kernels.cases("bce") if c.label == "cpu")
    monkeypatch.setattr(device.Cpu, "device_times", lambda self, run, rounds: run() or [2.0, 4.0, 3.0])
    row = kernels.measure(case, lambda run, prepare, rounds: [9.0])
    assert row["seconds"] == {"median": 3.0, "low": 2.5, "high": 3.5}
    assert row["host_seconds"]["median"] == 9.0


# The device's ---------------------------------------------------------------------------------------------


class Stream:
    def __init__(self, clock):
        self.clock, self.free = clock, 0.0

    def enqueue(self, seconds):
        self.free = max(self.free, self.clock.now) + seconds

    def synchronize(self):
        self.clock.now = max(self.clock.now, self.free)


class Event:
    def record(self, stream):
        stream.enqueue(0.0)
        self.when = stream.free


@pytest.fixture
def gpu(clock):
    """A GPU whose flushes take long, and the launch of a kernel on it."""
    gpu = object.__new__(device.Gpu)
    gpu.stream = Stream(clock)
    cuda = SimpleNamespace(Event=Event, get_elapsed_time=lambda start, stop: 1e3 * (stop.when - start.when))
    gpu._cupy = SimpleNamespace(cuda=cuda)
    buffer = SimpleNamespace(
        memset_async=lambda value, size, stream: stream.enqueue(FLUSH * size / device._GPU_BUFFER)
    )
    gpu._buffer = SimpleNamespace(data=buffer)

    def launch(seconds=KERNEL):
        clock.now += LAUNCH
        gpu.stream.enqueue(seconds)

    return gpu, launch


def test_neither_flush_nor_launch_is_in_the_time_of_the_device(gpu):
    gpu, launch = gpu
    assert gpu.device_times(launch, 5) == [KERNEL] * 5


def test_the_host_waits_for_the_device_and_for_nothing_else(gpu):
    """An idle device gets a launch, and the time ends when it is idle again."""
    gpu, launch = gpu
    prepare = lambda: gpu.prepare(lambda: launch(TOUCH))  # noqa: E731
    assert gpu.host_times(launch, prepare, 5) == [LAUNCH + KERNEL] * 5


def test_the_peaks_of_a_gpu_are_work_by_time(monkeypatch, gpu):
    """Copying moves each byte twice; the best time counts."""
    gpu, _ = gpu
    gpu._cupy, gpu._buffer, gpu.array = Mock(), Mock(), lambda array: array
    gpu.device_times = lambda run, rounds: [4.0, 2.0, 3.0]
    monkeypatch.setattr(device, "_GPU_PRODUCT", 16)
    monkeypatch.setattr(experts, "cublas", Mock())
    monkeypatch.setattr(experts, "cublas_fault", lambda place: None, raising=False)
    assert gpu.peaks == device.Peaks(dict.fromkeys(("float32", "TF32"), 16**3), device._GPU_BUFFER)


# A child of bench.turns -----------------------------------------------------------------------------------

CHILD = """
import sys
from types import SimpleNamespace
from bench import serve

class Losses:
    def mean(self, axis):
        clock.now += 10_000  # after the time
        return self
    def tolist(self):
        return [1.0, 0.5, 2.0]

class Peer:
    iteration = 0
    def run(self, iterations):
        clock.now += 5 * iterations
        self.iteration += iterations
        return Losses()

def make(config):
    clock.now += 1000  # before it
    return Peer()

clock = SimpleNamespace(now=0.0, perf_counter=lambda: clock.now)
serve.time = clock
sys.modules["bench.peers"] = SimpleNamespace(IMPLEMENTATIONS={"fake": SimpleNamespace(make=make)})
serve.main("fake", "32", "1")
"""


def test_a_child_times_its_iterations_alone():
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        cwd=CHECKOUT,
        input="run 2\nrun 3\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(a["seconds"], a["iteration"]) for a in answers] == [(10.0, 2), (15.0, 5)], done.stderr
