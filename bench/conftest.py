"""What ``pytest --benchmark-only`` prints: a table for each op folder, and one of whole iterations.

Plain ``pytest`` reads this file too, and so does one without pytest-benchmark: nothing is imported before it is
needed, NumPy least of all.
"""

from __future__ import annotations

import os
from itertools import groupby
from pathlib import Path

import pytest

_KERNELS, _ITERATIONS, _STAMP = (pytest.StashKey() for _ in range(3))

#: With one of these pytest-benchmark's own tables are what was asked for.
_ITS_OWN = ("benchmark_compare", "benchmark_histogram", "benchmark_cprofile")


def pytest_addoption(parser):
    parser.addoption("--keep", type=Path, metavar="FOLDER", help="write the kernels' times there as JSON")


def pytest_configure(config):
    config.stash[_KERNELS], config.stash[_ITERATIONS] = [], []
    if config.getoption("benchmark_only", False):
        # The tests, whose conftest.py is read as well, give BLAS one thread.  NumPy is not imported yet.
        os.environ.pop("OPENBLAS_NUM_THREADS", None)
    if config.getoption("keep"):
        from .results import CHECKOUT
        from .stamp import stamp

        config.stash[_STAMP] = stamp(CHECKOUT)  # before this adds to the machine's load


@pytest.fixture
def time_kernel(benchmark, request):
    """Times a case and adds it to the tables; the clock of the host is pytest-benchmark's."""
    from .device import WARM
    from .kernels import measure

    def timed(case) -> None:
        def host_times(run, prepare, rounds):
            call = case.place.synchronised(run)
            benchmark.pedantic(call, setup=prepare, rounds=rounds, warmup_rounds=WARM)
            return benchmark.stats.stats.data

        row = measure(case, host_times)
        benchmark.group = f"{row['op']} {row['sizes']}"
        benchmark.extra_info |= {name: row[name] for name in ("by", "flop", "bytes", "seconds")}
        request.config.stash[_KERNELS].append(row)

    return timed


@pytest.fixture
def report_iteration(request):
    """Adds a row to the table of iterations."""
    return request.config.stash[_ITERATIONS].append


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_group_stats(config):
    """No groups, no tables of pytest-benchmark's: they have one group for each shape, and no FLOP/s."""
    return None if any(config.getoption(name, None) for name in _ITS_OWN) else []


def pytest_terminal_summary(terminalreporter, config):
    rows, iterations = config.stash[_KERNELS], config.stash[_ITERATIONS]
    if rows:
        _show_kernels(terminalreporter, rows)
    if iterations:
        from .tables import iteration_table, plain

        terminalreporter.write_sep("-", "whole iterations")
        terminalreporter.write_line(plain(*iteration_table(iterations), left=2))
    if config.getoption("keep"):
        _keep(terminalreporter, rows, config)


def _show_kernels(terminal, rows):
    from cgan_raw.calls import uncalled

    from .device import places
    from .tables import kernel_table, plain, roofs

    peaks = {place.name: place.peaks for place in places().values()}
    for folder, group in groupby(rows, key=lambda row: row["folder"]):
        terminal.write_sep("-", folder)
        terminal.write_line(plain(*kernel_table(list(group), peaks)))
    terminal.write_line("\nmedians, operands not in the caches; GB/s counts each array once, the least to move")
    terminal.write_line("\n".join(roofs(peaks)))
    terminal.write_line(f"not timed, since no network calls them: {', '.join(uncalled())}")


def _keep(terminal, rows, config):
    """All or nothing: a report of some kernels would pass for one of all."""
    from .device import places
    from .kernels import cases, kernel_results
    from .results import keep, tag
    from .turns import default_device

    if len(rows) != len(cases()):
        terminal.write_line(f"not kept: {len(rows)} of {len(cases())} kernels were timed and found right")
        return
    stamp = config.stash[_STAMP]
    file = config.getoption("keep") / f"kernels-{tag(default_device(), stamp)}.json"
    peaks = {place.name: place.peaks for place in places().values()}
    keep(file, kernel_results(rows, peaks, stamp))
    terminal.write_line(f"kept: {file}")
