// Label conditioning: a gather forward, and backward a scatter that is rewritten as a gather.
//
//      gather: each row of y         scatter: each row of dy       the same as a gather: each row of
//      reads its label's row         adds to its label's row       dtable reads the rows with its label
//
//      labels  y       table         labels  dy      dtable        dtable      dy      labels
//         1    0 <---- 1                1    0 ----> 1                 0 <---- none
//         0    1 <---- 0                0    1 ----> 0                 1 <---- 0       1
//         1    2 <---- 1                1    2 ----> 1  twice!           <---- 2       1

// embedding_forward: multiply each row by the embedding of its label.
//
//   y[b,c] = x[b,c] table[labels[b],c]   reference.py (1)
//
// Threads   block (32, 8), a tile of as many elements; a warp reads one row of the table.
// Memory    16 bytes per element asked for, 13 in sectors, 9.26 the least.  x and a row of the table are read,
//           y is written.  All lanes of a warp load the same label, one sector; the table's ten rows stay in
//           cache.
// Limit     bound by bandwidth.
// Numerics  one rounding.
// Source    the label as a factor of the input: the tutorial's form of Mirza & Osindero 2014, arXiv:1411.1784.
__device__ void embedding_forward_tile(int tile, real* y, const real* x, const real* table, const int* labels,
                                       int B, int C) {
    int b, c;
    if (!locate(tile, B, C, &b, &c)) return;
    y[b * C + c] = x[b * C + c] * table[labels[b] * C + c];
}

extern "C" __global__ void embedding_forward(real* y, const real* x, const real* table, const int* labels,
                                             int B, int C, int V) {
    FOR_EACH_TILE(tile, tiles_of(B, C)) embedding_forward_tile(tile, y, x, table, labels, B, C);
}

// embedding_backward_input: the gradient at the other factor.
//
//   dx[b,c] = dy[b,c] table[labels[b],c]   reference.py (2)
//
// Threads   block (32, 8), a tile of as many elements.
// Memory    16 bytes per element asked for, 13 in sectors, 9.26 the least: as forward.
// Limit     bound by bandwidth.
// Numerics  one rounding.
extern "C" __global__ void embedding_backward_input(real* dx, const real* dy, const real* table,
                                                    const int* labels, int B, int C, int V) {
    FOR_EACH_TILE(tile, tiles_of(B, C)) embedding_forward_tile(tile, dx, dy, table, labels, B, C);
}

// embedding_backward_table: for each row of the table, the sum over the batch rows that carry its label.
//
//   dtable[v,c] = sum over b with labels[b] = v of dy[b,c] x[b,c]   reference.py (3)
//
// Threads   block (32, 8), a tile of as many elements of the table.  A scatter rewritten as a gather: an
//           element of the table looks for its batch rows, so no two threads write to one place and no atomics
//           are needed.
// Memory    158 bytes per element asked for, 62.3 in sectors, 29.6 the least.  Every thread loads all 32
//           labels, a warp the same one at a time, which is one sector; dy and x are read once, dtable is
//           written.
// Limit     bound by latency: B steps, of which few do anything.
// Numerics  additions in the order of the batch: the same bits on every run.  Rows without a label get zeros.
__device__ void embedding_backward_table_tile(int tile, real* dtable, const real* dy, const real* x,
                                              const int* labels, int V, int C, int B) {
    int v, c;
    if (!locate(tile, V, C, &v, &c)) return;
    real sum = 0;
    for (int b = 0; b < B; ++b)
        if (labels[b] == v) sum += dy[b * C + c] * x[b * C + c];
    dtable[v * C + c] = sum;
}

extern "C" __global__ void embedding_backward_table(real* dtable, const real* dy, const real* x,
                                                    const int* labels, int V, int C, int B) {
    FOR_EACH_TILE(tile, tiles_of(V, C)) embedding_backward_table_tile(tile, dtable, dy, x, labels, V, C, B);
}
