/* Carrying out the operations of a row; see fill.h. */
#include "fill.h"

#include "integer.h"

/* Bytes between the images of two buffers. Kernels read and write whole vectors, so
   SLACK must cover their reads around one image and their writes after the other. */
#define SLACK 64
_Static_assert(SLACK >= 2 * FM_CROP_AROUND, "what they write is not read around");

/* The image between two operations. */
struct canvas {
    const struct fm_program *program;
    const struct fm_kernels *kernels;
    const uint8_t *pixels; /* the source, or one of the buffers */
    size_t height, width;
    uint8_t *buffers[2], *work;
};

static uint64_t buffer_nbytes(const struct fm_program *program)
{
    return fm_integer_align_up(program->max_nbytes + SLACK, 64);
}

uint64_t fm_fill_scratch_nbytes(const struct fm_program *program)
{
    return SLACK + 2 * buffer_nbytes(program) +
           fm_integer_align_up(program->work_nbytes, 64);
}

static uint8_t *other_buffer(const struct canvas *canvas)
{
    return canvas->buffers[canvas->pixels == canvas->buffers[0]];
}

/* Return whether the pixels are in one of the buffers, not in the source. */
static int is_own(const struct canvas *canvas)
{
    return canvas->pixels == canvas->buffers[0] || canvas->pixels == canvas->buffers[1];
}

/* Return pixels that may be changed in place. */
static uint8_t *own_pixels(struct canvas *canvas)
{
    if (!is_own(canvas)) {
        memcpy(canvas->buffers[0], canvas->pixels, canvas->height * canvas->width);
        canvas->pixels = canvas->buffers[0];
    }
    return (uint8_t *)canvas->pixels;
}

/* ---- operations ----------------------------------------------------------------- */

/* Return whether a cut is the whole image, not flipped. */
static int is_whole(const struct fm_cut *cut, const struct canvas *canvas)
{
    return cut->top == 0 && cut->left == 0 && cut->height == canvas->height &&
           cut->width == canvas->width && !cut->flip_y && !cut->flip_x;
}

/* Copy a crop. A box is painted in place if the rest would only be copied from one
   buffer to the other. */
static void fill_cut(struct canvas *canvas, const struct fm_cut *cut)
{
    if (cut->hole.height > 0 && is_own(canvas) && is_whole(cut, canvas)) {
        fm_crop_paint(&cut->hole, cut->hole_value, cut->width,
                      (uint8_t *)canvas->pixels);
        return;
    }
    uint8_t *out = other_buffer(canvas);
    canvas->kernels->crop(canvas->pixels, canvas->height, canvas->width, cut, out);
    canvas->pixels = out;
    canvas->height = cut->height;
    canvas->width = cut->width;
}

/* Look pixels up in the table of the first tone operations of n. Return how many these
   are. */
static uint32_t fill_tones(struct canvas *canvas, const struct fm_op *ops, uint32_t n)
{
    const enum fm_cpu_level level = canvas->kernels->level;
    const size_t n_pixels = canvas->height * canvas->width;
    uint8_t table[256], next[256];
    const uint32_t n_ops = fm_plan_count_tones(ops, n);
    uint8_t *out = other_buffer(canvas);
    fm_tone_table(ops[0].tone.kind, ops[0].tone.value, canvas->pixels, n_pixels, level,
                  table);
    for (uint32_t i = 1; i < n_ops; i++) {
        fm_tone_table(ops[i].tone.kind, ops[i].tone.value, NULL, 0, level, next);
        fm_tone_apply(table, sizeof table, next, table);
    }
    fm_tone_apply(canvas->pixels, n_pixels, table, out);
    canvas->pixels = out;
    return n_ops;
}

static void fill_resize(struct canvas *canvas, const struct fm_op *op,
                        const struct fm_transform *transform)
{
    const struct fm_resize *resize = fm_transform_resize(transform);
    uint8_t *out = other_buffer(canvas);
    fm_resample_apply(canvas->pixels, canvas->width, &op->box, resize,
                      canvas->kernels->level, canvas->work, out);
    canvas->pixels = out;
    canvas->height = resize->height;
    canvas->width = resize->width;
}

