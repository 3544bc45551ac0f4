/* The search for gzip headers (RFC 1952, section 2.3); see gzip.h. */
#include "gzip.h"

#include <string.h>

#define HEADER_NBYTES 10

static int is_header(const uint8_t *bytes)
{
    uint8_t flags = bytes[3], xfl = bytes[8], system = bytes[9];
    return bytes[0] == 0x1F && bytes[1] == 0x8B && bytes[2] == 8 && flags < 0x20 &&
           (xfl == 0 || xfl == 2 || xfl == 4) && (system < 14 || system == 255);
}

int fm_gzip_find_member(const uint8_t *bytes, size_t nbytes)
{
    if (nbytes < HEADER_NBYTES)
        return 0;
    const uint8_t *end = bytes + nbytes - HEADER_NBYTES + 1;
    while (bytes < end) {
        bytes = memchr(bytes, 0x1F, (size_t)(end - bytes));
        if (bytes == NULL)
            return 0;
        if (is_header(bytes))
            return 1;
        bytes++;
    }
    return 0;
}
