/* Gaussian noise: a normal number for every pixel, by the method of Box and Muller
   (1958) in float32. Its polynomials vectorize and give the same bits on every
   machine. */
#ifndef FM_AUGMENT_NOISE_H
#define FM_AUGMENT_NOISE_H

#include <stddef.h>

#include "draws.h"

/* Mean and standard deviation as fractions of 255.
   Words: coin, and two that are the key of the noise (words.h). */
struct fm_noise {
    double mean, sigma;
};

/* Return a fraction of 255 as a difference of gray levels. */
FM_INLINE float fm_noise_levels(double fraction)
{
    return (float)(255.0 * fraction);
}

/* Return ln(u) for u = m * 2**-24, m odd and below 2**24, to 2e-7 of max(1, |ln u|).
   The method is that of fm_real_log, with five terms of the series. */
FM_INLINE float fm_noise_log(uint32_t word)
{
    float x = (float)(int32_t)((word >> 9) * 2 + 1), f;
    int32_t bits, k;
    memcpy(&bits, &x, sizeof bits);
    k = (bits - 0x3F3504F3) >> 23;
    bits -= (int32_t)((uint32_t)k << 23);
    memcpy(&f, &bits, sizeof f);
    float s = (f - 1.0f) / (f + 1.0f), z = s * s;
    float series = 2.0f / 7.0f + z * (2.0f / 9.0f);
    series = 2.0f / 3.0f + z * (2.0f / 5.0f + z * series);
    return (float)(k - 24) * 0.6931471805599453f + s * (2.0f + z * series);
}

/* Make two normal numbers from two words, as a point of the plane. Word a gives its
   radius. In word b, 23 bits give an angle of up to an eighth turn to either side, one
   bit swaps the coordinates, and one bit negates one of them. */
FM_INLINE void fm_noise_normals(uint32_t a, uint32_t b, float *first, float *second)
{
    float radius = sqrtf(-2.0f * fm_noise_log(a));
    float phi = (float)((int32_t)(2 * (b >> 9) + 1) - (1 << 23)) *
                (float)(0.78539816339744831 * 0x1p-23);
    float p = phi * phi;
    float sine = phi * (1.0f + p * (-1.0f / 6 + p * (1.0f / 120 + p * (-1.0f / 5040))));
    float cosine =
        1.0f +
        p * (-1.0f / 2 + p * (1.0f / 24 + p * (-1.0f / 720 + p * (1.0f / 40320))));
    cosine = b & 2 ? -cosine : cosine;
    *first = radius * (b & 1 ? sine : cosine);
    *second = radius * (b & 1 ? cosine : sine);
}

/* Return one pixel with noise: clipped, then rounded. */
FM_INLINE uint8_t fm_noise_add(uint8_t pixel, float mean, float sigma, float normal)
{
    float x = (float)pixel + (mean + sigma * normal);
    x = x < 0.0f ? 0.0f : x;
    x = x > 255.0f ? 255.0f : x;
    return (uint8_t)(int32_t)(x + 0.5f);
}

/* in, out: uint8 (n,); out may be in.
   In numpy: clip(in + (float32(255 mean) + float32(255 sigma) * normals), 0, 255) +
   0.5, truncated. Words 0 and 1 of a counter make two normals, and so do words 2 and 3.
   Pixel 16 j + i of chunk c gets the normal in the place of word 16 j + i (words.h).
   Not checked: in and out are the same, or do not overlap. */
void fm_noise_apply(const uint8_t *in, size_t n, const struct fm_noise *noise,
                    const uint32_t key[2], enum fm_cpu_level level, uint8_t *out);

#endif
