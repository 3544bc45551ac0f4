/* Tables of gray levels, declared in tone.h. The arithmetic, float32 truncated at the
   end, is that of torchvision.transforms.v2.functional on uint8 images. Contrast
   differs: see fm_tone_contrast. */
#include "tone.h"

#include "../integer.h"

/* Fill a table by one kind, which is known when this is inlined. below: uint32 (256,),
   the pixels below each gray level, or NULL for any kind but equalize. */
FM_INLINE void fill_table(enum fm_tone_kind kind, const struct fm_tone_values *values,
                          const uint32_t *below, uint8_t table[256])
{
    for (int v = 0; v < 256; v++)
        table[v] = fm_tone_level(kind, v, values, below ? below[v] : 0);
}

FM_INLINE void contrast_table(struct fm_tone_values *values, const uint8_t *pixels,
                              size_t n, uint8_t table[256])
{
    uint64_t sum = 0;
    /* Sums of 32 bits vectorize, and 2**16 pixels fit one. */
    for (size_t begin = 0; begin < n; begin += 1 << 16) {
        const size_t count = (size_t)fm_integer_min(n - begin, 1 << 16);
        uint32_t part = 0;
        for (size_t i = 0; i < count; i++)
            part += pixels[begin + i];
        sum += part;
    }
    fm_tone_set_mean(values, sum, n);
    fill_table(FM_TONE_CONTRAST, values, NULL, table);
}

FM_INLINE void autocontrast_table(struct fm_tone_values *values, const uint8_t *pixels,
                                  size_t n, uint8_t table[256])
{
    uint8_t low = 255, high = 0;
    for (size_t i = 0; i < n; i++) {
        low = pixels[i] < low ? pixels[i] : low;
        high = pixels[i] > high ? pixels[i] : high;
    }
    values->low = low;
    values->high = high;
    fill_table(FM_TONE_AUTOCONTRAST, values, NULL, table);
}

FM_INLINE void equalize_table(struct fm_tone_values *values, const uint8_t *pixels,
                              size_t n, uint8_t table[256])
{
    /* Four histograms, so that equal neighbors do not wait for each other. */
    uint32_t counts[4][256] = {{0}}, below[256], n_below = 0;
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int j = 0; j < 4; j++)
            counts[j][pixels[i + j]]++;
    for (; i < n; i++)
        counts[0][pixels[i]]++;
    for (int v = 0; v < 256; v++)
        counts[0][v] += counts[1][v] + counts[2][v] + counts[3][v];
    for (int v = 0; v < 256; v++) {
        below[v] = n_below;
        n_below += counts[0][v];
    }
    fm_tone_set_darker(values, n - counts[0][fm_tone_find_brightest(counts[0])]);
    fill_table(FM_TONE_EQUALIZE, values, below, table);
}

FM_INLINE void make_table(enum fm_tone_kind kind, double value, const uint8_t *pixels,
                          size_t n, uint8_t table[256])
{
    struct fm_tone_values values;
    fm_tone_set_value(&values, value);
    switch (kind) {
    case FM_TONE_INVERT:
        fill_table(FM_TONE_INVERT, &values, NULL, table);
        break;
    case FM_TONE_POSTERIZE:
        fill_table(FM_TONE_POSTERIZE, &values, NULL, table);
        break;
    case FM_TONE_SOLARIZE:
        fill_table(FM_TONE_SOLARIZE, &values, NULL, table);
        break;
    case FM_TONE_BRIGHTNESS:
        fill_table(FM_TONE_BRIGHTNESS, &values, NULL, table);
        break;
    case FM_TONE_CONTRAST:
        contrast_table(&values, pixels, n, table);
        break;
    case FM_TONE_AUTOCONTRAST:
        autocontrast_table(&values, pixels, n, table);
        break;
    case FM_TONE_EQUALIZE:
        equalize_table(&values, pixels, n, table);
        break;
    }
}

FM_LEVELS(make_table,
          (enum fm_tone_kind kind, double value, const uint8_t *pixels, size_t n,
           uint8_t table[256]),
          (kind, value, pixels, n, table));

void fm_tone_table(enum fm_tone_kind kind, double value, const uint8_t *pixels,
                   size_t n, enum fm_cpu_level level, uint8_t table[256])
{
    make_table_levels[level](kind, value, pixels, n, table);
}

void fm_tone_apply(const uint8_t *in, size_t n, const uint8_t table[256], uint8_t *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = table[in[i]];
}
