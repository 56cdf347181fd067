"""Ten iterations give the losses that are on file, on every backend, op by op and fused."""

import json

import numpy as np
import pytest
from regenerate import COLUMNS, FILE, facts, losses

from cgan_raw.fused_iteration import FusedIteration
from cgan_raw.iteration import Iteration

KINDS = {"layered": Iteration, "fused": FusedIteration}
RTOL = {"reference": 1e-9, "cpu": 1e-5}


@pytest.fixture(scope="module")
def golden():
    return json.loads(FILE.read_text(encoding="utf-8"))


def matches(actual, golden, rtol):
    """Losses within rtol, and every logit on the same side."""
    expected = np.array([golden[name] for name in COLUMNS]).T
    close = np.abs(actual - expected) <= rtol * expected
    return close[:, [0, 2]].all() and np.all(np.abs(actual[:, 1] - expected[:, 1]) < 1e-6)


def test_file_states_how_it_was_made(golden):
    assert {name: value for name, value in golden.items() if name not in COLUMNS} == facts()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("backend", RTOL)
def test_losses_match(backend, kind, golden):
    assert matches(losses(backend, kind=KINDS[kind]), golden, RTOL[backend])


def test_cpu_matches_reference():
    cpu, reference = losses("cpu"), losses("reference")
    np.testing.assert_allclose(cpu[:, [0, 2]], reference[:, [0, 2]], rtol=1e-5, atol=0)


def test_another_seed_does_not_match(golden):
    assert not matches(losses("cpu", seed=8), golden, RTOL["cpu"])


def forget_beta2(iteration):
    iteration.ops.adam_step = lambda p, m, v, g, t, rate, b1, b2, eps: np.subtract(p, rate * np.sign(g), out=p)


def freeze_moving_statistics(iteration):
    correct = iteration.ops.batchnorm_forward_train
    iteration.ops.batchnorm_forward_train = lambda y, mean, rstd, moving_mean, moving_variance, *rest: correct(
        y, mean, rstd, moving_mean.copy(), moving_variance.copy(), *rest
    )


@pytest.mark.parametrize("defect", [forget_beta2, freeze_moving_statistics])
def test_a_defect_does_not_match(defect, golden):
    assert not matches(losses("cpu", spoil=defect), golden, RTOL["cpu"])


def forget_the_embedding(iteration):
    """The generator's gradient lacks the discriminator's factor for the label."""
    iteration.ops.fused_backward_embedding = lambda dx, dy, w, x, table, labels: (
        iteration.ops.fused_backward_tanh(dx, dy, w, x)
    )


def train_no_head(iteration):
    correct = iteration.ops.fused_train_dense
    iteration.ops.fused_train_dense = lambda w, *rest: None if w.shape[1] == 1 else correct(w, *rest)


@pytest.mark.parametrize("defect", [forget_the_embedding, train_no_head])
def test_a_fused_defect_does_not_match(defect, golden):
    assert not matches(losses("cpu", spoil=defect, kind=FusedIteration), golden, RTOL["cpu"])
