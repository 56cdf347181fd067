"""A page's modules in node."""

import base64
import json
import subprocess
from pathlib import Path

import numpy as np

from cgan_raw.kernels.registry import ops

HERE = Path(__file__).parent

#: By the name of an op, the sizes that kernels.js takes behind its arguments.
SIZES = {"convolution_backward_input": "HWCPQNR"}


class Node:
    """A process that page_in_node.mjs runs in, on the folder of a page."""

    def __init__(self, page: Path):
        (page / "package.json").write_text('{"type": "module"}')  # else node takes .js for what it used to be
        command = ["node", HERE / "page_in_node.mjs", page]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, job: str, **what: object) -> dict:
        self.process.stdin.write(json.dumps({"job": job, **what}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def op(self, name: str, fast: bool = False):
        """An op as a function of arrays and numbers, as other backends have it; ``fast`` by dense.wasm."""

        def kernel(*arguments):
            sizes = ops()[name].sizes(arguments)
            given = [*map(_packed, arguments), *(sizes[dim] for dim in SIZES.get(name, ""))]
            answer = self.ask("op", name=name, fast=fast, given=given)
            assert answer["whole"], f"{name}: something beside its arrays was written"
            for value, after in zip(arguments, answer["after"], strict=False):
                if after is not None:
                    value[...] = np.frombuffer(base64.b64decode(after), value.dtype).reshape(value.shape)

        return kernel

    def draw(self, kind: str, seed: int, digits=None, count: int = 1, steps: int = 0, fast: bool = False):
        """Pictures (n, 28, 28) uint8."""
        what = {"kind": kind, "seed": str(seed), "digits": digits, "count": count, "steps": steps}
        answer = self.ask("draw", fast=fast, **what)
        return np.frombuffer(base64.b64decode(answer["pixels"]), np.uint8).reshape(-1, 28, 28)

    def end(self) -> None:
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)


def _packed(value):
    if isinstance(value, np.ndarray):
        return {"array": base64.b64encode(np.ascontiguousarray(value)).decode(), "dtype": value.dtype.name}
    return {"big": str(value)} if isinstance(value, np.uint64) else value
