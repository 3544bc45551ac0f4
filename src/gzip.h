/* The search for gzip headers, which tells files of several members from files of one.
   Source: RFC 1952, section 2.3. */
#ifndef FM_GZIP_H
#define FM_GZIP_H

#include <stddef.h>
#include <stdint.h>

/* Return whether the header of a gzip member may occur anywhere in `bytes`.
   bytes: uint8 (nbytes,). A header has the magic number and the method of deflate, no
   reserved flag, and values of XFL and OS that are in use. Compressed data has such
   bytes by chance once in 200 GB: 2**-24 (magic, method) * 32 / 256 (flags) * 3 / 256
   (XFL) * 15 / 256 (OS). So 0 means one member, and 1 means that the caller must
   inflate in chunks to find out. */
int fm_gzip_find_member(const uint8_t *bytes, size_t nbytes);

#endif
