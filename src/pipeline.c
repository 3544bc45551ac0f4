/* Worker threads, slots, and how workers hand batches to the consumer; pipeline.h has
   the contract. One mutex guards everything, and is never held while a row is filled.
   Threads claim work in order, in pieces of about UNIT_NBYTES: several small batches,
   or a range of rows of a large batch.

   Waking a sleeping thread costs the waker 3 to 10 us and the sleeper 25 us, measured
   in virtual machines. This was half of the time to fill a batch. So a consumer whose
   batch isn't ready does not sleep. It fills rows itself, as one of the n_threads. And
   workers are only woken when half of the window is free.

   A pipeline outlives fm_pipeline_free while slots are lent, so that an array can keep
   its slot without keeping what the pipeline reads: see Lease in _core.pyx. */
#define _GNU_SOURCE /* pthread_condattr_setclock */

#include "pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "faults.h"
#include "floats.h"
#include "integer.h"
#include "thread.h"

/* About 10 us of work for one core. */
#define UNIT_NBYTES ((uint64_t)256 << 10)

/* A consumer that returns sooner than this is treated as busy-waiting (`eager` below):
   it does nothing except take batches, and counts as one of the threads that fill. */
#define EAGER_US 30

/* How often an eager consumer checks again, about 1 us apart, before it sleeps. */
#define N_LOOKS 30

/* Free slots that are kept in addition to the window. A loop that still holds the batch
   before the last one gives this many back and takes them again. */
#define SPARE_SLOTS 2

struct worker {
    struct fm_pipeline *pipeline;
    int index;
    fm_thread thread;
};

/* The thread that uses a part of the memory, while it fills a piece. */
struct filler {
    fm_thread_id thread;
    int is_active;
};

struct fm_pipeline {
    struct fm_job job;
    uint64_t window;    /* most batches that are claimed or ready, but not taken */
    uint64_t group;     /* small batches claimed at once */
    uint64_t unit_rows; /* rows of a large batch claimed at once */

    fm_mutex mutex;
    fm_cond work;  /* for workers: a piece can be claimed, or closing */
    fm_cond ready; /* for the consumer: the next batch is ready, or closed */
    fm_cond quiet; /* for cancel: no thread is filling; for close: CLOSED */
    struct worker *workers;
    int n_threads, n_started;
    int n_idle;    /* workers asleep */
    int n_woken;   /* sleeping workers that were signaled */
    int n_active;  /* threads that are filling */
    int n_waiting; /* consumers asleep */
    int eager;     /* the consumer counts as one of the threads that fill */
    uint64_t left_us; /* when the consumer last left */
    enum { OPEN, CLOSING, CLOSED } phase; /* CLOSED: the threads are joined */
    int is_abandoned; /* the owner is gone, and only lent slots remain */
    unsigned fork_count; /* fm_fork_count of the process that owns the threads */

    struct fm_epoch epoch; /* doesn't change while a thread is filling */
    struct fm_batching batching;
    int running;
    int is_over;        /* a consumer was told that all batches are taken */
    int is_interrupted; /* the epoch was running when the pipeline was closed */
    uint64_t ticket; /* number of starts, which identifies the epoch */
    uint64_t n_batches;
    uint64_t taken;        /* all batches before this number were lent */
    uint64_t claimed;      /* all batches before this number were claimed whole */
    uint64_t claimed_rows; /* rows of batch `claimed` that were claimed */
    size_t n_faults; /* faults of mapped files until the source was last checked */

    struct fm_slots slots;
    struct fm_slot **ring; /* batch i >= taken has the slot at i % window */

    /* Memory to augment images in: 2 * n_threads parts. Worker i has part i. A consumer
       that fills takes one of the other parts from the stack `unused`. */
    uint8_t *memory; /* NULL if nothing is augmented */
    size_t memory_nbytes; /* bytes of one part */
    int *unused; /* numbers of the parts that no consumer is using */
    int n_unused;
    struct filler *fillers; /* threads that fill, by the number of their part */
};

/* A piece of work: whole batches if n_rows is 0, otherwise n_rows rows of one batch. */
struct claim {
    uint64_t batch, n_batches;
    uint64_t row, n_rows;
};

