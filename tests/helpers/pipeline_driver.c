/* A program that uses pipelines from several threads, without Python. Built with
   sanitizers, it finds races and wrong accesses (tests/test_pipeline_driver.py).

       pipeline_driver ROUNDS

   All batches are checked. The exit code is 0 if nothing is wrong. */
#define _GNU_SOURCE /* for thread.h */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"
#include "filemap.h"
#include "pipeline.h"
#include "pool.h"
#include "thread.h"

#define N_IMAGES 1000
#define IMAGE_NBYTES 784
#define MAX_THREADS 8
#define WAIT_MS 20
#define PAGES_NBYTES 81920 /* whole pages of 4 or 16 KiB */

#define CHECK(condition)                                                              \
    do {                                                                              \
        if (!(condition)) {                                                           \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);           \
            abort();                                                                  \
        }                                                                             \
    } while (0)

/* To ThreadSanitizer, mmap is a write. In faults.c, other threads may read meanwhile:
   they get the old bytes, a fault, or zeros. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:give_zeros\nrace:rearm\n";
}

/* It needs a long history to know by which function the bytes were written. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "history_size=7";
}

static uint8_t images[N_IMAGES * IMAGE_NBYTES], inverted[N_IMAGES * IMAGE_NBYTES];
static int32_t labels[N_IMAGES];
static uint64_t begins[2] = {0, N_IMAGES};
static const uint8_t *parts[1] = {images};

static void fill_dataset(void)
{
    for (int i = 0; i < N_IMAGES; i++) {
        labels[i] = i;
        for (int k = 0; k < IMAGE_NBYTES; k++) {
            images[i * IMAGE_NBYTES + k] = (uint8_t)(i * 7 + k);
            inverted[i * IMAGE_NBYTES + k] = (uint8_t)(255 - (i * 7 + k));
        }
    }
}

/* A program that inverts images, in a group. */
#define N_TRANSFORMS 2
static uint64_t program[1024];

/* Make the program somewhere else, copy its bytes, and overwrite the original. A pointer
   in the program would then point to nothing. Members that are not given are 0xFF. */
static void make_program(void)
{
    const size_t nbytes = fm_program_nbytes(N_TRANSFORMS);
    struct fm_program *original = (struct fm_program *)malloc(nbytes);
    CHECK(original != NULL && nbytes <= sizeof program);
    memset(original, 0xFF, nbytes);
    struct fm_transform *transforms = (struct fm_transform *)(original + 1);
    for (int i = 0; i < N_TRANSFORMS; i++) {
        transforms[i].kind = i == 0 ? FM_TRANSFORM_GROUP : FM_TRANSFORM_TONE;
        transforms[i].n_inner = i == 0;
        transforms[i].threshold = (uint64_t)1 << 32;
    }
    memset(&transforms[1].tone, 0, sizeof transforms[1].tone);
    transforms[1].tone.kind = FM_TONE_INVERT;
    original->in.height = original->in.width = 28;
    original->in.channels = 1;
    original->out = original->in;
    original->dtype = FM_UINT8;
    original->label_dtype = FM_LABEL_INT64;
    original->n_transforms = N_TRANSFORMS;
    original->mix.n_kinds = 0;
    fm_program_prepare(original);
    memcpy(program, original, nbytes);
    memset(original, 0xFF, nbytes);
    free(original);
}

static struct fm_pipeline *new_pipeline(uint64_t batch_size, int n_threads)
{
    struct fm_job job = {.source = {.images = {1, begins, parts, IMAGE_NBYTES},
                                    .labels = labels,
                                    .label_dtype = FM_LABEL_INT32},
                         .program = (const struct fm_program *)program};
    CHECK(fm_batch_prepare(&job, batch_size, fm_cpu_detect(), NULL) == FM_OK);
    struct fm_pipeline *p = fm_pipeline_new(&job, n_threads, 4, NULL, 0);
    CHECK(p != NULL);
    return p;
}

static enum fm_status start(struct fm_pipeline *p, uint64_t batch_size,
                            uint64_t *ticket)
{
    struct fm_epoch epoch = {.seed = 0, .number = 0};
    const struct fm_batching batching = {0, N_IMAGES, batch_size, 0, 1, FM_LAST_SHORT};
    fm_sampler_init(&epoch.sampler, FM_SAMPLER_PLAIN, N_IMAGES, 0, 0, 0);
    return fm_pipeline_start(p, &epoch, &batching, ticket);
}

