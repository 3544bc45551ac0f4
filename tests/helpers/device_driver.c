/* Fills the rows of a case with the kernels of devices. A thread block has real threads
   here, so that ThreadSanitizer sees what they share.

   use: device_driver CASE OUT KERNEL THREADS [WITHOUT]

   KERNEL is "fill" or "cut", for all views. With WITHOUT, threads don't wait at this
   barrier, counted from 0 in each row. The number of barriers of the row that has the
   most of them is printed. */
#define _GNU_SOURCE /* pthread_barrier_t */

#include <pthread.h>
#include <string.h>

#include "device/device.h"
#include "driver_check.h"
#include "integer.h"

#define MAX_THREADS 64
#define MAX_PROGRAMS 4

/* With one barrier for all waits, a thread could leave it after another one had entered
   it again. To ThreadSanitizer, the first would then have seen all that the other did
   meanwhile. */
#define N_BARRIERS 4

/* A case: this header, the bytes of the program of each view, the images, and their
   labels as int64. */
struct header {
    uint64_t n_programs, program_nbytes[MAX_PROGRAMS], n_images, seed, epoch;
    uint64_t batch_size, rank, world, last, begin; /* of the epoch's batching */
    uint64_t n_rows;                               /* of this rank */
};

static struct header header;
static struct fm_program *programs[MAX_PROGRAMS];
static struct fm_source source;
static uint64_t begins[2];
static const uint8_t *parts[1];
static struct fm_launch launch;
static uint8_t *rows[MAX_PROGRAMS], *shared, *images, *labels;
static uint64_t label_nbytes, shared_nbytes;
static pthread_barrier_t barriers[N_BARRIERS];
static uint64_t n_threads, without = UINT64_MAX;
static int is_cut; /* the kernel */
static uint8_t unset = 0xFF; /* shared memory before each row: floats are NaN */

struct thread {
    pthread_t id;
    uint32_t number;
    uint64_t n_waits, most_waits; /* in this row, in any row */
};

static void wait(void *argument)
{
    struct thread *thread = (struct thread *)argument;
    const uint64_t number = thread->n_waits++;
    if (number != without)
        pthread_barrier_wait(&barriers[number % (N_BARRIERS - 1)]);
}

/* Fill what thread block i fills in a view. */
static void fill_block(const struct fm_thread_block *block, uint64_t view, uint64_t i)
{
    const struct fm_program *program = programs[view];
    if (is_cut)
        fm_device_cut(block, program, &source, rows[view], i, images, labels);
    else
        fm_device_fill(block, program, &source, rows[view], i, shared, images, labels);
}

static void *run(void *argument)
{
    struct thread *thread = (struct thread *)argument;
    const struct fm_thread_block block = {.thread = thread->number,
                                          .n_threads = (uint32_t)n_threads,
                                          .wait = wait,
                                          .threads = thread};
    const uint64_t n_blocks = header.n_rows * (is_cut ? programs[0]->out.channels : 1);
    for (uint64_t i = 0; i < header.n_programs * n_blocks; i++) {
        thread->n_waits = 0;
        fill_block(&block, i / n_blocks, i % n_blocks);
        if (thread->n_waits > thread->most_waits)
            thread->most_waits = thread->n_waits;
        pthread_barrier_wait(&barriers[N_BARRIERS - 1]);
        FM_EACH(&block, k, shared_nbytes)
            shared[k] = unset;
        /* On a device, the next thread block has shared memory of its own. */
        pthread_barrier_wait(&barriers[N_BARRIERS - 1]);
    }
    return NULL;
}

/* Return `nbytes` of a file. */
static void *read_bytes(FILE *file, size_t nbytes)
{
    void *bytes = aligned_alloc(64, (nbytes + 64) / 64 * 64);
    CHECK(bytes && fread(bytes, 1, nbytes, file) == nbytes);
    return bytes;
}

