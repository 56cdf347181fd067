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

from itertools import chain

from llvmlite import ir
from numba import types
from numba.core import cgutils, imputils

from ..compile import intrinsic
from ..instructions import AVX512

_LANES = 16 if AVX512 else 8  # float32 in a vector; a machine with narrower ones has it as several
_VECTORS = 2
_LINE = 16  # float32 in a cache line

ROWS = 8 if AVX512 else 6  #: of a tile: as many sums as leave registers for the factors
COLUMNS = _VECTORS * _LANES  #: of a tile


def _tile_of(rows: int, packs: bool = False):
    """The function that computes a tile of so many rows.

    ``tile(out, left, right, start, ahead, panel, depth)``: all but the depth are matrices as in blocks.py
    and begin with the first element that the tile needs.  ``packs``: what is read of ``right`` is written to
    ``panel`` too.  Of ``ahead``, which is not read, COLUMNS of a row are brought into the L2 cache at each step
    of the depth.
    """

    @intrinsic
    def tile(typing, out, left, right, start, ahead, panel, depth):
        def build(context, builder, signature, given):
            write = _Tile(context, builder, out.types[0].dtype)
            to, by, factor, begun, soon, packed = map(write.matrix, signature.args, given[:6])

            def beside(places, values):
                write.ask_for(places[0])
                if packs:
                    write.store((places[1], write.integer(0)), 0, values)

            first = [write.load(begun, i) for i in range(rows)]
            walks = [soon, packed] if packs else [soon]
            for i, values in enumerate(write.multiplied(first, by, factor, given[6], walks, beside)):
                write.store(to, i, values)
            return context.get_dummy_value()

        return types.void(out, left, right, start, ahead, panel, types.intp), build

    return tile


def _updating_tiles_of(rows: int):
    """The function that computes so many rows of a gradient, tile by tile, and has Adam move the weights by it.

    ``tiles(w, m, v, place, row, left, panels, count, scalars, depth)``: the gradient is left, a matrix, times
    ``count`` panels; w, m and v begin at ``place`` and have their rows so far apart; ``scalars`` are those of
    adam/cpu.py, where the formula is told.
    """

    @intrinsic
    def tiles(typing, w, m, v, place, row, left, panels, count, scalars, depth):
        def build(context, builder, signature, given):
            write = _Tile(context, builder, w.dtype)
            by, numbers = write.matrix(left, given[5]), write.data(panels, given[6])
            arrays = [write.data(w, each) for each in given[:3]]
            adam = [write.spread(each) for each in cgutils.unpack_tuple(builder, given[8])]
            nothing = [[ir.Constant(write.vector, None)] * _VECTORS] * rows
            with cgutils.for_range(builder, given[7]) as loop:
                column = builder.mul(loop.index, write.integer(COLUMNS))
                panel = builder.gep(numbers, [builder.mul(column, given[9])]), write.integer(COLUMNS)
                gradient = write.multiplied(nothing, by, panel, given[9])
                first = builder.add(column, given[3])
                matrices = [(builder.gep(array, [first]), given[4]) for array in arrays]
                for i, values in enumerate(gradient):
                    write.update(matrices, i, values, adam)
            return context.get_dummy_value()

        n = types.intp
        return types.void(w, m, v, n, n, left, panels, n, scalars, n), build

    return tiles


