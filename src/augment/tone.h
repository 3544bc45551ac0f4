/* Tone: a pixel's new value depends on its value alone, so that any number of such
   steps is one table of 256 entries. Some tables depend on the image's histogram. */
#ifndef FM_AUGMENT_TONE_H
#define FM_AUGMENT_TONE_H

#include "draw.h"
#include <stddef.h>

enum fm_tone_kind {
    FM_TONE_INVERT = 0,
    FM_TONE_POSTERIZE = 1,    /* value: bits to keep, 0..8, rounded */
    FM_TONE_SOLARIZE = 2,     /* value: from this grey level on, invert */
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

/* Words: coin; one whose highest bit puts contrast first; brightness; contrast. */
struct fm_jitter {
    struct fm_range brightness, contrast; /* 1..1 does nothing */
};

/* Whether the table depends on the image: then `pixels` must be as they are by then. */
int fm_tone_needs_pixels(enum fm_tone_kind kind);

/* table[v] = the new value of v. pixels: uint8 (n,), may be NULL where not needed.
   Not checked: n < 2**32. */
void fm_tone_table(enum fm_tone_kind kind, double value, const uint8_t *pixels,
                   size_t n, enum fm_cpu_level level, uint8_t table[256]);

/* In numpy: table[in]. out may be in. */
void fm_tone_apply(const uint8_t *in, size_t n, const uint8_t table[256], uint8_t *out);

#endif
