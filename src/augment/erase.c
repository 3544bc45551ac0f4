/* Rectangles that are painted over, declared in erase.h, which names their sources. */
#include "erase.h"

#include "words.h"

void fm_erase_random(const struct fm_box *box, const uint32_t key[2], size_t width,
                     enum fm_cpu_level level, uint8_t *pixels)
{
    fm_words_fn *const fill_words = fm_words_select(level);
    uint32_t words[FM_WORDS_CHUNK];
    size_t n_taken = 0; /* bytes of the words used so far */
    pixels += box->top * width + box->left;
    for (size_t y = 0; y < box->height; y++, pixels += width)
        for (size_t x = 0; x < box->width; x++, n_taken++) {
            size_t i = n_taken / 4;
            if (n_taken % (4 * FM_WORDS_CHUNK) == 0)
                fill_words(key, i / FM_WORDS_CHUNK, words);
            pixels[x] = (uint8_t)(words[i % FM_WORDS_CHUNK] >> (n_taken % 4 * 8));
        }
}
