/* IDX, the file format of MNIST: two zero bytes, a type byte, the number of dimensions
   as a byte, each dimension as a big-endian uint32, and the data, big-endian.
   Source: "The IDX file format", http://yann.lecun.com/exdb/mnist/ */
#ifndef FM_IDX_H
#define FM_IDX_H

#include <stddef.h>
#include <stdint.h>

#include "status.h"

#define FM_IDX_MAX_NDIM 255 /* the number of dimensions is one byte */

struct fm_idx_header {
    int type;             /* 0x08, 0x09, 0x0B, 0x0C, 0x0D or 0x0E */
    int item_nbytes;      /* 1, 1, 2, 4, 4 or 8 */
    int ndim;             /* 0 to 255 */
    uint64_t data_nbytes; /* bytes of all items, at most 2**62 */
    size_t header_nbytes; /* 4 + 4 * ndim */
    uint32_t dims[FM_IDX_MAX_NDIM];
};

/* Read and check the header at the start of `bytes`. bytes: uint8 (nbytes,).
   Return FM_OK or the FM_IDX_* code of the first fault; *out is only valid after FM_OK.
   The bytes may come from anywhere: everything is checked. Only the header is read, so
   the first 4 + 4 * 255 = 1024 bytes of a file are always enough. */
enum fm_status fm_idx_parse(const uint8_t *bytes, size_t nbytes,
                            struct fm_idx_header *out);

/* Convert `n_items` items between big-endian and native byte order, in place.
   items: uint8 (n_items * item_nbytes,), item_nbytes 1, 2, 4 or 8. Items of one byte
   stay as they are.
   In numpy: items.byteswap(inplace=True) on a little-endian machine.
   Not checked: `items` holds n_items * item_nbytes bytes, at any alignment. */
void fm_idx_swap(uint8_t *items, size_t n_items, int item_nbytes);

#endif
