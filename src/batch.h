/* Filling the rows of a batch. Each row runs through sampler -> source -> plan -> fill
   -> convert before the next row, so that it stays in the L1 cache from its source to
   its final data type. */
#ifndef FM_BATCH_H
#define FM_BATCH_H

#include "epoch.h"
#include "fill.h"
#include "record.h"

/* One view of the batches. */
struct fm_view {
    const struct fm_program *program;
    struct fm_kernels kernels;
};

/* Everything that filling a row depends on, except the epoch. The programs of the views
   differ in their transforms and mixes only. */
struct fm_job {
    struct fm_record record;
    struct fm_source source;
    uint32_t n_views; /* at least 1 */
    struct fm_view *views;
};

/* Choose the kernels and lay out the record, for batches of at most `rows` rows. The
   source, the programs and their functions of the user are given. Return FM_OK, or
   FM_NO_MEMORY if a batch, or the scratch of a thread, doesn't fit into the address
   space. */
enum fm_status fm_batch_prepare(struct fm_job *job, uint64_t rows,
                                enum fm_cpu_level level);

/* Return the bytes of scratch that a thread needs; 0 if nothing is augmented. */
uint64_t fm_batch_scratch_nbytes(const struct fm_job *job);

/* Ask the system to read ahead from mapped files. Call this before this rank's batch
   number `batch` is filled. Without blocks in the order, it does nothing.
   Every call asks for a part of the next block group: the fraction that the global
   batch covers of its own group. The first batch also asks for the whole group that it
   is in. The next group is read in parts because asking for a block costs some
   microseconds even if the block is in memory.
   Not checked: batch < fm_batching_count(batching). */
void fm_batch_read_ahead(const struct fm_job *job, const struct fm_epoch *epoch,
                         const struct fm_batching *batching, uint64_t batch);

/* Fill at most n_rows rows, from `row` on, of this rank's batch number `batch`. A
   position p from the sampler's n_positions on has the sample of position
   p % n_positions, but is augmented with the random numbers of p. With FM_LAST_NEXT,
   both are those of a later epoch. The images of a batch of n rows have the shape
   (n_views, n, ...), and so have its labels if a view mixes.
   scratch: uint8 (fm_batch_scratch_nbytes,), from a multiple of 64 on; memory: uint8
   (job->record.nbytes,), the batch.
   In numpy: tests/reference.py, epoch.
   Not checked: every index is in the source, labels fit the program's label_dtype, and
   labels are one-hot where samples are mixed. */
void fm_batch_fill(const struct fm_job *job, const struct fm_epoch *epoch,
                   const struct fm_batching *batching, uint64_t batch, uint64_t row,
                   uint64_t n_rows, void *scratch, uint8_t *memory);

#endif
