/* Where the time of an epoch has gone, in nanoseconds. Threads that work at the same
   time add up. A consumer that fills a batch waits for it at the same time.

   All calls are made with the mutex of the pipeline held. */
#ifndef FM_TIMES_H
#define FM_TIMES_H

#include <string.h>

#include "thread.h"

struct fm_times {
    uint64_t began_ns;   /* when the epoch was started */
    uint64_t elapsed_ns; /* from then until a consumer last left */
    uint64_t waited_ns;  /* of consumers, until their requests were served */
    uint64_t late_ns;    /* waited_ns of requests for batches that were not ready */
    uint64_t filled_ns;  /* of workers and consumers, for filling */
    uint64_t n_ready;    /* batches that were ready when they were requested */
    int is_late;         /* the next batch was requested before it was ready */
};

/* Begin an epoch. */
static inline void fm_times_begin(struct fm_times *times)
{
    memset(times, 0, sizeof *times);
    times->began_ns = fm_thread_clock_ns();
}

/* Count wait_ns that a consumer waited until end_ns. */
static inline void fm_times_add_wait(struct fm_times *times, uint64_t wait_ns,
                                     uint64_t end_ns)
{
    times->elapsed_ns = end_ns - times->began_ns;
    times->waited_ns += wait_ns;
}

/* Count a request. If it got no batch, it may come again. */
static inline void fm_times_add_request(struct fm_times *times, uint64_t begin_ns,
                                        uint64_t end_ns, int has_batch)
{
    fm_times_add_wait(times, end_ns - begin_ns, end_ns);
    times->late_ns += times->is_late ? end_ns - begin_ns : 0;
    times->n_ready += has_batch && !times->is_late;
    times->is_late &= !has_batch;
}

#endif
