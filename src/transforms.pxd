# Declarations of the parameters of transforms, from augment/.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "augment/crop.h" nogil:
    enum fm_padding_mode:
        FM_PAD_CONSTANT
        FM_PAD_EDGE
        FM_PAD_REFLECT
        FM_PAD_SYMMETRIC

cdef extern from "augment/quads.h" nogil:
    enum:
        FM_QUADS_MAX_SIDE
    enum fm_interpolation:
        FM_NEAREST
        FM_BILINEAR
        FM_BICUBIC

cdef extern from "augment/tone.h" nogil:
    enum fm_tone_kind:
        FM_TONE_INVERT
        FM_TONE_POSTERIZE
        FM_TONE_SOLARIZE
        FM_TONE_BRIGHTNESS
        FM_TONE_CONTRAST
        FM_TONE_AUTOCONTRAST
        FM_TONE_EQUALIZE

cdef extern from "augment/filter.h" nogil:
    enum:
        FM_BLUR_MAX_SIZE

# Parameters of transforms. fmnist_fast/augment makes dicts with these keys, and Cython
# converts them to structs.
cdef extern from "augment/transform.h" nogil:
    enum:
        FM_TRANSFORM_MAX_ORDERED
    struct fm_range:
        double low
        double high
        uint32_t n_levels
        int random_sign
    struct fm_crop:
        int64_t top
        int64_t left
        uint64_t n_tops
        uint64_t n_lefts
        uint32_t height
        uint32_t width
        int mode
        uint8_t fill
    struct fm_flip:
        int vertical
        int alternating
    struct fm_affine:
        fm_range angle
        fm_range translate_x
        fm_range translate_y
        fm_range scale
        fm_range shear_x
        fm_range shear_y
        int counter_clockwise
        int shear_tangent
        int truncate
        double center_x
        double center_y
        int interpolation
        uint8_t fill
    struct fm_elastic:
        double alpha_x
        double alpha_y
        double sigma_x
        double sigma_y
        int interpolation
        uint8_t fill
    struct fm_resize:
        uint32_t height
        uint32_t width
        int interpolation
        int antialias
    struct fm_resized_crop:
        fm_range scale
        fm_range log_ratio
        uint32_t fallback_height
        uint32_t fallback_width
        fm_resize resize
    struct fm_tone:
        int kind
        fm_range value
    struct fm_jitter:
        fm_range brightness
        fm_range contrast
    struct fm_blur:
        uint32_t size_x
        uint32_t size_y
        fm_range sigma
    struct fm_sharpness:
        fm_range factor
    struct fm_noise:
        double mean
        double sigma
    struct fm_erasing:
        fm_range scale
        fm_range log_ratio
        int random
        uint8_t value
    struct fm_cutout:
        uint64_t size
        uint8_t value
    struct fm_salt_pepper:
        fm_range amount
        double salt_vs_pepper
    struct fm_user:
        uint32_t number
    struct fm_perspective:
        uint32_t n_x
        uint32_t n_y
        int interpolation
        uint8_t fill
    struct fm_zoom_out:
        fm_range side
        uint8_t fill
        fm_resize resize
    enum fm_transform_kind:
        FM_TRANSFORM_GROUP
        FM_TRANSFORM_CHOICE
        FM_TRANSFORM_CROP
        FM_TRANSFORM_FLIP
        FM_TRANSFORM_AFFINE
        FM_TRANSFORM_ELASTIC
        FM_TRANSFORM_RESIZE
        FM_TRANSFORM_RESIZED_CROP
        FM_TRANSFORM_TONE
        FM_TRANSFORM_JITTER
        FM_TRANSFORM_BLUR
        FM_TRANSFORM_SHARPNESS
        FM_TRANSFORM_NOISE
        FM_TRANSFORM_ERASING
        FM_TRANSFORM_CUTOUT
        FM_TRANSFORM_USER
        FM_TRANSFORM_PERSPECTIVE
        FM_TRANSFORM_ZOOM_OUT
        FM_TRANSFORM_ORDER
        FM_TRANSFORM_SALT_PEPPER
    struct fm_transform:
        fm_transform_kind kind
        uint32_t n_inner
        uint64_t threshold
        uint64_t until
        fm_crop crop
        fm_flip flip
        fm_affine affine
        fm_elastic elastic
        fm_resize resize
        fm_resized_crop resized_crop
        fm_tone tone
        fm_jitter jitter
        fm_blur blur
        fm_sharpness sharpness
        fm_noise noise
        fm_erasing erasing
        fm_cutout cutout
        fm_user user
        fm_perspective perspective
        fm_zoom_out zoom_out
        fm_salt_pepper salt_pepper

cdef extern from "augment/mix.h" nogil:
    enum:
        FM_MIX_MAX_KINDS
    enum fm_mix_kind:
        FM_MIXUP
        FM_CUTMIX
    struct fm_mix_part:
        fm_mix_kind kind
        double alpha
        uint64_t until
    struct fm_mix:
        uint32_t operation
        uint64_t threshold
        uint32_t n_kinds
        fm_mix_part kinds[FM_MIX_MAX_KINDS]
