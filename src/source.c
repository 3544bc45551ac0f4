/* The image, the label and the columns of each index; see source.h. */
#include "source.h"

#include <string.h>

#include "faults.h"

void fm_source_find(const struct fm_source *source, const uint64_t *indices,
                    size_t count, const uint8_t **images)
{
    const struct fm_parts *parts = &source->images;
    if (parts->n_parts > 1) {
        for (size_t i = 0; i < count; i++)
            images[i] = fm_source_image(source, indices[i]);
    } else if (source->rows) {
        for (size_t i = 0; i < count; i++)
            images[i] =
                parts->images[0] + source->rows[indices[i]] * parts->image_nbytes;
    } else {
        for (size_t i = 0; i < count; i++)
            images[i] = parts->images[0] + indices[i] * parts->image_nbytes;
    }
}

void fm_source_column(const struct fm_column *column, const uint64_t *indices,
                      size_t count, void *restrict out)
{
    const uint8_t *values = column->values;
    const size_t nbytes = (size_t)column->nbytes;
    if (values == NULL) {
        for (size_t i = 0; i < count; i++)
            ((uint64_t *)out)[i] = column->first + indices[i];
    } else if (nbytes == 8) {
        for (size_t i = 0; i < count; i++)
            memcpy((uint8_t *)out + i * 8, values + indices[i] * 8, 8);
    } else {
        for (size_t i = 0; i < count; i++)
            memcpy((uint8_t *)out + i * nbytes, values + indices[i] * nbytes, nbytes);
    }
}

int fm_source_is_damaged(const struct fm_source *source)
{
    static const size_t nbytes[] = {1, 4, 8}; /* of a label, by fm_label_dtype */
    const size_t n = (size_t)source->n;
    for (size_t i = 0; i < source->n_columns; i++) {
        const struct fm_column *column = &source->columns[i];
        if (column->values &&
            fm_faults_is_damaged(column->values, n * (size_t)column->nbytes))
            return 1;
    }
    return fm_parts_are_damaged(&source->images) ||
           fm_faults_is_damaged(source->labels, n * nbytes[source->label_dtype]);
}
