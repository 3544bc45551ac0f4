/* Batches that workers fill ahead of the consumer.

   A pipeline owns its slots, and requests its workers from the pool of the process
   (pool.h). A slot is free, being filled, ready, or lent to the consumer. The pipeline
   doesn't touch a lent slot until it is given back.

   fm_pipeline_start begins an epoch. fm_pipeline_take lends its batches in order.
   fm_pipeline_give takes a batch back, in any order and from any thread.

   A C function in the transforms may call the functions below, by a signal handler or a
   garbage collector for example. They can't wait for the thread that fills this batch,
   which is their own, and return FM_PIPELINE_FILLING instead.

   The slots that are not lent never number fewer than the window. So the workers never
   wait until the consumer gives a slot back: holding batches costs memory, not time. */
#ifndef FM_PIPELINE_H
#define FM_PIPELINE_H

#include "batch.h"
#include "slots.h"
#include "times.h"

struct fm_pipeline;

/* Return a pipeline that has no slots yet, or NULL without memory. At most n_threads
   workers and consumers fill its batches at the same time.
   `job` is copied; its arrays must outlive the pipeline. At least `prefetch` batches
   are kept ready. When batches are small, more are kept, so that every thread has work.
   With n_memories > 0, the slots lie in these memories only (fm_slots_supply), and
   exactly `prefetch` batches are kept ready.
   Not checked: n_threads and prefetch are at least 1; prefetch < n_memories if that is
   not 0. */
struct fm_pipeline *fm_pipeline_new(const struct fm_job *job, int n_threads,
                                    uint64_t prefetch, void *const *memories,
                                    uint64_t n_memories);

/* Begin an epoch, and drop the rest of the epoch before. *ticket identifies the new
   epoch: the calls below do nothing with the ticket of an epoch that is over.
   Return FM_OK, FM_PIPELINE_CLOSED, FM_PIPELINE_FORKED, FM_PIPELINE_FILLING,
   FM_NO_MEMORY or FM_SLOTS_IN_USE. If the system refuses threads, fewer threads or only
   the consumer fill the batches, with the same bytes. */
enum fm_status fm_pipeline_start(struct fm_pipeline *pipeline,
                                 const struct fm_epoch *epoch,
                                 const struct fm_batching *batching, uint64_t *ticket);

/* Lend the next batch of the epoch, which is number *batch, counted from 0. Wait about
   `wait_ms` milliseconds at most.
   Return FM_OK, FM_PIPELINE_WAITING, FM_PIPELINE_FINISHED, FM_PIPELINE_CLOSED,
   FM_PIPELINE_FORKED, FM_PIPELINE_FILLING, FM_PIPELINE_DAMAGED (fm_source_is_damaged),
   FM_NO_MEMORY or FM_SLOTS_IN_USE. No batch is lost if the result is not FM_OK. */
enum fm_status fm_pipeline_take(struct fm_pipeline *pipeline, uint64_t ticket,
                                unsigned wait_ms, struct fm_slot **slot,
                                uint64_t *batch, uint64_t *n_rows);

/* Count time as waited in which a consumer changed a batch that it has taken. */
void fm_pipeline_count_wait(struct fm_pipeline *pipeline, uint64_t ticket,
                            uint64_t wait_ns);

/* Take a lent slot back. */
void fm_pipeline_give(struct fm_pipeline *pipeline, struct fm_slot *slot);

/* Stop filling batches of this epoch. The slots stay for the next epoch. */
void fm_pipeline_cancel(struct fm_pipeline *pipeline, uint64_t ticket);

/* Wait until no worker is left, and free the slots that are not lent. The last pipeline
   of the process joins the threads. A closed pipeline can't start again. Every call
   returns FM_OK after that. A thread that is filling only stops the epoch, and gets
   FM_PIPELINE_FILLING. */
enum fm_status fm_pipeline_close(struct fm_pipeline *pipeline);

/* Close the pipeline and free it. Slots that are lent, and what fm_pipeline_give needs,
   stay until the last of them is given back. A thread that is filling frees nothing,
   and gets FM_PIPELINE_FILLING. Then the job's arrays must stay for good. */
enum fm_status fm_pipeline_free(struct fm_pipeline *pipeline);

/* A pipeline at one moment. */
struct fm_pipeline_state {
    uint64_t ticket;       /* of the newest epoch */
    uint64_t n_taken;      /* batches of that epoch that were lent */
    uint64_t n_lent;       /* slots that are lent now, of all epochs */
    uint64_t slots_nbytes; /* bytes in slots */
    int is_running;        /* whether the newest epoch may give more batches */
    int is_over;           /* whether a consumer was told that all were lent */
    int is_closed;
    int n_threads; /* workers that the newest epoch may have */
    struct fm_times times; /* of the newest epoch */
};

/* Fill *out. In a forked child it stays as it was at the fork. */
void fm_pipeline_inspect(struct fm_pipeline *pipeline, struct fm_pipeline_state *out);

/* Return the number of batches that are kept ready. */
uint64_t fm_pipeline_window(const struct fm_pipeline *pipeline);

/* Return whether this process is a forked child of the one that has the workers. */
int fm_pipeline_forked(const struct fm_pipeline *pipeline);

/* Call this once per process, before the first pipeline. */
void fm_pipeline_setup(void);

#endif
