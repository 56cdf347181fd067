"""Defects planted in the CUDA C++: each must be rejected by the check that is there for it."""

import numpy as np
import pytest
from cases import TYPICAL_CONVOLUTIONS, function, is_convolution
from changed import Alone, changed
from headers import folder_of

from cgan_raw.kernels import simt
from cgan_raw.kernels.launch import op_module
from cgan_raw.kernels.registry import ops
from cgan_raw.testing import HOST, assert_matches_reference, gradcheck, implementations, make_arguments

#: op, version, what stands in cuda.cu or in what it includes, what is planted.
WRONG = [
    ("leaky_relu_forward", None, "x > 0 ? x", "x >= -1 ? x"),
    ("adam_step", None, "(sqrt(vi) + (real)adam.eps)", "sqrt(vi + (real)adam.eps)"),
    ("random_normal", None, "n - 4 * block", "n - 4 * block - 1"),
    ("dropout_forward", None, "store_quad(y + i, values, n - i)", "store_quad(y + i, values, n - i - 1)"),
    ("batch_gather", None, "int row = indices[b]", "int row = b"),
    ("embedding_backward_table", None, "labels[b] == v", "labels[b] <= v"),
    ("bce_forward", None, "b += blockDim.x", "b += blockDim.x + 1"),
    ("batchnorm_forward_train", None, "x(b) - mean;", "x(b);"),
    ("batchnorm_backward", None, "(of.dbeta + xhat * of.dgamma) / B", "of.dbeta / B"),
    ("batchnorm_moments", None, "max(1, last - first)", "max(1, last - first - 1)"),
    ("batchnorm_normalise", None, "* apart * apart", "* apart"),
    ("batchnorm_sums", None, "min(part * ceil_div(B, S), B)", "min(part * ceil_div(B, S), B - 1)"),
    ("batchnorm_dx", None, "return dgammas[p * C + c]", "return dbetas[p * C + c]"),
    ("losses_record", None, "iteration[0] % R", "iteration[0] % (R + 1)"),
    ("dense_forward", "uncoalesced", "i >= rows || j", "i >= rows - 1 || j"),
    ("dense_forward", "naive", "k < K; ++k", "k < K - 1; ++k"),
    ("dense_forward", "tiled", "left_tile[y][k]", "left_tile[x][k]"),
    ("dense_forward", "register_tiled", "top + y + i * down", "top + y + j * down"),
    ("dense_forward", "vectorised", "? columns - column : 0", "? columns - column - 1 : 0"),
    ("dense_forward", "warp_tiled", "lane / 2 % 8}", "lane % 8}"),
    ("dense_forward", "double_buffered", "k0 / tile_k % 2", "0"),
    ("dense_forward", "split_k", "s < SPLITS; ++s", "s < SPLITS - 1; ++s"),
    ("dense_forward", "tensor_core", "left_tile.at(i + 8, k)", "left_tile.at(i, k)"),
    ("dense_forward", "tensor_core_3x", "a_small[i] = to_tf32(a[i] - a_big[i])", "a_small[i] = 0"),
    ("dense_backward_bias", None, "m < M", "m <= M"),
    ("fused_forward_leaky_relu", None, "int warp = 0; warp < WARPS", "int warp = 1; warp < WARPS"),
    ("fused_forward_embedding", None, "labels[row] * columns", "labels[0] * columns"),
    ("fused_forward_dropout", None, "mask[i] = keep", "mask[i] = !keep"),
    ("fused_forward_batchnorm", None, "learnt = {x + M * K, K}", "learnt = {x, K}"),
    ("fused_forward_tanh", None, "sum + bias", "sum"),
    ("fused_backward_head", None, "mask[i], rate), y[i]", "true, rate), y[i]"),
    ("fused_backward_embedding", None, "g * table[labels[m] * K + k]", "g"),
    ("fused_train_head", None, "bce_gradient(logit, target, M)", "bce_gradient(logit, target, N)"),
    ("fused_train_leaky_relu", None, "first < top", "first < 0"),
    ("fused_train_leaky_relu", None, "n0 / DEPTH % blocks == tile", "true"),
    ("fused_train_batchnorm", None, "gamma.move(c, of.dgamma", "gamma.move(c, of.dbeta"),
    ("fused_train_embedding", None, "== (int)threadIdx.y", ">= (int)threadIdx.y"),
    ("fused_train_dense", None, "2 * i + lane.half;", "2 * i;"),
    ("fused_train_dense", "tensor_core", "lower.v[2 * half],", "upper.v[2 * half],"),
    ("fused_forward_leaky_relu", "tensor_core_3x", "PARTS == 3", "false"),
    ("fused_draw_embedding", None, "store_quad(h + M * K + i", "store_quad(h + i"),
    ("fused_record", None, "counters[0] % R", "(counters[0] + 1) % R"),
    ("convolution_forward", "naive", "i < 0 || i >= s.H", "i < 0 || i >= s.H - 1"),
    ("convolution_backward_input", "naive", "r += s.stride", "++r"),
    ("convolution_backward_weight", "naive", "s.stride * q - s.padding + t", "s.stride * q - s.padding + r"),
    ("convolution_forward", "implicit_gemm", "tap / taps * tap_step", "tap % taps * tap_step"),
    ("convolution_backward_input", "implicit_gemm", "1, -1, top", "1, 1, top"),
    ("convolution_backward_input", "implicit_gemm", "top = (row + s.padding)", "top = row"),
    ("convolution_backward_weight", "implicit_gemm", "i < rows)", "i < rows - 1)"),
    ("convolution_backward_weight", "implicit_gemm", "row.i += step;", "row.i += 1;"),
    ("convolution_forward", "split_k", "s < SPLITS; ++s", "s < SPLITS - 1; ++s"),
    ("convolution_backward_input", "split_k", "lane % 8 + 8 * j, k)", "lane % 8, k)"),
    ("convolution_backward_weight", "split_k", "row.offset += height", "row.offset += 1"),
    ("bias_add", None, "+= b[n]", "= b[n]"),
]


