"""Iteration agrees with an implementation of its definition that shares no code with it."""

from functools import cache

import independent
import numpy as np
import pytest
import short_runs

ITERATIONS = 3
RUNS = [(7, 32), (0, 1), (2**63 + 12345, 5), (3, 33)]  # seed, batch size
TOLERANCE = {"reference": 1e-9, "cpu": 2e-5}


@cache
def expected(seed, batch, iterations=ITERATIONS):
    """The state after some iterations and the (iterations, 3) losses."""
    state = independent.initial_state(seed)
    data = short_runs.dataset()
    losses = [
        independent.iterate(state, data.images, data.labels, batch, i + 1, seed) for i in range(iterations)
    ]
    return state, np.array(losses)


def assert_agrees(iteration, seed, batch, tolerance):
    short_runs.run(iteration, ITERATIONS)
    state, losses = expected(seed, batch)
    # The live arrays, not state(), which rounds to float32.
    named = dict(iteration._named())
    assert set(named) == set(state)
    for name, array in named.items():
        assert array.shape == state[name].shape, name
        assert not np.any(~(np.abs(array - state[name]) <= tolerance)), name
    actual = iteration.read_losses(1, ITERATIONS)
    assert not np.any(~(np.abs(actual - losses) <= 1e-4 * np.abs(losses)))


@pytest.mark.parametrize(("seed", "batch"), RUNS)
@pytest.mark.parametrize("backend", TOLERANCE)
def test_agrees(backend, seed, batch):
    assert_agrees(short_runs.make_iteration(backend, seed, batch), seed, batch, TOLERANCE[backend])


@pytest.mark.parametrize("backend", TOLERANCE)
def test_starts_alike(backend):
    state, _ = expected(2**63 + 12345, 5, iterations=0)
    for name, array in short_runs.make_iteration(backend, seed=2**63 + 12345, batch=5).state().items():
        np.testing.assert_array_equal(array, state[name].astype(np.float32), err_msg=name)


@pytest.mark.parametrize(
    "defect",
    [
        short_runs.masks_of_the_first_phase,
        short_runs.one_update_a_step,
        short_runs.batch_statistics_for_fakes,
        short_runs.fakes_of_other_labels,
        short_runs.target_of_fakes,
        short_runs.variance_is_a_constant,
        short_runs.dropout_gradient_unscaled,
        short_runs.labels_lag,
        short_runs.moving_statistics_stay,
    ],
)
def test_rejects(defect):
    """Within the wider of the two tolerances."""
    iteration = short_runs.make_iteration("cpu")
    defect(iteration)
    with pytest.raises(AssertionError):
        assert_agrees(iteration, 7, 32, TOLERANCE["cpu"])
