# Programs: transforms and data types, ready to run. Part of _core.pyx.

TRANSFORM_KINDS = {
    "group": FM_TRANSFORM_GROUP, "choice": FM_TRANSFORM_CHOICE,
    "crop": FM_TRANSFORM_CROP, "flip": FM_TRANSFORM_FLIP,
    "affine": FM_TRANSFORM_AFFINE, "elastic": FM_TRANSFORM_ELASTIC,
    "resize": FM_TRANSFORM_RESIZE, "resized_crop": FM_TRANSFORM_RESIZED_CROP,
    "tone": FM_TRANSFORM_TONE, "jitter": FM_TRANSFORM_JITTER,
    "blur": FM_TRANSFORM_BLUR, "sharpness": FM_TRANSFORM_SHARPNESS,
    "noise": FM_TRANSFORM_NOISE, "erasing": FM_TRANSFORM_ERASING,
    "cutout": FM_TRANSFORM_CUTOUT, "user": FM_TRANSFORM_USER,
    "perspective": FM_TRANSFORM_PERSPECTIVE, "zoom_out": FM_TRANSFORM_ZOOM_OUT,
    "order": FM_TRANSFORM_ORDER, "salt_pepper": FM_TRANSFORM_SALT_PEPPER}
PADDING_MODES = {"constant": FM_PAD_CONSTANT, "edge": FM_PAD_EDGE,
                 "reflect": FM_PAD_REFLECT, "symmetric": FM_PAD_SYMMETRIC}
INTERPOLATIONS = {"nearest": FM_NEAREST, "bilinear": FM_BILINEAR,
                  "bicubic": FM_BICUBIC}
TONE_KINDS = {
    "invert": FM_TONE_INVERT, "posterize": FM_TONE_POSTERIZE,
    "solarize": FM_TONE_SOLARIZE, "brightness": FM_TONE_BRIGHTNESS,
    "contrast": FM_TONE_CONTRAST, "autocontrast": FM_TONE_AUTOCONTRAST,
    "equalize": FM_TONE_EQUALIZE}
MIX_KINDS = {"mixup": FM_MIXUP, "cutmix": FM_CUTMIX}
DTYPES = {"float32": FM_FLOAT32, "float16": FM_FLOAT16, "bfloat16": FM_BFLOAT16,
          "uint8": FM_UINT8}
LABEL_DTYPES = {"int64": FM_LABEL_INT64, "int32": FM_LABEL_INT32,
                "uint8": FM_LABEL_UINT8, "onehot": FM_LABEL_ONEHOT}
MAX_BLUR_SIZE = FM_BLUR_MAX_SIZE
MAX_CHANNELS = FM_PROGRAM_MAX_CHANNELS
MAX_MIX_KINDS = FM_MIX_MAX_KINDS
MAX_ORDERED = FM_TRANSFORM_MAX_ORDERED
MAX_TRANSFORMS = FM_PROGRAM_MAX_TRANSFORMS
MAX_VIEWS = FM_PROGRAM_MAX_VIEWS
MAX_WARP_SIDE = FM_QUADS_MAX_SIDE


cdef int set_transform(fm_transform *transform, str kind, double p,
                       dict fields) except -1:
    """Fill the core's struct from one transform of compile_transforms."""
    transform.kind = TRANSFORM_KINDS[kind]
    transform.threshold = <uint64_t>(p * 4294967296.0)
    if kind == "group" or kind == "choice" or kind == "order":
        transform.n_inner = fields["n_inner"]
        transform.until = fields.get("until", 0)
    elif kind == "crop":
        transform.crop = fields
    elif kind == "flip":
        transform.flip = fields
    elif kind == "affine":
        transform.affine = fields
    elif kind == "elastic":
        transform.elastic = fields
    elif kind == "resize":
        transform.resize = fields
    elif kind == "resized_crop":
        transform.resized_crop = fields
    elif kind == "tone":
        transform.tone = fields
    elif kind == "jitter":
        transform.jitter = fields
    elif kind == "blur":
        transform.blur = fields
    elif kind == "sharpness":
        transform.sharpness = fields
    elif kind == "noise":
        transform.noise = fields
    elif kind == "erasing":
        transform.erasing = fields
    elif kind == "cutout":
        transform.cutout = fields
    elif kind == "perspective":
        transform.perspective = fields
    elif kind == "zoom_out":
        transform.zoom_out = fields
    elif kind == "salt_pepper":
        transform.salt_pepper = fields
    return 0


