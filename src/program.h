/* A program: all that makes one view of a batch from its samples, except the data.
   Transforms are a flat list, in which a group, choice or order comes before the
   transforms inside it. A program has no pointers, so that a copy of its bytes is a
   program. */
#ifndef FM_PROGRAM_H
#define FM_PROGRAM_H

#include "augment/mix.h"
#include "augment/transform.h"
#include "augment/words.h"
#include "convert.h"
#include "labels.h"
#include "source.h"

/* A mix counts as one. */
#define FM_PROGRAM_MAX_TRANSFORMS 1024
#define FM_PROGRAM_MAX_VIEWS 63
#define FM_PROGRAM_MAX_CHANNELS 3

/* Transforms whose first draws are made for several rows at once (ahead.h). */
#define FM_PROGRAM_AHEAD 4

struct fm_shape {
    uint32_t height, width, channels;
};

/* The transforms lie behind this struct in memory. Members up to `mix` are given, and
   fm_program_prepare sets the others. */
struct fm_program {
    struct fm_shape in, out; /* of an image; gray images have one channel */
    enum fm_dtype dtype;     /* of the images in a batch */
    enum fm_label_dtype label_dtype; /* its range holds every label */
    uint64_t n_classes;              /* width of a one-hot row */
    float scale[FM_PROGRAM_MAX_CHANNELS], bias[FM_PROGRAM_MAX_CHANNELS];
    int is_interleaved; /* the channels of a pixel lie together, not in planes */
    uint32_t view, n_views; /* the view that this makes, and the views of a batch */
    uint32_t draws_view;    /* the view whose random numbers it takes */
    uint32_t n_label_views; /* n_views if a view mixes samples, otherwise 1 */
    uint32_t n_transforms;
    struct fm_mix mix;
    uint32_t max_ops; /* most operations of a row */
    int is_cut; /* only flips, with or without a crop before them: see ahead.h */
    int alternates; /* is_cut, and some of the flips are alternating */
    uint64_t max_nbytes;  /* pixels of the largest image at any time */
    uint64_t work_nbytes; /* the most work memory of any transform */
};

/* Return the bytes of a program with its transforms. */
static inline size_t fm_program_nbytes(uint32_t n_transforms)
{
    return sizeof(struct fm_program) + n_transforms * sizeof(struct fm_transform);
}

static inline const struct fm_transform *
fm_program_transforms(const struct fm_program *program)
{
    return (const struct fm_transform *)(program + 1);
}

/* Return the number of the operation that a transform draws as, in a view. The mix
   draws as the transform after the last one. */
static inline uint32_t fm_program_operation(uint32_t view, uint32_t transform)
{
    return FM_DRAW_AUGMENT + view * FM_PROGRAM_MAX_TRANSFORMS + transform;
}

/* Set the members from max_ops on, and those of the transforms.
   Not checked: there are at most FM_PROGRAM_MAX_TRANSFORMS transforms; each fits the
   size that the image has at its turn; one that need not run keeps the size; all groups
   of a choice lead to the same size; those of an order keep it, are at most
   FM_TRANSFORM_MAX_ORDERED, and have no order inside. */
void fm_program_prepare(struct fm_program *program);

/* Return the number of pixels of an image in a batch, in one channel. */
static inline size_t fm_program_out_pixels(const struct fm_program *program)
{
    return (size_t)program->out.height * program->out.width;
}

/* Return the bytes of an image in a batch, in all channels of one view. */
static inline uint64_t fm_program_image_nbytes(const struct fm_program *program)
{
    return (uint64_t)fm_program_out_pixels(program) * program->out.channels *
           fm_convert_item_nbytes(program->dtype);
}

/* Return the bytes of the label of an image in a batch, for one view. */
static inline uint64_t fm_program_label_nbytes(const struct fm_program *program)
{
    return fm_labels_row_nbytes(program->label_dtype, program->n_classes);
}

/* Return whether anything is done to images before they are converted. */
static inline int fm_program_augments(const struct fm_program *program)
{
    return program->n_transforms > 0 || program->mix.n_kinds > 0;
}

/* A function of the user, which changes uint8 (height, width) pixels in place. It is
   called from several threads at once. */
typedef void fm_function_fn(uint8_t *pixels, int64_t height, int64_t width,
                            const uint32_t random[4], void *data);

struct fm_function {
    fm_function_fn *call;
    void *data;
};

/* The means of this machine to run programs: an instruction set, its kernels, and the
   functions of the user. */
struct fm_kernels {
    enum fm_cpu_level level;
    fm_crop_fn *crop;
    fm_words_draws_fn *draws;
    fm_convert_fn *convert;
    fm_convert_rgb_fn *convert_rgb; /* NULL if channels are planes */
    const struct fm_function *functions; /* by their number in fm_user */
};

/* Choose the kernels for batches of at most `n_rows` rows in each view. The functions
   of the user are given.
   Not checked: the images of every batch start at a multiple of 64 bytes. */
void fm_program_select(const struct fm_program *program, uint64_t n_rows,
                       enum fm_cpu_level level, struct fm_kernels *out);

#endif
