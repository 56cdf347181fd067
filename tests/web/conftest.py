"""What these tests share: short runs of all models, pages made of them, and their modules in node."""

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

#: By model: enough for pictures that are not grey all over.
ITERATIONS = {"cgan": 200, "gan": 200, "dcgan": 20}


@pytest.fixture(scope="session", params=ITERATIONS)
def model(request):
    return request.param


@pytest.fixture(scope="session", params=["cgan", "dcgan"])
def conditional(request):
    """A model that can be asked for a digit."""
    return request.param


@pytest.fixture(scope="session")
def run_of(tmp_path_factory):
    """The run folder of a model."""
    return _made_once(lambda model: _trained(tmp_path_factory.mktemp("runs") / model, model))


@pytest.fixture(scope="session")
def page_of(run_of, tmp_path_factory):
    """The page of a model, by the command: of ``"cgan"``, say, or of ``"cgan --half"``."""

    def make(kind):
        folder, (model, *flags) = tmp_path_factory.mktemp("pages") / kind, kind.split()
        assert call(export.main, run_of(model), "--web", folder, *flags).code == 0
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


@pytest.fixture
def able(node_of):
    """Skips where dense.wasm cannot be used."""
    if not node_of("cgan").ask("able")["able"]:
        pytest.skip("needs relaxed SIMD in node, on a machine that fuses a product and a sum")


@pytest.fixture(params=["plain", "simd"])
def fast(request):
    """Whether by dense.wasm."""
    if request.param == "simd":
        request.getfixturevalue("able")
    return request.param == "simd"


def _trained(folder: Path, model: str) -> Path:
    flags = ("--device", "cpu", "--iterations", ITERATIONS[model], "--seed", 7, "--quiet")
    assert call(train.main, *flags, "--model", model, "--out", folder).code == 0
    return folder


def _made_once(make):
    made = {}

    def get(name):
        if name not in made:
            made[name] = make(name)
        return made[name]

    return get
