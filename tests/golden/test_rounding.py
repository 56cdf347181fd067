"""The tolerance between two backends is wider than their roundings and narrower than a defect."""

import numpy as np
import pytest
from rounding import ITERATIONS, TF32_TOLERANCE, TOLERANCE, differences, losses, multiply_in_tf32
from test_golden import forget_beta2, freeze_moving_statistics


@pytest.fixture(scope="module")
def still():
    return losses(ITERATIONS)


def test_noise_in_the_last_place_stays_within_it(still):
    parted = [differences(losses(ITERATIONS, noise), still)[-1] for noise in range(6)]
    assert all(0 < difference <= TOLERANCE / 50 for difference in parted), parted


def test_tf32_stays_within_its_own_and_is_another_computation(still):
    parted = [differences(losses(ITERATIONS, noise, multiply_in_tf32), still)[-1] for noise in range(3)]
    assert all(10 * TOLERANCE < difference <= TF32_TOLERANCE / 3 for difference in parted), parted


@pytest.mark.parametrize("defect", [forget_beta2, freeze_moving_statistics])
def test_a_defect_does_not(defect, still):
    assert not np.all(differences(losses(ITERATIONS, spoil=defect), still) <= TF32_TOLERANCE)
