/* Tables of grey levels; see tone.h. The arithmetic, float32 and cut at the end, is
   that of torchvision.transforms.v2.functional on uint8 images. */
#include "tone.h"

int fm_tone_needs_pixels(enum fm_tone_kind kind)
{
    return kind == FM_TONE_CONTRAST || kind == FM_TONE_AUTOCONTRAST ||
           kind == FM_TONE_EQUALIZE;
}

static uint8_t cut(float x)
{
    return (uint8_t)(x < 0.0f ? 0.0f : x > 255.0f ? 255.0f : x);
}

static void contrast_table(float factor, float rest, const uint8_t *pixels, size_t n,
                           uint8_t table[256])
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += pixels[i];
    float mean = rest * (float)((double)sum / (double)n);
    for (int v = 0; v < 256; v++)
        table[v] = cut((float)v * factor + mean);
}

static void autocontrast_table(const uint8_t *pixels, size_t n, uint8_t table[256])
{
    uint8_t low = 255, high = 0;
    for (size_t i = 0; i < n; i++) {
        low = pixels[i] < low ? pixels[i] : low;
        high = pixels[i] > high ? pixels[i] : high;
    }
    float scale = low < high ? (float)(high - low) * (1.0f / 255.0f) : 1.0f;
    for (int v = 0; v < 256; v++)
        table[v] = low < high ? cut((float)(v - low) / scale) : (uint8_t)v;
}

static void equalize_table(const uint8_t *pixels, size_t n, uint8_t table[256])
{
    /* Four histograms, so that equal neighbours do not wait for each other. */
    uint32_t counts[4][256] = {{0}};
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        for (int j = 0; j < 4; j++)
            counts[j][pixels[i + j]]++;
    for (; i < n; i++)
        counts[0][pixels[i]]++;
    double below[256], n_below = 0; /* whole; vectors know no integer division */
    uint64_t last = 0;
    for (int v = 0; v < 256; v++) {
        uint32_t count = counts[0][v] + counts[1][v] + counts[2][v] + counts[3][v];
        last = count ? count : last;
        below[v] = n_below;
        n_below += count;
    }
    const uint64_t step = (n - last) / 255;
    const double half = (double)(step / 2), whole = (double)step;
    for (int v = 0; v < 256; v++) {
        double level = step ? (below[v] + half) / whole : v;
        table[v] = (uint8_t)(int32_t)(level > 255 ? 255 : level);
    }
}

void fm_tone_table(enum fm_tone_kind kind, double value, const uint8_t *pixels,
                   size_t n, uint8_t table[256])
{
    const int bits = (int)fm_round(value);
    switch (kind) {
    case FM_TONE_INVERT:
        for (int v = 0; v < 256; v++)
            table[v] = (uint8_t)(255 - v);
        break;
    case FM_TONE_POSTERIZE:
        for (int v = 0; v < 256; v++)
            table[v] = (uint8_t)(v & (256 - (1 << (8 - bits))));
        break;
    case FM_TONE_SOLARIZE:
        for (int v = 0; v < 256; v++)
            table[v] = (uint8_t)(v >= value ? 255 - v : v);
        break;
    case FM_TONE_BRIGHTNESS:
        for (int v = 0; v < 256; v++)
            table[v] = cut((float)v * (float)value);
        break;
    case FM_TONE_CONTRAST:
        contrast_table((float)value, (float)(1.0 - value), pixels, n, table);
        break;
    case FM_TONE_AUTOCONTRAST:
        autocontrast_table(pixels, n, table);
        break;
    case FM_TONE_EQUALIZE:
        equalize_table(pixels, n, table);
        break;
    }
}

void fm_tone_apply(const uint8_t *in, size_t n, const uint8_t table[256], uint8_t *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = table[in[i]];
}
