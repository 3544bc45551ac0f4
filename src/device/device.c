/* The kernels of devices; see device.h. */
#include "device.h"

#include "../integer.h"
#include "../labels.h"
#include "format.h"
#include "planes.h"

#define ALIGNMENT 16 /* of each piece of shared memory */

/* ---- shared memory --------------------------------------------------------------- */

static uint64_t aligned(uint64_t nbytes)
{
    return fm_integer_align_up(nbytes, ALIGNMENT);
}

/* Return the bytes of the image that a partner is mixed into. */
static uint64_t mixed_nbytes(const struct fm_program *program)
{
    return program->mix.n_kinds ? aligned(fm_program_out_pixels(program)) : 0;
}

uint64_t fm_device_shared_nbytes(const struct fm_program *program)
{
    const struct fm_transform *all = fm_program_transforms(program);
    uint64_t nbytes = 2 * aligned(program->max_nbytes) + mixed_nbytes(program) +
                      256 * (sizeof(uint32_t) + 1); /* counts and table */
    uint64_t work = 0;
    if (nbytes > FM_DEVICE_SHARED_NBYTES) /* sums below may overflow */
        return nbytes;
    for (uint32_t i = 0; i < program->n_transforms; i++)
        work = fm_integer_max(work, fm_planes_work_nbytes(&all[i]));
    return nbytes + aligned(work);
}

/* Divide the shared memory. Return the image that a partner is mixed into. */
static uint8_t *begin_canvas(const struct fm_program *program, uint8_t *shared,
                             struct fm_canvas *canvas)
{
    const uint64_t nbytes = aligned(program->max_nbytes);
    canvas->buffers[0] = shared;
    canvas->buffers[1] = shared + nbytes;
    canvas->counts = (uint32_t *)(canvas->buffers[1] + nbytes);
    canvas->table = (uint8_t *)(canvas->counts + 256);
    uint8_t *mixed = canvas->table + 256;
    canvas->work = mixed + mixed_nbytes(program);
    return mixed;
}

/* ---- start and advance ----------------------------------------------------------- */

static void begin_epoch(struct fm_launch *launch, const struct fm_sampling *sampling,
                        uint64_t seed, uint64_t number, uint64_t begin)
{
    struct fm_epoch *epoch = &launch->epoch;
    epoch->number = (uint32_t)fm_integer_min(number, UINT32_MAX);
    fm_sampler_init_unblocked(&epoch->sampler, sampling, seed, epoch->number);
    launch->batching.begin = begin;
    launch->batching.end = epoch->sampler.n_positions;
    launch->batch = 0;
}

void fm_device_start(struct fm_launch *launch, const struct fm_sampling *sampling,
                     uint64_t seed, uint64_t augment_seed, uint64_t epoch,
                     uint64_t begin, uint64_t batch_size, uint64_t rank, uint64_t world,
                     uint64_t last)
{
    launch->epoch.seed = augment_seed;
    launch->batching.batch_size = batch_size;
    launch->batching.rank = rank;
    launch->batching.world = world;
    launch->batching.last = (enum fm_last)last;
    launch->row = 0;
    begin_epoch(launch, sampling, seed, epoch, begin);
}

/* Let the next launch begin in the epoch that its batch begins in. */
static void advance_epochs(struct fm_launch *launch)
{
    const struct fm_sampler *sampler = &launch->epoch.sampler;
    const struct fm_sampling sampling = sampler->sampling;
    uint64_t begin, n_rows;
    fm_batching_global(&launch->batching, launch->batch, &begin, &n_rows);
    const uint64_t n_later = fm_epoch_find(&launch->epoch, FM_LAST_NEXT, &begin);
    if (n_later > 0)
        begin_epoch(launch, &sampling, sampler->seed, launch->epoch.number + n_later,
                    begin);
}

void fm_device_advance(struct fm_launch *launch, uint64_t n_rows)
{
    const struct fm_batching *batching = &launch->batching;
    const struct fm_sampler *sampler = &launch->epoch.sampler;
    const struct fm_sampling sampling = sampler->sampling;
    const uint64_t row = launch->row + n_rows;
    uint64_t begin, n_in_batch = 0;
    launch->batch += row / batching->batch_size;
    launch->row = row % batching->batch_size;
    if (batching->last == FM_LAST_NEXT) {
        advance_epochs(launch);
        return;
    }
    if (launch->batch < fm_batching_count(batching))
        fm_batching_rows(batching, launch->batch, &begin, &n_in_batch);
    if (launch->row < n_in_batch)
        return;
    launch->row = 0;
    begin_epoch(launch, &sampling, sampler->seed, (uint64_t)launch->epoch.number + 1,
                0);
}

/* ---- plan ------------------------------------------------------------------------ */

