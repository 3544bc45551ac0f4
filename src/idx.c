/* Header check and byte order of IDX files; idx.h describes the format. */
#include "idx.h"

#include <string.h>

#define MAX_DATA_NBYTES ((uint64_t)1 << 62) /* far beyond any file, safe in int64 */

static int item_nbytes_of(int type)
{
    switch (type) {
    case 0x08: /* uint8 */
    case 0x09: /* int8 */
        return 1;
    case 0x0B: /* int16 */
        return 2;
    case 0x0C: /* int32 */
    case 0x0D: /* float32 */
        return 4;
    case 0x0E: /* float64 */
        return 8;
    default:
        return 0;
    }
}

static uint32_t read_be32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
           (uint32_t)bytes[2] << 8 | (uint32_t)bytes[3];
}

enum fm_status fm_idx_parse(const uint8_t *bytes, size_t nbytes,
                            struct fm_idx_header *out)
{
    if (nbytes < 4)
        return FM_IDX_NO_HEADER;
    if (bytes[0] != 0 || bytes[1] != 0)
        return FM_IDX_BAD_MAGIC;
    out->type = bytes[2];
    out->item_nbytes = item_nbytes_of(bytes[2]);
    if (out->item_nbytes == 0)
        return FM_IDX_BAD_TYPE;
    out->ndim = bytes[3];
    out->header_nbytes = 4 + 4 * (size_t)out->ndim;
    if (nbytes < out->header_nbytes)
        return FM_IDX_NO_HEADER;

    int empty = 0;
    for (int i = 0; i < out->ndim; i++) {
        out->dims[i] = read_be32(bytes + 4 + 4 * i);
        empty |= out->dims[i] == 0;
    }
    /* One dimension of 0 makes the product 0, however large the other dimensions
       are. */
    out->data_nbytes = empty ? 0 : (uint64_t)out->item_nbytes;
    for (int i = 0; i < out->ndim && !empty; i++) {
        if (out->data_nbytes > MAX_DATA_NBYTES / out->dims[i])
            return FM_IDX_TOO_LARGE;
        out->data_nbytes *= out->dims[i];
    }
    return FM_OK;
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__

void fm_idx_swap(uint8_t *items, size_t n_items, int item_nbytes)
{
    (void)items, (void)n_items, (void)item_nbytes; /* as in the file */
}

#else

/* Swap bytes with shifts and masks: every compiler turns them into its byte-swap
   instruction or, in these loops, its byte-shuffle instruction. memcpy allows any
   alignment. */
static uint16_t swap16(uint16_t x)
{
    return (uint16_t)(x << 8 | x >> 8);
}

static uint32_t swap32(uint32_t x)
{
    x = (x & 0x00FF00FFu) << 8 | (x >> 8 & 0x00FF00FFu);
    return x << 16 | x >> 16;
}

static uint64_t swap64(uint64_t x)
{
    return (uint64_t)swap32((uint32_t)x) << 32 | swap32((uint32_t)(x >> 32));
}

#define SWAP_ALL(bits)                                              \
    for (size_t i = 0; i < n_items; i++) {                          \
        uint##bits##_t item;                                        \
        memcpy(&item, items + i * sizeof item, sizeof item);        \
        item = swap##bits(item);                                    \
        memcpy(items + i * sizeof item, &item, sizeof item);        \
    }

void fm_idx_swap(uint8_t *items, size_t n_items, int item_nbytes)
{
    if (item_nbytes == 2) {
        SWAP_ALL(16)
    } else if (item_nbytes == 4) {
        SWAP_ALL(32)
    } else if (item_nbytes == 8) {
        SWAP_ALL(64)
    }
}

#endif
