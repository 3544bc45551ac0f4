/* The fused loop that fills the rows of a batch; see batch.h. */
#include "batch.h"

#include "ahead.h"
#include "integer.h"
#include "labels.h"

/* Source rows are scattered over the dataset, so each one is prefetched this many rows
   before it is needed. */
#define PREFETCH_ROWS 6
#define CACHE_LINE 64

#define BLOCK 256 /* rows whose order is computed together; 2 KiB of indices */

/* ---- memory ---------------------------------------------------------------------- */

/* A thread's scratch, for one view after the other: an image to mix in, the scratch to
   fill a row in, and the operations of a row. This returns the bytes of the first. */
static uint64_t mixed_nbytes(const struct fm_program *program)
{
    if (program->mix.n_kinds == 0)
        return 0;
    return fm_integer_align_up(fm_program_out_pixels(program), 64);
}

static uint64_t view_scratch_nbytes(const struct fm_program *program)
{
    if (!fm_program_augments(program))
        return 0;
    return mixed_nbytes(program) + fm_fill_scratch_nbytes(program) +
           program->max_ops * sizeof(struct fm_op);
}

uint64_t fm_batch_scratch_nbytes(const struct fm_job *job)
{
    uint64_t nbytes = 0;
    for (uint32_t i = 0; i < job->n_views; i++)
        nbytes = fm_integer_max(nbytes, view_scratch_nbytes(job->views[i].program));
    return nbytes;
}

enum fm_status fm_batch_prepare(struct fm_job *job, uint64_t rows,
                                enum fm_cpu_level level)
{
    const struct fm_program *program = job->views[0].program;
    const struct fm_source *source = &job->source;
    uint64_t row_nbytes[FM_RECORD_MAX_FIELDS];
    row_nbytes[FM_FIELD_IMAGES] = job->n_views * fm_program_image_nbytes(program);
    row_nbytes[FM_FIELD_LABELS] =
        program->n_label_views * fm_program_label_nbytes(program);
    for (size_t i = 0; i < source->n_columns; i++)
        row_nbytes[FM_FIELD_COLUMNS + i] = source->columns[i].nbytes;
    for (uint32_t i = 0; i < job->n_views; i++)
        fm_program_select(job->views[i].program, rows, level, &job->views[i].kernels);
    if (fm_batch_scratch_nbytes(job) > SIZE_MAX / 4)
        return FM_NO_MEMORY;
    return fm_record_init(&job->record, rows, row_nbytes,
                          FM_FIELD_COLUMNS + source->n_columns);
}

/* ---- epochs ---------------------------------------------------------------------- */

/* Return the epoch of a position of the batches, and make *position the position in it.
   A later epoch than the first is written to *later. */
static const struct fm_epoch *epoch_at(const struct fm_epoch *first,
                                       const struct fm_batching *batching,
                                       uint64_t *position, struct fm_epoch *later)
{
    const uint64_t n_later = fm_epoch_find(first, batching->last, position);
    const struct fm_epoch *epoch = fm_epoch_later_unblocked(first, n_later, later);
    if (n_later && epoch->sampler.sampling.kind == FM_SAMPLER_BLOCKS)
        fm_sampler_init(&later->sampler, &first->sampler.sampling, first->sampler.seed,
                        later->number);
    return epoch;
}

/* ---- reading ahead --------------------------------------------------------------- */

/* Ask the system to read a part of a block group ahead. The list of the group's runs is
   divided into `length` equal pieces, and pieces [begin, end) are read. */
static void read_group(const struct fm_job *job, const struct fm_blocks *blocks,
                       uint64_t group, uint64_t begin, uint64_t end, uint64_t length)
{
    struct fm_run runs[FM_BLOCKS_MAX_RUNS];
    const size_t first = (size_t)(FM_BLOCKS_MAX_RUNS * begin / length);
    const size_t last = (size_t)(FM_BLOCKS_MAX_RUNS * end / length);
    if (first == last || group >= blocks->n_groups)
        return;
    const size_t n_runs = fm_blocks_runs(blocks, group, runs);
    for (size_t i = first; i < last && i < n_runs; i++)
        fm_source_will_need(&job->source, runs[i].begin, runs[i].end);
}

