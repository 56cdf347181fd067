"""What these tests share: the classifier that is shipped, and what it sees in real images."""

import sys
from pathlib import Path

import pytest

from cgan_raw.data import Dataset, load_test, load_training
from cgan_raw.devices.choice import make_backend
from cgan_raw.evaluate import classifier, measure, standard
from cgan_raw.evaluate.measure import Judge

# How commands are run is that of their other tests.
sys.path.append(str(Path(__file__).parents[1] / "app"))


@pytest.fixture(scope="session")
def cpu():
    return make_backend("cpu")


@pytest.fixture(scope="session")
def training():
    return load_training()


@pytest.fixture(scope="session")
def test_set():
    return load_test()


@pytest.fixture(scope="session")
def weights():
    return classifier.load(classifier.SHIPPED)[0]


@pytest.fixture(scope="session")
def judge(cpu, weights, training):
    """Compares with the first 20,000 training images, which is enough and quicker."""
    return Judge(cpu, weights, Dataset(training.images[:20_000], training.labels[:20_000]))


@pytest.fixture(scope="module")
def few(training, test_set):
    """The command, quick: few samples, and few real images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "PER_DIGIT", 12)
        for name, dataset, count in (("load_training", training, 2_050), ("load_test", test_set, 500)):
            patch.setattr(standard, name, _of_mnist(getattr(standard, name), dataset, count))
        yield


def _of_mnist(load, dataset, count):
    """Loads what ``load`` does, but the first ``count`` images of the embedded ``dataset`` alone."""
    part = Dataset(dataset.images[:count], dataset.labels[:count])
    return lambda folder: part if folder is None else load(folder)
