/* Tables of gray levels, declared in tone.h. The arithmetic, float32 truncated at the
   end, is that of torchvision.transforms.v2.functional on uint8 images. Contrast
   differs: see fm_tone_contrast. */
#include "tone.h"

#include "../integer.h"

int fm_tone_needs_pixels(enum fm_tone_kind kind)
{
    return kind == FM_TONE_CONTRAST || kind == FM_TONE_AUTOCONTRAST ||
           kind == FM_TONE_EQUALIZE;
}

FM_INLINE void contrast_table(float factor, const uint8_t *pixels, size_t n,
                              uint8_t table[256])
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
    const float mean = (float)((double)sum / (double)n);
    for (int v = 0; v < 256; v++)
        table[v] = fm_tone_contrast(v, factor, mean);
}

FM_INLINE void autocontrast_table(const uint8_t *pixels, size_t n, uint8_t table[256])
{
    uint8_t low = 255, high = 0;
    for (size_t i = 0; i < n; i++) {
        low = pixels[i] < low ? pixels[i] : low;
        high = pixels[i] > high ? pixels[i] : high;
    }
    for (int v = 0; v < 256; v++)
        table[v] = fm_tone_autocontrast(v, low, high);
}

FM_INLINE void equalize_table(const uint8_t *pixels, size_t n, uint8_t table[256])
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
    int brightest = 255;
    while (brightest > 0 && counts[0][brightest] == 0)
        brightest--;
    const uint64_t n_each = (n - counts[0][brightest]) / 255;
    const double half = (double)(n_each / 2) + 0.5;
    const double inverse = 1.0 / (double)(n_each ? n_each : 1);
    for (int v = 0; v < 256; v++) {
        const double level = fm_tone_equalize(below[v], half, inverse);
        table[v] = (uint8_t)(n_each ? (int32_t)level : v);
    }
}

FM_INLINE void make_table(enum fm_tone_kind kind, double value, const uint8_t *pixels,
                          size_t n, uint8_t table[256])
{
    const int bits = (int)fm_real_round(value);
    switch (kind) {
    case FM_TONE_INVERT:
        for (int v = 0; v < 256; v++)
            table[v] = fm_tone_invert(v);
        break;
    case FM_TONE_POSTERIZE:
        for (int v = 0; v < 256; v++)
            table[v] = fm_tone_posterize(v, bits);
        break;
    case FM_TONE_SOLARIZE:
        for (int v = 0; v < 256; v++)
            table[v] = fm_tone_solarize(v, value);
        break;
    case FM_TONE_BRIGHTNESS:
        for (int v = 0; v < 256; v++)
            table[v] = fm_tone_brighten(v, (float)value);
        break;
    case FM_TONE_CONTRAST:
        contrast_table((float)value, pixels, n, table);
        break;
    case FM_TONE_AUTOCONTRAST:
        autocontrast_table(pixels, n, table);
        break;
    case FM_TONE_EQUALIZE:
        equalize_table(pixels, n, table);
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
