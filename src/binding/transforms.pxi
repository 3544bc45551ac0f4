# The transforms of an augmentation, ready to run. Part of _core.pyx.

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
