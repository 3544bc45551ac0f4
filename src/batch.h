/* Batches: the rows that each batch has, and the code that fills them. Each row runs
   through order -> gather -> augment -> convert before the next row, so that it stays
   in the L1 cache from its source to its final data type. */
#ifndef FM_BATCH_H
#define FM_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "augment/mix.h"
#include "augment/steps.h"
#include "convert.h"
#include "order.h"
#include "parts.h"

/* How the last global batch of an epoch is treated if it is short. A global batch is
   `batch_size * world` consecutive positions of the epoch; rank r gets its r-th
   shard. */
enum fm_last {
    FM_LAST_SHORT = 0, /* it stays short: shards differ by at most one row, and a rank
                          whose shard would be empty has one batch less */
    FM_LAST_DROP = 1,  /* it is left out */
    FM_LAST_WRAP = 2   /* it is filled up: position `end` + i has the sample of position
                          i % `end` */
};

/* How an epoch is divided into batches, for one rank. */
struct fm_batching {
    uint64_t begin, end; /* positions of the epoch, end <= FM_ORDER_MAX_N */
    uint64_t batch_size; /* at least 1; batch_size * world < 2**63 */
    uint64_t rank, world;
    enum fm_last last;
};

/* Return the number of batches of this rank. */
uint64_t fm_batching_count(const struct fm_batching *batching);

/* Get the positions [*begin, *begin + *n_rows) of this rank's batch `index`.
   Not checked: index < fm_batching_count(batching). */
void fm_batching_rows(const struct fm_batching *batching, uint64_t index,
                      uint64_t *begin, uint64_t *n_rows);

/* Get the positions of the whole global batch `index`.
   Not checked: index < fm_batching_count(batching). */
void fm_batching_global(const struct fm_batching *batching, uint64_t index,
                        uint64_t *begin, uint64_t *n_rows);

/* Data types of labels, read and written. One-hot rows are float32. */
enum fm_label_dtype {
    FM_LABEL_UINT8 = 0,
    FM_LABEL_INT32 = 1,
    FM_LABEL_INT64 = 2,
    FM_LABEL_ONEHOT = 3
};

/* The values that all rows of an epoch share. */
struct fm_epoch {
    struct fm_order order;
    uint64_t seed;
    uint32_t number;
};

/* Everything that filling a row depends on, except the epoch. */
struct fm_plan {
    struct fm_parts parts;          /* the images of the dataset */
    const void *labels;             /* (n_images,), of data type labels_in */
    size_t n_pixels;                /* pixels in one row of a batch */
    const struct fm_steps *steps;   /* transforms; NULL: none, n_pixels as in parts */
    const struct fm_mix *mix;       /* NULL: no mixing; otherwise steps is not NULL */
    enum fm_label_dtype labels_in;  /* not FM_LABEL_ONEHOT */
    enum fm_label_dtype labels_out; /* its range holds every label */
    size_t n_classes;               /* width of a one-hot row */
    enum fm_dtype dtype;
    float scale, bias;
    fm_order_fn *order;     /* kernels for the instruction set in use */
    fm_convert_fn *convert;
};

/* Choose the kernels, for batches of at most `n_rows` rows.
   Not checked: the memory of every batch starts at a multiple of 64 bytes. */
void fm_plan_select(struct fm_plan *plan, size_t n_rows, enum fm_cpu_level level);

/* Return the bytes of one row of the images, and of the labels, in a batch. */
uint64_t fm_plan_image_nbytes(const struct fm_plan *plan);
uint64_t fm_plan_label_nbytes(const struct fm_plan *plan);

/* Return the bytes of memory that a thread needs to augment; 0 if steps is NULL. */
uint64_t fm_plan_memory_nbytes(const struct fm_plan *plan);

/* Return whether images or labels lie in a mapped file that is damaged. */
int fm_plan_is_damaged(const struct fm_plan *plan);

/* Ask the system to read ahead from mapped files. Call this before this rank's batch
   `index` is filled. Without blocks in the order, it does nothing.
   Every call asks for a part of the next block group: the fraction that the global
   batch covers of its own group. The first batch also asks for the whole group that it
   is in. The next group is read in parts because asking for a block costs some
   microseconds even if the block is in memory.
   Not checked: index < fm_batching_count(batching). */
void fm_batch_read_ahead(const struct fm_plan *plan, const struct fm_epoch *epoch,
                         const struct fm_batching *batching, uint64_t index);

/* Fill `n_rows` rows with the samples at positions begin, begin + 1, ... They are part
   of the global batch that has global_n_rows positions from global_begin on. A position
   p from order.n on has the sample of position p % order.n, but is augmented with the
   random numbers of p.
   images: plan->dtype (n_rows, n_pixels); labels: labels_out (n_rows,), or float32
   (n_rows, n_classes) if one-hot; memory: uint8 (fm_plan_memory_nbytes,), which starts
   at a multiple of 64 bytes.
   In numpy: index = permutation[arange(begin, begin + n_rows) % order.n];
   images[index], augmented as in steps.h and mix.h, converted as in convert.h;
   labels[index].astype(labels_out) or eye(n_classes)[labels[index]], for mixed samples
   the sum of both rows, weighted by their shares.
   Not checked: order.n is the number of images and not 0, labels fit labels_out, and
   labels are one-hot where samples are mixed. */
void fm_batch_fill(const struct fm_plan *plan, const struct fm_epoch *epoch,
                   uint64_t global_begin, uint64_t global_n_rows, uint64_t begin,
                   size_t n_rows, void *memory, void *restrict images,
                   void *restrict labels);

#endif
