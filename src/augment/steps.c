/* Running the transforms of an augmentation over an image, declared in steps.h. */
#include "steps.h"

/* Bytes between the images of two buffers. Kernels read and write whole vectors, so
   SLACK must cover their reads around one image and their writes after the other. */
#define SLACK 64
_Static_assert(SLACK >= 2 * FM_CROP_AROUND, "what they write is not read around");

/* The image between two transforms, and the operation that is still pending. */
struct canvas {
    const struct fm_steps *steps;
    /* `sample` keeps seed and position apart. Side by side they are loaded at once, and
       that load waits for their two stores. */
    uint64_t seed, sample, position;
    uint32_t epoch;
    const struct fm_ahead *ahead; /* NULL: no draws in advance */
    size_t lane;
    const uint8_t *pixels; /* the source, or one of the buffers */
    size_t height, width;
    uint8_t *buffers[2], *work;
    enum { NOTHING, WINDOW, MAP, TABLE } pending;
    struct fm_cut window;
    struct fm_map map;
    enum fm_interpolation interpolation; /* used by the map */
    uint8_t fill;
    uint8_t table[256];
};

static uint64_t align_up(uint64_t n)
{
    return (n + 63) / 64 * 64;
}

static uint64_t larger(uint64_t x, uint64_t y)
{
    return x > y ? x : y;
}

/* Follow the size of the image through transforms [begin, end), and note the most
   memory that any of them needs. All alternatives of a choice start from the same
   size. */
static void measure(struct fm_steps *steps, size_t begin, size_t end, size_t *height,
                    size_t *width)
{
    for (size_t i = begin; i < end; i += 1 + steps->steps[i].n_inner) {
        const struct fm_step *step = &steps->steps[i];
        const size_t in_height = *height, in_width = *width;
        uint64_t work = 0;
        switch (step->kind) {
        case FM_STEP_GROUP:
            measure(steps, i + 1, i + 1 + step->n_inner, height, width);
            break;
        case FM_STEP_CHOICE:
            for (size_t k = i + 1; k <= i + step->n_inner;
                 k += 1 + steps->steps[k].n_inner) {
                *height = in_height, *width = in_width;
                measure(steps, k, k + 1, height, width);
            }
            break;
        case FM_STEP_CROP:
            *height = step->crop.height, *width = step->crop.width;
            break;
        case FM_STEP_RESIZE:
            *height = step->resize.height, *width = step->resize.width;
            work = fm_resample_work_nbytes(in_height, in_width, *height, *width);
            break;
        case FM_STEP_RESIZED_CROP:
            *height = step->resized_crop.resize.height;
            *width = step->resized_crop.resize.width;
            work = fm_resample_work_nbytes(in_height, in_width, *height, *width);
            break;
        case FM_STEP_AFFINE:
            work = fm_warp_work_nbytes(in_height, in_width);
            break;
        case FM_STEP_ELASTIC:
            work = fm_elastic_work_nbytes(in_height, in_width);
            break;
        case FM_STEP_BLUR:
            work = fm_filter_work_nbytes(in_height, in_width);
            break;
        default:
            break;
        }
        steps->max_nbytes = larger(steps->max_nbytes, (uint64_t)*height * *width);
        steps->work_nbytes = larger(steps->work_nbytes, work);
    }
}

/* Return whether the transforms are flips by a coin, with or without a crop before them
   that always runs. */
static int is_window(const struct fm_steps *steps)
{
    if (steps->n_steps > FM_STEPS_AHEAD)
        return 0;
    for (size_t i = 0; i < steps->n_steps; i++) {
        const struct fm_step *step = &steps->steps[i];
        const int crops = i == 0 && step->kind == FM_STEP_CROP &&
                          step->threshold > UINT32_MAX;
        if (!crops && (step->kind != FM_STEP_FLIP || step->flip.alternating))
            return 0;
    }
    return steps->n_steps > 0;
}

void fm_steps_select(struct fm_steps *steps, enum fm_cpu_level level)
{
    size_t height = steps->height, width = steps->width;
    steps->max_nbytes = (uint64_t)height * width;
    steps->work_nbytes = 0;
    measure(steps, 0, steps->n_steps, &height, &width);
    steps->level = level;
    steps->window = fm_crop_select(level);
    steps->draws = fm_words_draws_select(level);
    steps->is_window = is_window(steps);
    steps->crop = NULL;
    if (steps->is_window && steps->steps->kind == FM_STEP_CROP)
        steps->crop = &steps->steps->crop;
}