class _Tile:
    """Writes the instructions of a tile.  A matrix is a pointer, and the elements from one row to the next."""

    def __init__(self, context, builder, real):
        self.context, self.builder = context, builder
        self.scalar = context.get_data_type(real)
        self.vector = ir.VectorType(self.scalar, _LANES)
        self.integer = ir.IntType(64)

    def data(self, kind, array):
        """A pointer to an array's numbers."""
        return self.context.make_array(kind)(self.context, self.builder, array).data

    def matrix(self, kind, given):
        array, first, row = cgutils.unpack_tuple(self.builder, given)
        return self.builder.gep(self.data(kind.types[0], array), [first]), row

    def multiplied(self, first, left, right, depth, beside=(), write_beside=None):
        """The sums, begun from ``first``.

        Parameters
        ----------
        beside : matrices along whose rows each step goes too.
        write_beside : what else a step does, given where it is in each of these, and what it reads of right.

        Notes
        -----
        Addresses are kept as a compiler would not: it has more of them than registers, and loads some at each
        step.  Of the left factor there is a pointer for every four rows, from which each of them is a multiple
        of the row's length away that an instruction can express, or three times that.
        """
        builder, before = self.builder, self.builder.block
        loop, done = builder.append_basic_block("step"), builder.append_basic_block("done")
        fours = [(self.row(left, i), self.integer(1)) for i in range(0, len(first), 4)]
        apart = [builder.mul(left[1], self.integer(i)) for i in range(4)]
        walks = [*fours, right, *beside]
        builder.branch(loop)
        builder.position_at_end(loop)
        places, remaining = [builder.phi(start.type) for start, _ in walks], builder.phi(self.integer)
        sums = [[builder.phi(self.vector) for _ in row] for row in first]
        factor = self.load((places[len(fours)], self.integer(0)), 0)
        if write_beside is not None:
            write_beside(places[len(fours) + 1 :], factor)
        after = []
        for i, row in enumerate(sums):
            number = self.spread(builder.load(builder.gep(places[i // 4], [apart[i % 4]])))
            after.append([self.fused(number, factor[v], old) for v, old in enumerate(row)])
        following = [builder.gep(place, [step]) for place, (_, step) in zip(places, walks, strict=True)]
        left_over = builder.sub(remaining, self.integer(1))
        for value, at_first, later in (
            (remaining, depth, left_over),
            *zip(places, (start for start, _ in walks), following, strict=True),
            *zip(*(chain.from_iterable(rows) for rows in (sums, first, after)), strict=True),
        ):
            value.add_incoming(at_first, before)
            value.add_incoming(later, loop)
        builder.cbranch(builder.icmp_signed(">", left_over, self.integer(0)), loop, done)
        builder.position_at_end(done)
        return after

    def update(self, matrices, i: int, gradient, scalars):
        """A row of w, m and v by Adam."""
        w, m, v = matrices
        rate, b1, b2, c1, c2, e = scalars
        builder = self.builder
        rows = zip(self.load(w, i), self.load(m, i), self.load(v, i), gradient, strict=True)
        moved = []
        for p, first, second, g in rows:
            first = self.fused(b1, first, builder.fmul(c1, g))
            second = self.fused(b2, second, builder.fmul(builder.fmul(c2, g), g))
            root = builder.fadd(self._call("sqrt", second), e)
            moved.append((builder.fsub(p, builder.fdiv(builder.fmul(rate, first), root)), first, second))
        for matrix, row in zip(matrices, zip(*moved, strict=True), strict=True):
            self.store(matrix, i, row)

    def ask_for(self, place) -> None:
        """Bring COLUMNS numbers into the L2 cache; whatever their address is, nothing else happens."""
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        prefetch = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0i8")
        for first in range(0, COLUMNS, _LINE):
            address = self.builder.gep(place, [self.integer(first)])
            read, into_l2, data = word(0), word(2), word(1)
            self.builder.call(prefetch, [self.builder.bitcast(address, byte), read, into_l2, data])

    def load(self, matrix, i: int):
        return [self.builder.load(self._vector(matrix, i, v), align=4) for v in range(_VECTORS)]

    def store(self, matrix, i: int, row) -> None:
        for v, value in enumerate(row):
            self.builder.store(value, self._vector(matrix, i, v), align=4)

    def spread(self, number):
        """A vector of one number."""
        word = ir.IntType(32)
        undefined = ir.Constant(self.vector, ir.Undefined)
        one = self.builder.insert_element(undefined, number, word(0))
        return self.builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(word, _LANES), None))

    def fused(self, a, b, c):
        """a b + c, rounded once."""
        return self._call("fma", a, b, c)

    def row(self, matrix, i: int):
        return self.builder.gep(matrix[0], [self.builder.mul(matrix[1], self.integer(i))])

    def _vector(self, matrix, i: int, v: int):
        pointer = self.builder.gep(self.row(matrix, i), [self.integer(v * _LANES)])
        return self.builder.bitcast(pointer, self.vector.as_pointer())

    def _call(self, name: str, *values):
        name = f"llvm.{name}.v{_LANES}f{32 if self.scalar == ir.FloatType() else 64}"
        kind = ir.FunctionType(self.vector, [self.vector] * len(values))
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), values)


@intrinsic
def matrix(typing, array, first, row):
    """A matrix as blocks.py has it, whose type is the same whether its numbers are constants or not.

    To Numba a tuple with a constant is of another type than one with a variable, and it would compile whoever
    takes matrices once for each.
    """

    def build(context, builder, signature, given):
        made = context.make_tuple(builder, signature.return_type, given)
        return imputils.impl_ret_borrowed(context, builder, signature.return_type, made)

    return types.Tuple((array, types.intp, types.intp))(array, types.intp, types.intp), build


#: A tile of ROWS, and one of a row less, so that most numbers of rows are shared out evenly.
tile, lower_tile = (_tile_of(rows) for rows in (ROWS, ROWS - 1))
#: The same, which fill the panel.
packing_tile, packing_lower_tile = (_tile_of(rows, packs=True) for rows in (ROWS, ROWS - 1))
#: The same, whose sums are a gradient.
updating_tiles, lower_updating_tiles = (_updating_tiles_of(rows) for rows in (ROWS, ROWS - 1))


def on_stack(count: int):
    """The function that gives a pointer to room for so many numbers of an array's type, as they lie there.

    Numba's own would fill it with zeros, at each call.
    """

    @intrinsic
    def room(typing, like):
        def build(context, builder, signature, values):
            scalar = context.get_data_type(signature.args[0].dtype)
            with builder.goto_entry_block():
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
