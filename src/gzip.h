/* Where gzip members may start, so that a file of several is told from one of one.
   Source: RFC 1952, section 2.3. */
#ifndef FM_GZIP_H
#define FM_GZIP_H

#include <stddef.h>
#include <stdint.h>

/* Whether bytes that look like the header of a gzip member with deflate data occur
   anywhere in `bytes`, shape (nbytes,): magic and method, no reserved flag, and values
   of XFL and OS that are in use. By chance that happens once in 200 GB of compressed
   data, so "yes" means "look closely" and "no" means "one member". */
int fm_gzip_find_member(const uint8_t *bytes, size_t nbytes);

#endif
