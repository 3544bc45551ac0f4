# Declarations of the C types, constants and functions that _core.pyx and
# its parts in binding/ use. transforms.pxd has those of the transforms.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from transforms cimport fm_mix, fm_transform

cdef extern from "status.h" nogil:
    enum fm_status:
        FM_OK
        FM_PIPELINE_WAITING
        FM_PIPELINE_FINISHED
        FM_PIPELINE_DAMAGED
        FM_NO_MEMORY
    const char *fm_status_message(fm_status status)

cdef extern from "cpu.h" nogil:
    enum fm_cpu_level:
        pass
    ctypedef int fm_cpu_shared
    fm_cpu_level fm_cpu_detect()
    int FM_CPU_LOAD(fm_cpu_shared shared)
    void FM_CPU_STORE(fm_cpu_shared shared, int level)

cdef extern from "floats.h" nogil:
    struct fm_floats:
        pass
    void fm_floats_begin(fm_floats *caller)
    void fm_floats_end(const fm_floats *caller)

cdef extern from "rng.h" nogil:
    void fm_rng_draw(uint64_t seed, uint32_t epoch, uint64_t position,
                     uint32_t operation, uint32_t draw, uint32_t *out)

cdef extern from "idx.h" nogil:
    const int FM_IDX_MAX_NDIM
    struct fm_idx_header:
        int type
        int item_nbytes
        int ndim
        uint64_t data_nbytes
        size_t header_nbytes
        uint32_t dims[255]
    fm_status fm_idx_parse(const uint8_t *bytes, size_t nbytes, fm_idx_header *out)
    void fm_idx_swap(uint8_t *items, size_t n_items, int item_nbytes)

cdef extern from "gzip.h" nogil:
    bint fm_gzip_ends_after(const uint8_t *bytes, size_t nbytes, uint32_t isize)

cdef extern from "photos.h" nogil:
    struct fm_photos_box:
        size_t top, bottom, left, right
    void fm_photos_trim(const uint8_t *pixels, size_t height, size_t width, int limit,
                        fm_photos_box *box)

cdef extern from "png.h" nogil:
    fm_status fm_png_unfilter(const uint8_t *filtered, size_t height, size_t width,
                              uint8_t *out)

cdef extern from "stats.h" nogil:
    ctypedef void fm_stats_fn(const uint8_t *pixels, size_t n, uint64_t *sum,
                              uint64_t *sum_of_squares) noexcept
    fm_stats_fn *fm_stats_select(fm_cpu_level level)

cdef extern from "filemap.h" nogil:
    void *fm_filemap_new(int file, size_t nbytes)
    void fm_filemap_free(void *mapped, size_t nbytes)

cdef extern from "faults.h" nogil:
    struct fm_faults_range:
        pass
    void fm_faults_setup(int (*notify)() noexcept)
    fm_faults_range *fm_faults_watch(void *begin, size_t nbytes, const char *name)
    void fm_faults_unwatch(fm_faults_range *range)
    void fm_faults_begin()
    void fm_faults_end()
    size_t fm_faults_count()
    const char *fm_faults_report(const void *begin, size_t nbytes)
    const char *fm_faults_next()

cdef extern from "blocks.h" nogil:
    const uint64_t FM_BLOCKS_MAX_SIZE

cdef extern from "alias.h" nogil:
    struct fm_alias_cell:
        pass
    void fm_alias_init(const uint64_t *weights, uint64_t n, uint64_t capacity,
                       uint64_t *work, fm_alias_cell *cells)

