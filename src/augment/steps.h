/* The transforms of an augmentation, run over one image. They are a flat list, in which
   a group or choice comes before the transforms inside it. Transform i draws as
   operation i + 1.

   Crops, flips and painted boxes are not applied at once, and neither are affine maps
   and tone tables. Consecutive transforms of one of these three kinds are composed
   first. Then the image is copied, resampled or looked up once. */
#ifndef FM_AUGMENT_STEPS_H
#define FM_AUGMENT_STEPS_H

#include "elastic.h"
#include "erase.h"
#include "words.h"
#include "filter.h"
#include "mix.h"
#include "noise.h"
#include "tone.h"
#include "warp.h"
#include "crop.h"

enum fm_step_kind {
    FM_STEP_GROUP = 0,  /* the n_inner transforms that follow, all or none */
    FM_STEP_CHOICE = 1, /* one of the groups inside. Words: coin, choice */
    FM_STEP_CROP = 2,
    FM_STEP_FLIP = 3,
    FM_STEP_AFFINE = 4,
    FM_STEP_ELASTIC = 5,
    FM_STEP_RESIZE = 6,
    FM_STEP_RESIZED_CROP = 7,
    FM_STEP_TONE = 8,
    FM_STEP_JITTER = 9,
    FM_STEP_BLUR = 10,
    FM_STEP_SHARPNESS = 11,
    FM_STEP_NOISE = 12,
    FM_STEP_ERASING = 13,
    FM_STEP_CUTOUT = 14,
    FM_STEP_USER = 15,
};

/* A function of the user, which changes uint8 (height, width) pixels in place. It is
   called from several threads at once.
   Words: coin; `random` is draw 1. */
typedef void fm_user_fn(uint8_t *pixels, int64_t height, int64_t width,
                        const uint32_t random[4], void *data);

struct fm_user {
    fm_user_fn *function;
    void *data;
};

/* One transform, with its parameters in the union. */
struct fm_step {
    enum fm_step_kind kind;
    uint64_t threshold; /* runs if word 0 is below this: p * 2**32 */
    size_t n_inner;     /* group or choice: how many transforms are inside */
    uint64_t until;     /* group in a choice: chosen if word 1 is below this */
    union {
        struct fm_crop crop;
        struct fm_flip flip;
        struct fm_affine affine;
        struct fm_elastic elastic;
        struct fm_resize resize;
        struct fm_resized_crop resized_crop;
        struct fm_tone tone;
        struct fm_jitter jitter;
        struct fm_blur blur;
        struct fm_sharpness sharpness;
        struct fm_noise noise;
        struct fm_erasing erasing;
        struct fm_cutout cutout;
        struct fm_user user;
    };
};

/* All transforms, with the sizes and the kernels to run them. */
struct fm_steps {
    const struct fm_step *steps;
    size_t n_steps;
    size_t height, width;         /* source size */
    size_t out_height, out_width; /* size after all transforms */
    uint64_t max_nbytes;          /* pixels of the largest image at any time */
    uint64_t work_nbytes;         /* the most work memory of any transform */
    const struct fm_crop *crop;   /* if is_window: the crop at the start, or NULL */
    int is_window;                /* only flips, with or without a crop before them */
    enum fm_cpu_level level;
    fm_crop_fn *window; /* kernels for the instruction set in use */
    fm_words_draws_fn *draws;
};

/* Fill in all members from max_nbytes on. The members before it are given. */
void fm_steps_select(struct fm_steps *steps, enum fm_cpu_level level);

/* Return the bytes of memory that one thread needs, from a multiple of 64 on. They may
   not fit into a size_t of 32 bits. */
uint64_t fm_steps_memory_nbytes(const struct fm_steps *steps);

/* The first draws of the first transforms, for FM_WORDS_LANES samples at once.
   Transforms that take more than four words get two draws, all others get one. If all
   transforms together are one crop, the crop of every sample is here, too. For crop +
   flip the walk through the list took as long as copying the crop. */
#define FM_STEPS_AHEAD 4
struct fm_ahead {
    uint32_t words[FM_STEPS_AHEAD][2 * FM_WORDS_CHUNK];
    int64_t top[FM_WORDS_LANES], left[FM_WORDS_LANES];
    uint8_t flip_y[FM_WORDS_LANES], flip_x[FM_WORDS_LANES];
};

/* Make the first draws of the samples at FM_WORDS_LANES positions from `position`
   on. */
void fm_steps_look_ahead(const struct fm_steps *steps, uint64_t seed, uint32_t epoch,
                         uint64_t position, struct fm_ahead *out);

/* Run the transforms over one image, uint8 (height, width). sample: the sample's row in
   the dataset.
   ahead: the result of fm_steps_look_ahead for FM_WORDS_LANES positions of which
   `position` is number `lane`, or NULL.
   alone: true if only the image itself may be read. Otherwise FM_CROP_AROUND bytes
   before and after it may be read, too.
   memory: fm_steps_memory_nbytes bytes from a multiple of 64 on.
   Return the pixels, uint8 (out_height, out_width): in memory, or the image itself if
   nothing was done.
   In numpy: for transform in transforms: image = transform(image); see
   tests/reference_steps.py.
   Not checked: every transform fits the size that the image has at its turn. */
const uint8_t *fm_steps_run(const struct fm_steps *steps, uint64_t seed, uint32_t epoch,
                            uint64_t position, uint64_t sample, const uint8_t *image,
                            int alone, const struct fm_ahead *ahead, size_t lane,
                            void *memory);

#endif