static const struct fm_device_row *row_at(const struct fm_program *program,
                                          const uint8_t *rows, uint64_t i)
{
    return (const struct fm_device_row *)(rows + i * fm_device_row_nbytes(program));
}

/* Draw with which partner the sample at `position` is mixed. Return the partner's
   position, which is its own if it is not mixed. */
static uint64_t draw_partner(const struct fm_program *program,
                             const struct fm_launch *launch, uint64_t batch,
                             uint64_t position, struct fm_mixture *out)
{
    uint64_t begin, n_rows, own = position;
    if (program->mix.n_kinds == 0)
        return position;
    fm_batching_global(&launch->batching, batch, &begin, &n_rows);
    const uint64_t n_later = fm_epoch_find(&launch->epoch, launch->batching.last, &own);
    fm_mix_draw(&program->mix, launch->epoch.seed,
                launch->epoch.number + (uint32_t)n_later, own, position - begin, n_rows,
                program->out.height, program->out.width, out);
    return begin + out->partner;
}

/* Set where the image and the label of a row go. number: of the row in the memory of
   the batches, which has n_memory rows. */
static void place_row(const struct fm_program *program, uint64_t batch_size,
                      uint64_t number, uint64_t n_memory, struct fm_device_row *row)
{
    const uint64_t begin = number - number % batch_size; /* of the batch */
    const uint64_t batch_rows = fm_integer_min(batch_size, n_memory - begin);
    row->image = number + begin * (program->n_views - 1) + batch_rows * program->view;
    row->label = program->n_label_views > 1 ? row->image : number;
}

void fm_device_plan(const struct fm_program *program, const struct fm_launch *launch,
                    uint64_t i, uint64_t first, uint64_t n_memory, uint8_t *rows)
{
    const struct fm_batching *batching = &launch->batching;
    const uint64_t batch = launch->batch + (launch->row + i) / batching->batch_size;
    struct fm_device_row *row = (struct fm_device_row *)row_at(program, rows, i);
    uint64_t begin, n_rows, positions[2];
    fm_batching_rows(batching, batch, &begin, &n_rows);
    positions[0] = begin + (launch->row + i) % batching->batch_size;
    positions[1] = draw_partner(program, launch, batch, positions[0], &row->mixture);
    place_row(program, batching->batch_size, first + i, n_memory, row);
    row->n_samples = 1 + (positions[1] != positions[0]);
    for (uint32_t k = 0; k < row->n_samples; k++) {
        struct fm_epoch later;
        const uint64_t n_later =
            fm_epoch_find(&launch->epoch, batching->last, &positions[k]);
        const struct fm_epoch *epoch =
            fm_epoch_later_unblocked(&launch->epoch, n_later, &later);
        const struct fm_key key = {.seed = epoch->seed,
                                   .epoch = epoch->number,
                                   .view = program->draws_view,
                                   .position = positions[k]};
        struct fm_op *ops = (struct fm_op *)(row + 1) + k * program->max_ops;
        struct fm_row planned;
        row->indices[k] = fm_sampler_at(&epoch->sampler, positions[k]);
        fm_plan_row(program, &key, row->indices[k], NULL, 0, ops, &planned);
        row->n_ops[k] = planned.n_ops;
    }
}

/* ---- fill ------------------------------------------------------------------------ */

/* Carry out the first of n operations, and those that go together with it. Return how
   many these are. */
static uint32_t fill_op(struct fm_canvas *canvas, const struct fm_program *program,
                        const struct fm_op *op, uint32_t n)
{
    const struct fm_transform *transform =
        &fm_program_transforms(program)[op->transform];
    switch (op->kind) {
    case FM_OP_CUT:
        fm_canvas_cut(canvas, &op->cut);
        break;
    case FM_OP_WARP:
        fm_canvas_warp(canvas, &op->warp);
        break;
    case FM_OP_TONE:
        return fm_canvas_tone(canvas, op, n);
    case FM_OP_RESIZE:
        fm_planes_resize(canvas, &op->box, fm_transform_resize(transform));
        break;
    case FM_OP_ELASTIC:
        fm_planes_warp(canvas, &transform->elastic, op->key);
        break;
    case FM_OP_BLUR:
        fm_planes_blur(canvas, &transform->blur, op->amount);
        break;
    case FM_OP_SHARPNESS:
        fm_canvas_sharpen(canvas, op->amount);
        break;
    case FM_OP_NOISE:
        fm_canvas_add_noise(canvas, &transform->noise, op->key);
        break;
    case FM_OP_ERASE:
        fm_canvas_erase(canvas, &op->erase.box, op->erase.key);
        break;
    case FM_OP_PERSPECTIVE:
        fm_canvas_perspective(canvas, &op->perspective, &transform->perspective);
        break;
    case FM_OP_SALT_PEPPER:
        fm_canvas_salt_pepper(canvas, &op->salt_pepper);
        break;
    case FM_OP_USER: /* refused before */
        break;
    }
    return 1;
}

