/* The ring of slots, and the pieces in which it is filled; see window.h. A piece has
   about UNIT_NBYTES: several small batches, or a range of rows of a large batch. */
#include "window.h"

#include <stdlib.h>

#include "faults.h"
#include "floats.h"

/* About 10 us of work for one core. */
#define UNIT_NBYTES ((uint64_t)256 << 10)

/* Free slots that are kept in addition to the window. A loop that still holds the batch
   before the last one gives this many back and takes them again. */
#define SPARE_SLOTS 2

/* Compute how many batches are kept ready, and how they are divided into pieces. */
static void divide(struct fm_window *w, int n_threads, uint64_t prefetch)
{
    uint64_t batch_nbytes = w->slots.slot_nbytes;
    if (batch_nbytes < FM_PAGE_NBYTES) /* the least that a slot takes */
        batch_nbytes = FM_PAGE_NBYTES;
    w->group = batch_nbytes < UNIT_NBYTES ? UNIT_NBYTES / batch_nbytes : 1;
    /* Equal pieces of at least a unit: a thread would have to wait for a remainder. */
    uint64_t n_units = batch_nbytes > UNIT_NBYTES ? batch_nbytes / UNIT_NBYTES : 1;
    w->unit_rows = (w->job.record.rows + n_units - 1) / n_units;
    uint64_t ahead_nbytes = 2 * UNIT_NBYTES * (uint64_t)n_threads;
    w->size = (ahead_nbytes + batch_nbytes - 1) / batch_nbytes;
    if (w->size < prefetch || w->slots.are_supplied)
        w->size = prefetch;
    w->group = fm_integer_min(w->group, (w->size + 1) / 2);
}

enum fm_status fm_window_init(struct fm_window *w, const struct fm_job *job,
                              int n_threads, uint64_t prefetch, void *const *memories,
                              uint64_t n_memories)
{
    w->job = *job;
    w->scratch_nbytes = (size_t)fm_batch_scratch_nbytes(job);
    w->slots.slot_nbytes = job->record.nbytes;
    for (uint64_t i = 0; i < n_memories; i++)
        if (fm_slots_supply(&w->slots, memories[i]) != FM_OK)
            return FM_NO_MEMORY;
    divide(w, n_threads, prefetch);
    w->ring = (struct fm_slot **)calloc((size_t)w->size, sizeof *w->ring);
    return w->ring ? FM_OK : FM_NO_MEMORY;
}

void fm_window_close(struct fm_window *w)
{
    while (w->scratch) {
        struct fm_window_scratch *scratch = w->scratch;
        w->scratch = scratch->next;
        fm_slots_memory_free(scratch);
    }
    fm_slots_drop_free(&w->slots);
}

void fm_window_destroy(struct fm_window *w)
{
    fm_window_close(w);
    free(w->ring);
}

enum fm_status fm_window_start(struct fm_window *w, const struct fm_epoch *epoch,
                               const struct fm_batching *batching)
{
    w->epoch = *epoch;
    w->batching = *batching;
    w->n_batches = fm_batching_count(batching);
    w->taken = w->claimed = 0;
    void *scratch;
    if (!fm_window_pop_scratch(w, &scratch))
        return FM_NO_MEMORY;
    fm_window_push_scratch(w, scratch);
    return fm_slots_reserve(&w->slots, fm_integer_min(w->size, w->n_batches));
}

void fm_window_drop(struct fm_window *w)
{
    const uint64_t in_slots = w->claimed + (w->claimed_rows > 0);
    for (uint64_t i = w->taken; i < in_slots; i++)
        fm_slots_push(&w->slots, w->ring[i % w->size]);
    w->claimed = w->taken;
    w->claimed_rows = 0;
}

int fm_window_pop_scratch(struct fm_window *w, void **scratch)
{
    *scratch = w->scratch;
    if (w->scratch)
        w->scratch = w->scratch->next;
    else if (w->scratch_nbytes)
        *scratch = fm_slots_memory_new(w->scratch_nbytes);
    return *scratch != NULL || w->scratch_nbytes == 0;
}

void fm_window_push_scratch(struct fm_window *w, void *scratch)
{
    if (scratch == NULL)
        return;
    struct fm_window_scratch *unused = (struct fm_window_scratch *)scratch;
    unused->next = w->scratch;
    w->scratch = unused;
}

