/* Files in memory without reading them first: the system does when they are touched. */
#ifndef FM_FILEMAP_H
#define FM_FILEMAP_H

#include <stddef.h>

/* Map the first `nbytes` bytes, at least 1, of an open file for reading. The file may
   be closed then: unlike Python's mmap, no handle is kept for each of many files.
   NULL, with errno set, where that fails. */
void *fm_filemap_new(int file, size_t nbytes);
void fm_filemap_free(void *mapped, size_t nbytes);

/* Ask the system to read mapped bytes ahead; other memory is left alone. Does nothing
   where the system can't be asked. */
void fm_filemap_will_need(const void *begin, size_t nbytes);

#endif
