/* Gaussian noise: a normal number for every pixel, by the method of Box and Muller
   (1958) in float32. Its polynomials vectorize and give the same bits on every
   machine. Salt-and-pepper noise: random pixels become white or black. */
#ifndef FM_AUGMENT_NOISE_H
#define FM_AUGMENT_NOISE_H

#include <stddef.h>

#include "words.h"

/* Mean and standard deviation as fractions of 255.
   Words: coin, and two that are the key of the noise (words.h). */
struct fm_noise {
    double mean, sigma;
};

/* The probability that a pixel is replaced, and the share of white among the replaced
   pixels, both in 0..1. The other replaced pixels become black.
   Words: coin, the probability, and two that are the key of the bits (words.h). */
struct fm_salt_pepper {
    struct fm_range amount;
    double salt_vs_pepper;
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

/* ---- salt and pepper ------------------------------------------------------------- */

/* Return a probability as a threshold of 16 random bits, rounded to the nearest, and
   halves to the even one. */
FM_INLINE uint32_t fm_noise_threshold(double p)
{
    return (uint32_t)fm_real_round(p * 65536.0);
}

/* Return the pixel that one half of a word is for, 0 the lower and 1 the upper half.
   The halves of a chunk of words are for 2 FM_WORDS_CHUNK pixels. All lower halves come
   first, so that no half has to be moved between pixels. */
FM_INLINE uint64_t fm_noise_place(uint64_t word, uint32_t half)
{
    return (2 * (word / FM_WORDS_CHUNK) + half) * FM_WORDS_CHUNK +
           word % FM_WORDS_CHUNK;
}

/* Return one pixel with salt-and-pepper noise, for 16 random bits. */
FM_INLINE uint8_t fm_noise_season(uint8_t pixel, uint32_t bits, uint32_t salt,
                                  uint32_t amount)
{
    return bits < salt ? 255 : bits < amount ? 0 : pixel;
}

/* Make pixels white or black, by 16 random bits of each. in, out: uint8 (n,); out may
   be in. salt, amount: thresholds of the bits, at most 65536.
   In numpy: where(bits < salt, 255, where(bits < amount, 0, in)), where bits are the
   lower halves of words 0 to 63, then their upper halves, then those of words 64 to
   127, and so on.
   Not checked: in and out are the same, or do not overlap. */
void fm_noise_salt_pepper(const uint8_t *in, size_t n, uint32_t salt, uint32_t amount,
                          const uint32_t key[2], enum fm_cpu_level level, uint8_t *out);

#endif
