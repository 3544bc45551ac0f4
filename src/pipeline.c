/* How workers and the consumer fill a window together; pipeline.h has the contract. One
   mutex guards everything, and is never held while a row is filled.

   Waking a sleeping thread costs the waker 3 to 10 us and the sleeper 25 us, measured
   in virtual machines. This was half of the time to fill a batch. So a consumer whose
   batch isn't ready does not sleep. It fills rows itself, as one of the n_threads. And
   workers are only woken when half of the window is free.

   A pipeline outlives fm_pipeline_free while slots are lent, so that an array can keep
   its slot without keeping what the pipeline reads: see Lease in
   binding/batches.pxi. */
#define _GNU_SOURCE /* pthread_condattr_setclock */

#include "pipeline.h"

#include <stdlib.h>

#include "fillers.h"
#include "pool.h"
#include "thread.h"
#include "window.h"

/* A consumer that returns sooner than this is treated as busy-waiting (`eager` below):
   it does nothing except take batches, and counts as one of the threads that fill. */
#define EAGER_NS 30000

/* How often an eager consumer checks again, about 1 us apart, before it sleeps. */
#define N_LOOKS 30

/* The number of consumers, as threads that fill. Workers count from 1. */
#define CONSUMER 0

enum phase { OPEN, CLOSING, CLOSED };

/* Members that change with every batch are not on a cache line of the window's job,
   which threads read for every row. There they made an epoch 2 % longer. */
struct fm_pipeline {
    struct fm_pool_client client; /* the first member: work() casts it back */
    fm_thread_mutex mutex;
    fm_thread_cond ready; /* for the consumer: the next batch is ready, or closed */
    fm_thread_cond quiet; /* no thread is filling, no worker is left, or CLOSED */
    struct fm_fillers active; /* threads that are filling */
    int n_workers;            /* requested, or in work() */
    int n_waiting;            /* consumers asleep */
    int eager;                /* the consumer counts as one of the threads that fill */
    struct fm_times times; /* of the newest epoch */
    uint64_t left_ns;      /* when the consumer last left */
    int n_threads;         /* most threads that may fill at once */
    int n_available;       /* workers that the system allowed of these */
    enum phase phase;      /* CLOSED: no worker comes any more */
    int uses_pool;         /* from the first start on */
    int is_abandoned;      /* the owner is gone, and only lent slots remain */
    unsigned fork_count;   /* fm_pool_fork_count of the process that it belongs to */
    uint64_t ticket;       /* number of starts, which identifies the epoch */
    int is_over;           /* a consumer was told that all batches are taken */
    int is_interrupted;    /* the epoch was running when the pipeline was closed */
    struct fm_window window;
};

/* ---- filling -------------------------------------------------------------------- */

/* With the mutex held, which is released while filling: claim a piece and fill it. This
   counts as filling since *now_ns, and *now_ns becomes the time at the end. */
static void fill_next(struct fm_pipeline *p, int number, void *scratch,
                      uint64_t *now_ns)
{
    const struct fm_window_piece piece = fm_window_claim(&p->window, number);
    struct fm_filler own;
    fm_fillers_enter(&p->active, &own);
    fm_thread_unlock(&p->mutex);
    fm_window_fill(&p->window, &piece, scratch);
    const uint64_t end_ns = fm_thread_clock_ns();
    fm_thread_lock(&p->mutex);
    p->times.filled_ns += end_ns - *now_ns;
    *now_ns = end_ns;
    fm_fillers_leave(&p->active, &own);
    fm_window_finish(&p->window, &piece);
    if (p->n_waiting && fm_window_is_ready(&p->window))
        fm_thread_wake_one(&p->ready);
    if (p->active.n == 0 && !p->window.is_running)
        fm_thread_wake_all(&p->quiet);
}

/* ---- workers -------------------------------------------------------------------- */

/* Return the number of workers above the limit; it is negative below it. An eager
   consumer takes one of the n_threads places, except while it sleeps and so depends on
   the workers. */
static int n_surplus(const struct fm_pipeline *p)
{
    return p->n_workers - (p->n_threads - (p->eager && p->n_waiting == 0));
}

/* Request a worker if another one may fill, has work, and half of the window is
   free. */
static void wake_worker(struct fm_pipeline *p)
{
    const uint64_t in_flight = p->window.claimed - p->window.taken;
    if (p->n_workers < p->n_available && n_surplus(p) < 0 &&
        fm_window_can_claim(&p->window) && 2 * in_flight <= p->window.size) {
        p->n_workers++;
        fm_pool_request(&p->client);
    }
}