def planted(tmp_path, folder, old, new):
    """The path of a folder's cuda.cu in which ``old``, wherever it stands, is ``new``."""
    return changed(folder, lambda text: text.replace(old, new), tmp_path)


def _kernel(op, version):
    return next(k for k in op.kernels if k.backend == "cuda" and k.version == version)


def launched(path, op, kernel, real="float"):
    name = op.function(kernel.version)
    module = op_module(op.package, op.build(kernel.version), Alone(simt.Executor(), name), real, path)

    def call(*arguments):
        sizes = op.sizes(arguments)
        grid, block = kernel.geometry(**sizes)
        module.launch(name, grid, block, (*arguments, *(sizes[name] for name in op.measured)))

    return call


def check(call, op, kernel):
    for number, size in enumerate((5, 70 if len(op.dims) > 1 else 300)):  # a second block, and K-tile of a warp
        sizes = op.within({d: size + 3 * i for i, d in enumerate(op.dims)})
        sizes = TYPICAL_CONVOLUTIONS[number] if is_convolution(op) else sizes
        arguments = make_arguments(op, sizes, np.random.default_rng(size))
        assert_matches_reference(op, call, arguments, HOST, kernel.rounding)


@pytest.mark.parametrize(("name", "version", "old", "new"), WRONG, ids=[f"{w[0]}: {w[3]}" for w in WRONG])
def test_a_wrong_kernel_is_rejected(tmp_path, name, version, old, new):
    op = ops()[name]
    kernel = _kernel(op, version)
    check(function(op, kernel), op, kernel)
    path = planted(tmp_path, folder_of(op), old, new)
    with pytest.raises(AssertionError):
        check(launched(path, op, kernel), op, kernel)


def test_the_gradient_check_misses_no_term_of_batchnorm(tmp_path):
    forward, backward = ops()["batchnorm_forward_train"], ops()["batchnorm_backward"]
    path = planted(tmp_path, "batchnorm", "(of.dbeta + xhat * of.dgamma) / B", "of.dbeta / B")
    table = implementations("reference") | {
        backward.name: launched(path, backward, _kernel(backward, None), "double")
    }
    with pytest.raises(AssertionError):
        gradcheck(forward, table, {"B": 5, "C": 4}, np.random.default_rng(0))
