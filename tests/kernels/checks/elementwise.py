"""Activations, Adam and the bookkeeping."""

import math

import numpy as np

from .checking import check_of, close, equal

# LeakyReLU and tanh ---------------------------------------------------------------------------------------

TINY = 2.0**-120
KINK = [[0.0, -0.0, TINY, -TINY, 3.0, -3.0]]


@check_of("leaky_relu_forward")
def kink_forward(run):
    equal(run(x=KINK, slope=0.25)["y"], [[0.0, -0.0, TINY, -TINY / 4, 3.0, -0.75]])


@check_of("leaky_relu_backward")
def kink_backward(run):
    equal(run(x=KINK, dy=[[8.0] * 6], slope=0.25)["dx"], [[2.0, 2.0, 8.0, 2.0, 8.0, 2.0]])


@check_of("tanh_forward")
def tanh_saturates(run):
    equal(run(x=[[0.0, -0.0, 50.0, -50.0, 1e4]])["y"], [[0.0, -0.0, 1.0, -1.0, 1.0]])


# Adam -----------------------------------------------------------------------------------------------------

HYPER = {"learning_rate": 2e-4, "beta1": 0.5, "beta2": 0.999, "eps": 1e-7}


@check_of("adam_step")
def zero_gradient_from_rest_moves_nothing(run):
    p = np.linspace(-2, 2, 9)
    out = run(p=p, m=np.zeros(9), v=np.zeros(9), g=np.zeros(9), t=[3], **HYPER)
    equal(out["p"], p)
    equal(out["m"], np.zeros(9))
    equal(out["v"], np.zeros(9))


@check_of("adam_step")
def zero_gradient_decays_and_still_moves(run):
    p, m, v = np.array([1.0, -1.0, 0.0]), np.array([0.25, -0.5, 0.0]), np.array([0.04, 1.0, 0.25])
    out = run(p=p, m=m, v=v, g=np.zeros(3), t=[2], **HYPER)
    close(out["m"], m / 2)
    close(out["v"], 0.999 * v)
    moved = 2e-4 * math.sqrt(1 - 0.999**2) / (1 - 0.5**2) * (m / 2) / (np.sqrt(0.999 * v) + 1e-7)
    close(out["p"] - p, -moved, atol=1.2e-7)  # the rounding of p itself
    assert out["p"][0] != p[0]


@check_of("adam_step")
def moments_of_the_first_step_are_exact(run):
    """To a few roundings: 1 - 0.999 is not formed in float."""
    g = np.float32([1.0, -1e-3, 3e-6, 0.0])
    out = run(g=g, p=np.zeros(4), m=np.zeros(4), v=np.zeros(4), t=[1], **HYPER)
    close(out["m"], 0.5 * g.astype(np.float64), atol=0, rtol=3e-7)
    close(out["v"], 0.001 * g.astype(np.float64) ** 2, atol=0, rtol=3e-7)


@check_of("adam_step")
def constant_gradient_has_a_closed_form(run):
    """From rest, m = (1 - beta1^t) g and v = (1 - beta2^t) g^2, so the step is known."""
    g, state = np.array([1.0, -1e-3, 3e-6, 0.0]), {"p": np.zeros(4), "m": np.zeros(4), "v": np.zeros(4)}
    expected = np.zeros(4)
    for t in range(1, 8):
        state = run(g=g, t=[t], **state, **HYPER)
        root = math.sqrt(1 - 0.999**t)
        expected -= 2e-4 * root * g / (root * np.abs(g) + 1e-7)
        close(state["m"], (1 - 0.5**t) * g, atol=0, rtol=1e-5)
        close(state["v"], (1 - 0.999**t) * g * g, atol=0, rtol=1e-4)
        close(state["p"], expected, atol=0, rtol=1e-4)


@check_of("adam_step")
def late_steps_are_not_corrected(run):
    """Both powers have vanished after the iterations of a long run, also where t needs more than 32 bits."""
    for t in (40_000, 2**33):
        out = run(p=[1.0, 1.0], m=[0.25, -1.0], v=[0.25, 4.0], g=[0.25, -1.0], t=[t], **HYPER)
        moved = (
            2e-4 * np.array([0.25, -1.0]) / np.sqrt(0.999 * np.array([0.25, 4]) + 0.001 * np.array([0.0625, 1]))
        )
        close(out["p"] - 1, -moved, atol=1.2e-7)


# Bookkeeping ----------------------------------------------------------------------------------------------


@check_of("counters_advance")
def counters_are_64_bits_wide(run):
    out = run(counters=[0, 2**40, -1, 2**32 - 1], increments=[1, 2, 2, 1])
    equal(out["counters"], [1, 2**40 + 2, 1, 2**32])


@check_of("losses_record")
def ring_wraps_around(run):
    ring = np.zeros((3, 2))
    for iteration in range(2**32 - 2, 2**32 + 3):
        ring = run(ring=ring, losses=[iteration % 7, 0.5], iteration=[iteration])["ring"]
    expected = {i % 3: [i % 7, 0.5] for i in range(2**32, 2**32 + 3)}
    equal(ring, [expected[row] for row in range(3)])
