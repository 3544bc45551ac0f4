/* Batches that are prepared ahead of the consumer.

   A window is a ring of slots: batch number i has the slot at i % size. Threads claim
   the work in order, in pieces, and fill them at the same time. The consumer is lent
   the batches in order. Slots that are not lent never number fewer than the window has
   places.

   Only fm_window_fill may run in several threads at once. All other calls are made with
   the mutex of the pipeline held. */
#ifndef FM_WINDOW_H
#define FM_WINDOW_H

#include "batch.h"
#include "integer.h"
#include "slots.h"

/* Scratch that is in no use, in that memory. */
struct fm_window_scratch {
    struct fm_window_scratch *next;
};

struct fm_window {
    struct fm_job job;
    struct fm_epoch epoch; /* doesn't change while a thread is filling */
    struct fm_batching batching;
    uint64_t size;      /* most batches that are claimed or ready, but not taken */
    uint64_t group;     /* small batches claimed at once */
    uint64_t unit_rows; /* rows of a large batch claimed at once */
    size_t scratch_nbytes; /* memory that a thread needs to fill a piece */

    int is_running; /* pieces may be claimed */
    uint64_t n_batches;
    uint64_t taken;        /* all batches before this number were lent */
    uint64_t claimed;      /* all batches before this number were claimed whole */
    uint64_t claimed_rows; /* rows of batch `claimed` that were claimed */

    struct fm_slots slots;
    struct fm_slot **ring; /* batch i >= taken has the slot at i % size */
    struct fm_window_scratch *scratch; /* for consumers, that none is using */
    size_t n_faults; /* faults of mapped files until the source was last checked */
};

/* A piece of work: at most n_rows rows, from `row` on, of each batch. */
struct fm_window_piece {
    uint64_t batch, n_batches;
    uint64_t row, n_rows;
};

/* Make a window without an epoch, for n_threads threads; fm_pipeline_new describes the
   arguments. *window is all zeros. Return FM_OK or FM_NO_MEMORY. */
enum fm_status fm_window_init(struct fm_window *window, const struct fm_job *job,
                              int n_threads, uint64_t prefetch, void *const *memories,
                              uint64_t n_memories);

/* Close the window and free the ring. */
void fm_window_destroy(struct fm_window *window);

/* Free what only filling needs: scratch, and the slots in the free list. */
void fm_window_close(struct fm_window *window);

/* Prepare an epoch, and get the slots that it needs, and scratch for a consumer. Return
   FM_OK, FM_NO_MEMORY or FM_SLOTS_IN_USE.
   Not checked: fm_window_drop was called after the epoch before. */
enum fm_status fm_window_start(struct fm_window *window, const struct fm_epoch *epoch,
                               const struct fm_batching *batching);

/* Put the slots of batches that were not taken back into the free list.
   Not checked: no thread is filling. */
void fm_window_drop(struct fm_window *window);

/* Claim the next piece, for thread number `filler`.
   Not checked: fm_window_can_claim(window). */
struct fm_window_piece fm_window_claim(struct fm_window *window, int filler);

/* Fill a piece that was claimed. scratch: uint8 (scratch_nbytes,), which starts at a
   multiple of 64 bytes. */
void fm_window_fill(const struct fm_window *window, const struct fm_window_piece *piece,
                    void *scratch);

/* Set *scratch to memory in which a consumer can fill, or to NULL if none is needed.
   Return 0 if memory is short. */
int fm_window_pop_scratch(struct fm_window *window, void **scratch);
void fm_window_push_scratch(struct fm_window *window, void *scratch);

/* Note that a piece is filled. */
void fm_window_finish(struct fm_window *window, const struct fm_window_piece *piece);

/* Return whether a ready batch may have zeros in place of a part of a file. */
int fm_window_is_damaged(struct fm_window *window);

/* Lend the next batch, which is number *batch. Return FM_OK, FM_NO_MEMORY or
   FM_SLOTS_IN_USE.
   Not checked: fm_window_is_ready(window). */
enum fm_status fm_window_lend(struct fm_window *window, struct fm_slot **slot,
                              uint64_t *batch, uint64_t *n_rows);

/* Take a lent slot back. It is freed if `is_closed`, or if too many are free. */
void fm_window_give(struct fm_window *window, struct fm_slot *slot, int is_closed);

/* Return whether a piece can be claimed. */
static inline int fm_window_can_claim(const struct fm_window *window)
{
    if (!window->is_running || window->claimed == window->n_batches)
        return 0;
    const uint64_t room = window->size - (window->claimed - window->taken);
    return window->claimed_rows > 0 ||
           room >= fm_integer_min(window->group, window->n_batches - window->claimed);
}

/* Return whether the next batch can be lent. */
static inline int fm_window_is_ready(const struct fm_window *window)
{
    return window->taken < window->claimed &&
           window->ring[window->taken % window->size]->units_left == 0;
}

#endif
