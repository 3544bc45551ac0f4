/* Warps; see warp.h. The source is first laid out as quads: for every place between
   pixels the four around it in one 32-bit word, so that a pixel takes one load. Pixels
   in a quad have 128 taken off, which makes them the signed operand of the instruction
   that multiplies bytes. */
#include "warp.h"

#include "../lanes.h"
#include "field.h"

#if FM_X86_LEVELS
#include <immintrin.h>
#endif

#define ONE 65536 /* a pixel, in fixed point */
#define HALF_WEIGHT (1 << 8) /* half of a 7-bit weight's step */
#define LANES 32             /* floats of elastic fields that are filtered together */

/* The source and how places in it are read. */
struct quads {
    const uint32_t *words; /* quad (y, x), from -1 to height or width, at ... */
    size_t stride;         /* ... (y + 1) * stride + x + 1 */
    int32_t max_x, max_y;  /* width and height, in fixed point */
    int nearest;
};

static size_t align_up(size_t n, size_t alignment)
{
    return (n + alignment - 1) / alignment * alignment;
}

static size_t quads_nbytes(size_t height, size_t width)
{
    return align_up(4 * ((height + 2) * (width + 2) + 16), 64);
}

static size_t edged_nbytes(size_t height, size_t width)
{
    return align_up((height + 3) * (width + 3) + 64, 64);
}

size_t fm_warp_work_nbytes(size_t height, size_t width)
{
    /* Four fields, or the places of a row along both axes. */
    size_t field = align_up(width, LANES) * align_up(height, LANES);
    return quads_nbytes(height, width) + edged_nbytes(height, width) +
           4 * align_up(4 * field, 64);
}

/* ---- quads --------------------------------------------------------------------- */

/* The source with one pixel of fill before each row and two behind, and as many rows
   above and below. */
static void fill_edged(const uint8_t *restrict in, size_t height, size_t width,
                       uint8_t fill, uint8_t *restrict edged)
{
    const size_t stride = width + 3;
    memset(edged, fill, edged_nbytes(height, width));
    for (size_t y = 0; y < height; y++)
        memcpy(edged + (y + 1) * stride + 1, in + y * width, width);
}

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

/* Sixteen at once, into the next row perhaps, which comes later. */
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

static struct quads quads_of(const uint8_t *in, size_t height, size_t width,
                             enum fm_interpolation interpolation, uint8_t fill,
                             enum fm_cpu_level level, uint8_t *work)
{
    struct quads quads = {(const uint32_t *)work, width + 2, (int32_t)(width * ONE),
                          (int32_t)(height * ONE), interpolation == FM_NEAREST};
    uint8_t *edged = work + quads_nbytes(height, width);
    fill_edged(in, height, width, fill, edged);
#if FM_X86_LEVELS
    if (level >= FM_CPU_AVX2) {
        fill_quads_avx2(edged, height, width, (uint32_t *)work);
        return quads;
    }
#endif
    (void)level;
    fill_quads_any(edged, height, width, (uint32_t *)work);
    return quads;
}

/* ---- reading places ------------------------------------------------------------ */

