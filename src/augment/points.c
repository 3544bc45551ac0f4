/* Reading a prepared source, declared in points.h. */
#include "points.h"

#define ONE FM_QUADS_ONE

/* ---- points ---------------------------------------------------------------------- */

FM_INLINE void read_points(const struct fm_quads *quads, const int32_t *restrict x,
                           const int32_t *restrict y, size_t stride, size_t n_rows,
                           size_t width, uint8_t *restrict out)
{
    for (size_t row = 0; row < n_rows; row++, x += stride, y += stride, out += width)
        for (size_t i = 0; i < width; i++)
            out[i] = fm_quads_pixel(quads, x[i], y[i]);
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
    const int32_t half = quads->nearest ? FM_QUADS_HALF_PIXEL : FM_QUADS_HALF_WEIGHT;
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

/* Read eight points, with `half` added, as fm_quads_pixel does. Each pixel is in the
   low byte of a 32-bit lane. */
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

/* Sixteen points at once. A store may run into the next row, which is written later. */
FM_TARGET_AVX2
FM_INLINE void read_points_avx2(const struct fm_quads *quads, const int32_t *restrict x,
                                const int32_t *restrict y, size_t stride, size_t n_rows,
                                size_t width, uint8_t *restrict out)
{
    const struct reader reader = reader_of(quads);
    for (size_t row = 0; row < n_rows; row++, x += stride, y += stride, out += width)
        for (size_t i = 0; i < width; i += 16) {
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

#endif

FM_LEVELS_OF(read_points,
             (const struct fm_quads *quads, const int32_t *restrict x,
              const int32_t *restrict y, size_t stride, size_t n_rows, size_t width,
              uint8_t *restrict out),
             (quads, x, y, stride, n_rows, width, out), read_points, read_points_avx2,
             read_points_avx2);

void fm_points_read(const struct fm_quads *quads, const int32_t *restrict x,
                    const int32_t *restrict y, size_t stride, size_t n_rows,
                    size_t width, uint8_t *restrict out)
{
    read_points_levels[quads->level](quads, x, y, stride, n_rows, width, out);
}

/* ---- lattices -------------------------------------------------------------------- */

/* Set out[x] to coordinate x of a row, along one axis. */
static void fill_coordinates(int64_t first, int64_t column, int32_t most, size_t width,
                             int32_t *restrict out)
{
    for (size_t x = 0; x < width; x++)
        out[x] = fm_points_coordinate(first, column, x, most);
}

/* Read the first row of a lattice, whatever its coordinates. */
static void read_row(const struct fm_quads *quads, const struct fm_lattice *at,
                     size_t width, int32_t *restrict work, uint8_t *restrict out)
{
    int32_t *xs = work, *ys = work + width;
    fill_coordinates(at->x, at->column_x, quads->max_x, width, xs);
    fill_coordinates(at->y, at->column_y, quads->max_y, width, ys);
    fm_points_read(quads, xs, ys, width, 1, width, out);
}

FM_INLINE void read_lattice(const struct fm_quads *quads, struct fm_lattice at,
                            size_t n_rows, size_t width, int32_t *restrict work,
                            uint8_t *restrict out)
{
    for (size_t row = 0; row < n_rows; row++, out += width) {
        read_row(quads, &at, width, work, out);
        at.x += at.row_x;
        at.y += at.row_y;
    }
}

#if FM_X86_LEVELS

/* Return whether coordinates from first to first + n * column are far from the limits
   of 32 bits, so that they need no clipping in 64 bits. */
static int is_near(int64_t first, int64_t column, size_t n)
{
    const int64_t bound = (int64_t)1 << 30, last = first + column * (int64_t)n;
    return -bound < first && first < bound && -bound < last && last < bound;
}

/* Read the points (x + i * column_x, y + i * column_y) of a row, sixteen at once. Up to
   15 more are read and written. */
FM_TARGET_AVX2
FM_INLINE void read_row_avx2(const struct reader *shared, int32_t x, int32_t y,
                             int32_t column_x, int32_t column_y, size_t n,
                             uint8_t *restrict out)
{
    const struct reader reader = *shared;
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i by_x = _mm256_set1_epi32(8 * column_x);
    const __m256i by_y = _mm256_set1_epi32(8 * column_y);
    __m256i xs = _mm256_mullo_epi32(lane, _mm256_set1_epi32(column_x));
    __m256i ys = _mm256_mullo_epi32(lane, _mm256_set1_epi32(column_y));
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

FM_TARGET_AVX2
FM_INLINE void read_lattice_avx2(const struct fm_quads *quads, struct fm_lattice at,
                                 size_t n_rows, size_t width, int32_t *restrict work,
                                 uint8_t *restrict out)
{
    const struct reader reader = reader_of(quads);
    for (size_t row = 0; row < n_rows; row++, out += width) {
        if (is_near(at.x, at.column_x, width + 16) &&
            is_near(at.y, at.column_y, width + 16))
            read_row_avx2(&reader, (int32_t)at.x, (int32_t)at.y, (int32_t)at.column_x,
                          (int32_t)at.column_y, width, out);
        else
            read_row(quads, &at, width, work, out);
        at.x += at.row_x;
        at.y += at.row_y;
    }
}

#endif

FM_LEVELS_OF(read_lattice,
             (const struct fm_quads *quads, struct fm_lattice at, size_t n_rows,
              size_t width, int32_t *restrict work, uint8_t *restrict out),
             (quads, at, n_rows, width, work, out), read_lattice, read_lattice_avx2,
             read_lattice_avx2);

void fm_points_read_lattice(const struct fm_quads *quads, struct fm_lattice at,
                            size_t n_rows, size_t width, int32_t *restrict work,
                            uint8_t *restrict out)
{
    read_lattice_levels[quads->level](quads, at, n_rows, width, work, out);
}
