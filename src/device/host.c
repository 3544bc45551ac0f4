/* The kernels of devices on this machine; see host.h. */
#include "host.h"

static uint8_t *pointer(uint64_t argument)
{
    return (uint8_t *)(uintptr_t)argument;
}

static void plan(const uint64_t *a)
{
    const struct fm_program *program = (const struct fm_program *)pointer(a[0]);
    const struct fm_launch *launch = (const struct fm_launch *)pointer(a[1]);
    for (uint64_t i = 0; i < a[2]; i++)
        fm_device_plan(program, launch, i, a[3], a[4], pointer(a[5]));
}

static const struct fm_thread_block block = {
    .thread = 0, .n_threads = 1, .wait = NULL, .threads = NULL};

static void fill(uint64_t n_blocks, const uint64_t *a, uint8_t *shared)
{
    const struct fm_program *program = (const struct fm_program *)pointer(a[0]);
    const struct fm_source *source = (const struct fm_source *)pointer(a[1]);
    for (uint64_t i = 0; i < n_blocks; i++)
        fm_device_fill(&block, program, source, pointer(a[2]), i, shared, pointer(a[3]),
                       pointer(a[4]));
}

static void cut(uint64_t n_blocks, const uint64_t *a)
{
    const struct fm_program *program = (const struct fm_program *)pointer(a[0]);
    const struct fm_source *source = (const struct fm_source *)pointer(a[1]);
    for (uint64_t i = 0; i < n_blocks; i++)
        fm_device_cut(&block, program, source, pointer(a[2]), i, pointer(a[3]),
                      pointer(a[4]));
}

static void gather(const uint64_t *a)
{
    const struct fm_program *program = (const struct fm_program *)pointer(a[0]);
    const struct fm_column column = {
        .values = pointer(a[3]), .nbytes = a[4], .first = a[5]};
    for (uint64_t i = 0; i < a[2]; i++)
        fm_device_gather(program, &column, pointer(a[1]), i, pointer(a[6]));
}

void fm_host_launch(enum fm_host_kernel kernel, uint64_t n_blocks,
                    const uint64_t *arguments, uint8_t *shared)
{
    const uint64_t *a = arguments;
    struct fm_launch *launch = (struct fm_launch *)pointer(a[0]);
    switch (kernel) {
    case FM_HOST_START:
        fm_device_start(launch, (const struct fm_sampling *)pointer(a[1]), a[2], a[3],
                        a[4], a[5], a[6], a[7], a[8], a[9]);
        break;
    case FM_HOST_ADVANCE:
        fm_device_advance(launch, a[1]);
        break;
    case FM_HOST_PLAN:
        plan(a);
        break;
    case FM_HOST_FILL:
        fill(n_blocks, a, shared);
        break;
    case FM_HOST_CUT:
        cut(n_blocks, a);
        break;
    case FM_HOST_GATHER:
        gather(a);
        break;
    }
}
