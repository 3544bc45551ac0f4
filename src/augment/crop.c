/* Crops, padding and flips, declared in crop.h. Padding modes are those of
   numpy.pad. */
#include "crop.h"

void fm_crop_paint(const struct fm_box *box, uint8_t value, size_t width,
                   uint8_t *pixels)
{
    pixels += box->top * width + box->left;
    for (size_t row = 0; row < box->height; row++)
        memset(pixels + row * width, value, box->width);
}

/* Copy one row, whose columns [begin, end) lie in the source before a flip. The columns
   outside are padding, one at a time. */
FM_INLINE void copy_row(const uint8_t *restrict source, size_t width,
                        const struct fm_cut *cut, int64_t begin, int64_t end,
                        uint8_t *restrict out)
{
    const int64_t n = (int64_t)cut->width, left = cut->left;
    for (int64_t x = 0; x < n; x = x == begin - 1 ? end : x + 1) {
        if (x == begin && begin < end) {
            x = end;
            if (x == n)
                break;
        }
        int64_t i = fm_crop_source_index(left + x, (int64_t)width, cut->mode);
        out[fm_crop_flip(x, n, cut->flip_x)] = i < 0 ? cut->fill : source[i];
    }
    if (begin == end)
        return;
    if (!cut->flip_x) {
        memcpy(out + begin, source + left + begin, (size_t)(end - begin));
    } else {
        const uint8_t *last = source + left + end - 1;
        uint8_t *turned = out + n - end;
        for (int64_t i = 0; i < end - begin; i++)
            turned[i] = *(last - i);
    }
}

/* Copy a crop of any size and padding, as fm_crop_fn does. */
FM_INLINE void copy(const uint8_t *restrict in, size_t height, size_t width,
                    const struct fm_cut *cut, uint8_t *restrict out)
{
    const int64_t n = (int64_t)cut->width;
    const int64_t begin = fm_integer_clip(-cut->left, 0, n);
    const int64_t end = fm_integer_clip((int64_t)width - cut->left, begin, n);
    const int is_part =
        cut->top >= 0 && cut->top + (int64_t)cut->height <= (int64_t)height;
    if (is_part && n == (int64_t)width && begin == 0 && end == n && !cut->flip_y &&
        !cut->flip_x) { /* whole rows, unchanged */
        memcpy(out, in + (size_t)cut->top * width, cut->height * width);
        fm_crop_paint(&cut->hole, cut->hole_value, width, out);
        return;
    }
    for (size_t row = 0; row < cut->height; row++) {
        const int64_t from =
            fm_crop_source_row(cut, (int64_t)height, (int64_t)row);
        uint8_t *to = out + row * cut->width;
        if (from < 0)
            memset(to, cut->fill, cut->width);
        else
            copy_row(in + (size_t)from * width, width, cut, begin, end, to);
    }
    fm_crop_paint(&cut->hole, cut->hole_value, cut->width, out);
}

FM_LEVELS(copy,
          (const uint8_t *restrict in, size_t height, size_t width,
           const struct fm_cut *cut, uint8_t *restrict out),
          (in, height, width, cut, out));

#if FM_X86_LEVELS

/* A load that includes one pixel reads at most LANES - 1 bytes beyond the pixel. */
#define LANES 32
_Static_assert(LANES - 1 == FM_CROP_AROUND, "a load reaches over one pixel's sides");

/* Return the number of each lane. */
FM_TARGET_AVX2
static inline __m256i lane_numbers(void)
{
    return _mm256_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
                            17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31);
}

/* Return 0xFF in lane i where begin <= i < end, and 0 in all others. */
FM_TARGET_AVX2
static __m256i lanes_between(int64_t begin, int64_t end)
{
    const __m256i lane = lane_numbers();
    const __m256i from = _mm256_set1_epi8((char)(fm_integer_clip(begin, 0, LANES) - 1));
    const __m256i to = _mm256_set1_epi8((char)fm_integer_clip(end, 0, LANES));
    return _mm256_and_si256(_mm256_cmpgt_epi8(lane, from), _mm256_cmpgt_epi8(to, lane));
}

/* A crop with rows of up to 32 pixels: a row is one store, which may run into the next
   row, which is written later. With constant padding it is one load, too. With other
   padding, it is a shuffle of 32 bytes of the source: see `shuffle_of`. */
struct narrow {
    const uint8_t *source; /* row 0 of the source, from the first byte to load on */
    int64_t height, width; /* source size */
    int64_t first, stride; /* first row of the source; +1 or -1 to the next */
    int64_t n;             /* pixels in a row of the crop */
    int flip_x;
    enum fm_padding_mode mode;
    __m256i inside, fill, value;
    __m256i low, high; /* the shuffle */
};

/* The columns of a hole. The rows that it covers choose a mask by index, without a
   branch: branches at random rows are mispredicted. */
struct narrow_hole {
    size_t top, height;
    __m256i lanes[2]; /* [0]: rows without the hole; [1]: with it */
};

