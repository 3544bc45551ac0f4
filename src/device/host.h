/* The kernels of devices on this machine: loops over threads and over thread blocks of
   one thread. They are slow, and are for tests and debugging. */
#ifndef FM_HOST_H
#define FM_HOST_H

#include "device.h"

enum fm_host_kernel {
    FM_HOST_START = 0,
    FM_HOST_ADVANCE = 1,
    FM_HOST_PLAN = 2,
    FM_HOST_FILL = 3,
    FM_HOST_CUT = 4,
    FM_HOST_GATHER = 5,
};

/* Run a kernel of kernels.cu. arguments: those of the kernel, pointers as numbers;
   n_blocks: rows for FM_HOST_FILL and FM_HOST_CUT, not read for others; shared: for
   FM_HOST_FILL, fm_device_shared_nbytes bytes from a multiple of 16 on.
   Not checked: the arguments. */
void fm_host_launch(enum fm_host_kernel kernel, uint64_t n_blocks,
                    const uint64_t *arguments, uint8_t *shared);

#endif
