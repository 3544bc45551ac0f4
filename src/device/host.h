/* The kernels of devices on this machine: a loop over thread blocks of one thread. They
   are slow, and are for tests and debugging. */
#ifndef FM_HOST_H
#define FM_HOST_H

#include "../batch.h"

/* Lay out the record and choose the functions of a job, as fm_batch_prepare does, for
   batches that the kernels of devices fill.
   Not checked: the program has no functions of the user, the sampler has no blocks, and
   fm_device_shared_nbytes is at most FM_DEVICE_SHARED_NBYTES. */
enum fm_status fm_host_prepare(struct fm_job *job, uint64_t rows);

#endif