uint64_t fm_steps_memory_nbytes(const struct fm_steps *steps)
{
    return SLACK + 2 * align_up(steps->max_nbytes + SLACK) +
           align_up(steps->work_nbytes);
}

/* ---- the canvas ------------------------------------------------------------------ */

static uint8_t *other_buffer(const struct canvas *canvas)
{
    return canvas->buffers[canvas->pixels == canvas->buffers[0]];
}

/* Apply the pending operation. */
static void settle(struct canvas *canvas)
{
    uint8_t *out = other_buffer(canvas);
    const enum fm_cpu_level level = canvas->steps->level;
    switch (canvas->pending) {
    case NOTHING:
        return;
    case WINDOW:
        canvas->steps->window(canvas->pixels, canvas->height, canvas->width,
                              &canvas->window, out);
        canvas->height = canvas->window.height;
        canvas->width = canvas->window.width;
        break;
    case MAP:
        fm_warp_apply(canvas->pixels, canvas->height, canvas->width, &canvas->map,
                       canvas->interpolation, canvas->fill, level, canvas->work, out);
        break;
    case TABLE:
        fm_tone_apply(canvas->pixels, canvas->height * canvas->width, canvas->table,
                      out);
        break;
    }
    canvas->pixels = out;
    canvas->pending = NOTHING;
}

/* Return whether the pixels are in one of the buffers, not in the source. */
static int is_own(const struct canvas *canvas)
{
    return canvas->pixels == canvas->buffers[0] || canvas->pixels == canvas->buffers[1];
}

/* Apply the pending operation, and return pixels that may be changed in place. */
static uint8_t *own_pixels(struct canvas *canvas)
{
    settle(canvas);
    if (!is_own(canvas)) {
        memcpy(canvas->buffers[0], canvas->pixels, canvas->height * canvas->width);
        canvas->pixels = canvas->buffers[0];
    }
    return (uint8_t *)canvas->pixels;
}

/* Make a crop of the whole image pending, for the flips and boxes that follow. */
static void begin_window(struct canvas *canvas)
{
    struct fm_cut *const window = &canvas->window;
    if (canvas->pending == WINDOW && window->hole.height == 0)
        return;
    settle(canvas);
    window->top = window->left = 0;
    window->height = canvas->height;
    window->width = canvas->width;
    window->flip_y = window->flip_x = 0;
    window->mode = FM_PAD_CONSTANT;
    window->fill = window->hole_value = 0;
    window->hole = (struct fm_box){0};
    canvas->pending = WINDOW;
}

/* Crop. If the image was only flipped so far, the crop is the mirrored crop, flipped,
   because every padding mode looks the same from both sides. */
static void crop(struct canvas *canvas, const struct fm_crop *step,
                 struct fm_draws *draws)
{
    /* Members are set one by one. Copying the struct waits for what was just stored in
       smaller pieces. The wait was 28 % of run_steps for crop + flip. */
    struct fm_cut *const window = &canvas->window;
    begin_window(canvas);
    if (window->height != canvas->height || window->width != canvas->width ||
        window->top != 0 || window->left != 0) { /* not only flipped so far */
        settle(canvas);
        begin_window(canvas);
    }
    int64_t top = step->top + fm_draws_below(draws, step->n_tops);
    int64_t left = step->left + fm_draws_below(draws, step->n_lefts);
    if (window->flip_y)
        top = (int64_t)window->height - top - (int64_t)step->height;
    if (window->flip_x)
        left = (int64_t)window->width - left - (int64_t)step->width;
    window->top = top;
    window->left = left;
    window->height = step->height;
    window->width = step->width;
    window->mode = step->mode;
    window->fill = step->fill;
}

static void affine(struct canvas *canvas, const struct fm_affine *step,
                   struct fm_draws *draws)
{
    struct fm_map map;
    fm_warp_draw(step, draws, &map);
    if (canvas->pending == MAP && canvas->interpolation == step->interpolation &&
        canvas->fill == step->fill) {
        fm_warp_compose(&canvas->map, &map, &canvas->map);
        return;
    }
    settle(canvas);
    canvas->map = map;
    canvas->interpolation = step->interpolation;
    canvas->fill = step->fill;
    canvas->pending = MAP;
}