/* Ask for the indices [begin, end) of the order, and a part of the next group. */
static void read_positions(const struct fm_job *job, const struct fm_blocks *blocks,
                           uint64_t begin, uint64_t end, int is_first)
{
    if (is_first)
        read_group(job, blocks, fm_blocks_group_at(blocks, begin), 0, 1, 1);
    while (begin < end) {
        const uint64_t group = fm_blocks_group_at(blocks, begin);
        const uint64_t group_begin = fm_blocks_group_begin(blocks, group);
        const uint64_t group_end = fm_blocks_group_begin(blocks, group + 1);
        const uint64_t from = is_first ? 0 : begin - group_begin;
        begin = fm_integer_min(end, group_end);
        read_group(job, blocks, group + 1, from, begin - group_begin,
                   group_end - group_begin);
    }
}

void fm_batch_read_ahead(const struct fm_job *job, const struct fm_epoch *epoch,
                         const struct fm_batching *batching, uint64_t batch)
{
    const struct fm_sampler *sampler = &epoch->sampler;
    const uint64_t n_repeats = sampler->sampling.n_repeats;
    uint64_t begin, n_rows;
    if (sampler->sampling.kind != FM_SAMPLER_BLOCKS)
        return;
    fm_batching_global(batching, batch, &begin, &n_rows);
    for (const uint64_t end = begin + n_rows; begin < end;) {
        struct fm_epoch later;
        uint64_t position = begin;
        const struct fm_epoch *own = epoch_at(epoch, batching, &position, &later);
        if (position >= sampler->n_positions) /* the epoch starts over */
            return;
        const uint64_t n = fm_integer_min(end - begin, sampler->n_positions - position);
        const int is_first = begin == batching->begin || position == 0;
        read_positions(job, &own->sampler.blocks, position / n_repeats,
                       (position + n - 1) / n_repeats + 1, is_first);
        begin += n;
    }
}

/* ---- rows ------------------------------------------------------------------------ */

/* The inputs that the rows of one call share, and the state of at most BLOCK of
   them in one view. */
struct rows {
    const struct fm_job *job;
    const struct fm_program *program; /* of the view */
    const struct fm_kernels *kernels;
    const struct fm_epoch *first; /* in which the batches begin */
    const struct fm_epoch *epoch; /* of the rows */
    const struct fm_batching *batching;
    uint64_t global_begin, global_n_rows; /* positions of the global batch */
    uint64_t number; /* of row 0 in the global batch */
    uint8_t *mixed, *scratch; /* parts of the scratch, as are the operations */
    struct fm_op *ops;        /* NULL: nothing is augmented */
    uint64_t begin;           /* position of row 0 in its epoch */
    uint64_t indices[BLOCK];
    const uint8_t *images[BLOCK]; /* their pixels in the source */
    uint64_t partners[BLOCK];     /* indices that they are mixed with */
    float shares[BLOCK];          /* weights of the samples' own labels */
    struct fm_ahead ahead;        /* draws in advance, for FM_WORDS_LANES rows */
};

/* Let the next rows be those of a view, and divide the scratch for it. */
static void begin_view(struct rows *rows, const struct fm_view *view, uint8_t *scratch)
{
    const struct fm_program *program = view->program;
    rows->program = program;
    rows->kernels = &view->kernels;
    rows->ops = NULL;
    if (!fm_program_augments(program))
        return;
    rows->mixed = scratch;
    rows->scratch = rows->mixed + mixed_nbytes(program);
    rows->ops = (struct fm_op *)(rows->scratch + fm_fill_scratch_nbytes(program));
}

/* Prefetch the bytes [begin, nbytes) of an image. It need not start at a cache line, so
   its last byte is prefetched as well. */
static void prefetch(const uint8_t *image, size_t begin, size_t nbytes)
{
    for (size_t i = begin; i < nbytes; i += CACHE_LINE)
        FM_PREFETCH(image + i);
    FM_PREFETCH(image + nbytes - 1);
}

FM_INLINE struct fm_key key_at(const struct rows *rows, const struct fm_epoch *epoch,
                               uint64_t position)
{
    const struct fm_key key = {.seed = epoch->seed,
                               .epoch = epoch->number,
                               .view = rows->program->draws_view,
                               .position = position};
    return key;
}

/* Return the augmented pixels of the sample at `position` of an epoch. ahead: as in
   fm_plan_row. */
