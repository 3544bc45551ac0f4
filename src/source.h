/* The source: the image and the label of each index. The images lie in one or several
   parts of memory, such as mapped files, and the labels in one array. */
#ifndef FM_SOURCE_H
#define FM_SOURCE_H

#include "parts.h"

/* Data types of labels, in a source and in a batch. One-hot rows are float32. */
enum fm_label_dtype {
    FM_LABEL_UINT8 = 0,
    FM_LABEL_INT32 = 1,
    FM_LABEL_INT64 = 2,
    FM_LABEL_ONEHOT = 3
};

struct fm_source {
    struct fm_parts images;
    const void *labels;              /* (n,) of data type label_dtype */
    enum fm_label_dtype label_dtype; /* not FM_LABEL_ONEHOT */
};

/* Return the number of images. */
static inline uint64_t fm_source_count(const struct fm_source *source)
{
    return source->images.begins[source->images.n_parts];
}

/* Set images[i] to the pixels of indices[i]. indices, images: (count,).
   Not checked: every index is below fm_source_count(source). */
void fm_source_find(const struct fm_source *source, const uint64_t *indices,
                    size_t count, const uint8_t **images);

/* Return the label of `index`.
   Not checked: index < fm_source_count(source). */
static inline int64_t fm_source_label(const struct fm_source *source, uint64_t index)
{
    switch (source->label_dtype) {
    case FM_LABEL_UINT8:
        return ((const uint8_t *)source->labels)[index];
    case FM_LABEL_INT32:
        return ((const int32_t *)source->labels)[index];
    default:
        return ((const int64_t *)source->labels)[index];
    }
}

/* Return whether images or labels lie in a mapped file that is damaged; see
   faults.h. */
int fm_source_is_damaged(const struct fm_source *source);

#endif
