/* Gaussian noise: a normal number for every pixel, by the method of Box and Muller
   (1958) in float32. Its polynomials vectorize and give the same bits on every
   machine. */
#ifndef FM_AUGMENT_NOISE_H
#define FM_AUGMENT_NOISE_H

#include "draws.h"
#include <stddef.h>

/* Mean and standard deviation as fractions of 255.
   Words: coin, and two that are the key of the noise (words.h). */
struct fm_noise {
    double mean, sigma;
};

/* in, out: uint8 (n,); out may be in.
   In numpy: clip(in + (float32(255 mean) + float32(255 sigma) * normals), 0, 255) +
   0.5, truncated. Words 0 and 1 of a counter make two normals, and so do words 2 and 3.
   Pixel 16 j + i of chunk c gets the normal in the place of word 16 j + i (words.h).
   Not checked: in and out are the same, or do not overlap. */
void fm_noise_apply(const uint8_t *in, size_t n, const struct fm_noise *noise,
                    const uint32_t key[2], enum fm_cpu_level level, uint8_t *out);

#endif
