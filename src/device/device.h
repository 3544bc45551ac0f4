/* The kernels that make batches on a device, in its memory. `plan` finds the sample of
   a row and writes the row's operations, with one thread for each row. `fill` carries
   them out, with one thread block for each row. `cut` does the same for crops, flips
   and painted boxes alone, with one thread block for each channel of a row. A launch
   makes the rows of one batch or several. `start` and `advance` say which rows these
   are, with one thread. So the host need not know the position, and a CUDA graph can be
   replayed through whole epochs. Devices compile this code through kernels.cu, and this
   machine runs it through host.h. */
#ifndef FM_DEVICE_H
#define FM_DEVICE_H

#include "machine.h"

#include "../epoch.h"
#include "../plan.h"

/* The shared memory that every device gives a thread block: that of compute capability
   7.5. Source: CUDA C++ Programming Guide, "Technical Specifications per Compute
   Capability". */
#define FM_DEVICE_SHARED_NBYTES 65536

/* Where a launch begins: at row number `row` of this rank's batch number `batch`. All
   batches except the last one of an epoch have batch_size rows. */
struct fm_launch {
    struct fm_epoch epoch;
    struct fm_batching batching;
    uint64_t batch, row;
};

/* A planned row. Behind it in memory lie program->max_ops operations, and as many for
   the partner if the program mixes. */
struct fm_device_row {
    uint64_t indices[2]; /* of the sample and of its partner, in the source */
    uint64_t image, label; /* numbers in the memory of all images and all labels */
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

/* Let the next launch begin at position `begin` of an epoch, with the batches of a
   struct fm_batching. Its `last` is a value of enum fm_last. All values have 64 bits
   because they are arguments of a kernel.
   Not checked: as in sampler.h and batching.h; without FM_LAST_NEXT, the rank has a
   batch in every epoch, and one from `begin` on. */
void fm_device_start(struct fm_launch *launch, const struct fm_sampling *sampling,
                     uint64_t seed, uint64_t augment_seed, uint64_t epoch,
                     uint64_t begin, uint64_t batch_size, uint64_t rank, uint64_t world,
                     uint64_t last);

/* Let the next launch begin n_rows rows of this rank later. After the last row of an
   epoch, it begins with the next epoch. Epoch 2**32 - 1 is followed by itself.
   Not checked: the epoch has these rows. */
void fm_device_advance(struct fm_launch *launch, uint64_t n_rows);

/* Set out[i] to the value of the sample of row i. rows: as planned; column->values is
   memory of the device; out: (n_rows,) of column->nbytes each. */
void fm_device_gather(const struct fm_program *program, const struct fm_column *column,
                      const uint8_t *rows, uint64_t i, uint8_t *out);

/* Plan row i of a launch, in the view of the program. first: number of row 0 in the
   memory of the batches, which has n_memory rows and begins with the first row of a
   batch.
   rows: fm_device_row_nbytes bytes for each row of the launch.
   Not checked: the epoch has the row. */
void fm_device_plan(const struct fm_program *program, const struct fm_launch *launch,
                    uint64_t i, uint64_t first, uint64_t n_memory, uint8_t *rows);

/* Fill row i of a launch. rows: as planned; shared: fm_device_shared_nbytes bytes, from
   a multiple of 16 on, for this block; images, labels: of the batches, one after the
   other, with the data types of the program. In each batch, the rows of a view follow
   those of the view before.
   In numpy: the rows of tests/reference.py, epoch.
   Not checked: as for fm_batch_fill (batch.h); the program has no functions of the
   user. */
void fm_device_fill(const struct fm_thread_block *block,
                    const struct fm_program *program, const struct fm_source *source,
                    const uint8_t *rows, uint64_t i, uint8_t *shared, uint8_t *images,
                    uint8_t *labels);

/* Return whether all operations of all rows are cuts, and no rows are mixed. */
int fm_device_only_cuts(const struct fm_program *program);

/* Fill a channel of a row of a launch, as fm_device_fill does, without memory that
   threads share. Thread block i of the launch fills channel i % channels of row
   i / channels, and in channel 0 also the label. A pixel is looked up in the source, so
   that no image lies between two operations.
   Not checked: as there; fm_device_only_cuts is true for the program. */
void fm_device_cut(const struct fm_thread_block *block,
                   const struct fm_program *program, const struct fm_source *source,
                   const uint8_t *rows, uint64_t i, uint8_t *images, uint8_t *labels);

#endif
