# Samplings: the row of a dataset at each position of an epoch. Part of _core.pyx.

SAMPLERS = {"plain": FM_SAMPLER_PLAIN, "permuted": FM_SAMPLER_PERMUTED,
            "blocks": FM_SAMPLER_BLOCKS, "listed": FM_SAMPLER_LISTED,
            "weighted": FM_SAMPLER_WEIGHTED}
MAX_POSITIONS = FM_SAMPLER_MAX_N


cdef class Sampling:
    """Rows of all epochs, without the seed.

    Parameters
    ----------
    kind : str
        Key of SAMPLERS.
    n : int
        Rows of an epoch, before they are repeated.
    repeats : int, at least 1
        Consecutive positions with the same row.
    block : int
        Rows of a block, for the kind "blocks".
    table : ndarray, C-contiguous, or None
        For "listed", uint64 (1 or more epochs, n): rows of the dataset. For "weighted",
        a table of `alias_table`.
    epoch : int
        For "listed", the first epoch of the table. A table of one epoch has all.
    capacity : int
        For "weighted", the capacity of `alias_table`.

    Attributes
    ----------
    n_positions : int
        Positions of an epoch.
    """
    cdef fm_sampling sampling
    cdef readonly object table
    cdef dict options

    def __cinit__(self, str kind, uint64_t n, *, uint64_t repeats=1, uint64_t block=0,
                  cnp.ndarray table=None, uint64_t epoch=0, uint64_t capacity=0):
        self.options = {"kind": kind, "n": n, "repeats": repeats, "block": block,
                        "table": table, "epoch": epoch, "capacity": capacity}
        self.table = table
        self.sampling.kind = SAMPLERS[kind]
        self.sampling.n, self.sampling.n_repeats = n, repeats
        self.sampling.block, self.sampling.capacity = block, capacity
        if table is not None:
            self.sampling.table = cnp.PyArray_DATA(table)
        if kind == "listed" and len(table) > 1:
            self.sampling.list_epoch, self.sampling.list_stride = epoch, n

    @property
    def n_positions(self):
        return self.sampling.n * self.sampling.n_repeats

    def __reduce__(self):
        return functools.partial(Sampling, **self.options), ()

    def tobytes(self, uint64_t table):
        """Return this as bytes for a device, which has the table at address `table`."""
        cdef fm_sampling copy = self.sampling
        copy.table = <const void *><uintptr_t>table
        return (<const char *>&copy)[:sizeof(copy)]


def alias_table(cnp.ndarray weights not None):
    """Return a table for draws in proportion to the weights, and its capacity.

    `weights` is C-contiguous uint64 (n,) with n > 0, a sum above 0, and elements below
    ``2**63 // n``. The table is uint64 (n, 2): a threshold and an index in each row.
    """
    cdef uint64_t n = len(weights), capacity = 0
    cdef uint64_t *start = <uint64_t *>cnp.PyArray_DATA(weights)
    cdef cnp.ndarray work = np.empty(n, np.uint64)
    cdef cnp.ndarray table = np.empty((n, 2), np.uint64)
    cdef uint64_t *memory = <uint64_t *>cnp.PyArray_DATA(work)
    cdef fm_alias_cell *cells = <fm_alias_cell *>cnp.PyArray_DATA(table)
    cdef uint64_t i
    with nogil:
        for i in range(n):
            capacity += start[i]
        fm_alias_init(start, n, capacity, memory, cells)
    return table, capacity
