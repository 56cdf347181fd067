"""The classifier in the package is as good as it says, computes what it should, and is loaded whole or not at
all."""

import hashlib
import json

import numpy as np
import pytest

from cgan_raw.devices.choice import make_backend
from cgan_raw.errors import InputError
from cgan_raw.evaluate import train_classifier
from cgan_raw.evaluate.classifier import SHIPPED, Classifier, load, parameters, save
from cgan_raw.evaluate.metrics import accuracy, confusion


def by_hand(weights, images):
    """Features and logits in float64, written out from the description of the layers."""
    w = {name: array.astype(np.float64) for name, array in weights.items()}
    x = (images - 127.5) / 127.5
    for i in range(2):
        x = x @ w[f"dense{i}.weight"] + w[f"dense{i}.bias"]
        x = np.where(x > 0, x, 0.2 * x)
    return x, x @ w["dense2.weight"] + w["dense2.bias"]


def test_shipped_weights_are_as_good_as_stated(cpu, weights, test_set):
    _, logits = Classifier(parameters(cpu, weights), 1000).judge(test_set.images)
    reached = accuracy(confusion(logits, test_set.labels))
    assert reached == pytest.approx(load(SHIPPED)[1]["test_accuracy"], abs=2e-4)  # two images may be on an edge
    assert reached >= 0.983


@pytest.mark.parametrize("name", ["iterations", "seed"])
def test_shipped_weights_are_what_the_command_makes_by_default(name):
    assert load(SHIPPED)[1][name] == train_classifier.parser().get_default(name)


def test_shipped_weights_are_small():
    assert SHIPPED.stat().st_size < 3_000_000


@pytest.mark.parametrize("backend", ["reference", "cpu", "simt"])
def test_judges_as_by_hand(backend, weights, test_set):
    features, logits = Classifier(parameters(make_backend(backend), weights), 8).judge(test_set.images[:8])
    assert features.dtype == logits.dtype == np.float32
    for found, expected in zip((features, logits), by_hand(weights, test_set.images[:8]), strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rows", [1, 3, 7, 100])
def test_any_number_of_images_is_judged_in_order(rows, cpu, weights, test_set):
    """In whole and in part batches, and again after others."""
    classifier = Classifier(parameters(cpu, weights), rows)
    classifier.judge(test_set.images[50:60])
    features, logits = classifier.judge(test_set.images[:7])
    for found, expected in zip((features, logits), by_hand(weights, test_set.images[:7]), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


# Files ------------------------------------------------------------------------------------------------------


FACTS = {"test_accuracy": 0.5, "data_digest": "0123456789abcdef"}


@pytest.fixture
def saved(weights, tmp_path):
    path = tmp_path / "some.safetensors"
    save(path, weights, FACTS)
    return path


def refusal(path) -> str:
    with pytest.raises(InputError) as error:
        load(path)
    message = str(error.value)
    assert "\n" not in message
    assert str(path.parent) in message
    return message


def test_what_is_saved_comes_back(saved, weights):
    loaded, facts = load(saved)
    assert facts.items() >= FACTS.items()
    assert loaded.keys() == weights.keys()
    assert all(np.array_equal(loaded[name], weights[name]) for name in weights)


def test_any_change_of_the_weights_is_refused(saved):
    content = saved.read_bytes()
    for at in (0, 8, 100, len(content) // 2, len(content) - 1):
        changed = bytearray(content)
        changed[at] ^= 1
        saved.write_bytes(changed)
        assert "digest" in refusal(saved)
    for damaged in (b"", content[:-1], content + b"\0"):
        saved.write_bytes(damaged)
        assert "digest" in refusal(saved)


@pytest.mark.parametrize("suffix", [".safetensors", ".json"])
def test_missing_file_is_named(suffix, saved):
    path = saved.with_suffix(suffix)
    path.unlink()
    assert f"{path}: cannot be read" in refusal(saved)


BAD_FACTS = (
    '{"sha256": "x", "test_accuracy": "y", "data_digest": "z"}',
    '{"sha256": "x", "test_accuracy": 0.5}',
    '{"sha256": "x", "test_accuracy": 0.5, "data_digest": 5}',
)


@pytest.mark.parametrize("content", ["", "{", "[]", "7", "{}", *BAD_FACTS, "\x80"])
def test_facts_that_are_none_are_refused(content, saved):
    saved.with_suffix(".json").write_bytes(content.encode("latin-1"))
    assert "some.json" in refusal(saved)


def test_other_tensors_are_refused(saved, weights):
    for changed in (
        {name: array for name, array in weights.items() if name != "dense1.bias"},
        weights | {"dense3.bias": np.zeros(10, np.float32)},
        weights | {"dense2.bias": np.zeros(9, np.float32)},
        weights | {"dense2.bias": np.zeros(10, np.float64)},
    ):
        save(saved, changed, FACTS)
        assert "tensors" in refusal(saved)


def test_a_file_that_holds_no_tensors_is_refused(saved):
    saved.write_bytes(b"no tensors")
    facts = {"sha256": hashlib.sha256(b"no tensors").hexdigest(), **FACTS}
    saved.with_suffix(".json").write_text(json.dumps(facts))
    assert "tensors" in refusal(saved)
