# IDX headers, gzip members, PNG rows, and mapped files. Part of _core.pyx.

# ---- IDX ------------------------------------------------------------------------

# Type bytes of IDX headers, by the names of their numpy dtypes.
IDX_TYPES = {"uint8": 0x08, "int8": 0x09, "int16": 0x0B, "int32": 0x0C,
             "float32": 0x0D, "float64": 0x0E}
IDX_MAX_NDIM = FM_IDX_MAX_NDIM
cdef dict IDX_DTYPES = {code: name for name, code in IDX_TYPES.items()}


def idx_header(const uint8_t[::1] head not None, str source not None):
    """Return the IDX header at the start of `head`; 1024 bytes are always enough.

    The result is ``(dtype, shape, header_nbytes, data_nbytes)``. A bad header raises a
    FormatError that names the file `source`.
    """
    cdef fm_idx_header header
    cdef const uint8_t *start = &head[0] if head.shape[0] else NULL
    cdef size_t nbytes = head.shape[0]
    cdef fm_status status
    with nogil:
        status = fm_idx_parse(start, nbytes, &header)
    if status != FM_OK:
        first = " ".join(f"{byte:02X}" for byte in bytes(head[:4]))
        message = fm_status_message(status).decode()
        content = f"the content starts with {first}" if first else "it is empty"
        raise FormatError(f"{source}: {message} ({content})")
    shape = ()
    for i in range(header.ndim):
        shape += (header.dims[i],)
    return (np.dtype(IDX_DTYPES[header.type]), shape, header.header_nbytes,
            header.data_nbytes)


def idx_swap(cnp.ndarray items not None):
    """Convert items between big-endian and native byte order, in place.

    `items` must be C-contiguous and writable, with items of 1, 2, 4 or 8 bytes.
    """
    if not (items.flags.c_contiguous and items.flags.writeable):
        kind = "read-only" if items.flags.c_contiguous else "not C-contiguous"
        raise ValueError("items must be C-contiguous and writable, got an array that "
                         f"is {kind}")
    cdef uint8_t *start = <uint8_t *>cnp.PyArray_DATA(items)
    cdef size_t n_items = cnp.PyArray_SIZE(items)
    cdef int item_nbytes = cnp.PyArray_ITEMSIZE(items)
    with nogil:
        fm_idx_swap(start, n_items, item_nbytes)


def gzip_ends_after(const uint8_t[::1] content not None, uint32_t isize):
    """Return whether only zeros follow the first gzip member, whose size is `isize`.

    The caller verifies this member. False may be wrong: src/gzip.h explains when.
    """
    cdef const uint8_t *start = &content[0] if content.shape[0] else NULL
    cdef size_t nbytes = content.shape[0]
    cdef bint is_end
    with nogil:
        is_end = fm_gzip_ends_after(start, nbytes, isize)
    return is_end


def png_unfilter(const uint8_t[::1] filtered not None, cnp.ndarray out not None,
                 str source not None):
    """Undo the filters of the decompressed rows of an 8-bit grayscale PNG.

    `filtered` has ``height * (1 + width)`` bytes. `out` receives the pixels and must be
    C-contiguous, writable uint8 of shape (height, width). An unknown filter type raises
    a FormatError that names the file `source`.
    """
    if (out.dtype != np.uint8 or out.ndim != 2 or 0 in (<object>out).shape
            or not (out.flags.c_contiguous and out.flags.writeable)):
        raise ValueError("out must be C-contiguous, writable uint8 of shape "
                         f"(height, width), got {out.dtype} {(<object>out).shape}")
    cdef size_t height = cnp.PyArray_DIM(out, 0), width = cnp.PyArray_DIM(out, 1)
    if <size_t>filtered.shape[0] != height * (1 + width):
        raise ValueError(f"filtered must have {height * (1 + width)} bytes for "
                         f"{height}x{width} pixels, got {filtered.shape[0]}")
    cdef uint8_t *start = <uint8_t *>cnp.PyArray_DATA(out)
    cdef fm_status status
    with nogil:
        status = fm_png_unfilter(&filtered[0], height, width, start)
    check(status, source)


# ---- mapped files -----------------------------------------------------------------

cdef class FileMap:
    """The first `nbytes` bytes of an open file, mapped into memory as a buffer.

    The file may be closed afterward. If it becomes shorter, a read of the missing part
    raises a FormatError that names the file `name`; src/faults.h explains how. Reads
    outside the core that run in several threads belong in a block of FileReads.
    """
    cdef void *start
    cdef size_t nbytes
    cdef fm_faults_range *watched

    def __cinit__(self, int file, size_t nbytes, str name not None):
        if nbytes == 0:
            raise ValueError("nbytes must be at least 1, got 0 (an empty file can't be "
                             "mapped)")
        self.nbytes = nbytes
        with nogil:
            self.start = fm_filemap_new(file, nbytes)
        if self.start == NULL:
            PyErr_SetFromErrno(OSError)
        self.watched = fm_faults_watch(self.start, nbytes, os.fsencode(name))
        if self.watched == NULL:
            raise MemoryError("there is not enough memory to map another file")

    def __dealloc__(self):
        if self.watched != NULL:
            fm_faults_unwatch(self.watched)
        if self.start != NULL:
            with nogil:
                fm_filemap_free(self.start, self.nbytes)

    def __getbuffer__(self, Py_buffer *buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.start, self.nbytes, 1, flags)


cdef int raise_damage(const char *name) except -1:
    """Raise the exception for a damaged file, unless `name` is NULL."""
    if name != NULL:
        raise FormatError(
            f"{os.fsdecode(name)}: part of the file can't be read any more, because "
            "the file became shorter while it was in use, or because its disk failed.\n"
            "Load the dataset again. Replace files that are in use instead of writing "
            "to them.")
    return 0


cdef int check_reads(const void *start, size_t nbytes) except -1:
    """Raise FormatError if some of these bytes are of a damaged file."""
    return raise_damage(fm_faults_report(start, nbytes))


cdef class FileReads:
    """A block of reads of arrays outside the core: ``with FileReads(arrays): ...``.

    At its end, a FormatError is raised if a file behind the arrays became shorter.
    `arrays` is a sequence of C-contiguous arrays, or of objects with such a buffer.
    """
    cdef object arrays

    def __cinit__(self, arrays):
        self.arrays = arrays

    def __enter__(self):
        fm_faults_begin()

    def __exit__(self, kind, error, traceback):
        cdef Py_buffer buffer
        fm_faults_end()
        if kind is not None or fm_faults_count() == 0:
            return
        for array in self.arrays:
            PyObject_GetBuffer(array, &buffer, PyBUF_SIMPLE)
            try:
                check_reads(buffer.buf, buffer.len)
            finally:
                PyBuffer_Release(&buffer)


cdef int report_reads(void *unused) except -1:
    """Raise FormatError for a file that code outside the core has read.

    The interpreter calls this in its main thread, after the bytecode that read.
    """
    cdef const char *name = fm_faults_next()
    if name != NULL:  # there may be more of them
        Py_AddPendingCall(report_reads, NULL)
    return raise_damage(name)


cdef int notify_reader() noexcept nogil:
    """Let the interpreter call `report_reads`; the handler of SIGBUS calls this.

    Py_AddPendingCall isn't safe in handlers of signals that interrupt it, because it
    holds a lock. CPython's own handler, trip_signal in Modules/signalmodule.c, calls it
    nevertheless. This signal is raised by a read of a mapped file, which no thread does
    while it holds this lock.
    """
    return Py_AddPendingCall(report_reads, NULL)
