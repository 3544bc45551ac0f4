/* Operations on the image that a thread block shares; see canvas.h. Loops that write
   pixels read copies of what they need. To the compiler, a written byte may be one of
   the canvas, which would be read again for each pixel. */
#include "canvas.h"

#include "../augment/words.h"

#define N_LEVELS 256 /* gray levels */

void fm_canvas_cut(struct fm_canvas *canvas, const struct fm_cut *cut)
{
    uint8_t *out = fm_canvas_other(canvas);
    const uint8_t *in = canvas->pixels;
    const uint32_t in_height = canvas->height, in_width = canvas->width;
    const struct fm_cut copy = *cut;
    const uint32_t height = (uint32_t)cut->height, width = (uint32_t)cut->width;
    FM_EACH(canvas->block, i, height * width)
        out[i] = fm_crop_pixel(in, in_height, in_width, &copy, i / width, i % width);
    fm_canvas_replace(canvas, out, height, width);
}

void fm_canvas_warp(struct fm_canvas *canvas, const struct fm_op_warp *warp)
{
    uint8_t *out = fm_canvas_other(canvas);
    const uint8_t *in = canvas->pixels;
    const uint32_t height = canvas->height, width = canvas->width;
    const int is_nearest = warp->interpolation == FM_NEAREST;
    const uint8_t fill = warp->fill;
    const int32_t max_x = fm_quads_most(width), max_y = fm_quads_most(height);
    const struct fm_lattice at = fm_warp_lattice(&warp->map, height, width);
    FM_EACH(canvas->block, i, height * width) {
        const int64_t y = i / width;
        const uint32_t x = i % width;
        out[i] = fm_quads_pixel_of(
            in, height, width, fill, is_nearest,
            fm_points_coordinate(at.x + at.row_x * y, at.column_x, x, max_x),
            fm_points_coordinate(at.y + at.row_y * y, at.column_y, x, max_y));
    }
    fm_canvas_replace(canvas, out, height, width);
}

void fm_canvas_perspective(struct fm_canvas *canvas,
                           const struct fm_perspective_map *map,
                           const struct fm_perspective *perspective)
{
    uint8_t *out = fm_canvas_other(canvas);
    const uint8_t *in = canvas->pixels;
    const uint32_t height = canvas->height, width = canvas->width;
    const int is_nearest = perspective->interpolation == FM_NEAREST;
    const uint8_t fill = perspective->fill;
    const struct fm_perspective_map copy = *map;
    const int32_t center_x = fm_perspective_center(width);
    const int32_t center_y = fm_perspective_center(height);
    FM_EACH(canvas->block, i, height * width) {
        const float x = fm_perspective_place((int32_t)(i % width), (int32_t)width);
        const float y = fm_perspective_place((int32_t)(i / width), (int32_t)height);
        int32_t source_x, source_y;
        fm_perspective_point(&copy, x, y, center_x, center_y, &source_x, &source_y);
        out[i] = fm_quads_pixel_of(in, height, width, fill, is_nearest, source_x,
                                   source_y);
    }
    fm_canvas_replace(canvas, out, height, width);
}

/* ---- gray levels ----------------------------------------------------------------- */

/* Count the pixels of each gray level. */
static void count_levels(struct fm_canvas *canvas)
{
    FM_EACH(canvas->block, v, N_LEVELS)
        canvas->counts[v] = 0;
    fm_machine_wait(canvas->block);
    FM_EACH(canvas->block, i, canvas->height * canvas->width)
        fm_machine_add(&canvas->counts[canvas->pixels[i]], 1);
    fm_machine_wait(canvas->block);
}

/* Return the number of pixels below gray level v. */
static uint32_t count_below(const struct fm_canvas *canvas, uint32_t v)
{
    uint32_t n_below = 0;
    for (uint32_t i = 0; i < v; i++)
        n_below += canvas->counts[i];
    return n_below;
}

uint32_t fm_canvas_tone(struct fm_canvas *canvas, const struct fm_op *ops, uint32_t n)
{
    const enum fm_tone_kind first = ops[0].tone.kind;
    const uint32_t n_ops = fm_plan_count_tones(ops, n);
    uint8_t *out = fm_canvas_other(canvas), *table = canvas->table;
    const uint8_t *in = canvas->pixels;
    struct fm_tone_values values;
    fm_tone_set_value(&values, ops[0].tone.value);
    if (fm_tone_needs_pixels(first)) {
        count_levels(canvas);
        fm_tone_measure(canvas->counts, &values);
    }
    FM_EACH(canvas->block, v, N_LEVELS) {
        const uint32_t n_below = first == FM_TONE_EQUALIZE ? count_below(canvas, v) : 0;
        uint8_t level = fm_tone_level(first, (int)v, &values, n_below);
        for (uint32_t i = 1; i < n_ops; i++) {
            const struct fm_op_tone *tone = &ops[i].tone;
            struct fm_tone_values next;
            fm_tone_set_value(&next, tone->value);
            level = fm_tone_level(tone->kind, level, &next, 0);
        }
        table[v] = level;
    }
    fm_machine_wait(canvas->block);
    FM_EACH(canvas->block, i, canvas->height * canvas->width)
        out[i] = table[in[i]];
    fm_canvas_replace(canvas, out, canvas->height, canvas->width);
    return n_ops;
}

