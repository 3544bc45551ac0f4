/* The kernels of devices as CUDA. The build joins this file and all that it includes
   into one text. NVRTC compiles it with the options of fmnist_fast/_device/source.py.
   All arguments point to memory of the device. */
#include "machine.h"

#include "../labels.c"
#include "../plan.c"
#include "canvas.c"
#include "device.c"
#include "planes.c"

/* Plan the rows of a launch. Threads: at least launch->n_rows. */
extern "C" __global__ void fm_kernels_plan(const struct fm_program *program,
                                           const struct fm_launch *launch,
                                           uint8_t *rows)
{
    const uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < launch->n_rows)
        fm_device_plan(program, launch, i, rows);
}

/* Fill the rows of a launch. Thread blocks: launch->n_rows, of at most 256 threads,
   with fm_device_shared_nbytes bytes of shared memory. The bound of two thread blocks
   on a multiprocessor allows 128 registers. Without it, NVRTC takes 80 for sm_120, and
   spills the rest. */
extern "C" __global__ void __launch_bounds__(256, 2)
    fm_kernels_fill(const struct fm_program *program, const struct fm_source *source,
                    const uint8_t *rows, uint8_t *images, uint8_t *labels)
{
    extern __shared__ uint4 shared[];
    const struct fm_thread_block block = {threadIdx.x, blockDim.x};
    fm_device_fill(&block, program, source, rows, blockIdx.x, (uint8_t *)shared, images,
                   labels);
}