/* out[i] = the source at place (x[i], y[i]), clipped to the fill around the source. */
static void read_places_any(const struct quads *quads, const int32_t *restrict x,
                            const int32_t *restrict y, size_t n, uint8_t *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        int32_t px = x[i] < -ONE ? -ONE : x[i] > quads->max_x ? quads->max_x : x[i];
        int32_t py = y[i] < -ONE ? -ONE : y[i] > quads->max_y ? quads->max_y : y[i];
        px = quads->nearest ? (px + ONE / 2) & ~(ONE - 1) : px + HALF_WEIGHT;
        py = quads->nearest ? (py + ONE / 2) & ~(ONE - 1) : py + HALF_WEIGHT;
        /* from -1 to side, moved by a pixel to keep the shift off negative numbers */
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

/* What is the same for all places of an image. */
struct reader {
    __m256i low, high_x, high_y; /* places are clipped to these, ... */
    __m256i half;                /* ... with this added before */
    __m256i fraction;            /* which bits of a 7-bit weight count */
    __m256i stride;              /* (1, stride) in 16 bits each */
    const int *origin;           /* quad (0, 0) */
};

FM_TARGET_AVX2
static inline struct reader reader_of(const struct quads *quads)
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

/* Eight places, with `half` added; the result in the low byte of each 32-bit lane. */
FM_TARGET_AVX2
static inline __m256i read_eight(const struct reader *reader, __m256i x, __m256i y)
{
    x = _mm256_min_epi32(_mm256_max_epi32(x, reader->low), reader->high_x);
    y = _mm256_min_epi32(_mm256_max_epi32(y, reader->low), reader->high_y);
    /* Whole parts, x below y in 16 bits each, times (1, stride). */
    __m256i whole = _mm256_blend_epi16(_mm256_srli_epi32(x, 16), y, 0xAA);
    __m256i index = _mm256_madd_epi16(whole, reader->stride);
    __m256i quad = _mm256_i32gather_epi32(reader->origin, index, 4);
    /* Weights from bits 9 to 15: of x into all four bytes, of y into both halves. */
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
    /* 128 were taken off every pixel; the weights sum to 2**14. */
    sum = _mm256_add_epi32(sum, _mm256_set1_epi32((128 << 14) + 8192));
    return _mm256_srli_epi32(sum, 14);
}

/* Sixteen bytes out of the low bytes of two times eight lanes. */
FM_TARGET_AVX2
static inline void store_sixteen(__m256i a, __m256i b, uint8_t *out)
{
    __m256i words = _mm256_permute4x64_epi64(_mm256_packus_epi32(a, b), 0xD8);
    __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words),
                                     _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128((__m128i *)out, bytes);
}

FM_TARGET_AVX2
static void read_places_avx2(const struct quads *quads, const int32_t *restrict x,
                             const int32_t *restrict y, size_t n, uint8_t *restrict out)
{
    const struct reader reader = reader_of(quads);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
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
    read_places_any(quads, x + i, y + i, n - i, out + i);
}

/* A row of places (x + i * step_x, y + i * step_y), sixteen at once; up to 15 more are
   read and written. */
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

static void read_places(const struct quads *quads, const int32_t *x, const int32_t *y,
                        size_t n, enum fm_cpu_level level, uint8_t *out)
{
#if FM_X86_LEVELS
    if (level >= FM_CPU_AVX2) {
        read_places_avx2(quads, x, y, n, out);
        return;
    }
#endif
    (void)level;
    read_places_any(quads, x, y, n, out);
}

/* ---- affine maps --------------------------------------------------------------- */

static double tangent_of(double value, int is_tangent)
{
    double sine, cosine;
    if (is_tangent)
        return value;
    fm_sin_cos(value, &sine, &cosine);
    return sine / cosine;
}

void fm_affine_draw(const struct fm_affine *affine, struct fm_draws *draws,
                    struct fm_map *out)
{
    double angle = fm_draws_range(draws, &affine->angle);
    double tx = fm_draws_range(draws, &affine->translate_x);
    double ty = fm_draws_range(draws, &affine->translate_y);
    double scale = fm_draws_range(draws, &affine->scale);
    double tan_x = tangent_of(fm_draws_range(draws, &affine->shear_x),
                              affine->shear_tangent);
    double tan_y = tangent_of(fm_draws_range(draws, &affine->shear_y),
                              affine->shear_tangent);
    double sine, cosine;
    tx = affine->truncate ? trunc(tx) : fm_round(tx);
    ty = affine->truncate ? trunc(ty) : fm_round(ty);
    fm_sin_cos(affine->counter_clockwise ? -angle : angle, &sine, &cosine);
    /* Rotation times shear is [a b; c d], and the map is its inverse. */
    double a = cosine + sine * tan_y, b = -a * tan_x - sine;
    double c = sine - cosine * tan_y, d = -c * tan_x + cosine;
    const double cx = affine->center_x, cy = affine->center_y;
    double *m = out->m;
    m[0] = d / scale;
    m[1] = -b / scale;
    m[3] = -c / scale;
    m[4] = a / scale;
    m[2] = m[0] * (-cx - tx) + m[1] * (-cy - ty) + cx;
    m[5] = m[3] * (-cx - tx) + m[4] * (-cy - ty) + cy;
}

