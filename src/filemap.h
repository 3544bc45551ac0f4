/* Memory-mapped files. The system reads a page of the file when it is touched.
   Source: mmap and posix_madvise of IEEE Std 1003.1-2017. */
#ifndef FM_FILEMAP_H
#define FM_FILEMAP_H

#include <stddef.h>

/* Map the first `nbytes` bytes of an open file for reading, at least 1. Return NULL on
   failure, with errno set. The file may be closed afterward. Python's mmap keeps a
   handle open for each file, which adds up with many files; this keeps none. */
void *fm_filemap_new(int file, size_t nbytes);
void fm_filemap_free(void *mapped, size_t nbytes);

/* Ask the system to read mapped bytes ahead. This does nothing to other memory, and
   nothing on systems without such a call. */
void fm_filemap_will_need(const void *begin, size_t nbytes);

#endif
