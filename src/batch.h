/* Which rows a batch has, and how they are filled: order -> gather -> augment ->
   convert, one row at a time, so that a row stays in L1 from its source to its final
   type. */
#ifndef FM_BATCH_H
#define FM_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "augment/mix.h"
#include "augment/steps.h"
#include "convert.h"
#include "order.h"
#include "parts.h"

/* How an epoch is cut into batches. `batch_size * world` consecutive positions make a
   global batch, of which rank r takes the r-th part. The last global batch may be
   short; what becomes of it is one of these. */
enum fm_last {
    FM_LAST_SHORT = 0, /* stays: the ranks' parts differ by at most one row, and a rank
                          whose part would be empty has no such batch */
    FM_LAST_DROP = 1,  /* is left out */
    FM_LAST_WRAP = 2   /* is filled up: position `end` + i has the sample of i % `end` */
};

struct fm_batching {
    uint64_t begin, end; /* positions of the epoch, end <= FM_ORDER_MAX_N */
    uint64_t batch_size; /* at least 1; batch_size * world < 2**63 */
    uint64_t rank, world;
    enum fm_last last;
};

/* The number of batches that this rank has. */
uint64_t fm_batching_count(const struct fm_batching *batching);

/* The positions [*begin, *begin + *n_rows) of this rank's batch `index`.
   Not checked: index < fm_batching_count(batching). */
void fm_batching_rows(const struct fm_batching *batching, uint64_t index,
                      uint64_t *begin, uint64_t *n_rows);

/* Those of the whole global batch that it is a part of. */
void fm_batching_global(const struct fm_batching *batching, uint64_t index,
                        uint64_t *begin, uint64_t *n_rows);

/* Labels come in and go out as one of these; one-hot rows are float32. */
enum fm_label_dtype {
    FM_LABEL_UINT8 = 0,
    FM_LABEL_INT32 = 1,
    FM_LABEL_INT64 = 2,
    FM_LABEL_ONEHOT = 3
};

/* What all rows of an epoch have in common. */
struct fm_epoch {
    struct fm_order order;
    uint64_t seed;
    uint32_t number;
};

/* All that filling a row depends on, but for the epoch. */
struct fm_plan {
    struct fm_parts parts;          /* of the images */
    const void *labels;             /* labels_in (n_images,) */
    size_t n_pixels;                /* of a row of a batch */
    const struct fm_steps *steps;   /* NULL: no augmentation, n_pixels is the source's */
    const struct fm_mix *mix;       /* NULL: no mixing; else steps is not NULL */
    enum fm_label_dtype labels_in;  /* not FM_LABEL_ONEHOT */
    enum fm_label_dtype labels_out; /* whose range holds every label */
    size_t n_classes;               /* width of a one-hot row */
    enum fm_dtype dtype;
    float scale, bias;
    fm_order_fn *order;     /* kernels for the instruction set in use */
    fm_convert_fn *convert;
};

/* Choose the kernels, for batches of at most `n_rows`. The memory of a batch must then
   start at a multiple of 64 bytes. */
void fm_plan_select(struct fm_plan *plan, size_t n_rows, enum fm_cpu_level level);

/* Bytes of one row of images and of labels in a batch. */
size_t fm_plan_image_nbytes(const struct fm_plan *plan);
size_t fm_plan_label_nbytes(const struct fm_plan *plan);

/* Bytes of memory that a thread needs to augment; 0 without steps. */
size_t fm_plan_memory_nbytes(const struct fm_plan *plan);

/* Before this rank's batch `index` is filled: where the epoch's order is of blocks, ask
   the system to read a part of the next window ahead, as much of it as the batch is of
   its own; and at the beginning the whole window that it is in. In parts, because to
   ask for a block that is in memory takes some microseconds, too.
   Not checked: index < fm_batching_count(batching). */
void fm_batch_read_ahead(const struct fm_plan *plan, const struct fm_epoch *epoch,
                         const struct fm_batching *batching, uint64_t index);

/* Fill `n_rows` rows with the samples at positions begin, begin + 1, ..., which are
   part of the global batch of global_n_rows from position global_begin on. Positions
   from order.n on have the samples of position % order.n, augmented as their own.
   images: plan->dtype (n_rows, n_pixels); labels: labels_out (n_rows,) or float32
   (n_rows, n_classes). memory: what fm_plan_memory_nbytes says, from a multiple of 64.
   In numpy: index = permutation[arange(begin, begin + n_rows) % order.n];
   images[index], augmented as in steps.h and mix.h, converted as in convert.h;
   labels[index].astype(labels_out) or eye(n_classes)[labels[index]], of both samples
   if mixed.
   Not checked: order.n is the number of images and not 0, labels fit labels_out, and
   labels are one-hot where samples are mixed. */
void fm_batch_fill(const struct fm_plan *plan, const struct fm_epoch *epoch,
                   uint64_t global_begin, uint64_t global_n_rows, uint64_t begin,
                   size_t n_rows, void *memory, void *restrict images,
                   void *restrict labels);

#endif
