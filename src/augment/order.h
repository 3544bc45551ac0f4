/* The groups of an order, which all run, one after another, in random order. */
#ifndef FM_AUGMENT_ORDER_H
#define FM_AUGMENT_ORDER_H

#include "transform.h"

/* The order that is running. No order lies inside another one, so that one is enough.
   Words: coin, then one for each group but the last: which of the groups that are left
   runs next, counted as in the list. */
struct fm_order {
    uint32_t first;   /* the first group inside */
    uint32_t end;     /* the transform behind it, to which each of its groups leads */
    uint32_t left;    /* bit k: group k has not run yet */
    uint32_t n_words; /* words read so far */
};

#define FM_ORDER_NONE UINT32_MAX /* `end` if none is running */

/* Begin the order that is transform i of all, after its coin. */
static inline void fm_order_begin(struct fm_order *order,
                                  const struct fm_transform *all, uint32_t i)
{
    order->first = i + 1;
    order->end = all[i].after;
    order->left = 0;
    for (uint32_t k = i + 1; k < order->end; k += 1 + all[k].n_inner)
        order->left = order->left << 1 | 1;
    order->n_words = 1;
}

/* Return the group that runs next, and set *chosen to it. After the last one, end the
   order, and return the transform behind it. draws: the words of the order, begun again
   each time, because the plan of a row keeps few bytes on the stacks of devices. */
static FM_CALLED inline uint32_t fm_order_next(struct fm_order *order,
                                               const struct fm_transform *all,
                                               struct fm_draws *draws, uint32_t *chosen)
{
    uint32_t i = order->first, bit = 1, n_left = 0, n_skipped = 0;
    for (uint32_t bits = order->left; bits; bits &= bits - 1)
        n_left++;
    if (n_left == 0) {
        i = order->end;
        order->end = FM_ORDER_NONE;
        return i;
    }
    if (n_left > 1) {
        fm_draws_seek(draws, order->n_words++);
        n_skipped = fm_draws_below(draws, n_left);
    }
    for (; !(order->left & bit) || n_skipped > 0; bit <<= 1) {
        n_skipped -= (order->left & bit) != 0;
        i += 1 + all[i].n_inner;
    }
    order->left ^= bit;
    *chosen = i;
    return i;
}

#endif
