/* Elastic warps: every pixel is taken from a place that smooth noise has moved, by
   bilinear interpolation or from the nearest pixel (quads.h), as in torchvision's
   ElasticTransform. */
#ifndef FM_AUGMENT_ELASTIC_H
#define FM_AUGMENT_ELASTIC_H

#include "draw.h"
#include "quads.h"

/* Displacements: white noise of 256 levels (2 b - 255) / 256, smoothed by a Gaussian of
   standard deviation sigma pixels and multiplied by alpha / 2. The Gaussian is
   FM_ELASTIC_PASSES extended box filters in a row, which cost the same for every sigma:
   Gwosdek et al., "Theoretical foundations of Gaussian convolution by extended box
   filtering", SSVM 2011. They reflect at the edges. Both fields are smoothed by sigma_x
   along x and by sigma_y along y.
   Words: coin, and two that are the key of the noise. Noise has its pixels column by
   column, each column padded to a multiple of FM_ELASTIC_LANES; number p is at column
   p / padded height, row p % padded height. Of the words of chunk c of the field, byte
   0 is dx of pixels 128 c + (0 ... 63), byte 1 dx of the next 64, bytes 2 and 3 are dy
   of the same. */
#define FM_ELASTIC_PASSES 3
#define FM_ELASTIC_LANES 32
struct fm_elastic {
    double alpha_x, alpha_y, sigma_x, sigma_y;
    enum fm_interpolation interpolation;
    uint8_t fill;
};

/* What fm_elastic_apply takes for `work`, in bytes, from a multiple of 64 on. */
size_t fm_elastic_work_nbytes(size_t height, size_t width);

/* in, out: uint8 (height, width), out with room for 15 bytes behind.
   In numpy: as fm_warp_affine, from places (x + dx, y + dy); dx and dy are cut to whole
   2**-16 pixels. One pass of the filter, in float32: s = the sum of rows -1 - r to
   r - 1 from left to right; then for each row i: s = s + (in[i + r] - in[i - r - 1]);
   out[i] = (s + (in[i - r - 1] + in[i + r + 1]) * edge) * scale.
   Not checked: sides up to FM_QUADS_MAX_SIDE; out does not overlap in. */
void fm_elastic_apply(const uint8_t *restrict in, size_t height, size_t width,
                      const struct fm_elastic *elastic, struct fm_draws *draws,
                      enum fm_cpu_level level, void *restrict work,
                      uint8_t *restrict out);

#endif