/* Compose a table with the pending one, unless it depends on the pixels. */
static void tone(struct canvas *canvas, enum fm_tone_kind kind, double value)
{
    uint8_t table[256];
    if (fm_tone_needs_pixels(kind) || canvas->pending != TABLE) {
        settle(canvas);
        fm_tone_table(kind, value, canvas->pixels, canvas->height * canvas->width,
                      canvas->steps->level, canvas->table);
        canvas->pending = TABLE;
        return;
    }
    fm_tone_table(kind, value, NULL, 0, canvas->steps->level, table);
    fm_tone_apply(canvas->table, sizeof table, table, canvas->table);
}

static void jitter(struct canvas *canvas, const struct fm_jitter *step,
                   struct fm_draws *draws)
{
    const int contrast_first = fm_draws_word(draws) >> 31;
    const double brightness = fm_draws_range(draws, &step->brightness);
    const double contrast = fm_draws_range(draws, &step->contrast);
    for (int i = 0; i < 2; i++) {
        if (i == contrast_first && brightness != 1.0)
            tone(canvas, FM_TONE_BRIGHTNESS, brightness);
        if (i != contrast_first && contrast != 1.0)
            tone(canvas, FM_TONE_CONTRAST, contrast);
    }
}

static void flip(struct canvas *canvas, const struct fm_flip *step)
{
    begin_window(canvas);
    if (step->vertical)
        canvas->window.flip_y ^= 1;
    else
        canvas->window.flip_x ^= 1;
}

/* Return whether the pending crop is the whole image, not flipped. */
static int is_untouched(const struct canvas *canvas)
{
    const struct fm_cut *window = &canvas->window;
    return window->top == 0 && window->left == 0 && window->height == canvas->height &&
           window->width == canvas->width && !window->flip_y && !window->flip_x;
}

/* Paint a box: with the pending crop, or in place if that crop would only copy from one
   of the buffers to the other. */
static void erase(struct canvas *canvas, const struct fm_box *box, uint8_t value)
{
    if (is_untouched(canvas) && is_own(canvas)) {
        fm_crop_paint(box, value, canvas->width, (uint8_t *)canvas->pixels);
        canvas->pending = NOTHING;
        return;
    }
    canvas->window.hole = *box;
    canvas->window.hole_value = value;
}

static void erasing(struct canvas *canvas, const struct fm_erasing *step,
                    struct fm_draws *draws)
{
    struct fm_box box;
    begin_window(canvas);
    const size_t height = canvas->window.height, width = canvas->window.width;
    if (!fm_erase_draw(step, height, width, draws, &box))
        return;
    if (step->random) {
        uint32_t key[2];
        key[0] = fm_draws_word(draws);
        key[1] = fm_draws_word(draws);
        fm_erase_random(&box, key, width, canvas->steps->level, own_pixels(canvas));
    } else {
        erase(canvas, &box, step->value);
    }
}

static void cutout(struct canvas *canvas, const struct fm_cutout *step,
                   struct fm_draws *draws)
{
    struct fm_box box;
    begin_window(canvas);
    fm_erase_draw_cutout(step, canvas->window.height, canvas->window.width, draws,
                         &box);
    erase(canvas, &box, step->value);
}

static void resize(struct canvas *canvas, const struct fm_resize *step,
                   const struct fm_box *box)
{
    uint8_t *out = other_buffer(canvas);
    fm_resample_apply(canvas->pixels, canvas->width, box, step, canvas->steps->level,
                canvas->work, out);
    canvas->pixels = out;
    canvas->height = step->height;
    canvas->width = step->width;
}

static void run_user(struct canvas *canvas, const struct fm_user *user,
                     const struct fm_draws *draws)
{
    uint32_t random[4];
    uint8_t *pixels = own_pixels(canvas);
    fm_rng_draw(draws->seed, draws->epoch, draws->position,
                (enum fm_operation)draws->operation, 1, random);
    struct fm_floats before; /* the function may change the state of this thread */
    fm_floats_begin(&before);
    user->function(pixels, (int64_t)canvas->height, (int64_t)canvas->width, random,
                   user->data);
    fm_floats_end(&before);
}

