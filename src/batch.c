/* The arithmetic of batches, and the fused loop that fills their rows; see batch.h. */
#include "batch.h"

#include <string.h>

#include "faults.h"

/* Source rows are scattered over the dataset, so each one is prefetched this many rows
   before it is needed. */
#define PREFETCH_ROWS 6
#define CACHE_LINE 64

/* Batches of at least this size are written past the caches. Together with the batches
   that the consumer holds and the ones being filled, they exceed a core's share of the
   caches. */
#define STREAMING_NBYTES ((size_t)4 << 20)

#define BLOCK 256 /* rows whose order is computed together; 2 KiB of indices */

static uint64_t min_u64(uint64_t x, uint64_t y)
{
    return x < y ? x : y;
}

/* Return where the shard of `rank` begins among `n` rows. The first n % world shards
   have one row more. */
static uint64_t share_begin(uint64_t n, uint64_t rank, uint64_t world)
{
    return n / world * rank + min_u64(n % world, rank);
}

uint64_t fm_batching_count(const struct fm_batching *batching)
{
    uint64_t n = batching->end - batching->begin;
    uint64_t stride = batching->batch_size * batching->world;
    uint64_t rest = n % stride;
    switch (batching->last) {
    case FM_LAST_SHORT:
        return n / stride + (rest > batching->rank);
    case FM_LAST_DROP:
        return n / stride;
    case FM_LAST_WRAP:
        return n / stride + (rest > 0);
    }
    return 0;
}

void fm_batching_rows(const struct fm_batching *batching, uint64_t index,
                      uint64_t *begin, uint64_t *n_rows)
{
    uint64_t rank = batching->rank, world = batching->world, first, n;
    fm_batching_global(batching, index, &first, &n);
    *begin = first + share_begin(n, rank, world);
    *n_rows = first + share_begin(n, rank + 1, world) - *begin;
}

void fm_batching_global(const struct fm_batching *batching, uint64_t index,
                        uint64_t *begin, uint64_t *n_rows)
{
    uint64_t stride = batching->batch_size * batching->world;
    *begin = batching->begin + index * stride;
    *n_rows = stride;
    if (batching->last != FM_LAST_WRAP)
        *n_rows = min_u64(stride, batching->end - *begin);
}

void fm_plan_select(struct fm_plan *plan, size_t n_rows, enum fm_cpu_level level)
{
    fm_convert_fn *streaming = NULL;
    if (n_rows >= STREAMING_NBYTES / (fm_plan_image_nbytes(plan) | 1))
        streaming = fm_convert_select_streaming(plan->dtype, plan->n_pixels, level);
    plan->order = fm_order_select(level);
    plan->convert = streaming ? streaming : fm_convert_select(plan->dtype, level);
}

uint64_t fm_plan_image_nbytes(const struct fm_plan *plan)
{
    return (uint64_t)plan->n_pixels * fm_convert_item_nbytes(plan->dtype);
}

uint64_t fm_plan_label_nbytes(const struct fm_plan *plan)
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

int fm_plan_is_damaged(const struct fm_plan *plan)
{
    static const size_t nbytes[] = {1, 4, 8}; /* of a label, by fm_label_dtype */
    const uint64_t n_labels = plan->parts.begins[plan->parts.n_parts];
    return fm_parts_are_damaged(&plan->parts) ||
           fm_faults_is_damaged(plan->labels,
                                (size_t)n_labels * nbytes[plan->labels_in]);
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
            /* The caller may have changed the labels since they were checked. */
            if ((uint64_t)label < plan->n_classes)
                row[label] = 1.0f;
            break;
        }
        }
    }
}

/* Set sources[i] to the pixels of dataset row samples[i]. */
static void find_sources(const struct fm_parts *parts, const uint64_t *samples,
                         size_t n_rows, const uint8_t **sources)
{
    if (parts->n_parts == 1) {
        for (size_t i = 0; i < n_rows; i++)
            sources[i] = parts->images[0] + samples[i] * parts->image_nbytes;
        return;
    }
    for (size_t i = 0; i < n_rows; i++)
        sources[i] = fm_parts_image(parts, samples[i]);
}

/* Prefetch `row` from byte `begin` to FM_CONVERT_AHEAD. The row need not start at a
   cache line, so its last byte is prefetched as well. */
