/* A stand-in for the driver of CUDA, libcuda.so.1, with the functions that cuda-core
   needs to launch the kernels of devices. Memory of devices is that of this machine,
   and launches run the kernels as plain C, with thread blocks of one thread.

   Environment variables: FAKE_DRIVER_CUDA, such as 13000; FAKE_DRIVER_CAPABILITY, such
   as 90; FAKE_DRIVER_DEVICES, their number; FAKE_DRIVER_REFUSES, the code of an error
   of loading. tests/helpers/fake_driver.py has the types of what is not the driver's.
   Source: CUDA Driver API. */
#define _GNU_SOURCE /* RTLD_DEFAULT */

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "device/host.h"

enum {
    SUCCESS = 0,
    INVALID_VALUE = 1,
    NO_DEVICE = 100,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    NO_BINARY_FOR_GPU = 209,
    NOT_FOUND = 500,
    ILLEGAL_ADDRESS = 700,
    CAPTURED = -1 /* no code of the driver */
};
#define CAPABILITY_MAJOR 75 /* CUdevice_attribute */
#define CAPABILITY_MINOR 76
#define MAX_SHARED 8 /* CUfunction_attribute */
#define LEAST_MAX_SHARED 49152
#define MOST_MAX_SHARED 65536 /* of compute capability 7.5 */
#define MAX_DEVICES 8
#define MAX_ARGUMENTS 10
#define MAX_LAUNCHES 65536

struct config { /* CUlaunchConfig */
    unsigned grid[3], block[3], shared_nbytes;
    void *stream;
    void *attributes;
    unsigned n_attributes;
};

struct launch {
    uint64_t kernel, device, n_blocks, n_threads, shared_nbytes, stream;
    uint64_t arguments[MAX_ARGUMENTS];
};

/* ---- the kernels ----------------------------------------------------------------- */

static struct kernel {
    const char *name;
    enum fm_host_kernel kernel;
    unsigned n_arguments, max_threads;
    int is_loaded[MAX_DEVICES];
    unsigned max_shared[MAX_DEVICES];
} kernels[] = {
    {"fm_kernels_start", FM_HOST_START, 10, 1, {0}, {0}},
    {"fm_kernels_advance", FM_HOST_ADVANCE, 2, 1, {0}, {0}},
    {"fm_kernels_plan", FM_HOST_PLAN, 6, 1024, {0}, {0}},
    {"fm_kernels_fill", FM_HOST_FILL, 5, 128, {0}, {0}},
    {"fm_kernels_cut", FM_HOST_CUT, 5, 64, {0}, {0}},
    {"fm_kernels_gather", FM_HOST_GATHER, 7, 1024, {0}, {0}},
};
#define N_KERNELS (sizeof kernels / sizeof *kernels)

static int run(const struct launch *launch)
{
    const struct kernel *kernel = &kernels[launch->kernel];
    const uint64_t *a = launch->arguments;
    const uint64_t nbytes = launch->shared_nbytes;
    const uint64_t n_threads = launch->n_blocks * launch->n_threads;
    const struct fm_program *program = (const struct fm_program *)(uintptr_t)a[0];
    if ((kernel->kernel == FM_HOST_PLAN || kernel->kernel == FM_HOST_GATHER) &&
        n_threads < a[2])
        return ILLEGAL_ADDRESS;
    if (kernel->kernel == FM_HOST_FILL && nbytes < fm_device_shared_nbytes(program))
        return ILLEGAL_ADDRESS;
    if (kernel->kernel == FM_HOST_CUT && !fm_device_only_cuts(program))
        return ILLEGAL_ADDRESS;
    uint8_t *shared = (uint8_t *)aligned_alloc(16, (nbytes + 16) / 16 * 16);
    memset(shared, 0xFF, nbytes); /* floats are NaN */
    fm_host_launch(kernel->kernel, launch->n_blocks, a, shared);
    free(shared);
    return SUCCESS;
}

/* ---- launches, for the tests ----------------------------------------------------- */

_Atomic uint64_t fake_n_launches; /* the first MAX_LAUNCHES of them are kept */
struct launch fake_launches[MAX_LAUNCHES];
int fake_is_capturing; /* launches are kept and not run, as a graph captures them */

/* If it is set, it is told each launch before it runs. It returns SUCCESS, or CAPTURED if
   the launch is not to run, or the code of an error. */
int (*fake_observer)(uint64_t number);

const char *fake_kernel_name(uint64_t kernel)
{
    return kernels[kernel].name;
}

/* Run a launch again, as the replay of a graph does. */
int fake_replay(uint64_t number)
{
    return run(&fake_launches[number]);
}

/* ---- the driver ------------------------------------------------------------------ */

static int devices[MAX_DEVICES]; /* their addresses are those of primary contexts */
static _Thread_local int *current;

