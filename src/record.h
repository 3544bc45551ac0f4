/* The record: the named fields of a batch, each an array of rows, in one piece of
   memory. */
#ifndef FM_RECORD_H
#define FM_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

/* The first fields of every batch. Field FM_FIELD_COLUMNS + k has column k of the
   source, if it has one. */
enum fm_field { FM_FIELD_IMAGES = 0, FM_FIELD_LABELS = 1, FM_FIELD_COLUMNS = 2 };

#define FM_RECORD_MAX_FIELDS 18

/* Fields begin at multiples of this from the start of the memory. */
#define FM_RECORD_ALIGNMENT 256

struct fm_record_field {
    uint64_t offset; /* of row 0, from the start of the memory */
    uint64_t row_nbytes;
};

struct fm_record {
    uint64_t rows; /* of the largest batch */
    uint64_t nbytes;
    struct fm_record_field fields[FM_RECORD_MAX_FIELDS];
};

/* Lay out the fields of a batch of `rows` rows, one after the other. row_nbytes:
   (n_fields,), bytes of one row of each field. Return FM_OK, or FM_NO_MEMORY if they
   don't fit into the address space.
   Not checked: n_fields <= FM_RECORD_MAX_FIELDS. */
enum fm_status fm_record_init(struct fm_record *record, uint64_t rows,
                              const uint64_t *row_nbytes, size_t n_fields);

/* Return the address of a row of a field of a batch in `memory`. */
static inline uint8_t *fm_record_row(const struct fm_record *record,
                                     size_t field, uint64_t row, uint8_t *memory)
{
    const struct fm_record_field *at = &record->fields[field];
    return memory + at->offset + row * at->row_nbytes;
}

#endif
