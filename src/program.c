/* Preparing a program, and choosing its kernels; see program.h. */
#include "program.h"

#include "integer.h"

/* An operation takes 16 bits of the counter of random numbers (rng.h). */
_Static_assert(FM_DRAW_AUGMENT + FM_PROGRAM_MAX_VIEWS * FM_PROGRAM_MAX_TRANSFORMS <=
                   1 << 16,
               "operations of all views are below 2**16");

/* Batches of at least this size are written past the caches. Together with the batches
   that the consumer holds and the ones being filled, they exceed a core's share of the
   caches. */
#define STREAMING_NBYTES ((size_t)4 << 20)

/* Set the members of a transform that depend on its place in the list. `i` is that
   place, and `shape` the image's shape at its turn. */
static void place(struct fm_transform *all, uint32_t i, const struct fm_shape *shape)
{
    struct fm_transform *const transform = &all[i];
    const uint32_t end = i + 1 + transform->n_inner;
    transform->height = shape->height;
    transform->width = shape->width;
    if (!transform->is_alternative)
        transform->after = end;
    if (transform->kind != FM_TRANSFORM_CHOICE && transform->kind != FM_TRANSFORM_ORDER)
        return;
    for (uint32_t k = i + 1; k < end; k += 1 + all[k].n_inner) {
        all[k].is_alternative = 1;
        all[k].height = shape->height;
        all[k].width = shape->width;
        all[k].after = end;
    }
}

/* Set `shape` to the image's shape after a transform, and return the bytes of work
   memory that the transform needs. */
static uint64_t follow(const struct fm_transform *transform, struct fm_shape *shape)
{
    const size_t height = shape->height, width = shape->width;
    const struct fm_resize *resize;
    switch (transform->kind) {
    case FM_TRANSFORM_CROP:
        shape->height = (uint32_t)transform->crop.height;
        shape->width = (uint32_t)transform->crop.width;
        return 0;
    case FM_TRANSFORM_RESIZE:
    case FM_TRANSFORM_RESIZED_CROP:
        resize = fm_transform_resize(transform);
        shape->height = (uint32_t)resize->height;
        shape->width = (uint32_t)resize->width;
        return fm_resample_work_nbytes(height, width, resize->height, resize->width);
    case FM_TRANSFORM_AFFINE:
        return fm_warp_work_nbytes(height, width);
    case FM_TRANSFORM_ELASTIC:
        return fm_elastic_work_nbytes(height, width);
    case FM_TRANSFORM_BLUR:
        return fm_filter_work_nbytes(height, width);
    case FM_TRANSFORM_PERSPECTIVE:
        return fm_perspective_work_nbytes(height, width);
    case FM_TRANSFORM_ZOOM_OUT:
        return fm_resample_work_nbytes(
            fm_resample_canvas(height, transform->zoom_out.side.high),
            fm_resample_canvas(width, transform->zoom_out.side.high), height, width);
    default:
        return 0;
    }
}

/* Return the pixels of the largest image that a transform makes. `shape` is the image's
   shape after it. */
static uint64_t count_most_pixels(const struct fm_transform *transform,
                                  const struct fm_shape *shape)
{
    uint64_t height = shape->height, width = shape->width;
    if (transform->kind == FM_TRANSFORM_ZOOM_OUT) {
        height = fm_resample_canvas(transform->height, transform->zoom_out.side.high);
        width = fm_resample_canvas(transform->width, transform->zoom_out.side.high);
    }
    return height * width;
}

/* Return whether the transforms are flips, with or without a crop before them that
   always runs. */
static int is_cut(const struct fm_program *program)
{
    const struct fm_transform *all = fm_program_transforms(program);
    if (program->n_transforms > FM_PROGRAM_AHEAD)
        return 0;
    for (uint32_t i = 0; i < program->n_transforms; i++) {
        const int crops = i == 0 && all[i].kind == FM_TRANSFORM_CROP &&
                          all[i].threshold > UINT32_MAX;
        if (!crops && all[i].kind != FM_TRANSFORM_FLIP)
            return 0;
    }
    return program->n_transforms > 0;
}

/* Return whether some of the transforms of a cut are alternating flips. */
static int alternates(const struct fm_program *program)
{
    const struct fm_transform *all = fm_program_transforms(program);
    for (uint32_t i = 0; program->is_cut && i < program->n_transforms; i++)
        if (fm_transform_alternates(&all[i]))
            return 1;
    return 0;
}

void fm_program_prepare(struct fm_program *program)
{
    struct fm_transform *all = (struct fm_transform *)(program + 1);
    struct fm_shape shape = program->in;
    program->max_ops = 0;
    program->work_nbytes = 0;
    program->max_nbytes = (uint64_t)shape.height * shape.width;
    for (uint32_t i = 0; i < program->n_transforms; i++)
        all[i].is_alternative = 0; /* until what it is in is placed */
    for (uint32_t i = 0; i < program->n_transforms; i++) {
        if (all[i].is_alternative) { /* all of them start from the same size */
            shape.height = all[i].height;
            shape.width = all[i].width;
        }
        place(all, i, &shape);
        const uint64_t work_nbytes = follow(&all[i], &shape);
        program->work_nbytes = fm_integer_max(program->work_nbytes, work_nbytes);
        program->max_nbytes = fm_integer_max(program->max_nbytes,
                                             count_most_pixels(&all[i], &shape));
        program->max_ops += 1 + (all[i].kind == FM_TRANSFORM_JITTER ||
                                 all[i].kind == FM_TRANSFORM_ERASING ||
                                 all[i].kind == FM_TRANSFORM_ZOOM_OUT);
    }
    program->is_cut = is_cut(program);
    program->alternates = alternates(program);
}

void fm_program_select(const struct fm_program *program, uint64_t n_rows,
                       enum fm_cpu_level level, struct fm_kernels *out)
{
    const uint64_t nbytes = fm_program_image_nbytes(program) * program->n_views;
    const size_t n_pixels = fm_program_out_pixels(program);
    fm_convert_fn *streaming = NULL;
    fm_convert_rgb_fn *streaming_rgb = NULL;
    if (n_rows >= STREAMING_NBYTES / (nbytes | 1)) {
        streaming = fm_convert_select_streaming(program->dtype, n_pixels, level);
        streaming_rgb =
            fm_convert_select_rgb_streaming(program->dtype, n_pixels, level);
    }
    out->level = level;
    out->crop = fm_crop_select(level);
    out->draws = fm_words_draws_select(level);
    out->convert = streaming ? streaming : fm_convert_select(program->dtype, level);
    out->convert_rgb = NULL;
    if (program->is_interleaved)
        out->convert_rgb = streaming_rgb
                               ? streaming_rgb
                               : fm_convert_select_rgb(program->dtype, level);
}
