/* Reading ahead in several parts of memory; parts.h describes them. */
#include "parts.h"

#include "filemap.h"

void fm_parts_will_need(const struct fm_parts *parts, uint64_t begin, uint64_t end)
{
    while (begin < end) {
        const uint64_t part_end = parts->begins[fm_parts_find(parts, begin) + 1];
        const uint64_t until = end < part_end ? end : part_end;
        fm_filemap_will_need(fm_parts_image(parts, begin),
                             (size_t)((until - begin) * parts->image_nbytes));
        begin = until;
    }
}