static int has_work(const struct fm_pipeline *p)
{
    return p->phase == OPEN && fm_window_can_claim(&p->window) && n_surplus(p) <= 0;
}

/* In a worker: fill pieces until there are no more, or another pipeline waits for a
   worker. Then this pipeline takes its turn behind it. */
static void work(struct fm_pool_client *client, int worker, void *scratch)
{
    struct fm_pipeline *p = (struct fm_pipeline *)client;
    const int has_scratch = scratch != NULL || client->scratch_nbytes == 0;
    int is_requested = 0;
    uint64_t now_ns = fm_thread_clock_ns();
    fm_thread_lock(&p->mutex);
    while (has_scratch && !is_requested && has_work(p)) {
        wake_worker(p);
        fill_next(p, worker, scratch, &now_ns);
        is_requested = fm_pool_is_short() && has_work(p);
    }
    if (is_requested) {
        fm_pool_request(client);
        if (p->n_waiting) /* a consumer can do what this worker leaves */
            fm_thread_wake_one(&p->ready);
    } else if (--p->n_workers == 0 && p->phase != OPEN) {
        fm_thread_wake_all(&p->quiet);
    }
    fm_thread_unlock(&p->mutex);
}

/* ---- beginning and ending ------------------------------------------------------- */

void fm_pipeline_setup(void)
{
    fm_pool_setup();
}

int fm_pipeline_forked(const struct fm_pipeline *p)
{
    return p->fork_count != fm_pool_fork_count();
}

struct fm_pipeline *fm_pipeline_new(const struct fm_job *job, int n_threads,
                                    uint64_t prefetch, void *const *memories,
                                    uint64_t n_memories)
{
    struct fm_pipeline *p = (struct fm_pipeline *)calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    if (fm_window_init(&p->window, job, n_threads, prefetch, memories,
                       n_memories) != FM_OK) {
        fm_window_destroy(&p->window);
        free(p);
        return NULL;
    }
    p->n_threads = n_threads;
    p->client.work = work;
    p->client.scratch_nbytes = p->window.scratch_nbytes;
    p->fork_count = fm_pool_fork_count();
    fm_thread_mutex_init(&p->mutex);
    fm_thread_cond_init(&p->ready);
    fm_thread_cond_init(&p->quiet);
    return p;
}

/* Free what is left of a closed pipeline. */
static void destroy(struct fm_pipeline *p)
{
    fm_thread_mutex_destroy(&p->mutex);
    fm_thread_cond_destroy(&p->ready);
    fm_thread_cond_destroy(&p->quiet);
    fm_window_destroy(&p->window);
    free(p);
}

/* With the mutex held: let no thread begin to fill more of this epoch. */
static void stop_epoch(struct fm_pipeline *p)
{
    p->window.is_running = 0;
    fm_thread_wake_all(&p->ready); /* consumers in other threads get no more batches */
}

/* With the mutex held: end the epoch, wait until no thread is filling, and put the
   filled slots back into the free list. Return 0 if another thread has begun the next
   epoch in the meantime. */
static int drop_epoch(struct fm_pipeline *p)
{
    const uint64_t ticket = p->ticket;
    stop_epoch(p);
    while (p->active.n > 0 && p->ticket == ticket)
        fm_thread_wait(&p->quiet, &p->mutex);
    if (p->ticket != ticket)
        return 0;
    fm_window_drop(&p->window);
    return 1;
}

enum fm_status fm_pipeline_start(struct fm_pipeline *p, const struct fm_epoch *epoch,
                                 const struct fm_batching *batching, uint64_t *ticket)
{
    if (fm_pipeline_forked(p))
        return FM_PIPELINE_FORKED;
    fm_thread_lock(&p->mutex);
    const int is_filling = fm_fillers_has_self(&p->active);
    enum fm_status status = is_filling ? FM_PIPELINE_FILLING : FM_OK;
    while (status == FM_OK && !drop_epoch(p))
        ;
    if (status == FM_OK && p->phase != OPEN)
        status = FM_PIPELINE_CLOSED;
    if (status == FM_OK) {
        *ticket = ++p->ticket;
        p->is_over = 0;
        fm_times_begin(&p->times);
        status = fm_window_start(&p->window, epoch, batching);
    }
    if (status == FM_OK) {
        if (!p->uses_pool)
            fm_pool_acquire();
        p->uses_pool = 1;
        /* If the system refuses threads, the others and the consumer do the work, and
           the next epoch tries again. */
        p->n_available = fm_pool_start(p->n_threads, p->client.scratch_nbytes);
        p->window.is_running = 1;
        wake_worker(p);
    }
    fm_thread_unlock(&p->mutex);
    return status;
}