FM_TARGET_AVX2
static inline void store_row(const struct narrow *rows, const struct narrow_hole *hole,
                             int64_t row, __m256i pixels, uint8_t *restrict out)
{
    if (hole) /* known when this is inlined */
        pixels = _mm256_blendv_epi8(
            pixels, rows->value,
            hole->lanes[(size_t)row - hole->top < hole->height]);
    _mm256_storeu_si256((__m256i *)(out + row * rows->n), pixels);
}

FM_TARGET_AVX2
FM_INLINE void narrow_rows(const struct narrow *narrow, const struct narrow_hole *hole,
                           size_t n_rows, uint8_t *restrict out)
{
    const struct narrow rows = *narrow;
    const __m256i backwards = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
    /* Rows [from, to) exist in the source. */
    const int64_t last = rows.height - 1, end = (int64_t)n_rows;
    int64_t from = rows.stride > 0 ? -rows.first : rows.first - last;
    int64_t to = rows.stride > 0 ? last - rows.first + 1 : rows.first + 1;
    from = fm_integer_clip(from, 0, end);
    to = fm_integer_clip(to, from, end);
    for (int64_t row = 0; row < from; row++)
        store_row(&rows, hole, row, rows.fill, out);
    for (int64_t row = from; row < to; row++) {
        const int64_t y = rows.first + rows.stride * row;
        const uint8_t *source = rows.source + y * rows.width;
        __m256i pixels = _mm256_loadu_si256((const __m256i *)source);
        pixels = _mm256_blendv_epi8(rows.fill, pixels, rows.inside);
        if (rows.flip_x)
            pixels = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(pixels, backwards),
                                              0x4E);
        store_row(&rows, hole, row, pixels, out);
    }
    for (int64_t row = to; row < end; row++)
        store_row(&rows, hole, row, rows.fill, out);
}

/* Return fm_crop_source_index for a mode with indices outside, without a branch. The
   ends of the padding are at random rows, where branches are mispredicted. */
FM_INLINE int64_t padded_index(int64_t i, int64_t n, enum fm_padding_mode mode)
{
    const int64_t last = n - 1, repeat = mode == FM_PAD_SYMMETRIC;
    if (mode == FM_PAD_EDGE)
        return fm_integer_clip(i, 0, last);
    i = i < 0 ? -repeat - i : i;
    return i > last ? 2 * last + repeat - i : i;
}

/* Prepare the shuffle that makes a row of the crop from LANES bytes of the source. With
   reflected padding, an epoch of crop + flip took 2.5 times as long as with constant
   padding before there was a shuffle, and takes 1.1 times as long with it.
   Neighbors in the crop are neighbors in the source, or the same pixel. The columns of
   a crop with up to 32 of them are thus in as many bytes, the first of which is the
   smallest column. Lanes have the number of a byte modulo 256, and it is below 32. */
FM_TARGET_AVX2
static inline void shuffle_of(const struct fm_cut *cut, int64_t width,
                              struct narrow *rows)
{
    const int64_t left = cut->left, n = rows->n, end = left + n;
    const int64_t repeat = cut->mode == FM_PAD_SYMMETRIC, flip = cut->flip_x != 0;
    const int64_t at_left = padded_index(left, width, cut->mode);
    const int64_t at_right = padded_index(end - 1, width, cut->mode);
    const int64_t lower = at_left < at_right ? at_left : at_right;
    const int has_first = (left <= 0) & (end > 0); /* column 0 */
    const int64_t base = has_first ? 0 : lower;
    const int64_t edge = width - 1 - base, mirror = 2 * (width - 1) + repeat - left;
    const __m256i lane = lane_numbers();
    /* A flip puts column n - 1 - lane into a lane, which is n + ~lane. */
    const __m256i x =
        _mm256_add_epi8(_mm256_xor_si256(lane, _mm256_set1_epi8((char)-flip)),
                        _mm256_set1_epi8((char)(flip * n)));
    __m256i at = _mm256_add_epi8(x, _mm256_set1_epi8((char)(left - base)));
    __m256i before = _mm256_set1_epi8((char)-base);
    __m256i after = _mm256_set1_epi8((char)edge);
    if (cut->mode != FM_PAD_EDGE) {
        before = _mm256_sub_epi8(_mm256_set1_epi8((char)(-repeat - left - base)), x);
        after = _mm256_sub_epi8(_mm256_set1_epi8((char)(mirror - base)), x);
    }
    const char begin = (char)fm_integer_clip(-left, 0, LANES);
    const char last = (char)(fm_integer_clip(width - left, 0, LANES) - 1);
    at = _mm256_blendv_epi8(at, before, _mm256_cmpgt_epi8(_mm256_set1_epi8(begin), x));
    at = _mm256_blendv_epi8(at, after, _mm256_cmpgt_epi8(x, _mm256_set1_epi8(last)));
    /* A byte from 128 on shuffles a 0 into its lane. */
    rows->low = _mm256_adds_epu8(at, _mm256_set1_epi8(112));
    rows->high = _mm256_sub_epi8(at, _mm256_set1_epi8(16));
    rows->source += base;
}

