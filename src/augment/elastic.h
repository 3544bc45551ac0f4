/* Elastic warps, as in torchvision's ElasticTransform: smooth noise displaces the
   source point of every pixel. A pixel is read by bilinear interpolation, or from the
   nearest pixel (quads.h). */
#ifndef FM_AUGMENT_ELASTIC_H
#define FM_AUGMENT_ELASTIC_H

#include "../lanes.h"
#include "draws.h"
#include "points.h"
#include "words.h"

/* Displacements are white noise of 256 levels, (2 b - 255) / 256 for a byte b, smoothed
   by a Gaussian and multiplied by alpha / 2. The Gaussian has a standard deviation of
   sigma_x pixels along x and of sigma_y pixels along y, for both dx and dy. It consists
   of FM_ELASTIC_PASSES extended box filters in a row, whose cost is the same for every
   sigma: Gwosdek et al., "Theoretical foundations of Gaussian convolution by extended
   box filtering", SSVM 2011. The filters reflect at the edges.
   Words: coin, and two that are the key of the noise (words.h).
   The noise is laid out column by column, and each column is padded to a multiple of
   FM_ELASTIC_LANES pixels. Pixel p is in column p / padded height and in row p % padded
   height. In chunk c of the noise's words, byte 0 is dx of pixels 128 c + (0 ... 63),
   and byte 1 is dx of the next 64 pixels. Bytes 2 and 3 are dy of the same pixels. */
#define FM_ELASTIC_PASSES 3
#define FM_ELASTIC_LANES 32
struct fm_elastic {
    double alpha_x, alpha_y, sigma_x, sigma_y;
    enum fm_interpolation interpolation;
    uint8_t fill;
};

/* An extended box filter: the mean of 2 r + 1 neighbors, and of the next neighbor on
   each side with weight `edge`. */
struct fm_elastic_box {
    int64_t radius;
    float edge, scale;
};

/* Return the filter whose FM_ELASTIC_PASSES passes smooth by sigma (Gwosdek et al.). */
static inline struct fm_elastic_box fm_elastic_find_box(double sigma)
{
    const double v = sigma * sigma / FM_ELASTIC_PASSES;
    const double r = (double)fm_real_floor(0.5 * sqrt(12.0 * v + 1.0) - 0.5);
    const double edge = (2.0 * r + 1.0) * (r * (r + 1.0) - 3.0 * v) /
                        (6.0 * (v - (r + 1.0) * (r + 1.0)));
    const struct fm_elastic_box box = {
        .radius = (int64_t)r,
        .edge = (float)edge,
        .scale = (float)(1.0 / (2.0 * r + 1.0 + 2.0 * edge)),
    };
    return box;
}

/* Return the row that lies at row i of n, reflected as often as it takes. */
FM_INLINE size_t fm_elastic_row(int64_t i, int64_t n)
{
    const int64_t period = n > 1 ? 2 * (n - 1) : 1;
    i = i < 0 ? -i : i;
    if (i >= period) /* rare, and a division is slow */
        i %= period;
    return (size_t)fm_integer_reflect(i, n);
}

#define FM_ELASTIC_MAX_SUMS 4

/* Run one pass of the filter down the columns of a strip: n rows, `stride` apart, of
   n_sums vectors side by side. This many sums are kept at once, because each sum waits
   for its own previous value. For the compiler, n_sums should be a constant.
   In numpy: one pass of the filter in fm_elastic_apply, along axis 0.
   Not checked: n_sums <= FM_ELASTIC_MAX_SUMS; out does not overlap in. */
FM_INLINE void fm_elastic_smooth(const float *in, size_t n, size_t stride, int n_sums,
                                 struct fm_elastic_box box, float *out)
{
    const fm_lanes zero = {0};
    const int64_t r = box.radius, side = (int64_t)n;
    fm_lanes sums[FM_ELASTIC_MAX_SUMS];
    for (int k = 0; k < n_sums; k++)
        sums[k] = zero;
    for (int64_t i = -1 - r; i < r; i++) {
        const float *row = in + fm_elastic_row(i, side) * stride;
        for (int k = 0; k < n_sums; k++)
            sums[k] = fm_lanes_add(sums[k], fm_lanes_load(row + k * FM_LANES_COUNT));
    }
    const float *last = in + fm_elastic_row(r, side) * stride;
    for (int64_t i = 0; i < side; i++) {
        const float *first = in + fm_elastic_row(i - r - 1, side) * stride;
        const float *next = in + fm_elastic_row(i + r + 1, side) * stride;
        float *to = out + (size_t)i * stride;
        for (int k = 0; k < n_sums; k++) {
            const int at = k * FM_LANES_COUNT;
            fm_lanes before = fm_lanes_load(first + at);
            fm_lanes edges = fm_lanes_add(before, fm_lanes_load(next + at));
            sums[k] =
                fm_lanes_add(sums[k], fm_lanes_sub(fm_lanes_load(last + at), before));
            fm_lanes sum = fm_lanes_weigh(sums[k], edges, box.edge);
            fm_lanes_store(to + at, fm_lanes_scale(sum, box.scale));
        }
        last = next;
    }
}

/* Return the pixel whose dx is byte 0 or 1 of word n, and whose dy is byte 2 or 3. */
FM_INLINE uint32_t fm_elastic_pixel(uint32_t n, uint32_t byte)
{
    const uint32_t chunk = n / FM_WORDS_CHUNK, i = n % FM_WORDS_CHUNK;
    return (2 * chunk + byte) * FM_WORDS_CHUNK + i;
}

/* Return the white noise of a byte. */
FM_INLINE float fm_elastic_noise(uint32_t byte)
{
    return (float)(int32_t)byte * 0x1p-7f - 255.0f / 256.0f;
}

/* Return the factor from smooth noise to displacements, in pixels / 65536. */
FM_INLINE float fm_elastic_scale(double alpha)
{
    return (float)(alpha / 2 * FM_QUADS_ONE);
}

/* Return coordinate i, displaced by d pixels / 65536 and truncated, in fixed point. The
   displacement is clipped so that the sum fits 32 bits: the largest side is 2**30. */
FM_INLINE int32_t fm_elastic_displace(int32_t i, float d)
{
    const float bound = (float)(1 << 29);
    d = d < -bound ? -bound : d;
    return i * FM_QUADS_ONE + (int32_t)(d > bound ? bound : d);
}

/* Return the bytes that fm_elastic_apply needs at `work`. */
uint64_t fm_elastic_work_nbytes(size_t height, size_t width);

/* in, out: uint8 (height, width), out with room for 15 bytes after it. work:
   fm_elastic_work_nbytes bytes from a multiple of 64 on.
   In numpy: as fm_warp_apply, with source points (x + dx, y + dy), where dx and dy are
   truncated to multiples of 2**-16 pixel. One pass of the filter, in float32: s = the
   sum of rows -1 - r to r - 1, from the first to the last; then for each row i:
   s = s + (in[i + r] - in[i - r - 1]),
   out[i] = (s + (in[i - r - 1] + in[i + r + 1]) * edge) * scale.
   Not checked: sides are at most FM_QUADS_MAX_SIDE; out does not overlap in. */
void fm_elastic_apply(const uint8_t *restrict in, size_t height, size_t width,
                      const struct fm_elastic *elastic, const uint32_t key[2],
                      enum fm_cpu_level level, void *restrict work,
                      uint8_t *restrict out);

#endif
