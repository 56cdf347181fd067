// The error stands in line 4.
extern "C" __global__ void mistaken(float* y) {
    int i = threadIdx.x;
    y[i] = undeclared;
}