/* ---- claiming and filling ------------------------------------------------------ */

static int can_claim(const struct fm_pipeline *p)
{
    if (!p->running || p->claimed == p->n_batches)
        return 0;
    uint64_t room = p->window - (p->claimed - p->taken);
    return p->claimed_rows > 0 ||
           room >= fm_integer_min(p->group, p->n_batches - p->claimed);
}

/* With the mutex held: claim the next piece for thread number `filler`.
   Not checked: can_claim(p). */
static struct claim claim_next(struct fm_pipeline *p, int filler)
{
    struct claim claim = {p->claimed, 1, p->claimed_rows, 0};
    uint64_t begin, batch_rows;
    fm_batching_rows(&p->batching, p->claimed, &begin, &batch_rows);
    if (p->group == 1) {
        if (p->claimed_rows == 0) {
            struct fm_slot *slot = fm_slots_pop(&p->slots, filler);
            slot->units_left = (batch_rows + p->unit_rows - 1) / p->unit_rows;
            p->ring[p->claimed % p->window] = slot;
        }
        claim.n_rows = fm_integer_min(p->unit_rows, batch_rows - claim.row);
        p->claimed_rows += claim.n_rows;
        if (p->claimed_rows == batch_rows) {
            p->claimed++;
            p->claimed_rows = 0;
        }
        return claim;
    }
    claim.n_batches = fm_integer_min(p->group, p->n_batches - p->claimed);
    for (uint64_t i = 0; i < claim.n_batches; i++) {
        struct fm_slot *slot = fm_slots_pop(&p->slots, filler);
        slot->units_left = 1;
        p->ring[p->claimed++ % p->window] = slot;
    }
    return claim;
}

/* Without the mutex: fill a piece, in part number `part` of the memory. */
static void fill(const struct fm_pipeline *p, const struct claim *claim, int part)
{
    uint8_t *memory = p->memory ? p->memory + (size_t)part * p->memory_nbytes : NULL;
    struct fm_floats caller;
    fm_floats_begin(&caller);
    fm_faults_begin();
    for (uint64_t i = 0; i < claim->n_batches; i++) {
        const struct fm_slot *slot = p->ring[(claim->batch + i) % p->window];
        const uint64_t batch = claim->batch + i;
        uint64_t begin, n_rows = claim->n_rows;
        if (n_rows == 0)
            fm_batching_rows(&p->batching, batch, &begin, &n_rows);
        if (claim->row == 0)
            fm_batch_read_ahead(&p->job, &p->epoch, &p->batching, batch);
        fm_batch_fill(&p->job, &p->epoch, &p->batching, batch, claim->row, n_rows,
                      memory, slot->memory);
    }
    fm_faults_end();
    fm_floats_end(&caller);
}

static int next_is_ready(const struct fm_pipeline *p)
{
    return p->taken < p->claimed && p->ring[p->taken % p->window]->units_left == 0;
}

/* With the mutex held, which is released while filling: claim a piece and fill it.
   `filler` is a worker's number, or n_threads for a consumer. */
static void fill_next(struct fm_pipeline *p, int filler)
{
    struct claim claim = claim_next(p, filler);
    /* `unused` has a part: consumers only fill while n_active is below n_threads. */
    const int is_consumer = filler == p->n_threads;
    const int part = is_consumer ? p->unused[--p->n_unused] : filler;
    p->fillers[part] = (struct filler){fm_thread_self(), 1};
    p->n_active++;
    fm_mutex_unlock(&p->mutex);
    fill(p, &claim, part);
    fm_mutex_lock(&p->mutex);
    if (is_consumer)
        p->unused[p->n_unused++] = part;
    for (uint64_t i = 0; i < claim.n_batches; i++)
        p->ring[(claim.batch + i) % p->window]->units_left--;
    p->n_active--;
    p->fillers[part].is_active = 0;
    if (p->n_waiting && next_is_ready(p))
        fm_cond_wake_one(&p->ready);
    if (p->n_active == 0 && !p->running)
        fm_cond_wake_all(&p->quiet);
}

