// Fibers on glibc's ucontext, and what the sanitizers must be told about them.  SIMT_ADDRESS or SIMT_THREAD
// says which sanitizer is listening.
#pragma once

#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <mutex>
#include <thread>
#include <vector>

#ifdef SIMT_ADDRESS
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef SIMT_THREAD
#include <sanitizer/tsan_interface.h>
extern "C" {
void AnnotateIgnoreSyncBegin(const char* file, int line);
void AnnotateIgnoreSyncEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);  // reads too
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace simt {

#ifdef SIMT_THREAD
constexpr size_t MOST_FIBERS = 8000;  // TSan's limit is 8128 threads, fibers included
inline size_t most_workers() {
    return 2;
}
#elif defined(SIMT_TRACE)
constexpr size_t MOST_FIBERS = 1024;  // a block: one recorder follows one OS thread
inline size_t most_workers() {
    return 1;
}
#else
constexpr size_t MOST_FIBERS = SIZE_MAX;
inline size_t most_workers() {
    return std::max(1u, std::thread::hardware_concurrency());
}
#endif

constexpr size_t STACK_BYTES = 256 << 10;  // a sanitizer writes its report on the stack of the thread at fault

// Memory for n stacks; pages that are never touched cost nothing.
class Stacks {
   public:
    explicit Stacks(size_t n) : bytes(n * STACK_BYTES) {
        void* memory =
            mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) abort();
        base = static_cast<char*>(memory);
    }
    ~Stacks() {
        munmap(base, bytes);
    }
    char* of(size_t i) const {
        return base + i * STACK_BYTES;
    }

   private:
    size_t bytes;
    char* base;
};

// A stack and where it stands on it: a CUDA thread's, or that of the OS thread which schedules.
struct Fiber {
    ucontext_t machine;
    jmp_buf place;          // where it was left,
    bool has_left = false;  // if it ever was
    const void* stack = nullptr;
    size_t stack_bytes = 0;
    void* asan_stack = nullptr;
    void* tsan_fiber = nullptr;

    // This OS thread's own stack.
    void adopt() {
#ifdef SIMT_THREAD
        tsan_fiber = __tsan_get_current_fiber();
#endif
    }

    void start(char* memory, void (*function)()) {
        stack = memory;
        stack_bytes = STACK_BYTES;
        has_left = false;
        getcontext(&machine);
        machine.uc_stack.ss_sp = memory;
        machine.uc_stack.ss_size = STACK_BYTES;
        makecontext(&machine, function, 0);
        // ASan's swapcontext would clear its marks on the stack named here, and forget those of a waiting
        // thread.
        machine.uc_stack.ss_size = 0;
#ifdef SIMT_THREAD
        tsan_fiber = __tsan_create_fiber(0);
#endif
    }

    void end() {
#ifdef SIMT_THREAD
        __tsan_destroy_fiber(tsan_fiber);
#endif
    }
};

// From here on TSan takes what this OS thread does for the fiber's.  Running one after the other on one OS
// thread orders nothing, so no_sync: only barriers do.
inline void take_identity([[maybe_unused]] Fiber& fiber) {
#ifdef SIMT_THREAD
    __tsan_switch_to_fiber(fiber.tsan_fiber, __tsan_switch_to_fiber_no_sync);
#endif
}

inline void switch_machine(Fiber& from, Fiber& to) {
#if defined(SIMT_ADDRESS) || defined(SIMT_THREAD)
    swapcontext(&from.machine, &to.machine);
#else
    // swapcontext asks the system for the signal mask, every time; a jump does not.
    from.has_left = true;
    if (_setjmp(from.place) != 0) return;
    if (to.has_left) _longjmp(to.place, 1);
    setcontext(&to.machine);
#endif
}

inline void switch_fiber(Fiber& from, Fiber& to) {
#ifdef SIMT_ADDRESS
    __sanitizer_start_switch_fiber(&from.asan_stack, to.stack, to.stack_bytes);
#endif
    take_identity(to);
    switch_machine(from, to);
#ifdef SIMT_ADDRESS
    __sanitizer_finish_switch_fiber(from.asan_stack, nullptr, nullptr);
#endif
}

// The first words of a fiber's function.  The first fiber of all comes from the OS thread's own stack, whose
// bounds ASan tells.
inline void arrive_first_time([[maybe_unused]] Fiber& scheduler) {
#ifdef SIMT_ADDRESS
    const void* stack;
    size_t stack_bytes;
    __sanitizer_finish_switch_fiber(nullptr, &stack, &stack_bytes);
    if (scheduler.stack == nullptr) scheduler.stack = stack, scheduler.stack_bytes = stack_bytes;
#endif
}

// While one of these lives, TSan overlooks what its OS thread does: what the library's string functions touch
// and what a mutex orders.
struct Unseen {
#ifdef SIMT_THREAD
    Unseen() {
        AnnotateIgnoreSyncBegin(__FILE__, __LINE__);
        AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    }
    ~Unseen() {
        AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
        AnnotateIgnoreSyncEnd(__FILE__, __LINE__);
    }
#endif
};

// The scheduler's own bookkeeping must not hide a race between blocks.
struct Lock {
    explicit Lock(std::mutex& mutex) : held(mutex) {}

    Unseen unseen;
    std::unique_lock<std::mutex> held;
};

// Everything before any release of `meeting` happens before everything after an acquire that follows.
inline void release([[maybe_unused]] void* meeting) {
#ifdef SIMT_THREAD
    __tsan_release(meeting);
#endif
}
inline void acquire([[maybe_unused]] void* meeting) {
#ifdef SIMT_THREAD
    __tsan_acquire(meeting);
#endif
}

// What every member did before happens before what any of them does afterwards.  TSan keeps what it learns at
// the address `meeting`, so groups that are not ordered among each other must not share one.
inline void synchronise(const std::vector<Fiber*>& members, Fiber& scheduler, void* meeting) {
    for (Fiber* member : members) take_identity(*member), release(meeting);
    for (Fiber* member : members) take_identity(*member), acquire(meeting);
    take_identity(scheduler);
}

}  // namespace simt
