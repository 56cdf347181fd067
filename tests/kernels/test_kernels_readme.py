"""The kernels' README: its tables are up to date, its links lead somewhere, its example runs."""

import json
import re
from pathlib import Path

import pytest

from cgan_raw.kernels import registry
from cgan_raw.kernels.registry import FOLDERS, ops

_KERNELS = Path(registry.__file__).parent
_PTXAS = Path(__file__).parents[1] / "compile" / "ptxas.json"
README = (_KERNELS / "README.md").read_text(encoding="utf-8")

#: Backend -> its file in an op's folder.
_FILES = {"cpu": "cpu.py", "cuda": "cuda.cu", "numba_cuda": "numba_cuda.py"}

#: Kernels whose registers the README shows, on this architecture.
_ARCHITECTURE = "sm_90"
_SHOWN = ("embedding_forward", "dense_forward_naive", "dense_forward_tiled", "dense_forward_register_tiled")


def row(*cells):
    return f"| {' | '.join(cells)} |"


def patterns():
    """The parallel pattern that each folder teaches, from the comments in the registry's list of folders."""
    text = Path(registry.__file__).read_text(encoding="utf-8")
    listed = dict(re.findall(r'^    "(\w+)",(?:  # (.*))?$', text, re.MULTILINE))
    assert tuple(listed) == FOLDERS
    return listed


def table_of_kernels():
    lines = [row("pattern", "op", "mathematics", *(f"`{backend}`" for backend in _FILES)), "|---" * 6 + "|"]
    for folder, pattern in patterns().items():
        for op in (op for op in ops().values() if op.package.endswith(f".{folder}")):
            links = (f"[`{op.name}`]({folder}/__init__.py)", f"[reference]({folder}/reference.py)")
            lines.append(
                row(pattern, *links, *(f"[{versions(op, b)}]({folder}/{f})" for b, f in _FILES.items()))
            )
            pattern = ""
    return "\n".join(lines)


def versions(op, backend):
    return ", ".join(kernel.version or "one" for kernel in op.kernels if kernel.backend == backend)


def table_of_registers():
    table = json.loads(_PTXAS.read_text(encoding="utf-8"))
    lines = [row("kernel", "CUDA C++", "Numba CUDA"), "|---|--:|--:|"]
    for name in _SHOWN:
        used = (
            table[f"{language} {_ARCHITECTURE} float"]["kernels"][name] for language in ("cuda", "numba_cuda")
        )
        lines.append(row(f"`{name}`", *(text.split()[0] for text in used)))
    return "\n".join(lines)


@pytest.mark.parametrize(("name", "table"), [("kernels", table_of_kernels), ("registers", table_of_registers)])
def test_table_is_renewed(name, table):
    found = re.search(rf"<!-- {name}: begin -->\n(.*)\n<!-- {name}: end -->", README, re.DOTALL)[1]
    assert found == table(), f"the table in kernels/README.md should be:\n{table()}"


def test_every_backend_has_a_column():
    assert {kernel.backend for op in ops().values() for kernel in op.kernels} == set(_FILES)


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    missing = [link for link in links if "://" not in link and not (_KERNELS / link).exists()]
    assert missing == []


def test_example_prints_what_it_says(capsys):
    """The Python in the README, and the text under it."""
    code, output = re.search(r"```python\n(.*?)```.*?```text\n(.*?)```", README, re.DOTALL).groups()
    exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out == output