/* Return the number of awake workers above the limit; it is negative below it. An eager
   consumer takes one of the n_threads places, except while it sleeps and so depends on
   the workers. */
static int n_surplus(const struct fm_pipeline *p)
{
    int n_awake = p->n_started - p->n_idle + p->n_woken;
    return n_awake - (p->n_threads - (p->eager && p->n_waiting == 0));
}

/* Wake a worker if one sleeps, may fill, has work, and half of the window is free. */
static void wake_worker(struct fm_pipeline *p)
{
    uint64_t in_flight = p->claimed - p->taken;
    if (p->n_idle > p->n_woken && n_surplus(p) < 0 && can_claim(p) &&
        2 * in_flight <= p->window) {
        p->n_woken++;
        fm_cond_wake_one(&p->work);
    }
}

/* The loop of a worker: wait for a piece and fill it, until the pipeline closes. */
static void work(struct fm_pipeline *p, int worker)
{
    fm_mutex_lock(&p->mutex);
    for (;;) {
        while (p->phase == OPEN && (!can_claim(p) || n_surplus(p) > 0)) {
            p->n_idle++;
            fm_cond_wait(&p->work, &p->mutex);
            p->n_idle--;
            p->n_woken -= p->n_woken > 0;
        }
        if (p->phase != OPEN)
            break;
        wake_worker(p);
        fill_next(p, worker);
    }
    fm_mutex_unlock(&p->mutex);
}

FM_THREAD_MAIN(worker_main, argument)
{
    struct worker *worker = argument;
    work(worker->pipeline, worker->index);
    FM_THREAD_RETURN;
}

/* With the mutex held: start the threads that are missing. If the system refuses some,
   the others and the consumer do the work, and the next epoch tries again. */
static void start_threads(struct fm_pipeline *p)
{
    while (p->n_started < p->n_threads) {
        struct worker *worker = &p->workers[p->n_started];
        worker->pipeline = p;
        worker->index = p->n_started;
        if (!fm_thread_start(&worker->thread, worker_main, worker))
            return;
        p->n_started++;
    }
}

/* ---- the consumer's side ------------------------------------------------------ */

void fm_pipeline_setup(void)
{
    fm_fork_watch();
}

int fm_pipeline_forked(const struct fm_pipeline *p)
{
    return p->fork_count != fm_fork_count();
}

/* Round up to whole pages, so that threads share no page. */
static size_t align_up(size_t nbytes)
{
    return (nbytes + FM_PAGE_NBYTES - 1) / FM_PAGE_NBYTES * FM_PAGE_NBYTES;
}

static void free_parts(struct fm_pipeline *p)
{
    fm_memory_free(p->memory);
    free(p->unused);
    free(p->fillers);
    free(p->workers);
    free(p->ring);
    free(p);
}

