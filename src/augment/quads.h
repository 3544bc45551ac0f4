/* A source image prepared for warps. For every point between its pixels, the four
   pixels around the point are in one 32-bit word, a quad, so that an output pixel takes
   one load. Outside the source all pixels are `fill`. */
#ifndef FM_AUGMENT_QUADS_H
#define FM_AUGMENT_QUADS_H

#include <stddef.h>
#include <stdint.h>

#include "../integer.h"

/* Warps have the first two. */
enum fm_interpolation { FM_NEAREST = 0, FM_BILINEAR = 1, FM_BICUBIC = 2 };

/* One pixel, in the fixed-point coordinates of points: 16 bits are the fraction. */
#define FM_QUADS_ONE 65536

/* One of these is added to a coordinate before it is cut, to the nearest pixel or to
   the 7 bits of its weight. */
#define FM_QUADS_HALF_PIXEL (FM_QUADS_ONE / 2)
#define FM_QUADS_HALF_WEIGHT (1 << 8)

/* A prepared source. From the lowest byte on, quad (y, x) holds the pixels (y, x), (y,
   x + 1), (y + 1, x) and (y + 1, x + 1), each xor 128. */
struct fm_quads {
    const uint32_t *words; /* quad (y, x), -1 <= y <= height, -1 <= x <= width, */
    size_t stride;         /* is words[(y + 1) * stride + x + 1] */
    int32_t max_x, max_y;  /* width and height, in fixed point */
    int nearest;
    enum fm_cpu_level level;
};

/* Return the bytes that fm_quads_make needs at `work`. The number is a multiple of
   64. */
uint64_t fm_quads_nbytes(size_t height, size_t width);

#define FM_QUADS_MAX_SIDE 16384 /* coordinates must fit 32 bits */

/* Return the largest coordinate along a side, to which points are clipped. */
FM_INLINE int32_t fm_quads_most(size_t side)
{
    return (int32_t)(side * FM_QUADS_ONE);
}

/* Return the quad of pixels a b above c d, without the xor. */
FM_INLINE uint32_t fm_quads_pack(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (uint32_t)a | (uint32_t)b << 8 | (uint32_t)c << 16 | (uint32_t)d << 24;
}

/* Prepare a source. in: uint8 (height, width), which is not read after this call; work:
   fm_quads_nbytes bytes, which the result points into.
   In numpy: p = uint32(np.pad(in, (1, 2), constant_values=fill) ^ 128); words =
   p[:-1, :-1] | p[:-1, 1:] << 8 | p[1:, :-1] << 16 | p[1:, 1:] << 24.
   Not checked: sides are at most FM_QUADS_MAX_SIDE; work is aligned to 4 bytes. */
struct fm_quads fm_quads_make(const uint8_t *restrict in, size_t height, size_t width,
                              enum fm_interpolation interpolation, uint8_t fill,
                              enum fm_cpu_level level, uint8_t *restrict work);

/* Return a point's coordinate along one axis, clipped to -1..max pixels and rounded.
   One pixel is added, which keeps shifts off negative numbers. The quad's number along
   the axis, plus one, is in bits 16 and up, and the weight is in bits 9 to 15. */
FM_INLINE uint32_t fm_quads_round(int32_t x, int32_t max, int nearest)
{
    x = (int32_t)fm_integer_clip(x, -FM_QUADS_ONE, max);
    x = nearest ? (x + FM_QUADS_HALF_PIXEL) & ~(FM_QUADS_ONE - 1)
                : x + FM_QUADS_HALF_WEIGHT;
    return (uint32_t)(x + FM_QUADS_ONE);
}

/* Return the pixel at weights wx and wy, 0..127 of 128, between the four pixels of a
   quad: the mean of its rows, a b and c d, rounded once. */
FM_INLINE uint8_t fm_quads_mix(uint8_t a, uint8_t b, uint8_t c, uint8_t d, int32_t wx,
                               int32_t wy)
{
    const int32_t top = a * (128 - wx) + b * wx, bottom = c * (128 - wx) + d * wx;
    return (uint8_t)((top * (128 - wy) + bottom * wy + 8192) >> 14);
}

/* Return the pixel at rounded coordinates (fm_quads_round) in a quad whose bytes are
   pixels, without the xor. */
FM_INLINE uint8_t fm_quads_mix_at(uint32_t quad, uint32_t ux, uint32_t uy)
{
    return fm_quads_mix((uint8_t)quad, (uint8_t)(quad >> 8), (uint8_t)(quad >> 16),
                        (uint8_t)(quad >> 24), (int32_t)(ux >> 9 & 127),
                        (int32_t)(uy >> 9 & 127));
}

/* Return the pixel at point (x, y), in fixed point. */
FM_INLINE uint8_t fm_quads_pixel(const struct fm_quads *quads, int32_t x, int32_t y)
{
    const uint32_t ux = fm_quads_round(x, quads->max_x, quads->nearest);
    const uint32_t uy = fm_quads_round(y, quads->max_y, quads->nearest);
    const uint32_t quad =
        quads->words[(uy >> 16) * quads->stride + (ux >> 16)] ^ 0x80808080u;
    return fm_quads_mix_at(quad, ux, uy);
}

/* Return pixel (y, x) of an image, or `fill` outside it. */
FM_INLINE uint8_t fm_quads_source(const uint8_t *in, size_t height, size_t width,
                                  uint8_t fill, size_t y, size_t x)
{
    return y < height && x < width ? in[y * width + x] : fill;
}

/* Return the pixel at point (x, y), in fixed point, of an image that is not prepared.
   in: uint8 (height, width).
   Not checked: sides are at most FM_QUADS_MAX_SIDE. */
FM_INLINE uint8_t fm_quads_pixel_of(const uint8_t *in, size_t height, size_t width,
                                    uint8_t fill, int nearest, int32_t x, int32_t y)
{
    const uint32_t ux = fm_quads_round(x, fm_quads_most(width), nearest);
    const uint32_t uy = fm_quads_round(y, fm_quads_most(height), nearest);
    /* Index -1 becomes the largest size_t, which is outside, too. */
    const size_t left = (size_t)(ux >> 16) - 1, top = (size_t)(uy >> 16) - 1;
    const uint32_t quad =
        fm_quads_pack(fm_quads_source(in, height, width, fill, top, left),
                      fm_quads_source(in, height, width, fill, top, left + 1),
                      fm_quads_source(in, height, width, fill, top + 1, left),
                      fm_quads_source(in, height, width, fill, top + 1, left + 1));
    return fm_quads_mix_at(quad, ux, uy);
}

#endif
