"""A model of other data than MNIST is judged by a classifier of its data beside their images, or not at all."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from commands import assert_refused, call, idx, write_data

from cgan_raw.checkpoint import load
from cgan_raw.data import MNIST_DIGEST, load_training
from cgan_raw.devices.choice import make_backend
from cgan_raw.errors import InputError
from cgan_raw.evaluate import __main__ as evaluate
from cgan_raw.evaluate import classifier, measure, standard, train_classifier
from cgan_raw.evaluate.parzen import Parzen
from cgan_raw.train import __main__ as train

CPU = ("--device", "cpu")


def squares(count: int, seed: int) -> tuple[bytes, bytes]:
    """IDX files of ``count`` noisy images, each with a bright square where its label says."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.uint8) % 10
    images = rng.integers(0, 100, (count, 28, 28), np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 4)
        image[2 + 8 * row : 8 + 8 * row, 2 + 6 * column : 7 + 6 * column] = 255
    return idx(images), idx(labels)


def write_squares(folder, training=400, test=60):
    write_data(folder, *squares(test, 1), part="t10k")
    return write_data(folder, *squares(training, 0))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_squares(tmp_path_factory.mktemp("data"))


def trained(data, folder):
    """The checkpoint of a generator that has learnt nothing yet."""
    flags = (*CPU, "--iterations", 1, "--batch-size", 4, "--quiet")
    assert call(train.main, *flags, "--data", data, "--out", folder).code == 0
    return folder / "checkpoint.safetensors"


