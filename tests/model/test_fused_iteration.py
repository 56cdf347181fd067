"""The fused iteration is the layered one: to the last digits of float64, and on the CPU to those of float32."""

import numpy as np
import pytest
import short_runs

from cgan_raw.config import TrainConfig
from cgan_raw.devices.choice import make_backend
from cgan_raw.fused_iteration import FusedIteration, make_iteration, why_layered
from cgan_raw.iteration import Iteration
from cgan_raw.kernels.fused_forward import MOST

TOLERANCE, ITERATIONS = 1e-12, 5
MOST_ROWS = MOST["M"]
MODELS = ("cgan", "gan")


def config(model="cgan", batch=8):
    return TrainConfig(model=model, seed=7, batch_size=batch)


def make(kind, model="cgan", batch=8):
    return kind(make_backend("reference"), config(model, batch), short_runs.dataset(), 16)


def assert_alike(one, other, iterations=ITERATIONS):
    """In every array of the live state, and in the losses."""
    expected = dict(other._named())
    assert expected.keys() == dict(one._named()).keys()
    for name, array in one._named():
        assert not np.any(~(np.abs(array - expected[name]) <= TOLERANCE)), name
    losses, expected = (iteration.read_losses(1, iterations) for iteration in (one, other))
    assert not np.any(~(np.abs(losses - expected) <= TOLERANCE))


@pytest.mark.parametrize("batch", [1, 8, 33])
@pytest.mark.parametrize("model", MODELS)
def test_fused_is_layered(model, batch):
    runs = [short_runs.run(make(kind, model, batch), ITERATIONS) for kind in (FusedIteration, Iteration)]
    assert_alike(*runs)
    assert [run.completed() for run in runs] == [ITERATIONS, ITERATIONS]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kinds", [(FusedIteration, Iteration), (Iteration, FusedIteration)])
def test_a_checkpoint_goes_from_one_to_the_other(model, kinds):
    """As float32, so both begin again from what it holds."""
    before, after = kinds
    state = short_runs.run(make(before, model), 2).state()
    resumed, straight = make(after, model), make(before, model)
    for run in (resumed, straight):
        run.restore(state, 2)
        short_runs.run(run, 2)
    for name, array in straight._named():
        assert not np.any(~(np.abs(array - dict(resumed._named())[name]) <= TOLERANCE)), name
    np.testing.assert_allclose(resumed.read_losses(3, 4), straight.read_losses(3, 4), rtol=0, atol=TOLERANCE)
    assert resumed.completed() == straight.completed() == 4


#: As tests/golden/rounding.py has it: a seed whose run meets no kink, so that two roundings of it stay close.
SEED, LONGER, ROUNDED = 4, 20, 1e-5


@pytest.mark.parametrize("kinds", [(FusedIteration, Iteration), (Iteration, FusedIteration)])
def test_on_the_cpu_too_and_a_checkpoint_goes_between(kinds):
    """The losses of a run that changes its way halfway are, but for roundings, those of one that does not."""
    backend, settings, data = make_backend("cpu"), TrainConfig(seed=SEED), short_runs.dataset()
    first, then, straight = (kind(backend, settings, data, LONGER + 1) for kind in (*kinds, kinds[0]))
    then.restore(short_runs.run(first, LONGER // 2).state(), LONGER // 2)
    losses = short_runs.run(straight, LONGER).read_losses(1, LONGER)
    halves = (first, 1, LONGER // 2), (short_runs.run(then, LONGER // 2), LONGER // 2 + 1, LONGER)
    changed = np.concatenate([run.read_losses(start, end) for run, start, end in halves])
    np.testing.assert_allclose(changed[:, [0, 2]], losses[:, [0, 2]], rtol=ROUNDED, atol=0)


def test_on_the_cpu_it_runs_unless_it_is_not_wanted():
    backend = make_backend("cpu")
    assert type(make_iteration(backend, config(), short_runs.dataset(), 4)) is FusedIteration
    assert type(make_iteration(backend, config(), short_runs.dataset(), 4, layered=True)) is Iteration


# Planted: each spoils a FusedIteration that has not run ---------------------------------------------------


def moves_the_moving_statistics_first(run):
    """The images for D are made by the statistics of this iteration."""
    correct = run.ops.fused_forward_batchnorm

    def spoiled(y, r, mean, rstd, moving_mean, moving_variance, *rest):
        correct(y, r, mean, rstd, moving_mean, moving_variance, *rest)
        correct(y, r, mean, rstd, moving_mean.copy(), moving_variance.copy(), *rest)

    run.ops.fused_forward_batchnorm = spoiled


def head_is_not_trained(run):
    correct = run.ops.fused_train_dense
    run.ops.fused_train_dense = lambda w, *rest: None if w.shape[1] == 1 else correct(w, *rest)


def masks_of_another_phase(run):
    correct = run._discriminator_forward
    run._discriminator_forward = lambda x, labels, phase: correct(x, labels, phase=0)


def table_lags(run):
    """D's embedding stays as it was."""
    run.d_table = tuple(array.copy() for array in run.d_table)


def counters_stand_still(run):
    run.increments[...] = (1, 2, 1, 1)


@pytest.mark.parametrize(
    "defect",
    [
        moves_the_moving_statistics_first,
        head_is_not_trained,
        masks_of_another_phase,
        table_lags,
        counters_stand_still,
    ],
)
def test_a_defect_is_seen(defect):
    spoiled, right = make(FusedIteration), short_runs.run(make(Iteration), ITERATIONS)
    defect(spoiled)
    with pytest.raises(AssertionError):
        assert_alike(short_runs.run(spoiled, ITERATIONS), right)


# The choice -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("batch", "layered", "kind"),
    [(8, False, FusedIteration), (8, True, Iteration), (MOST_ROWS, False, FusedIteration)],
)
def test_fused_unless_layered_is_asked_for(batch, layered, kind):
    backend = make_backend("reference")
    assert why_layered(backend, config(batch=batch)) == ""
    run = make_iteration(backend, config(batch=batch), short_runs.dataset(), 4, layered)
    assert type(run) is kind


def test_beyond_the_contracts_rows_it_is_layered():
    backend, beyond = make_backend("reference"), config(batch=MOST_ROWS + 1)
    assert str(MOST_ROWS) in why_layered(backend, beyond)
    assert type(make_iteration(backend, beyond, short_runs.dataset(), 4)) is Iteration


def test_networks_of_convolutions_are_layered():
    backend, dcgan = make_backend("reference"), config("dcgan")
    assert "dense layers" in why_layered(backend, dcgan)
    assert type(make_iteration(backend, dcgan, short_runs.dataset(), 4)) is Iteration


def test_without_a_fused_kernel_it_is_layered():
    backend = make_backend("reference")
    del backend.ops.fused_record
    assert backend.fused_rows == 0
    assert "no fused kernels" in why_layered(backend, config())
    assert type(make_iteration(backend, config(), short_runs.dataset(), 4)) is Iteration
