"""The notebooks run from top to bottom, each in a process of its own, and are kept without what they print."""

import json

import pytest
from commands import ROOT, outcome, start

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))

#: Runs code cells, a line of JSON each, as a notebook does: a last value is shown, unless ";" ends it.
#: Evaluation has fewer images; what is measured of them is tested elsewhere.
RUN = """
import ast, json, sys
from cgan_raw.data import Dataset, load_test, load_training
from cgan_raw.evaluate import measure, standard

def few(load):
    whole = load()
    part = Dataset(whole.images[:2050], whole.labels[:2050])
    return lambda folder: part

measure.PER_DIGIT = 12
standard.load_training, standard.load_test = few(load_training), few(load_test)
names = {}
for line in open(sys.argv[1]):
    text = json.loads(line)
    *body, last = ast.parse(text).body
    exec(compile(ast.Module(body, []), text, "exec"), names)
    if not isinstance(last, ast.Expr):
        exec(compile(ast.Module([last], []), text, "exec"), names)
        continue
    value = eval(compile(ast.Expression(last.value), text, "eval"), names)
    if value is None or text.endswith(";"):
        continue
    png = getattr(value, "_repr_png_", lambda: None)()
    print(png[1:4].decode() if png else repr(value))
"""


def code(notebook) -> list[str]:
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.skipif(not NOTEBOOKS, reason="the package is installed, not in a checkout")
def test_first_digits_runs(tmp_path):
    (notebook,) = NOTEBOOKS
    cells = [cell.replace("iterations=300", "iterations=4, batch_size=4") for cell in code(notebook)]
    assert cells != code(notebook), "it takes seconds"
    (tmp_path / "cells").write_text("\n".join(map(json.dumps, cells)))
    result = outcome(start("-c", RUN, "cells", cwd=tmp_path))
    assert (result.code, result.err) == (0, "")
    assert "finished after iteration 4" in result.out
    lines = result.out.splitlines()
    assert lines.count("PNG") == 3, "the run, samples and a walk show themselves"
    assert any(line.startswith("conditional accuracy (%)") for line in lines)
    assert lines[-1].endswith("% show the digit asked for")
    assert [path.name for path in tmp_path.iterdir()] == ["cells"]


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_kept_without_output(notebook):
    content = json.loads(notebook.read_text(encoding="utf-8"))
    assert (content["nbformat"], content["metadata"]["kernelspec"]["name"]) == (4, "python3")
    for cell in content["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
