/* Quads, declared in quads.h. Pixels in a quad have 128 subtracted, which makes them
   the signed operand of the instruction that multiplies bytes (maddubs). */
#include "quads.h"

#include <string.h>

#if FM_X86_LEVELS
#include <immintrin.h>
#endif

#define ONE FM_QUADS_ONE
#define HALF_WEIGHT (1 << 8) /* half a unit of a 7-bit weight */

/* ---- the layout ---------------------------------------------------------------- */

static size_t align_up(size_t n, size_t alignment)
{
    return (n + alignment - 1) / alignment * alignment;
}

static size_t words_nbytes(size_t height, size_t width)
{
    return align_up(4 * ((height + 2) * (width + 2) + 16), 64);
}

static size_t edged_nbytes(size_t height, size_t width)
{
    return align_up((height + 3) * (width + 3) + 64, 64);
}

uint64_t fm_quads_nbytes(size_t height, size_t width)
{
    return (uint64_t)words_nbytes(height, width) + edged_nbytes(height, width);
}

/* Copy the source with a border of fill: one pixel before each row and two after it,
   one row above and two below. edged: uint8 (height + 3, width + 3). */
static void fill_edged(const uint8_t *restrict in, size_t height, size_t width,
                       uint8_t fill, uint8_t *restrict edged)
{
    const size_t stride = width + 3;
    memset(edged, fill, edged_nbytes(height, width));
    for (size_t y = 0; y < height; y++)
        memcpy(edged + (y + 1) * stride + 1, in + y * width, width);
}

/* Fill words, uint32 (height + 2, width + 2), with the quads of fm_quads_make. */
static void fill_quads_any(const uint8_t *restrict edged, size_t height, size_t width,
                           uint32_t *restrict words)
{
    for (size_t y = 0; y < height + 2; y++, words += width + 2) {
        const uint8_t *top = edged + y * (width + 3), *bottom = top + width + 3;
        for (size_t x = 0; x < width + 2; x++) {
            uint32_t quad = (uint32_t)top[x] | (uint32_t)top[x + 1] << 8 |
                            (uint32_t)bottom[x] << 16 | (uint32_t)bottom[x + 1] << 24;
            words[x] = quad ^ 0x80808080u;
        }
    }
}

#if FM_X86_LEVELS

/* Fill sixteen quads at once. A store may run into the next row, which is written
   later. */
FM_TARGET_AVX2
static void fill_quads_avx2(const uint8_t *restrict edged, size_t height, size_t width,
                            uint32_t *restrict words)
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

struct fm_quads fm_quads_make(const uint8_t *restrict in, size_t height, size_t width,
                              enum fm_interpolation interpolation, uint8_t fill,
                              enum fm_cpu_level level, uint8_t *restrict work)
{
    const struct fm_quads quads = {(const uint32_t *)work,
                                   width + 2,
                                   (int32_t)(width * ONE),
                                   (int32_t)(height * ONE),
                                   interpolation == FM_NEAREST,
                                   level};
    uint8_t *edged = work + words_nbytes(height, width);
    fill_edged(in, height, width, fill, edged);
#if FM_X86_LEVELS
    if (level >= FM_CPU_AVX2) {
        fill_quads_avx2(edged, height, width, (uint32_t *)work);
        return quads;
    }
#endif
    fill_quads_any(edged, height, width, (uint32_t *)work);
    return quads;
}

/* ---- reading points -------------------------------------------------------------- */

/* Read n points, as fm_quads_read does. */
static void read_places_any(const struct fm_quads *quads, const int32_t *restrict x,
                            const int32_t *restrict y, size_t n, uint8_t *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        int32_t px = x[i] < -ONE ? -ONE : x[i] > quads->max_x ? quads->max_x : x[i];
        int32_t py = y[i] < -ONE ? -ONE : y[i] > quads->max_y ? quads->max_y : y[i];
        px = quads->nearest ? (px + ONE / 2) & ~(ONE - 1) : px + HALF_WEIGHT;
        py = quads->nearest ? (py + ONE / 2) & ~(ONE - 1) : py + HALF_WEIGHT;
        /* From -1 to side. The added pixel keeps the shifts off negative numbers. */
        uint32_t ux = (uint32_t)(px + ONE), uy = (uint32_t)(py + ONE);
        uint32_t quad = quads->words[(uy >> 16) * quads->stride + (ux >> 16)];
        int32_t wx = (int32_t)(ux >> 9 & 127), wy = (int32_t)(uy >> 9 & 127);
        quad ^= 0x80808080u;
        int32_t top = (int32_t)(quad & 255) * (128 - wx) +
                      (int32_t)(quad >> 8 & 255) * wx;
        int32_t bottom = (int32_t)(quad >> 16 & 255) * (128 - wx) +
                         (int32_t)(quad >> 24) * wx;
        out[i] = (uint8_t)((top * (128 - wy) + bottom * wy + 8192) >> 14);
    }
}

