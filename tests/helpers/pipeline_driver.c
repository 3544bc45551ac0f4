/* A program that uses pipelines from several threads, without Python. Built with
   sanitizers, it finds races and wrong accesses (tests/test_pipeline_driver.py).

       pipeline_driver ROUNDS

   All batches are checked. The exit code is 0 if nothing is wrong. */
#include "pipeline_driver.h"

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
        CHECK(state.times.n_ready <= state.n_taken);
        CHECK(state.times.filled_ns > 0);
        CHECK(state.times.late_ns <= state.times.waited_ns);
        CHECK(n_consumers > 1 || state.times.waited_ns <= state.times.elapsed_ns);
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

static void test_times_are_those_of_the_newest_epoch(void)
{
    struct consumer c = {.pipeline = new_pipeline(16, 2), .batch_size = 16};
    struct fm_pipeline_state before, state;
    CHECK(start(c.pipeline, 16, &c.ticket) == FM_OK);
    CHECK(take_batches(&c, 3) == FM_OK);
    fm_pipeline_inspect(c.pipeline, &before);
    fm_pipeline_count_wait(c.pipeline, c.ticket + 1, 1000);
    fm_pipeline_count_wait(c.pipeline, c.ticket, 1000);
    fm_pipeline_cancel(c.pipeline, c.ticket);
    CHECK(take_batches(&c, 1) == FM_PIPELINE_FINISHED);
    fm_pipeline_inspect(c.pipeline, &state);
    CHECK(state.times.waited_ns == before.times.waited_ns + 1000);
    CHECK(state.times.late_ns == before.times.late_ns);
    CHECK(state.times.elapsed_ns >= before.times.elapsed_ns);
    const uint64_t elapsed_ns = state.times.elapsed_ns, old = c.ticket;
    CHECK(take_batches(&c, 1) == FM_PIPELINE_FINISHED);
    fm_pipeline_inspect(c.pipeline, &state);
    CHECK(state.times.elapsed_ns == elapsed_ns);
    CHECK(start(c.pipeline, 16, &c.ticket) == FM_OK);
    c.ticket = old;
    CHECK(take_batches(&c, 1) == FM_PIPELINE_FINISHED);
    fm_pipeline_inspect(c.pipeline, &state);
    CHECK(state.times.elapsed_ns == 0 && state.times.waited_ns == 0);
    CHECK(state.times.late_ns == 0 && state.times.n_ready == 0);
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
    uint64_t ticket, batch, n_rows;
    fm_thread threads[4];
    CHECK(start(p, 10, &ticket) == FM_OK);
    for (int i = 0; i < 4; i++) {
        struct fm_slot *slot;
        enum fm_status status;
        do
            status = fm_pipeline_take(p, ticket, WAIT_MS, &slot, &batch, &n_rows);
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
    if (FM_THREADS) /* without, a child may go on with its parent's pipelines */
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
    make_programs(1);
    for (int n_threads = 1; n_threads <= 3; n_threads++)
        for (int n_consumers = 1; n_consumers <= MAX_THREADS; n_consumers *= 2) {
            test_each_batch_is_taken_once(1, n_threads, n_consumers, n_rounds / 10);
            test_each_batch_is_taken_once(16, n_threads, n_consumers, n_rounds);
            test_each_batch_is_taken_once(900, n_threads, n_consumers, n_rounds);
        }
    test_progress_outlives_the_epoch();
    test_times_are_those_of_the_newest_epoch();
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
    make_programs(2);
    for (int n_consumers = 1; n_consumers <= MAX_THREADS; n_consumers *= 2) {
        test_each_batch_is_taken_once(16, 3, n_consumers, n_rounds);
        test_each_batch_is_taken_once(900, 3, n_consumers, n_rounds);
    }
    return 0;
}
