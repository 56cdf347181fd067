// Runs the blocks of one launch: fibers, barriers, rendezvous, and the checks that CUDA leaves to the
// programmer.
//
// This file is compiled without sanitizers whatever the kernels are compiled with: what it touches is its own,
// and only the hooks in fiber.h tell the sanitizers what happens.
#include <link.h>
#include <stdlib.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cuda_on_cpu.h"
#include "fiber.h"
#include "launch.h"
#include "trace.h"

__thread uint3 threadIdx, blockIdx;
__thread dim3 blockDim, gridDim;

namespace simt {

enum class State { ready, at_block_barrier, at_grid_barrier, at_warp, left };

struct Thread : Fiber {
    uint3 index;
    State state;
    Site site;              // where it waits
    bool predicate;         // at a block barrier
    unsigned mask, source;  // at a rendezvous
    uint64_t sent;
    bool orders_memory;
    Received received;
};

// One OS thread's place to run blocks in, one after the other, on the same fibers and the same shared memory.
class Block {
   public:
    explicit Block(Launch& launch);
    ~Block();
    void run(size_t block);

    Launch& launch;
    Thread* current = nullptr;
    void* shared = nullptr;

    void wait(State state, Site site) {
        Thread& self = *current;
        self.state = state;
        self.site = site;
        pass_turn(self);
    }

    // Ends the launch; the calling thread is never resumed.
    void fail_thread(Site site, const char* what) {
        fail("thread " + text(current->index) + ": " + text(site) + " " + what);
        switch_fiber(*current, scheduler);
    }

   private:
    static void live();
    static int find_static_shared(dl_phdr_info* library, size_t, void* self);
    void trace_known_memory();
    void pass_turn(Fiber& from);
    void fail(const std::string& message) {
        launch.fail("block " + text(index) + ": " + message);
    }
    void fill_shared_memory();
    bool release_warps();
    bool release_rendezvous(Thread* warp, size_t lanes, const Thread& first);
    bool release_block();
    void synchronise_all() {
        synchronise(everyone, scheduler, this);
    }
    std::string divergence() const;

