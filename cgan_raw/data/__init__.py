"""The data set: MNIST, embedded in the package, or any folder of IDX files of the same form."""

from .idx import Dataset, load_test, load_training

__all__ = ["Dataset", "load_test", "load_training"]