/* ---- pieces --------------------------------------------------------------------- */

/* Claim rows of one large batch. */
static struct fm_window_piece claim_rows(struct fm_window *w, int filler)
{
    struct fm_window_piece piece = {
        .batch = w->claimed, .n_batches = 1, .row = w->claimed_rows, .n_rows = 0};
    uint64_t begin, batch_rows;
    fm_batching_rows(&w->batching, w->claimed, &begin, &batch_rows);
    if (w->claimed_rows == 0) {
        struct fm_slot *slot = fm_slots_pop(&w->slots, filler);
        slot->units_left = (batch_rows + w->unit_rows - 1) / w->unit_rows;
        w->ring[w->claimed % w->size] = slot;
    }
    piece.n_rows = fm_integer_min(w->unit_rows, batch_rows - piece.row);
    w->claimed_rows += piece.n_rows;
    if (w->claimed_rows == batch_rows) {
        w->claimed++;
        w->claimed_rows = 0;
    }
    return piece;
}

struct fm_window_piece fm_window_claim(struct fm_window *w, int filler)
{
    if (w->group == 1)
        return claim_rows(w, filler);
    const uint64_t n_batches = fm_integer_min(w->group, w->n_batches - w->claimed);
    const struct fm_window_piece piece = {
        .batch = w->claimed, .n_batches = n_batches, .row = 0,
        .n_rows = w->job.record.rows};
    for (uint64_t i = 0; i < n_batches; i++) {
        struct fm_slot *slot = fm_slots_pop(&w->slots, filler);
        slot->units_left = 1;
        w->ring[w->claimed++ % w->size] = slot;
    }
    return piece;
}

void fm_window_fill(const struct fm_window *w, const struct fm_window_piece *piece,
                    void *scratch)
{
    struct fm_floats caller;
    fm_floats_begin(&caller);
    fm_faults_begin();
    for (uint64_t i = 0; i < piece->n_batches; i++) {
        const uint64_t batch = piece->batch + i;
        if (piece->row == 0)
            fm_batch_read_ahead(&w->job, &w->epoch, &w->batching, batch);
        fm_batch_fill(&w->job, &w->epoch, &w->batching, batch, piece->row,
                      piece->n_rows, scratch, w->ring[batch % w->size]->memory);
    }
    fm_faults_end();
    fm_floats_end(&caller);
}

void fm_window_finish(struct fm_window *w, const struct fm_window_piece *piece)
{
    for (uint64_t i = 0; i < piece->n_batches; i++)
        w->ring[(piece->batch + i) % w->size]->units_left--;
}

/* ---- lending -------------------------------------------------------------------- */

/* The thread that filled a ready batch has held the mutex since, so that its faults are
   in the count. */
int fm_window_is_damaged(struct fm_window *w)
{
    const size_t n_faults = fm_faults_count();
    if (n_faults == w->n_faults)
        return 0;
    if (fm_source_is_damaged(&w->job.source))
        return 1;
    w->n_faults = n_faults;
    return 0;
}

enum fm_status fm_window_lend(struct fm_window *w, struct fm_slot **slot,
                              uint64_t *batch, uint64_t *n_rows)
{
    w->slots.n_lent++; /* the threads lose this slot, so add one if they need it */
    const uint64_t n_left = w->n_batches - w->taken - 1;
    const enum fm_status status =
        fm_slots_reserve(&w->slots, fm_integer_min(w->size, n_left));
    if (status != FM_OK) {
        w->slots.n_lent--;
        return status;
    }
    uint64_t begin;
    fm_batching_rows(&w->batching, w->taken, &begin, n_rows);
    *slot = w->ring[w->taken % w->size];
    *batch = w->taken++;
    return FM_OK;
}

void fm_window_give(struct fm_window *w, struct fm_slot *slot, int is_closed)
{
    w->slots.n_lent--;
    const uint64_t n_unlent = w->slots.n_slots - w->slots.n_lent;
    const int is_spare = n_unlent > w->size + SPARE_SLOTS && !w->slots.are_supplied;
    if (is_closed || is_spare)
        fm_slots_drop(&w->slots, slot);
    else
        fm_slots_push(&w->slots, slot);
}
