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

/* Return a number of the distribution Beta(alpha, alpha): the share of the first of two
   gamma numbers in their sum. Source: Marsaglia and Tsang, "A simple method for
   generating gamma variables", 2000.
   Words, for each of the two: if alpha < 1, one for the power; then normal (2) and
   uniform (1) until a try is accepted. */
double fm_mix_draw_beta(struct fm_draws *draws, double alpha);

/* Draw how the sample in row `row` of a global batch of n_rows is mixed. */
void fm_mix_draw(const struct fm_mix *mix, uint64_t seed, uint32_t epoch,
                 uint64_t position, uint64_t row, uint64_t n_rows, size_t height,
                 size_t width, struct fm_mixture *out);

/* Return the pixel of MixUp: the weighted mean of two, rounded; rest: 1 - share. */
FM_INLINE uint8_t fm_mix_blend(uint8_t pixel, uint8_t partner, float share, float rest)
{
    const float x = share * (float)pixel + rest * (float)partner;
    return (uint8_t)(int32_t)(x + 0.5f);
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
