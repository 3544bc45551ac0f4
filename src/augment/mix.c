/* Mixing two samples of a batch, declared in mix.h, which names the sources. */
#include "mix.h"

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
