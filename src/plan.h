/* Planning a row: the random numbers and the control flow of its transforms become a
   list of operations, which fill.h carries out. Planning reads no pixels.

   Crops, flips and painted boxes are one operation where they follow each other, and so
   are affine maps. The image is then copied or resampled once. */
#ifndef FM_PLAN_H
#define FM_PLAN_H

#include "program.h"

/* The numbers from which the random numbers of a row follow. `position` is not beside
   `seed`: they would be loaded at once, and that load waits for their two stores. */
struct fm_key {
    uint64_t seed;
    uint32_t epoch, view;
    uint64_t position;
};

enum fm_op_kind {
    FM_OP_CUT = 0,       /* copy a crop, flip it, paint a box */
    FM_OP_WARP = 1,      /* an affine map */
    FM_OP_TONE = 2,      /* new gray levels; some depend on the pixels */
    FM_OP_RESIZE = 3,    /* resize a box */
    FM_OP_ELASTIC = 4,
    FM_OP_BLUR = 5,
    FM_OP_SHARPNESS = 6,
    FM_OP_NOISE = 7,
    FM_OP_ERASE = 8,     /* fill a box with random bytes */
    FM_OP_USER = 9,      /* call a function of the user */
    FM_OP_PERSPECTIVE = 10,
    FM_OP_SALT_PEPPER = 11,
};

struct fm_op_warp {
    struct fm_map map;
    enum fm_interpolation interpolation;
    uint8_t fill;
};

struct fm_op_tone {
    enum fm_tone_kind kind;
    double value;
};

struct fm_op_erase {
    struct fm_box box;
    uint32_t key[2]; /* of the random bytes: see fm_erase_random */
};

struct fm_op_salt_pepper {
    uint32_t salt, amount; /* thresholds: see fm_noise_salt_pepper */
    uint32_t key[2];
};

/* An operation: what one or several transforms do to an image, with all that they drew.
   Parameters that are not drawn are those of `transform`, the first of them. */
struct fm_op {
    enum fm_op_kind kind;
    uint32_t transform;
    union {
        struct fm_cut cut;
        struct fm_op_warp warp;
        struct fm_op_tone tone;
        struct fm_box box;   /* to resize */
        double amount;       /* sigma of a blur, or factor of a sharpening */
        uint32_t key[2];     /* of the random words of an elastic warp, or of noise */
        struct fm_op_erase erase;
        uint32_t random[4];  /* for the user's function */
        struct fm_perspective_map perspective;
        struct fm_op_salt_pepper salt_pepper;
    };
};

/* Return how many of n operations give one table of gray levels together: the first,
   and the tone operations that follow and need no pixels. */
static inline uint32_t fm_plan_count_tones(const struct fm_op *ops, uint32_t n)
{
    uint32_t i = 1;
    while (i < n && ops[i].kind == FM_OP_TONE &&
           !fm_tone_needs_pixels(ops[i].tone.kind))
        i++;
    return i;
}

/* The operations of one sample of a row. */
struct fm_row {
    const struct fm_op *ops;
    uint32_t n_ops;
};

struct fm_ahead; /* ahead.h */

/* Plan one row. index: of its sample.
   ahead: the result of fm_ahead_make for FM_WORDS_LANES rows, of which this is number
   `lane`, or NULL.
   ops: room for program->max_ops operations. *row: the operations, which lie in `ops`
   or in `ahead`.
   In numpy: tests/reference_plan.py, plan. */
void fm_plan_row(const struct fm_program *program, const struct fm_key *key,
                 uint64_t index, const struct fm_ahead *ahead, size_t lane,
                 struct fm_op *ops, struct fm_row *row);

#endif
