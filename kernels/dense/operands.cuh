// What the versions of the products have in common: their operands, and how an element of the result is stored.

// Element (i, j) of a matrix that lies in memory row by row, or of its transpose.
template <bool TRANSPOSED>
struct Operand {
    const real* data;
    int stride;  // elements from one row in memory to the next

    __device__ real at(int i, int j) const {
        return data[TRANSPOSED ? j * stride + i : i * stride + j];
    }
};

#define FORWARD_OPERANDS const Operand<false> left = {x, K}, right = {w, N}
#define BACKWARD_INPUT_OPERANDS          \
    const Operand<false> left = {dy, N}; \
    const Operand<true> right = {w, N}
#define BACKWARD_WEIGHT_OPERANDS       \
    const Operand<true> left = {x, K}; \
    const Operand<false> right = {dy, N}

#define NO_BIAS ((const real*)0)

__device__ inline void store(real* out, const real* bias, int row, int column, int rows, int columns,
                             real sum) {
    if (row < rows && column < columns) out[row * columns + column] = bias ? sum + bias[column] : sum;
}
