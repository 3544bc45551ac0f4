/* Preparing quads, declared in quads.h. Pixels in a quad have 128 subtracted, which
   makes them the signed operand of the instruction that multiplies bytes (maddubs). */
#include "quads.h"

#include <string.h>

static uint64_t words_nbytes(size_t height, size_t width)
{
    return fm_integer_align_up(4 * ((uint64_t)(height + 2) * (width + 2) + 16), 64);
}

static uint64_t edged_nbytes(size_t height, size_t width)
{
    return fm_integer_align_up((uint64_t)(height + 3) * (width + 3) + 64, 64);
}

uint64_t fm_quads_nbytes(size_t height, size_t width)
{
    return words_nbytes(height, width) + edged_nbytes(height, width);
}

/* Copy the source with a border of fill: one pixel before each row and two after it,
   one row above and two below. edged: uint8 (height + 3, width + 3). */
static void fill_edged(const uint8_t *restrict in, size_t height, size_t width,
                       uint8_t fill, uint8_t *restrict edged)
{
    const size_t stride = width + 3;
    memset(edged, fill, (size_t)edged_nbytes(height, width));
    for (size_t y = 0; y < height; y++)
        memcpy(edged + (y + 1) * stride + 1, in + y * width, width);
}

/* Fill words, uint32 (height + 2, width + 2), with the quads of fm_quads_make. */
FM_INLINE void fill_words(const uint8_t *restrict edged, size_t height, size_t width,
                          uint32_t *restrict words)
{
    for (size_t y = 0; y < height + 2; y++, words += width + 2) {
        const uint8_t *top = edged + y * (width + 3), *bottom = top + width + 3;
        for (size_t x = 0; x < width + 2; x++)
            words[x] = fm_quads_pack(top[x], top[x + 1], bottom[x], bottom[x + 1]) ^
                       0x80808080u;
    }
}

#if FM_X86_LEVELS

/* Fill sixteen quads at once. A store may run into the next row, which is written
   later. */
FM_TARGET_AVX2
FM_INLINE void fill_words_avx2(const uint8_t *restrict edged, size_t height,
                               size_t width, uint32_t *restrict words)
{
    const __m128i flip = _mm_set1_epi8((char)0x80);
    for (size_t y = 0; y < height + 2; y++, words += width + 2) {
        const uint8_t *top = edged + y * (width + 3), *bottom = top + width + 3;
        for (size_t x = 0; x < width + 2; x += 16) {
            __m128i a = _mm_loadu_si128((const __m128i *)(top + x));
            __m128i b = _mm_loadu_si128((const __m128i *)(top + x + 1));
            __m128i c = _mm_loadu_si128((const __m128i *)(bottom + x));
            __m128i d = _mm_loadu_si128((const __m128i *)(bottom + x + 1));
            a = _mm_xor_si128(a, flip), b = _mm_xor_si128(b, flip);
            c = _mm_xor_si128(c, flip), d = _mm_xor_si128(d, flip);
            __m128i above[2] = {_mm_unpacklo_epi8(a, b), _mm_unpackhi_epi8(a, b)};
            __m128i below[2] = {_mm_unpacklo_epi8(c, d), _mm_unpackhi_epi8(c, d)};
            __m128i *to = (__m128i *)(words + x);
            for (int i = 0; i < 2; i++) {
                _mm_storeu_si128(to + 2 * i, _mm_unpacklo_epi16(above[i], below[i]));
                _mm_storeu_si128(to + 2 * i + 1,
                                 _mm_unpackhi_epi16(above[i], below[i]));
            }
        }
    }
}

#endif

FM_LEVELS_OF(fill_words,
             (const uint8_t *restrict edged, size_t height, size_t width,
              uint32_t *restrict words),
             (edged, height, width, words), fill_words, fill_words_avx2,
             fill_words_avx2);

struct fm_quads fm_quads_make(const uint8_t *restrict in, size_t height, size_t width,
                              enum fm_interpolation interpolation, uint8_t fill,
                              enum fm_cpu_level level, uint8_t *restrict work)
{
    uint32_t *words = (uint32_t *)work;
    uint8_t *edged = work + words_nbytes(height, width);
    fill_edged(in, height, width, fill, edged);
    fill_words_levels[level](edged, height, width, words);
    const struct fm_quads quads = {
        .words = words,
        .stride = width + 2,
        .max_x = fm_quads_most(width),
        .max_y = fm_quads_most(height),
        .nearest = interpolation == FM_NEAREST,
        .level = level,
    };
    return quads;
}
