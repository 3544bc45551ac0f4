/* The search for the end of a gzip member (RFC 1952, section 2.3); see gzip.h. */
#include "gzip.h"

/* A search that stops within a block is not vectorized. */
#define BLOCK_NBYTES 4096

static int is_at(const uint8_t *bytes, const uint8_t *word)
{
    return (bytes[0] == word[0]) & (bytes[1] == word[1]) & (bytes[2] == word[2]) &
           (bytes[3] == word[3]);
}

static int is_in_block(const uint8_t *bytes, const uint8_t *word)
{
    uint8_t is_found = 0;
    for (size_t i = 0; i < BLOCK_NBYTES; i++)
        is_found |= (uint8_t)is_at(bytes + i, word);
    return is_found;
}

int fm_gzip_ends_after(const uint8_t *bytes, size_t nbytes, uint32_t isize)
{
    const uint8_t word[4] = {(uint8_t)isize, (uint8_t)(isize >> 8),
                             (uint8_t)(isize >> 16), (uint8_t)(isize >> 24)};
    size_t i = 0;
    while (nbytes - i >= BLOCK_NBYTES + 3 && !is_in_block(bytes + i, word))
        i += BLOCK_NBYTES;
    while (nbytes - i >= 4 && !is_at(bytes + i, word))
        i++;
    if (nbytes - i < 4)
        return 0;
    for (i += 4; i < nbytes; i++)
        if (bytes[i] != 0)
            return 0;
    return 1;
}
