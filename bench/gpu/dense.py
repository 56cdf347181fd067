"""The dense ladder at the networks' shapes, beside cuBLAS: GPU time of one product between two CUDA events.

Before each product a buffer much larger than L2 is overwritten.  That empties L2 of the operands, and it keeps
the GPU busy for longer than the host needs to enqueue what is timed, so that no launch is waited for.  Operands
are small integers: every product, in TF32 too, has one right answer, and is compared with it bit for bit.
cuBLAS computes the products alone; ``dense_forward`` adds the bias.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
from cgan_raw.kernels.dispatch import LaunchedOp, Modules
from cgan_raw.kernels.registry import Op, ops

from cgan_raw.config import DISCRIMINATOR_WIDTHS, GENERATOR_WIDTHS, LATENT, PIXELS, TrainConfig

_FLUSH = 2**30  # bytes
_WARM, _TIMED = 3, 50  # calls
_LAYERS = tuple(
    dict.fromkeys(
        (*pairwise((LATENT, *GENERATOR_WIDTHS, PIXELS)), *pairwise((PIXELS, *DISCRIMINATOR_WIDTHS, 1)))
    )
)

#: Op -> (its result's name, the product that it computes of the arrays by name).
_PRODUCTS = {
    "dense_forward": ("y", lambda a: (a["x"], a["w"])),
    "dense_backward_input": ("dx", lambda a: (a["dy"], a["w"].T)),
    "dense_backward_weight": ("dw", lambda a: (a["x"].T, a["dy"])),
}


def main(out: Path) -> int:
    import cupy
    from cgan_raw.kernels.gpu import Executor

    modules, timer = Modules(Executor()), _Timer()
    rows = []
    for name in _PRODUCTS:
        for K, N in _LAYERS:
            sizes = {"M": TrainConfig().batch_size, "N": N, "K": K}
            rows += _measure(ops()[name], sizes, modules, timer)
            shown = ", ".join(
                f"{r['version']} {r['median_us']:.1f}" for r in rows if r["sizes"] == sizes and r["op"] == name
            )
            print(f"{name} {sizes}, microseconds: {shown}", flush=True)
    empty = timer(lambda: None)
    wrong = [row for row in rows if not row["exact"]]
    note = f"{len(rows)} timings, {len(wrong)} wrong products; nothing takes {empty['median_us']:.1f} us"
    out.write_text(json.dumps({"note": note, "empty": empty, "cupy": cupy.__version__, "rows": rows}))
    return 1 if wrong else 0


class _Timer:
    """Times a call on the GPU with L2 emptied."""

    def __init__(self):
        import cupy

        self.cuda = cupy.cuda
        self.buffer = cupy.empty(_FLUSH, "uint8")
        self.events = [(self.cuda.Event(), self.cuda.Event()) for _ in range(_WARM + _TIMED)]

    def __call__(self, run: Callable[[], object]) -> dict:
        """Median and quartiles in microseconds."""
        stream = self.cuda.get_current_stream()
        for start, stop in self.events:
            self.buffer.data.memset_async(0, _FLUSH, stream)
            start.record(stream)
            run()
            stop.record(stream)
        stream.synchronize()
        times = [1e3 * self.cuda.get_elapsed_time(*pair) for pair in self.events[_WARM:]]
        low, median, high = statistics.quantiles(times, n=4)
        return {"median_us": median, "low_us": low, "high_us": high}


def _measure(op: Op, sizes: dict[str, int], modules, timer: _Timer) -> list[dict]:
    """A row for each version of an op at one shape, and two for cuBLAS."""
    import cupy
    from cupy._core import _routines_linalg as linalg

    arrays = {a.name: _integers(a.shape(sizes)) for a in op.arguments}
    result, factors = _PRODUCTS[op.name]
    expected = np.matmul(*factors(arrays))
    on_gpu = {name: cupy.asarray(array, np.float32) for name, array in arrays.items()}

    def row(version, run, got, right):
        figures = timer(run)
        flops = op.flops(**sizes) / (figures["median_us"] * 1e3)
        exact = bool(np.array_equal(cupy.asnumpy(got()), right))
        return {
            "op": op.name,
            "sizes": sizes,
            "version": version,
            "gflop_per_s": flops,
            "exact": exact,
            **figures,
        }

    rows = []
    for kernel in (k for k in op.kernels if k.backend == "cuda"):
        launched = LaunchedOp(op, modules, kernel.version)
        on_gpu[result].fill(0)
        right = expected + arrays["b"] if "b" in arrays else expected
        rows.append(row(kernel.version, lambda f=launched: f(*on_gpu.values()), lambda: on_gpu[result], right))
    before = linalg.get_compute_type(np.float32)
    for version, kind in (("cuBLAS", linalg.COMPUTE_TYPE_FP32), ("cuBLAS TF32", linalg.COMPUTE_TYPE_TF32)):
        linalg.set_compute_type(np.float32, kind)
        pair = factors(on_gpu)
        rows.append(row(version, lambda p=pair: cupy.matmul(*p), lambda p=pair: cupy.matmul(*p), expected))
    linalg.set_compute_type(np.float32, before)
    return rows


def _integers(shape: tuple[int, ...]) -> np.ndarray:
    """|a| <= 8: sums of up to 4096 products are exact in float32, in any order."""
    return np.random.default_rng(shape).integers(-8, 9, shape)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
