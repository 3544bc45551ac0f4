/* Gaussian noise: a normal number for every pixel, by the method of Box and Muller
   (1958) in float32, with polynomials that vectorise and give the same bits on every
   machine. */
#ifndef FM_AUGMENT_NOISE_H
#define FM_AUGMENT_NOISE_H

#include "draw.h"
#include <stddef.h>

/* In shares of 255. Words: coin, and two that are the key of the noise. */
struct fm_noise {
    double mean, sigma;
};

/* out may be in; both hold n bytes.
   In numpy: clip(in + (float32(255 mean) + float32(255 sigma) * normals), 0, 255), and
   0.5 more, cut. Words 0 and 1, and 2 and 3, of a counter make two normals each; pixel
   16 j + i of chunk c gets the one that stands where word 16 j + i does (draw.h). */
void fm_noise_apply(const uint8_t *in, size_t n, const struct fm_noise *noise,
                    struct fm_draws *draws, enum fm_cpu_level level, uint8_t *out);

#endif
