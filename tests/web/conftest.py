"""What these tests share: short runs of both models, pages made of them, and their modules in node."""

import shutil
import sys
from pathlib import Path

import pytest

# How commands are run is that of their other tests.
sys.path.append(str(Path(__file__).parents[1] / "app"))

from commands import call
from in_node import Node

from cgan_raw.export import __main__ as export
from cgan_raw.train import __main__ as train


@pytest.fixture(scope="session", params=["cgan", "gan"])
def model(request):
    return request.param


@pytest.fixture(scope="session")
def run_of(tmp_path_factory):
    """The run folder of a model, trained until its digits have black and white."""
    return _made_once(lambda model: _trained(tmp_path_factory.mktemp("runs") / model, model))


@pytest.fixture(scope="session")
def page_of(run_of, tmp_path_factory):
    """The page of a model, by the command; of ``"half"``, that of the conditional one with such weights."""

    def make(model):
        folder, half = tmp_path_factory.mktemp("pages") / model, ["--half"] * (model == "half")
        run = run_of("cgan" if half else model)
        assert call(export.main, run, "--web", folder, *half).code == 0
        return folder

    return _made_once(make)


@pytest.fixture(scope="session")
def node_of(page_of):
    """A process that runs the modules of a model's page."""
    if shutil.which("node") is None:
        pytest.skip("needs node")
    started = []

    def start(model):
        started.append(Node(page_of(model)))
        return started[-1]

    yield _made_once(start)
    for node in started:
        node.end()


def _trained(folder: Path, model: str) -> Path:
    flags = ("--device", "cpu", "--iterations", 200, "--seed", 7, "--quiet")
    assert call(train.main, *flags, "--model", model, "--out", folder).code == 0
    return folder


def _made_once(make):
    made = {}

    def get(name):
        if name not in made:
            made[name] = make(name)
        return made[name]

    return get
