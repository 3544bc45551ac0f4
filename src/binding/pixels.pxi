# Sums of pixels, margins of photos, orders and random numbers. Part of _core.pyx.

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
    if not 0 <= begin <= end <= n <= FM_SAMPLER_MAX_N:
        raise ValueError("begin, end and n must satisfy 0 <= begin <= end <= n <= "
                         f"2**62, got begin={begin}, end={end}, n={n}")
    if block > FM_BLOCKS_MAX_SIZE:
        raise ValueError(f"block must be at most 2**40, got {block}")
    cdef cnp.ndarray out = np.empty(end - begin, dtype=np.uint64)
    cdef uint64_t *start = <uint64_t *>cnp.PyArray_DATA(out)
    cdef uint64_t first = begin
    cdef size_t count = end - begin
    cdef fm_sampler sampler
    cdef Sampling sampling = Sampling("blocks" if block else "permuted", n, block=block)
    cdef fm_cpu_level level = cpu_level()
    with nogil:
        fm_sampler_init(&sampler, &sampling.sampling, seed, epoch)
        fm_sampler_find(&sampler, first, count, level, start)
    return out


def draw(uint64_t seed, uint32_t epoch, uint64_t position, uint32_t operation,
         uint32_t draw):
    """Return the four random words of one draw, as a tuple of integers below 2**32."""
    cdef uint32_t[4] out
    fm_rng_draw(seed, epoch, position, operation, draw, out)
    return out[0], out[1], out[2], out[3]
