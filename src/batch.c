/* The arithmetic of batches and the fused loop over their rows; see batch.h. */
#include "batch.h"

#include <string.h>

/* Source rows lie anywhere in the dataset, so each is asked for this many rows before
   it is needed. Of a large row only the start: the processor finds the rest. */
#define PREFETCH_ROWS 6
#define PREFETCH_NBYTES 1024
#define CACHE_LINE 64

/* Batches from this size on are written past the caches: with those that are held and
   those being filled they take more than a core's share of the caches. */
#define STREAMING_NBYTES ((size_t)4 << 20)

#define BLOCK 256 /* rows whose samples are computed together; 2 KiB of indices */

static uint64_t min_u64(uint64_t x, uint64_t y)
{
    return x < y ? x : y;
}

/* Rank r's share of `n` rows, the first n % world ranks taking one more. */
static uint64_t share_begin(uint64_t n, uint64_t rank, uint64_t world)
{
    return n / world * rank + min_u64(n % world, rank);
}

uint64_t fm_batching_count(const struct fm_batching *batching)
{
    uint64_t n = batching->end - batching->begin;
    uint64_t stride = batching->batch_size * batching->world;
    uint64_t short_batch = n % stride > batching->rank && !batching->drop_last;
    return n / stride + short_batch;
}

void fm_batching_rows(const struct fm_batching *batching, uint64_t index,
                      uint64_t *begin, uint64_t *n_rows)
{
    uint64_t rank = batching->rank, world = batching->world;
    uint64_t stride = batching->batch_size * world;
    uint64_t first = batching->begin + index * stride;
    uint64_t n = min_u64(stride, batching->end - first);
    *begin = first + share_begin(n, rank, world);
    *n_rows = first + share_begin(n, rank + 1, world) - *begin;
}

void fm_plan_select(struct fm_plan *plan, size_t n_rows, enum fm_cpu_level level)
{
    fm_convert_fn *streaming = NULL;
    if (n_rows >= STREAMING_NBYTES / (fm_plan_image_nbytes(plan) | 1))
        streaming = fm_convert_select_streaming(plan->dtype, plan->image_nbytes, level);
    plan->order = fm_order_select(level);
    plan->convert = streaming ? streaming : fm_convert_select(plan->dtype, level);
}

size_t fm_plan_image_nbytes(const struct fm_plan *plan)
{
    return plan->image_nbytes * fm_convert_item_nbytes(plan->dtype);
}

size_t fm_plan_label_nbytes(const struct fm_plan *plan)
{
    switch (plan->labels_out) {
    case FM_LABEL_UINT8:
        return 1;
    case FM_LABEL_INT32:
        return 4;
    case FM_LABEL_INT64:
        return 8;
    case FM_LABEL_ONEHOT:
        return 4 * plan->n_classes;
    }
    return 0;
}

static int64_t read_label(const struct fm_plan *plan, uint64_t sample)
{
    switch (plan->labels_in) {
    case FM_LABEL_UINT8:
        return ((const uint8_t *)plan->labels)[sample];
    case FM_LABEL_INT32:
        return ((const int32_t *)plan->labels)[sample];
    default:
        return ((const int64_t *)plan->labels)[sample];
    }
}

static void fill_labels(const struct fm_plan *plan, const uint64_t *samples,
                        size_t n_rows, void *restrict labels)
{
    for (size_t i = 0; i < n_rows; i++) {
        int64_t label = read_label(plan, samples[i]);
        switch (plan->labels_out) {
        case FM_LABEL_UINT8:
            ((uint8_t *)labels)[i] = (uint8_t)label;
            break;
        case FM_LABEL_INT32:
            ((int32_t *)labels)[i] = (int32_t)label;
            break;
        case FM_LABEL_INT64:
            ((int64_t *)labels)[i] = label;
            break;
        case FM_LABEL_ONEHOT: {
            float *row = (float *)labels + i * plan->n_classes;
            memset(row, 0, plan->n_classes * sizeof *row);
            if ((uint64_t)label < plan->n_classes) /* it may have been overwritten */
                row[label] = 1.0f;
            break;
        }
        }
    }
}

static void prefetch_row(const struct fm_plan *plan, uint64_t sample)
{
    const uint8_t *row = plan->images + sample * plan->image_nbytes;
    size_t nbytes = plan->image_nbytes < PREFETCH_NBYTES ? plan->image_nbytes
                                                         : PREFETCH_NBYTES;
    for (size_t i = 0; i < nbytes; i += CACHE_LINE)
        FM_PREFETCH(row + i);
    FM_PREFETCH(row + nbytes - 1); /* rows need not start on a line */
}

static void fill_images(const struct fm_plan *plan, const uint64_t *samples,
                        size_t n_rows, uint8_t *restrict images)
{
    const size_t row_nbytes = fm_plan_image_nbytes(plan);
    for (size_t i = 0; i < PREFETCH_ROWS && i < n_rows; i++)
        prefetch_row(plan, samples[i]);
    for (size_t i = 0; i < n_rows; i++) {
        if (i + PREFETCH_ROWS < n_rows)
            prefetch_row(plan, samples[i + PREFETCH_ROWS]);
        plan->convert(plan->images + samples[i] * plan->image_nbytes,
                      plan->image_nbytes, plan->scale, plan->bias,
                      images + i * row_nbytes);
    }
}

void fm_batch_fill(const struct fm_plan *plan, const struct fm_order *order,
                   uint64_t begin, size_t n_rows, void *restrict images,
                   void *restrict labels)
{
    uint64_t samples[BLOCK];
    for (size_t done = 0; done < n_rows; done += BLOCK) {
        size_t n = n_rows - done < BLOCK ? n_rows - done : BLOCK;
        plan->order(order, begin + done, n, samples);
        fill_images(plan, samples, n,
                    (uint8_t *)images + done * fm_plan_image_nbytes(plan));
        fill_labels(plan, samples, n,
                    (uint8_t *)labels + done * fm_plan_label_nbytes(plan));
    }
    fm_convert_fence();
}
