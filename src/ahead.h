/* Draws in advance: the first random numbers of the first transforms, for several rows
   at once. */
#ifndef FM_AHEAD_H
#define FM_AHEAD_H

#include "plan.h"

/* The first draws of the first transforms, for FM_WORDS_LANES rows at once. If all
   transforms together are one cut, the operations of every row are here, too. For crop
   and flip the walk through the list took as long as copying the crop. */
struct fm_ahead {
    uint32_t words[FM_PROGRAM_AHEAD][2 * FM_WORDS_CHUNK];
    struct fm_op cuts[FM_WORDS_LANES];
    uint8_t n_ops[FM_WORDS_LANES];
};

/* Return how many draws of a transform are made in advance: two for kinds that nearly
   always take more than four words, and none if they don't depend on the position. */
static inline uint32_t fm_ahead_count_draws(const struct fm_transform *transform)
{
    if (fm_transform_alternates(transform))
        return 0;
    return 1 + (transform->kind == FM_TRANSFORM_AFFINE ||
                transform->kind == FM_TRANSFORM_RESIZED_CROP ||
                transform->kind == FM_TRANSFORM_ERASING ||
                transform->kind == FM_TRANSFORM_PERSPECTIVE);
}

/* Make the first draws of FM_WORDS_LANES rows, at the positions from key->position
   on. */
void fm_ahead_make(const struct fm_program *program, const struct fm_kernels *kernels,
                   const struct fm_key *key, struct fm_ahead *out);

#endif
