"""Counter-based random numbers: a draw is a function of (seed, stream, iteration, element), by Philox4x32-10.

Nothing is ever stored between draws.  The iteration number lies in memory, not in an argument, so that a
recorded sequence of launches can be replayed.
"""

from ..geometry import fours, line
from ..registry import Op, one_version

# Integer operations for one word of Philox: ten rounds of two products and eight other operations make four.
WORD = 25

WORDS = Op(
    package=__name__,
    name="philox_words",
    signature="words(n,4):uint32 <- counters(n,4):uint32 keys(n,2):uint32",
    flops=lambda n: 4 * WORD * n,
    kernels=one_version(lambda n: line(n)),
)
UNIFORM = Op(
    package=__name__,
    name="random_uniform",
    signature="y(n) <- iteration(1):int64 seed:uint64 stream:uint32 limit",
    flops=lambda n: (WORD + 3) * n,
    kernels=one_version(lambda n: fours(n)),
)
NORMAL = Op(
    package=__name__,
    name="random_normal",
    signature="y(n) <- iteration(1):int64 seed:uint64 stream:uint32",
    flops=lambda n: (WORD + 6) * n,
    kernels=one_version(lambda n: fours(n)),
)
INTEGERS = Op(
    package=__name__,
    name="random_integers",
    signature="y(n):int32 <- iteration(1):int64 seed:uint64 stream:uint32 high:uint32",
    flops=lambda n: (WORD + 1) * n,
    kernels=one_version(lambda n: fours(n)),
)

OPS = (WORDS, UNIFORM, NORMAL, INTEGERS)
