// Counts what the warps of a launch ask of memory.
//
// g++ -fsanitize=thread puts a call before every load and store; here these calls are answered by a recorder in
// place of the sanitizer.  The k-th visit of a thread to a place (the address of such a call) between two
// barriers and the k-th visits of its warp's other lanes are one request, as a warp makes it.  Threads of a warp
// take their turns one after the other, so a request is complete when the turn passes to another warp or all
// wait; then it is counted, and forgotten:
//
//   global memory   units are the distinct sectors of 32 bytes; the fewest are those that as many bytes fill
//   shared memory   units are wavefronts: of the 4-byte words in one of the 32 banks, one is served at a time,
//                   and lanes that want the same word share it.  Accesses of 8 bytes go by half a warp and those
//                   of 16 by a quarter, each with wavefronts of its own; the fewest are one for each.  Loads go by
//                   twice as many lanes where each lane l wants what lane l ^ 1 wants, or each what l ^ 2 wants:
//                   forums.developer.nvidia.com/t/unexpected-shared-memory-bank-conflict/77228 says so of
//                   Volta and Turing, and /t/373160 found it on an A10 and an H100.
//
// What it does not know: lanes that part in a loop and meet again without a barrier are taken to be at the same
// round of it; atomics are counted as one access each, whatever they wait for.
#include "trace.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuda_on_cpu.h"
#include "launch.h"

namespace simt {

constexpr size_t SECTOR = 32, WORD = 4, BANKS = 32;

enum Kind : int { LOAD, STORE, ATOMIC };
enum Owner : int { IGNORED = -2, SHARED = -1 };  // or the number of an array

struct Region {
    const char* begin;
    size_t bytes;
    int owner;

    bool holds(const char* address) const {
        return size_t(address - begin) < bytes;
    }
};

// What one place did to one array or to shared memory.  trace.py holds the same fields.
extern "C" struct SimtTally {
    size_t place;  // in the library, of the byte before the return address
    size_t requests, lanes, units, fewest, divergent;
    size_t offsets[warpSize];  // within the array, of the first request with most lanes
    unsigned example;          // those lanes
    int owner, kind, width;
};

// The first time that the first block touches an address.  trace.py holds the same fields.
extern "C" struct SimtTouch {
    size_t offset;
    int owner, width, thread, interval;
};

struct Place {
    size_t at;
    Kind kind;
    unsigned width;
    const Region* last;
    size_t waiting = 0;  // visits of the warp that runs
    std::vector<const char*> visits[warpSize];
    std::vector<SimtTally> tallies;
};

// The addresses of one request, by lane and sorted.
struct Request {
    unsigned mask = 0, lanes = 0;
    const char* of_lane[warpSize];

    void add(unsigned lane, const char* address) {
        mask |= 1u << lane;
        of_lane[lane] = address;
        ++lanes;
    }

    // Those of lanes first to last - 1, in order; returns how many there are.
    size_t sorted(unsigned first, unsigned last, uintptr_t* out) const {
        size_t n = 0;
        for (unsigned lane = first; lane < last; ++lane) {
            if (!(mask >> lane & 1)) continue;
            uintptr_t address = uintptr_t(of_lane[lane]);
            size_t i = n++;
            for (; i > 0 && out[i - 1] > address; --i) out[i] = out[i - 1];
            out[i] = address;
        }
        return n;
    }
};

struct Units {
    size_t units = 0, fewest = 0;
};

static Units sectors(const Request& request, size_t width) {
    uintptr_t address[warpSize], next = 0, covered = 0;  // what sectors and bytes up to there are counted
    size_t n = request.sorted(0, warpSize, address), bytes = 0, count = 0;
    for (size_t i = 0; i < n; ++i) {
        uintptr_t end = address[i] + width, first = std::max(address[i] / SECTOR, next);
        next = (end - 1) / SECTOR + 1;
        count += next - first;
        bytes += end - std::max(address[i], covered);
        covered = end;
    }
    return {count, (bytes + SECTOR - 1) / SECTOR};
}

static bool neighbours_agree(const Request& request, unsigned distance) {
    for (unsigned lane = 0; lane < warpSize; ++lane) {
        unsigned other = lane ^ distance;
        bool both = request.mask >> lane & request.mask >> other & 1;
        if (both && request.of_lane[lane] != request.of_lane[other]) return false;
    }
    return true;
}

static Units wavefronts(const Request& request, size_t width, Kind kind) {
    unsigned together = width <= WORD ? warpSize : warpSize * WORD / width;
    if (together < warpSize && kind == LOAD && (neighbours_agree(request, 1) || neighbours_agree(request, 2)))
        together *= 2;
    Units result;
    for (unsigned first = 0; first < warpSize; first += together) {
        uintptr_t address[warpSize], next_word = 0;
        size_t n = request.sorted(first, first + together, address);
        if (n == 0) continue;
        uint8_t words_in[BANKS] = {}, most = 0;
        for (size_t i = 0; i < n; ++i)
            for (uintptr_t word = std::max(address[i] / WORD, next_word); word * WORD < address[i] + width;
                 ++word)
                most = std::max(most, ++words_in[word % BANKS]), next_word = word + 1;
        result.units += most;
        ++result.fewest;
    }
    return result;
}

class Recorder {
   public:
    void reset(const Region* arrays, size_t count) {
        *this = Recorder();
        regions.assign(arrays, arrays + count);
        Dl_info library;
        if (!dladdr(reinterpret_cast<void*>(&trace_block), &library)) abort();
        base = static_cast<char*>(library.dli_fbase);
    }

