"""``export --web`` writes a page that is whole, and refuses what it cannot do."""

import json

import numpy as np
import pytest
import safetensors.numpy
from commands import assert_refused, call
from PIL import Image

import cgan_raw
from cgan_raw.checkpoint import load
from cgan_raw.export import __main__ as export
from cgan_raw.export import web_files, web_page

CHECKPOINT = "checkpoint.safetensors"

_DENSE = ["dense_forward", "leaky_relu_forward", "batchnorm_forward_inference"] * 3 + ["dense_forward"]
_NORMALISED = ["batchnorm_forward_inference", "leaky_relu_forward", "convolution_backward_input"]
OPS = {
    "cgan": ["embedding_forward", *_DENSE, "tanh_forward"],
    "gan": [*_DENSE, "tanh_forward"],
    "dcgan": ["embedding_forward", "dense_forward", *_NORMALISED * 2, "bias_add", "tanh_forward"],
}


def description(page):
    content = (page / web_files.WEIGHTS).read_bytes()
    length = int.from_bytes(content[:8], "little")
    assert (8 + length) % 8 == 0, "typed arrays ask for it"
    return json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["cgan_raw"])


def test_page_is_the_files_that_it_names_and_no_more(model, page_of):
    page = page_of(model)
    assert {path.name for path in page.iterdir()} - {"package.json"} == set(web_files.NAMES)
    assert web_files.NAMES[-1] == "index.html"
    index = (page / "index.html").read_text()
    assert "{{" not in index
    assert f'<body class="{model}">' in index


def test_weights_are_the_generators(model, run_of, page_of):
    weights = safetensors.numpy.load((page_of(model) / web_files.WEIGHTS).read_bytes())
    tensors = load(run_of(model) / CHECKPOINT).tensors
    assert {f"generator.{name}" for name in weights} == {n for n in tensors if n.startswith("generator.")}
    for name, array in weights.items():
        np.testing.assert_array_equal(array, tensors[f"generator.{name}"])


def test_half_is_half_as_large(model, page_of):
    sizes = [(page_of(f"{model}{half}") / web_files.WEIGHTS).stat().st_size for half in ("", " --half")]
    assert sizes[1] / sizes[0] == pytest.approx(0.5, abs=0.01)


def test_description_is_of_the_network_and_names_its_tensors(model, run_of, page_of):
    found, iteration = description(page_of(model)), load(run_of(model) / CHECKPOINT).iteration
    assert {name: found[name] for name in ("model", "iteration", "seed", "noise", "stream", "side")} == {
        "model": model, "iteration": iteration, "seed": 7, "noise": 100, "stream": 128, "side": 28,
    }  # fmt: skip
    assert [layer["op"] for layer in found["layers"]] == OPS[model]
    named = [name for layer in found["layers"] for name in layer["arguments"] if isinstance(name, str)]
    weights = safetensors.numpy.load((page_of(model) / web_files.WEIGHTS).read_bytes())
    assert sorted(set(named) - {"labels"}) == sorted([*weights, *found["zeros"]])
    assert found["zeros"] == ({"dense0.bias": 6272} if model == "dcgan" else {})
    assert ("labels" in named) == (model != "gan")


def test_first_picture_is_the_commands(model, run_of, page_of):
    ours = cgan_raw.load(run_of(model), "cpu")
    expected = (ours.sample(count=4) if model == "gan" else ours.sample("2026")).images
    with Image.open(page_of(model) / web_files.PREVIEW) as picture:
        grey, opaque = (np.asarray(channel) for channel in picture.convert("LA").split())
    assert not grey.any()
    np.testing.assert_array_equal(opaque, np.hstack(expected))


def test_again_is_the_same_bytes(run_of, tmp_path):
    """A second time over the first too."""
    made = []
    for _ in range(2):
        result = call(export.main, run_of("cgan"), "--web", tmp_path / "page")
        assert (result.code, result.out) == (0, f"a page of 6.0 MB in {tmp_path / 'page'}\n")
        made.append({path.name: path.read_bytes() for path in (tmp_path / "page").iterdir()})
    assert made[0] == made[1]


def test_page_beside_a_table_and_no_model(run_of, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call(export.main, run_of("cgan"), "--web", "page", "--csv", "m.csv").code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"page", "m.csv"}


def test_what_cannot_be_done_is_refused(run_of, tmp_path, monkeypatch):
    run, file, other = run_of("cgan"), tmp_path / "file", tmp_path / "other"
    file.write_text("a file")
    other.mkdir()
    (other / "index.html").write_text("<title>Another page</title>")
    assert_refused(call(export.main, run, "--web", file), file, "is no folder")
    assert_refused(call(export.main, run, "--web", tmp_path / "none" / "page"), "none", "no such folder")
    assert_refused(call(export.main, run, "--web", other), other / "index.html", "is of another page")
    assert_refused(call(export.main, run, "--half"), "--half", "--web")
    assert_refused(call(export.main, tmp_path, "--web", tmp_path / "page"), tmp_path / CHECKPOINT)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "index.html", "other"]


def test_checkpoint_under_a_name_of_the_page_is_not_replaced(run_of, tmp_path):
    (tmp_path / web_files.WEIGHTS).write_bytes((run_of("cgan") / CHECKPOINT).read_bytes())
    before = (tmp_path / web_files.WEIGHTS).read_bytes()
    assert_refused(call(export.main, run_of("cgan"), "--web", tmp_path), "is a checkpoint")
    assert (tmp_path / web_files.WEIGHTS).read_bytes() == before


def test_weight_too_large_for_half_is_refused(run_of, monkeypatch, tmp_path):
    checkpoint = load(run_of("cgan") / CHECKPOINT)
    checkpoint.tensors["generator.dense1.bias"][3] = 1e6
    monkeypatch.setattr("cgan_raw.checkpoint.load", lambda path: checkpoint)
    result = call(export.main, run_of("cgan"), "--web", tmp_path / "page", "--half")
    assert_refused(result, "--half", "dense1.bias")
    assert not (tmp_path / "page").exists()


def test_layer_without_a_kernel_is_an_error():
    from cgan_raw.layers import Dropout

    with pytest.raises(TypeError, match="Dropout"):
        web_page._calls(Dropout("dropout0", 4, 0))