/* Run a transform that needs the result of all earlier ones. */
static void run_filter(struct canvas *canvas, const struct fm_step *step,
                       struct fm_draws *draws)
{
    const enum fm_cpu_level level = canvas->steps->level;
    struct fm_box box = {0, 0, canvas->height, canvas->width};
    uint8_t *out = other_buffer(canvas);
    switch (step->kind) {
    case FM_STEP_RESIZE:
        resize(canvas, &step->resize, &box);
        return;
    case FM_STEP_RESIZED_CROP:
        fm_resample_draw(&step->resized_crop, canvas->height, canvas->width, draws,
                             &box);
        resize(canvas, &step->resized_crop.resize, &box);
        return;
    case FM_STEP_ELASTIC:
        fm_elastic_apply(canvas->pixels, canvas->height, canvas->width, &step->elastic,
                         draws, level, canvas->work, out);
        break;
    case FM_STEP_BLUR:
        fm_filter_blur(canvas->pixels, canvas->height, canvas->width, &step->blur,
                      fm_draws_range(draws, &step->blur.sigma), level, canvas->work,
                      out);
        break;
    case FM_STEP_SHARPNESS:
        fm_filter_sharpen(canvas->pixels, canvas->height, canvas->width,
                           fm_draws_range(draws, &step->sharpness.factor), level, out);
        break;
    default:
        fm_noise_apply(canvas->pixels, canvas->height * canvas->width, &step->noise,
                       draws, level, out);
        break;
    }
    canvas->pixels = out;
}

static void run_step(struct canvas *canvas, const struct fm_step *step,
                     struct fm_draws *draws)
{
    switch (step->kind) {
    case FM_STEP_CROP:
        crop(canvas, &step->crop, draws);
        break;
    case FM_STEP_FLIP:
        flip(canvas, &step->flip);
        break;
    case FM_STEP_AFFINE:
        affine(canvas, &step->affine, draws);
        break;
    case FM_STEP_TONE:
        tone(canvas, step->tone.kind, fm_draws_range(draws, &step->tone.value));
        break;
    case FM_STEP_JITTER:
        jitter(canvas, &step->jitter, draws);
        break;
    case FM_STEP_ERASING:
        erasing(canvas, &step->erasing, draws);
        break;
    case FM_STEP_CUTOUT:
        cutout(canvas, &step->cutout, draws);
        break;
    case FM_STEP_USER:
        run_user(canvas, &step->user, draws);
        break;
    default:
        settle(canvas);
        run_filter(canvas, step, draws);
        break;
    }
}

/* ---- groups, choices and coins ------------------------------------------------- */

/* Return whether a transform runs: by its coin, or by the epoch for alternating
   flips. */
static int applies(const struct canvas *canvas, const struct fm_step *step,
                   struct fm_draws *draws)
{
    if (step->kind != FM_STEP_FLIP || !step->flip.alternating)
        return fm_draws_coin(draws, step->threshold);
    struct fm_draws first;
    fm_draws_begin(&first, draws->seed, 0, canvas->sample, draws->operation);
    return ((fm_draws_word(&first) >> 31) + canvas->epoch) & 1;
}

/* Return how many draws are computed in advance: two if a transform takes more
   than four words. */
static uint32_t n_draws_ahead(const struct fm_step *step)
{
    return 1 + (step->kind == FM_STEP_AFFINE || step->kind == FM_STEP_RESIZED_CROP ||
                step->kind == FM_STEP_ERASING);
}

static void run_steps(struct canvas *canvas, size_t begin, size_t end)
{
    const struct fm_step *const all = canvas->steps->steps;
    for (size_t i = begin; i < end; i += 1 + all[i].n_inner) {
        const struct fm_step *step = &all[i];
        struct fm_draws draws;
        fm_draws_begin(&draws, canvas->seed, canvas->epoch, canvas->position,
                       FM_DRAW_AUGMENT + (uint32_t)i);
        if (canvas->ahead && i < FM_STEPS_AHEAD) {
            draws.n_known = 4 * n_draws_ahead(step);
            draws.known = canvas->ahead->words[i] + canvas->lane;
        }
        if (!applies(canvas, step, &draws))
            continue;
        if (step->kind == FM_STEP_GROUP) {
            run_steps(canvas, i + 1, i + 1 + step->n_inner);
        } else if (step->kind == FM_STEP_CHOICE) {
            const uint32_t pick = fm_draws_word(&draws);
            size_t chosen = i + 1;
            while (pick >= all[chosen].until)
                chosen += 1 + all[chosen].n_inner;
            run_steps(canvas, chosen, chosen + 1 + all[chosen].n_inner);
        } else {
            run_step(canvas, step, &draws);
        }
    }
}

