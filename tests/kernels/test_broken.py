"""The checks can fail: each rejects kernels with a planted defect, and passes the same kernel without it."""

import numpy as np
import pytest
from broken import BROKEN
from checks import CHECKS, runner

from cgan_raw.kernels.registry import ops
from cgan_raw.testing import assert_matches_reference, gradcheck, implementations, make_arguments

#: What ordinary arguments do not show: losses of precision, and the ends of ranges.  The checks by value must.
UNSEEN = {"one_pass_variance", "overflows", "drops_a_tie", "logarithm_of_zero", "one_minus_beta2_in_float"}

DEFECTS = [
    pytest.param(ops()[name], defect, id=f"{name}-{defect.__name__}")
    for name, defects in BROKEN.items()
    for defect in defects
    if defect.__name__ not in UNSEEN
]


def arguments(op):
    return make_arguments(op, dict.fromkeys(op.dims, 11) | {"K": 12}, np.random.default_rng(5))


def test_every_op_has_a_defect():
    assert set(BROKEN) == set(ops())


@pytest.mark.parametrize(("op", "defect"), DEFECTS)
def test_comparison_rejects(op, defect):
    with pytest.raises(AssertionError):
        assert_matches_reference(op, defect, arguments(op))


@pytest.mark.parametrize(
    ("op", "defect", "message"),
    [
        ("leaky_relu_forward", "write_past_the_end", "0 elements below it and 1 above it were written"),
        ("adam_step", "updates_past_the_end", "p: 0 elements below it and 1 above it were written"),
        ("leaky_relu_forward", "write_before_the_start", "1 elements below it and 0 above it were written"),
        (
            "leaky_relu_forward",
            "off_by_one_bound",
            r"y: 1 of 121 elements are wrong; at \[10, 10\] it is .*nan",
        ),
        ("leaky_relu_backward", "modified_input", "dy: an input"),
        ("tanh_forward", "nan_output", r"at \[10, 10\] it is .*nan"),
        ("bce_forward", "accuracy_unwritten", "accuracy: 1 of 1 elements are wrong"),
    ],
)
def test_message_names_the_defect(op, defect, message):
    function = next(f for f in BROKEN[op] if f.__name__ == defect)
    with pytest.raises(AssertionError, match=message):
        assert_matches_reference(ops()[op], function, arguments(ops()[op]))


#: Backward ops whose defects differences must find, with the forward op that is differentiated.
GRADIENT_DEFECTS = [
    pytest.param(op, defect, id=f"{name}-{defect.__name__}")
    for op in ops().values()
    for name in op.backward
    for defect in BROKEN[name]
]


@pytest.mark.parametrize("size", [5, 33], ids=["full", "directions"])
@pytest.mark.parametrize(("op", "defect"), GRADIENT_DEFECTS)
def test_gradcheck_rejects(op, defect, size):
    name = next(name for name in op.backward if defect in BROKEN[name])
    sizes = dict.fromkeys(op.dims, size) | {"V": size + 2, "K": size + 1}
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
    "kink_forward": "off_by_one_bound write_past_the_end write_before_the_start",
    "kink_backward": "wrong_sign wrong_branch modified_input",
    "tanh_saturates": "nan_output reads_past_the_end",
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
    "loss_at_extreme_logits": "overflows accuracy_unwritten",
    "gradient_at_extreme_logits": "sum_for_mean",
    "normalised_moments": "unbiased_variance",
    "variance_survives_a_large_mean": "unbiased_variance one_pass_variance",
    "one_row_is_its_own_mean": "momentum_reversed",
    "gradient_ignores_shift_and_scale": "missing_variance_term missing_mean_term",
    "exact_forward": "bias_by_row last_of_k_missing",
    "exact_backward_input": "not_transposed",
    "exact_backward_weight": "first_row_twice",
    "exact_backward_bias": "mean_for_sum",
    "counters_are_64_bits_wide": "counters_32_bits",
    "ring_wraps_around": "ring_one_late",
}


def test_every_check_is_seen_to_fail():
    assert set(CAUGHT) == {check.__name__ for check in CHECKS}
    assert all(CAUGHT.values())
    assert set(" ".join(CAUGHT.values()).split()) >= UNSEEN


@pytest.mark.parametrize(
    ("check", "name"),
    [pytest.param(c, name, id=f"{c.__name__}-{name}") for c in CHECKS for name in CAUGHT[c.__name__].split()],
)
def test_check_rejects(check, name):
    op = ops()[CHECKS[check]]
    defect = next(f for f in BROKEN[op.name] if f.__name__ == name)
    with pytest.raises(AssertionError):
        check(runner(op, defect))
