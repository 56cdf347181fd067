// What the blocks of one launch share: its geometry, the grid barrier, and the first failure.
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <numeric>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "cuda_on_cpu.h"
#include "fiber.h"

namespace simt {

enum Order : int { FORWARD, REVERSE, RANDOM };

extern "C" struct SimtLaunch {  // simt/__init__.py holds the same fields
    dim3 grid, block;
    size_t shared_bytes;
    Order order;
    unsigned seed;
    int cooperative;
};

inline std::string text(uint3 i) {
    return "(" + std::to_string(i.x) + ", " + std::to_string(i.y) + ", " + std::to_string(i.z) + ")";
}
inline std::string text(Site site) {
    return std::string(site.word) + " at " + site.file + ":" + std::to_string(site.line);
}

inline bool operator==(Site a, Site b) {
    return a.line == b.line && std::string_view(a.file) == b.file;
}

inline size_t volume(dim3 d) {
    return size_t(d.x) * d.y * d.z;
}
inline uint3 position(size_t i, dim3 d) {
    return {unsigned(i % d.x), unsigned(i / d.x % d.y), unsigned(i / d.x / d.y)};
}

// 0, 1, ..., n - 1 in the order in which blocks or threads are to run.
inline std::vector<size_t> sequence(size_t n, Order order) {
    std::vector<size_t> indices(n);
    std::iota(indices.begin(), indices.end(), 0);
    if (order == REVERSE) std::reverse(indices.begin(), indices.end());
    return indices;
}

// What the blocks of a launch share.
class Launch {
   public:
    const SimtLaunch geometry;
    void (*const kernel)(void**);
    void** const arguments;

    Launch(const SimtLaunch& geometry, void (*kernel)(void**), void** arguments)
        : geometry(geometry),
          kernel(kernel),
          arguments(arguments),
          blocks(sequence(volume(geometry.grid), geometry.order)) {
        if (geometry.order == RANDOM) std::shuffle(blocks.begin(), blocks.end(), std::mt19937(geometry.seed));
    }

    void run();
    bool failed() const {
        return stop;
    }

    void fail(const std::string& message) {
        Lock lock(mutex);
        fail_locked(message);
    }

    // All threads of a block wait at their grid_sync() of this number: wait for the other blocks.
    void wait_for_grid(const std::string& who, size_t number) {
        if (!geometry.cooperative) return fail(who + ", but the launch is not cooperative");
        // Two in turn: what a block adds that is already at the next barrier must not count for this one.
        void* meeting = &meetings[number % 2];
        release(meeting);
        wait_for_arrivals(who, number);
        acquire(meeting);
    }

    std::string failure;

   private:
    void wait_for_arrivals(const std::string& who, size_t number) {
        Lock lock(mutex);
        waiting = who;
        if (++arrived == blocks.size()) {
            arrived = 0;
            ++released;
            changed.notify_all();
        }
        fail_if_stuck();
        changed.wait(lock.held, [&] { return released > number || stop; });
    }

    void leave() {
        Lock lock(mutex);
        ++left;
        fail_if_stuck();
    }

    void fail_if_stuck() {
        if (arrived > 0 && left > 0 && arrived + left == blocks.size())
            fail_locked("barrier divergence: " + waiting + ", while another block has left");
    }

    void fail_locked(const std::string& message) {
        if (!stop) failure = message;
        stop = true;
        changed.notify_all();
    }

    std::vector<size_t> blocks;
    std::mutex mutex;
    std::condition_variable changed;
    std::atomic<bool> stop{false};
    size_t arrived = 0, left = 0;
    size_t released = 0;   // grid barriers
    uint64_t meetings[2];  // TSan's notes on them
    std::string waiting;
};

}  // namespace simt
