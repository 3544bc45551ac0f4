/* The dataset, the program and the consumers of pipeline_driver.c. */
#ifndef PIPELINE_DRIVER_H
#define PIPELINE_DRIVER_H

#define _GNU_SOURCE /* for thread.h */

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver_check.h"
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

/* The programs of the views. The first one inverts images, in a group, and the second
   one changes nothing. */
#define MAX_VIEWS 2
#define N_TRANSFORMS 2
static uint64_t programs[MAX_VIEWS][1024];
static const uint8_t *const expected[MAX_VIEWS] = {inverted, images};
static uint32_t n_views; /* of a batch */

/* Make a program somewhere else, copy its bytes, and overwrite the original. A pointer
   in the program would then point to nothing. Members that are not given are 0xFF. */
static void make_program(uint32_t view)
{
    const size_t nbytes = fm_program_nbytes(N_TRANSFORMS);
    struct fm_program *original = (struct fm_program *)malloc(nbytes);
    CHECK(original != NULL && nbytes <= sizeof programs[view]);
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
    original->is_interleaved = 0;
    original->view = original->draws_view = view;
    original->n_views = n_views;
    original->n_label_views = 1;
    original->n_transforms = view == 0 ? N_TRANSFORMS : 0;
    original->mix.n_kinds = 0;
    fm_program_prepare(original);
    memcpy(programs[view], original, nbytes);
    memset(original, 0xFF, nbytes);
    free(original);
}

/* Let later pipelines make batches of n views. */
static void make_programs(uint32_t n)
{
    n_views = n;
    for (uint32_t view = 0; view < n; view++)
        make_program(view);
}

/* The views of each pipeline in use: threads read them. */
static struct fm_view views[64][MAX_VIEWS];
static size_t n_pipelines; /* so far, counted by several threads */

static struct fm_pipeline *new_pipeline(uint64_t batch_size, int n_threads)
{
    const size_t i_views = __atomic_fetch_add(&n_pipelines, 1, __ATOMIC_RELAXED) % 64;
    struct fm_job job = {.source = {.images = {1, begins, parts, IMAGE_NBYTES},
                                    .n = N_IMAGES,
                                    .labels = labels,
                                    .label_dtype = FM_LABEL_INT32},
                         .n_views = n_views,
                         .views = views[i_views]};
    for (uint32_t i = 0; i < n_views; i++) {
        job.views[i].program = (const struct fm_program *)programs[i];
        job.views[i].kernels.functions = NULL;
    }
    CHECK(fm_batch_prepare(&job, batch_size, fm_cpu_detect()) == FM_OK);
    struct fm_pipeline *p = fm_pipeline_new(&job, n_threads, 4, NULL, 0);
    CHECK(p != NULL);
    return p;
}

static enum fm_status start(struct fm_pipeline *p, uint64_t batch_size,
                            uint64_t *ticket)
{
    struct fm_epoch epoch = {.seed = 0, .number = 0};
    const struct fm_batching batching = {0, N_IMAGES, batch_size, 0, 1, FM_LAST_SHORT};
    const struct fm_sampling sampling = {
        .kind = FM_SAMPLER_PLAIN, .n = N_IMAGES, .n_repeats = 1};
    fm_sampler_init(&epoch.sampler, &sampling, 0, 0);
    return fm_pipeline_start(p, &epoch, &batching, ticket);
}

static void check_batch(const struct fm_slot *slot, uint64_t batch_size, uint64_t first,
                        uint64_t n_rows)
{
    const uint64_t row_nbytes[] = {n_views * IMAGE_NBYTES, 8};
    struct fm_record record;
    CHECK(fm_record_init(&record, batch_size, row_nbytes, 2) == FM_OK);
    for (uint64_t i = 0; i < n_rows; i++) {
        int64_t label;
        memcpy(&label, fm_record_row(&record, FM_FIELD_LABELS, i, slot->memory), 8);
        CHECK(label == (int64_t)(first + i));
    }
    const size_t nbytes = (size_t)n_rows * IMAGE_NBYTES; /* of a view */
    const uint8_t *got = fm_record_row(&record, FM_FIELD_IMAGES, 0, slot->memory);
    for (uint32_t i = 0; i < n_views; i++, got += nbytes)
        CHECK(memcmp(got, expected[i] + first * IMAGE_NBYTES, nbytes) == 0);
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
    uint64_t batch, n_rows;
    enum fm_status status = FM_OK;
    for (int i = 0; i < most; i++) {
        do
            status = fm_pipeline_take(c->pipeline, c->ticket, WAIT_MS, &slot, &batch,
                                      &n_rows);
        while (status == FM_PIPELINE_WAITING);
        if (status != FM_OK)
            return status;
        check_batch(slot, c->batch_size, batch * c->batch_size, n_rows);
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

#endif
