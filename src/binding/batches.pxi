# Pipelines, and iterators over their batches. Part of _core.pyx.

LASTS = {False: FM_LAST_SHORT, True: FM_LAST_DROP, "wrap": FM_LAST_WRAP,
         "next": FM_LAST_NEXT}
MAX_COLUMNS = FM_RECORD_MAX_FIELDS - FM_FIELD_COLUMNS
MAX_EPOCH = UINT32_MAX  # the epoch is one word of the counter of the random numbers
MAX_SHUFFLE_BLOCK = FM_BLOCKS_MAX_SIZE
SLOT_ALIGNMENT = FM_SLOT_ALIGNMENT
# Dtypes of the arrays that show labels.
cdef dict LABEL_ARRAYS = {
    code: np.float32 if name == "onehot" else name
    for name, code in LABEL_DTYPES.items()}
# Not in comprehensions: without memory, Cython 3.3.1 releases an item of them twice.
address_of = operator.attrgetter("ctypes.data")


@cython.no_gc_clear  # workers read the arrays until __dealloc__ has stopped them
cdef class Pipeline:
    """Batches of one dataset and one set of options, filled ahead by workers.

    The caller (_loader/pipelines.py) has checked all arguments.

    Parameters
    ----------
    parts : tuple of ndarray
        Images, at least one array; each is C-contiguous uint8 of shape
        ``(its rows, height, width)``.
    image_rows : ndarray or None
        Row in the parts, laid end to end, of each index: C-contiguous int64 (n,). None
        stands for all rows.
    labels : ndarray
        Label of each index: C-contiguous uint8, int32 or int64 (n,). All of them fit
        the label_dtype of the program.
    columns : tuple of (ndarray or None, int), at most MAX_COLUMNS
        Further fields of batches: values of each index, C-contiguous (n,). With None,
        they are the int64 numbers from the given one on.
    programs : tuple of Program
        Transforms and data types of the batches, one for each view.
    image_shape : tuple of int
        Shape of one image of a batch.
    view_axes : tuple of two tuple of int
        Axes before the rows, of the images and of the labels of a batch: the number of
        views, or none.
    array_dtype : numpy dtype
        Dtype of the arrays that show the images.
    rows : int
        Rows of the largest batch.
    threads : int
        Most workers at once, at least 1.
    prefetch : int
        Batches to keep ready, at least 1.
    slots : sequence of ndarray
        Writable, aligned arrays to keep batches in. If it is empty, the system provides
        the memory.
    """
    cdef fm_pipeline *pipeline
    cdef fm_record record
    # Kept alive, because the core uses them
    cdef object parts, begins, addresses, image_rows, labels, columns, slots, programs
    cdef Sampling sampling  # of the newest epoch
    cdef fm_column[FM_RECORD_MAX_FIELDS - FM_FIELD_COLUMNS] c_columns
    cdef fm_view *views
    cdef tuple column_dtypes
    cdef cnp.dtype array_dtype, label_array_dtype
    cdef int threads
    # Shapes of a batch, with the axis of the rows, whose number the batch gives
    cdef int image_ndim, label_ndim, image_rows_axis, label_rows_axis
    cdef cnp.npy_intp[5] image_shape
    cdef cnp.npy_intp[3] label_shape
    cdef bint has_warned
    cdef object __weakref__

    def __cinit__(self, tuple parts not None, cnp.ndarray image_rows,
                  cnp.ndarray labels not None, tuple columns not None, *,
                  tuple programs not None, tuple image_shape, tuple view_axes,
                  array_dtype, uint64_t rows, int threads, uint64_t prefetch, slots):
        cdef fm_job job
        self.parts, self.image_rows, self.labels = parts, image_rows, labels
        self.columns, self.programs = columns, programs
        self.threads, self.slots = threads, slots
        self.views = <fm_view *>calloc(len(programs), sizeof(fm_view))
        if self.views == NULL:
            raise MemoryError(f"there is not enough memory for {len(programs)} views")
        self.set_arrays(image_shape, view_axes, array_dtype)
        self.set_source(&job.source)
        self.set_views(&job)
        check(fm_batch_prepare(&job, rows, cpu_level()))
        self.record = job.record
        for i, slot in enumerate(slots):
            if slot.nbytes < self.record.nbytes:
                raise ValueError(f"slots[{i}] must have at least {self.record.nbytes} "
                                 f"bytes, got {slot.nbytes}")
        cdef cnp.ndarray addresses = np.array([*map(address_of, slots)], dtype=np.uintp)
        self.pipeline = fm_pipeline_new(&job, threads, prefetch,
                                        <void **>cnp.PyArray_DATA(addresses),
                                        len(slots))
        if self.pipeline == NULL:
            check(FM_NO_MEMORY)

    cdef int set_arrays(self, tuple image_shape, tuple view_axes,
                        array_dtype) except -1:
        """Set the dtypes and shapes of the arrays that show a batch."""
        cdef Program first = self.programs[0]
        cdef const fm_program *program = first.program
        cdef bint is_onehot = program.label_dtype == FM_LABEL_ONEHOT
        views, label_views = view_axes
        self.array_dtype = array_dtype
        self.label_array_dtype = np.dtype(LABEL_ARRAYS[program.label_dtype])
        self.image_rows_axis, self.label_rows_axis = len(views), len(label_views)
        image_shape = (*views, 0, *image_shape)
        label_shape = (*label_views, 0, *((program.n_classes,) * is_onehot))
        self.image_ndim, self.label_ndim = len(image_shape), len(label_shape)
        for i, side in enumerate(image_shape):
            self.image_shape[i] = side
        for i, side in enumerate(label_shape):
            self.label_shape[i] = side
        return 0

    cdef int set_views(self, fm_job *job) except -1:
        cdef Program program
        job.n_views, job.views = len(self.programs), self.views
        for i, program in enumerate(self.programs):
            self.views[i].program = program.program
            self.views[i].kernels.functions = program.functions
        return 0

    cdef int set_source(self, fm_source *source) except -1:
        cdef cnp.ndarray begins, addresses
        begins = np.array([0, *accumulate(map(len, self.parts))], dtype=np.uint64)
        addresses = np.array([*map(address_of, self.parts)], dtype=np.uintp)
        self.begins, self.addresses = begins, addresses
        _, height, width = self.parts[0].shape
        source.images = fm_parts(n_parts=len(self.parts),
                                 begins=<uint64_t *>cnp.PyArray_DATA(begins),
                                 images=<const uint8_t **>cnp.PyArray_DATA(addresses),
                                 image_nbytes=height * width)
        source.n, source.rows = len(self.labels), NULL
        if self.image_rows is not None:
            source.rows = <const uint64_t *>cnp.PyArray_DATA(self.image_rows)
        source.labels = cnp.PyArray_DATA(self.labels)
        source.label_dtype = LABEL_DTYPES[self.labels.dtype.name]
        source.n_columns, source.columns = len(self.columns), self.c_columns
        dtypes = []
        for i, (values, first) in enumerate(self.columns):
            dtypes.append(np.dtype(np.int64) if values is None else values.dtype)
            self.c_columns[i] = fm_column(values=NULL, nbytes=dtypes[i].itemsize,
                                          first=first)
            if values is not None:
                self.c_columns[i].values = <const uint8_t *>cnp.PyArray_DATA(values)
        self.column_dtypes = tuple(dtypes)
        return 0

    def __del__(self):
        """Stop the workers before anything that they read is freed.

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
            Py_INCREF((self.parts, self.begins, self.addresses, self.image_rows,
                       self.labels, self.columns, self.sampling, self.programs,
                       self.slots))
        else:
            free(self.views)

    def start(self, *, Sampling sampling not None, uint64_t seed, uint64_t augment_seed,
              uint32_t epoch, uint64_t begin, batches, uint64_t batch_size,
              uint64_t rank, uint64_t world, last, owner):
        """Begin an epoch at position `begin`, and return its Batches.

        `last` is a key of LASTS. If it is "next", `batches` is the number of batches,
        and they go on into the epochs that follow. The Batches keep `owner` alive.
        """
        cdef fm_epoch new_epoch
        cdef fm_status status
        cdef fm_last c_last = LASTS[last]
        new_epoch.seed, new_epoch.number = augment_seed, epoch
        fm_sampler_init(&new_epoch.sampler, &sampling.sampling, seed, epoch)
        cdef uint64_t end = new_epoch.sampler.n_positions
        if (batch_size if last in ("wrap", "next") else min(end, batch_size)) > \
                self.record.rows:
            raise ValueError(f"batch_size must be at most {self.record.rows}, the rows "
                             f"of a slot, got {batch_size}")
        if c_last == FM_LAST_NEXT:
            end = begin + batches * batch_size * world
        cdef fm_batching batching = fm_batching(begin=begin, end=end, rank=rank,
                                                batch_size=batch_size, world=world,
                                                last=c_last)
        cdef Batches new = Batches.__new__(Batches)
        new.pipeline, new.owner, new.sampling = self, owner, sampling
        new.n_batches = fm_batching_count(&batching)
        end_daemon_thread()
        with nogil:
            status = fm_pipeline_start(self.pipeline, &new_epoch, &batching,
                                       &new.ticket)
        check(status)
        self.sampling = sampling  # no thread reads the one before any more
        self.warn_of_missing_threads()
        return new

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
        """Stop the workers. Batches that are still held stay valid."""
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

    def stats(self):
        """Return numbers of the newest Batches; src/times.h describes them.

        ``(elapsed_ns, waited_ns, late_ns, filled_ns, n_taken, n_ready)``
        """
        cdef fm_pipeline_state state = self.state()
        cdef fm_times t = state.times
        return (t.elapsed_ns, t.waited_ns, t.late_ns, t.filled_ns,
                state.n_taken, t.n_ready)

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
        """Return whether this process is a forked child of the one that made this."""
        return fm_pipeline_forked(self.pipeline)

    @property
    def slots_nbytes(self):
        """Return the bytes held in slots now."""
        return self.state().slots_nbytes

    @property
    def slot_nbytes(self):
        """Return the bytes of one slot."""
        return self.record.nbytes

    @property
    def n_lent(self):
        """Return the number of batches that are held by the consumer."""
        return self.state().n_lent

    @property
    def window(self):
        """Return the number of batches that are kept ready."""
        return fm_pipeline_window(self.pipeline)

    cdef object batch(self, Lease lease, uint64_t n_rows):
        """Return the batch in the slot of `lease` as arrays.

        They are ``(images, labels)``, and then the columns.
        """
        cdef cnp.npy_intp[5] image_shape = self.image_shape
        cdef cnp.npy_intp[3] label_shape = self.label_shape
        cdef cnp.npy_intp rows = n_rows
        image_shape[self.image_rows_axis] = label_shape[self.label_rows_axis] = rows
        cdef uint8_t *memory = lease.slot.memory
        images = lease.array(self.array_dtype, self.image_ndim, image_shape,
                             fm_record_row(&self.record, FM_FIELD_IMAGES, 0, memory))
        labels = lease.array(self.label_array_dtype, self.label_ndim, label_shape,
                             fm_record_row(&self.record, FM_FIELD_LABELS, 0, memory))
        cdef Py_ssize_t n_columns = len(self.column_dtypes), i
        if n_columns == 0:
            return images, labels
        fields = [images, labels]
        for i in range(n_columns):
            fields.append(lease.array(
                self.column_dtypes[i], 1, &rows,
                fm_record_row(&self.record, FM_FIELD_COLUMNS + i, 0, memory)))
        return tuple(fields)


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
    """Iterator over the batches of one epoch, which are tuples of arrays.

    ``Batches()`` has none. `Pipeline.start` returns the others.

    Thread safety: Python threads may share the iterator; each batch goes to one thread.
    """
    cdef readonly Pipeline pipeline
    cdef readonly uint64_t ticket
    cdef uint64_t n_batches  # of the epoch, from where it was started
    cdef object owner
    cdef Sampling sampling  # kept alive until the epoch has ended
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
        cdef uint64_t number
        return self.next_batch(&number)

    def take(self):
        """Return the number of the next batch in this epoch, and the batch.

        Numbers count from 0 at the start of this iterator. Without another batch, raise
        StopIteration.
        """
        cdef uint64_t number
        batch = self.next_batch(&number)
        return number, batch

    cdef object next_batch(self, uint64_t *number):
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
                                          number, &n_rows)
            if status == FM_OK:
                return pipeline.batch(lease, n_rows)
            if status == FM_PIPELINE_FINISHED:
                self.cancel()
                raise StopIteration
            if status == FM_PIPELINE_DAMAGED:
                columns = [values for values, _ in pipeline.columns
                           if values is not None]
                with FileReads((*pipeline.parts, pipeline.labels, *columns)):
                    pass  # this raises
            if status != FM_PIPELINE_WAITING:
                end_daemon_thread()
                check(status)
            PyErr_CheckSignals()

    def count_wait(self, uint64_t wait_ns):
        """Count nanoseconds in which the consumer changed a batch as waited."""
        if self.pipeline is not None:
            with nogil:
                fm_pipeline_count_wait(self.pipeline.pipeline, self.ticket, wait_ns)

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
