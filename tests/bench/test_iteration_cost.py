"""What an iteration launches, computes and moves by the contracts: the same on every machine, and on file."""

import json

import pytest

from bench import cost
from bench.cost import iteration_cost
from bench.kernels import cases
from cgan_raw import streams
from cgan_raw.calls import network_calls, uncalled
from cgan_raw.config import CLASSES, PIXELS
from cgan_raw.iteration import Iteration
from cgan_raw.kernels.registry import ops


@pytest.fixture(scope="module")
def file():
    return json.loads(cost.COST_FILE.read_text(encoding="utf-8"))


@pytest.fixture
def on_file(file):
    return file["layered"]


def test_an_iteration_costs_what_is_on_file(file):
    assert cost.on_file() == file, "make tables renews tests/bench/iteration_cost.json"


def test_a_fused_iteration_is_few_launches_and_stores_no_gradient(file):
    fused, layered = (file[kind]["total"] for kind in ("fused", "layered"))
    assert fused["launches"] <= 30
    assert fused["bytes"] <= 108e6  # 101.6 of them are weights and their moments, each read, or moved, once
    assert layered["launches"] == 135
    assert layered["bytes"] > 150e6
    assert abs(fused["flop"] / layered["flop"] - 1) < 0.01


def test_a_launch_too_many_is_seen(on_file):
    def run(iteration):
        Iteration.run(iteration)
        iteration.ops.random_integers(
            iteration.wanted, iteration.iteration, iteration.seed, streams.LABELS, CLASSES
        )

    found = iteration_cost(run=run)
    assert found["total"]["launches"] == on_file["total"]["launches"] + 1
    assert found["total"]["flop"] > on_file["total"]["flop"]
    assert found["total"]["bytes"] > on_file["total"]["bytes"]
    assert found["ops"]["random_integers"]["launches"] == on_file["ops"]["random_integers"]["launches"] + 1


def test_an_unneeded_gradient_is_seen(on_file):
    """As many launches more as the discriminator has weights and biases, were it not frozen in G's step."""

    def run(iteration):
        backward = iteration.discriminator.backward
        iteration.discriminator.backward = lambda dy, train: (backward(dy, True), backward(dy, train))[1]
        Iteration.run(iteration)

    ops_cost = iteration_cost(run=run)["ops"]
    for name in ("dense_backward_weight", "dense_backward_bias"):
        assert ops_cost[name]["launches"] > on_file["ops"][name]["launches"]


def test_products_are_counted_as_anyone_would(on_file):
    """A multiplication and an addition for each weight, row and product; G's step trains no weight of D."""
    generator = sum(a * b for a, b in ((100, 256), (256, 512), (512, 1024), (1024, 784)))
    discriminator = sum(a * b for a, b in ((784, 512), (512, 512), (512, 512), (512, 1)))
    flop = {name: of["flop"] for name, of in on_file["ops"].items()}
    assert flop["dense_backward_input"] == 2 * 32 * (generator + 3 * discriminator)
    assert flop["dense_backward_weight"] == 2 * 32 * (generator + 2 * discriminator)


def test_every_op_that_the_network_calls_is_timed():
    timed = {case.op.name for case in cases()}
    called = {call.op for call in network_calls()}
    assert timed == {name for name in called if ops()[name].runs_on("cpu")}
    assert called.isdisjoint(uncalled())
    assert called.union(uncalled()) == set(ops())
    assert "philox_words" in uncalled()  # it is there for its known answers
    assert ("batch_gather", (("B", 32), ("P", PIXELS), ("N", 60_000))) in network_calls()
