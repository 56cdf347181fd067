"""A tile of a matrix product in vector registers: what the CPU's three products are made of.

A compiler keeps no tile of a loop nest in registers by itself, so this writes the loop out for it, in LLVM's
words: rows x 2 vectors of sums; for each step of the depth two vectors of the right factor are read, the left
one's numbers are spread over a vector each, and all are multiplied and added.

    out[i, j] = start[j] + sum_d left[i, d] right[d, j]   i < rows, j < columns   reference.py (1) to (3)

Memory    2 vectors and a number for each row are read for 2 multiply-adds a row.
Limit     the multiply-add units: the sums are enough to give them work for each cycle.
Numerics  one sum in the order of d, each step rounded once (fused).  Columns beyond the last are neither read
          nor written.
Source    Goto & van de Geijn 2008, "Anatomy of high-performance matrix multiplication", section 4.
"""

from __future__ import annotations

import llvmlite.binding
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_WIDE = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))
_LANES = 16 if _WIDE else 8  # float32 in a vector of AVX-512, or of AVX2; other machines have it as several
_VECTORS = 2

ROWS = 8 if _WIDE else 4  #: of a tile: as many sums as leave registers for the factors
COLUMNS = _VECTORS * _LANES  #: of a tile


def _tile_of(rows: int):
    """The function that computes a tile of so many rows.

    ``tile(out, left, left_row, left_step, right, start, columns, j0, depth)``: ``out`` and ``left`` begin with
    the tile's first row; in ``left`` rows are ``left_row`` elements apart, and steps of the depth
    ``left_step``; ``out`` and ``right`` have ``columns`` columns, of which the tile's first is ``j0``;
    ``start`` has an element for each, or is None for zeros.
    """

    @intrinsic
    def tile(typing, out, left, left_row, left_step, right, start, columns, j0, depth):
        n = types.intp
        signature = types.void(out, left, n, n, right, start, n, n, n)
        return signature, lambda *given: _Tile(*given).build(rows)

    return tile


class _Tile:
    """Writes the instructions of a tile."""

    def __init__(self, context, builder, signature, values):
        def data(i, offset):
            if isinstance(signature.args[i], types.NoneType):
                return None
            return builder.gep(
                context.make_array(signature.args[i])(context, builder, values[i]).data, [offset]
            )

        self.context, self.builder, self.scalar = (
            context,
            builder,
            context.get_data_type(signature.args[0].dtype),
        )
        self.vector = ir.VectorType(self.scalar, _LANES)
        self.suffix = f"v{_LANES}f{32 if self.scalar == ir.FloatType() else 64}"
        _, _, self.left_row, self.left_step, _, _, self.columns, self.j0, self.depth = values
        self.integer = self.depth.type
        zero = self.integer(0)
        self.out, self.left, self.right, self.start = (
            data(i, offset) for i, offset in ((0, self.j0), (1, zero), (4, self.j0), (5, self.j0))
        )

    def build(self, rows: int):
        builder, zero = self.builder, ir.Constant(self.vector, None)
        self.masks = [self._mask(v) for v in range(_VECTORS)]
        first = [zero if self.start is None else self._read(self.start, v) for v in range(_VECTORS)]
        before = builder.block
        loop, done = builder.append_basic_block("step"), builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        d = builder.phi(self.integer)
        d.add_incoming(self.integer(0), before)
        sums = [[builder.phi(self.vector) for _ in range(_VECTORS)] for _ in range(rows)]
        after = self._step(d, sums)
        for i in range(rows):
            for v in range(_VECTORS):
                sums[i][v].add_incoming(first[v], before)
                sums[i][v].add_incoming(after[i][v], loop)
        following = builder.add(d, self.integer(1))
        d.add_incoming(following, loop)
        builder.cbranch(builder.icmp_signed("<", following, self.depth), loop, done)
        builder.position_at_end(done)
        for i in range(rows):
            row = builder.gep(self.out, [builder.mul(self.columns, self.integer(i))])
            for v in range(_VECTORS):
                self._write(row, v, after[i][v])
        return self.context.get_dummy_value()

    def _step(self, d, sums):
        """One step of the depth: the sums after it."""
        builder = self.builder
        row = builder.gep(self.right, [builder.mul(d, self.columns)])
        right = [self._read(row, v) for v in range(_VECTORS)]
        for v in range(_VECTORS):
            self._fetch_early(builder.gep(row, [self.integer(COLUMNS + v * _LANES)]))
        column = builder.gep(self.left, [builder.mul(d, self.left_step)])
        after = []
        for i, old in enumerate(sums):
            left = self._spread(
                builder.load(builder.gep(column, [builder.mul(self.left_row, self.integer(i))]))
            )
            after.append([self._call("fma", self.vector, left, right[v], old[v]) for v in range(_VECTORS)])
        return after

    def _fetch_early(self, pointer) -> None:
        """Ask for what the next tile to the right reads: rows lie too far apart for the cache to guess it."""
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, word, word, word])
        function = cgutils.get_or_insert_function(self.builder.module, kind, "llvm.prefetch.p0")
        self.builder.call(function, [pointer, word(0), word(2), word(1)])

    def _mask(self, v: int):
        """Which lanes of vector v are columns."""
        first, lanes = v * _LANES, ir.VectorType(self.integer, _LANES)
        numbers = ir.Constant(lanes, [first + lane for lane in range(_LANES)])
        there = self.builder.sub(self.columns, self.j0)
        return self.builder.icmp_signed("<", numbers, self._spread(there))

    def _spread(self, number):
        """A vector of one number."""
        vector, word = ir.VectorType(number.type, _LANES), ir.IntType(32)
        undefined = ir.Constant(vector, ir.Undefined)
        one = self.builder.insert_element(undefined, number, word(0))
        return self.builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(word, _LANES), None))

    def _at(self, row, v: int):
        pointer = self.builder.gep(row, [self.integer(v * _LANES)])
        return self.builder.bitcast(pointer, self.vector.as_pointer())

    def _read(self, row, v: int):
        alignment, zero = ir.IntType(32)(4), ir.Constant(self.vector, None)
        return self._call("masked.load", self.vector, self._at(row, v), alignment, self.masks[v], zero)

    def _write(self, row, v: int, value) -> None:
        alignment = ir.IntType(32)(4)
        self._call("masked.store", ir.VoidType(), value, self._at(row, v), alignment, self.masks[v])

    def _call(self, name: str, result, *arguments):
        """One of LLVM's intrinsic functions on vectors."""
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        pointer = ".p0" if name.startswith("masked") else ""
        function = cgutils.get_or_insert_function(
            self.builder.module, kind, f"llvm.{name}.{self.suffix}{pointer}"
        )
        return self.builder.call(function, arguments)


tile = _tile_of(ROWS)
row = _tile_of(1)

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
