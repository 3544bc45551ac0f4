/* Draws in advance; see ahead.h. */
#include "ahead.h"

/* Plan the cuts of all lanes, with the words made in advance, but without alternating
   flips. */
static void plan_cuts(const struct fm_program *program, struct fm_ahead *ahead)
{
    const struct fm_transform *all = fm_program_transforms(program);
    const struct fm_crop *crop =
        all->kind == FM_TRANSFORM_CROP ? &all->crop : NULL;
    uint8_t flip_y[FM_WORDS_LANES] = {0}, flip_x[FM_WORDS_LANES] = {0};
    for (uint32_t i = crop != NULL; i < program->n_transforms; i++) {
        if (all[i].flip.alternating)
            continue;
        uint8_t *flips = all[i].flip.vertical ? flip_y : flip_x;
        for (size_t lane = 0; lane < FM_WORDS_LANES; lane++)
            flips[lane] ^= ahead->words[i][lane] < all[i].threshold;
    }
    const uint32_t *tops = ahead->words[0] + FM_DRAWS_STRIDE; /* word 1 */
    const uint32_t *lefts = tops + FM_DRAWS_STRIDE;
    for (size_t lane = 0; lane < FM_WORDS_LANES; lane++) {
        struct fm_op *op = &ahead->cuts[lane];
        op->kind = FM_OP_CUT;
        op->transform = 0;
        fm_crop_set_whole(&op->cut, program->out.height, program->out.width);
        op->cut.flip_y = flip_y[lane];
        op->cut.flip_x = flip_x[lane];
        ahead->n_ops[lane] = crop || flip_y[lane] || flip_x[lane];
        if (crop == NULL)
            continue;
        op->cut.top = crop->top + (int64_t)(tops[lane] * crop->n_tops >> 32);
        op->cut.left = crop->left + (int64_t)(lefts[lane] * crop->n_lefts >> 32);
        op->cut.mode = crop->mode;
        op->cut.fill = crop->fill;
    }
}

void fm_ahead_make(const struct fm_program *program, const struct fm_kernels *kernels,
                   const struct fm_key *key, struct fm_ahead *out)
{
    const struct fm_transform *all = fm_program_transforms(program);
    for (uint32_t i = 0; i < FM_PROGRAM_AHEAD && i < program->n_transforms; i++)
        for (uint32_t draw = 0; draw < fm_ahead_count_draws(&all[i]); draw++)
            kernels->draws(key->seed, key->epoch, key->position,
                           fm_program_operation(key->view, i), draw,
                           out->words[i] + draw * FM_WORDS_CHUNK);
    if (program->is_cut)
        plan_cuts(program, out);
}