static void prefetch_row(const struct fm_plan *plan, const uint8_t *row, size_t begin)
{
    const size_t image_nbytes = plan->parts.image_nbytes;
    const size_t nbytes = image_nbytes < FM_CONVERT_AHEAD ? image_nbytes
                                                          : FM_CONVERT_AHEAD;
    for (size_t i = begin; i < nbytes; i += CACHE_LINE)
        FM_PREFETCH(row + i);
    FM_PREFETCH(row + nbytes - 1);
}

static size_t mixed_nbytes(const struct fm_plan *plan)
{
    return plan->mix ? (plan->n_pixels + 63) / 64 * 64 : 0;
}

uint64_t fm_plan_memory_nbytes(const struct fm_plan *plan)
{
    return plan->steps ? mixed_nbytes(plan) + fm_steps_memory_nbytes(plan->steps) : 0;
}

/* Set samples[i] to the dataset row at position begin + i. After the last position, the
   epoch starts over. */
static void find_samples(const struct fm_plan *plan, const struct fm_order *order,
                         uint64_t begin, size_t n_rows, uint64_t *samples)
{
    while (n_rows > 0) {
        const uint64_t first = begin < order->n ? begin : begin % order->n;
        const size_t n = (size_t)min_u64(n_rows, order->n - first);
        plan->order(order, first, n, samples);
        begin += n;
        samples += n;
        n_rows -= n;
    }
}

/* Return the augmented pixels of the sample at `position`, made from the pixels
   `source`. */
static const uint8_t *augmented(const struct fm_plan *plan,
                                const struct fm_epoch *epoch, uint64_t position,
                                uint64_t sample, const uint8_t *source,
                                const struct fm_ahead *ahead, size_t lane,
                                uint8_t *memory)
{
    const int alone = fm_parts_at_edge(&plan->parts, sample, FM_CROP_AROUND);
    return fm_steps_run(plan->steps, epoch->seed, epoch->number, position, sample,
                        source, alone, ahead, lane, memory + mixed_nbytes(plan));
}

/* The inputs of a row except its sample. */
struct rows {
    const struct fm_epoch *epoch;
    uint64_t global_begin, global_n_rows, begin;
    uint8_t *memory;
    const uint8_t **sources;     /* the original pixels of each row */
    struct fm_ahead *ahead;      /* draws in advance, for FM_WORDS_LANES rows */
    struct fm_mixture *mixtures; /* how each row is mixed, if samples are mixed */
    uint64_t *partners;          /* the dataset rows that they are mixed with */
};

/* Return the pixels of row i. They lie in the dataset if nothing changes them, and
   otherwise in rows->memory. */
static const uint8_t *row_pixels(const struct fm_plan *plan, const struct rows *rows,
                                 size_t i, uint64_t sample)
{
    const struct fm_steps *steps = plan->steps;
    const struct fm_epoch *epoch = rows->epoch;
    const uint64_t position = rows->begin + i;
    if (steps == NULL)
        return rows->sources[i];
    const size_t lane = i % FM_WORDS_LANES;
    if (lane == 0)
        fm_steps_look_ahead(steps, epoch->seed, epoch->number, position, rows->ahead);
    const uint8_t *pixels = augmented(plan, epoch, position, sample, rows->sources[i],
                                      rows->ahead, lane, rows->memory);
    if (plan->mix == NULL)
        return pixels;
    struct fm_mixture *mixture = &rows->mixtures[i];
    const uint64_t index = position - rows->global_begin;
    fm_mix_draw(plan->mix, epoch->seed, epoch->number, position, index,
                rows->global_n_rows, steps->out_height, steps->out_width, mixture);
    rows->partners[i] = sample;
    if (mixture->partner == index)
        return pixels;
    const uint64_t other = rows->global_begin + mixture->partner;
    find_samples(plan, &epoch->order, other, 1, &rows->partners[i]);
    memcpy(rows->memory, pixels, plan->n_pixels);
    const uint8_t *source = fm_parts_image(&plan->parts, rows->partners[i]);
    pixels = augmented(plan, epoch, other, rows->partners[i], source, NULL, 0,
                       rows->memory);
    fm_mix_apply(mixture, pixels, steps->out_height, steps->out_width, steps->level,
                 rows->memory);
    return rows->memory;
}

