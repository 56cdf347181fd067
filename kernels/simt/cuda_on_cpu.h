// CUDA's words with a CPU meaning, so that g++ compiles a .cu file as it stands.
//
//   CUDA                      here
//   thread                    fiber (fiber.h); threads of a block take turns on one OS thread
//   block in flight           OS thread; all blocks are in flight in a cooperative launch
//   __shared__                thread_local: every block in flight has its own
//   __syncthreads()           yield to the block's scheduler, which resumes all once all have come
//   shuffle, vote             the same, for the lanes that the mask names
//   launch                    simt_launch() in scheduler.cpp, called from Python
//
// Two forms need help from the source text, which compiler.py gives: `extern __shared__ T name[];` becomes a
// pointer to a heap block of exactly the launch's size, and SIMT_KERNEL(name) is appended for every kernel.
//
// A fiber runs until it waits or leaves, so a race shows as a wrong number only in some thread orders;
// ThreadSanitizer sees it in any.
//
// Sanitizers see an index beyond a static __shared__ array (UBSan, by the array's type) and any overrun of
// dynamic shared memory (ASan), but not one through a pointer into a static array: thread_local data has no red
// zones.
#pragma once

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <utility>

// clang-format off: one word a line

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static thread_local
#define __forceinline__ inline __attribute__((always_inline))
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)

// Vector types, aligned as on the device: UBSan then reports a misaligned vector access.
#define SIMT_VECTORS(T, name, align2, align4)                          \
    struct alignas(align2) name##2 { T x, y; };                        \
    struct name##3 { T x, y, z; };                                     \
    struct alignas(align4) name##4 { T x, y, z, w; };                  \
    inline name##2 make_##name##2(T x, T y) { return {x, y}; }         \
    inline name##3 make_##name##3(T x, T y, T z) { return {x, y, z}; } \
    inline name##4 make_##name##4(T x, T y, T z, T w) { return {x, y, z, w}; }
SIMT_VECTORS(unsigned char, uchar, 2, 4)
SIMT_VECTORS(int, int, 8, 16)
SIMT_VECTORS(unsigned, uint, 8, 16)
SIMT_VECTORS(float, float, 8, 16)
SIMT_VECTORS(double, double, 16, 16)
SIMT_VECTORS(long long, longlong, 16, 16)
#undef SIMT_VECTORS

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};

// Set by the scheduler whenever it resumes a thread.
extern __thread uint3 threadIdx, blockIdx;
extern __thread dim3 blockDim, gridDim;
constexpr int warpSize = 32;

namespace simt {

// The place in the source where a thread waits; default arguments of this type name the caller's line.
struct Site {
    const char *word, *file;
    int line;
};
#define SIMT_SITE const char *file = __builtin_FILE(), int line = __builtin_LINE()
#define SIMT_HERE simt::Site{__func__, file, line}

// What the lanes of a rendezvous learn: the bits that lane `source` sent, and who sent something other than 0.
struct Received {
    uint64_t bits;
    unsigned ballot;
};

unsigned block_barrier(Site site, bool predicate);  // returns how many threads brought a true predicate
void grid_barrier(Site site);
Received warp_rendezvous(Site site, unsigned mask, uint64_t sent, unsigned source, bool orders_memory);
void* dynamic_shared();
[[noreturn]] void fail(Site site, const char* what);

inline unsigned lane() {
    return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) % warpSize;
}

template <typename T>
T shuffle(Site site, unsigned mask, T value, unsigned source) {
    static_assert(sizeof(T) <= sizeof(uint64_t), "a shuffle moves at most 8 bytes");
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(T));
    bits = warp_rendezvous(site, mask, bits, source, false).bits;
    memcpy(&value, &bits, sizeof(T));
    return value;
}

inline unsigned ballot(Site site, unsigned mask, bool predicate) {
    return warp_rendezvous(site, mask, predicate, lane(), false).ballot;
}

// One kernel call with arguments given as pointers to them, as cuLaunchKernel takes them.  No access of the kernel's.
template <typename... T, size_t... I>
__attribute__((no_sanitize("thread"))) void call(void (*kernel)(T...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<T*>(arguments[I])...);
}
template <typename... T>
__attribute__((no_sanitize("thread"))) void call(void (*kernel)(T...), void** arguments) {
    call(kernel, arguments, std::index_sequence_for<T...>());
}

}  // namespace simt

#define SIMT_KERNEL(name)                                                                  \
    extern "C" __attribute__((visibility("default"))) void simt_##name(void** arguments) { \
        simt::call(name, arguments);                                                       \
    }

// Barriers.
inline void __syncthreads(SIMT_SITE) { simt::block_barrier(SIMT_HERE, false); }
inline int __syncthreads_count(int predicate, SIMT_SITE) { return simt::block_barrier(SIMT_HERE, predicate); }
inline int __syncthreads_or(int predicate, SIMT_SITE) { return simt::block_barrier(SIMT_HERE, predicate) > 0; }
inline int __syncthreads_and(int predicate, SIMT_SITE) { return !simt::block_barrier(SIMT_HERE, !predicate); }
inline void grid_sync(SIMT_SITE) { simt::grid_barrier(SIMT_HERE); }

