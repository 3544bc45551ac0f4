/* The threads that pipelines share, and the queue of clients that have requests; pool.h
   has the contract. Two mutexes guard them. `use` is held while threads are started or
   joined. `mutex` is held for a few instructions, when a worker is asked for, comes or
   goes. A client locks its own mutex before these two. */
#define _GNU_SOURCE /* pthread_condattr_setclock */

#include "pool.h"

#include <string.h>

#include "cpu.h"
#include "slots.h"
#include "thread.h"

struct scratch {
    void *memory;
    size_t nbytes;
};

/* A worker never allocates or frees memory. The first time, the C library would reserve
   64 MiB of addresses for its thread. */
struct worker {
    int number; /* from 1 */
    fm_thread thread;
    size_t scratch_nbytes;  /* of the larger one; guarded by `use` */
    struct scratch scratch; /* in use by the worker */
    struct scratch other;   /* larger scratch to change to, or what was in use before */
};

static struct fm_pool {
    fm_thread_mutex use; /* guards the next four */
    int n_users;
    int n_threads;
    size_t scratch_nbytes; /* the most that was asked for */
    struct worker workers[FM_POOL_MAX_THREADS];

    fm_thread_mutex mutex; /* guards the others, and scratch of workers */
    fm_thread_cond work;   /* for workers: there are requests, or the pool ends */
    struct fm_pool_client *first, *last; /* clients that have requests */
    int n_requests;
    int n_sleeping; /* workers asleep, also those that were just woken */
    int is_ending;
    fm_cpu_shared is_short; /* n_requests > n_sleeping; read without the mutex */
} pool;

static unsigned n_forks;

/* Make the pool empty. A thread of the parent may have held the mutexes. */
static void reset(void)
{
    pool.n_users = pool.n_threads = 0;
    pool.scratch_nbytes = 0;
    pool.first = pool.last = NULL;
    pool.n_requests = pool.n_sleeping = pool.is_ending = 0;
    FM_CPU_STORE(pool.is_short, 0);
    fm_thread_mutex_init(&pool.use);
    fm_thread_mutex_init(&pool.mutex);
    fm_thread_cond_init(&pool.work);
}

static void begin_child(void)
{
    n_forks++;
    reset();
}

void fm_pool_setup(void)
{
    reset();
    fm_thread_at_fork(begin_child);
}

unsigned fm_pool_fork_count(void)
{
    return n_forks;
}

/* ---- requests ------------------------------------------------------------------- */

/* With the mutex held, after a change of n_requests or n_sleeping. */
static void note_shortage(void)
{
    FM_CPU_STORE(pool.is_short, pool.n_requests > pool.n_sleeping);
}

int fm_pool_is_short(void)
{
    return FM_CPU_LOAD(pool.is_short);
}

static void append(struct fm_pool_client *client)
{
    client->next = NULL;
    if (pool.first == NULL)
        pool.first = client;
    else
        pool.last->next = client;
    pool.last = client;
}

void fm_pool_request(struct fm_pool_client *client)
{
    fm_thread_lock(&pool.mutex);
    if (client->n_requests++ == 0)
        append(client);
    pool.n_requests++;
    note_shortage();
    const int has_sleeper = pool.n_requests <= pool.n_sleeping;
    fm_thread_unlock(&pool.mutex);
    if (has_sleeper) /* with the mutex held, the worker would sleep again to get it */
        fm_thread_wake_one(&pool.work);
}

int fm_pool_withdraw(struct fm_pool_client *client)
{
    fm_thread_lock(&pool.mutex);
    const int n_requests = client->n_requests;
    if (n_requests > 0) {
        struct fm_pool_client *before = NULL, *at = pool.first;
        for (; at != client; at = at->next)
            before = at;
        *(before ? &before->next : &pool.first) = client->next;
        if (pool.last == client)
            pool.last = before;
        client->n_requests = 0;
        pool.n_requests -= n_requests;
        note_shortage();
    }
    fm_thread_unlock(&pool.mutex);
    return n_requests;
}

/* With the mutex held: take a request. Its client goes to the end of the queue if it
   has more.
   Not checked: there is a request. */
static struct fm_pool_client *pop_request(void)
{
    struct fm_pool_client *client = pool.first;
    pool.first = client->next;
    if (--client->n_requests > 0)
        append(client);
    pool.n_requests--;
    note_shortage();
    return client;
}

