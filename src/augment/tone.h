/* Tone: the new value of a pixel depends only on its value, so that any number of these
   transforms is one table of 256 entries. Some tables depend on the image's histogram.
   Source: torchvision.transforms.v2.functional, on uint8 images. */
#ifndef FM_AUGMENT_TONE_H
#define FM_AUGMENT_TONE_H

#include "draws.h"
#include <stddef.h>

enum fm_tone_kind {
    FM_TONE_INVERT = 0,
    FM_TONE_POSTERIZE = 1,    /* value: bits to keep, 0..8, rounded */
    FM_TONE_SOLARIZE = 2,     /* value: invert gray levels from this one on */
    FM_TONE_BRIGHTNESS = 3,   /* value: factor */
    FM_TONE_CONTRAST = 4,     /* value: factor of the distance from the image's mean */
    FM_TONE_AUTOCONTRAST = 5, /* darkest to 0, brightest to 255 */
    FM_TONE_EQUALIZE = 6,     /* a flat histogram */
};

/* Words: coin, value. */
struct fm_tone {
    enum fm_tone_kind kind;
    struct fm_range value;
};

/* Words: coin; one whose highest bit puts contrast before brightness; brightness;
   contrast. */
struct fm_jitter {
    struct fm_range brightness, contrast; /* 1..1 changes nothing */
};

/* Return whether the table depends on the image. If it does, all earlier transforms
   must have been applied to the pixels. */
int fm_tone_needs_pixels(enum fm_tone_kind kind);

/* Compute the table of one transform. pixels: uint8 (n,), or NULL if the table does not
   depend on them; table: uint8 (256,).
   In numpy: table[v] = new value of v, in float32 clipped to 0..255 and truncated; see
   tests/reference_pixels.py. Contrast: mean + (v - mean) * value.
   Not checked: 0 < n < 2**32 where the pixels are needed. */
void fm_tone_table(enum fm_tone_kind kind, double value, const uint8_t *pixels,
                   size_t n, enum fm_cpu_level level, uint8_t table[256]);

/* Look up n pixels. in, out: uint8 (n,); out may be in.
   In numpy: out = table[in].
   Not checked: in and out are the same, or do not overlap. */
void fm_tone_apply(const uint8_t *in, size_t n, const uint8_t table[256], uint8_t *out);

#endif