// Of the warp's words only __syncwarp orders memory (CUDA C++ Programming Guide, "Warp Vote", "Warp Shuffle").
inline void __syncwarp(unsigned mask = ~0u, SIMT_SITE) {
    simt::warp_rendezvous(SIMT_HERE, mask, 0, simt::lane(), true);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, SIMT_SITE) {
    return simt::ballot(SIMT_HERE, mask, predicate);
}
inline int __any_sync(unsigned mask, int predicate, SIMT_SITE) {
    return simt::ballot(SIMT_HERE, mask, predicate) != 0;
}
inline int __all_sync(unsigned mask, int predicate, SIMT_SITE) {
    return simt::ballot(SIMT_HERE, mask, !predicate) == 0;
}
template <typename T>
T __shfl_sync(unsigned mask, T value, int source, int width = warpSize, SIMT_SITE) {
    return simt::shuffle(SIMT_HERE, mask, value, (simt::lane() & ~(width - 1)) | (source & (width - 1)));
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = warpSize, SIMT_SITE) {
    unsigned lane = simt::lane(), inside = lane & (width - 1);
    return simt::shuffle(SIMT_HERE, mask, value, inside < delta ? lane : lane - delta);
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = warpSize, SIMT_SITE) {
    unsigned lane = simt::lane(), inside = lane & (width - 1);
    return simt::shuffle(SIMT_HERE, mask, value, inside + delta >= unsigned(width) ? lane : lane + delta);
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = warpSize, SIMT_SITE) {
    unsigned lane = simt::lane(), source = lane ^ lane_mask;
    return simt::shuffle(SIMT_HERE, mask, value, source > (lane | (width - 1)) ? lane : source);
}

// Atomics.  CUDA's are relaxed; these also order memory, because TSan knows no fences and would otherwise
// report every correct use of __threadfence().  A missing fence is therefore not found here.
namespace simt {
template <typename T>
struct Same {
    using type = T;
};
template <typename T>
using same = typename Same<T>::type;  // not deduced: the pointer alone decides the type, as in CUDA's overloads

template <typename T, typename Update>
T atomic_update(T* address, Update update) {
    T old, desired;
    __atomic_load(address, &old, __ATOMIC_ACQUIRE);
    do desired = update(old);
    while (!__atomic_compare_exchange(address, &old, &desired, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    return old;
}
}  // namespace simt

#define SIMT_ATOMIC(name, expression)                                                \
    template <typename T>                                                            \
    T atomic##name(T* address, simt::same<T> value) {                                \
        return simt::atomic_update(address, [=](T old) -> T { return expression; }); \
    }
SIMT_ATOMIC(Add, old + value)
SIMT_ATOMIC(Sub, old - value)
SIMT_ATOMIC(Max, old < value ? value : old)
SIMT_ATOMIC(Min, value < old ? value : old)
SIMT_ATOMIC(Or, (old | value))
SIMT_ATOMIC(And, (old & value))
SIMT_ATOMIC(Exch, ((void)old, value))
SIMT_ATOMIC(Inc, old >= value ? 0 : old + 1)
#undef SIMT_ATOMIC
template <typename T>
T atomicCAS(T* address, simt::same<T> compare, simt::same<T> value) {
    __atomic_compare_exchange(address, &compare, &value, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
    return compare;
}
inline void __threadfence() { __atomic_signal_fence(__ATOMIC_SEQ_CST); }
inline void __threadfence_block() { __threadfence(); }

// Arithmetic and bits.
template <typename T>
T __ldg(const T* address) { return *address; }
template <typename To, typename From>
inline To simt_bits(From value) {
    static_assert(sizeof(To) == sizeof(From), "");
    To result;
    memcpy(&result, &value, sizeof(To));
    return result;
}
inline unsigned __float_as_uint(float x) { return simt_bits<unsigned>(x); }
inline int __float_as_int(float x) { return simt_bits<int>(x); }
inline float __uint_as_float(unsigned x) { return simt_bits<float>(x); }
inline float __int_as_float(int x) { return simt_bits<float>(x); }
inline unsigned __umulhi(unsigned a, unsigned b) { return (uint64_t(a) * b) >> 32; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __clz(int x) { return x ? __builtin_clz(x) : 32; }
// sin and cos of pi x; in float the product is not rounded to float on the way.
inline double sinpi(double x) { return sin(3.14159265358979323846 * x); }
inline double cospi(double x) { return cos(3.14159265358979323846 * x); }
inline float sinpi(float x) { return float(sinpi(double(x))); }
inline float cospi(float x) { return float(cospi(double(x))); }
inline float rsqrtf(float x) { return 1 / sqrtf(x); }
inline float rsqrt(float x) { return 1 / sqrtf(x); }
inline double rsqrt(double x) { return 1 / sqrt(x); }
inline float __fdividef(float a, float b) { return a / b; }
#define __expf expf
#define __logf logf
#define SIMT_MIN_MAX(T)                              \
    inline T min(T a, T b) { return b < a ? b : a; } \
    inline T max(T a, T b) { return a < b ? b : a; }
SIMT_MIN_MAX(int)
SIMT_MIN_MAX(unsigned)
SIMT_MIN_MAX(long long)
SIMT_MIN_MAX(unsigned long long)
#undef SIMT_MIN_MAX
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }

// Failures end the launch, and Python gets an exception.
[[noreturn]] inline void __trap(SIMT_SITE) { simt::fail(SIMT_HERE, "called"); }
#undef assert
#define assert(condition) \
    ((condition) ? void() : simt::fail(simt::Site{"assert(" #condition ")", __FILE__, __LINE__}, "failed"))
