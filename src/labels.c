/* Labels of a batch; see labels.h. */
#include "floats.h"
#include "labels.h"

#include <string.h>

uint64_t fm_labels_row_nbytes(enum fm_label_dtype dtype, uint64_t n_classes)
{
    switch (dtype) {
    case FM_LABEL_UINT8:
        return 1;
    case FM_LABEL_INT32:
        return 4;
    case FM_LABEL_INT64:
        return 8;
    case FM_LABEL_ONEHOT:
        return 4 * n_classes;
    }
    return 0;
}

static void fill_onehot(float *restrict row, int64_t label, uint64_t n_classes)
{
    memset(row, 0, n_classes * sizeof *row);
    if ((uint64_t)label < n_classes)
        row[label] = 1.0f;
}

void fm_labels_fill(const struct fm_source *source, const uint64_t *indices,
                    size_t count, enum fm_label_dtype dtype, uint64_t n_classes,
                    void *restrict labels)
{
    for (size_t i = 0; i < count; i++) {
        const int64_t label = fm_source_label(source, indices[i]);
        switch (dtype) {
        case FM_LABEL_UINT8:
            ((uint8_t *)labels)[i] = (uint8_t)label;
            break;
        case FM_LABEL_INT32:
            ((int32_t *)labels)[i] = (int32_t)label;
            break;
        case FM_LABEL_INT64:
            ((int64_t *)labels)[i] = label;
            break;
        case FM_LABEL_ONEHOT:
            fill_onehot((float *)labels + i * n_classes, label, n_classes);
            break;
        }
    }
}

void fm_labels_mix(const struct fm_source *source, const uint64_t *indices,
                   const uint64_t *partners, const float *shares, size_t count,
                   uint64_t n_classes, float *restrict labels)
{
    for (size_t i = 0; i < count; i++, labels += n_classes) {
        const uint64_t own = (uint64_t)fm_source_label(source, indices[i]);
        const uint64_t other = (uint64_t)fm_source_label(source, partners[i]);
        if (own < n_classes)
            labels[own] = shares[i];
        if (other < n_classes)
            labels[other] += 1.0f - shares[i];
    }
}