@pytest.fixture(scope="module")
def checkpoint(data, tmp_path_factory):
    return trained(data, tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture(scope="module")
def judge(data, tmp_path_factory):
    """A classifier that knows the data."""
    path = tmp_path_factory.mktemp("judge") / "squares.safetensors"
    result = call(train_classifier.main, *CPU, "--data", data, "--iterations", 40, "--out", path)
    assert (result.code, result.err) == (0, ""), result
    return path


@pytest.fixture
def few_samples(monkeypatch):
    monkeypatch.setattr(measure, "PER_DIGIT", 12)


def assert_nothing_is_said(result, folder, *names):
    """One line, which names these, and no file."""
    assert_refused(result, *names)
    assert not any(folder.iterdir())


def test_classifier_says_which_data_it_knows(data, judge):
    facts = classifier.load(judge)[1]
    assert facts["data_digest"] == load_training(data).digest() != MNIST_DIGEST
    assert facts["test_accuracy"] > 0.9, "that of its own test images"
    assert classifier.load(classifier.SHIPPED)[1]["data_digest"] == MNIST_DIGEST


def test_shipped_classifier_does_not_judge_other_data(data, checkpoint, tmp_path):
    result = call(evaluate.main, checkpoint, *CPU, "--out", tmp_path)
    how = f"python -m cgan_raw.evaluate.train_classifier --data {data}"
    assert_nothing_is_said(result, tmp_path, f"was trained on {data}", "MNIST alone", how, "--classifier")


def test_classifier_of_the_data_judges_them(few_samples, data, checkpoint, judge, tmp_path):
    result = call(evaluate.main, checkpoint, *CPU, "--classifier", judge, "--out", tmp_path)
    assert (result.code, result.err) == (0, "")
    assert f"\ndata        {data}\n" in result.out
    assert f"\nclassifier  {judge}, " in result.out
    assert "CGAN paper" not in result.out
    content = json.loads((tmp_path / "evaluation.json").read_text())
    assert content["classifier"] == classifier.load(judge)[1]
    assert np.sum(content["real"]["confusion"]) == 60
    assert content["real"]["conditional_accuracy"] == content["classifier"]["test_accuracy"]
    assert content["generated"]["conditional_accuracy"] < 0.5
    assert (tmp_path / "confusion.png").exists()


def test_images_to_compare_with_are_those_of_the_data(data, checkpoint, judge):
    found = standard.load(load(checkpoint), judge)
    assert found.training.images.tobytes() == squares(400, 0)[0][16:]
    assert found.test.images.tobytes() == squares(60, 1)[0][16:]
    assert found.name == str(data)


def test_classifier_of_other_data_is_refused(checkpoint, judge, tmp_path):
    given = ("--classifier", classifier.SHIPPED)
    result = call(evaluate.main, checkpoint, *CPU, *given, "--out", tmp_path)
    assert_nothing_is_said(result, tmp_path, classifier.SHIPPED, "other data than the model")
    of_mnist = dataclasses.replace(load(checkpoint), data_digest=MNIST_DIGEST)
    with pytest.raises(InputError, match="other data than the model"):
        standard.load(of_mnist, judge)


def test_mnist_in_a_folder_is_mnist(few, checkpoint):
    """Even where the folder is gone: its images are those in the package."""
    of_mnist = dataclasses.replace(load(checkpoint), data_digest=MNIST_DIGEST)
    found = standard.load(
        dataclasses.replace(of_mnist, config=dataclasses.replace(of_mnist.config, data="/gone"))
    )
    assert (len(found.training), found.name) == (2_050, "embedded MNIST")


def test_checkpoint_that_does_not_name_its_data(few, data, checkpoint, judge, tmp_path):
    """It is from before they did: the folder is looked into, and that of no folder is of the embedded MNIST."""
    unnamed = dataclasses.replace(load(checkpoint), data_digest=None)
    assert standard.load(unnamed, judge).name == str(data)
    with pytest.raises(InputError, match="MNIST alone"):
        standard.load(unnamed)
    embedded = dataclasses.replace(unnamed, config=dataclasses.replace(unnamed.config, data=None))
    assert standard.load(embedded).name == "embedded MNIST"


def test_data_that_have_moved_can_be_given(few_samples, judge, tmp_path):
    here, there = write_squares(tmp_path / "here"), tmp_path / "there"
    checkpoint = trained(here, tmp_path / "run")
    shutil.move(here, there)
    flags = (checkpoint, *CPU, "--classifier", judge)
    assert_refused(call(evaluate.main, *flags), here, "no such folder")
    assert call(evaluate.main, *flags, "--data", there).code == 0
    write_data(there, *squares(400, 5))
    assert_refused(call(evaluate.main, *flags, "--data", there), there, "not the data set")


def test_changed_data_are_refused(judge, tmp_path):
    data = write_squares(tmp_path / "data")
    checkpoint = trained(data, tmp_path / "run")
    write_data(data, *squares(400, 5))
    assert_refused(call(evaluate.main, checkpoint, *CPU, "--classifier", judge), data, "not the data set")


@pytest.mark.parametrize(("counts", "named"), [((11, 60), "training"), ((400, 19), "test")])
def test_data_with_a_label_that_hardly_comes_are_refused(counts, named, judge, tmp_path):
    data = write_squares(tmp_path / "data", *counts)
    weights, facts = classifier.load(judge)
    other = tmp_path / "other.safetensors"
    classifier.save(other, weights, facts | {"data_digest": load_training(data).digest()})
    found = trained(data, tmp_path / "run")
    assert_refused(call(evaluate.main, found, *CPU, "--classifier", other), data, named, "two images")


def test_missing_test_set_is_named(judge, tmp_path):
    data = write_data(tmp_path / "data", *squares(400, 0))
    checkpoint = trained(data, tmp_path / "run")
    missing = data / "t10k-images-idx3-ubyte"
    assert_refused(call(evaluate.main, checkpoint, *CPU, "--classifier", judge), missing)
    out = tmp_path / "x.safetensors"
    assert_refused(call(train_classifier.main, *CPU, "--data", data, "--out", out), missing)


def test_missing_classifier_is_named(checkpoint, tmp_path):
    path = tmp_path / "none.safetensors"
    assert_refused(call(evaluate.main, checkpoint, *CPU, "--classifier", path), path, "No such file")


def test_checkpoint_is_no_classifier(checkpoint):
    assert_refused(call(evaluate.main, checkpoint, *CPU, "--classifier", checkpoint), checkpoint.parent)


def test_measure_finds_the_standard_by_itself(few, checkpoint):
    """As a caller in Python has it."""
    with pytest.raises(InputError, match="MNIST alone"):
        measure.measure(make_backend("cpu"), load(checkpoint), seed=0)


def test_no_training_image_is_both_a_sample_and_aside(checkpoint, judge, monkeypatch):
    """Where there are more samples than training images."""
    given = []
    monkeypatch.setattr(measure, "PER_DIGIT", 40)
    monkeypatch.setattr(measure, "parzen", lambda *sets: given.append(sets[:2]) or Parzen(0, 0, 0))
    found = load(checkpoint)
    against = standard.load(found, judge)
    measure.measure(make_backend("cpu"), found, 0, against)
    assert np.array_equal(np.concatenate(given[1]), against.training.images)
