/* The kernels of devices as CUDA. The build joins this file and all that it includes
   into one text. NVRTC compiles it with the options of fmnist_fast/_device/source.py.
   All pointers are to memory of the device, and all arguments
   have 64 bits. */
#include "machine.h"

#include "../labels.c"
#include "../plan.c"
#include "canvas.c"
#include "device.c"
#include "planes.c"

/* Let the next launch begin at a position of an epoch. Threads: one. */
extern "C" __global__ void fm_kernels_start(struct fm_launch *launch,
                                            const struct fm_sampling *sampling,
                                            uint64_t seed, uint64_t augment_seed,
                                            uint64_t epoch, uint64_t begin,
                                            uint64_t batch_size, uint64_t rank,
                                            uint64_t world, uint64_t last)
{
    fm_device_start(launch, sampling, seed, augment_seed, epoch, begin, batch_size,
                    rank, world, last);
}

/* Let the next launch begin n_rows rows later. Threads: one. */
extern "C" __global__ void fm_kernels_advance(struct fm_launch *launch, uint64_t n_rows)
{
    fm_device_advance(launch, n_rows);
}

/* Plan n_rows rows of a launch, in the view of the program. Row 0 is number `first` of
   the `n_memory` rows that there is memory for. Threads: at least n_rows. */
extern "C" __global__ void fm_kernels_plan(const struct fm_program *program,
                                           const struct fm_launch *launch,
                                           uint64_t n_rows, uint64_t first,
                                           uint64_t n_memory, uint8_t *rows)
{
    const uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n_rows)
        fm_device_plan(program, launch, i, first, n_memory, rows);
}

/* Gather the values of a column for n_rows rows of a launch, which are planned. values:
   NULL for the numbers first, first + 1, ... Threads: at least n_rows. */
extern "C" __global__ void fm_kernels_gather(const struct fm_program *program,
                                             const uint8_t *rows, uint64_t n_rows,
                                             const uint8_t *values, uint64_t nbytes,
                                             uint64_t first, uint8_t *out)
{
    const uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
    const struct fm_column column = {values, nbytes, first};
    if (i < n_rows)
        fm_device_gather(program, &column, rows, i, out);
}

/* Fill the rows of a launch. Thread blocks: one for each row, of at most 128 threads,
   with fm_device_shared_nbytes bytes of shared memory. The bound of four thread blocks
   on a multiprocessor allows 128 registers. Without it, NVRTC takes 80 for sm_120, and
   spills the rest. */
extern "C" __global__ void __launch_bounds__(128, 4)
    fm_kernels_fill(const struct fm_program *program, const struct fm_source *source,
                    const uint8_t *rows, uint8_t *images, uint8_t *labels)
{
    extern __shared__ uint4 shared[];
    const struct fm_thread_block block = {threadIdx.x, blockDim.x};
    fm_device_fill(&block, program, source, rows, blockIdx.x, (uint8_t *)shared, images,
                   labels);
}

/* Fill the rows of a launch, if all operations of the program are cuts. Thread blocks:
   one for each channel of each row, of at most 64 threads. More threads would take
   longer, because each does the work of several pixels before its first one. The bound
   allows 64 registers. Without it, NVRTC takes 32 for sm_100, and spills the rest. */
extern "C" __global__ void __launch_bounds__(64, 16)
    fm_kernels_cut(const struct fm_program *program, const struct fm_source *source,
                   const uint8_t *rows, uint8_t *images, uint8_t *labels)
{
    const struct fm_thread_block block = {threadIdx.x, blockDim.x};
    fm_device_cut(&block, program, source, rows, blockIdx.x, images, labels);
}