static void check_batch(const struct fm_slot *slot, uint64_t batch_size, uint64_t first,
                        uint64_t n_rows)
{
    const uint64_t row_nbytes[FM_N_FIELDS] = {IMAGE_NBYTES, 8};
    struct fm_record record;
    CHECK(fm_record_init(&record, batch_size, row_nbytes) == FM_OK);
    for (uint64_t i = 0; i < n_rows; i++) {
        int64_t label;
        memcpy(&label, fm_record_row(&record, FM_FIELD_LABELS, i, slot->memory), 8);
        CHECK(label == (int64_t)(first + i));
    }
    CHECK(memcmp(fm_record_row(&record, FM_FIELD_IMAGES, 0, slot->memory),
                 inverted + first * IMAGE_NBYTES, (size_t)n_rows * IMAGE_NBYTES) == 0);
}

/* A consumer: the epoch from which it takes batches, and its rows so far. */
struct consumer {
    struct fm_pipeline *pipeline;
    uint64_t batch_size, ticket;
    int n_rounds;
    uint64_t n_rows;
    fm_thread thread;
};

/* Take batches until at most `most` were taken or the epoch ends. */
static enum fm_status take_batches(struct consumer *c, int most)
{
    struct fm_slot *slot;
    uint64_t index, n_rows;
    enum fm_status status = FM_OK;
    for (int i = 0; i < most; i++) {
        do
            status = fm_pipeline_take(c->pipeline, c->ticket, WAIT_MS, &slot, &index,
                                      &n_rows);
        while (status == FM_PIPELINE_WAITING);
        if (status != FM_OK)
            return status;
        check_batch(slot, c->batch_size, index * c->batch_size, n_rows);
        c->n_rows += n_rows;
        fm_pipeline_give(c->pipeline, slot);
    }
    return status;
}

FM_THREAD_MAIN(take_all, argument)
{
    struct consumer *c = (struct consumer *)argument;
    CHECK(take_batches(c, N_IMAGES + 1) == FM_PIPELINE_FINISHED);
    FM_THREAD_RETURN;
}

/* Start epochs that other threads end, and take some of their batches. */
FM_THREAD_MAIN(start_many, argument)
{
    struct consumer *c = (struct consumer *)argument;
    for (int i = 0; i < c->n_rounds; i++) {
        CHECK(start(c->pipeline, c->batch_size, &c->ticket) == FM_OK);
        take_batches(c, i % 7);
        if (i % 3 == 0)
            fm_pipeline_cancel(c->pipeline, c->ticket);
    }
    FM_THREAD_RETURN;
}

FM_THREAD_MAIN(close_it, argument)
{
    struct consumer *c = (struct consumer *)argument;
    struct fm_pipeline_state state;
    take_batches(c, 2);
    fm_pipeline_close(c->pipeline);
    fm_pipeline_inspect(c->pipeline, &state);
    CHECK(state.is_closed && !state.is_running);
    FM_THREAD_RETURN;
}

/* Run `main` in n consumers at once, and return the rows that they took together. With
   one consumer, or without threads, run it in this thread. */
static uint64_t run(fm_thread_main main, const struct consumer *model, int n)
{
    struct consumer consumers[MAX_THREADS];
    uint64_t n_rows = 0;
    for (int i = 0; i < n; i++) {
        consumers[i] = *model;
        if (n == 1 || !FM_THREADS)
            main(&consumers[i]);
        else
            CHECK(fm_thread_start(&consumers[i].thread, main, &consumers[i]));
    }
    for (int i = 0; i < n; i++) {
        if (n > 1 && FM_THREADS)
            fm_thread_join(consumers[i].thread);
        n_rows += consumers[i].n_rows;
    }
    return n_rows;
}

static void test_each_batch_is_taken_once(uint64_t batch_size, int n_threads,
                                          int n_consumers, int n_rounds)
{
    struct consumer model = {.pipeline = new_pipeline(batch_size, n_threads),
                             .batch_size = batch_size};
    struct fm_pipeline_state state;
    for (int i = 0; i < n_rounds; i++) {
        CHECK(start(model.pipeline, batch_size, &model.ticket) == FM_OK);
        CHECK(run(take_all, &model, n_consumers) == N_IMAGES);
        fm_pipeline_inspect(model.pipeline, &state);
        CHECK(state.is_over && state.n_lent == 0);
        CHECK(state.n_taken == (N_IMAGES + batch_size - 1) / batch_size);
    }
    fm_pipeline_free(model.pipeline);
}

