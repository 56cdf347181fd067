// What the maps do to one element, for kernels that fuse them too.

__device__ inline real leaky_relu(real x, real slope) {
    return x > 0 ? x : slope * x;
}

__device__ inline real leaky_relu_gradient(real dy, real x, real slope) {
    return x > 0 ? dy : slope * dy;
}

__device__ inline real tanh_gradient(real dy, real y) {
    return dy * (1 - y * y);
}
