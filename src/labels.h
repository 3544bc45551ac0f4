/* Labels of a batch, in its data type: numbers, one-hot rows, or rows of shares for
   mixed images. */
#ifndef FM_LABELS_H
#define FM_LABELS_H

#include "source.h"

/* Return the bytes of one row. */
uint64_t fm_labels_row_nbytes(enum fm_label_dtype dtype, uint64_t n_classes);

/* Write the labels of `count` indices. labels: (count,) of `dtype`, or float32 (count,
   n_classes) if one-hot.
   In numpy: labels[indices].astype(dtype) or eye(n_classes)[labels[indices]].
   Not checked: the labels fit `dtype`. A label that is not below n_classes gives a row
   of zeros: the caller may have changed the labels since they were checked. */
void fm_labels_fill(const struct fm_source *source, const uint64_t *indices,
                    size_t count, enum fm_label_dtype dtype, uint64_t n_classes,
                    void *restrict labels);

/* Turn one-hot rows into rows of shares: the sample's class has its share, and the
   class of its partner has the rest. partners: uint64 (count,), indices; shares:
   float32 (count,); labels: float32 (count, n_classes).
   In numpy: shares * eye(n_classes)[labels[indices]] + (1 - shares) *
   eye(n_classes)[labels[partners]]. */
void fm_labels_mix(const struct fm_source *source, const uint64_t *indices,
                   const uint64_t *partners, const float *shares, size_t count,
                   uint64_t n_classes, float *restrict labels);

#endif
