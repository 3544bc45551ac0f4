/* Gaussian noise, declared in noise.h, by the method of Box and Muller (1958). */
#include "noise.h"

#include "words.h"

/* Return ln(u) for u = m * 2**-24, m odd and below 2**24, to 2e-7 of max(1, |ln u|).
   The method is that of fm_real_log, with five terms of the series. */
FM_INLINE float log_of(uint32_t word)
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
FM_INLINE void normals_of(uint32_t a, uint32_t b, float *first, float *second)
{
    float radius = sqrtf(-2.0f * log_of(a));
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
FM_INLINE uint8_t noisy(uint8_t pixel, float mean, float sigma, float normal)
{
    float x = (float)pixel + (mean + sigma * normal);
    x = x < 0.0f ? 0.0f : x;
    x = x > 255.0f ? 255.0f : x;
    return (uint8_t)(int32_t)(x + 0.5f);
}

/* Add noise. in, out: uint8 (n,); mean and sigma in gray levels.
   In numpy: see fm_noise_apply. */
FM_INLINE void noise(const uint8_t *in, size_t n, float mean, float sigma,
                     const uint32_t key[2], fm_words_fn *field, uint8_t *out)
{
    for (size_t begin = 0; begin < n; begin += FM_WORDS_CHUNK) {
        uint32_t words[FM_WORDS_CHUNK];
        float normals[FM_WORDS_CHUNK];
        field(key, begin / FM_WORDS_CHUNK, words);
        for (int i = 0; i < 16; i++)
            normals_of(words[i], words[16 + i], &normals[i], &normals[16 + i]);
        for (int i = 32; i < 48; i++)
            normals_of(words[i], words[16 + i], &normals[i], &normals[16 + i]);
        if (n - begin >= FM_WORDS_CHUNK) {
            for (int i = 0; i < FM_WORDS_CHUNK; i++)
                out[begin + i] = noisy(in[begin + i], mean, sigma, normals[i]);
        } else {
            for (size_t i = begin; i < n; i++)
                out[i] = noisy(in[i], mean, sigma, normals[i - begin]);
        }
    }
}

FM_LEVELS(noise,
          (const uint8_t *in, size_t n, float mean, float sigma, const uint32_t key[2],
           fm_words_fn *field, uint8_t *out),
          (in, n, mean, sigma, key, field, out));

void fm_noise_apply(const uint8_t *in, size_t n, const struct fm_noise *parameters,
                    const uint32_t key[2], enum fm_cpu_level level, uint8_t *out)
{
    noise_levels[level](in, n, (float)(255.0 * parameters->mean),
                        (float)(255.0 * parameters->sigma), key,
                        fm_words_select(level), out);
}