void fm_pipeline_cancel(struct fm_pipeline *p, uint64_t ticket)
{
    if (fm_pipeline_forked(p))
        return;
    fm_thread_lock(&p->mutex);
    if (p->ticket == ticket && fm_fillers_has_self(&p->active))
        stop_epoch(p); /* the next start does the rest */
    else if (p->ticket == ticket)
        drop_epoch(p);
    fm_thread_unlock(&p->mutex);
}

/* With the mutex held: end the epoch, wait until no worker is left, and leave the pool.
   In another pipeline, a worker may call this inside a C function of the user. Then the
   other one uses the pool too, so that no worker joins itself: see fm_pool_release. */
static void leave_pool(struct fm_pipeline *p)
{
    p->phase = CLOSING; /* nothing starts from here on */
    p->is_interrupted = p->window.is_running;
    drop_epoch(p);
    p->n_workers -= fm_pool_withdraw(&p->client);
    while (p->n_workers > 0)
        fm_thread_wait(&p->quiet, &p->mutex);
    if (p->uses_pool) {
        fm_thread_unlock(&p->mutex);
        fm_pool_release();
        fm_thread_lock(&p->mutex);
    }
}

enum fm_status fm_pipeline_close(struct fm_pipeline *p)
{
    if (fm_pipeline_forked(p))
        return FM_OK;
    fm_thread_lock(&p->mutex);
    if (fm_fillers_has_self(&p->active)) {
        stop_epoch(p);
        fm_thread_unlock(&p->mutex);
        return FM_PIPELINE_FILLING;
    }
    if (p->phase == OPEN) {
        leave_pool(p);
        fm_window_close(&p->window);
        p->phase = CLOSED;
        fm_thread_wake_all(&p->quiet);
    }
    while (p->phase != CLOSED)
        fm_thread_wait(&p->quiet, &p->mutex);
    fm_thread_unlock(&p->mutex);
    return FM_OK;
}

enum fm_status fm_pipeline_free(struct fm_pipeline *p)
{
    if (fm_pipeline_forked(p)) /* the mutex may be locked forever */
        return FM_OK;
    const enum fm_status status = fm_pipeline_close(p);
    if (status != FM_OK)
        return status;
    fm_thread_lock(&p->mutex);
    p->is_abandoned = 1;
    const int is_last = p->window.slots.n_lent == 0;
    fm_thread_unlock(&p->mutex);
    if (is_last)
        destroy(p);
    return FM_OK;
}

/* ---- taking and giving ---------------------------------------------------------- */

/* Return whether the epoch of `ticket` gives batches. */
static int is_running(const struct fm_pipeline *p, uint64_t ticket)
{
    return p->window.is_running && p->ticket == ticket;
}

/* With the mutex held: return FM_OK if the next batch can be lent, or why it can't. */
static enum fm_status take_status(const struct fm_pipeline *p, uint64_t ticket)
{
    if (!is_running(p, ticket))
        return p->is_interrupted && p->ticket == ticket ? FM_PIPELINE_CLOSED
                                                        : FM_PIPELINE_FINISHED;
    if (p->window.taken == p->window.n_batches)
        return FM_PIPELINE_FINISHED;
    return fm_window_is_ready(&p->window) ? FM_OK : FM_PIPELINE_WAITING;
}

/* With the mutex held: fill_next in a consumer. Return 0 if no piece can be claimed, if
   enough threads are filling, or if only they have scratch. */
static int fill_in_consumer(struct fm_pipeline *p, uint64_t *now_ns)
{
    void *scratch = NULL;
    if (!fm_window_can_claim(&p->window) || p->active.n >= p->n_threads ||
        !fm_window_pop_scratch(&p->window, &scratch))
        return 0;
    fill_next(p, CONSUMER, scratch, now_ns);
    fm_window_push_scratch(&p->window, scratch);
    return 1;
}

/* With the mutex held, at the time now_ns: fill, then check again, and finally sleep
   until the next batch is ready. */
