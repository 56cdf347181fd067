"""Which stream of the random numbers (kernels/philox/reference.py) each draw reads: no two of a seed share one.

What is drawn before training is drawn in iteration 0, what is drawn in training in the iteration's own.
"""

INDICES, NOISE, LABELS = 0, 1, 2  # of a mini-batch: which images, z, and the labels asked of the generator
SAMPLES = 128  # the noise of sample grids and of everything that is drawn from a trained generator

#: Initial parameters: the embedding, then the dense layers in order.  The classifier has a seed of its own.
GENERATOR, DISCRIMINATOR, CLASSIFIER = 64, 69, 64

#: The same of the convolutional networks: the embedding, then what has weights, in order.
DCGAN_GENERATOR, DCGAN_DISCRIMINATOR = 80, 84


def dropout(phase: int, index: int) -> int:
    """The masks of a network's dropout layer ``index`` in pass ``phase`` of an iteration."""
    return 16 + 4 * phase + index