struct fm_pipeline *fm_pipeline_new(const struct fm_job *job, int n_threads,
                                    uint64_t prefetch, void *const *memories,
                                    uint64_t n_memories)
{
    struct fm_pipeline *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->job = *job;
    p->slots.slot_nbytes = job->record.nbytes;
    uint64_t batch_nbytes = job->record.nbytes;
    if (batch_nbytes < FM_PAGE_NBYTES) /* the least that a slot takes */
        batch_nbytes = FM_PAGE_NBYTES;
    p->group = batch_nbytes < UNIT_NBYTES ? UNIT_NBYTES / batch_nbytes : 1;
    /* Equal pieces of at least a unit: a thread would have to wait for a remainder. */
    uint64_t n_units = batch_nbytes > UNIT_NBYTES ? batch_nbytes / UNIT_NBYTES : 1;
    p->unit_rows = (job->record.rows + n_units - 1) / n_units;
    uint64_t ahead_nbytes = 2 * UNIT_NBYTES * (uint64_t)n_threads;
    p->window = (ahead_nbytes + batch_nbytes - 1) / batch_nbytes;
    if (p->window < prefetch || n_memories)
        p->window = prefetch;
    p->group = fm_integer_min(p->group, (p->window + 1) / 2);
    p->n_threads = n_threads;
    p->workers = calloc((size_t)n_threads, sizeof *p->workers);
    p->ring = calloc((size_t)p->window, sizeof *p->ring);
    p->unused = calloc((size_t)n_threads, sizeof *p->unused);
    p->memory_nbytes = align_up(fm_batch_scratch_nbytes(job));
    const size_t n_parts = 2 * (size_t)n_threads;
    p->fillers = calloc(n_parts, sizeof *p->fillers);
    if (p->memory_nbytes && p->memory_nbytes <= SIZE_MAX / n_parts)
        p->memory = fm_memory_new(n_parts * p->memory_nbytes);
    enum fm_status status = FM_OK;
    for (uint64_t i = 0; i < n_memories && status == FM_OK; i++)
        status = fm_slots_supply(&p->slots, memories[i]);
    if (p->workers == NULL || p->ring == NULL || p->unused == NULL ||
        p->fillers == NULL || (p->memory_nbytes && p->memory == NULL) ||
        status != FM_OK) {
        fm_slots_drop_free(&p->slots);
        free_parts(p);
        return NULL;
    }
    while (p->n_unused < n_threads) {
        p->unused[p->n_unused] = n_threads + p->n_unused;
        p->n_unused++;
    }
    p->fork_count = fm_fork_count();
    fm_mutex_init(&p->mutex);
    fm_cond_init(&p->work);
    fm_cond_init(&p->ready);
    fm_cond_init(&p->quiet);
    return p;
}

/* With the mutex held: return whether the current thread is filling, and so is in a C
   function of the user. It can't wait for itself. A thread-local variable would need
   64 MiB of addresses in each worker. */
static int is_filling(const struct fm_pipeline *p)
{
    for (int part = 0; p->n_active > 0 && part < 2 * p->n_threads; part++)
        if (p->fillers[part].is_active && fm_thread_is(p->fillers[part].thread))
            return 1;
    return 0;
}

/* With the mutex held: let no thread begin to fill more of this epoch. */
static void stop_epoch(struct fm_pipeline *p)
{
    p->running = 0;
    fm_cond_wake_all(&p->ready); /* consumers in other threads get no more batches */
}

/* With the mutex held: end the epoch, wait until no thread is filling, and put the
   filled slots back into the free list. Return 0 if another thread has begun the next
   epoch in the meantime. */
static int drop_epoch(struct fm_pipeline *p)
{
    const uint64_t ticket = p->ticket;
    stop_epoch(p);
    while (p->n_active > 0 && p->ticket == ticket)
        fm_cond_wait(&p->quiet, &p->mutex);
    if (p->ticket != ticket)
        return 0;
    const uint64_t in_slots = p->claimed + (p->claimed_rows > 0);
    for (uint64_t i = p->taken; i < in_slots; i++)
        fm_slots_push(&p->slots, p->ring[i % p->window]);
    p->claimed = p->taken;
    p->claimed_rows = 0;
    return 1;
}

enum fm_status fm_pipeline_start(struct fm_pipeline *p, const struct fm_epoch *epoch,
                                 const struct fm_batching *batching,
                                 uint64_t *ticket)
{
    if (fm_pipeline_forked(p))
        return FM_PIPELINE_FORKED;
    fm_mutex_lock(&p->mutex);
    enum fm_status status = is_filling(p) ? FM_PIPELINE_FILLING : FM_OK;
    while (status == FM_OK && !drop_epoch(p))
        ;
    if (status == FM_OK && p->phase != OPEN)
        status = FM_PIPELINE_CLOSED;
    if (status == FM_OK) {
        *ticket = ++p->ticket;
        p->epoch = *epoch;
        p->batching = *batching;
        p->n_batches = fm_batching_count(batching);
        p->taken = p->claimed = 0;
        p->is_over = 0;
        status = fm_slots_reserve(&p->slots, fm_integer_min(p->window, p->n_batches));
    }
    if (status == FM_OK) {
        start_threads(p);
        p->running = 1;
        wake_worker(p);
    }
    fm_mutex_unlock(&p->mutex);
    return status;
}