static enum fm_status await(struct fm_pipeline *p, uint64_t ticket, unsigned wait_ms,
                            uint64_t now_ns)
{
    enum fm_status status = FM_PIPELINE_WAITING;
    const uint64_t until_ns = now_ns + (uint64_t)wait_ms * 1000000;
    int n_looks = 0;
    while (status == FM_PIPELINE_WAITING && now_ns < until_ns) {
        const int has_filled = fill_in_consumer(p, &now_ns);
        if (!has_filled && p->eager && n_looks++ < N_LOOKS) {
            fm_thread_unlock(&p->mutex);
            fm_thread_pause_us();
            now_ns = fm_thread_clock_ns();
            fm_thread_lock(&p->mutex);
        } else if (!has_filled) {
            p->n_waiting++;
            wake_worker(p);
            fm_thread_wait_ms(&p->ready, &p->mutex, wait_ms);
            p->n_waiting--;
            return take_status(p, ticket);
        }
        status = take_status(p, ticket);
    }
    return status;
}

/* With the mutex held and the next batch ready: lend it to the consumer. */
static enum fm_status lend(struct fm_pipeline *p, struct fm_slot **slot,
                           uint64_t *batch, uint64_t *n_rows)
{
    const enum fm_status status = fm_window_lend(&p->window, slot, batch, n_rows);
    if (status != FM_OK)
        return status;
    wake_worker(p);
    if (p->window.taken == p->window.n_batches)
        fm_thread_wake_all(&p->ready); /* no batch follows for the other consumers */
    else if (p->n_waiting && fm_window_is_ready(&p->window))
        fm_thread_wake_one(&p->ready);
    return FM_OK;
}

enum fm_status fm_pipeline_take(struct fm_pipeline *p, uint64_t ticket,
                                unsigned wait_ms, struct fm_slot **slot,
                                uint64_t *batch, uint64_t *n_rows)
{
    if (fm_pipeline_forked(p)) /* nothing changes is_running any more */
        return is_running(p, ticket) ? FM_PIPELINE_FORKED : FM_PIPELINE_FINISHED;
    fm_thread_lock(&p->mutex);
    const uint64_t now_ns = fm_thread_clock_ns();
    p->eager = now_ns - p->left_ns < EAGER_NS;
    enum fm_status status = take_status(p, ticket);
    if (status == FM_PIPELINE_WAITING) {
        status = fm_fillers_has_self(&p->active) ? FM_PIPELINE_FILLING
                                               : await(p, ticket, wait_ms, now_ns);
        p->times.is_late |= is_running(p, ticket);
    }
    if (status == FM_OK && fm_window_is_damaged(&p->window))
        status = FM_PIPELINE_DAMAGED;
    else if (status == FM_OK)
        status = lend(p, slot, batch, n_rows);
    p->left_ns = fm_thread_clock_ns();
    if (is_running(p, ticket)) {
        p->is_over |= status == FM_PIPELINE_FINISHED;
        fm_times_add_request(&p->times, now_ns, p->left_ns, status == FM_OK);
    }
    fm_thread_unlock(&p->mutex);
    return status;
}

void fm_pipeline_count_wait(struct fm_pipeline *p, uint64_t ticket, uint64_t wait_ns)
{
    if (fm_pipeline_forked(p))
        return;
    fm_thread_lock(&p->mutex);
    if (p->ticket == ticket)
        fm_times_add_wait(&p->times, wait_ns, fm_thread_clock_ns());
    fm_thread_unlock(&p->mutex);
}

void fm_pipeline_give(struct fm_pipeline *p, struct fm_slot *slot)
{
    if (fm_pipeline_forked(p)) /* the slot belongs to the parent's pipeline */
        return;
    fm_thread_lock(&p->mutex);
    fm_window_give(&p->window, slot, p->phase != OPEN);
    const int is_last = p->is_abandoned && p->window.slots.n_lent == 0;
    fm_thread_unlock(&p->mutex);
    if (is_last)
        destroy(p);
}

/* ---- inspecting ----------------------------------------------------------------- */

void fm_pipeline_inspect(struct fm_pipeline *p, struct fm_pipeline_state *out)
{
    const int is_forked = fm_pipeline_forked(p); /* then nothing changes any more */
    if (!is_forked)
        fm_thread_lock(&p->mutex);
    out->ticket = p->ticket;
    out->n_taken = p->window.taken;
    out->is_running = p->window.is_running;
    out->is_over = p->is_over;
    out->is_closed = p->phase != OPEN;
    out->n_threads = p->n_available;
    out->times = p->times;
    out->n_lent = p->window.slots.n_lent;
    out->slots_nbytes = p->window.slots.n_slots * p->window.slots.slot_nbytes;
    if (!is_forked)
        fm_thread_unlock(&p->mutex);
}

uint64_t fm_pipeline_window(const struct fm_pipeline *p)
{
    return p->window.size;
}