static void test_progress_outlives_the_epoch(void)
{
    struct consumer c = {.pipeline = new_pipeline(16, 2), .batch_size = 16};
    struct fm_pipeline_state state;
    CHECK(start(c.pipeline, 16, &c.ticket) == FM_OK);
    CHECK(take_batches(&c, 3) == FM_OK);
    fm_pipeline_cancel(c.pipeline, c.ticket);
    CHECK(take_batches(&c, 1) == FM_PIPELINE_FINISHED);
    fm_pipeline_inspect(c.pipeline, &state);
    CHECK(state.ticket == c.ticket && state.n_taken == 3);
    CHECK(!state.is_running && !state.is_over);
    fm_pipeline_free(c.pipeline);
}

static void test_starts_from_many_threads(uint64_t batch_size, int n_rounds)
{
    struct consumer model = {.pipeline = new_pipeline(batch_size, 2),
                             .batch_size = batch_size,
                             .n_rounds = n_rounds};
    run(start_many, &model, 4);
    CHECK(start(model.pipeline, batch_size, &model.ticket) == FM_OK);
    CHECK(run(take_all, &model, 2) == N_IMAGES); /* no slot was lost */
    fm_pipeline_free(model.pipeline);
}

static void test_closes_from_many_threads(uint64_t batch_size)
{
    struct consumer model = {.pipeline = new_pipeline(batch_size, 2),
                             .batch_size = batch_size};
    uint64_t ticket;
    CHECK(start(model.pipeline, batch_size, &model.ticket) == FM_OK);
    run(close_it, &model, 4);
    CHECK(start(model.pipeline, batch_size, &ticket) == FM_PIPELINE_CLOSED);
    fm_pipeline_free(model.pipeline);
}

FM_THREAD_MAIN(give_back, argument)
{
    void **both = (void **)argument;
    fm_pipeline_give(both[0], both[1]);
    FM_THREAD_RETURN;
}

/* Free a pipeline while its last slots are given back by other threads. */
static void test_slots_outlive_the_pipeline(void)
{
    struct fm_pipeline *p = new_pipeline(10, 2);
    void *lent[4][2];
    uint64_t ticket, index, n_rows;
    fm_thread threads[4];
    CHECK(start(p, 10, &ticket) == FM_OK);
    for (int i = 0; i < 4; i++) {
        struct fm_slot *slot;
        enum fm_status status;
        do
            status = fm_pipeline_take(p, ticket, WAIT_MS, &slot, &index, &n_rows);
        while (status == FM_PIPELINE_WAITING);
        CHECK(status == FM_OK);
        lent[i][0] = p;
        lent[i][1] = slot;
    }
    int n_started = 0;
    for (int i = 0; i < 2; i++)
        n_started += fm_thread_start(&threads[i], give_back, lent[i]);
    fm_pipeline_free(p);
    for (int i = 0; i < n_started; i++)
        fm_thread_join(threads[i]);
    for (int i = n_started; i < 4; i++) {
        check_batch(lent[i][1], 10, (uint64_t)i * 10, 10);
        give_back(lent[i]);
    }
}

/* Make, start and free pipelines, each of which shares the pool with those of other
   threads. Some are the last ones for a moment, and join the threads. */
FM_THREAD_MAIN(use_many, argument)
{
    const int n_rounds = ((struct consumer *)argument)->n_rounds;
    for (int i = 0; i < n_rounds; i++) {
        const uint64_t batch_size = i % 3 == 0 ? 900 : i % 3 == 1 ? 16 : 1;
        struct consumer c = {.pipeline = new_pipeline(batch_size, 1 + i % 4),
                             .batch_size = batch_size};
        CHECK(start(c.pipeline, batch_size, &c.ticket) == FM_OK);
        if (i % 4 == 0)
            CHECK(take_batches(&c, N_IMAGES + 1) == FM_PIPELINE_FINISHED);
        else
            take_batches(&c, i % 5);
        if (i % 5 == 0)
            fm_pipeline_cancel(c.pipeline, c.ticket);
        if (i % 7 == 0)
            CHECK(start(c.pipeline, batch_size, &c.ticket) == FM_OK);
        fm_pipeline_free(c.pipeline);
    }
    FM_THREAD_RETURN;
}