cdef extern from "sampler.h" nogil:
    const uint64_t FM_SAMPLER_MAX_N
    enum fm_sampler_kind:
        FM_SAMPLER_PLAIN
        FM_SAMPLER_PERMUTED
        FM_SAMPLER_BLOCKS
        FM_SAMPLER_LISTED
        FM_SAMPLER_WEIGHTED
    struct fm_sampling:
        fm_sampler_kind kind
        uint64_t n
        uint64_t n_repeats
        uint64_t block
        const void *table
        uint64_t list_epoch
        uint64_t list_stride
        uint64_t capacity
    struct fm_sampler:
        uint64_t n_positions
    void fm_sampler_init(fm_sampler *sampler, const fm_sampling *sampling,
                         uint64_t seed, uint32_t epoch)
    void fm_sampler_find(const fm_sampler *sampler, uint64_t begin, size_t count,
                         fm_cpu_level level, uint64_t *out)

cdef extern from "epoch.h" nogil:
    struct fm_epoch:
        fm_sampler sampler
        uint64_t seed
        uint32_t number

cdef extern from "convert.h" nogil:
    enum fm_dtype:
        FM_FLOAT32
        FM_FLOAT16
        FM_BFLOAT16
        FM_UINT8

cdef extern from "parts.h" nogil:
    struct fm_parts:
        size_t n_parts
        const uint64_t *begins
        const uint8_t *const *images
        size_t image_nbytes

cdef extern from "source.h" nogil:
    enum fm_label_dtype:
        FM_LABEL_UINT8
        FM_LABEL_INT32
        FM_LABEL_INT64
        FM_LABEL_ONEHOT
    struct fm_column:
        const uint8_t *values
        uint64_t nbytes
        uint64_t first
    struct fm_source:
        fm_parts images
        uint64_t n
        const uint64_t *rows
        const void *labels
        fm_label_dtype label_dtype
        size_t n_columns
        const fm_column *columns

cdef extern from "program.h" nogil:
    enum:
        FM_PROGRAM_MAX_TRANSFORMS
        FM_PROGRAM_MAX_VIEWS
        FM_PROGRAM_MAX_CHANNELS
    struct fm_shape:
        uint32_t height
        uint32_t width
        uint32_t channels
    struct fm_program:
        fm_shape in_shape "in"
        fm_shape out
        fm_dtype dtype
        fm_label_dtype label_dtype
        uint64_t n_classes
        float scale[FM_PROGRAM_MAX_CHANNELS]
        float bias[FM_PROGRAM_MAX_CHANNELS]
        bint is_interleaved
        uint32_t view
        uint32_t n_views
        uint32_t draws_view
        uint32_t n_label_views
        uint32_t n_transforms
        fm_mix mix
        uint32_t max_ops
    size_t fm_program_nbytes(uint32_t n_transforms)
    const fm_transform *fm_program_transforms(const fm_program *program)
    uint32_t fm_program_operation(uint32_t view, uint32_t transform)
    void fm_program_prepare(fm_program *program)
    ctypedef void fm_function_fn(uint8_t *pixels, int64_t height, int64_t width,
                                 const uint32_t *random, void *data) noexcept
    struct fm_function:
        fm_function_fn *call
        void *data
    struct fm_kernels:
        const fm_function *functions
    void fm_program_select(const fm_program *program, uint64_t n_rows,
                           fm_cpu_level level, fm_kernels *out)

cdef extern from "plan.h" nogil:
    struct fm_key:
        uint64_t seed
        uint32_t epoch
        uint32_t view
        uint64_t position
    struct fm_op:
        pass
    struct fm_ahead:
        pass
    struct fm_row:
        pass
    void fm_plan_row(const fm_program *program, const fm_key *key, uint64_t index,
                     const fm_ahead *ahead, size_t lane, fm_op *ops, fm_row *row)

cdef extern from "fill.h" nogil:
    uint64_t fm_fill_scratch_nbytes(const fm_program *program)
    const uint8_t *fm_fill_row(const fm_program *program, const fm_kernels *kernels,
                               const fm_row *row, const uint8_t *image, int is_at_edge,
                               void *scratch)