@cython.no_gc_clear  # workers run it
cdef class Program:
    """The way from samples to one view of a batch: transforms, a mix, data types.

    Parameters
    ----------
    compiled : Compiled or None
        Result of compile_transforms, which has checked everything against images of
        `height` x `width` pixels. None changes nothing.
    height, width : int
        Size of an image of the dataset.
    dtype : str
        Data type of the images in a batch, a key of DTYPES.
    scale, bias : tuple of float
        Pixels of channel c become ``pixel * scale[c] + bias[c]``. Their length is the
        number of channels of an image in a batch.
    interleaved : bool
        Whether the channels of a pixel lie together, not in planes. It requires
        MAX_CHANNELS of them.
    label_dtype : str
        Data type of the labels in a batch, a key of LABEL_DTYPES.
    n_classes : int
        Width of a one-hot row.
    view, n_views : int
        Number of the view, and of views in a batch, at most MAX_VIEWS.
    draws_view : int
        View whose random numbers this one takes.
    n_label_views : int
        `n_views` if a view of the batch mixes samples, otherwise 1.
    """
    cdef fm_program *program
    cdef fm_function *functions
    cdef readonly object compiled  # keeps C functions of the user alive

    def __cinit__(self, compiled, uint32_t height, uint32_t width, *, str dtype="uint8",
                  tuple scale=(1.0,), tuple bias=(0.0,), bint interleaved=False,
                  str label_dtype="int64", uint64_t n_classes=0, uint32_t view=0,
                  uint32_t n_views=1, uint32_t draws_view=0, uint32_t n_label_views=1):
        cdef uint32_t n_transforms = 0 if compiled is None else len(compiled.transforms)
        self.compiled = compiled
        self.program = <fm_program *>calloc(1, fm_program_nbytes(n_transforms))
        self.functions = <fm_function *>calloc(n_transforms + 1, sizeof(fm_function))
        if self.program == NULL or self.functions == NULL:
            raise MemoryError(f"there is not enough memory for {n_transforms} "
                              "transforms")
        cdef fm_program *program = self.program
        program.in_shape = fm_shape(height=height, width=width, channels=1)
        program.out = fm_shape(height=height, width=width, channels=len(scale))
        program.dtype = DTYPES[dtype]
        program.label_dtype, program.n_classes = LABEL_DTYPES[label_dtype], n_classes
        for i in range(len(scale)):
            program.scale[i], program.bias[i] = <float>scale[i], <float>bias[i]
        program.is_interleaved = interleaved
        program.view, program.n_views = view, n_views
        program.draws_view, program.n_label_views = draws_view, n_label_views
        program.n_transforms = n_transforms
        if compiled is not None:
            program.out.height, program.out.width = compiled.height, compiled.width
            self.set_transforms(compiled.transforms)
            self.set_mix(compiled.mix)
        fm_program_prepare(program)

    cdef int set_transforms(self, transforms) except -1:
        cdef fm_transform *all = <fm_transform *>fm_program_transforms(self.program)
        cdef uint32_t n_functions = 0
        for i, (kind, p, fields) in enumerate(transforms):
            set_transform(&all[i], kind, p, fields)
            if kind == "user":
                all[i].user.number = n_functions
                self.functions[n_functions] = fm_function(
                    call=<fm_function_fn *><uintptr_t>fields["function"],
                    data=<void *><uintptr_t>fields["data"])
                n_functions += 1
        return 0

    cdef int set_mix(self, mix) except -1:
        if mix is None:
            return 0
        cdef fm_mix *out = &self.program.mix
        p, fields = mix
        out.operation = fm_program_operation(self.program.draws_view,
                                             self.program.n_transforms)
        out.threshold = <uint64_t>(<double>p * 4294967296.0)
        out.n_kinds = len(fields["kinds"])
        for i, (kind, alpha, until) in enumerate(fields["kinds"]):
            out.kinds[i] = fm_mix_part(kind=kind, alpha=alpha, until=until)
        return 0

    def __dealloc__(self):
        free(self.program)
        free(self.functions)

    def tobytes(self):
        """Return the program as bytes, which other machines can run: see program.h."""
        cdef const char *first = <const char *>self.program
        return first[:fm_program_nbytes(self.program.n_transforms)]

    @property
    def shared_nbytes(self):
        """Return the bytes of shared memory in which a device fills a row.

        Devices can run the program if these are at most MAX_SHARED_NBYTES.
        """
        return fm_device_shared_nbytes(self.program)

    @property
    def only_cuts(self):
        """Return whether kernel "cut" can make the rows: it is faster than "fill"."""
        return fm_device_only_cuts(self.program)

    @property
    def row_nbytes(self):
        """Return the bytes of a row that a device has planned."""
        return fm_device_row_nbytes(self.program)

    def run(self, const uint8_t[:, ::1] image not None, *, uint64_t seed, epochs,
            uint64_t position):
        """Return `image` as it is augmented in each of `epochs`, without the mix.

        The image is row `position` of its dataset, and at that position in every epoch.
        The result is uint8 of shape ``(len(epochs), height, width)``.
        """
        cdef fm_program *program = self.program
        cdef fm_shape *shape = &program.in_shape
        if (image.shape[0], image.shape[1]) != (shape.height, shape.width):
            raise ValueError(f"image must have shape ({shape.height}, {shape.width}), "
                             f"got ({image.shape[0]}, {image.shape[1]})")
        cdef fm_kernels kernels
        cdef fm_row row
        cdef fm_key key
        cdef fm_floats caller
        cdef const uint8_t *pixels
        cdef cnp.npy_intp[2] sides = [program.out.height, program.out.width]
        cdef cnp.ndarray ops = np.empty(program.max_ops * sizeof(fm_op), np.uint8)
        cdef cnp.ndarray scratch = np.empty(fm_fill_scratch_nbytes(program) + 64,
                                            np.uint8)
        cdef fm_op *ops_start = <fm_op *>cnp.PyArray_DATA(ops)
        cdef uintptr_t address = <uintptr_t>cnp.PyArray_DATA(scratch)
        cdef void *aligned = <void *>((address + 63) // 64 * 64)
        kernels.functions = self.functions
        fm_program_select(program, 1, cpu_level(), &kernels)
        key.seed, key.view, key.position = seed, program.draws_view, position
        images = []
        for key.epoch in epochs:
            with nogil:
                fm_floats_begin(&caller)
                fm_faults_begin()
                fm_plan_row(program, &key, position, NULL, 0, ops_start, &row)
                pixels = fm_fill_row(program, &kernels, &row, &image[0, 0], 1, aligned)
                fm_faults_end()
                fm_floats_end(&caller)
            images.append(cnp.PyArray_SimpleNewFromData(
                2, sides, cnp.NPY_UINT8, <void *>pixels).copy())
        check_reads(&image[0, 0], image.shape[0] * image.shape[1])
        return np.stack(images)