/* Take batches from several pipelines in turns, in one thread. */
static void take_in_turns(int n_rounds)
{
    struct consumer c[3];
    for (int i = 0; i < 3; i++) {
        const struct consumer model = {.pipeline = new_pipeline(16, 1 + i),
                                       .batch_size = 16};
        c[i] = model;
    }
    for (int round = 0; round < n_rounds; round++) {
        for (int i = 0; i < 3; i++) {
            CHECK(start(c[i].pipeline, 16, &c[i].ticket) == FM_OK);
            c[i].n_rows = 0;
        }
        for (int k = 0; k <= N_IMAGES / 16; k++)
            for (int i = 0; i < 3; i++)
                CHECK(take_batches(&c[i], 1) == FM_OK);
        for (int i = 0; i < 3; i++)
            CHECK(c[i].n_rows == N_IMAGES);
    }
    for (int i = 0; i < 3; i++)
        fm_pipeline_free(c[i].pipeline);
}

/* In a child, the parent's pipelines are useless, and new ones get threads. Not under
   sanitizers: their own locks may stay locked in a child that allocates memory. */
static void use_in_child(struct consumer *parents)
{
    uint64_t ticket;
    CHECK(start(parents->pipeline, 16, &ticket) == FM_PIPELINE_FORKED);
    fm_pipeline_cancel(parents->pipeline, parents->ticket);
    fm_pipeline_free(parents->pipeline);
#if !defined __SANITIZE_THREAD__ && !defined __SANITIZE_ADDRESS__
    struct consumer c = {.pipeline = new_pipeline(16, 2), .batch_size = 16};
    CHECK(start(c.pipeline, 16, &c.ticket) == FM_OK);
    CHECK(take_batches(&c, N_IMAGES) == FM_PIPELINE_FINISHED && c.n_rows == N_IMAGES);
    fm_pipeline_free(c.pipeline);
#endif
}

/* Without threads, a child may go on with its parent's pipelines. AddressSanitizer's
   allocator has locks, which a worker may hold in the fork. The child would wait for
   them forever. */
#ifdef __SANITIZE_ADDRESS__
#define CAN_FORK 0
#else
#define CAN_FORK FM_THREADS
#endif

/* Fork while workers fill, and while other threads use the pool. */
FM_THREAD_MAIN(fork_many, argument)
{
    const int n_rounds = ((struct consumer *)argument)->n_rounds;
    for (int i = 0; i < n_rounds; i++) {
        int status;
        struct consumer c = {.pipeline = new_pipeline(16, 2), .batch_size = 16};
        CHECK(start(c.pipeline, 16, &c.ticket) == FM_OK);
        take_batches(&c, i % 4);
        const pid_t child = fork();
        if (child == 0) {
            use_in_child(&c);
            _exit(0);
        }
        CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);
        CHECK(take_batches(&c, N_IMAGES) == FM_PIPELINE_FINISHED);
        CHECK(c.n_rows == N_IMAGES);
        fm_pipeline_free(c.pipeline);
    }
    FM_THREAD_RETURN;
}

/* A client of the pool, and its requests that are not yet served. */
struct counter {
    struct fm_pool_client client; /* the first member: count() casts it back */
    fm_thread_mutex mutex;
    fm_thread_cond none_left;
    int n_left;
};

static void count(struct fm_pool_client *client, int worker, void *scratch)
{
    struct counter *counter = (struct counter *)client;
    CHECK(worker > 0 && scratch != NULL);
    fm_thread_lock(&counter->mutex);
    if (--counter->n_left == 0)
        fm_thread_wake_all(&counter->none_left);
    fm_thread_unlock(&counter->mutex);
}

/* Threads start while requests wait, and have scratch for the first of them. */
static void test_threads_start_with_scratch(int n_requests)
{
    struct counter c = {.client = {.work = count, .scratch_nbytes = 5000},
                        .n_left = n_requests};
    fm_thread_mutex_init(&c.mutex);
    fm_thread_cond_init(&c.none_left);
    fm_pool_acquire();
    CHECK(fm_pool_start(1, c.client.scratch_nbytes) == 1);
    for (int i = 0; i < n_requests; i++)
        fm_pool_request(&c.client);
    fm_pool_start(MAX_THREADS, c.client.scratch_nbytes);
    fm_thread_lock(&c.mutex);
    while (c.n_left > 0)
        fm_thread_wait(&c.none_left, &c.mutex);
    fm_thread_unlock(&c.mutex);
    fm_pool_release();
    fm_thread_mutex_destroy(&c.mutex);
    fm_thread_cond_destroy(&c.none_left);
}

