"""Fixtures of these tests: a small data set, and a short run on it that tests may read but not change."""

import pytest
from commands import call, idx, random_data, write_data

from cgan_raw.train import __main__ as train

#: Flags that make a run quick; the networks are always the real ones.
SMALL = ("--device", "cpu", "--batch-size", 4)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A folder with 64 pictures of noise and their labels."""
    return write_data(tmp_path_factory.mktemp("data"), *map(idx, random_data(64)))


@pytest.fixture(scope="session")
def small(data):
    """The flags of a quick run."""
    return (*SMALL, "--data", data)


@pytest.fixture(scope="session")
def finished(small, tmp_path_factory):
    """A run of 60 iterations that has ended: (folder, outcome of the command)."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    every = ("--log-every", 5, "--sample-every", 20, "--checkpoint-every", 20)
    result = call(train.main, *small, "--iterations", 60, *every, "--seed", 7, "--out", folder)
    assert result.code == 0, result
    return folder, result


@pytest.fixture(scope="session")
def finished_dcgan(small, tmp_path_factory):
    """A run of a DCGAN that has ended after 12 iterations: its folder."""
    folder = tmp_path_factory.mktemp("runs") / "dcgan"
    flags = ("--model", "dcgan", "--iterations", 12, "--log-every", 4, "--sample-every", 6, "--seed", 7)
    result = call(train.main, *small, *flags, "--out", folder)
    assert (result.code, result.err) == (0, "")
    return folder


@pytest.fixture(scope="session")
def finished_gan(small, tmp_path_factory):
    """A run of a plain GAN that has ended after 30 iterations: its folder."""
    folder = tmp_path_factory.mktemp("runs") / "gan"
    flags = ("--model", "gan", "--iterations", 30, "--log-every", 5, "--sample-every", 15, "--seed", 7)
    result = call(train.main, *small, *flags, "--out", folder)
    assert (result.code, result.err) == (0, "")
    return folder
