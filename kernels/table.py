"""What an op table is to editors and type checkers: the reference of every op, by the op's name.

So they lead from ``self.ops.dense_forward(y, x, w, b)`` to its equations, and see that a name or a number of
arguments is wrong.  The program itself makes its tables from the registry and never imports this module.
"""

from collections.abc import Callable
from typing import Any


class References:
    from .activation.reference import leaky_relu_backward, leaky_relu_forward, tanh_backward, tanh_forward
    from .adam.reference import adam_step
    from .batch.reference import batch_gather
    from .batchnorm.reference import (
        batchnorm_backward,
        batchnorm_dx,
        batchnorm_forward_inference,
        batchnorm_forward_train,
        batchnorm_moments,
        batchnorm_normalise,
        batchnorm_sums,
    )
    from .bce.reference import bce_backward, bce_forward
    from .bookkeeping.reference import counters_advance, losses_record
    from .convolution.reference import (
        bias_add,
        convolution_backward_input,
        convolution_backward_weight,
        convolution_forward,
    )
    from .dense.reference import dense_backward_bias, dense_backward_input, dense_backward_weight, dense_forward
    from .dropout.reference import dropout_backward, dropout_forward
    from .embedding.reference import embedding_backward_input, embedding_backward_table, embedding_forward
    from .fused_backward.reference import (
        fused_backward_embedding,
        fused_backward_head,
        fused_backward_leaky_relu,
        fused_backward_tanh,
        fused_train_batchnorm,
        fused_train_dense,
        fused_train_embedding,
        fused_train_head,
        fused_train_leaky_relu,
    )
    from .fused_ends.reference import fused_draw, fused_draw_embedding, fused_record
    from .fused_forward.reference import (
        fused_forward_batchnorm,
        fused_forward_dropout,
        fused_forward_embedding,
        fused_forward_leaky_relu,
        fused_forward_tanh,
    )
    from .philox.reference import philox_words, random_integers, random_normal, random_uniform

    #: Between ranks, where there are several; cgan_raw/ranks.py has them.
    ranks_mean: Callable[[Any], None]
    ranks_gather: Callable[[Any, Any], None]


Ops = type[References]  #: the class, not one of its objects: the functions have no ``self``