void fm_map_compose(const struct fm_map *first, const struct fm_map *second,
                    struct fm_map *out)
{
    const double *f = first->m, *s = second->m;
    struct fm_map map = {{f[0] * s[0] + f[1] * s[3], f[0] * s[1] + f[1] * s[4],
                          f[0] * s[2] + f[1] * s[5] + f[2], f[3] * s[0] + f[4] * s[3],
                          f[3] * s[1] + f[4] * s[4], f[3] * s[2] + f[4] * s[5] + f[5]}};
    *out = map;
}

static int64_t fixed_point(double x)
{
    const double most = 0x1p45;
    x = x * ONE + 0.5;
    return fm_floor(x > -most ? (x < most ? x : most) : -most); /* NaN as well */
}

/* Places of one row along one axis: first + x * step, clipped here where they go beyond
   32 bits; read_places clips the others. */
static void fill_places(int64_t first, int64_t step, int64_t most, size_t width,
                        int32_t *restrict out)
{
    for (size_t x = 0; x < width; x++) {
        int64_t place = first + step * (int64_t)x;
        out[x] = (int32_t)(place < -ONE ? -ONE : place > most ? most : place);
    }
}

/* Whether places from first to first + n * step are far from the ends of 32 bits. */
static int is_near(int64_t first, int64_t step, size_t n)
{
    const int64_t bound = (int64_t)1 << 30, last = first + step * (int64_t)n;
    return -bound < first && first < bound && -bound < last && last < bound;
}

/* Where the rows of an affine map begin, and how far apart places are. */
struct lattice {
    int64_t x, y;           /* of the first row */
    int64_t row_x, row_y;   /* from row to row */
    int64_t step_x, step_y; /* from column to column */
};

/* The first n_rows rows from `at` on. */
static void read_rows_any(const struct quads *quads, struct lattice at, size_t n_rows,
                          size_t width, enum fm_cpu_level level, int32_t *restrict work,
                          uint8_t *restrict out)
{
    int32_t *xs = work, *ys = work + width;
    for (size_t row = 0; row < n_rows; row++, out += width) {
        fill_places(at.x, at.step_x, quads->max_x, width, xs);
        fill_places(at.y, at.step_y, quads->max_y, width, ys);
        read_places(quads, xs, ys, width, level, out);
        at.x += at.row_x;
        at.y += at.row_y;
    }
}

#if FM_X86_LEVELS

FM_TARGET_AVX2
static void read_rows_avx2(const struct quads *quads, struct lattice at, size_t n_rows,
                           size_t width, int32_t *restrict work, uint8_t *restrict out)
{
    const struct reader reader = reader_of(quads);
    for (size_t row = 0; row < n_rows; row++, out += width) {
        if (is_near(at.x, at.step_x, width + 16) &&
            is_near(at.y, at.step_y, width + 16))
            read_row_avx2(&reader, (int32_t)at.x, (int32_t)at.y, (int32_t)at.step_x,
                          (int32_t)at.step_y, width, out);
        else
            read_rows_any(quads, at, 1, width, FM_CPU_AVX2, work, out);
        at.x += at.row_x;
        at.y += at.row_y;
    }
}

#endif

void fm_warp_affine(const uint8_t *restrict in, size_t height, size_t width,
                    const struct fm_map *map, enum fm_interpolation interpolation,
                    uint8_t fill, enum fm_cpu_level level, void *restrict work,
                    uint8_t *restrict out)
{
    const struct quads quads =
        quads_of(in, height, width, interpolation, fill, level, work);
    int32_t *places = (int32_t *)((uint8_t *)work + quads_nbytes(height, width) +
                                  edged_nbytes(height, width));
    const double *m = map->m;
    const double cx = ((double)width - 1) / 2, cy = ((double)height - 1) / 2;
    const struct lattice at = {fixed_point(m[0] * -cx + m[1] * -cy + m[2] + cx),
                               fixed_point(m[3] * -cx + m[4] * -cy + m[5] + cy),
                               fixed_point(m[1]),
                               fixed_point(m[4]),
                               fixed_point(m[0]),
                               fixed_point(m[3])};
#if FM_X86_LEVELS
    if (level >= FM_CPU_AVX2) {
        read_rows_avx2(&quads, at, height, width, places, out);
        return;
    }
#endif
    read_rows_any(&quads, at, height, width, level, places, out);
}

/* ---- elastic fields ------------------------------------------------------------ */

