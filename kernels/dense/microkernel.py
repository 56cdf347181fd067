"""A tile of a matrix product in vector registers: what the CPU's three products are made of.

A compiler keeps no tile of a loop nest in registers by itself, so this writes the loop out for it, in LLVM's
words: rows x 2 vectors of sums; for each step of the depth two vectors of the right factor are read, the left
one's numbers are spread over a vector each, and all are multiplied and added.

    out[i, j] = start[i, j] + sum_d left[i, d] right[d, j]   i < rows, j < COLUMNS   reference.py (1) to (3)

Memory    2 vectors and a number for each row are read for 2 multiply-adds a row.  The first tile of a block can
          write what it reads of the right factor into a panel, which the tiles below it read in its place: one
          stream from the L1 cache, where the matrix has its rows some KB apart, so that most of them share a
          few lines of a cache and each step is on another page.
Limit     the multiply-add units: the sums are enough to give them work for each cycle.
Numerics  one sum in the order of d, each step rounded once (fused).
Source    Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication", section 4.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils

from ..compile import intrinsic
from ..instructions import AVX512

_LANES = 16 if AVX512 else 8  # float32 in a vector; a machine with narrower ones has it as several
_VECTORS = 2

ROWS = 8 if AVX512 else 6  #: of a tile: as many sums as leave registers for the factors
COLUMNS = _VECTORS * _LANES  #: of a tile


def _tile_of(rows: int, packs: bool = False):
    """The function that computes a tile of so many rows.

    ``tile(out, out_row, left, left_row, right, right_row, start, start_row, depth, panel)``: each array begins
    with the first element that the tile needs of it; its rows are so many elements apart.  ``packs``: what is
    read of ``right`` is written to ``panel`` too, in rows of COLUMNS.
    """

    @intrinsic
    def tile(typing, out, out_row, left, left_row, right, right_row, start, start_row, depth, panel):
        n = types.intp
        signature = types.void(out, n, left, n, right, n, start, n, n, panel)
        return signature, lambda *given: _Tile(*given).build(rows, packs)

    return tile


class _Tile:
    """Writes the instructions of a tile."""

    def __init__(self, context, builder, signature, values):
        def data(i):
            return context.make_array(signature.args[i])(context, builder, values[i]).data

        self.context, self.builder = context, builder
        self.scalar = context.get_data_type(signature.args[0].dtype)
        self.vector = ir.VectorType(self.scalar, _LANES)
        self.out, self.left, self.right, self.start, self.panel = map(data, (0, 2, 4, 6, 9))
        self.out_row, self.left_row, self.right_row, self.start_row, self.depth = (
            values[i] for i in (1, 3, 5, 7, 8)
        )
        self.integer = self.depth.type

    def build(self, rows: int, packs: bool):
        builder = self.builder
        first = [
            [self._read(self._row(self.start, self.start_row, i), v) for v in range(_VECTORS)]
            for i in range(rows)
        ]
        before = builder.block
        loop, done = builder.append_basic_block("step"), builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        d = builder.phi(self.integer)
        d.add_incoming(self.integer(0), before)
        sums = [[builder.phi(self.vector) for _ in range(_VECTORS)] for _ in range(rows)]
        after = self._step(d, sums, packs)
        for i in range(rows):
            for v in range(_VECTORS):
                sums[i][v].add_incoming(first[i][v], before)
                sums[i][v].add_incoming(after[i][v], loop)
        following = builder.add(d, self.integer(1))
        d.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, self.depth), loop, done)
        builder.position_at_end(done)
        for i in range(rows):
            for v in range(_VECTORS):
                self._write(self._row(self.out, self.out_row, i), v, after[i][v])
        return self.context.get_dummy_value()

    def _step(self, d, sums, packs: bool):
        """One step of the depth: the sums after it."""
        builder = self.builder
        row = builder.gep(self.right, [builder.mul(d, self.right_row)])
        right = [self._read(row, v) for v in range(_VECTORS)]
        if packs:
            packed = builder.gep(self.panel, [builder.mul(d, self.integer(COLUMNS))])
            for v in range(_VECTORS):
                self._write(packed, v, right[v])
        column = builder.gep(self.left, [d])
        after = []
        for i, old in enumerate(sums):
            left = self._spread(builder.load(self._row(column, self.left_row, i)))
            after.append([self._fused(left, right[v], old[v]) for v in range(_VECTORS)])
        return after

    def _row(self, array, row, i: int):
        return self.builder.gep(array, [self.builder.mul(row, self.integer(i))])

    def _spread(self, number):
        """A vector of one number."""
        word = ir.IntType(32)
        undefined = ir.Constant(self.vector, ir.Undefined)
        one = self.builder.insert_element(undefined, number, word(0))
        return self.builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(word, _LANES), None))

    def _at(self, row, v: int):
        pointer = self.builder.gep(row, [self.integer(v * _LANES)])
        return self.builder.bitcast(pointer, self.vector.as_pointer())

    def _read(self, row, v: int):
        return self.builder.load(self._at(row, v), align=4)

    def _write(self, row, v: int, value) -> None:
        self.builder.store(value, self._at(row, v), align=4)

    def _fused(self, a, b, c):
        """a b + c, rounded once."""
        name = f"llvm.fma.v{_LANES}f{32 if self.scalar == ir.FloatType() else 64}"
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), [a, b, c])


#: A tile of ROWS, and one of a row less, so that most numbers of rows are shared out evenly.
tile, lower_tile = (_tile_of(rows) for rows in (ROWS, ROWS - 1))
#: The same, which fill the panel.
packing_tile, packing_lower_tile = (_tile_of(rows, packs=True) for rows in (ROWS, ROWS - 1))


def on_stack(count: int):
    """The function that gives a pointer to room for so many numbers of an array's type."""

    @intrinsic
    def room(typing, like):
        def build(context, builder, signature, values):
            scalar = context.get_data_type(signature.args[0].dtype)
            with builder.goto_entry_block():  # Numba's own alloca_once would store a zero in every element
                place = builder.alloca(ir.ArrayType(scalar, count))
            place.align = 64
            return builder.bitcast(place, scalar.as_pointer())

        return types.CPointer(like.dtype)(like), build

    return room


