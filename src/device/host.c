/* The kernels of devices on this machine; see host.h. */
#include "host.h"

#include "../integer.h"
#include "../labels.h"
#include "device.h"

#define LAUNCH_ROWS 16 /* whose plans take scratch at once */

/* Return the bytes of the shared memory, such that aligned rows may follow. */
static uint64_t shared_nbytes(const struct fm_program *program)
{
    return fm_integer_align_up(fm_device_shared_nbytes(program), 64);
}

/* Fill rows as fm_batch_fill_fn says. The scratch is the shared memory of a thread
   block, then the planned rows of a launch. */
static void fill(const struct fm_job *job, const struct fm_epoch *epoch,
                 const struct fm_batching *batching, uint64_t batch, uint64_t row,
                 uint64_t n_rows, void *scratch, uint8_t *memory)
{
    const struct fm_program *program = job->program;
    const struct fm_record *record = &job->record;
    const struct fm_thread_block block = {
        .thread = 0, .n_threads = 1, .wait = NULL, .threads = NULL};
    struct fm_launch launch;
    uint8_t *shared = (uint8_t *)scratch;
    uint8_t *rows = shared + shared_nbytes(program);
    uint64_t begin, batch_rows;
    fm_batching_rows(batching, batch, &begin, &batch_rows);
    const uint64_t end = fm_integer_min(row + n_rows, batch_rows);
    launch.epoch = *epoch;
    launch.batching = *batching;
    launch.batch = batch;
    for (launch.row = row; launch.row < end; launch.row += LAUNCH_ROWS) {
        uint8_t *images = fm_record_row(record, FM_FIELD_IMAGES, launch.row, memory);
        uint8_t *labels = fm_record_row(record, FM_FIELD_LABELS, launch.row, memory);
        launch.n_rows = fm_integer_min(LAUNCH_ROWS, end - launch.row);
        for (uint64_t i = 0; i < launch.n_rows; i++)
            fm_device_plan(program, &launch, i, rows);
        for (uint64_t i = 0; i < launch.n_rows; i++)
            fm_device_fill(&block, program, &job->source, rows, i, shared, images,
                           labels);
    }
}

enum fm_status fm_host_prepare(struct fm_job *job, uint64_t rows)
{
    const enum fm_status status = fm_batch_prepare(job, rows, FM_CPU_BASELINE, NULL);
    job->fill = fill;
    job->scratch_nbytes = shared_nbytes(job->program) +
                          LAUNCH_ROWS * fm_device_row_nbytes(job->program);
    return status;
}