static void call_user(struct canvas *canvas, const struct fm_op *op,
                      const struct fm_user *user)
{
    const struct fm_function *function = &canvas->kernels->functions[user->number];
    uint8_t *pixels = own_pixels(canvas);
    struct fm_floats before; /* the function may change the state of this thread */
    fm_floats_begin(&before);
    function->call(pixels, (int64_t)canvas->height, (int64_t)canvas->width, op->random,
                   function->data);
    fm_floats_end(&before);
}

/* Carry out an operation that makes a new image of the same size. */
static void fill_filter(struct canvas *canvas, const struct fm_op *op,
                        const struct fm_transform *transform)
{
    const enum fm_cpu_level level = canvas->kernels->level;
    const uint8_t *in = canvas->pixels;
    const size_t height = canvas->height, width = canvas->width;
    uint8_t *out = other_buffer(canvas), *work = canvas->work;
    switch (op->kind) {
    case FM_OP_WARP:
        fm_warp_apply(in, height, width, &op->warp.map, op->warp.interpolation,
                      op->warp.fill, level, work, out);
        break;
    case FM_OP_ELASTIC:
        fm_elastic_apply(in, height, width, &transform->elastic, op->key, level, work,
                         out);
        break;
    case FM_OP_PERSPECTIVE:
        fm_perspective_apply(in, height, width, &op->perspective,
                             transform->perspective.interpolation,
                             transform->perspective.fill, level, work, out);
        break;
    case FM_OP_BLUR:
        fm_filter_blur(in, height, width, &transform->blur, op->amount, level, work,
                       out);
        break;
    case FM_OP_SHARPNESS:
        fm_filter_sharpen(in, height, width, op->amount, level, out);
        break;
    case FM_OP_SALT_PEPPER:
        fm_noise_salt_pepper(in, height * width, op->salt_pepper.salt,
                             op->salt_pepper.amount, op->salt_pepper.key, level, out);
        break;
    default:
        fm_noise_apply(in, height * width, &transform->noise, op->key, level, out);
        break;
    }
    canvas->pixels = out;
}

/* Carry out the first of n operations, and those that go together with it. Return how
   many these are. */
static uint32_t fill_op(struct canvas *canvas, const struct fm_op *op, uint32_t n)
{
    const struct fm_transform *transform =
        &fm_program_transforms(canvas->program)[op->transform];
    switch (op->kind) {
    case FM_OP_CUT:
        fill_cut(canvas, &op->cut);
        return 1;
    case FM_OP_TONE:
        return fill_tones(canvas, op, n);
    case FM_OP_RESIZE:
        fill_resize(canvas, op, transform);
        return 1;
    case FM_OP_ERASE:
        fm_erase_random(&op->erase.box, op->erase.key, canvas->width,
                        canvas->kernels->level, own_pixels(canvas));
        return 1;
    case FM_OP_USER:
        call_user(canvas, op, &transform->user);
        return 1;
    default:
        fill_filter(canvas, op, transform);
        return 1;
    }
}

const uint8_t *fm_fill_row(const struct fm_program *program,
                           const struct fm_kernels *kernels, const struct fm_row *row,
                           const uint8_t *image, int is_at_edge, void *scratch)
{
    struct canvas canvas;
    if (row->n_ops == 0)
        return image;
    canvas.program = program;
    canvas.kernels = kernels;
    canvas.pixels = image;
    canvas.height = program->in.height;
    canvas.width = program->in.width;
    canvas.buffers[0] = (uint8_t *)scratch + SLACK;
    canvas.buffers[1] = canvas.buffers[0] + (size_t)buffer_nbytes(program);
    canvas.work = canvas.buffers[1] + (size_t)buffer_nbytes(program);
    if (is_at_edge)
        canvas.pixels =
            (uint8_t *)memcpy(canvas.buffers[1], image, canvas.height * canvas.width);
    for (uint32_t i = 0; i < row->n_ops;)
        i += fill_op(&canvas, &row->ops[i], row->n_ops - i);
    return canvas.pixels;
}
