# The kernels of devices on this machine, and their structs as bytes. Part of _core.pyx.

MAX_SHARED_NBYTES = FM_DEVICE_SHARED_NBYTES
LAUNCH_NBYTES = sizeof(fm_launch)
KERNELS = {"start": FM_HOST_START, "advance": FM_HOST_ADVANCE, "plan": FM_HOST_PLAN,
           "fill": FM_HOST_FILL, "cut": FM_HOST_CUT, "gather": FM_HOST_GATHER}


def source_bytes(uint64_t address, uint64_t n, uint64_t n_images, uint64_t image_nbytes,
                 uint64_t images, uint64_t rows, str label_dtype, uint64_t labels):
    """Return a source of n rows as bytes for a device, which has them at `address`.

    `images`, `rows` and `labels` are addresses of that device: of n_images images, of
    the uint64 (n,) row of each index in them, or 0, and of n labels.
    """
    cdef uint64_t[3] behind = [0, n_images, images]
    cdef fm_source source
    address += sizeof(fm_source)
    source.images = fm_parts(n_parts=1, begins=<uint64_t *><uintptr_t>address,
                             images=<const uint8_t **><uintptr_t>(address + 16),
                             image_nbytes=image_nbytes)
    source.n, source.rows = n, <const uint64_t *><uintptr_t>rows
    source.n_columns, source.columns = 0, NULL
    source.labels = <const void *><uintptr_t>labels
    source.label_dtype = LABEL_DTYPES[label_dtype]
    return ((<const char *>&source)[:sizeof(fm_source)] +
            (<const char *>behind)[:sizeof(behind)])


def launch_place(const uint8_t[::1] launch not None):
    """Return the epoch and the position at which a launch begins.

    `launch` holds a struct fm_launch that begins at row 0 of a batch.
    """
    cdef uint64_t begin, n_rows
    cdef fm_launch copy
    if launch.nbytes != sizeof(copy):
        raise ValueError(f"launch must have {sizeof(copy)} bytes, got {launch.nbytes}")
    memcpy(&copy, &launch[0], sizeof(copy))
    fm_batching_global(&copy.batching, copy.batch, &begin, &n_rows)
    return copy.epoch.number, begin


def launch_on_host(str name, uint64_t n_blocks, size_t shared_nbytes, *arguments):
    """Run a kernel of kernels.cu, a key of KERNELS, on this machine.

    `arguments` are up to ten integers. Addresses are of memory of this process, and are
    not checked.
    """
    cdef fm_host_kernel kernel = KERNELS[name]
    cdef uint64_t[10] numbers
    cdef fm_floats caller
    for i, argument in enumerate(arguments):
        numbers[i] = argument
    cdef cnp.ndarray memory = np.empty(shared_nbytes + 15, np.uint8)
    cdef uintptr_t address = <uintptr_t>cnp.PyArray_DATA(memory)
    cdef uint8_t *shared = <uint8_t *>((address + 15) // 16 * 16)
    with nogil:
        fm_floats_begin(&caller)
        fm_host_launch(kernel, n_blocks, numbers, shared)
        fm_floats_end(&caller)
