/* The steps of an augmentation, run over one image: a flat list in which groups and
   choices come before what is inside them. Step i draws as operation i + 1.

   Crops, flips and boxes, affine maps, and tone tables are not applied at once:
   following steps of the same sort are composed with them, and the image is copied,
   resampled or looked up once. */
#ifndef FM_AUGMENT_STEPS_H
#define FM_AUGMENT_STEPS_H

#include "elastic.h"
#include "erase.h"
#include "field.h"
#include "filter.h"
#include "mix.h"
#include "noise.h"
#include "tone.h"
#include "warp.h"
#include "window.h"

enum fm_step_kind {
    FM_STEP_GROUP = 0,  /* the n_inner steps that follow, all or none */
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

/* A step of the user's: changes uint8 (height, width) pixels in place, called from
   several threads at once. Words: coin; `random` is draw 1. */
typedef void fm_user_fn(uint8_t *pixels, int64_t height, int64_t width,
                        const uint32_t random[4], void *data);

struct fm_user {
    fm_user_fn *function;
    void *data;
};

struct fm_step {
    enum fm_step_kind kind;
    uint64_t threshold; /* it is run when word 0 is below: p * 2**32 */
    size_t n_inner;     /* of a group or choice: the steps inside */
    uint64_t until;     /* of a group in a choice: chosen when word 1 is below */
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

struct fm_steps {
    const struct fm_step *steps;
    size_t n_steps;
    size_t height, width;         /* of the source */
    size_t out_height, out_width; /* after all steps */
    size_t max_nbytes;            /* pixels of the largest image on the way */
    size_t work_nbytes;           /* what the largest step needs beside */
    const struct fm_crop *crop;   /* where is_window: the one that comes first, or NULL */
    int is_window;                /* flips, perhaps after a crop, are all there is */
    enum fm_cpu_level level;
    fm_window_fn *window; /* kernels for the instruction set in use */
    fm_field_draws_fn *draws;
};

/* Fill in max_nbytes, work_nbytes and the kernels; the other members are given. */
void fm_steps_select(struct fm_steps *steps, enum fm_cpu_level level);

/* Bytes of memory that one thread needs; it must start at a multiple of 64. */
size_t fm_steps_memory_nbytes(const struct fm_steps *steps);

/* The first draws of the first steps, for FM_FIELD_SAMPLES samples at once: two draws
   of steps that take more than four words, one of the others. Where the steps come to
   one window, these of all samples: crop + flip is too short for the way through the
   list, which took as long as copying the window. */
#define FM_STEPS_AHEAD 4
struct fm_ahead {
    uint32_t words[FM_STEPS_AHEAD][2 * FM_FIELD_CHUNK];
    int64_t top[FM_FIELD_SAMPLES], left[FM_FIELD_SAMPLES];
    uint8_t flip_y[FM_FIELD_SAMPLES], flip_x[FM_FIELD_SAMPLES];
};

void fm_steps_look_ahead(const struct fm_steps *steps, uint64_t seed, uint32_t epoch,
                         uint64_t position, struct fm_ahead *out);

/* Run the steps over one image. ahead: what fm_steps_look_ahead says of positions that
   `position` is number `lane` of; or NULL. alone: nothing but the image may be read;
   else FM_WINDOW_AROUND bytes before and behind it may be, too. Returns its pixels,
   uint8 (out_height, out_width): in memory, or image itself when nothing was done.
   Not checked: every step fits the size of the image when its turn comes. */
const uint8_t *fm_steps_run(const struct fm_steps *steps, uint64_t seed, uint32_t epoch,
                            uint64_t position, uint64_t sample, const uint8_t *image,
                            int alone, const struct fm_ahead *ahead, size_t lane,
                            void *memory);

#endif
