/* The source: the image, the label and the columns of each index. The images lie in one
   or several parts of memory, such as mapped files. A selection of them has a table of
   its rows in the parts. */
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

/* A further value of each index, which batches get unchanged. */
struct fm_column {
    const uint8_t *values; /* (n,), of `nbytes` each; or NULL: the values are the int64
                              numbers first, first + 1, ... */
    uint64_t nbytes, first;
};

struct fm_source {
    struct fm_parts images;
    uint64_t n;
    const uint64_t *rows; /* (n,): the row of each index in the images, or NULL if it is
                             the index itself */
    const void *labels;   /* (n,) of data type label_dtype */
    enum fm_label_dtype label_dtype; /* not FM_LABEL_ONEHOT */
    size_t n_columns;
    const struct fm_column *columns;
};

/* Return the row of `index` in the images. Indices in all functions below are less than
   source->n. */
static inline uint64_t fm_source_row(const struct fm_source *source, uint64_t index)
{
    return source->rows ? source->rows[index] : index;
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

/* Ask the system to read the images of the indices [begin, end) ahead. In a selection,
   these are all rows from the first to the last image, if at least half are selected.
   Not checked: begin < end. */
static inline void fm_source_will_need(const struct fm_source *source,
                                       uint64_t begin, uint64_t end)
{
    const uint64_t first = fm_source_row(source, begin);
    const uint64_t last = fm_source_row(source, end - 1);
    if (first <= last && last - first < 2 * (end - begin))
        fm_parts_will_need(&source->images, first, last + 1);
}

/* Return the label of `index`. */
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

/* Set out[i] to the value of indices[i]. indices: (count,); out: (count,) of
   column->nbytes each.
   In numpy: values[indices], or first + indices. */
void fm_source_column(const struct fm_column *column, const uint64_t *indices,
                      size_t count, void *restrict out);

/* Return whether any of the data lie in a mapped file that is damaged; see faults.h. */
int fm_source_is_damaged(const struct fm_source *source);

#endif