/* With the mutex held and the next batch ready: lend it to the consumer. */
static enum fm_status lend(struct fm_pipeline *p, struct fm_slot **slot,
                           uint64_t *index, uint64_t *n_rows)
{
    p->slots.n_lent++; /* the workers lose this slot, so add one if they need it */
    uint64_t n_needed = fm_integer_min(p->window, p->n_batches - p->taken - 1);
    enum fm_status status = fm_slots_reserve(&p->slots, n_needed);
    if (status != FM_OK) {
        p->slots.n_lent--;
        return status;
    }
    uint64_t begin;
    fm_batching_rows(&p->batching, p->taken, &begin, n_rows);
    *slot = p->ring[p->taken % p->window];
    *index = p->taken++;
    wake_worker(p);
    if (p->taken == p->n_batches)
        fm_cond_wake_all(&p->ready); /* no batch follows for the other consumers */
    else if (p->n_waiting && next_is_ready(p))
        fm_cond_wake_one(&p->ready);
    return FM_OK;
}

/* With the mutex held: return whether a ready batch may have zeros in place of a part
   of a file. The thread that filled it has held the mutex since, so that its faults are
   in the count. */
static int is_damaged(struct fm_pipeline *p)
{
    const size_t n_faults = fm_faults_count();
    if (n_faults == p->n_faults)
        return 0;
    if (fm_source_is_damaged(&p->job.source))
        return 1;
    p->n_faults = n_faults;
    return 0;
}

/* Return whether the epoch of `ticket` gives batches. */
static int is_running(const struct fm_pipeline *p, uint64_t ticket)
{
    return p->running && p->ticket == ticket;
}

/* With the mutex held: return FM_OK if the next batch can be lent, or why it can't. */
static enum fm_status take_status(const struct fm_pipeline *p, uint64_t ticket)
{
    if (!is_running(p, ticket))
        return p->is_interrupted && p->ticket == ticket ? FM_PIPELINE_CLOSED
                                                        : FM_PIPELINE_FINISHED;
    if (p->taken == p->n_batches)
        return FM_PIPELINE_FINISHED;
    return next_is_ready(p) ? FM_OK : FM_PIPELINE_WAITING;
}

/* With the mutex held: fill, then check again, and finally sleep until the next batch
   is ready. */
static enum fm_status await(struct fm_pipeline *p, uint64_t ticket, unsigned wait_ms)
{
    enum fm_status status = FM_PIPELINE_WAITING;
    const uint64_t until_us = fm_clock_us() + (uint64_t)wait_ms * 1000;
    int n_looks = 0;
    while (status == FM_PIPELINE_WAITING && fm_clock_us() < until_us) {
        if (can_claim(p) && p->n_active < p->n_threads) {
            fill_next(p, p->n_threads);
        } else if (p->eager && n_looks < N_LOOKS) {
            fm_mutex_unlock(&p->mutex);
            fm_pause_us();
            fm_mutex_lock(&p->mutex);
            n_looks++;
        } else {
            p->n_waiting++;
            wake_worker(p);
            fm_cond_wait_ms(&p->ready, &p->mutex, wait_ms);
            p->n_waiting--;
            return take_status(p, ticket);
        }
        status = take_status(p, ticket);
    }
    return status;
}

enum fm_status fm_pipeline_take(struct fm_pipeline *p, uint64_t ticket,
                                unsigned wait_ms, struct fm_slot **slot,
                                uint64_t *index, uint64_t *n_rows)
{
    if (fm_pipeline_forked(p)) /* nothing changes `running` any more */
        return is_running(p, ticket) ? FM_PIPELINE_FORKED : FM_PIPELINE_FINISHED;
    fm_mutex_lock(&p->mutex);
    p->eager = fm_clock_us() - p->left_us < EAGER_US;
    enum fm_status status = take_status(p, ticket);
    if (status == FM_PIPELINE_WAITING)
        status = is_filling(p) ? FM_PIPELINE_FILLING : await(p, ticket, wait_ms);
    if (status == FM_OK)
        status = is_damaged(p) ? FM_PIPELINE_DAMAGED : lend(p, slot, index, n_rows);
    if (status == FM_PIPELINE_FINISHED && is_running(p, ticket))
        p->is_over = 1;
    p->left_us = fm_clock_us();
    fm_mutex_unlock(&p->mutex);
    return status;
}

