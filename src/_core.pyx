# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The binding between the Python package and the C kernels.

Only this file knows both sides. Every function checks its arguments, takes pointers,
calls a kernel without the GIL, checks the status and returns.
"""
cimport cython
cimport numpy as cnp
from cpython.buffer cimport (PyBuffer_FillInfo, PyBuffer_Release, PyBUF_SIMPLE,
                             PyObject_GetBuffer)
from cpython.exc cimport PyErr_CheckSignals, PyErr_SetFromErrno
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport UINT32_MAX, uint32_t, uint64_t, uint8_t, uintptr_t
from libc.stdlib cimport calloc, free

from kernels cimport *

import functools
import operator
import os
import threading
import warnings

import numpy as np

from fmnist_fast.errors import FormatError

cnp.import_array()

cdef extern from "Python.h":
    int Py_AddPendingCall(int (*function)(void *) except -1, void *argument) nogil

cdef extern from "numpy/arrayobject.h":
    object PyArray_NewFromDescr(type subtype, cnp.dtype descr, int nd,
                                cnp.npy_intp *dims, cnp.npy_intp *strides, void *data,
                                int flags, void *obj)


cdef int check(fm_status status, str source="") except -1:
    """Raise the exception for `status`; `source` names the file at fault."""
    if status == FM_OK:
        return 0
    message = fm_status_message(status).decode()
    if status == FM_NO_MEMORY:
        raise MemoryError(message)
    if source:
        raise FormatError(f"{source}: {message}")
    raise RuntimeError(message)


# ---- exit -----------------------------------------------------------------------

cdef bint is_exiting = False


def begin_exit():
    """Let daemon threads end quietly from now on, when they need a batch."""
    global is_exiting
    is_exiting = True


cdef int end_daemon_thread() except -1:
    """Raise SystemExit in a daemon thread while the process exits."""
    if is_exiting and threading.current_thread().daemon:
        raise SystemExit
    return 0


# ---- instruction sets -----------------------------------------------------------

CPU_LEVELS = ("baseline", "avx2", "avx512")
cdef fm_cpu_shared level_in_use = fm_cpu_detect()


cdef fm_cpu_level cpu_level() noexcept:
    return <fm_cpu_level>FM_CPU_LOAD(level_in_use)


def cpu_levels():
    """Return the instruction set levels that this machine can run, lowest first."""
    return CPU_LEVELS[:fm_cpu_detect() + 1]


def get_cpu_level():
    """Return the level whose kernels new calls and loaders use."""
    return CPU_LEVELS[cpu_level()]


def set_cpu_level(level):
    """Use the kernels of `level` from now on. Loaders in use keep their kernels."""
    if level not in CPU_LEVELS:
        raise ValueError(f"CPU level must be one of {', '.join(CPU_LEVELS)}, "
                         f"got {level!r}")
    if level not in cpu_levels():
        raise ValueError("CPU level must be one that this machine has "
                         f"({', '.join(cpu_levels())}), got {level!r}")
    FM_CPU_STORE(level_in_use, <int>CPU_LEVELS.index(level))


# ---- floats ---------------------------------------------------------------------

def default_floats(function):
    """Return `function` so that it computes the same in every thread.

    While it runs, operations on floats round to the nearest number, keep denormal
    numbers, and do not trap. Afterward the caller's state is as before.
    """
    @functools.wraps(function)
    def called(*arguments, **options):
        cdef fm_floats caller
        fm_floats_begin(&caller)
        try:
            return function(*arguments, **options)
        finally:
            fm_floats_end(&caller)

    return called


# ---- interrupts -----------------------------------------------------------------

def uninterrupted(function):
    """Return `function` as a callback that is repeated until nothing interrupts it.

    Python drops the exceptions of callbacks of weak references. So a KeyboardInterrupt
    is raised afterward, in the main thread, where the program is by then.
    """
    @functools.wraps(function)
    def called(*arguments):
        interrupt = None
        while True:
            try:
                function(*arguments)
                break
            except KeyboardInterrupt as error:
                interrupt = error
        if interrupt is not None:
            Py_INCREF(interrupt)
            Py_AddPendingCall(raise_later, <void *>interrupt)

    return called


cdef int raise_later(void *error) except -1 with gil:
    interrupt = <object>error
    Py_DECREF(interrupt)
    raise interrupt


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


fm_faults_setup(notify_reader)


# ---- statistics, photos, order, random numbers -----------------------------------

def pixel_sums(cnp.ndarray pixels not None):
    """Return the exact sum of `pixels`, and of their squares, as Python integers.

    `pixels` must be C-contiguous uint8, of any shape.
    """
    if pixels.dtype != np.uint8 or not pixels.flags.c_contiguous:
        raise ValueError(f"pixels must be C-contiguous uint8, got {pixels.dtype} of "
                         f"strides {(<object>pixels).strides}")
    cdef const uint8_t *start = <const uint8_t *>cnp.PyArray_DATA(pixels)
    cdef size_t n = cnp.PyArray_SIZE(pixels)
    cdef uint64_t total, squares
    cdef fm_stats_fn *stats = fm_stats_select(cpu_level())
    with nogil:
        fm_faults_begin()
        stats(start, n, &total, &squares)
        fm_faults_end()
    check_reads(start, n)
    return total, squares


def photo_box(const uint8_t[:, :, ::1] pixels not None, int limit):
    """Return the rectangle that remains when edges of one color are trimmed.

    `pixels` is uint8 of shape (height, width, 3). The result ``(top, bottom, left,
    right)`` stands for rows ``[top, bottom)`` and columns ``[left, right)``. An edge is
    trimmed while its pixels are close to the color of a corner. Two colors are close if
    their squared differences sum to at most `limit`. If all pixels are close, the
    result is ``(height, 0, width, 0)``.
    """
    cdef size_t height = pixels.shape[0], width = pixels.shape[1]
    if height == 0 or width == 0 or pixels.shape[2] != 3:
        raise ValueError("pixels must have shape (height, width, 3) and not be empty, "
                         f"got ({height}, {width}, {pixels.shape[2]})")
    cdef const uint8_t *start = &pixels[0, 0, 0]
    cdef fm_photos_box box
    with nogil:
        fm_photos_trim(start, height, width, limit, &box)
    return box.top, box.bottom, box.left, box.right


def order(uint64_t n, *, uint64_t seed=0, uint32_t epoch=0, begin=0, end=None,
          uint64_t block=0):
    """Return the rows at positions ``[begin, end)`` of the shuffled order of an epoch.

    The result is uint64 of shape ``(end - begin,)``, a slice of a permutation of
    ``range(n)``. `block` is the `shuffle_block` of Loader, and 0 stands for none.
    """
    end = n if end is None else end
    if not 0 <= begin <= end <= n <= FM_ORDER_MAX_N:
        raise ValueError("begin, end and n must satisfy 0 <= begin <= end <= n <= "
                         f"2**62, got begin={begin}, end={end}, n={n}")
    if block > FM_ORDER_MAX_BLOCK:
        raise ValueError(f"block must be at most 2**40, got {block}")
    cdef cnp.ndarray out = np.empty(end - begin, dtype=np.uint64)
    cdef uint64_t *start = <uint64_t *>cnp.PyArray_DATA(out)
    cdef uint64_t first = begin
    cdef size_t count = end - begin
    cdef fm_order epoch_order
    cdef fm_order_fn *fill = fm_order_select(cpu_level())
    with nogil:
        fm_order_init(&epoch_order, n, 1, block, seed, epoch)
        fill(&epoch_order, first, count, start)
    return out


def draw(uint64_t seed, uint32_t epoch, uint64_t position, uint32_t operation,
         uint32_t draw):
    """Return the four random words of one draw, as a tuple of integers below 2**32."""
    cdef uint32_t[4] out
    fm_rng_draw(seed, epoch, position, <fm_operation>operation, draw, out)
    return out[0], out[1], out[2], out[3]


# ---- augmentation ----------------------------------------------------------------

TRANSFORM_KINDS = {
    "group": FM_STEP_GROUP, "choice": FM_STEP_CHOICE, "crop": FM_STEP_CROP,
    "flip": FM_STEP_FLIP, "affine": FM_STEP_AFFINE, "elastic": FM_STEP_ELASTIC,
    "resize": FM_STEP_RESIZE, "resized_crop": FM_STEP_RESIZED_CROP,
    "tone": FM_STEP_TONE, "jitter": FM_STEP_JITTER, "blur": FM_STEP_BLUR,
    "sharpness": FM_STEP_SHARPNESS, "noise": FM_STEP_NOISE,
    "erasing": FM_STEP_ERASING, "cutout": FM_STEP_CUTOUT, "user": FM_STEP_USER}
PADDING_MODES = {"constant": FM_PAD_CONSTANT, "edge": FM_PAD_EDGE,
                 "reflect": FM_PAD_REFLECT, "symmetric": FM_PAD_SYMMETRIC}
INTERPOLATIONS = {"nearest": FM_NEAREST, "bilinear": FM_BILINEAR}
TONE_KINDS = {
    "invert": FM_TONE_INVERT, "posterize": FM_TONE_POSTERIZE,
    "solarize": FM_TONE_SOLARIZE, "brightness": FM_TONE_BRIGHTNESS,
    "contrast": FM_TONE_CONTRAST, "autocontrast": FM_TONE_AUTOCONTRAST,
    "equalize": FM_TONE_EQUALIZE}
MIX_KINDS = {"mixup": FM_MIXUP, "cutmix": FM_CUTMIX}
MAX_BLUR_SIZE = FM_BLUR_MAX_SIZE
MAX_MIX_KINDS = FM_MIX_MAX_KINDS
MAX_WARP_SIDE = FM_QUADS_MAX_SIDE


cdef int set_step(fm_step *step, str kind, double p, dict fields) except -1:
    """Fill the core's struct `step` from one transform of compile_transforms."""
    step.kind = TRANSFORM_KINDS[kind]
    step.threshold = <uint64_t>(p * 4294967296.0)
    if kind == "group" or kind == "choice":
        step.n_inner, step.until = fields["n_inner"], fields.get("until", 0)
    elif kind == "crop":
        step.crop = fields
    elif kind == "flip":
        step.flip = fields
    elif kind == "affine":
        step.affine = fields
    elif kind == "elastic":
        step.elastic = fields
    elif kind == "resize":
        step.resize = fields
    elif kind == "resized_crop":
        step.resized_crop = fields
    elif kind == "tone":
        step.tone = fields
    elif kind == "jitter":
        step.jitter = fields
    elif kind == "blur":
        step.blur = fields
    elif kind == "sharpness":
        step.sharpness = fields
    elif kind == "noise":
        step.noise = fields
    elif kind == "erasing":
        step.erasing = fields
    elif kind == "cutout":
        step.cutout = fields
    elif kind == "user":
        step.user.function = <fm_user_fn *><uintptr_t>fields["function"]
        step.user.data = <void *><uintptr_t>fields["data"]
    return 0