    // Regions that were told first are found first; none may be told once a thread has run.
    void add(Region region) {
        regions.push_back(region);
    }

    void begin_block(size_t count) {
        threads = count;
        for (auto& of_thread : barriers) of_thread.assign(count, 0);
        loaded_in.assign(count, 0);
        rounds.assign(count, 0);
        ++blocks;
    }

    void resume(size_t number) {
        if (number / warpSize != thread / warpSize) finish_warp();
        thread = number;
    }

    void reach(Barrier barrier) {
        most_barriers[barrier] = std::max(most_barriers[barrier], ++barriers[barrier][thread]);
    }

    void visit(Kind kind, const void* where, unsigned width, const void* pc) {
        auto address = static_cast<const char*>(where);
        Place& place = place_at(static_cast<const char*>(pc) - 1 - base, kind, width);
        if (!place.last->holds(address)) place.last = find(address, place);
        if (place.last->owner == IGNORED) return;
        if (place.last->owner != SHARED) follow(place, address);
        if (place.waiting++ == 0) touched.push_back(&place);
        place.visits[thread % warpSize].push_back(address);
    }

    // Counts the requests of the warp that ran.
    void finish_warp() {
        for (Place* place : touched) {
            for (size_t k = 0; place->waiting > 0; ++k) {
                Request request;
                for (unsigned lane = 0; lane < warpSize; ++lane)
                    if (k < place->visits[lane].size()) request.add(lane, place->visits[lane][k]);
                count(*place, request);
                place->waiting -= request.lanes;
            }
            for (auto& visits : place->visits) visits.clear();
        }
        touched.clear();
    }

    std::vector<SimtTally> tallies() const {
        std::vector<SimtTally> all;
        for (const auto& place : places)
            if (place) all.insert(all.end(), place->tallies.begin(), place->tallies.end());
        return all;
    }

    size_t most_barriers[BARRIERS] = {}, most_rounds = 0;
    std::map<const char*, SimtTouch> walk;  // of the first block, by address
    size_t stray_place = 0;
    std::string stray;

   private:
    // Notes when a thread loads anew, and what the first block touches.
    void follow(const Place& place, const char* address) {
        size_t interval = 1 + barriers[OF_BLOCK][thread] + barriers[OF_WARP][thread];
        if (place.kind != STORE && loaded_in[thread] != interval) {
            loaded_in[thread] = interval;
            most_rounds = std::max(most_rounds, ++rounds[thread]);
        }
        if (blocks > 1) return;
        size_t offset = address - place.last->begin;
        walk.emplace(address,
                     SimtTouch{offset, place.last->owner, int(place.width), int(thread), int(interval - 1)});
    }

    Place& place_at(size_t at, Kind kind, unsigned width) {
        if (at >= places.size()) places.resize(at + 1);
        if (!places[at]) places[at].reset(new Place{at, kind, width, &nowhere});
        return *places[at];
    }

    const Region* find(const char* address, const Place& place) {
        for (const Region& region : regions)
            if (region.holds(address)) return &region;
        if (stray.empty()) {
            const char* words[] = {"loads", "stores", "updates"};
            stray = "thread " + text(threadIdx) + " of block " + text(blockIdx) + " " + words[place.kind] +
                    " " + std::to_string(place.width) + " bytes that are in no array";
            stray_place = place.at;
        }
        return &nowhere;
    }

    void count(Place& place, const Request& request) {
        const char* first = request.of_lane[__builtin_ctz(request.mask)];
        if (!place.last->holds(first)) place.last = find(first, place);
        SimtTally& tally = tally_of(place, place.last->owner);
        Units units = place.last->owner == SHARED ? wavefronts(request, place.width, place.kind)
                                                  : sectors(request, place.width);
        tally.requests += 1;
        tally.lanes += request.lanes;
        tally.units += units.units;
        tally.fewest += units.fewest;
        tally.divergent += request.lanes < std::min<size_t>(warpSize, threads - thread / warpSize * warpSize);
        if (int(request.lanes) <= __builtin_popcount(tally.example)) return;
        tally.example = request.mask;
        for (unsigned lane = 0; lane < warpSize; ++lane)
            tally.offsets[lane] = request.mask >> lane & 1 ? request.of_lane[lane] - place.last->begin : 0;
    }

    static SimtTally& tally_of(Place& place, int owner) {
        for (SimtTally& tally : place.tallies)
            if (tally.owner == owner) return tally;
        SimtTally fresh = {};
        fresh.place = place.at, fresh.owner = owner, fresh.kind = place.kind, fresh.width = place.width;
        place.tallies.push_back(fresh);
        return place.tallies.back();
    }

