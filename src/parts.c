/* Reading ahead in several parts of memory, and damage; parts.h describes them. */
#include "parts.h"

#include "faults.h"
#include "filemap.h"
#include "integer.h"

void fm_parts_will_need(const struct fm_parts *parts, uint64_t begin, uint64_t end)
{
    while (begin < end) {
        const uint64_t part_end = parts->begins[fm_parts_find(parts, begin) + 1];
        const uint64_t until = fm_integer_min(end, part_end);
        fm_filemap_will_need(fm_parts_image(parts, begin),
                             (size_t)((until - begin) * parts->image_nbytes));
        begin = until;
    }
}

int fm_parts_are_damaged(const struct fm_parts *parts)
{
    int are_damaged = 0;
    for (size_t i = 0; i < parts->n_parts && !are_damaged; i++) {
        const uint64_t n_images = parts->begins[i + 1] - parts->begins[i];
        are_damaged = fm_faults_is_damaged(parts->images[i],
                                           (size_t)n_images * parts->image_nbytes);
    }
    return are_damaged;
}