@cython.no_gc_clear  # threads of a Pipeline run the user's C functions
cdef class Transforms:
    """An augmentation in the core's form: a flat list of transforms, and a mix.

    `compiled` is the result of compile_transforms, which has checked everything against
    images of `height` x `width` pixels.
    """
    cdef fm_step *memory
    cdef fm_steps steps
    cdef fm_mix mix
    cdef readonly object compiled  # keeps C functions of the user alive

    def __cinit__(self, compiled, size_t height, size_t width):
        cdef size_t i, n_steps = len(compiled.transforms)
        self.compiled = compiled
        self.memory = <fm_step *>calloc(n_steps + 1, sizeof(fm_step))
        if self.memory == NULL:
            raise MemoryError(f"there is not enough memory for {n_steps} transforms")
        for i in range(n_steps):
            kind, p, fields = compiled.transforms[i]
            set_step(&self.memory[i], kind, p, fields)
        self.steps.steps, self.steps.n_steps = self.memory, n_steps
        self.steps.height, self.steps.width = height, width
        self.steps.out_height = compiled.height
        self.steps.out_width = compiled.width
        fm_steps_select(&self.steps, cpu_level())
        if compiled.mix is not None:
            p, fields = compiled.mix
            self.mix.operation = FM_DRAW_AUGMENT + n_steps
            self.mix.threshold = <uint64_t>(<double>p * 4294967296.0)
            self.mix.n_kinds = len(fields["kinds"])
            for i in range(self.mix.n_kinds):
                kind, alpha, until = fields["kinds"][i]
                self.mix.kinds[i] = fm_mix_part(kind, alpha, until)

    def __dealloc__(self):
        free(self.memory)

    def run(self, const uint8_t[:, ::1] image not None, *, uint64_t seed, epochs,
            uint64_t position):
        """Return `image` as it is augmented in each of `epochs`, without the mix.

        The image is row `position` of its dataset, and at that position in every epoch.
        The result is uint8 of shape ``(len(epochs), height, width)``.
        """
        if (image.shape[0], image.shape[1]) != (self.steps.height, self.steps.width):
            raise ValueError(f"image must have shape ({self.steps.height}, "
                             f"{self.steps.width}), got ({image.shape[0]}, "
                             f"{image.shape[1]})")
        cdef cnp.ndarray memory = np.empty(fm_steps_memory_nbytes(&self.steps) + 64,
                                           np.uint8)
        cdef uintptr_t address = <uintptr_t>cnp.PyArray_DATA(memory)
        cdef void *aligned = <void *>((address + 63) // 64 * 64)
        cdef cnp.npy_intp[2] shape = [self.steps.out_height, self.steps.out_width]
        cdef const uint8_t *pixels
        cdef uint32_t epoch
        images = []
        cdef fm_floats caller
        for epoch in epochs:
            with nogil:
                fm_floats_begin(&caller)
                fm_faults_begin()
                pixels = fm_steps_run(&self.steps, seed, epoch, position, position,
                                      &image[0, 0], 1, NULL, 0, aligned)
                fm_faults_end()
                fm_floats_end(&caller)
            images.append(cnp.PyArray_SimpleNewFromData(
                2, shape, cnp.NPY_UINT8, <void *>pixels).copy())
        check_reads(&image[0, 0], image.shape[0] * image.shape[1])
        return np.stack(images)


# ---- batches --------------------------------------------------------------------

DTYPES = {"float32": FM_FLOAT32, "float16": FM_FLOAT16, "bfloat16": FM_BFLOAT16,
          "uint8": FM_UINT8}
LABEL_DTYPES = {"int64": FM_LABEL_INT64, "int32": FM_LABEL_INT32,
                "uint8": FM_LABEL_UINT8, "onehot": FM_LABEL_ONEHOT}
LASTS = {False: FM_LAST_SHORT, True: FM_LAST_DROP, "wrap": FM_LAST_WRAP}
MAX_EPOCH = UINT32_MAX  # the epoch is one word of the counter of the random numbers
MAX_SHUFFLE_BLOCK = FM_ORDER_MAX_BLOCK
SLOT_ALIGNMENT = FM_SLOT_ALIGNMENT
# Not in comprehensions: without memory, Cython 3.3.1 releases an item of them twice.
address_of = operator.attrgetter("ctypes.data")


@cython.no_gc_clear  # threads read the arrays until __dealloc__ has joined them
cdef class Pipeline:
    """Worker threads and slots for one dataset and one set of options.

    The caller (loader.py) has checked all arguments.

    Parameters
    ----------
    parts : tuple of ndarray
        Images, at least one array; each is C-contiguous uint8 of shape
        ``(its rows, height, width)``.
    labels : ndarray
        Labels of all parts: C-contiguous uint8, int32 or int64. All of them fit
        `label_dtype`.
    transforms : Transforms or None
        The augmentation.
    dtype : str
        Data type of the images in a batch, a key of DTYPES.
    scale, bias : float
        Pixels become ``pixel * scale + bias``.
    image_shape : tuple of int
        Shape of a batch of images, without the number of rows.
    array_dtype : numpy dtype
        Dtype of the arrays that show the images.
    label_dtype : str
        Data type of the labels in a batch, a key of LABEL_DTYPES.
    n_classes : int
        Width of a one-hot row.
    rows : int
        Rows of the largest batch.
    threads : int
        Number of worker threads, at least 1.
    prefetch : int
        Batches to keep ready, at least 1.
    slots : sequence of ndarray
        Writable, aligned arrays to keep batches in. If it is empty, the system provides
        the memory.
    """
    cdef fm_pipeline *pipeline
    cdef fm_slot_layout layout
    cdef object parts, begins, addresses, labels, slots  # kept alive: used by the core
    cdef uint64_t n
    cdef Transforms transforms
    cdef cnp.dtype array_dtype, label_array_dtype
    cdef int threads, image_ndim, label_ndim
    cdef cnp.npy_intp[4] image_shape  # without the rows, as label_shape
    cdef cnp.npy_intp[2] label_shape
    cdef bint has_warned
    cdef object __weakref__

    def __cinit__(self, tuple parts not None, cnp.ndarray labels not None, *,
                  Transforms transforms, str dtype, double scale, double bias,
                  tuple image_shape, array_dtype, str label_dtype, size_t n_classes,
                  uint64_t rows, int threads, uint64_t prefetch, slots):
        cdef fm_plan plan
        cdef cnp.ndarray addresses, begins
        self.parts, self.labels, self.transforms = parts, labels, transforms
        self.array_dtype, self.threads = array_dtype, threads
        self.label_array_dtype = np.dtype(
            np.float32 if label_dtype == "onehot" else label_dtype)
        self.image_ndim = 1 + len(image_shape)
        for i, side in enumerate(image_shape):
            self.image_shape[1 + i] = side
        self.label_ndim = 2 if label_dtype == "onehot" else 1
        self.label_shape[1] = n_classes

        begins = np.cumsum([0, *map(len, parts)], dtype=np.uint64)
        addresses = np.array([*map(address_of, parts)], dtype=np.uintp)
        self.begins, self.addresses, self.n = begins, addresses, begins[len(parts)]
        _, height, width = parts[0].shape
        plan.parts = fm_parts(len(parts), <uint64_t *>cnp.PyArray_DATA(begins),
                              <const uint8_t **>cnp.PyArray_DATA(addresses),
                              height * width)
        plan.labels = cnp.PyArray_DATA(labels)
        plan.n_pixels, plan.steps, plan.mix = plan.parts.image_nbytes, NULL, NULL
        if transforms is not None:
            plan.n_pixels = transforms.steps.out_height * transforms.steps.out_width
            plan.steps = &transforms.steps
            if transforms.mix.n_kinds:
                plan.mix = &transforms.mix
        plan.labels_in = LABEL_DTYPES[labels.dtype.name]
        plan.labels_out = LABEL_DTYPES[label_dtype]
        plan.n_classes = n_classes
        plan.dtype = DTYPES[dtype]
        plan.scale, plan.bias = <float>scale, <float>bias
        fm_plan_select(&plan, rows, cpu_level())
        check(fm_slots_layout(&plan, rows, &self.layout))
        for i, slot in enumerate(slots):
            if slot.nbytes < self.layout.nbytes:
                raise ValueError(f"slots[{i}] must have at least {self.layout.nbytes} "
                                 f"bytes, got {slot.nbytes}")
        self.slots = slots
        addresses = np.array([*map(address_of, slots)], dtype=np.uintp)
        self.pipeline = fm_pipeline_new(&plan, &self.layout, threads, prefetch,
                                        <void **>cnp.PyArray_DATA(addresses),
                                        len(slots))
        if self.pipeline == NULL:
            check(FM_NO_MEMORY)

    def __del__(self):
        """Join the threads before anything that they read is freed.

        This is C code. Python code would run signal handlers, and Ctrl-C would be lost.
        """
        cdef fm_status status = FM_OK
        if self.pipeline != NULL:
            with nogil:
                status = fm_pipeline_close(self.pipeline)
        if status != FM_OK:  # this is a worker, which can't wait for itself
            threading.Thread(target=self.close).start()

    def __dealloc__(self):
        cdef fm_status status = FM_OK
        if self.pipeline != NULL:
            with nogil:
                status = fm_pipeline_free(self.pipeline)
        if status != FM_OK:  # this is a worker, and the system refused a thread
            Py_INCREF((self.parts, self.begins, self.addresses, self.labels,
                       self.transforms, self.slots))

    def start(self, *, bint shuffle, uint64_t block, uint64_t seed, uint32_t epoch,
              uint64_t begin, uint64_t batch_size, uint64_t rank, uint64_t world,
              drop_last, owner):
        """Begin an epoch at position `begin`, and return its Batches.

        The Batches keep `owner` alive.
        """
        cdef fm_epoch new_epoch
        cdef fm_status status
        cdef uint64_t n = self.n
        cdef fm_last last = LASTS[drop_last]
        if (batch_size if last == FM_LAST_WRAP else min(n, batch_size)) > \
                self.layout.rows:
            raise ValueError(f"batch_size must be at most {self.layout.rows}, the rows "
                             f"of a slot, got {batch_size}")
        cdef fm_batching batching = fm_batching(begin, n, batch_size, rank, world,
                                                last)
        cdef Batches batches = Batches.__new__(Batches)
        batches.pipeline, batches.owner = self, owner
        batches.n_batches = fm_batching_count(&batching)
        end_daemon_thread()
        with nogil:
            new_epoch.seed, new_epoch.number = seed, epoch
            fm_order_init(&new_epoch.order, n, shuffle, block, seed, epoch)
            status = fm_pipeline_start(self.pipeline, &new_epoch, &batching,
                                       &batches.ticket)
        check(status)
        self.warn_of_missing_threads()
        return batches

    cdef int warn_of_missing_threads(self) except -1:
        """Warn once if the system refused threads."""
        cdef int n_started = self.state().n_threads
        if n_started < self.threads and FM_THREADS and not self.has_warned:
            self.has_warned = True
            warnings.warn(
                f"the system started only {n_started} of {self.threads} worker threads "
                "of a loader.\nBatches are the same, but are filled more slowly. Pass "
                f"threads={max(1, n_started)}, or raise the limit of processes.",
                RuntimeWarning, stacklevel=4)  # of the loop
        return 0

    def close(self):
        """Join the threads. Batches that are still held stay valid."""
        cdef fm_status status
        with nogil:
            status = fm_pipeline_close(self.pipeline)
        check(status)

    def progress(self, uint64_t ticket):
        """Return how far the Batches of this ticket are: ``(n_taken, is_over)``.

        `n_taken` is the number of batches that were taken. `is_over` is whether a
        consumer was told that no batch follows. Return None if other Batches were
        started since.
        """
        cdef fm_pipeline_state state = self.state()
        if state.ticket != ticket:
            return None
        return state.n_taken, bool(state.is_over)

    cdef fm_pipeline_state state(self) noexcept:
        cdef fm_pipeline_state state
        with nogil:
            fm_pipeline_inspect(self.pipeline, &state)
        return state

    @property
    def closed(self):
        """Return whether `close` was called."""
        return bool(self.state().is_closed)

    @property
    def forked(self):
        """Return whether this process is a forked child of the one with the threads."""
        return fm_pipeline_forked(self.pipeline)

    @property
    def slots_nbytes(self):
        """Return the bytes held in slots now."""
        return self.state().slots_nbytes

    @property
    def slot_nbytes(self):
        """Return the bytes of one slot."""
        return self.layout.nbytes

    @property
    def n_lent(self):
        """Return the number of batches that are held by the consumer."""
        return self.state().n_lent

    @property
    def window(self):
        """Return the number of batches that are kept ready."""
        return fm_pipeline_window(self.pipeline)

    cdef object batch(self, Lease lease, uint64_t n_rows):
        """Return the batch in the slot of `lease` as arrays, ``(images, labels)``."""
        cdef cnp.npy_intp[4] image_shape = self.image_shape
        cdef cnp.npy_intp[2] label_shape = self.label_shape
        image_shape[0] = label_shape[0] = n_rows
        return (lease.array(self.array_dtype, self.image_ndim, image_shape,
                            lease.slot.images),
                lease.array(self.label_array_dtype, self.label_ndim, label_shape,
                            lease.slot.labels))


@cython.final
@cython.freelist(16)
@cython.no_gc  # GC can't look through arrays, so a lease must be part of no cycle
cdef class Lease:
    """Owner of a batch's memory. It gives the slot back when no array refers to it.

    It does not refer to the Pipeline. A Pipeline refers to the user's transforms, and a
    transform that keeps a batch would never be freed. The core keeps what
    fm_pipeline_give needs.
    """
    cdef fm_pipeline *pipeline
    cdef fm_slot *slot
    cdef object memory  # supplied slots, which must outlive the arrays

    def __dealloc__(self):
        if self.slot != NULL:
            fm_pipeline_give(self.pipeline, self.slot)

    cdef object array(self, cnp.dtype dtype, int ndim, cnp.npy_intp *shape, void *data):
        """Return an array at `data` in the slot, which keeps this lease alive."""
        Py_INCREF(dtype)  # the call below steals a reference
        out = PyArray_NewFromDescr(cnp.ndarray, dtype, ndim, shape, NULL, data,
                                   cnp.NPY_ARRAY_CARRAY, NULL)
        cnp.set_array_base(out, self)
        return out


@cython.no_gc_clear  # __dealloc__ needs the pipeline
cdef class Batches:
    """Iterator over the batches of one epoch, which are tuples ``(images, labels)``.

    ``Batches()`` has none. `Pipeline.start` returns the others.

    Thread safety: Python threads may share the iterator; each batch goes to one thread.
    """
    cdef readonly Pipeline pipeline
    cdef readonly uint64_t ticket
    cdef uint64_t n_batches  # of the epoch, from where it was started
    cdef object owner
    cdef object __weakref__

    def __iter__(self):
        return self

    def __length_hint__(self):
        """Return the number of batches that are left."""
        cdef fm_pipeline_state state
        if self.pipeline is None:
            return 0
        state = self.pipeline.state()
        if state.ticket != self.ticket or not state.is_running:
            return 0
        return self.n_batches - state.n_taken

    def __reduce__(self):
        raise TypeError("an iterator can't be copied or pickled.\n"
                        "Copy or pickle the loader, or save loader.state_dict().")

    def __next__(self):
        cdef uint64_t index
        return self.next_batch(&index)

    def take(self):
        """Return the number of the next batch in this epoch, and the batch.

        Numbers count from 0 at the start of this iterator. Without another batch, raise
        StopIteration.
        """
        cdef uint64_t index
        batch = self.next_batch(&index)
        return index, batch

    cdef object next_batch(self, uint64_t *index):
        cdef Pipeline pipeline = self.pipeline
        cdef Lease lease = Lease.__new__(Lease)  # first: a slot needs an owner
        cdef uint64_t n_rows = 0
        cdef fm_status status
        if pipeline is None:
            raise StopIteration
        lease.pipeline, lease.memory = pipeline.pipeline, pipeline.slots
        while True:
            with nogil:
                status = fm_pipeline_take(lease.pipeline, self.ticket, 50, &lease.slot,
                                          index, &n_rows)
            if status == FM_OK:
                return pipeline.batch(lease, n_rows)
            if status == FM_PIPELINE_FINISHED:
                self.cancel()
                raise StopIteration
            if status == FM_PIPELINE_DAMAGED:
                with FileReads((*pipeline.parts, pipeline.labels)):
                    pass  # this raises
            if status != FM_PIPELINE_WAITING:
                end_daemon_thread()
                check(status)
            PyErr_CheckSignals()

    def close(self):
        """Stop filling batches of this epoch. Batches that were returned stay valid."""
        self.cancel()

    def __dealloc__(self):
        self.cancel()

    cdef void cancel(self) noexcept:
        if self.pipeline is not None:
            with nogil:
                fm_pipeline_cancel(self.pipeline.pipeline, self.ticket)

    @property
    def closed(self):
        """Return whether the epoch is over, or this iterator was closed."""
        cdef fm_pipeline_state state
        if self.pipeline is None:
            return True
        state = self.pipeline.state()
        return state.ticket != self.ticket or not state.is_running


fm_pipeline_setup()