static const uint8_t *augmented(const struct rows *rows, const struct fm_epoch *epoch,
                                uint64_t position, uint64_t index, const uint8_t *image,
                                const struct fm_ahead *ahead, size_t lane)
{
    const struct fm_program *program = rows->program;
    const struct fm_source *source = &rows->job->source;
    const struct fm_key key = key_at(rows, epoch, position);
    const int is_at_edge = fm_source_is_at_edge(source, index, FM_CROP_AROUND);
    struct fm_row row;
    fm_plan_row(program, &key, index, ahead, lane, rows->ops, &row);
    return fm_fill_row(program, rows->kernels, &row, image, is_at_edge, rows->scratch);
}

/* Mix row i, whose own pixels are given. Return its pixels, and note its partner. */
static const uint8_t *mixed(struct rows *rows, size_t i, const uint8_t *pixels)
{
    const struct fm_program *program = rows->program;
    const struct fm_shape *shape = &program->out;
    const uint64_t row = rows->number + i;
    struct fm_mixture mixture;
    struct fm_epoch later;
    fm_mix_draw(&program->mix, rows->epoch->seed, rows->epoch->number,
                rows->begin + i, row, rows->global_n_rows, shape->height, shape->width,
                &mixture);
    rows->partners[i] = rows->indices[i];
    rows->shares[i] = mixture.share;
    if (mixture.partner == row)
        return pixels;
    /* Most partners are in the epoch of the row, which need not be prepared again. */
    const enum fm_cpu_level level = rows->kernels->level;
    const struct fm_epoch *epoch = rows->epoch;
    uint64_t other = rows->begin + i + mixture.partner - row;
    if (rows->batching->last == FM_LAST_NEXT &&
        other >= rows->epoch->sampler.n_positions) {
        other = rows->global_begin + mixture.partner;
        epoch = epoch_at(rows->first, rows->batching, &other, &later);
    }
    fm_sampler_find(&epoch->sampler, other, 1, level, &rows->partners[i]);
    memcpy(rows->mixed, pixels, fm_program_out_pixels(program));
    const uint8_t *image = fm_source_image(&rows->job->source, rows->partners[i]);
    pixels = augmented(rows, epoch, other, rows->partners[i], image, NULL, 0);
    fm_mix_apply(&mixture, pixels, shape->height, shape->width, level, rows->mixed);
    return rows->mixed;
}

/* Return the pixels of row i before they are converted. They lie in the source if
   nothing changes them, and otherwise in the scratch. */
FM_INLINE const uint8_t *row_pixels(struct rows *rows, size_t i)
{
    const size_t lane = i % FM_WORDS_LANES;
    if (rows->ops == NULL)
        return rows->images[i];
    if (lane == 0) {
        const struct fm_key key = key_at(rows, rows->epoch, rows->begin + i);
        fm_ahead_make(rows->program, rows->kernels, &key, &rows->ahead);
    }
    const uint8_t *pixels = augmented(rows, rows->epoch, rows->begin + i,
                                      rows->indices[i], rows->images[i], &rows->ahead,
                                      lane);
    return rows->program->mix.n_kinds ? mixed(rows, i, pixels) : pixels;
}

/* Convert the pixels of a row for all channels. ahead: as in fm_convert_fn. */
static void convert_channels(const struct rows *rows, const uint8_t *pixels,
                             const uint8_t *ahead, uint8_t *restrict out)
{
    const struct fm_program *program = rows->program;
    const size_t n_pixels = fm_program_out_pixels(program);
    const size_t plane_nbytes = n_pixels * fm_convert_item_nbytes(program->dtype);
    if (rows->kernels->convert_rgb) {
        rows->kernels->convert_rgb(pixels, n_pixels, program->scale, program->bias,
                                   ahead, out);
        return;
    }
    for (uint32_t i = 0; i < program->out.channels; i++)
        rows->kernels->convert(pixels, n_pixels, program->scale[i], program->bias[i],
                               ahead, out + i * plane_nbytes);
}