/* Free what is left of a closed pipeline. */
static void destroy(struct fm_pipeline *p)
{
    fm_mutex_destroy(&p->mutex);
    fm_cond_destroy(&p->work);
    fm_cond_destroy(&p->ready);
    fm_cond_destroy(&p->quiet);
    free_parts(p);
}

void fm_pipeline_give(struct fm_pipeline *p, struct fm_slot *slot)
{
    if (fm_pipeline_forked(p)) /* the slot belongs to the parent's pipeline */
        return;
    fm_mutex_lock(&p->mutex);
    p->slots.n_lent--;
    const uint64_t n_unlent = p->slots.n_slots - p->slots.n_lent;
    const int is_spare = n_unlent > p->window + SPARE_SLOTS && !p->slots.are_supplied;
    if (p->phase != OPEN || is_spare)
        fm_slots_drop(&p->slots, slot);
    else
        fm_slots_push(&p->slots, slot);
    const int is_last = p->is_abandoned && p->slots.n_lent == 0;
    fm_mutex_unlock(&p->mutex);
    if (is_last)
        destroy(p);
}

void fm_pipeline_cancel(struct fm_pipeline *p, uint64_t ticket)
{
    if (fm_pipeline_forked(p))
        return;
    fm_mutex_lock(&p->mutex);
    if (p->ticket == ticket && is_filling(p))
        stop_epoch(p); /* the next start does the rest */
    else if (p->ticket == ticket)
        drop_epoch(p);
    fm_mutex_unlock(&p->mutex);
}

enum fm_status fm_pipeline_close(struct fm_pipeline *p)
{
    if (fm_pipeline_forked(p))
        return FM_OK;
    fm_mutex_lock(&p->mutex);
    if (is_filling(p)) {
        stop_epoch(p);
        fm_mutex_unlock(&p->mutex);
        return FM_PIPELINE_FILLING;
    }
    if (p->phase == OPEN) {
        p->phase = CLOSING; /* no thread starts from here on */
        p->is_interrupted = p->running;
        drop_epoch(p);
        fm_cond_wake_all(&p->work);
        fm_mutex_unlock(&p->mutex);
        for (int i = 0; i < p->n_started; i++)
            fm_thread_join(p->workers[i].thread);
        fm_mutex_lock(&p->mutex);
        fm_slots_drop_free(&p->slots);
        p->phase = CLOSED;
        fm_cond_wake_all(&p->quiet);
    }
    while (p->phase != CLOSED)
        fm_cond_wait(&p->quiet, &p->mutex);
    fm_mutex_unlock(&p->mutex);
    return FM_OK;
}

enum fm_status fm_pipeline_free(struct fm_pipeline *p)
{
    if (fm_pipeline_forked(p)) /* the mutex may be locked forever */
        return FM_OK;
    const enum fm_status status = fm_pipeline_close(p);
    if (status != FM_OK)
        return status;
    fm_mutex_lock(&p->mutex);
    p->is_abandoned = 1;
    const int is_last = p->slots.n_lent == 0;
    fm_mutex_unlock(&p->mutex);
    if (is_last)
        destroy(p);
    return FM_OK;
}

void fm_pipeline_inspect(struct fm_pipeline *p, struct fm_pipeline_state *out)
{
    const int is_forked = fm_pipeline_forked(p); /* then nothing changes any more */
    if (!is_forked)
        fm_mutex_lock(&p->mutex);
    out->ticket = p->ticket;
    out->n_taken = p->taken;
    out->is_running = p->running;
    out->is_over = p->is_over;
    out->is_closed = p->phase != OPEN;
    out->n_threads = p->n_started;
    out->n_lent = p->slots.n_lent;
    out->slots_nbytes = p->slots.n_slots * p->slots.slot_nbytes;
    if (!is_forked)
        fm_mutex_unlock(&p->mutex);
}

uint64_t fm_pipeline_window(const struct fm_pipeline *p)
{
    return p->window;
}