static void fill_images(const struct fm_plan *plan, const struct rows *rows,
                        const uint64_t *samples, size_t n_rows,
                        uint8_t *restrict images)
{
    const size_t row_nbytes = (size_t)fm_plan_image_nbytes(plan);
    find_sources(&plan->parts, samples, n_rows, rows->sources);
    for (size_t i = 0; i < PREFETCH_ROWS && i < n_rows; i++)
        prefetch_row(plan, rows->sources[i], 0);
    for (size_t i = 0; i < n_rows; i++) {
        const size_t next = i + PREFETCH_ROWS < n_rows ? i + PREFETCH_ROWS : i;
        const uint8_t *ahead = rows->sources[next];
        plan->convert(row_pixels(plan, rows, i, samples[i]), plan->n_pixels,
                      plan->scale, plan->bias, ahead, images + i * row_nbytes);
        prefetch_row(plan, ahead, plan->n_pixels); /* the rest, after convert */
    }
}

/* Turn one-hot rows into soft labels: the sample's class has its share, and the
   partner's class has the rest. */
static void mix_labels(const struct fm_plan *plan, const struct rows *rows,
                       const uint64_t *samples, size_t n_rows, float *restrict labels)
{
    for (size_t i = 0; i < n_rows; i++, labels += plan->n_classes) {
        uint64_t own = (uint64_t)read_label(plan, samples[i]);
        uint64_t other = (uint64_t)read_label(plan, rows->partners[i]);
        if (own < plan->n_classes)
            labels[own] = rows->mixtures[i].share;
        if (other < plan->n_classes)
            labels[other] += 1.0f - rows->mixtures[i].share;
    }
}

/* Ask the system to read a part of a block group ahead. The list of the group's runs is
   divided into `length` equal pieces, and pieces [begin, end) are read. */
static void read_window(const struct fm_plan *plan, const struct fm_order *order,
                        uint64_t window, uint64_t begin, uint64_t end, uint64_t length)
{
    struct fm_run runs[FM_ORDER_MAX_RUNS];
    const size_t first = (size_t)(FM_ORDER_MAX_RUNS * begin / length);
    const size_t last = (size_t)(FM_ORDER_MAX_RUNS * end / length);
    if (first == last || window >= order->n_windows)
        return;
    const size_t n_runs = fm_order_runs(order, window, runs);
    for (size_t i = first; i < last && i < n_runs; i++)
        fm_parts_will_need(&plan->parts, runs[i].begin, runs[i].end);
}

void fm_batch_read_ahead(const struct fm_plan *plan, const struct fm_epoch *epoch,
                         const struct fm_batching *batching, uint64_t index)
{
    const struct fm_order *order = &epoch->order;
    uint64_t begin, n_rows;
    if (order->block == 0)
        return;
    fm_batching_global(batching, index, &begin, &n_rows);
    const int is_first = begin == batching->begin;
    const uint64_t end = min_u64(begin + n_rows, order->n);
    if (is_first)
        read_window(plan, order, fm_order_window_at(order, begin), 0, 1, 1);
    while (begin < end) {
        const uint64_t window = fm_order_window_at(order, begin);
        const uint64_t window_begin = fm_order_window_begin(order, window);
        const uint64_t window_end = fm_order_window_begin(order, window + 1);
        const uint64_t from = is_first ? 0 : begin - window_begin;
        begin = min_u64(end, window_end);
        read_window(plan, order, window + 1, from, begin - window_begin,
                    window_end - window_begin);
    }
}

void fm_batch_fill(const struct fm_plan *plan, const struct fm_epoch *epoch,
                   uint64_t global_begin, uint64_t global_n_rows, uint64_t begin,
                   size_t n_rows, void *memory, void *restrict images,
                   void *restrict labels)
{
    uint64_t samples[BLOCK], partners[BLOCK];
    const uint8_t *sources[BLOCK];
    struct fm_mixture mixtures[BLOCK];
    struct fm_ahead ahead;
    struct rows rows = {epoch,   global_begin, global_n_rows, begin,   memory,
                        sources, &ahead,       mixtures,      partners};
    for (size_t done = 0; done < n_rows; done += BLOCK) {
        size_t n = n_rows - done < BLOCK ? n_rows - done : BLOCK;
        uint8_t *to = (uint8_t *)labels + done * fm_plan_label_nbytes(plan);
        rows.begin = begin + done;
        find_samples(plan, &epoch->order, rows.begin, n, samples);
        fill_images(plan, &rows, samples, n,
                    (uint8_t *)images + done * fm_plan_image_nbytes(plan));
        fill_labels(plan, samples, n, to);
        if (plan->mix)
            mix_labels(plan, &rows, samples, n, (float *)to);
    }
    fm_convert_fence();
}