/* ---- neighbors ------------------------------------------------------------------- */

void fm_canvas_sharpen(struct fm_canvas *canvas, double factor)
{
    uint8_t *out = fm_canvas_other(canvas);
    const uint32_t height = canvas->height, width = canvas->width;
    const uint8_t *pixels = canvas->pixels;
    const float rest = (float)(1.0 - factor);
    FM_EACH(canvas->block, i, height * width) {
        const uint32_t y = i / width, x = i % width;
        const uint8_t *in = pixels + i;
        out[i] = *in;
        if (0 < y && y + 1 < height && 0 < x && x + 1 < width)
            out[i] = fm_filter_sharp(
                *in, fm_filter_smooth(in - width, in, in + width), rest);
    }
    fm_canvas_replace(canvas, out, height, width);
}

/* ---- random words ---------------------------------------------------------------- */

/* Return how many counters make the chunks of n words. */
static uint32_t n_counters(uint32_t n)
{
    return (n + FM_WORDS_CHUNK - 1) / FM_WORDS_CHUNK * FM_WORDS_COUNTERS;
}

void fm_canvas_add_noise(struct fm_canvas *canvas, const struct fm_noise *noise,
                         const uint32_t key[2])
{
    uint8_t *out = fm_canvas_other(canvas);
    const uint8_t *in = canvas->pixels;
    const uint32_t n = canvas->height * canvas->width;
    const float mean = fm_noise_levels(noise->mean);
    const float sigma = fm_noise_levels(noise->sigma);
    FM_EACH(canvas->block, counter, n_counters(n)) {
        uint32_t words[4];
        float normals[4];
        fm_words_counter(key, counter, words);
        fm_noise_normals(words[0], words[1], &normals[0], &normals[1]);
        fm_noise_normals(words[2], words[3], &normals[2], &normals[3]);
        for (uint32_t j = 0; j < 4; j++) {
            const uint32_t i = (uint32_t)fm_words_place(counter, j);
            if (i < n)
                out[i] = fm_noise_add(in[i], mean, sigma, normals[j]);
        }
    }
    fm_canvas_replace(canvas, out, canvas->height, canvas->width);
}

void fm_canvas_salt_pepper(struct fm_canvas *canvas, const struct fm_op_salt_pepper *op)
{
    uint8_t *out = fm_canvas_other(canvas);
    const uint8_t *in = canvas->pixels;
    const uint32_t n = canvas->height * canvas->width;
    const struct fm_op_salt_pepper noise = *op;
    FM_EACH(canvas->block, counter, n_counters((n + 1) / 2)) {
        uint32_t words[4];
        fm_words_counter(noise.key, counter, words);
        for (uint32_t k = 0; k < 8; k++) {
            const uint32_t j = k / 2, half = k % 2;
            const uint32_t i =
                (uint32_t)fm_noise_place(fm_words_place(counter, j), half);
            if (i < n)
                out[i] = fm_noise_season(in[i], words[j] >> 16 * half & 0xFFFF,
                                         noise.salt, noise.amount);
        }
    }
    fm_canvas_replace(canvas, out, canvas->height, canvas->width);
}

void fm_canvas_erase(struct fm_canvas *canvas, const struct fm_box *box,
                     const uint32_t key[2])
{
    uint8_t *pixels = (uint8_t *)canvas->pixels;
    const uint32_t width = (uint32_t)box->width, n = (uint32_t)box->height * width;
    const uint32_t stride = canvas->width;
    pixels += box->top * stride + box->left;
    FM_EACH(canvas->block, counter, n_counters((n + 3) / 4)) {
        uint32_t words[4];
        fm_words_counter(key, counter, words);
        for (uint32_t byte = 0; byte < 16; byte++) {
            const uint32_t j = byte / 4;
            const uint32_t i = 4 * (uint32_t)fm_words_place(counter, j) + byte % 4;
            if (i < n)
                pixels[i / width * stride + i % width] =
                    (uint8_t)(words[j] >> (byte % 4 * 8));
        }
    }
    fm_machine_wait(canvas->block);
}