static void test_pipelines_share_the_pool(int n_rounds)
{
    const struct consumer model = {.n_rounds = n_rounds};
    take_in_turns(n_rounds);
    run(use_many, &model, 1);
    run(use_many, &model, 4);
    if (CAN_FORK)
        run(fork_many, &model, 1);
    fm_pool_acquire();
    CHECK(fm_pool_start(3, 100) == (FM_THREADS ? 3 : 0));
    CHECK(fm_pool_start(2, 5000) == (FM_THREADS ? 2 : 0));
    run(use_many, &model, 3);
    fm_pool_release();
}

FM_THREAD_MAIN(take_until_damage, argument)
{
    const enum fm_status status = take_batches(argument, N_IMAGES + 1);
    CHECK(status == FM_PIPELINE_DAMAGED || status == FM_PIPELINE_FINISHED);
    FM_THREAD_RETURN;
}

/* The images are in a mapped file that becomes shorter, before an epoch or during it.
   In the second case all batches may have been filled already. */
static void test_batches_have_no_zeros(uint64_t batch_size, int n_threads,
                                       int n_consumers, int is_before)
{
    FILE *file = tmpfile();
    CHECK(file && fwrite(images, sizeof images, 1, file) == 1 && fflush(file) == 0);
    void *mapped = fm_filemap_new(fileno(file), sizeof images);
    CHECK(mapped != NULL);
    struct fm_faults_range *range = fm_faults_watch(mapped, sizeof images, "file");
    CHECK(range != NULL);
    parts[0] = mapped;
    struct consumer model = {.pipeline = new_pipeline(batch_size, n_threads),
                             .batch_size = batch_size};
    CHECK(!is_before || ftruncate(fileno(file), PAGES_NBYTES) == 0);
    CHECK(start(model.pipeline, batch_size, &model.ticket) == FM_OK);
    CHECK(ftruncate(fileno(file), PAGES_NBYTES) == 0);
    const int is_whole = run(take_until_damage, &model, n_consumers) == N_IMAGES;
    const char *damaged = fm_faults_report(mapped, 1);
    CHECK(is_whole ? !is_before && !damaged : damaged && !strcmp(damaged, "file"));
    CHECK(fm_faults_report(images, sizeof images) == NULL);
    CHECK(fm_faults_next() == NULL); /* nobody else has read the file */
    fm_pipeline_free(model.pipeline);
    fm_faults_unwatch(range);
    fm_filemap_free(mapped, sizeof images);
    fclose(file);
    parts[0] = images;
}

int main(int argc, char **argv)
{
    const int n_rounds = argc > 1 ? atoi(argv[1]) : 100;
    fm_pipeline_setup();
    fm_faults_setup(NULL);
    fill_dataset();
    make_program();
    for (int n_threads = 1; n_threads <= 3; n_threads++)
        for (int n_consumers = 1; n_consumers <= MAX_THREADS; n_consumers *= 2) {
            test_each_batch_is_taken_once(1, n_threads, n_consumers, n_rounds / 10);
            test_each_batch_is_taken_once(16, n_threads, n_consumers, n_rounds);
            test_each_batch_is_taken_once(900, n_threads, n_consumers, n_rounds);
        }
    test_progress_outlives_the_epoch();
    test_starts_from_many_threads(16, n_rounds);
    test_starts_from_many_threads(900, n_rounds);
    for (int i = 0; i < n_rounds; i++) {
        test_closes_from_many_threads(i % 2 ? 16 : 900);
        test_slots_outlive_the_pipeline();
    }
    test_pipelines_share_the_pool(2 * n_rounds);
    for (int i = 0; FM_THREADS && i < n_rounds; i++)
        test_threads_start_with_scratch(5000);
    for (int i = 0; i < 3 * n_rounds; i++)
        test_batches_have_no_zeros(i % 2 ? 16 : 200, 1 + i % 3, 1 + i % 4, i % 5 < 2);
    return 0;
}