/* Make the canvas the image of the row's sample, or of its partner if k is 1, with the
   operations carried out. */
static void fill_sample(struct fm_canvas *canvas, const struct fm_program *program,
                        const struct fm_source *source, const struct fm_device_row *row,
                        uint32_t k)
{
    const struct fm_op *ops = (const struct fm_op *)(row + 1) + k * program->max_ops;
    canvas->pixels = fm_source_image(source, row->indices[k]);
    canvas->height = program->in.height;
    canvas->width = program->in.width;
    for (uint32_t i = 0; i < row->n_ops[k];)
        i += fill_op(canvas, program, &ops[i], row->n_ops[k] - i);
}

/* Write the label of a row. One thread does it: most are numbers, and others few
   floats. */
static void fill_label(const struct fm_program *program, const struct fm_source *source,
                       const struct fm_device_row *row, uint8_t *labels)
{
    if (program->view >= program->n_label_views) /* it is in view 0 */
        return;
    void *label = labels + row->label * fm_program_label_nbytes(program);
    fm_labels_fill(source, row->indices, 1, program->label_dtype, program->n_classes,
                   label);
    if (row->n_samples > 1)
        fm_labels_mix(source, row->indices, row->indices + 1, &row->mixture.share, 1,
                      program->n_classes, (float *)label);
}

void fm_device_fill(const struct fm_thread_block *block,
                    const struct fm_program *program, const struct fm_source *source,
                    const uint8_t *rows, uint64_t i, uint8_t *shared, uint8_t *images,
                    uint8_t *labels)
{
    const struct fm_device_row *row = row_at(program, rows, i);
    const uint32_t n_pixels = (uint32_t)fm_program_out_pixels(program);
    const uint32_t width = program->out.width;
    const int is_mixed = row->n_samples > 1;
    uint8_t *out = images + row->image * fm_program_image_nbytes(program);
    struct fm_canvas canvas;
    canvas.block = block;
    uint8_t *mixed = begin_canvas(program, shared, &canvas);
    for (uint32_t k = 0; k < row->n_samples; k++) {
        if (k > 0) {
            FM_EACH(block, n, n_pixels)
                mixed[n] = canvas.pixels[n];
            fm_machine_wait(block);
        }
        fill_sample(&canvas, program, source, row, k);
    }
    const uint8_t *pixels = canvas.pixels;
    for (uint32_t channel = 0; channel < program->out.channels; channel++) {
        const struct fm_format format = fm_format_of(program, channel, out);
        FM_EACH(block, n, n_pixels) {
            uint8_t pixel = pixels[n];
            if (is_mixed)
                pixel =
                    fm_mix_pixel(&row->mixture, mixed[n], pixel, n / width, n % width);
            fm_format_write(&format, format.dtype, pixel, n);
        }
    }
    if (block->thread == 0)
        fill_label(program, source, row, labels);
}

/* ---- gather ---------------------------------------------------------------------- */

void fm_device_gather(const struct fm_program *program, const struct fm_column *column,
                      const uint8_t *rows, uint64_t i, uint8_t *out)
{
    const uint64_t index = row_at(program, rows, i)->indices[0];
    const uint64_t nbytes = column->nbytes;
    if (column->values == NULL) {
        ((uint64_t *)out)[i] = column->first + index;
        return;
    }
    for (uint64_t k = 0; k < nbytes; k++)
        out[i * nbytes + k] = column->values[index * nbytes + k];
}

/* ---- cut ------------------------------------------------------------------------- */

int fm_device_only_cuts(const struct fm_program *program)
{
    const struct fm_transform *all = fm_program_transforms(program);
    for (uint32_t i = 0; i < program->n_transforms; i++) {
        switch (all[i].kind) {
        case FM_TRANSFORM_GROUP:
        case FM_TRANSFORM_CHOICE:
        case FM_TRANSFORM_CROP:
        case FM_TRANSFORM_FLIP:
        case FM_TRANSFORM_CUTOUT:
        case FM_TRANSFORM_ORDER:
            break;
        case FM_TRANSFORM_ERASING:
            if (all[i].erasing.random)
                return 0;
            break;
        default:
            return 0;
        }
    }
    return program->mix.n_kinds == 0;
}