/* ---- workers -------------------------------------------------------------------- */

/* With the mutex held: return the worker's scratch, or NULL if it has less than
   `nbytes` bytes. */
static void *scratch_of(struct worker *worker, size_t nbytes)
{
    if (worker->other.nbytes > worker->scratch.nbytes) {
        const struct scratch smaller = worker->scratch;
        worker->scratch = worker->other;
        worker->other = smaller;
    }
    return worker->scratch.nbytes < nbytes ? NULL : worker->scratch.memory;
}

/* The loop of a worker: serve requests until the pool ends. */
static void serve(struct worker *worker)
{
    fm_thread_lock(&pool.mutex);
    for (;;) {
        while (pool.n_requests == 0 && !pool.is_ending) {
            pool.n_sleeping++;
            fm_thread_wait(&pool.work, &pool.mutex);
            pool.n_sleeping--;
        }
        if (pool.n_requests == 0)
            break;
        struct fm_pool_client *client = pop_request();
        void *scratch = scratch_of(worker, client->scratch_nbytes);
        fm_thread_unlock(&pool.mutex);
        client->work(client, worker->number, scratch);
        fm_thread_lock(&pool.mutex);
    }
    fm_thread_unlock(&pool.mutex);
}

FM_THREAD_MAIN(worker_main, argument)
{
    serve((struct worker *)argument);
    FM_THREAD_RETURN;
}

void fm_pool_acquire(void)
{
    fm_thread_lock(&pool.use);
    pool.n_users++;
    fm_thread_unlock(&pool.use);
}

/* With `use` held: let a worker have enough scratch from its next request on. If memory
   is short, the next epoch tries again. */
static void reserve_scratch(struct worker *worker)
{
    struct scratch larger = {.memory = NULL, .nbytes = pool.scratch_nbytes};
    if (worker->scratch_nbytes >= larger.nbytes)
        return;
    larger.memory = fm_slots_memory_new(larger.nbytes);
    if (larger.memory == NULL)
        return;
    worker->scratch_nbytes = larger.nbytes;
    fm_thread_lock(&pool.mutex);
    void *unused = worker->other.memory;
    worker->other = larger;
    fm_thread_unlock(&pool.mutex);
    fm_slots_memory_free(unused);
}

/* With `use` held: start a thread, and return whether the system did. */
static int start_thread(void)
{
    struct worker *worker = &pool.workers[pool.n_threads];
    memset(worker, 0, sizeof *worker);
    worker->number = pool.n_threads + 1;
    reserve_scratch(worker); /* first, because a request may wait for the thread */
    if (!fm_thread_start(&worker->thread, worker_main, worker)) {
        fm_slots_memory_free(worker->other.memory);
        return 0;
    }
    pool.n_threads++;
    return 1;
}

int fm_pool_start(int n_threads, size_t scratch_nbytes)
{
    fm_thread_lock(&pool.use);
    if (pool.scratch_nbytes < scratch_nbytes)
        pool.scratch_nbytes = scratch_nbytes;
    while (pool.n_threads < n_threads && pool.n_threads < FM_POOL_MAX_THREADS)
        if (!start_thread())
            break;
    for (int i = 0; i < pool.n_threads; i++)
        reserve_scratch(&pool.workers[i]);
    const int n_started = pool.n_threads < n_threads ? pool.n_threads : n_threads;
    fm_thread_unlock(&pool.use);
    return n_started;
}

/* With `use` held, and nobody who uses the pool: join all threads. */
static void join_all(void)
{
    fm_thread_lock(&pool.mutex);
    pool.is_ending = 1;
    fm_thread_wake_all(&pool.work);
    fm_thread_unlock(&pool.mutex);
    while (pool.n_threads > 0) {
        struct worker *worker = &pool.workers[--pool.n_threads];
        fm_thread_join(worker->thread);
        fm_slots_memory_free(worker->scratch.memory);
        fm_slots_memory_free(worker->other.memory);
    }
    pool.scratch_nbytes = 0;
    pool.is_ending = 0;
}

void fm_pool_release(void)
{
    fm_thread_lock(&pool.use);
    if (--pool.n_users == 0)
        join_all();
    fm_thread_unlock(&pool.use);
}