#if FM_X86_LEVELS

/* Values that are the same for all points of an image. */
struct reader {
    __m256i low, high_x, high_y; /* points are clipped to these ... */
    __m256i half;                /* ... after this is added */
    __m256i fraction;            /* mask of 7-bit weights: none for nearest */
    __m256i stride;              /* (1, stride), 16 bits each */
    const int *origin;           /* quad (0, 0) */
};

/* Prepare the values that all points share. */
FM_TARGET_AVX2
static inline struct reader reader_of(const struct fm_quads *quads)
{
    const int32_t half = quads->nearest ? ONE / 2 : HALF_WEIGHT;
    struct reader reader;
    reader.low = _mm256_set1_epi32(half - ONE);
    reader.high_x = _mm256_set1_epi32(half + quads->max_x);
    reader.high_y = _mm256_set1_epi32(half + quads->max_y);
    reader.half = _mm256_set1_epi32(half);
    reader.fraction = _mm256_set1_epi32(quads->nearest ? 0 : -1);
    reader.stride = _mm256_set1_epi32((int)((uint32_t)quads->stride << 16 | 1));
    reader.origin = (const int *)quads->words + quads->stride + 1;
    return reader;
}

/* Read eight points, with `half` added. Each pixel is in the low byte of a 32-bit
   lane. */
FM_TARGET_AVX2
static inline __m256i read_eight(const struct reader *reader, __m256i x, __m256i y)
{
    x = _mm256_min_epi32(_mm256_max_epi32(x, reader->low), reader->high_x);
    y = _mm256_min_epi32(_mm256_max_epi32(y, reader->low), reader->high_y);
    /* Integer parts, x in the low and y in the high 16 bits, times (1, stride). */
    __m256i whole = _mm256_blend_epi16(_mm256_srli_epi32(x, 16), y, 0xAA);
    __m256i index = _mm256_madd_epi16(whole, reader->stride);
    __m256i quad = _mm256_i32gather_epi32(reader->origin, index, 4);
    /* Weights from bits 9 to 15: x into all four bytes, y into both halves. */
    const __m256i bytes = _mm256_broadcastsi128_si256(
        _mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0C0C0C0C));
    const __m256i halves = _mm256_broadcastsi128_si256(_mm_setr_epi32(
        (int)0x80008000, (int)0x80048004, (int)0x80088008, (int)0x800C800C));
    x = _mm256_and_si256(_mm256_srli_epi16(x, 9), reader->fraction);
    y = _mm256_and_si256(_mm256_srli_epi16(y, 9), reader->fraction);
    x = _mm256_shuffle_epi8(x, bytes);
    y = _mm256_shuffle_epi8(y, halves);
    /* 128 - w in the first of each two: -w is ~w + 1. */
    x = _mm256_add_epi8(_mm256_xor_si256(x, _mm256_set1_epi16(0x00FF)),
                        _mm256_set1_epi16(129));
    y = _mm256_add_epi16(_mm256_xor_si256(y, _mm256_set1_epi32(0x0000FFFF)),
                         _mm256_set1_epi32(129));
    __m256i rows = _mm256_maddubs_epi16(x, quad); /* top and bottom */
    __m256i sum = _mm256_madd_epi16(rows, y);
    /* 128 was subtracted from every pixel; the weights sum to 2**14. */
    sum = _mm256_add_epi32(sum, _mm256_set1_epi32((128 << 14) + 8192));
    return _mm256_srli_epi32(sum, 14);
}

/* Store sixteen bytes from the low bytes of two times eight lanes. */
FM_TARGET_AVX2
static inline void store_sixteen(__m256i a, __m256i b, uint8_t *out)
{
    __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xD8);
    __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words),
                                     _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)out, bytes);
}

FM_TARGET_AVX2
static void read_places_avx2(const struct fm_quads *quads, const int32_t *restrict x,
                             const int32_t *restrict y, size_t n, uint8_t *restrict out)
{
    const struct reader reader = reader_of(quads);
    for (size_t i = 0; i < n; i += 16) {
        __m256i eights[2];
        for (int k = 0; k < 2; k++) {
            const __m256i *xs = (const __m256i *)(x + i + 8 * k);
            const __m256i *ys = (const __m256i *)(y + i + 8 * k);
            eights[k] = read_eight(
                &reader, _mm256_add_epi32(_mm256_loadu_si256(xs), reader.half),
                _mm256_add_epi32(_mm256_loadu_si256(ys), reader.half));
        }
        store_sixteen(eights[0], eights[1], out + i);
    }
}

