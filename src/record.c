/* Fields of a batch; see record.h. */
#include "record.h"

#include "integer.h"

/* A quarter of the address space: sums of a few such sizes don't overflow. */
#define MAX_NBYTES ((uint64_t)SIZE_MAX / 4)

enum fm_status fm_record_init(struct fm_record *record, uint64_t rows,
                              const uint64_t *row_nbytes, size_t n_fields)
{
    record->rows = rows;
    record->nbytes = 0;
    for (size_t i = 0; i < n_fields; i++) {
        if (rows && row_nbytes[i] > MAX_NBYTES / rows)
            return FM_NO_MEMORY;
        struct fm_record_field *field = &record->fields[i];
        field->offset = fm_integer_align_up(record->nbytes, FM_RECORD_ALIGNMENT);
        field->row_nbytes = row_nbytes[i];
        record->nbytes = field->offset + rows * row_nbytes[i];
    }
    return FM_OK;
}
