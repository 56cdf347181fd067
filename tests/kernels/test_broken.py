"""The checks can fail: each rejects kernels with a planted defect, and passes the same kernel without it."""

import numpy as np
import pytest
from broken import defects
from cases import TYPICAL_CONVOLUTIONS, is_convolution
from checks import CHECKS, runner

from cgan_raw.kernels.registry import ops
from cgan_raw.testing import assert_matches_reference, gradcheck, implementations, make_arguments

#: What ordinary arguments do not show: losses of precision, and the ends of ranges.  The checks by value must.
UNSEEN = {"one_pass_variance", "overflows", "drops_a_tie", "logarithm_of_zero", "one_minus_beta2_in_float"}

DEFECTS = [
    pytest.param(op, defect, id=f"{op.name}-{defect.__name__}")
    for op in ops().values()
    for defect in defects(op)
    if defect.__name__ not in UNSEEN
]


def arguments(op):
    sizes = TYPICAL_CONVOLUTIONS[1] if is_convolution(op) else dict.fromkeys(op.dims, 11) | {"K": 12, "S": 3}
    return make_arguments(op, sizes, np.random.default_rng(5))


def planted(op, name):
    return next(defect for defect in defects(op) if defect.__name__ == name)


@pytest.mark.parametrize(("op", "defect"), DEFECTS)
def test_comparison_rejects(op, defect):
    with pytest.raises(AssertionError):
        assert_matches_reference(op, defect, arguments(op))


@pytest.mark.parametrize(
    ("op", "defect", "message"),
    [
        ("leaky_relu_forward", "y_written_past_the_end", "0 elements below it and 1 above it were written"),
        ("adam_step", "updates_past_the_end", "p: 0 elements below it and 1 above it were written"),
        ("leaky_relu_forward", "y_written_before_the_start", "1 elements below it and 0 above it were written"),
        (
            "leaky_relu_forward",
            "y_last_unwritten",
            r"y: 1 of 121 elements are wrong; at \[10, 10\] it is .*nan",
        ),
        ("leaky_relu_backward", "dy_modified", "dy: an input"),
        ("tanh_forward", "y_nan_at_the_end", r"at \[10, 10\] it is .*nan"),
        ("bce_forward", "accuracy_last_unwritten", "accuracy: 1 of 1 elements are wrong"),
    ],
)
def test_message_names_the_defect(op, defect, message):
    op = ops()[op]
    with pytest.raises(AssertionError, match=message):
        assert_matches_reference(op, planted(op, defect), arguments(op))


#: Backward ops whose defects differences must find, with the forward op that is differentiated.
GRADIENT_DEFECTS = [
    pytest.param(op, name, defect, id=f"{name}-{defect.__name__}")
    for op in ops().values()
    for name in op.backward
    for defect in defects(ops()[name])
]


@pytest.mark.parametrize(("number", "size"), [(0, 5), (1, 33)], ids=["full", "directions"])
@pytest.mark.parametrize(("op", "name", "defect"), GRADIENT_DEFECTS)
def test_gradcheck_rejects(op, name, defect, number, size):
    sizes = dict.fromkeys(op.dims, size) | {"V": size + 2, "K": size + 1}
    if is_convolution(op):
        sizes = TYPICAL_CONVOLUTIONS[number]
    gradcheck(op, implementations("reference"), sizes, np.random.default_rng(0))
    with pytest.raises(AssertionError):
        gradcheck(op, implementations("reference") | {name: defect}, sizes, np.random.default_rng(0))


def test_gradcheck_rejects_a_missing_gradient(monkeypatch):
    op = ops()["dense_forward"]
    monkeypatch.setitem(op.__dict__, "backward", op.backward[:2])
    with pytest.raises(AssertionError, match="its backward makes"):
        gradcheck(op, implementations("reference"), {"M": 2, "N": 3, "K": 4}, np.random.default_rng(0))


#: What each check by value must find at the least.
CAUGHT = {
    "kink_forward": "y_last_unwritten y_written_past_the_end y_written_before_the_start",
    "kink_backward": "wrong_sign wrong_branch dy_modified",
    "tanh_saturates": "y_nan_at_the_end x_read_one_too_far",
    "zero_gradient_from_rest_moves_nothing": "decays_weights",
    "zero_gradient_decays_and_still_moves": "step_one_early skips_zero_gradients",
    "moments_of_the_first_step_are_exact": "one_minus_beta2_in_float",
    "constant_gradient_has_a_closed_form": "eps_inside_the_root step_one_early",
    "late_steps_are_not_corrected": "always_the_first_step",
    "known_answers": "swapped_words key_not_wrapped",
    "uniform_layout": "iteration_truncated half_the_range",
    "uniform_moments": "half_the_range",
    "uniform_at_its_ends": "half_the_range",
    "integer_layout": "modulo seed_truncated",
    "integers_cover_their_range": "never_the_last",
    "normal_layout": "swapped_pair missing_two",
    "normal_moments": "missing_two",
    "normal_at_its_ends": "logarithm_of_zero",
    "dropout_layout": "keeps_the_dropped column_major_mask mask_of_its_own_stream",
    "dropout_keeps_a_tie": "drops_a_tie",
    "dropout_keeps_its_share": "keeps_the_dropped mask_of_its_own_stream",
    "dropout_backward_uses_the_mask": "not_divided",
    "pixels_to_the_range_of_tanh": "labels_in_order wrong_scale",
    "table_gradient_sums_columns": "last_row_wins unnamed_rows_unwritten",
    "loss_at_extreme_logits": "overflows accuracy_last_unwritten",
    "gradient_at_extreme_logits": "sum_for_mean",
    "normalised_moments": "unbiased_variance",
    "variance_survives_a_large_mean": "unbiased_variance one_pass_variance",
    "one_row_is_its_own_mean": "momentum_reversed",
    "gradient_ignores_shift_and_scale": "missing_variance_term missing_mean_term",
    "exact_forward": "bias_by_row last_of_k_missing",
    "exact_backward_input": "not_transposed",
    "exact_backward_weight": "first_row_twice",
    "exact_backward_bias": "mean_for_sum",
    "exact_convolution": "taps_transposed padding_forgotten",
    "exact_convolution_backward_input": "taps_not_reversed",
    "exact_convolution_backward_weight": "last_image_missing",
    "exact_bias": "bias_for_y",
    "counters_are_64_bits_wide": "counters_32_bits",
    "ring_wraps_around": "ring_one_late",
}


def test_every_check_is_seen_to_fail():
    """CAUGHT has a line for each check: which defects of ``broken`` it rejects."""
    assert set(CAUGHT) == {check.__name__ for check in CHECKS}, "CAUGHT: what does the check find?"
    assert all(CAUGHT.values())
    assert set(" ".join(CAUGHT.values()).split()) >= UNSEEN


@pytest.mark.parametrize(
    ("check", "name"),
    [pytest.param(c, name, id=f"{c.__name__}-{name}") for c in CHECKS for name in CAUGHT[c.__name__].split()],
)
def test_check_rejects(check, name):
    op = ops()[CHECKS[check]]
    with pytest.raises(AssertionError):
        check(runner(op, planted(op, name)))
