"""The ONNX model is valid, computes what our own samples are made of, and is written whole or not at all."""

import csv
import os
import shutil
import sys

import numpy as np
import pytest
from commands import assert_failed, assert_refused, call, leftovers, metrics

from cgan_raw.checkpoint import load
from cgan_raw.devices.choice import make_backend
from cgan_raw.export import __main__ as export
from cgan_raw.files import writing as files
from cgan_raw.layers import Mode
from cgan_raw.models import Network
from cgan_raw.sampler import load_generator, noise

COUNT = 13


@pytest.fixture(scope="module", params=["cgan", "gan"])
def checkpoint(request, finished, finished_gan):
    return (finished[0] if request.param == "cgan" else finished_gan) / "checkpoint.safetensors"


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    """The checkpoint, the file, and what the command printed."""
    pytest.importorskip("onnx", reason="needs the onnx package (the extra onnx)")
    path = tmp_path_factory.mktemp("exported") / "generator.onnx"
    result = call(export.main, checkpoint, "--onnx", path)
    assert (result.code, result.err) == (0, ""), result
    return load(checkpoint), path, result.out


@pytest.fixture(scope="module")
def session(exported):
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs onnxruntime (the extra onnx)")
    return onnxruntime.InferenceSession(str(exported[1]), providers=["CPUExecutionProvider"])


def inputs(checkpoint, count):
    z = noise(make_backend("cpu"), count, seed=5)
    labels = {"label": np.arange(count) % 10} if checkpoint.config.model == "cgan" else {}
    return {"noise": z, **labels}


def ours(checkpoint, z, labels) -> np.ndarray:
    """(n, 784) by our own kernels."""
    backend = make_backend("cpu")
    generator = Network(load_generator(backend, checkpoint), len(z))
    return generator.forward(z, Mode(labels.astype(np.int32), training=False))


def test_model_is_valid_and_says_where_it_comes_from(exported):
    import onnx

    checkpoint, path, out = exported
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert (model.opset_import[0].version, model.ir_version) == (13, 7)
    assert {p.key: p.value for p in model.metadata_props} == {
        "model": checkpoint.config.model,
        "iteration": str(checkpoint.iteration),
        "seed": "7",
    }
    weights = sum(int(np.prod(t.dims)) for t in model.graph.initializer if t.name != "shape")
    assert weights == 1_494_520 - (1_000 if checkpoint.config.model == "gan" else 0)
    assert str(path) in out


def test_weights_lie_in_the_order_of_their_use(exported):
    import onnx

    graph = onnx.load(exported[1]).graph
    weights = [tensor.name for tensor in graph.initializer]
    assert weights == [name for node in graph.node for name in node.input if name in weights]


def test_inputs_and_output_are_as_documented(exported, session):
    conditional = exported[0].config.model == "cgan"
    label = [("label", ["B"], "tensor(int64)")] if conditional else []
    found = [(value.name, value.shape, value.type) for value in session.get_inputs()]
    assert found == [("noise", ["B", 100], "tensor(float)"), *label]
    (image,) = session.get_outputs()
    assert (image.name, image.shape, image.type) == ("image", ["B", 28, 28], "tensor(float)")


@pytest.mark.parametrize("count", [1, COUNT])
def test_images_are_ours(count, exported, session):
    given = inputs(exported[0], count)
    (images,) = session.run(None, given)
    expected = ours(exported[0], given["noise"], given.get("label", np.zeros(count)))
    assert expected.std() > 0.05
    np.testing.assert_allclose(images.reshape(count, 784), expected, rtol=0, atol=1e-5)


def test_same_checkpoint_is_the_same_bytes(exported, checkpoint, tmp_path):
    assert call(export.main, checkpoint, "--onnx", tmp_path / "again.onnx").code == 0
    assert (tmp_path / "again.onnx").read_bytes() == exported[1].read_bytes()


def test_missing_package_is_one_line(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    result = call(export.main, checkpoint, "--onnx", tmp_path / "generator.onnx")
    assert_refused(result, "onnx package is not installed", "[onnx]")
    assert not any(tmp_path.iterdir())


def test_bad_input_is_refused(checkpoint, tmp_path):
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(checkpoint.read_bytes()[:-1])
    for path in (tmp_path / "none.safetensors", damaged):
        assert_refused(call(export.main, path, "--onnx", tmp_path / "generator.onnx"), path)
    out = tmp_path / "none" / "generator.onnx"
    assert_refused(call(export.main, checkpoint, "--onnx", out), out)


@pytest.mark.parametrize("spelt", ["c.safetensors", "../x/c.safetensors"])
def test_checkpoint_is_not_overwritten(spelt, checkpoint, tmp_path, monkeypatch):
    folder = tmp_path / "x"
    folder.mkdir()
    path = shutil.copy(checkpoint, folder / "c.safetensors")
    monkeypatch.chdir(folder)
    assert_refused(call(export.main, "c.safetensors", "--onnx", spelt), "c.safetensors")
    assert path.read_bytes() == checkpoint.read_bytes()


def test_place_that_cannot_be_written_is_named(exported, checkpoint, tmp_path):
    (tmp_path / "taken").mkdir()
    result = call(export.main, checkpoint, "--onnx", tmp_path / "taken")
    assert_refused(result, tmp_path / "taken", os.strerror(21))
    assert not leftovers(tmp_path)


def test_model_of_before_stands_where_a_new_one_cannot_be_written(exported, checkpoint, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, os.strerror(28))

    path = tmp_path / "generator.onnx"
    path.write_bytes(b"before")
    monkeypatch.setattr(files.os, "replace", fail)
    assert_failed(call(export.main, checkpoint, "--onnx", path), path, os.strerror(28))
    assert path.read_bytes() == b"before"
    assert not leftovers(tmp_path)


# Metrics ----------------------------------------------------------------------------------------------------


def read_csv(path):
    """Lines of a table by the names of its columns; every value comes back as it was written."""
    with path.open(newline="") as file:
        return [{name: float(value) for name, value in line.items()} for line in csv.DictReader(file)]


def test_csv_says_what_metrics_jsonl_says(finished, tmp_path):
    path = tmp_path / "metrics.csv"
    result = call(export.main, finished[0], "--csv", path)
    lines = metrics(finished[0])
    assert (result.code, result.out, result.err) == (0, f"{len(lines)} lines of metrics in {path}\n", "")
    assert read_csv(path) == lines
    head = path.read_bytes().split(b"\n")[0]
    assert head == b"iteration,d_loss,d_accuracy,g_loss,images_per_second,seconds"
    assert path.read_bytes().split(b"\n")[1].startswith(b"5,")
    assert list(tmp_path.iterdir()) == [path], "no model was asked for"


def test_csv_and_model_at_once_of_a_run_or_its_checkpoint(finished, exported, tmp_path):
    for i, source in enumerate((finished[0], finished[0] / "checkpoint.safetensors")):
        places = [tmp_path / f"{i}.{suffix}" for suffix in ("csv", "onnx")]
        assert call(export.main, source, "--csv", places[0], "--onnx", places[1]).code == 0
        assert len(read_csv(places[0])) == len(metrics(finished[0]))
        assert places[1].stat().st_size > 5_000_000


def test_line_of_metrics_that_is_damaged_is_left_out(finished, tmp_path):
    run = shutil.copytree(finished[0], tmp_path / "run")
    text = (run / "metrics.jsonl").read_text()
    (run / "metrics.jsonl").write_text(text[:-5])
    assert call(export.main, run, "--csv", tmp_path / "m.csv").code == 0
    assert read_csv(tmp_path / "m.csv") == metrics(finished[0])[:-1]
