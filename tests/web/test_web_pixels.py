"""A page's generator draws the command's pictures, in node: all models, several seeds, walks and morphs."""

import dataclasses

import numpy as np
import pytest
from pixels import assert_same

import cgan_raw
from cgan_raw.checkpoint import load
from cgan_raw.devices.choice import make_backend
from cgan_raw.generator import Generator

ALL = list(range(10))


def test_samples_of_digits(fast, conditional, run_of, node_of):
    ours, node = cgan_raw.load(run_of(conditional), "cpu"), node_of(conditional)
    for seed in (0, 1, 2**40, 2**64 - 1):
        found = node.draw("sample", seed, ALL, 2, fast=fast)
        assert_same(found, lambda seed=seed: ours.sample(count=2, seed=seed).images)


def test_samples_of_a_plain_gan(fast, run_of, node_of):
    ours, node = cgan_raw.load(run_of("gan"), "cpu"), node_of("gan")
    for count in (1, 31, 32, 33, 100):
        found = node.draw("sample", 3, None, count, fast=fast)
        assert_same(found, lambda count=count: ours.sample(count=count, seed=3).images)


def test_walk(fast, model, run_of, node_of):
    ours, node = cgan_raw.load(run_of(model), "cpu"), node_of(model)
    digits = None if model == "gan" else [2, 0, 2, 6]
    found = node.draw("interpolate", 5, digits, steps=9, fast=fast)
    assert_same(found, lambda: ours.interpolate(digits, 9, seed=5).images)


def test_morph(fast, conditional, run_of, node_of):
    ours, node = cgan_raw.load(run_of(conditional), "cpu"), node_of(conditional)
    found = node.draw("morph", 5, [3, 8], count=4, steps=11, fast=fast)
    assert_same(found, lambda: ours.morph(3, 8, 11, rows=4, seed=5).images)


def test_half_is_of_weights_rounded_to_float16(fast, conditional, run_of, node_of):
    checkpoint = load(run_of(conditional) / "checkpoint.safetensors")
    rounded = {name: t.astype(np.float16).astype(np.float32) for name, t in checkpoint.tensors.items()}
    checkpoint = dataclasses.replace(checkpoint, tensors=rounded)
    ours = Generator(run_of(conditional), checkpoint, make_backend("cpu"))
    found = node_of(f"{conditional} --half").draw("sample", 0, ALL, 4, fast=fast)
    assert_same(found, lambda: ours.sample(count=4).images)


def test_other_weights_are_other_pictures(conditional, run_of, node_of):
    """Were all of a kind alike, the others would prove nothing."""
    ours, node = cgan_raw.load(run_of(conditional), "cpu"), node_of(conditional)
    for wrong in (node.draw("sample", 2, ALL, 2), node.draw("sample", 1, ALL[::-1], 2)):
        with pytest.raises(AssertionError):
            assert_same(wrong, lambda: ours.sample(count=2, seed=1).images)