static const struct {
    int code;
    const char *name;
} errors[] = {
    {INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE"},
    {INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT"},
    {NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU"},
    {ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS"},
};

static int setting(const char *name, int otherwise)
{
    const char *value = getenv(name);
    return value ? atoi(value) : otherwise;
}

int cuInit(unsigned flags)
{
    (void)flags;
    return setting("FAKE_DRIVER_DEVICES", 1) ? SUCCESS : NO_DEVICE;
}

int cuDriverGetVersion(int *version)
{
    *version = setting("FAKE_DRIVER_CUDA", 13000);
    return SUCCESS;
}

int cuGetProcAddress_v2(const char *name, void **function, int version, uint64_t flags,
                        int *status)
{
    (void)version, (void)flags;
    *function = dlsym(RTLD_DEFAULT, name);
    if (status)
        *status = *function == NULL;
    return *function ? SUCCESS : NOT_FOUND;
}

int cuGetProcAddress(const char *name, void **function, int version, uint64_t flags,
                     int *status)
{
    return cuGetProcAddress_v2(name, function, version, flags, status);
}

/* NVRTC asks for a table that it can do without. */
int cuGetExportTable(const void **table, const void *id)
{
    (void)id;
    *table = NULL;
    return NOT_FOUND;
}

int cuGetErrorName(int error, const char **name)
{
    *name = "CUDA_ERROR";
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == error)
            *name = errors[i].name;
    return SUCCESS;
}

int cuGetErrorString(int error, const char **text)
{
    return cuGetErrorName(error, text);
}

int cuDeviceGetCount(int *count)
{
    *count = setting("FAKE_DRIVER_DEVICES", 1);
    return SUCCESS;
}

int cuDeviceGet(int *device, int number)
{
    *device = number;
    return number < setting("FAKE_DRIVER_DEVICES", 1) ? SUCCESS : INVALID_DEVICE;
}

int cuDeviceGetAttribute(int *value, int attribute, int device)
{
    (void)device;
    const int capability = setting("FAKE_DRIVER_CAPABILITY", 90);
    if (attribute != CAPABILITY_MAJOR && attribute != CAPABILITY_MINOR)
        return INVALID_VALUE;
    *value = attribute == CAPABILITY_MAJOR ? capability / 10 : capability % 10;
    return SUCCESS;
}

int cuDevicePrimaryCtxRetain(int **context, int device)
{
    devices[device] = device;
    *context = &devices[device];
    return SUCCESS;
}

int cuDevicePrimaryCtxRelease(int device)
{
    (void)device;
    return SUCCESS;
}

int cuCtxGetCurrent(int **context)
{
    *context = current;
    return SUCCESS;
}

int cuCtxSetCurrent(int *context)
{
    current = context;
    return SUCCESS;
}

int cuCtxGetDevice(int *device)
{
    if (!current)
        return INVALID_CONTEXT;
    *device = *current;
    return SUCCESS;
}

int cuLibraryLoadData(void **library, const void *code, void *jit, void *jit_values,
                      unsigned n_jit, void *options, void *values, unsigned n_options)
{
    (void)jit, (void)jit_values, (void)n_jit;
    (void)options, (void)values, (void)n_options;
    *library = kernels;
    if (memcmp(code, "\177ELF", 4) != 0)
        return INVALID_IMAGE;
    return setting("FAKE_DRIVER_REFUSES", SUCCESS);
}

int cuLibraryUnload(void *library)
{
    (void)library;
    return SUCCESS;
}

int cuLibraryGetKernel(struct kernel **kernel, void *library, const char *name)
{
    (void)library;
    for (size_t i = 0; i < N_KERNELS; i++) {
        *kernel = &kernels[i];
        if (strcmp(name, kernels[i].name) == 0)
            return SUCCESS;
    }
    return NOT_FOUND;
}

int cuKernelGetLibrary(void **library, struct kernel *kernel)
{
    (void)kernel;
    *library = kernels;
    return SUCCESS;
}

int cuKernelGetFunction(void **function, struct kernel *kernel)
{
    if (!current)
        return INVALID_CONTEXT;
    kernel->is_loaded[*current] = 1;
    *function = kernel;
    return SUCCESS;
}

int cuKernelSetAttribute(int attribute, int value, struct kernel *kernel, int device)
{
    if (attribute != MAX_SHARED || value > MOST_MAX_SHARED)
        return INVALID_VALUE;
    kernel->max_shared[device] = (unsigned)value;
    return SUCCESS;
}

int cuLaunchKernelEx(const struct config *config, struct kernel *kernel,
                     void **arguments, void **extra)
{
    if (!current)
        return INVALID_CONTEXT;
    const unsigned most = kernel->max_shared[*current];
    if (!config->grid[0] || config->grid[1] != 1 || config->grid[2] != 1 ||
        !config->block[0] || config->block[1] != 1 || config->block[2] != 1 ||
        config->block[0] > kernel->max_threads || config->n_attributes || extra ||
        config->shared_nbytes > (most ? most : LEAST_MAX_SHARED) ||
        !kernel->is_loaded[*current])
        return INVALID_VALUE;
    struct launch launch = {.kernel = (uint64_t)(kernel - kernels),
                            .device = (uint64_t)*current,
                            .n_blocks = config->grid[0],
                            .n_threads = config->block[0],
                            .shared_nbytes = config->shared_nbytes,
                            .stream = (uint64_t)(uintptr_t)config->stream};
    for (unsigned i = 0; i < kernel->n_arguments; i++)
        memcpy(&launch.arguments[i], arguments[i], 8);
    const uint64_t number = fake_n_launches++;
    if (number < MAX_LAUNCHES)
        fake_launches[number] = launch;
    if (fake_is_capturing)
        return number < MAX_LAUNCHES ? SUCCESS : INVALID_VALUE;
    const int code = fake_observer ? fake_observer(number) : SUCCESS;
    if (code)
        return code == CAPTURED ? SUCCESS : code;
    return run(&launch);
}

int cuStreamSynchronize(void *stream)
{
    (void)stream;
    return SUCCESS;
}
