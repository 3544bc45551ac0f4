/* The two kernels of devices; see device.h. */
#include "device.h"

#include "../integer.h"
#include "../labels.h"
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
    uint64_t begin, n_rows;
    if (program->mix.n_kinds == 0)
        return position;
    fm_batching_global(&launch->batching, batch, &begin, &n_rows);
    fm_mix_draw(&program->mix, launch->epoch.seed, launch->epoch.number, position,
                position - begin, n_rows, program->out.height, program->out.width, out);
    return begin + out->partner;
}

void fm_device_plan(const struct fm_program *program, const struct fm_launch *launch,
                    uint64_t i, uint8_t *rows)
{
    const struct fm_epoch *epoch = &launch->epoch;
    const struct fm_batching *batching = &launch->batching;
    const uint64_t batch = launch->batch + (launch->row + i) / batching->batch_size;
    struct fm_device_row *row = (struct fm_device_row *)row_at(program, rows, i);
    uint64_t begin, n_rows, positions[2];
    fm_batching_rows(batching, batch, &begin, &n_rows);
    positions[0] = begin + (launch->row + i) % batching->batch_size;
    positions[1] = draw_partner(program, launch, batch, positions[0], &row->mixture);
    row->n_samples = 1 + (positions[1] != positions[0]);
    for (uint32_t k = 0; k < row->n_samples; k++) {
        const struct fm_key key = {.seed = epoch->seed,
                                   .epoch = epoch->number,
                                   .view = 0,
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

/* Write a label. One thread does it: most are numbers, and others few floats. */
static void fill_label(const struct fm_program *program, const struct fm_source *source,
                       const struct fm_device_row *row, void *label)
{
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
    const float scale = program->scale[0], bias = program->bias[0];
    uint8_t *out = images + i * fm_program_image_nbytes(program);
    uint8_t *label = labels + i * fm_labels_row_nbytes(program->label_dtype,
                                                       program->n_classes);
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
    FM_EACH(block, n, n_pixels) {
        uint8_t pixel = canvas.pixels[n];
        if (row->n_samples > 1)
            pixel = fm_mix_pixel(&row->mixture, mixed[n], pixel, n / width, n % width);
        fm_convert_pixel(program->dtype, pixel, scale, bias, n, out);
    }
    if (block->thread == 0)
        fill_label(program, source, row, label);
}
