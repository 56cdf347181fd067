"""Every barrier of the CUDA C++ is needed: without it ThreadSanitizer reports a data race.

A race need not show in a result, whatever the order of threads.  In the text that is compiled here each barrier
has a switch, so that one process under the sanitizer can drop them one by one.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from cases import on_grid, several_tiles, texts

from cgan_raw.kernels import launch, simt
from cgan_raw.kernels.dispatch import Modules
from cgan_raw.kernels.registry import is_fused, ops
from cgan_raw.testing import make_arguments

_BARRIER = re.compile(r"__sync(?:threads|warp)\(\);(?=  // )")
_SWITCHES = """
static int off;
static unsigned passed;
__attribute__((noinline, no_sanitize("thread"))) static bool on(int barrier) {
    passed |= 1u << barrier;
    return off != barrier;
}
extern "C" __global__ void switch_off(int barrier, unsigned* passed_before) {
    passed_before[0] = passed;
    passed = 0;
    off = barrier;
}
"""


SOURCE = launch.module_source


def with_switches(path, constants, source=SOURCE):
    """As ``launch.module_source``; barriers are numbered from 1, and the first ones are those of common.cuh."""
    numbers = iter(range(1, 32))
    return _SWITCHES + _BARRIER.sub(lambda word: f"if (on({next(numbers)})) {word[0]}", source(path, constants))


_NOTHING = (0, ["bce_forward", "dense_forward_split_k"])


def switch_off(modules, op, barrier):
    """0 for none.  Returns the barriers that were passed since the last time."""
    passed = np.zeros(1, np.uint32)
    modules(op.package).launch("switch_off", 1, 1, [barrier, passed])
    return [number for number in range(32) if passed[0] >> number & 1]


def run(modules, op, kernel):
    """On one block, which has a next tile; where it walks rows, once with many and once with few."""
    several = several_tiles(op, kernel)
    few = several | {"M": 9} if is_fused(op) and "M" in several else several
    for sizes in (several, few):
        arguments = make_arguments(op, sizes, np.random.default_rng(0))
        on_grid(op, kernel, modules, 1)(*arguments.values())


KERNELS = {parameter.id: parameter.values for parameter in texts()}


def files(op):
    """The file of each barrier of an op's module, in the order of the text that is compiled."""
    folder, file, found = launch.COMMON.parent / op.package.rpartition(".")[2], "", []
    for line in SOURCE(folder / "cuda.cu", {}).splitlines():
        file = line.split('"')[1] if line.startswith("#line") else file
        found += [str(Path(file).resolve().relative_to(folder.parent))] * len(_BARRIER.findall(line))
    return found


def users():
    """Of each barrier, as (file, number), the kernels that pass it."""
    modules, found = Modules(simt.Executor()), {}
    for kernel, (op, version) in KERNELS.items():
        switch_off(modules, op, 0)
        run(modules, op, version)
        for barrier in switch_off(modules, op, 0):
            found.setdefault((files(op)[barrier - 1], barrier), []).append(kernel)
    return found


def test_a_dropped_barrier_is_a_data_race(monkeypatch):
    monkeypatch.setattr(launch, "module_source", with_switches)
    barriers = users()
    there = {(file, i) for op in ops().values() for i, file in enumerate(files(op), 1)}
    assert barriers.keys() == there, "each is passed"
    dropped = [(barrier, kernels) for (_, barrier), kernels in barriers.items()]
    command = [sys.executable, "-m", "cgan_raw.kernels.simt.sanitize", "thread", __file__]
    done = subprocess.run(
        command, input=json.dumps([_NOTHING, *dropped]), capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    silent, *reports = json.loads(done.stdout)
    assert silent == ""
    for (file, barrier), report in zip(barriers, reports, strict=True):
        assert "data race" in report, (file, barrier)
        assert Path(file).name in report


def report_without(barrier, kernels, modules):
    """What the sanitizer says of the first kernel of which it says anything, in a process of its own."""
    with tempfile.TemporaryFile("w+") as stderr:
        if (child := os.fork()) == 0:
            os.dup2(stderr.fileno(), 2)
            for op, kernel in map(KERNELS.get, kernels):
                switch_off(modules, op, barrier)
                run(modules, op, kernel)
                if os.fstat(2).st_size:
                    break
            os._exit(0)
        os.waitpid(child, 0)
        stderr.seek(0)
        return stderr.read()


if __name__ == "__main__":
    launch.module_source = with_switches
    modules = Modules(simt.Executor())
    for op, _ in KERNELS.values():
        modules(op.package)  # loaded once, not by each child
    print(json.dumps([report_without(*dropped, modules) for dropped in json.load(sys.stdin)]))
