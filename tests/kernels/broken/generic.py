"""Mistakes that a kernel of any op can make: from its contract, so that a new op has them without a line.

Each is the op's reference and one thing more.  Its name begins with the array that it is made in:
``dx_negated``, ``dy_modified``.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided


def negated(call, array):
    """The sign is lost; of integers every bit."""
    call()
    array[...] = -array if array.dtype.kind == "f" else ~array


def one_percent_off(call, array):
    """A constant is a little wrong."""
    call()
    array *= array.dtype.type(1.01)


def last_unwritten(call, array):
    """The guard against the end is one too strict."""
    before = array.copy()
    call()
    written = ~((array == before) | ((array != array) & (before != before)))
    last = np.flatnonzero(written)[-1]
    array.reshape(-1)[last] = before.reshape(-1)[last]


def written_past_the_end(call, array):
    """The guard against the end is one too lenient."""
    call()
    as_strided(array.reshape(-1), (array.size + 1,))[array.size] = 0


def written_before_the_start(call, array):
    """A negative index."""
    call()
    as_strided(array.reshape(-1)[::-1], (array.size + 1,))[array.size] = 0


def nan_at_the_end(call, array):
    """Something overflows into inf / inf; one element is enough."""
    call()
    array.reshape(-1)[-1] = np.nan


def modified(call, array):
    """An input serves as scratch space; one bit is enough."""
    call()
    array.reshape(-1).view(np.uint8)[0] ^= 1


def read_one_too_far(call, array):
    """Each element is taken from its right neighbour; behind the last one there is a NaN."""
    neighbours = as_strided(array.reshape(-1), (array.size + 1,))[1:]
    with np.errstate(invalid="ignore"):
        call(1 * neighbours.reshape(array.shape))


OF_DESTINATIONS = (negated, last_unwritten, written_past_the_end, written_before_the_start)
OF_REAL_DESTINATIONS = (one_percent_off, nan_at_the_end)
OF_INPUTS = (modified,)
OF_REAL_INPUTS = (read_one_too_far,)


def defects(op):
    """The op with each of these mistakes, in each array that it can be made in: functions of its arguments."""
    return [
        planted(op, position, argument.name, mistake)
        for position, argument in enumerate(op.arguments)
        if argument.dims is not None
        for mistake in mistakes(argument)
    ]


def mistakes(argument):
    real = argument.dtype == "real"
    if argument.role == "in":
        return OF_INPUTS + OF_REAL_INPUTS * real
    return OF_DESTINATIONS + OF_REAL_DESTINATIONS * real


def planted(op, position, name, mistake):
    reference = op.implementation("reference")

    def defect(*arguments):
        def call(other=arguments[position]):
            reference(*arguments[:position], other, *arguments[position + 1 :])

        mistake(call, arguments[position])

    defect.__name__ = f"{name}_{mistake.__name__}"
    return defect
