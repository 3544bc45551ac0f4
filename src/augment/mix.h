/* Mixing two samples of a batch: MixUp (Zhang et al., arXiv:1710.09412) and CutMix (Yun
   et al., arXiv:1905.04899). Every sample draws a partner and a share: the partner is
   any other sample of the global batch, all with equal probability. */
#ifndef FM_AUGMENT_MIX_H
#define FM_AUGMENT_MIX_H

#include "crop.h"

#define FM_MIX_MAX_KINDS 8

enum fm_mix_kind { FM_MIXUP = 0, FM_CUTMIX = 1 };

struct fm_mix_part {
    enum fm_mix_kind kind;
    double alpha;
    uint64_t until; /* cumulative probability * 2**32; the last is 2**32 */
};

/* Words: coin; one that picks the first kind with `until` above it; partner; the words
   of the share (fm_mix_draw_beta); for CutMix the center of the box, x and y. */
struct fm_mix {
    uint32_t operation;
    uint64_t threshold;
    uint32_t n_kinds; /* 0: no mixing */
    struct fm_mix_part kinds[FM_MIX_MAX_KINDS];
};

/* How one sample is mixed. */
struct fm_mixture {
    enum fm_mix_kind kind;
    uint64_t partner; /* its row in the global batch; the sample's own row: no mixing */
    float share;      /* weight of the sample itself in its label, 0..1 */
    struct fm_box box; /* CutMix: pixels from the partner; may be empty */
};

#define FM_MIX_TURNS 64 /* more than 95 % of tries pass; 0.05**64 is 5e-84 */

/* Return a uniform number in (0, 1), which is never an end. */
static inline double fm_mix_draw_uniform(struct fm_draws *draws)
{
    return ((double)fm_draws_word(draws) + 0.5) * 0x1p-32;
}

/* Return the logarithm of a gamma number of the given shape, by Marsaglia and Tsang. */
static inline double fm_mix_draw_log_gamma(struct fm_draws *draws, double shape)
{
    double log_power = 0.0, v = 1.0;
    if (shape < 1.0) {
        log_power = fm_real_log(fm_mix_draw_uniform(draws)) / shape;
        shape += 1.0;
    }
    const double d = shape - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (int i = 0; i < FM_MIX_TURNS; i++) {
        double x = fm_draws_normal(draws), t = 1.0 + c * x;
        double u = fm_mix_draw_uniform(draws);
        v = t * t * t;
        if (v > 0.0 && fm_real_log(u) < 0.5 * x * x + d - d * v + d * fm_real_log(v))
            break;
    }
    v = v > 0.0 ? v : 1.0;
    return fm_real_log(d) + fm_real_log(v) + log_power;
}

/* Return a number of the distribution Beta(alpha, alpha): the share of the first of two
   gamma numbers in their sum. Source: Marsaglia and Tsang, "A simple method for
   generating gamma variables", 2000.
   Words, for each of the two: if alpha < 1, one for the power; then normal (2) and
   uniform (1) until a try is accepted. */
static inline double fm_mix_draw_beta(struct fm_draws *draws, double alpha)
{
    double first = fm_mix_draw_log_gamma(draws, alpha);
    double power = fm_mix_draw_log_gamma(draws, alpha) - first;
    power = power < -700.0 ? -700.0 : power > 700.0 ? 700.0 : power;
    return 1.0 / (1.0 + fm_real_exp(power));
}

/* Draw the box of CutMix. The share follows from its area after clipping. */
static inline void fm_mix_draw_box(struct fm_draws *draws, double lam, size_t height,
                                   size_t width, struct fm_mixture *out)
{
    const int64_t x = fm_draws_below(draws, width), y = fm_draws_below(draws, height);
    const double r = 0.5 * sqrt(1.0 - lam);
    const int64_t half_width = (int64_t)(r * (double)width);
    const int64_t half_height = (int64_t)(r * (double)height);
    const int64_t left = fm_integer_clip(x - half_width, 0, x);
    const int64_t top = fm_integer_clip(y - half_height, 0, y);
    const int64_t right = fm_integer_clip(x + half_width, x, (int64_t)width);
    const int64_t bottom = fm_integer_clip(y + half_height, y, (int64_t)height);
    out->box.top = (size_t)top;
    out->box.left = (size_t)left;
    out->box.height = (size_t)(bottom - top);
    out->box.width = (size_t)(right - left);
    double area = (double)(out->box.height * out->box.width);
    out->share = (float)(1.0 - area / (double)(width * height));
}

/* Draw how the sample in row `row` of a global batch of n_rows is mixed. */
static inline void fm_mix_draw(const struct fm_mix *mix, uint64_t seed, uint32_t epoch,
                               uint64_t position, uint64_t row, uint64_t n_rows,
                               size_t height, size_t width, struct fm_mixture *out)
{
    struct fm_draws draws;
    memset(out, 0, sizeof *out);
    out->partner = row;
    out->share = 1.0f;
    fm_draws_begin(&draws, seed, epoch, position, mix->operation);
    if (!fm_draws_coin(&draws, mix->threshold) || n_rows == 1)
        return;
    const uint32_t pick = fm_draws_word(&draws);
    uint32_t i = 0;
    while (pick >= mix->kinds[i].until)
        i++;
    out->kind = mix->kinds[i].kind;
    out->partner = fm_draws_below(&draws, n_rows - 1);
    out->partner += out->partner >= row;
    const double lam = fm_mix_draw_beta(&draws, mix->kinds[i].alpha);
    if (out->kind == FM_MIXUP)
        out->share = (float)lam;
    else
        fm_mix_draw_box(&draws, lam, height, width, out);
}

/* Return the pixel of MixUp: the weighted mean of two, rounded; rest: 1 - share. */
FM_INLINE uint8_t fm_mix_blend(uint8_t pixel, uint8_t partner, float share, float rest)
{
    const float x = share * (float)pixel + rest * (float)partner;
    return (uint8_t)(int32_t)(x + 0.5f);
}

/* Return pixel (y, x) of a mixed image from those of the sample and of its partner. */
FM_INLINE uint8_t fm_mix_pixel(const struct fm_mixture *mixture, uint8_t pixel,
                               uint8_t partner, uint32_t y, uint32_t x)
{
    if (mixture->kind == FM_MIXUP)
        return fm_mix_blend(pixel, partner, mixture->share, 1.0f - mixture->share);
    return fm_crop_is_in(&mixture->box, y, x) ? partner : pixel;
}

/* Mix in place. pixels, partner: uint8 (height, width).
   In numpy: MixUp share * pixels + (1 - share) * partner, in float32, + 0.5, truncated;
   CutMix pixels[box] = partner[box].
   Not checked: the box lies in the image; share is in 0..1; the images do not
   overlap. */
void fm_mix_apply(const struct fm_mixture *mixture, const uint8_t *restrict partner,
                  size_t height, size_t width, enum fm_cpu_level level,
                  uint8_t *restrict pixels);

#endif
