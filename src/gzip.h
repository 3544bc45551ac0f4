/* The search for the end of a gzip file's first member.
   Source: RFC 1952, section 2.3. */
#ifndef FM_GZIP_H
#define FM_GZIP_H

#include <stddef.h>
#include <stdint.h>

/* Return whether only zeros follow the first place in `bytes` with the number `isize`,
   which takes four bytes, the lowest first.
   bytes: uint8 (nbytes,), a gzip file whose first member is known to be undamaged.
   isize: size of that member's data, modulo 2**32.

   The member ends with `isize`, at the first such place or at a later one. So after 1,
   only zeros follow the member. After 0, anything may follow it: compressed data has
   the four bytes by chance once in 4 GB. The caller then has to inflate with a library
   that tells where the member ends. */
int fm_gzip_ends_after(const uint8_t *bytes, size_t nbytes, uint32_t isize);

#endif
