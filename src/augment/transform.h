/* A transform of an augmentation: its kind, its parameters, and when it runs. */
#ifndef FM_AUGMENT_TRANSFORM_H
#define FM_AUGMENT_TRANSFORM_H

#include "crop.h"
#include "elastic.h"
#include "erase.h"
#include "filter.h"
#include "noise.h"
#include "perspective.h"
#include "resample.h"
#include "tone.h"
#include "warp.h"

enum fm_transform_kind {
    FM_TRANSFORM_GROUP = 0,  /* the n_inner transforms that follow, all or none */
    FM_TRANSFORM_CHOICE = 1, /* one of the groups inside. Words: coin, choice */
    FM_TRANSFORM_CROP = 2,
    FM_TRANSFORM_FLIP = 3,
    FM_TRANSFORM_AFFINE = 4,
    FM_TRANSFORM_ELASTIC = 5,
    FM_TRANSFORM_RESIZE = 6,
    FM_TRANSFORM_RESIZED_CROP = 7,
    FM_TRANSFORM_TONE = 8,
    FM_TRANSFORM_JITTER = 9,
    FM_TRANSFORM_BLUR = 10,
    FM_TRANSFORM_SHARPNESS = 11,
    FM_TRANSFORM_NOISE = 12,
    FM_TRANSFORM_ERASING = 13,
    FM_TRANSFORM_CUTOUT = 14,
    FM_TRANSFORM_USER = 15,
    FM_TRANSFORM_PERSPECTIVE = 16,
    FM_TRANSFORM_ZOOM_OUT = 17,
    FM_TRANSFORM_ORDER = 18, /* the groups inside, in random order: see order.h */
    FM_TRANSFORM_SALT_PEPPER = 19,
};

#define FM_TRANSFORM_MAX_ORDERED 32 /* most groups in an order */

/* A function of the user, by its number in the functions of fm_kernels (program.h).
   Words: coin; the function gets the words of draw 1. */
struct fm_user {
    uint32_t number;
};

struct fm_transform {
    enum fm_transform_kind kind;
    uint32_t n_inner;   /* group, choice or order: how many transforms are inside */
    uint64_t threshold; /* runs if word 0 is below this: p * 2**32 */
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
        struct fm_perspective perspective;
        struct fm_zoom_out zoom_out;
        struct fm_salt_pepper salt_pepper;
    };
    /* Set by fm_program_prepare. */
    uint32_t height, width; /* of the image at its turn */
    uint32_t after;         /* the transform that follows if this one doesn't run */
    int is_alternative;     /* a group in a choice or an order */
};

/* Return the parameters of a resize, whether or not a box or a canvas is drawn
   first. */
static inline const struct fm_resize *
fm_transform_resize(const struct fm_transform *transform)
{
    if (transform->kind == FM_TRANSFORM_ZOOM_OUT)
        return &transform->zoom_out.resize;
    return transform->kind == FM_TRANSFORM_RESIZE ? &transform->resize
                                                  : &transform->resized_crop.resize;
}

/* Return whether a transform is a flip in every second epoch, without a coin. */
static inline int fm_transform_alternates(const struct fm_transform *transform)
{
    return transform->kind == FM_TRANSFORM_FLIP && transform->flip.alternating;
}

#endif
