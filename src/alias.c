/* Tables for weighted draws; see alias.h. */
#include "alias.h"

void fm_alias_init(const uint64_t *restrict weights, uint64_t n, uint64_t capacity,
                   uint64_t *restrict work, struct fm_alias_cell *restrict cells)
{
    uint64_t n_small = 0, n_large = 0; /* two stacks, from both ends of `work` */
    for (uint64_t i = 0; i < n; i++) {
        cells[i].threshold = n * weights[i];
        cells[i].other = i;
        if (cells[i].threshold < capacity)
            work[n_small++] = i;
        else
            work[n - ++n_large] = i;
    }
    while (n_small > 0 && n_large > 0) {
        struct fm_alias_cell *small = &cells[work[--n_small]];
        const uint64_t i = work[n - n_large--];
        small->other = i;
        cells[i].threshold -= capacity - small->threshold;
        if (cells[i].threshold < capacity)
            work[n_small++] = i;
        else
            work[n - ++n_large] = i;
    }
    /* Cells that are left are full: the thresholds add up to n * capacity. */
}
