"""What is timed of the kernels: every op at every shape of the network, by every backend and version.

The registry says which kernels there are and :mod:`cgan_raw.calls` which shapes, so a new kernel is timed
without a word here.  ``simt`` is left out: it runs the GPU's kernels thread by thread to debug them, and takes
thousands of times as long.  An op that the network never calls has no shape (``uncalled`` there).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from cgan_raw.calls import network_calls
from cgan_raw.kernels.registry import FOLDERS, Op, ops
from cgan_raw.testing import HOST, assert_matches_reference, make_arguments

from .device import Cpu, Gpu, Peaks, places, spread
from .experts import experts, skipped_experts

ROUNDS = 20

#: Of a product that fills a GPU with the tiles of every version; at twice that, the first ones take minutes.
LARGE = {"M": 2048, "N": 2048, "K": 2048}

_ON_CPU = ("cpu",)  # backends; all others need a GPU

HostTimes = Callable[[Callable[[], object], Callable[[], object], int], Sequence[float]]


@dataclass(frozen=True)
class Case:
    """One implementation of one op at one shape.

    ``calls`` is how often an iteration calls the op at this shape.  ``default`` tells the version that training
    launches.  ``rounding`` is the registry's; ``spared`` names an argument that must be zero, since the
    implementation leaves it out; ``adapt`` makes an array of the place's what the function takes.
    """

    op: Op
    sizes: dict[str, int]
    calls: int
    place: Cpu | Gpu
    label: str
    function: Callable
    precision: str = "float32"
    default: bool = False
    rounding: float = 0.0
    spared: str | None = None
    adapt: Callable = lambda array: array

    def __str__(self) -> str:
        return f"{self.op.name}-{'x'.join(map(str, self.sizes.values()))}-{self.label.replace(' ', '-')}"


def folder(op: Op) -> str:
    """The op's folder, one of ``FOLDERS``: its family."""
    return op.package.rpartition(".")[2]


def backends(place: str) -> list[str]:
    """The registry's backends that run at a place, in order of appearance."""
    found = dict.fromkeys(kernel.backend for op in ops().values() for kernel in op.kernels)
    return [backend for backend in found if (backend in _ON_CPU) == (place == "cpu")]


def cases(*folders: str) -> list[Case]:
    """All cases of some op folders, or of all: op by op and shape by shape, each from the first idea to the
    expert's."""
    wanted = folders or FOLDERS
    return [
        case
        for call, count in network_calls().items()
        if folder(ops()[call.op]) in wanted
        for place in places().values()
        for case in _at(ops()[call.op], dict(call.sizes), count, place)
    ]


def ladder(place: Cpu | Gpu) -> list[Case]:
    """Every version of the forward product, and the experts', on a large one, which no network calls."""
    return list(_at(ops()["dense_forward"], LARGE, 0, place))


def _at(op: Op, sizes: dict[str, int], count: int, place: Cpu | Gpu) -> Iterator[Case]:
    for backend in backends(place.name):
        kernels = [kernel for kernel in op.kernels if kernel.backend == backend]
        if backend in place.missing or not kernels:
            continue
        default = op.launched([kernel.version for kernel in kernels], sizes)
        for kernel in kernels:
            label = " ".join(filter(None, (backend, kernel.version)))
            yield Case(
                op,
                sizes,
                count,
                place,
                label,
                place.function(op, kernel),
                "TF32" if kernel.rounding else "float32",
                kernel.version == default,
                kernel.rounding,
                adapt=partial(place.adapt, kernel),
            )
    rounding = max((kernel.rounding for kernel in op.kernels), default=0.0)
    for expert in experts(op, place):
        allowed = rounding if expert.precision == "TF32" else 0.0
        yield Case(
            op,
            sizes,
            count,
            place,
            expert.label,
            expert.function,
            expert.precision,
            rounding=allowed,
            spared="b",
            adapt=expert.adapt,
        )


def measure(case: Case, host_times: HostTimes | None = None) -> dict:
    """Time one case, and check what it computes afterwards.

    Parameters
    ----------
    host_times : (call, what to do before each, rounds) -> seconds of each call; None is the place's own.

    Returns
    -------
    dict : a row of results.  ``seconds`` is by the device's clock, ``host_seconds`` by the host's.

    Raises
    ------
    AssertionError : it computes something else than the reference.
    """
    place = case.place
    arguments, values, run = _bind(case, case.sizes)
    touch = _bind(case, dict.fromkeys(case.sizes, 1))[2]

    host = spread((host_times or place.host_times)(run, partial(place.prepare, touch), ROUNDS))
    device = place.device_times(run, ROUNDS)
    _check(case, arguments, values, run)
    return describe(case) | {"seconds": spread(device) if device else host, "host_seconds": host}


def describe(case: Case) -> dict:
    """A row of results without what only timing shows."""
    op = case.op
    return {
        "folder": folder(op),
        "op": op.name,
        "sizes": case.sizes,
        "calls": case.calls,
        "place": case.place.name,
        "by": case.label,
        "default": case.default,
        "expert": case.spared is not None,
        "precision": case.precision,
        "flop": op.flops(**case.sizes),
        "bytes": op.bytes(**case.sizes),
    }


def kernel_results(
    rows: Sequence[dict], peaks: dict[str, Peaks], where: dict, untimed: Sequence[dict] = ()
) -> dict:
    """All rows as a file of results, in the registry's order.

    Parameters
    ----------
    where : as :func:`bench.stamp.stamp` returns it.
    untimed : cases that have no row, as :func:`describe` returns them, each with the ``reason``; None is that
        its turn has not come.
    """

    def ordered(found: Sequence[dict]) -> list[dict]:
        return sorted(found, key=lambda row: FOLDERS.index(row["folder"]))

    return {
        "stamp": where,
        "device": list(peaks)[-1],
        "rounds": ROUNDS,
        "peaks": {place: peak.asdict() for place, peak in peaks.items()},
        "rows": ordered(rows),
        "untimed": ordered(untimed),
        "skipped": {label: why for place in peaks for label, why in skipped_experts(places()[place]).items()},
    }


def _bind(case: Case, sizes: dict[str, int]) -> tuple[dict, list, Callable[[], None]]:
    """Arguments of some sizes, as they are on the host and in the case's place, and the call on the latter."""
    op = case.op
    zeros = {a.name: np.zeros(a.shape(sizes)) for a in op.arguments if a.name == case.spared}
    arguments = make_arguments(op, sizes, np.random.default_rng(0), **zeros)
    values = [case.place.array(v) if isinstance(v, np.ndarray) else v for v in arguments.values()]
    passed = [case.adapt(v) if a.dims else v for a, v in zip(op.arguments, values, strict=True)]
    return arguments, values, lambda: case.function(*passed)


def _check(case: Case, arguments: dict, values: list, run: Callable[[], None]) -> None:
    """Compare what the timed calls left behind with the reference.

    An op that updates its arguments has by then done so many times: it starts once more from the beginning.
    """
    op, place = case.op, case.place
    if any(argument.role == "update" for argument in op.arguments):
        for value, initial in zip(values, arguments.values(), strict=True):
            if isinstance(initial, np.ndarray):
                place.write(value, initial)
        run()
    left = [
        place.download(value) if argument.role != "in" else None
        for argument, value in zip(op.arguments, values, strict=True)
    ]

    def hand_over(*destinations) -> None:
        for destination, result in zip(destinations, left, strict=True):
            if result is not None:
                destination[...] = result

    assert_matches_reference(op, hand_over, arguments, HOST, case.rounding)
