"""What the references' docstrings work out by hand, the references compute."""

import doctest
import re
from importlib import import_module

import pytest

from cgan_raw.kernels import registry
from cgan_raw.kernels.registry import FOLDERS

#: Folders that have an example; every other one may.
WORKED = ("adam", "embedding", "bce", "batchnorm", "dense")


def example(folder):
    """The example in a reference's docstring, its lines in order; None where there is none."""
    module = import_module(f"{registry.__package__}.{folder}.reference")
    found = doctest.DocTestParser().get_doctest(module.__doc__, vars(module), folder, module.__file__, 0)
    return found if found.examples else None


def wrong_lines(test):
    return doctest.DocTestRunner(verbose=False).run(test, clear_globs=False).failed


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_example_is_right(folder):
    found = example(folder)
    assert found or folder not in WORKED
    assert found is None or wrong_lines(found) == 0


@pytest.mark.parametrize("folder", WORKED)
def test_a_wrong_number_is_seen(folder):
    """The last digit of each line that prints something, changed."""
    printing = [i for i, line in enumerate(example(folder).examples) if line.want]
    assert printing
    for i in printing:
        changed = example(folder)
        line = changed.examples[i]
        line.want = re.sub(r"\d(?=\D*$)", lambda digit: str(9 - int(digit[0])), line.want)
        assert wrong_lines(changed) == 1