/* Compute the crops of all samples from the words computed in advance. */
static void find_windows(const struct fm_steps *steps, struct fm_ahead *ahead)
{
    const struct fm_crop whole = {0, 0, 1, 1, 0, 0, FM_PAD_CONSTANT, 0};
    const struct fm_crop *crop = steps->crop ? steps->crop : &whole;
    const uint32_t *tops = ahead->words[0] + FM_DRAWS_STRIDE; /* word 1 */
    const uint32_t *lefts = tops + FM_DRAWS_STRIDE;
    for (size_t lane = 0; lane < FM_WORDS_LANES; lane++) {
        ahead->top[lane] = crop->top + (int64_t)(tops[lane] * crop->n_tops >> 32);
        ahead->left[lane] = crop->left + (int64_t)(lefts[lane] * crop->n_lefts >> 32);
        ahead->flip_y[lane] = ahead->flip_x[lane] = 0;
    }
    for (size_t i = steps->crop != NULL; i < steps->n_steps; i++) {
        const struct fm_step *step = &steps->steps[i];
        uint8_t *flips = step->flip.vertical ? ahead->flip_y : ahead->flip_x;
        for (size_t lane = 0; lane < FM_WORDS_LANES; lane++)
            flips[lane] ^= ahead->words[i][lane] < step->threshold;
    }
}

/* Do what fm_steps_run does, if `ahead` has the crop. */
static const uint8_t *run_window(const struct fm_steps *steps, const uint8_t *image,
                                 int alone, const struct fm_ahead *ahead, size_t lane,
                                 uint8_t *memory)
{
    const struct fm_crop *crop = steps->crop;
    uint8_t *const out = memory + SLACK;
    if (crop == NULL && !ahead->flip_y[lane] && !ahead->flip_x[lane])
        return image;
    if (alone)
        image = memcpy(out + (size_t)align_up(steps->max_nbytes + SLACK), image,
                       steps->height * steps->width);
    const struct fm_cut window = {ahead->top[lane],
                                     ahead->left[lane],
                                     steps->out_height,
                                     steps->out_width,
                                     ahead->flip_y[lane],
                                     ahead->flip_x[lane],
                                     crop ? crop->mode : FM_PAD_CONSTANT,
                                     crop ? crop->fill : 0,
                                     0,
                                     {0, 0, 0, 0}};
    steps->window(image, steps->height, steps->width, &window, out);
    return out;
}

void fm_steps_look_ahead(const struct fm_steps *steps, uint64_t seed, uint32_t epoch,
                         uint64_t position, struct fm_ahead *out)
{
    for (uint32_t i = 0; i < FM_STEPS_AHEAD && i < steps->n_steps; i++)
        for (uint32_t draw = 0; draw < n_draws_ahead(&steps->steps[i]); draw++)
            steps->draws(seed, epoch, position, FM_DRAW_AUGMENT + i, draw,
                         out->words[i] + draw * FM_WORDS_CHUNK);
    if (steps->is_window)
        find_windows(steps, out);
}

const uint8_t *fm_steps_run(const struct fm_steps *steps, uint64_t seed, uint32_t epoch,
                            uint64_t position, uint64_t sample, const uint8_t *image,
                            int alone, const struct fm_ahead *ahead, size_t lane,
                            void *memory)
{
    struct canvas canvas;
    const size_t buffer_nbytes = (size_t)align_up(steps->max_nbytes + SLACK);
    if (steps->is_window && ahead)
        return run_window(steps, image, alone, ahead, lane, memory);
    canvas.steps = steps;
    canvas.seed = seed;
    canvas.epoch = epoch;
    canvas.position = position;
    canvas.sample = sample;
    canvas.ahead = ahead;
    canvas.lane = lane;
    canvas.pixels = image;
    canvas.height = steps->height;
    canvas.width = steps->width;
    canvas.buffers[0] = (uint8_t *)memory + SLACK;
    canvas.buffers[1] = canvas.buffers[0] + buffer_nbytes;
    canvas.work = canvas.buffers[1] + buffer_nbytes;
    canvas.pending = NOTHING;
    if (alone)
        canvas.pixels = memcpy(canvas.buffers[0], image, steps->height * steps->width);
    run_steps(&canvas, 0, steps->n_steps);
    settle(&canvas);
    return canvas.pixels;
}
