// matmul_tiled: y(M,N) = x(M,K) w(K,N), a tile of 32 x 32 a block.
typedef REAL real;

extern "C" __global__ void __launch_bounds__(1024)
    matmul_tiled(real* __restrict__ y, const real* __restrict__ x, const real* __restrict__ w, int M, int N,
                 int K) {
    __shared__ real x_tile[32][33], w_tile[32][33];
    int n = blockIdx.x * 32 + threadIdx.x, m = blockIdx.y * 32 + threadIdx.y;
    real sum = 0;
    for (int k0 = 0; k0 < K; k0 += 32) {
        int kx = k0 + threadIdx.x, kw = k0 + threadIdx.y;
        x_tile[threadIdx.y][threadIdx.x] = m < M && kx < K ? x[m * K + kx] : real(0);
        w_tile[threadIdx.y][threadIdx.x] = kw < K && n < N ? w[kw * N + n] : real(0);
        __syncthreads();  // the tiles are whole
        for (int k = 0; k < 32; ++k) sum += x_tile[threadIdx.y][k] * w_tile[k][threadIdx.x];
        __syncthreads();  // nobody reads them any more
    }
    if (m < M && n < N) y[m * N + n] = sum;
}
