/* Elastic warps, as in torchvision's ElasticTransform: smooth noise displaces the
   source point of every pixel. A pixel is read by bilinear interpolation, or from the
   nearest pixel (quads.h). */
#ifndef FM_AUGMENT_ELASTIC_H
#define FM_AUGMENT_ELASTIC_H

#include "draws.h"
#include "quads.h"

/* Displacements are white noise of 256 levels, (2 b - 255) / 256 for a byte b, smoothed
   by a Gaussian and multiplied by alpha / 2. The Gaussian has a standard deviation of
   sigma_x pixels along x and of sigma_y pixels along y, for both fields dx and dy. It
   consists of FM_ELASTIC_PASSES extended box filters in a row, whose cost is the same
   for every sigma: Gwosdek et al., "Theoretical foundations of Gaussian convolution by
   extended box filtering", SSVM 2011. The filters reflect at the edges.
   Words: coin, and two that are the key of the noise (words.h).
   The noise is laid out column by column, and each column is padded to a multiple of
   FM_ELASTIC_LANES pixels. Pixel p is in column p / padded height and in row p % padded
   height. In the words of chunk c of the field, byte 0 is dx of pixels 128 c +
   (0 ... 63), and byte 1 is dx of the next 64 pixels. Bytes 2 and 3 are dy of the same
   pixels. */
#define FM_ELASTIC_PASSES 3
#define FM_ELASTIC_LANES 32
struct fm_elastic {
    double alpha_x, alpha_y, sigma_x, sigma_y;
    enum fm_interpolation interpolation;
    uint8_t fill;
};

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