/* Return pixel (y, x) of the image that n cuts make of another one. */
FM_INLINE uint8_t pixel_of(const struct fm_shape *shape, const uint8_t *in,
                           const struct fm_op *ops, uint32_t n, uint32_t y, uint32_t x)
{
    while (n-- > 0) {
        const struct fm_cut *cut = &ops[n].cut;
        const uint32_t height = n ? (uint32_t)ops[n - 1].cut.height : shape->height;
        const uint32_t width = n ? (uint32_t)ops[n - 1].cut.width : shape->width;
        const fm_crop_place row = fm_crop_source_row(cut, height, y);
        const fm_crop_place column = fm_crop_source_column(cut, width, x);
        uint8_t value;
        if (!fm_crop_is_copied(cut, y, x, row, column, &value))
            return value;
        y = (uint32_t)row;
        x = (uint32_t)column;
    }
    return in[y * shape->width + x];
}

/* Write the pixels of a channel of a row with any cuts. */
static void write_cuts(const struct fm_thread_block *block,
                       const struct fm_program *program, const uint8_t *in,
                       const struct fm_op *ops, uint32_t n_ops,
                       const struct fm_format *format)
{
    const uint32_t n_pixels = (uint32_t)fm_program_out_pixels(program);
    const uint32_t width = program->out.width;
    const struct fm_shape shape = program->in;
    FM_EACH(block, n, n_pixels) {
        const uint8_t pixel = pixel_of(&shape, in, ops, n_ops, n / width, n % width);
        fm_format_write(format, format->dtype, pixel, n);
    }
}

/* Write the pixels of a channel of a row with at most one cut, and constant padding. A
   thread takes pixels of one column, and finds the column of the source once. `dtype`
   is known when this is inlined. */
FM_INLINE void write_cut(const struct fm_thread_block *block,
                         const struct fm_program *program, const uint8_t *in,
                         const struct fm_op *ops, uint32_t n_ops, enum fm_dtype dtype,
                         const struct fm_format *format)
{
    const uint32_t in_height = program->in.height, in_width = program->in.width;
    const uint32_t height = program->out.height, width = program->out.width;
    const uint32_t n_columns = (uint32_t)fm_integer_min(width, block->n_threads);
    const uint32_t n_rows = block->n_threads / n_columns;
    struct fm_cut cut;
    fm_crop_set_whole(&cut, height, width);
    if (n_ops > 0)
        cut = ops->cut;
    cut.height = height; /* as it is, but without a register of its own */
    cut.width = width;
    cut.mode = FM_PAD_CONSTANT; /* without the branches of others */
    if (block->thread >= n_rows * n_columns)
        return;
    for (uint32_t x = block->thread % n_columns; x < width; x += n_columns) {
        const fm_crop_place column = fm_crop_source_column(&cut, in_width, x);
        for (uint32_t y = block->thread / n_columns; y < height; y += n_rows) {
            const fm_crop_place row = fm_crop_source_row(&cut, in_height, y);
            uint8_t pixel;
            if (fm_crop_is_copied(&cut, y, x, row, column, &pixel))
                pixel = in[(uint32_t)row * in_width + (uint32_t)column];
            fm_format_write(format, dtype, pixel, y * width + x);
        }
    }
}

/* Write the pixels of a channel of a row. */
static void write_row(const struct fm_thread_block *block,
                      const struct fm_program *program, const uint8_t *in,
                      const struct fm_op *ops, uint32_t n_ops,
                      const struct fm_format *format)
{
    if (n_ops > 1 || (n_ops == 1 && ops->cut.mode != FM_PAD_CONSTANT)) {
        write_cuts(block, program, in, ops, n_ops, format);
        return;
    }
    switch (format->dtype) {
    case FM_FLOAT32:
        write_cut(block, program, in, ops, n_ops, FM_FLOAT32, format);
        break;
    case FM_FLOAT16:
        write_cut(block, program, in, ops, n_ops, FM_FLOAT16, format);
        break;
    case FM_BFLOAT16:
        write_cut(block, program, in, ops, n_ops, FM_BFLOAT16, format);
        break;
    case FM_UINT8:
        write_cut(block, program, in, ops, n_ops, FM_UINT8, format);
        break;
    }
}

void fm_device_cut(const struct fm_thread_block *block,
                   const struct fm_program *program, const struct fm_source *source,
                   const uint8_t *rows, uint64_t i, uint8_t *images, uint8_t *labels)
{
    uint32_t channel = 0;
    if (program->out.channels > 1) {
        channel = (uint32_t)(i % program->out.channels);
        i /= program->out.channels;
    }
    const struct fm_device_row *row = row_at(program, rows, i);
    const uint8_t *in = fm_source_image(source, row->indices[0]);
    if (block->thread == 0 && channel == 0)
        fill_label(program, source, row, labels);
    const struct fm_format format = fm_format_of(
        program, channel, images + row->image * fm_program_image_nbytes(program));
    write_row(block, program, in, (const struct fm_op *)(row + 1), row->n_ops[0],
              &format);
}
