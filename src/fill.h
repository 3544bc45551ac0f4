/* Filling a row: carrying out the operations that plan.h has planned, one after the
   other, on the pixels of an image. */
#ifndef FM_FILL_H
#define FM_FILL_H

#include "plan.h"

/* Return the bytes that fm_fill_row needs at `scratch`. They may not fit into a size_t
   of 32 bits. */
uint64_t fm_fill_scratch_nbytes(const struct fm_program *program);

/* Carry out the operations of a row on one image, uint8 of the shape program->in.
   is_at_edge: true if only the image itself may be read. Otherwise FM_CROP_AROUND bytes
   before and after it may be read, too.
   scratch: fm_fill_scratch_nbytes bytes from a multiple of 64 on.
   Return the pixels, uint8 of the shape program->out: in scratch, or the image itself
   if nothing was done.
   In numpy: for op in row: image = run(op, image); see tests/reference_fill.py.
   Not checked: the row was planned with this program. */
const uint8_t *fm_fill_row(const struct fm_program *program,
                           const struct fm_kernels *kernels, const struct fm_row *row,
                           const uint8_t *image, int is_at_edge, void *scratch);

#endif