cdef extern from "batching.h" nogil:
    enum fm_last:
        FM_LAST_SHORT
        FM_LAST_DROP
        FM_LAST_WRAP
        FM_LAST_NEXT
    struct fm_batching:
        uint64_t begin
        uint64_t end
        uint64_t batch_size
        uint64_t rank
        uint64_t world
        fm_last last
    uint64_t fm_batching_count(const fm_batching *batching)
    void fm_batching_global(const fm_batching *batching, uint64_t batch,
                            uint64_t *begin, uint64_t *n_rows)

cdef extern from "record.h" nogil:
    enum fm_field:
        FM_FIELD_IMAGES
        FM_FIELD_LABELS
        FM_FIELD_COLUMNS
    enum:
        FM_RECORD_MAX_FIELDS
    struct fm_record:
        uint64_t rows
        uint64_t nbytes
    uint8_t *fm_record_row(const fm_record *record, size_t field, uint64_t row,
                           uint8_t *memory)

cdef extern from "batch.h" nogil:
    struct fm_view:
        const fm_program *program
        fm_kernels kernels
    struct fm_job:
        fm_record record
        fm_source source
        uint32_t n_views
        fm_view *views
    fm_status fm_batch_prepare(fm_job *job, uint64_t rows, fm_cpu_level level)

cdef extern from "device/device.h" nogil:
    enum:
        FM_DEVICE_SHARED_NBYTES
    struct fm_launch:
        fm_epoch epoch
        fm_batching batching
        uint64_t batch
    uint64_t fm_device_row_nbytes(const fm_program *program)
    uint64_t fm_device_shared_nbytes(const fm_program *program)
    bint fm_device_only_cuts(const fm_program *program)

cdef extern from "device/host.h" nogil:
    enum fm_host_kernel:
        FM_HOST_START
        FM_HOST_ADVANCE
        FM_HOST_PLAN
        FM_HOST_FILL
        FM_HOST_CUT
        FM_HOST_GATHER
    void fm_host_launch(fm_host_kernel kernel, uint64_t n_blocks,
                        const uint64_t *arguments, uint8_t *shared)

cdef extern from "slots.h" nogil:
    enum:
        FM_SLOT_ALIGNMENT
    struct fm_slot:
        uint8_t *memory

cdef extern from "thread.h" nogil:
    enum:
        FM_THREADS

cdef extern from "times.h" nogil:
    struct fm_times:
        uint64_t elapsed_ns, waited_ns, late_ns, filled_ns, n_ready

cdef extern from "pipeline.h" nogil:
    struct fm_pipeline:
        pass
    struct fm_pipeline_state:
        uint64_t ticket, n_taken, n_lent, slots_nbytes
        bint is_running, is_over, is_closed
        int n_threads
        fm_times times
    fm_pipeline *fm_pipeline_new(const fm_job *job, int n_threads, uint64_t prefetch,
                                 void *const *memories, uint64_t n_memories)
    fm_status fm_pipeline_start(fm_pipeline *pipeline, const fm_epoch *epoch,
                                const fm_batching *batching, uint64_t *ticket)
    fm_status fm_pipeline_take(fm_pipeline *pipeline, uint64_t ticket, unsigned wait_ms,
                               fm_slot **slot, uint64_t *batch, uint64_t *n_rows)
    void fm_pipeline_count_wait(fm_pipeline *pipeline, uint64_t ticket,
                                uint64_t wait_ns)
    void fm_pipeline_give(fm_pipeline *pipeline, fm_slot *slot)
    void fm_pipeline_cancel(fm_pipeline *pipeline, uint64_t ticket)
    fm_status fm_pipeline_close(fm_pipeline *pipeline)
    fm_status fm_pipeline_free(fm_pipeline *pipeline)
    void fm_pipeline_inspect(fm_pipeline *pipeline, fm_pipeline_state *out)
    uint64_t fm_pipeline_window(const fm_pipeline *pipeline)
    bint fm_pipeline_forked(const fm_pipeline *pipeline)
    void fm_pipeline_setup()
