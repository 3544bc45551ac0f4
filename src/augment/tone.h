/* Tone: the new value of a pixel depends only on its value, so that any number of these
   transforms is one table of 256 entries. Some tables depend on the image's histogram.
   Source: torchvision.transforms.v2.functional, on uint8 images. */
#ifndef FM_AUGMENT_TONE_H
#define FM_AUGMENT_TONE_H

#include <stddef.h>

#include "draws.h"

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

/* The new value of gray level v, by each kind of transform. */
FM_INLINE uint8_t fm_tone_invert(int v)
{
    return (uint8_t)(255 - v);
}

FM_INLINE uint8_t fm_tone_posterize(int v, int bits)
{
    return (uint8_t)(v & (256 - (1 << (8 - bits))));
}

FM_INLINE uint8_t fm_tone_solarize(int v, double value)
{
    return (uint8_t)(v >= value ? 255 - v : v);
}

FM_INLINE uint8_t fm_tone_brighten(int v, float factor)
{
    return fm_real_truncate_gray((float)v * factor);
}

/* The difference from the image's mean is multiplied, so that images of one gray level
   keep it. The sum factor * v + (1 - factor) * mean would often be just below it. */
FM_INLINE uint8_t fm_tone_contrast(int v, float factor, float mean)
{
    return fm_real_truncate_gray(mean + ((float)v - mean) * factor);
}

/* low, high: the darkest and the brightest gray level of the image. */
FM_INLINE uint8_t fm_tone_autocontrast(int v, int low, int high)
{
    const float scale = low < high ? (float)(high - low) * (1.0f / 255.0f) : 1.0f;
    return low < high ? fm_real_truncate_gray((float)(v - low) / scale) : (uint8_t)v;
}

/* n_below: pixels of the image below the gray level. n_each: pixels for each gray level
   of a flat histogram; half: n_each / 2 as an integer, + 0.5; inverse: 1 / n_each.
   The value is (n_below + n_each / 2) / n_each without a division. The added half keeps
   the product farther from integers than its rounding errors reach. The caller
   truncates the value: vectors do this faster after clipping than before. */
FM_INLINE double fm_tone_equalize(uint32_t n_below, double half, double inverse)
{
    const double level = ((double)n_below + half) * inverse;
    return level > 255.0 ? 255.0 : level;
}

/* Numbers that a table needs for all gray levels. */
struct fm_tone_values {
    double value;    /* as drawn */
    int bits;        /* the value, rounded to an integer */
    float factor;    /* the value in float32 */
    float mean;      /* contrast: of the image's pixels */
    int low, high;   /* autocontrast: the darkest and the brightest of them */
    uint64_t n_each; /* equalize: see fm_tone_equalize; 0: levels stay */
    double half, inverse;
};

/* Set the members that follow from the value, and the others to 0. */
FM_INLINE void fm_tone_set_value(struct fm_tone_values *values, double value)
{
    memset(values, 0, sizeof *values);
    values->value = value;
    values->bits = (int)fm_real_round(value);
    values->factor = (float)value;
}

/* Set the mean of n > 0 pixels from their sum. */
FM_INLINE void fm_tone_set_mean(struct fm_tone_values *values, uint64_t sum, uint64_t n)
{
    values->mean = (float)((double)sum / (double)n);
}

/* Set the members of equalize. n_darker: pixels below the brightest gray level. */
FM_INLINE void fm_tone_set_darker(struct fm_tone_values *values, uint64_t n_darker)
{
    values->n_each = n_darker / 255;
    values->half = (double)(values->n_each / 2) + 0.5;
    values->inverse = 1.0 / (double)(values->n_each ? values->n_each : 1);
}

/* Return the brightest gray level of a histogram. */
static inline int fm_tone_find_brightest(const uint32_t counts[256])
{
    int v = 255;
    while (v > 0 && counts[v] == 0)
        v--;
    return v;
}

/* Set all members that depend on the image from its histogram.
   Not checked: counts sum to 1 ... 2**32 - 1. */
static inline void fm_tone_measure(const uint32_t counts[256],
                                   struct fm_tone_values *values)
{
    uint64_t n = 0, sum = 0;
    for (uint32_t v = 0; v < 256; v++) {
        n += counts[v];
        sum += (uint64_t)counts[v] * v;
    }
    values->low = 0;
    while (values->low < 255 && counts[values->low] == 0)
        values->low++;
    values->high = fm_tone_find_brightest(counts);
    fm_tone_set_mean(values, sum, n);
    fm_tone_set_darker(values, n - counts[values->high]);
}

/* Return the new value of gray level v by any kind. n_below: pixels below the gray
   level, for equalize. */
FM_INLINE uint8_t fm_tone_level(enum fm_tone_kind kind, int v,
                                const struct fm_tone_values *values, uint32_t n_below)
{
    switch (kind) {
    case FM_TONE_INVERT:
        return fm_tone_invert(v);
    case FM_TONE_POSTERIZE:
        return fm_tone_posterize(v, values->bits);
    case FM_TONE_SOLARIZE:
        return fm_tone_solarize(v, values->value);
    case FM_TONE_BRIGHTNESS:
        return fm_tone_brighten(v, values->factor);
    case FM_TONE_CONTRAST:
        return fm_tone_contrast(v, values->factor, values->mean);
    case FM_TONE_AUTOCONTRAST:
        return fm_tone_autocontrast(v, values->low, values->high);
    default: {
        const double level = fm_tone_equalize(n_below, values->half, values->inverse);
        return (uint8_t)(values->n_each ? (int32_t)level : v);
    }
    }
}

/* Return whether the table depends on the image. If it does, all earlier transforms
   must have been applied to the pixels. */
static inline int fm_tone_needs_pixels(enum fm_tone_kind kind)
{
    return kind == FM_TONE_CONTRAST || kind == FM_TONE_AUTOCONTRAST ||
           kind == FM_TONE_EQUALIZE;
}

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
