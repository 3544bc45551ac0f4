/* Worker threads that fill batches ahead of the consumer.

   A pipeline owns its threads and its slots. A slot is free, being filled, ready, or
   lent to the consumer; a lent one is not touched until it is given back.

   fm_pipeline_start begins an epoch, fm_pipeline_take lends its batches in order,
   fm_pipeline_give returns one, in any order and from any thread.

   The slots that are not lent never number fewer than the window, so that work ahead
   never waits for the consumer to give something back: holding batches costs memory,
   not time. */
#ifndef FM_PIPELINE_H
#define FM_PIPELINE_H

#include "slots.h"

struct fm_pipeline;

/* A pipeline without threads or slots yet; NULL when there is no memory.
   `plan` is copied; its arrays must outlive the pipeline. `prefetch` is the number of
   batches to keep ready, at least; when these are small, more are kept, so that every
   thread has something to fill. With n_memories > 0 the slots are in these memories and
   no others (fm_slots_supply), and exactly `prefetch` < n_memories batches are kept
   ready. */
struct fm_pipeline *fm_pipeline_new(const struct fm_plan *plan,
                                    const struct fm_slot_layout *layout, int n_threads,
                                    uint64_t prefetch, void *const *memories,
                                    uint64_t n_memories);

/* Begin an epoch, dropping what is left of the one before. *ticket stands for it: the
   calls below do nothing with the ticket of an epoch that is over. */
enum fm_status fm_pipeline_start(struct fm_pipeline *pipeline,
                                 const struct fm_epoch *epoch,
                                 const struct fm_batching *batching, uint64_t *ticket);

/* Lend the next batch, waiting at most `wait_ms` for it.
   FM_OK, FM_PIPELINE_WAITING, FM_PIPELINE_FINISHED, FM_PIPELINE_CLOSED,
   FM_PIPELINE_FORKED, FM_NO_MEMORY or FM_SLOTS_IN_USE; unless FM_OK, no batch is
   lost. */
enum fm_status fm_pipeline_take(struct fm_pipeline *pipeline, uint64_t ticket,
                                unsigned wait_ms, struct fm_slot **slot,
                                uint64_t *n_rows);

void fm_pipeline_give(struct fm_pipeline *pipeline, struct fm_slot *slot);

/* Stop working ahead; threads and slots stay for the next epoch. */
void fm_pipeline_cancel(struct fm_pipeline *pipeline, uint64_t ticket);

/* Join the threads and free the slots that are not lent; for good, may be repeated. */
void fm_pipeline_close(struct fm_pipeline *pipeline);

/* Close and free all; not before every lent slot has come back. */
void fm_pipeline_free(struct fm_pipeline *pipeline);

/* Bytes in slots now, slots that are lent, and the number of batches kept ready. */
uint64_t fm_pipeline_slots_nbytes(struct fm_pipeline *pipeline);
uint64_t fm_pipeline_n_lent(struct fm_pipeline *pipeline);
uint64_t fm_pipeline_window(const struct fm_pipeline *pipeline);

/* Whether this process was forked off the one that the threads belong to. */
int fm_pipeline_forked(const struct fm_pipeline *pipeline);

/* Once per process, before the first pipeline. */
void fm_pipeline_setup(void);

#endif