/* Fill the images of n_rows rows, at most BLOCK, in one view. */
static void fill_images(struct rows *rows, size_t n_rows, uint8_t *restrict out)
{
    const struct fm_program *program = rows->program;
    const struct fm_source *source = &rows->job->source;
    fm_convert_fn *const convert = rows->kernels->convert;
    const size_t n_pixels = fm_program_out_pixels(program);
    const float scale = program->scale[0], bias = program->bias[0];
    const size_t row_nbytes = (size_t)fm_program_image_nbytes(program);
    const size_t ahead_nbytes =
        (size_t)fm_integer_min(fm_source_image_nbytes(source), FM_CONVERT_AHEAD);
    for (size_t i = 0; i < PREFETCH_ROWS && i < n_rows; i++)
        prefetch(rows->images[i], 0, ahead_nbytes);
    for (size_t i = 0; i < n_rows; i++) {
        const size_t next = i + PREFETCH_ROWS < n_rows ? i + PREFETCH_ROWS : i;
        const uint8_t *ahead = rows->images[next];
        const uint8_t *pixels = row_pixels(rows, i);
        if (program->out.channels == 1)
            convert(pixels, n_pixels, scale, bias, ahead, out + i * row_nbytes);
        else
            convert_channels(rows, pixels, ahead, out + i * row_nbytes);
        prefetch(ahead, n_pixels, ahead_nbytes); /* the rest, after convert */
    }
}

/* Fill the labels of n_rows rows, at most BLOCK, in one view. */
static void fill_labels(const struct rows *rows, size_t n_rows, uint8_t *labels)
{
    const struct fm_program *program = rows->program;
    const struct fm_source *source = &rows->job->source;
    fm_labels_fill(source, rows->indices, n_rows, program->label_dtype,
                   program->n_classes, labels);
    if (program->mix.n_kinds)
        fm_labels_mix(source, rows->indices, rows->partners, rows->shares, n_rows,
                      program->n_classes, (float *)labels);
}

/* Fill the images and the labels of n_rows rows, at most BLOCK, from `row` on, of a
   batch of batch_rows. The rows of a view follow those of the view before. */
static void fill_views(struct rows *rows, uint64_t row, size_t n_rows,
                       uint64_t batch_rows, uint8_t *scratch, uint8_t *memory)
{
    const struct fm_job *job = rows->job;
    const struct fm_program *program = job->views[0].program;
    const uint64_t image_nbytes = fm_program_image_nbytes(program);
    const uint64_t label_nbytes = fm_program_label_nbytes(program);
    uint8_t *images = fm_record_row(&job->record, FM_FIELD_IMAGES, 0, memory);
    uint8_t *labels = fm_record_row(&job->record, FM_FIELD_LABELS, 0, memory);
    fm_source_find(&job->source, rows->indices, n_rows, rows->images);
    for (uint32_t i = 0; i < job->n_views; i++, row += batch_rows) {
        begin_view(rows, &job->views[i], scratch);
        fill_images(rows, n_rows, images + row * image_nbytes);
        if (i < program->n_label_views)
            fill_labels(rows, n_rows, labels + row * label_nbytes);
    }
}

/* Fill the columns of n_rows rows, at most BLOCK, from `row` on. */
static void fill_columns(const struct rows *rows, uint64_t row, size_t n_rows,
                         uint8_t *memory)
{
    const struct fm_record *record = &rows->job->record;
    const struct fm_source *source = &rows->job->source;
    for (size_t i = 0; i < source->n_columns; i++)
        fm_source_column(&source->columns[i], rows->indices, n_rows,
                         fm_record_row(record, FM_FIELD_COLUMNS + i, row, memory));
}

void fm_batch_fill(const struct fm_job *job, const struct fm_epoch *epoch,
                   const struct fm_batching *batching, uint64_t batch, uint64_t row,
                   uint64_t n_rows, void *scratch, uint8_t *memory)
{
    struct rows rows;
    struct fm_epoch later;
    uint64_t begin, batch_rows;
    fm_batching_rows(batching, batch, &begin, &batch_rows);
    fm_batching_global(batching, batch, &rows.global_begin, &rows.global_n_rows);
    rows.job = job;
    rows.first = epoch;
    rows.batching = batching;
    const uint64_t end = fm_integer_min(row + n_rows, batch_rows);
    for (size_t n; row < end; row += n) {
        n = (size_t)fm_integer_min(end - row, BLOCK);
        rows.begin = begin + row;
        rows.number = rows.begin - rows.global_begin;
        rows.epoch = epoch_at(epoch, batching, &rows.begin, &later);
        if (batching->last == FM_LAST_NEXT) /* the next epoch has the rest */
            n = (size_t)fm_integer_min(n, epoch->sampler.n_positions - rows.begin);
        fm_sampler_find(&rows.epoch->sampler, rows.begin, n,
                        job->views[0].kernels.level, rows.indices);
        fill_views(&rows, row, n, batch_rows, (uint8_t *)scratch, memory);
        fill_columns(&rows, row, n, memory);
    }
    fm_convert_fence();
}
