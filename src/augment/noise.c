/* Gaussian noise, by the method of Box and Muller (1958), and salt-and-pepper noise,
   declared in noise.h. */
#include "noise.h"

/* Add noise. in, out: uint8 (n,); mean and sigma in gray levels.
   In numpy: see fm_noise_apply. */
FM_INLINE void add(const uint8_t *in, size_t n, float mean, float sigma,
                   const uint32_t key[2], fm_words_fn *fill_words, uint8_t *out)
{
    for (size_t begin = 0; begin < n; begin += FM_WORDS_CHUNK) {
        uint32_t words[FM_WORDS_CHUNK];
        float normals[FM_WORDS_CHUNK];
        fill_words(key, begin / FM_WORDS_CHUNK, words);
        for (int i = 0; i < 16; i++)
            fm_noise_normals(words[i], words[16 + i], &normals[i], &normals[16 + i]);
        for (int i = 32; i < 48; i++)
            fm_noise_normals(words[i], words[16 + i], &normals[i], &normals[16 + i]);
        if (n - begin >= FM_WORDS_CHUNK) {
            for (int i = 0; i < FM_WORDS_CHUNK; i++)
                out[begin + i] = fm_noise_add(in[begin + i], mean, sigma, normals[i]);
        } else {
            for (size_t i = begin; i < n; i++)
                out[i] = fm_noise_add(in[i], mean, sigma, normals[i - begin]);
        }
    }
}

FM_LEVELS(add,
          (const uint8_t *in, size_t n, float mean, float sigma, const uint32_t key[2],
           fm_words_fn *fill_words, uint8_t *out),
          (in, n, mean, sigma, key, fill_words, out));

void fm_noise_apply(const uint8_t *in, size_t n, const struct fm_noise *noise,
                    const uint32_t key[2], enum fm_cpu_level level, uint8_t *out)
{
    add_levels[level](in, n, fm_noise_levels(noise->mean),
                      fm_noise_levels(noise->sigma), key, fm_words_select(level), out);
}

/* Make pixels white or black. In numpy: see fm_noise_salt_pepper. */
FM_INLINE void season(const uint8_t *in, size_t n, uint32_t salt, uint32_t amount,
                      const uint32_t key[2], fm_words_fn *fill_words, uint8_t *out)
{
    for (size_t begin = 0; begin < n; begin += 2 * FM_WORDS_CHUNK) {
        uint32_t words[FM_WORDS_CHUNK];
        fill_words(key, begin / (2 * FM_WORDS_CHUNK), words);
        for (size_t half = 0; half < 2; half++) {
            const size_t first = begin + half * FM_WORDS_CHUNK;
            if (n >= first + FM_WORDS_CHUNK) {
                for (size_t i = 0; i < FM_WORDS_CHUNK; i++)
                    out[first + i] =
                        fm_noise_season(in[first + i], words[i] >> 16 * half & 0xFFFF,
                                        salt, amount);
            } else {
                for (size_t i = first; i < n; i++)
                    out[i] = fm_noise_season(
                        in[i], words[i - first] >> 16 * half & 0xFFFF, salt, amount);
            }
        }
    }
}

FM_LEVELS(season,
          (const uint8_t *in, size_t n, uint32_t salt, uint32_t amount,
           const uint32_t key[2], fm_words_fn *fill_words, uint8_t *out),
          (in, n, salt, amount, key, fill_words, out));

void fm_noise_salt_pepper(const uint8_t *in, size_t n, uint32_t salt, uint32_t amount,
                          const uint32_t key[2], enum fm_cpu_level level, uint8_t *out)
{
    season_levels[level](in, n, salt, amount, key, fm_words_select(level), out);
}
