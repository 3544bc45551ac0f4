/* Mixing two samples of a batch, declared in mix.h, which names the sources. */
#include "mix.h"

#define N_TURNS 64 /* more than 95 % of tries pass; 0.05**64 is 5e-84 */

/* Return a uniform number in (0, 1), which is never an end. */
static double open_uniform(struct fm_draws *draws)
{
    return ((double)fm_draws_word(draws) + 0.5) * 0x1p-32;
}

/* Return the logarithm of a gamma number of the given shape, by Marsaglia and Tsang. */
static double log_gamma(struct fm_draws *draws, double shape)
{
    double log_power = 0.0, v = 1.0;
    if (shape < 1.0) {
        log_power = fm_real_log(open_uniform(draws)) / shape;
        shape += 1.0;
    }
    const double d = shape - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (int i = 0; i < N_TURNS; i++) {
        double x = fm_draws_normal(draws), t = 1.0 + c * x, u = open_uniform(draws);
        v = t * t * t;
        if (v > 0.0 && fm_real_log(u) < 0.5 * x * x + d - d * v + d * fm_real_log(v))
            break;
    }
    v = v > 0.0 ? v : 1.0;
    return fm_real_log(d) + fm_real_log(v) + log_power;
}

double fm_mix_draw_beta(struct fm_draws *draws, double alpha)
{
    double first = log_gamma(draws, alpha), second = log_gamma(draws, alpha);
    double power = second - first;
    power = power < -700.0 ? -700.0 : power > 700.0 ? 700.0 : power;
    return 1.0 / (1.0 + fm_real_exp(power));
}

/* Draw the box of CutMix. The share follows from its area after clipping. */
static void draw_box(struct fm_draws *draws, double lam, size_t height, size_t width,
                     struct fm_mixture *out)
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

void fm_mix_draw(const struct fm_mix *mix, uint64_t seed, uint32_t epoch,
                 uint64_t position, uint64_t row, uint64_t n_rows, size_t height,
                 size_t width, struct fm_mixture *out)
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
        draw_box(&draws, lam, height, width, out);
}

/* MixUp in place. pixels, partner: uint8 (n,).
   In numpy: share * pixels + (1 - share) * partner, in float32, + 0.5, truncated. */
FM_INLINE void blend(const uint8_t *restrict partner, size_t n, float share,
                     uint8_t *restrict pixels)
{
    const float rest = 1.0f - share;
    for (size_t i = 0; i < n; i++)
        pixels[i] = fm_mix_blend(pixels[i], partner[i], share, rest);
}

FM_LEVELS(blend,
          (const uint8_t *restrict partner, size_t n, float share,
           uint8_t *restrict pixels),
          (partner, n, share, pixels));

void fm_mix_apply(const struct fm_mixture *mixture, const uint8_t *restrict partner,
                  size_t height, size_t width, enum fm_cpu_level level,
                  uint8_t *restrict pixels)
{
    if (mixture->kind == FM_MIXUP) {
        blend_levels[level](partner, height * width, mixture->share, pixels);
        return;
    }
    const struct fm_box *box = &mixture->box;
    size_t offset = box->top * width + box->left;
    for (size_t y = 0; y < box->height; y++, offset += width)
        memcpy(pixels + offset, partner + offset, box->width);
}