FM_TARGET_AVX2
FM_INLINE void shuffled_rows(const struct narrow *narrow,
                             const struct narrow_hole *hole, size_t n_rows,
                             uint8_t *restrict out)
{
    const struct narrow rows = *narrow;
    for (int64_t row = 0; row < (int64_t)n_rows; row++) {
        const int64_t y =
            padded_index(rows.first + rows.stride * row, rows.height, rows.mode);
        const __m128i *source = (const __m128i *)(rows.source + y * rows.width);
        const __m256i low = _mm256_broadcastsi128_si256(_mm_loadu_si128(source));
        const __m256i high = _mm256_broadcastsi128_si256(_mm_loadu_si128(source + 1));
        store_row(&rows, hole, row,
                  _mm256_or_si256(_mm256_shuffle_epi8(low, rows.low),
                                  _mm256_shuffle_epi8(high, rows.high)),
                  out);
    }
}

/* Return a crop without the columns to load, the mask and the shuffle. */
FM_TARGET_AVX2
FM_INLINE struct narrow narrow_of(const uint8_t *source, size_t height, size_t width,
                                  const struct fm_cut *cut)
{
    const __m256i zero = _mm256_setzero_si256();
    const struct narrow rows = {
        .source = source,
        .height = (int64_t)height,
        .width = (int64_t)width,
        .first = cut->top + (cut->flip_y ? (int64_t)cut->height - 1 : 0),
        .stride = cut->flip_y ? -1 : 1,
        .n = (int64_t)cut->width,
        .flip_x = cut->flip_x,
        .mode = cut->mode,
        .inside = zero,
        .fill = _mm256_set1_epi8((char)cut->fill),
        .value = _mm256_set1_epi8((char)cut->hole_value),
        .low = zero,
        .high = zero,
    };
    return rows;
}

FM_TARGET_AVX2
FM_INLINE struct narrow_hole hole_of(const struct fm_box *box)
{
    const int64_t left = (int64_t)box->left, right = left + (int64_t)box->width;
    const struct narrow_hole hole = {
        .top = box->top,
        .height = box->height,
        .lanes = {_mm256_setzero_si256(), lanes_between(left, right)},
    };
    return hole;
}

FM_TARGET_AVX2
static void copy_narrow(const uint8_t *restrict in, size_t height, size_t width,
                        const struct fm_cut *cut, uint8_t *restrict out)
{
    const int64_t side = (int64_t)width;
    /* With flip_x the lanes are reversed, so that lane 31 must hold the last column of
       the crop. A crop beside the source has nothing to read: the mask is empty, and
       the load is moved to column 0. */
    int64_t column = cut->left + (cut->flip_x ? (int64_t)cut->width - LANES : 0);
    column = fm_integer_clip(column, -LANES, side);
    const __m256i inside = lanes_between(-column, side - column);
    if (column == -LANES || column == side)
        column = 0;
    struct narrow rows = narrow_of(in + column, height, width, cut);
    rows.inside = inside;
    if (cut->hole.height == 0) {
        narrow_rows(&rows, NULL, cut->height, out);
        return;
    }
    const struct narrow_hole hole = hole_of(&cut->hole);
    narrow_rows(&rows, &hole, cut->height, out);
}

FM_TARGET_AVX2
static void copy_shuffled(const uint8_t *restrict in, size_t height, size_t width,
                          const struct fm_cut *cut, uint8_t *restrict out)
{
    struct narrow rows = narrow_of(in, height, width, cut);
    shuffle_of(cut, (int64_t)width, &rows);
    if (cut->hole.height == 0) {
        shuffled_rows(&rows, NULL, cut->height, out);
        return;
    }
    const struct narrow_hole hole = hole_of(&cut->hole);
    shuffled_rows(&rows, &hole, cut->height, out);
}

FM_TARGET_AVX2
FM_INLINE void crop_avx2(const uint8_t *restrict in, size_t height, size_t width,
                         const struct fm_cut *cut, uint8_t *restrict out)
{
    if (cut->width <= LANES && cut->mode == FM_PAD_CONSTANT)
        copy_narrow(in, height, width, cut, out);
    else if (cut->width <= LANES)
        copy_shuffled(in, height, width, cut, out);
    else
        copy_levels[FM_CPU_AVX2](in, height, width, cut, out);
}

#endif

FM_LEVELS_OF(crop,
             (const uint8_t *restrict in, size_t height, size_t width,
              const struct fm_cut *cut, uint8_t *restrict out),
             (in, height, width, cut, out), copy_levels[FM_CPU_BASELINE], crop_avx2,
             crop_avx2);

fm_crop_fn *fm_crop_select(enum fm_cpu_level level)
{
    return crop_levels[level];
}
