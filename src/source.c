/* The image and the label of each index; see source.h. */
#include "source.h"

#include "faults.h"

void fm_source_find(const struct fm_source *source, const uint64_t *indices,
                    size_t count, const uint8_t **images)
{
    const struct fm_parts *parts = &source->images;
    if (parts->n_parts == 1) {
        for (size_t i = 0; i < count; i++) {
            const uint64_t row = fm_source_row(source, indices[i]);
            images[i] = parts->images[0] + row * parts->image_nbytes;
        }
        return;
    }
    for (size_t i = 0; i < count; i++)
        images[i] = fm_source_image(source, indices[i]);
}

int fm_source_is_damaged(const struct fm_source *source)
{
    static const size_t nbytes[] = {1, 4, 8}; /* of a label, by fm_label_dtype */
    const size_t labels_nbytes =
        (size_t)fm_source_count(source) * nbytes[source->label_dtype];
    return fm_parts_are_damaged(&source->images) ||
           fm_faults_is_damaged(source->labels, labels_nbytes);
}