SIDE = _LANES  #: of the square that is transposed in registers


@intrinsic
def transpose_square(typing, out, out_row, x, x_row):
    """Transpose SIDE x SIDE elements between flat arrays; their rows are so many elements apart.

    Each pass exchanges the off-diagonal halves of squares half as large as those of the pass before it.
    """

    def build(context, builder, signature, values):
        out, out_row, x, x_row = values
        vector = ir.VectorType(context.get_data_type(signature.args[0].dtype), SIDE)

        def pointer(i, array, row):
            data = context.make_array(signature.args[i])(context, builder, array).data
            return lambda n: builder.bitcast(
                builder.gep(data, [builder.mul(row, row.type(n))]), vector.as_pointer()
            )

        source, target = pointer(2, x, x_row), pointer(0, out, out_row)
        rows = [builder.load(source(n), align=4) for n in range(SIDE)]
        half = SIDE // 2
        while half:
            rows = _exchange(builder, rows, half)
            half //= 2
        for n, row in enumerate(rows):
            builder.store(row, target(n), align=4)
        return context.get_dummy_value()

    return types.void(out, types.intp, x, types.intp), build


def _exchange(builder, rows, half: int):
    """For each pair of rows ``half`` apart, the upper right with the lower left elements of their squares."""
    lanes = ir.VectorType(ir.IntType(32), SIDE)
    upper = ir.Constant(lanes, [j if not j & half else SIDE + j - half for j in range(SIDE)])
    lower = ir.Constant(lanes, [j + half if not j & half else SIDE + j for j in range(SIDE)])
    result = list(rows)
    for n in range(SIDE):
        if not n & half:
            result[n] = builder.shuffle_vector(rows[n], rows[n + half], upper)
            result[n + half] = builder.shuffle_vector(rows[n], rows[n + half], lower)
    return result
