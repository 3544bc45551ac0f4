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

/* Return the number of images. Indices in all functions below are less than this. */
static inline uint64_t fm_source_count(const struct fm_source *source)
{
    return source->images.begins[source->images.n_parts];
}

/* Return the row of `index` in the images and in the labels, which is the same. */
static inline uint64_t fm_source_row(const struct fm_source *source, uint64_t index)
{
    (void)source;
    return index;
}

/* Return the bytes of an image. */
static inline size_t fm_source_image_nbytes(const struct fm_source *source)
{
    return source->images.image_nbytes;
}

/* Return the pixels of `index`. */
static inline const uint8_t *fm_source_image(const struct fm_source *source,
                                             uint64_t index)
{
    return fm_parts_image(&source->images, fm_source_row(source, index));
}

/* Set images[i] to the pixels of indices[i]. indices, images: (count,). */
void fm_source_find(const struct fm_source *source, const uint64_t *indices,
                    size_t count, const uint8_t **images);

/* Return whether less than `nbytes` may be read before the pixels of `index`, or less
   than `nbytes` behind them. */
static inline int fm_source_is_at_edge(const struct fm_source *source, uint64_t index,
                                       size_t nbytes)
{
    return fm_parts_at_edge(&source->images, fm_source_row(source, index), nbytes);
}

/* Ask the system to read the images of a run of indices ahead. */
static inline void fm_source_will_need(const struct fm_source *source,
                                       uint64_t begin, uint64_t end)
{
    fm_parts_will_need(&source->images, begin, end);
}

/* Return the label of `index`. */
static inline int64_t fm_source_label(const struct fm_source *source, uint64_t index)
{
    const uint64_t row = fm_source_row(source, index);
    switch (source->label_dtype) {
    case FM_LABEL_UINT8:
        return ((const uint8_t *)source->labels)[row];
    case FM_LABEL_INT32:
        return ((const int32_t *)source->labels)[row];
    default:
        return ((const int64_t *)source->labels)[row];
    }
}

/* Return whether images or labels lie in a mapped file that is damaged; see
   faults.h. */
int fm_source_is_damaged(const struct fm_source *source);

#endif
