/* Fields of a batch; see record.h. */
#include "record.h"

#include "integer.h"

/* A quarter of the address space: sums of a few such sizes don't overflow. */
#define MAX_NBYTES ((uint64_t)SIZE_MAX / 4)

enum fm_status fm_record_init(struct fm_record *record, uint64_t rows,
                              const uint64_t row_nbytes[FM_N_FIELDS])
{
    record->rows = rows;
    record->nbytes = 0;
    for (int i = 0; i < FM_N_FIELDS; i++) {
        if (rows && row_nbytes[i] > MAX_NBYTES / rows)
            return FM_NO_MEMORY;
        struct fm_record_field *field = &record->fields[i];
        field->offset = fm_integer_align_up(record->nbytes, FM_RECORD_ALIGNMENT);
        field->row_nbytes = row_nbytes[i];
        record->nbytes = field->offset + rows * row_nbytes[i];
    }
    return FM_OK;
}