/* Index i folded into a side of n, as a mirror that does not repeat the edge does. */
static size_t reflected(int64_t i, int64_t n)
{
    const int64_t period = 2 * (n - 1);
    i = i < 0 ? -i : i;
    if (i >= n && n > 1) { /* rare, and a division is slow */
        i %= period;
        i = i < n ? i : period - i;
    }
    return n > 1 ? (size_t)i : 0;
}

/* An extended box: the mean of 2 r + 1 neighbours and of the next one on each side with
   weight `edge`. */
struct box_filter {
    int64_t radius;
    float edge, scale;
};

static struct box_filter box_of(double sigma)
{
    const double v = sigma * sigma / FM_ELASTIC_PASSES;
    const double r = (double)fm_floor(0.5 * sqrt(12.0 * v + 1.0) - 0.5);
    const double edge = (2.0 * r + 1.0) * (r * (r + 1.0) - 3.0 * v) /
                        (6.0 * (v - (r + 1.0) * (r + 1.0)));
    return (struct box_filter){(int64_t)r, (float)edge,
                               (float)(1.0 / (2.0 * r + 1.0 + 2.0 * edge))};
}

/* Filter columns: in, out float32 (n, stride), stride a multiple of LANES. Four sums at
   once, as each waits for its own last value. */
FM_INLINE void box_columns(const float *restrict in, size_t n, size_t stride,
                           struct box_filter box, float *restrict out)
{
    enum { SUMS = LANES / FM_LANES_COUNT };
    const int64_t r = box.radius, side = (int64_t)n;
    for (size_t lane = 0; lane < stride; lane += LANES) {
        fm_lanes sums[SUMS];
        const float *row = in + lane + reflected(-r, side) * stride;
        for (int k = 0; k < SUMS; k++)
            sums[k] = fm_lanes_load(row + k * FM_LANES_COUNT);
        for (int64_t i = 1 - r; i <= r; i++) {
            row = in + lane + reflected(i, side) * stride;
            for (int k = 0; k < SUMS; k++)
                sums[k] =
                    fm_lanes_add(sums[k], fm_lanes_load(row + k * FM_LANES_COUNT));
        }
        for (int64_t i = 0; i < side; i++) {
            const float *first = in + lane + reflected(i - r - 1, side) * stride;
            const float *next = in + lane + reflected(i + r + 1, side) * stride;
            const float *last = in + lane + reflected(i + r, side) * stride;
            float *to = out + lane + (size_t)i * stride;
            for (int k = 0; k < SUMS; k++) {
                const int at = k * FM_LANES_COUNT;
                fm_lanes before = fm_lanes_load(first + at);
                if (i > 0)
                    sums[k] = fm_lanes_sub(
                        fm_lanes_add(sums[k], fm_lanes_load(last + at)), before);
                fm_lanes edges = fm_lanes_scale(
                    fm_lanes_add(before, fm_lanes_load(next + at)), box.edge);
                fm_lanes_store(to + at, fm_lanes_scale(fm_lanes_add(sums[k], edges),
                                                       box.scale));
            }
        }
    }
}

FM_LEVELS(box_columns,
          (const float *restrict in, size_t n, size_t stride, struct box_filter box,
           float *restrict out),
          (in, n, stride, box, out));

/* Noise of both fields, float32 (width, height) in rows of `stride`. */
FM_INLINE void fill_noise(const uint32_t key[2], fm_field_fn *field, size_t height,
                          size_t width, size_t stride, float *restrict dx,
                          float *restrict dy)
{
    uint32_t words[FM_FIELD_CHUNK];
    size_t y = 0, n = height * width;
    for (size_t begin = 0; begin < n; begin += FM_FIELD_CHUNK) {
        field(key, begin / FM_FIELD_CHUNK, words);
        float noise_x[FM_FIELD_CHUNK], noise_y[FM_FIELD_CHUNK];
        for (int i = 0; i < FM_FIELD_CHUNK; i++) {
            noise_x[i] = (float)((int32_t)(2 * (words[i] & 0xFFFF) + 1) - 65536);
            noise_y[i] = (float)((int32_t)(2 * (words[i] >> 16) + 1) - 65536);
            noise_x[i] *= 0x1p-16f;
            noise_y[i] *= 0x1p-16f;
        }
        size_t count = n - begin < FM_FIELD_CHUNK ? n - begin : FM_FIELD_CHUNK;
        for (size_t i = 0; i < count;) { /* in runs that end with a row */
            size_t run = height - y < count - i ? height - y : count - i;
            memcpy(dx + y, noise_x + i, run * sizeof *dx);
            memcpy(dy + y, noise_y + i, run * sizeof *dy);
            i += run;
            y += run;
            if (y == height) {
                y = 0;
                dx += stride;
                dy += stride;
            }
        }
    }
}

