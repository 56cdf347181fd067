"""What a look at the command line and the disk can refuse is refused before anything slow is imported."""

import json

import pytest
from commands import outcome, start

#: Calls commands one after the other; of each, the exit code, stderr, and what has been imported by then.
CALLS = """
import contextlib, importlib, io, json, sys
slow = {"numba", "llvmlite", "matplotlib", "numpy", "PIL", "tqdm", "safetensors", "onnx", "cgan_raw.kernels"}
found = []
for command, *arguments in json.loads(sys.argv[1]):
    main = importlib.import_module(f"cgan_raw.{command}").main
    with contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(arguments)
    found.append((code, err.getvalue(), sorted(slow & sys.modules.keys())))
print(json.dumps(found))
"""

TRAIN, SAMPLE, EVALUATE = "train.__main__", "sample.__main__", "evaluate.__main__"
COMPARE, EXPORT, CLASSIFIER = "compare.__main__", "export.__main__", "evaluate.train_classifier"

#: The command line, and what its error names.  "run" is a run, "empty" a folder; nothing else is there.
REFUSED = [
    ([TRAIN, "--iterations", "0"], "--iterations"),
    ([TRAIN, "--batch-size", "0"], "--batch-size"),
    ([TRAIN, "--learning-rate", "nan"], "--learning-rate"),
    ([TRAIN, "--seed", "-1"], "--seed"),
    ([TRAIN, "--out", "run"], "run: holds a run already"),
    ([TRAIN, "--data", "none"], "none: no such folder of IDX files"),
    ([TRAIN, "--data", "empty"], "train-images-idx3-ubyte: no such file"),
    ([TRAIN, "--resume", "none"], "none: no such run folder"),
    ([TRAIN, "--resume", "empty"], "empty/checkpoint.safetensors: cannot be read: No such file"),
    ([TRAIN, "--resume", "run", "--beta1", "1"], "--beta1"),
    ([SAMPLE, "none.safetensors"], "none.safetensors: cannot be read: No such file"),
    ([SAMPLE, "run/checkpoint.safetensors", "--out", "none/a.png"], "none/a.png: no such folder"),
    ([SAMPLE, "run/checkpoint.safetensors", "--out", "run/losses.png"], "run/losses.png: is a file of the run"),
    ([SAMPLE, "run/checkpoint.safetensors", "--count", "0"], "--count"),
    ([EVALUATE, "none.safetensors"], "none.safetensors: cannot be read: No such file"),
    ([EVALUATE, "run/checkpoint.safetensors", "--classifier", "none"], "none: cannot be read: No such file"),
    ([EVALUATE, "run/checkpoint.safetensors", "--data", "none"], "none: no such folder of IDX files"),
    ([EVALUATE, "run/checkpoint.safetensors", "--out", "none"], "none: no such folder"),
    ([COMPARE, "run", "none"], "none: no such run folder"),
    ([COMPARE, "run", "empty"], "empty: holds no run"),
    ([EXPORT, "none.safetensors"], "none.safetensors: cannot be read: No such file"),
    ([EXPORT, "none", "--csv", "a.csv"], "metrics.jsonl: cannot be read: No such file"),
    ([EXPORT, "empty", "--csv", "a.csv"], "empty/metrics.jsonl: cannot be read: No such file"),
    ([EXPORT, "empty"], "empty/checkpoint.safetensors: cannot be read: No such file"),
    ([EXPORT, "run", "--csv", "run/metrics.jsonl"], "run/metrics.jsonl: is given for two files"),
    ([EXPORT, "run", "--csv", "a.csv"], "run/metrics.jsonl: has no line of metrics"),
    ([CLASSIFIER, "--iterations", "0"], "--iterations"),
    ([CLASSIFIER, "--data", "none"], "none: no such folder of IDX files"),
]


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """Exit code, stderr and slow modules of each."""
    folder = tmp_path_factory.mktemp("refusals")
    for name in ("run", "empty"):
        (folder / name).mkdir()
    for name in ("config.json", "metrics.jsonl", "checkpoint.safetensors"):
        (folder / "run" / name).write_text("{}")
    before = sorted(folder.rglob("*"))
    result = outcome(start("-c", CALLS, json.dumps([line for line, _ in REFUSED]), cwd=folder))
    assert (result.code, result.err) == (0, "")
    assert sorted(folder.rglob("*")) == before
    return json.loads(result.out)


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_refusal_is_a_line_and_imports_nothing_slow(case, refused):
    code, err, slow = refused[case]
    assert code == 2
    assert REFUSED[case][1] in err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert slow == []