    uint3 index;
    std::vector<Thread> threads;
    Stacks stacks;
    std::vector<size_t> order;
    size_t turn = 0;           // position in `order`
    size_t grid_barriers = 0;  // passed so far
    Fiber scheduler;
    std::vector<Fiber*> everyone;  // the threads and the scheduler
    void* static_shared = nullptr;
    size_t static_shared_bytes = 0;
};

__thread Block* block;  // of this OS thread

// The static __shared__ arrays are this library's thread_local data: the segment that `block` lies in.
int Block::find_static_shared(dl_phdr_info* library, size_t, void* self) {
    char *data = static_cast<char*>(library->dlpi_tls_data), *mine = reinterpret_cast<char*>(&block);
    for (int i = 0; i < library->dlpi_phnum; ++i) {
        const auto& segment = library->dlpi_phdr[i];
        if (segment.p_type != PT_TLS || mine < data || mine >= data + segment.p_memsz) continue;
        static_cast<Block*>(self)->static_shared = data;
        static_cast<Block*>(self)->static_shared_bytes = segment.p_memsz;
        return 1;
    }
    return 0;
}

Block::Block(Launch& launch)
    : launch(launch),
      threads(volume(launch.geometry.block)),
      stacks(threads.size()),
      order(sequence(threads.size(), launch.geometry.order)) {
    block = this;
    scheduler.adopt();
    everyone.push_back(&scheduler);
    for (size_t i = 0; i < threads.size(); ++i) {
        threads[i].index = position(i, launch.geometry.block);
        threads[i].start(stacks.of(i), live);
        everyone.push_back(&threads[i]);
    }
    // Of exactly the size asked for, so that ASan sees an overrun.
    if (posix_memalign(&shared, 16, launch.geometry.shared_bytes)) abort();
    dl_iterate_phdr(find_static_shared, this);
    trace_known_memory();
}

// The words that name a thread lie among the static __shared__ arrays, and are found first.
void Block::trace_known_memory() {
    trace_memory(&threadIdx, sizeof threadIdx, false);
    trace_memory(&blockIdx, sizeof blockIdx, false);
    trace_memory(&blockDim, sizeof blockDim, false);
    trace_memory(&gridDim, sizeof gridDim, false);
    trace_memory(stacks.of(0), threads.size() * STACK_BYTES, false);
    trace_memory(static_shared, static_shared_bytes, true);
    trace_memory(shared, launch.geometry.shared_bytes, true);
}

Block::~Block() {
    for (Thread& thread : threads) thread.end();
    free(shared);
}

// A thread's life: the kernel once for every block that comes.
void Block::live() {
    arrive_first_time(block->scheduler);
    for (;;) {
        block->launch.kernel(block->launch.arguments);
        block->wait(State::left, {"", "", 0});
    }
}

// To the next thread of this round that is ready; after the last, back to the scheduler.
void Block::pass_turn(Fiber& from) {
    while (turn < order.size()) {
        Thread& thread = threads[order[turn++]];
        if (thread.state != State::ready) continue;
        current = &thread;
        threadIdx = thread.index;
        trace_thread(order[turn - 1]);
        return switch_fiber(from, thread);
    }
    switch_fiber(from, scheduler);
}

// Bytes of ones are a NaN in every floating-point type, and -1 as an integer.  threadIdx and the like lie in
// the same segment, and are set anew.
void Block::fill_shared_memory() {
    memset(static_shared, 0xff, static_shared_bytes);
    if (shared) memset(shared, 0xff, launch.geometry.shared_bytes);
    block = this;
    blockIdx = index;
    blockDim = launch.geometry.block;
    gridDim = launch.geometry.grid;
}

void Block::run(size_t number) {
    index = position(number, launch.geometry.grid);
    fill_shared_memory();
    for (Thread& thread : threads) thread.state = State::ready;
    trace_block(threads.size());
    std::mt19937 random(launch.geometry.seed + unsigned(number));
    synchronise_all();
    do {
        if (launch.geometry.order == RANDOM) std::shuffle(order.begin(), order.end(), random);
        turn = 0;
        pass_turn(scheduler);
        trace_round();
    } while (!launch.failed() && (release_warps() || release_block()));
    synchronise_all();
}

// True if threads were released.  False once all have left, and after a failure.
bool Block::release_block() {
    Thread& first = threads.front();
    auto agrees = [&](const Thread& thread) {
        return thread.state == first.state && thread.site == first.site;
    };
    if (first.state == State::at_warp || !std::all_of(threads.begin(), threads.end(), agrees)) {
        fail(divergence());
        return false;
    }
    if (first.state == State::left) return false;
    synchronise_all();
    if (first.state == State::at_grid_barrier) {
        launch.wait_for_grid("block " + text(index) + " waits in " + text(first.site), grid_barriers++);
        synchronise_all();
    }
    if (launch.failed()) return false;
    unsigned count = std::count_if(threads.begin(), threads.end(), [](const Thread& t) { return t.predicate; });
    for (Thread& thread : threads) thread.state = State::ready, thread.received.ballot = count;
    return true;
}

bool Block::release_warps() {
    bool released = false;
    for (size_t base = 0; base < threads.size(); base += warpSize) {
        size_t lanes = std::min<size_t>(warpSize, threads.size() - base);
        for (size_t lane = 0; lane < lanes; ++lane)
            if (threads[base + lane].state == State::at_warp)
                released |= release_rendezvous(&threads[base], lanes, threads[base + lane]);
    }
    return released;
}

// True if all lanes that the mask names and that have not left wait at the same place with the same mask.
bool Block::release_rendezvous(Thread* warp, size_t lanes, const Thread& first) {
    std::vector<Thread*> members;
    unsigned came = 0, ballot = 0;
    for (size_t lane = 0; lane < lanes; ++lane) {
        Thread& thread = warp[lane];
        if (!(first.mask >> lane & 1) || thread.state == State::left) continue;
        if (thread.state != State::at_warp || thread.mask != first.mask || !(thread.site == first.site))
            return false;
        members.push_back(&thread);
        came |= 1u << lane;
        if (thread.sent) ballot |= 1u << lane;
    }
    if (first.orders_memory) synchronise({members.begin(), members.end()}, scheduler, members.front());
    for (Thread* member : members) {
        bool sent = came >> member->source & 1;
        member->received = {sent ? warp[member->source].sent : ~uint64_t(0), ballot};  // undefined: NaN
    }
    for (Thread* member : members) member->state = State::ready;
    return true;
}

std::string Block::divergence() const {
    auto waits = [](const Thread& thread) { return thread.state != State::left; };
    auto at_warp = [](const Thread& thread) { return thread.state == State::at_warp; };
    auto first = std::find_if(threads.begin(), threads.end(), at_warp);
    if (first == threads.end()) first = std::find_if(threads.begin(), threads.end(), waits);
    auto differs = [&](const Thread& thread) {
        return thread.state != first->state || !(thread.site == first->site) ||
               (at_warp(thread) && thread.mask != first->mask);
    };
    std::string message = "barrier divergence: thread " + text(first->index) + " waits in " + text(first->site);
    auto other = std::find_if(threads.begin(), threads.end(), differs);
    if (other == threads.end()) return message;
    message += ", while thread " + text(other->index);
    return message + (waits(*other) ? " waits in " + text(other->site) : " has left");
}

// Blocks are dealt out in turn, so that neighbours run side by side: to TSan the blocks of one OS thread are in
// order, and only a race between two OS threads is one.
void Launch::run() {
    size_t workers = geometry.cooperative ? blocks.size() : std::min(most_workers(), blocks.size());
    if (workers * volume(geometry.block) > MOST_FIBERS)
        return fail("more threads at once than TSan can follow");
    std::vector<std::unique_ptr<Block>> places(workers);  // kept to the end: TSan forgets what dead fibers did
    auto work = [&](size_t worker) {
        places[worker] = std::make_unique<Block>(*this);
        for (size_t i = worker; i < blocks.size() && !stop; i += workers) {
            places[worker]->run(blocks[i]);
            leave();
        }
    };
    std::vector<std::thread> running;
    for (size_t i = 0; i < workers; ++i) running.emplace_back(work, i);
    for (std::thread& thread : running) thread.join();
}

unsigned block_barrier(Site site, bool predicate) {
    Thread* self = block->current;
    self->predicate = predicate;
    trace_barrier(OF_BLOCK);
    block->wait(State::at_block_barrier, site);
    return self->received.ballot;
}

void grid_barrier(Site site) {
    block->wait(State::at_grid_barrier, site);
}

Received warp_rendezvous(Site site, unsigned mask, uint64_t sent, unsigned source, bool orders_memory) {
    if (!(mask >> lane() & 1)) fail(site, "called with a mask that does not name the calling lane");
    Thread* self = block->current;
    self->mask = mask;
    self->sent = sent;
    self->source = source;
    self->orders_memory = orders_memory;
    if (orders_memory) trace_barrier(OF_WARP);
    block->wait(State::at_warp, site);
    return self->received;
}

void* dynamic_shared() {
    return block->shared;
}

void fail(Site site, const char* what) {
    block->fail_thread(site, what);
    __builtin_unreachable();
}

}  // namespace simt

// Runs a kernel.  Returns 0, or 1 with the reason in `message`.
extern "C" __attribute__((visibility("default"))) int simt_launch(void (*kernel)(void**), void** arguments,
                                                                  const simt::SimtLaunch* geometry,
                                                                  char* message, size_t message_bytes) {
    simt::Launch launch(*geometry, kernel, arguments);
    launch.run();
    snprintf(message, message_bytes, "%s", launch.failure.c_str());
    return !launch.failure.empty();
}
