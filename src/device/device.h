/* The two kernels that make batches on a device, in its memory. `plan` finds the sample
   of a row and writes the row's operations, with one thread for each row. `fill`
   carries them out, with one thread block for each row. A launch makes the rows of one
   batch or several. Devices compile this code through kernels.cu, and this machine runs
   it through host.h. */
#ifndef FM_DEVICE_H
#define FM_DEVICE_H

#include "machine.h"

#include "../batching.h"
#include "../plan.h"
#include "../sampler.h"

/* The shared memory that every device gives a thread block: that of compute capability
   7.5. Source: CUDA C++ Programming Guide, "Technical Specifications per Compute
   Capability". */
#define FM_DEVICE_SHARED_NBYTES 65536

/* The rows of a launch: n_rows of this rank, from row number `row` of its batch number
   `batch` on. All batches except the last one of an epoch have batch_size rows. */
struct fm_launch {
    struct fm_epoch epoch;
    struct fm_batching batching;
    uint64_t batch, row, n_rows;
};

/* A planned row. Behind it in memory lie program->max_ops operations, and as many for
   the partner if the program mixes. */
struct fm_device_row {
    uint64_t indices[2]; /* of the sample and of its partner, in the source */
    uint32_t n_ops[2];
    uint32_t n_samples; /* 2 if the row is mixed, otherwise 1 */
    struct fm_mixture mixture;
};

/* Return the bytes of a planned row with its operations. */
static inline uint64_t fm_device_row_nbytes(const struct fm_program *program)
{
    const uint64_t n_lists = 1 + (program->mix.n_kinds > 0);
    return sizeof(struct fm_device_row) +
           n_lists * program->max_ops * sizeof(struct fm_op);
}

/* Return the bytes of shared memory that a thread block needs to fill a row. Devices
   can run the program if these are at most FM_DEVICE_SHARED_NBYTES. */
uint64_t fm_device_shared_nbytes(const struct fm_program *program);

/* Plan row i of a launch. rows: fm_device_row_nbytes bytes for each row of the launch.
   Not checked: i < launch->n_rows; the sampler has no blocks. */
void fm_device_plan(const struct fm_program *program, const struct fm_launch *launch,
                    uint64_t i, uint8_t *rows);

/* Fill row i of a launch. rows: as planned; shared: fm_device_shared_nbytes bytes, from
   a multiple of 16 on, for this block; images, labels: of the whole launch, with the
   data types of the program.
   In numpy: the rows of tests/reference.py, epoch.
   Not checked: as for fm_batch_fill_fn (batch.h); the program has no functions of the
   user. */
void fm_device_fill(const struct fm_thread_block *block,
                    const struct fm_program *program, const struct fm_source *source,
                    const uint8_t *rows, uint64_t i, uint8_t *shared, uint8_t *images,
                    uint8_t *labels);

#endif