/* Read the points (x + i * step_x, y + i * step_y) of a row, sixteen at once. Up to 15
   more are read and written. */
FM_TARGET_AVX2
static void read_row_avx2(const struct reader *shared, int32_t x, int32_t y,
                          int32_t step_x, int32_t step_y, size_t n,
                          uint8_t *restrict out)
{
    const struct reader reader = *shared;
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i by_x = _mm256_set1_epi32(8 * step_x);
    const __m256i by_y = _mm256_set1_epi32(8 * step_y);
    __m256i xs = _mm256_mullo_epi32(lane, _mm256_set1_epi32(step_x));
    __m256i ys = _mm256_mullo_epi32(lane, _mm256_set1_epi32(step_y));
    xs = _mm256_add_epi32(_mm256_add_epi32(xs, _mm256_set1_epi32(x)), reader.half);
    ys = _mm256_add_epi32(_mm256_add_epi32(ys, _mm256_set1_epi32(y)), reader.half);
    for (size_t i = 0; i < n; i += 16) {
        __m256i next_xs = _mm256_add_epi32(xs, by_x);
        __m256i next_ys = _mm256_add_epi32(ys, by_y);
        store_sixteen(read_eight(&reader, xs, ys),
                      read_eight(&reader, next_xs, next_ys), out + i);
        xs = _mm256_add_epi32(next_xs, by_x);
        ys = _mm256_add_epi32(next_ys, by_y);
    }
}

#endif

void fm_quads_read(const struct fm_quads *quads, const int32_t *restrict x,
                   const int32_t *restrict y, size_t n, uint8_t *restrict out)
{
#if FM_X86_LEVELS
    if (quads->level >= FM_CPU_AVX2) {
        read_places_avx2(quads, x, y, n, out);
        return;
    }
#endif
    read_places_any(quads, x, y, n, out);
}

/* ---- lattices ------------------------------------------------------------------ */

/* Set out[x] to the coordinate first + x * step, for one row and one axis. It is
   clipped here, in 64 bits, because points far outside do not fit into 32 bits. */
static void fill_places(int64_t first, int64_t step, int64_t most, size_t width,
                        int32_t *restrict out)
{
    for (size_t x = 0; x < width; x++) {
        int64_t place = first + step * (int64_t)x;
        out[x] = (int32_t)(place < -ONE ? -ONE : place > most ? most : place);
    }
}

/* Read n_rows rows of the lattice, from `at` on. */
static void read_rows_any(const struct fm_quads *quads, struct fm_lattice at,
                          size_t n_rows, size_t width, int32_t *restrict work,
                          uint8_t *restrict out)
{
    int32_t *xs = work, *ys = work + width;
    for (size_t row = 0; row < n_rows; row++, out += width) {
        fill_places(at.x, at.step_x, quads->max_x, width, xs);
        fill_places(at.y, at.step_y, quads->max_y, width, ys);
        fm_quads_read(quads, xs, ys, width, out);
        at.x += at.row_x;
        at.y += at.row_y;
    }
}

#if FM_X86_LEVELS

/* Return whether coordinates from first to first + n * step are far from the limits of
   32 bits, so that they need no clipping in 64 bits. */
static int is_near(int64_t first, int64_t step, size_t n)
{
    const int64_t bound = (int64_t)1 << 30, last = first + step * (int64_t)n;
    return -bound < first && first < bound && -bound < last && last < bound;
}

FM_TARGET_AVX2
static void read_rows_avx2(const struct fm_quads *quads, struct fm_lattice at,
                           size_t n_rows, size_t width, int32_t *restrict work,
                           uint8_t *restrict out)
{
    const struct reader reader = reader_of(quads);
    for (size_t row = 0; row < n_rows; row++, out += width) {
        if (is_near(at.x, at.step_x, width + 16) &&
            is_near(at.y, at.step_y, width + 16))
            read_row_avx2(&reader, (int32_t)at.x, (int32_t)at.y, (int32_t)at.step_x,
                          (int32_t)at.step_y, width, out);
        else
            read_rows_any(quads, at, 1, width, work, out);
        at.x += at.row_x;
        at.y += at.row_y;
    }
}

#endif

void fm_quads_read_lattice(const struct fm_quads *quads, struct fm_lattice at,
                           size_t n_rows, size_t width, int32_t *restrict work,
                           uint8_t *restrict out)
{
#if FM_X86_LEVELS
    if (quads->level >= FM_CPU_AVX2) {
        read_rows_avx2(quads, at, n_rows, width, work, out);
        return;
    }
#endif
    read_rows_any(quads, at, n_rows, width, work, out);
}