static void read_case(const char *path)
{
    FILE *file = fopen(path, "rb");
    CHECK(file && fread(&header, sizeof header, 1, file) == 1);
    CHECK(0 < header.n_programs && header.n_programs <= MAX_PROGRAMS);
    for (uint64_t k = 0; k < header.n_programs; k++)
        programs[k] = (struct fm_program *)read_bytes(file, header.program_nbytes[k]);
    const size_t n = header.n_images;
    begins[1] = n;
    source.images.n_parts = 1;
    source.images.begins = begins;
    source.images.images = parts;
    source.images.image_nbytes = (size_t)programs[0]->in.height * programs[0]->in.width;
    parts[0] = (const uint8_t *)read_bytes(file, n * source.images.image_nbytes);
    source.n = n;
    source.labels = read_bytes(file, 8 * n);
    source.label_dtype = FM_LABEL_INT64;
    fclose(file);
}

/* Plan an epoch, shuffled, as one launch for each view. */
static void plan(void)
{
    struct fm_sampling sampling;
    memset(&sampling, 0, sizeof sampling);
    sampling.kind = FM_SAMPLER_PERMUTED;
    sampling.n = header.n_images;
    sampling.n_repeats = 1;
    fm_device_start(&launch, &sampling, header.seed, header.seed, header.epoch,
                    header.begin, header.batch_size, header.rank, header.world,
                    header.last);
    for (uint64_t k = 0; k < header.n_programs; k++) {
        const struct fm_program *program = programs[k];
        rows[k] = (uint8_t *)malloc(header.n_rows * fm_device_row_nbytes(program));
        CHECK(rows[k]);
        for (uint64_t i = 0; i < header.n_rows; i++)
            fm_device_plan(program, &launch, i, 0, header.n_rows, rows[k]);
        CHECK(!is_cut || fm_device_only_cuts(program));
        shared_nbytes =
            fm_integer_max(shared_nbytes, fm_device_shared_nbytes(program));
    }
}

int main(int n_arguments, char **arguments)
{
    struct thread threads[MAX_THREADS];
    memset(threads, 0, sizeof threads);
    CHECK(n_arguments >= 5);
    read_case(arguments[1]);
    is_cut = strcmp(arguments[3], "cut") == 0;
    n_threads = (uint64_t)atoi(arguments[4]);
    if (n_arguments > 5) {
        without = (uint64_t)atoi(arguments[5]);
        unset = 0; /* threads that don't wait may take them for an index */
    }
    CHECK(0 < n_threads && n_threads <= MAX_THREADS);
    plan();
    const size_t images_nbytes =
        header.n_programs * header.n_rows * fm_program_image_nbytes(programs[0]);
    label_nbytes = fm_program_label_nbytes(programs[0]) * programs[0]->n_label_views;
    /* Not a byte more, so that AddressSanitizer sees what is beyond. */
    images = (uint8_t *)calloc(1, images_nbytes);
    labels = (uint8_t *)calloc(header.n_rows, label_nbytes);
    shared = (uint8_t *)aligned_alloc(16, shared_nbytes);
    CHECK(images && labels && shared);
    memset(shared, unset, shared_nbytes);
    for (int i = 0; i < N_BARRIERS; i++)
        CHECK(pthread_barrier_init(&barriers[i], NULL, (unsigned)n_threads) == 0);
    for (uint32_t i = 0; i < n_threads; i++) {
        threads[i].number = i;
        CHECK(pthread_create(&threads[i].id, NULL, run, &threads[i]) == 0);
    }
    for (uint32_t i = 0; i < n_threads; i++)
        CHECK(pthread_join(threads[i].id, NULL) == 0);
    FILE *file = fopen(arguments[2], "wb");
    CHECK(file && fwrite(images, 1, images_nbytes, file) == images_nbytes);
    CHECK(fwrite(labels, label_nbytes, header.n_rows, file) == header.n_rows);
    fclose(file);
    printf("%llu\n", (unsigned long long)threads[0].most_waits);
    return 0;
}
