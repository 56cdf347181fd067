// What the scheduler tells the recorder of memory accesses, trace.cpp; nothing unless SIMT_TRACE is defined.
#pragma once

#include <stddef.h>

namespace simt {

enum Barrier { OF_BLOCK, OF_WARP, BARRIERS };

#ifdef SIMT_TRACE
void trace_memory(const void* begin, size_t bytes,
                  bool shared);       // not shared: a thread's own, or the scheduler's
void trace_block(size_t threads);     // begins
void trace_thread(size_t thread);     // runs from here on
void trace_round();                   // ends: every thread waits or has left
void trace_barrier(Barrier barrier);  // is reached by the thread that runs
#else
inline void trace_memory(const void*, size_t, bool) {}
inline void trace_block(size_t) {}
inline void trace_thread(size_t) {}
inline void trace_round() {}
inline void trace_barrier(Barrier) {}
#endif

}  // namespace simt
