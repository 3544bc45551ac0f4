/* Rectangles that are painted over, declared in erase.h, which names their sources. */
#include "erase.h"

#include "words.h"

#define N_TRIES 10 /* as in torchvision's RandomErasing */

int fm_erase_draw(const struct fm_erasing *erasing, size_t height, size_t width,
                  struct fm_draws *draws, struct fm_box *out)
{
    const double n_pixels = (double)(height * width);
    for (int i = 0; i < N_TRIES; i++) {
        double area = fm_draws_range(draws, &erasing->scale) * n_pixels;
        double aspect = fm_real_exp(fm_draws_range(draws, &erasing->log_ratio));
        out->height = (size_t)fm_real_round(sqrt(area * aspect));
        out->width = (size_t)fm_real_round(sqrt(area / aspect));
        if (out->height < height && out->width < width) {
            out->top = fm_draws_below(draws, height - out->height + 1);
            out->left = fm_draws_below(draws, width - out->width + 1);
            return 1;
        }
    }
    return 0;
}

/* Draw the middle of `size` pixels of a side. Return the first of them inside the side,
   and set *length to their number. */
static size_t draw_span(struct fm_draws *draws, int64_t size, size_t side,
                        size_t *length)
{
    const int64_t n = (int64_t)side;
    const int64_t begin = (int64_t)fm_draws_below(draws, side) - size / 2;
    const int64_t first = fm_integer_clip(begin, 0, n);
    *length = (size_t)(fm_integer_clip(begin + size, 0, n) - first);
    return (size_t)first;
}

void fm_erase_draw_cutout(const struct fm_cutout *cutout, size_t height, size_t width,
                          struct fm_draws *draws, struct fm_box *out)
{
    const int64_t size = (int64_t)cutout->size;
    out->top = draw_span(draws, size, height, &out->height);
    out->left = draw_span(draws, size, width, &out->width);
}

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