    char* base = nullptr;  // of the library
    std::vector<Region> regions;
    Region nowhere = {nullptr, 0, IGNORED};
    std::vector<std::unique_ptr<Place>> places;  // by where they are in the library
    std::vector<Place*> touched;                 // by the warp that runs
    size_t thread = 0, threads = 0, blocks = 0;
    std::vector<size_t> barriers[BARRIERS];  // reached, by thread
    // By thread: the interval between barriers in which it loaded last, from 1 on, and in how many it did.
    std::vector<size_t> loaded_in, rounds;
};

static Recorder recorder;  // blocks are run by one OS thread

void trace_memory(const void* begin, size_t bytes, bool shared) {
    recorder.add({static_cast<const char*>(begin), bytes, shared ? SHARED : IGNORED});
}
void trace_block(size_t threads) {
    recorder.begin_block(threads);
}
void trace_thread(size_t thread) {
    recorder.resume(thread);
}
void trace_round() {
    recorder.finish_warp();
}
void trace_barrier(Barrier barrier) {
    recorder.reach(barrier);
}

// In pieces that a thread can move at once.
static void visit_range(Kind kind, const void* where, size_t bytes, const void* pc) {
    size_t piece = std::min<size_t>(16, bytes & -bytes);
    for (size_t done = 0; done < bytes; done += piece)
        recorder.visit(kind, static_cast<const char*>(where) + done, piece, pc);
}

}  // namespace simt

// ---- what Python calls --------------------------------------------------------------------------------------

#define SIMT_EXPORT extern "C" __attribute__((visibility("default")))

SIMT_EXPORT void simt_trace_begin(const simt::Region* arrays, size_t count) {
    simt::recorder.reset(arrays, count);
}

// The tallies, up to `capacity` of them; returns how many there are.
SIMT_EXPORT size_t simt_trace_tallies(simt::SimtTally* out, size_t capacity) {
    auto all = simt::recorder.tallies();
    std::copy_n(all.begin(), std::min(all.size(), capacity), out);
    return all.size();
}

// How many barriers of a kind a thread of a block has reached, at most.
SIMT_EXPORT size_t simt_trace_barriers(simt::Barrier barrier) {
    return simt::recorder.most_barriers[barrier];
}

// In how many intervals between barriers a thread has loaded from global memory, at most.
SIMT_EXPORT size_t simt_trace_rounds() {
    return simt::recorder.most_rounds;
}

// What the first block has touched, up to `capacity` of it; returns how much there is.
SIMT_EXPORT size_t simt_trace_walk(simt::SimtTouch* out, size_t capacity) {
    for (const auto& touched : simt::recorder.walk)
        if (capacity > 0) *out++ = touched.second, --capacity;
    return simt::recorder.walk.size();
}

// An access that is in no array: what it is, or "", and the place.
SIMT_EXPORT const char* simt_trace_stray(size_t* place) {
    *place = simt::recorder.stray_place;
    return simt::recorder.stray.c_str();
}

// ---- what compiled kernels call -----------------------------------------------------------------------------

#define SIMT_PC __builtin_return_address(0)
#define SIMT_ACCESS(bytes)                                     \
    void __tsan_read##bytes(void* at) {                        \
        simt::recorder.visit(simt::LOAD, at, bytes, SIMT_PC);  \
    }                                                          \
    void __tsan_write##bytes(void* at) {                       \
        simt::recorder.visit(simt::STORE, at, bytes, SIMT_PC); \
    }                                                          \
    void __tsan_unaligned_read##bytes(void* at) {              \
        simt::recorder.visit(simt::LOAD, at, bytes, SIMT_PC);  \
    }                                                          \
    void __tsan_unaligned_write##bytes(void* at) {             \
        simt::recorder.visit(simt::STORE, at, bytes, SIMT_PC); \
    }

// An atomic is a load and then exchanges, all but the last of them in vain, of which there are none where one OS
// thread runs all.
#define SIMT_ATOMIC_ACCESS(bits)                                                                              \
    uint##bits##_t __tsan_atomic##bits##_load(const uint##bits##_t* at, int) {                                \
        return *at;                                                                                           \
    }                                                                                                         \
    int __tsan_atomic##bits##_compare_exchange_strong(uint##bits##_t* at, uint##bits##_t* expected,           \
                                                      uint##bits##_t desired, int, int) {                     \
        simt::recorder.visit(simt::ATOMIC, at, bits / 8, SIMT_PC);                                            \
        return __atomic_compare_exchange_n(at, expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
    }

extern "C" {
SIMT_ACCESS(1)
SIMT_ACCESS(2)
SIMT_ACCESS(4)
SIMT_ACCESS(8)
SIMT_ACCESS(16)
SIMT_ATOMIC_ACCESS(32)
SIMT_ATOMIC_ACCESS(64)
void __tsan_read_range(void* at, size_t bytes) {
    simt::visit_range(simt::LOAD, at, bytes, SIMT_PC);
}
void __tsan_write_range(void* at, size_t bytes) {
    simt::visit_range(simt::STORE, at, bytes, SIMT_PC);
}
void __tsan_atomic_signal_fence(int) {}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
}
