/* Images that lie in several parts of memory, such as mapped files: in part k samples
   begins[k] to begins[k + 1] - 1, one after the other. */
#ifndef FM_PARTS_H
#define FM_PARTS_H

#include <stddef.h>
#include <stdint.h>

struct fm_parts {
    size_t n_parts;               /* at least 1 */
    const uint64_t *begins;       /* (n_parts + 1,), ascending: 0, ..., all samples */
    const uint8_t *const *images; /* (n_parts,) of uint8 (n_images, image_nbytes) */
    size_t image_nbytes;
};

/* The part that has `sample`, by a binary search whose steps are conditional moves: 4 ns
   a sample for 20 parts, 8 for 300, 14 for 5000, where an image takes about 60. To
   divide takes 2.4, but only where all parts but the last have one size, which isn't
   worth a second way.
   In numpy: searchsorted(begins, sample, side="right") - 1.
   Not checked: sample < begins[n_parts]. */
static inline size_t fm_parts_find(const struct fm_parts *parts, uint64_t sample)
{
    const uint64_t *begins = parts->begins;
    for (size_t n = parts->n_parts; n > 1;) {
        const size_t half = n / 2;
        begins += begins[half] <= sample ? half : 0;
        n -= half;
    }
    return (size_t)(begins - parts->begins);
}

/* The pixels of `sample`. */
static inline const uint8_t *fm_parts_image(const struct fm_parts *parts,
                                            uint64_t sample)
{
    const size_t part = fm_parts_find(parts, sample);
    return parts->images[part] + (sample - parts->begins[part]) * parts->image_nbytes;
}

/* Whether the part ends less than `nbytes` before or behind the pixels of `sample`. */
static inline int fm_parts_at_edge(const struct fm_parts *parts, uint64_t sample,
                                   size_t nbytes)
{
    const size_t part = fm_parts_find(parts, sample);
    const uint64_t n_before = sample - parts->begins[part];
    const uint64_t n_behind = parts->begins[part + 1] - 1 - sample;
    return n_before * parts->image_nbytes < nbytes ||
           n_behind * parts->image_nbytes < nbytes;
}

/* Ask the system to read the images [begin, end) ahead where they are mapped files. */
void fm_parts_will_need(const struct fm_parts *parts, uint64_t begin, uint64_t end);

#endif