FM_LEVELS(fill_noise,
          (const uint32_t key[2], fm_field_fn *field, size_t height, size_t width,
           size_t stride, float *restrict dx, float *restrict dy),
          (key, field, height, width, stride, dx, dy));

/* out[y][x] = in[x][y]. */
static void transpose(const float *restrict in, size_t in_stride, size_t height,
                      size_t width, size_t out_stride, float *restrict out)
{
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            out[y * out_stride + x] = in[x * in_stride + y];
}

/* Smooth columns in place, with a spare field of the same size. */
static void smooth(float *field, size_t n, size_t stride, double sigma,
                   enum fm_cpu_level level, float *spare)
{
    if (sigma == 0)
        return;
    const struct box_filter box = box_of(sigma);
    const float *from = field;
    float *to = spare;
    for (int pass = 0; pass < FM_ELASTIC_PASSES; pass++) {
        box_columns_levels[level](from, n, stride, box, to);
        from = to;
        to = to == spare ? field : spare;
    }
    if (from != field)
        memcpy(field, from, n * stride * sizeof *field);
}

/* Places: where a pixel is plus its displacement, in rows of `width`. */
FM_INLINE void displace(const float *restrict field, size_t stride, size_t height,
                        size_t width, float scale, int along_y, int32_t *restrict out)
{
    const float bound = (float)(1 << 29); /* with FM_WARP_MAX_SIDE below 2**31 */
    for (size_t y = 0; y < height; y++, field += stride, out += width)
        for (size_t x = 0; x < width; x++) {
            float d = field[x] * scale;
            d = d < -bound ? -bound : d;
            d = d > bound ? bound : d;
            out[x] = (int32_t)(along_y ? y : x) * ONE + (int32_t)d;
        }
}

FM_LEVELS(displace,
          (const float *restrict field, size_t stride, size_t height, size_t width,
           float scale, int along_y, int32_t *restrict out),
          (field, stride, height, width, scale, along_y, out));

void fm_warp_elastic(const uint8_t *restrict in, size_t height, size_t width,
                     const struct fm_elastic *elastic, struct fm_draws *draws,
                     enum fm_cpu_level level, void *restrict work,
                     uint8_t *restrict out)
{
    const struct quads quads = quads_of(in, height, width, elastic->interpolation,
                                        elastic->fill, level, work);
    const size_t across = align_up(height, LANES), along = align_up(width, LANES);
    const size_t field_nbytes = align_up(4 * across * along, 64);
    uint8_t *fields = (uint8_t *)work + quads_nbytes(height, width) +
                      edged_nbytes(height, width);
    float *noise[2], *smoothed = (float *)(fields + 2 * field_nbytes);
    int32_t *places[2];
    for (int i = 0; i < 2; i++) {
        noise[i] = (float *)(fields + (size_t)i * field_nbytes);
        places[i] = (int32_t *)noise[i]; /* which is needed no more by then */
    }
    float *spare = (float *)(fields + 3 * field_nbytes);
    uint32_t key[2];
    key[0] = fm_draws_word(draws);
    key[1] = fm_draws_word(draws);
    fill_noise_levels[level](key, fm_field_select(level), height, width, across,
                             noise[0], noise[1]);
    const double alphas[2] = {elastic->alpha_x, elastic->alpha_y};
    for (int i = 0; i < 2; i++) {
        smooth(noise[i], width, across, elastic->sigma_x, level, spare);
        transpose(noise[i], across, height, width, along, smoothed);
        smooth(smoothed, height, along, elastic->sigma_y, level, spare);
        displace_levels[level](smoothed, along, height, width,
                               (float)(alphas[i] / 2 * ONE), i, places[i]);
    }
    read_places(&quads, places[0], places[1], height * width, level, out);
}
