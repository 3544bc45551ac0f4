/* Mapped files that become shorter while they are in use.

   The system raises SIGBUS in a thread that reads a missing part, which by default ends
   the process. A handler maps zeros in place of the missing part, so that the read goes
   on, and marks the range as damaged. The reader then asks for the mark and drops what
   it has read. Wayland compositors protect themselves from their clients in this way:
   see wl_shm_buffer_begin_access in libwayland. Faults outside of the watched ranges
   are left to the handler before.

   Windows does not let a mapped file become shorter, and WebAssembly has no mappings.
   There, nothing is ever damaged. */
#ifndef FM_FAULTS_H
#define FM_FAULTS_H

#include <stddef.h>

/* Memory of one mapped file. */
struct fm_faults_range;

/* Call this once per process, before the first fm_faults_begin. If a thread reads a
   missing part outside of begin and end, the handler calls `notify`, which arranges a
   call of fm_faults_next. If it returns something other than 0, the fault is left to
   the handler before. */
void fm_faults_setup(int (*notify)(void));

/* Watch the mapping of a file from now on; `name` is copied. The first call installs
   the handler. Return NULL without memory. */
struct fm_faults_range *fm_faults_watch(void *begin, size_t nbytes, const char *name);

/* Stop watching a range. Call this before the memory is unmapped. */
void fm_faults_unwatch(struct fm_faults_range *range);

/* Between these calls, which can be nested, the thread may read missing parts. It asks
   fm_faults_is_damaged or fm_faults_report afterward. Then all reads of a damaged range
   are faults again. */
void fm_faults_begin(void);
void fm_faults_end(void);

/* Return the number of faults in watched ranges until now. */
size_t fm_faults_count(void);

/* Return whether any of these bytes are in a damaged range. */
int fm_faults_is_damaged(const void *begin, size_t nbytes);

/* Return the name of a damaged range that has some of these bytes, or NULL. The caller
   raises an error. */
const char *fm_faults_report(const void *begin, size_t nbytes);

/* Return the name of a range whose missing part was read outside of begin and end, and
   which was not reported since. Return NULL if there are no more. Later reads of the
   range are faults again only if this thread read it. */
const char *fm_faults_next(void);

#endif
