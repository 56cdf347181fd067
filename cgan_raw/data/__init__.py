"""The data set: MNIST, embedded in the package, or any folder of IDX files of the same form."""

from .idx import MNIST_DIGEST, Dataset, load_test, load_training

__all__ = ["MNIST_DIGEST", "Dataset", "load_test", "load_training"]
