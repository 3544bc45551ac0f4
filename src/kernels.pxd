# Every declaration of the C kernels, and nothing else.
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "status.h" nogil:
    enum fm_status:
        FM_OK
        FM_IDX_NO_HEADER
        FM_IDX_BAD_MAGIC
        FM_IDX_BAD_TYPE
        FM_IDX_TOO_LARGE
        FM_PIPELINE_WAITING
        FM_PIPELINE_FINISHED
        FM_PIPELINE_CLOSED
        FM_PIPELINE_FORKED
        FM_NO_MEMORY
        FM_NO_THREAD
    const char *fm_status_message(fm_status status)

cdef extern from "cpu.h" nogil:
    enum fm_cpu_level:
        FM_CPU_BASELINE
        FM_CPU_AVX2
        FM_CPU_AVX512
    fm_cpu_level fm_cpu_detect()

cdef extern from "rng.h" nogil:
    enum fm_operation:
        FM_DRAW_ORDER
    void fm_rng_draw(uint64_t seed, uint32_t epoch, uint64_t position,
                     fm_operation operation, uint32_t draw, uint32_t *out)

cdef extern from "idx.h" nogil:
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
    bint fm_gzip_find_member(const uint8_t *bytes, size_t nbytes)

cdef extern from "stats.h" nogil:
    ctypedef void fm_stats_fn(const uint8_t *pixels, size_t n, uint64_t *sum,
                              uint64_t *sum_of_squares) noexcept
    fm_stats_fn *fm_stats_select(fm_cpu_level level)

cdef extern from "order.h" nogil:
    const uint64_t FM_ORDER_MAX_N
    struct fm_order:
        pass
    ctypedef void fm_order_fn(const fm_order *order, uint64_t begin, size_t count,
                              uint64_t *out) noexcept
    void fm_order_init(fm_order *order, uint64_t n, int shuffle, uint64_t seed,
                       uint32_t epoch)
    fm_order_fn *fm_order_select(fm_cpu_level level)

cdef extern from "convert.h" nogil:
    enum fm_dtype:
        FM_FLOAT32
        FM_FLOAT16
        FM_BFLOAT16
        FM_UINT8

cdef extern from "batch.h" nogil:
    enum fm_label_dtype:
        FM_LABEL_UINT8
        FM_LABEL_INT32
        FM_LABEL_INT64
        FM_LABEL_ONEHOT
    struct fm_batching:
        uint64_t begin
        uint64_t end
        uint64_t batch_size
        uint64_t rank
        uint64_t world
        int drop_last
    uint64_t fm_batching_count(const fm_batching *batching)
    struct fm_plan:
        const uint8_t *images
        const void *labels
        size_t image_nbytes
        fm_label_dtype labels_in
        fm_label_dtype labels_out
        size_t n_classes
        fm_dtype dtype
        float scale
        float bias
    void fm_plan_select(fm_plan *plan, size_t n_rows, fm_cpu_level level)

cdef extern from "slots.h" nogil:
    struct fm_slot:
        uint8_t *images
        uint8_t *labels
    struct fm_slot_layout:
        uint64_t rows
        uint64_t nbytes
    fm_status fm_slots_layout(const fm_plan *plan, uint64_t rows, fm_slot_layout *out)

cdef extern from "pipeline.h" nogil:
    struct fm_pipeline:
        pass
    fm_pipeline *fm_pipeline_new(const fm_plan *plan, const fm_slot_layout *layout,
                                 int n_threads, uint64_t prefetch)
    fm_status fm_pipeline_start(fm_pipeline *pipeline, const fm_order *order,
                                const fm_batching *batching, uint64_t *epoch)
    fm_status fm_pipeline_take(fm_pipeline *pipeline, uint64_t epoch, unsigned wait_ms,
                               fm_slot **slot, uint64_t *n_rows)
    void fm_pipeline_give(fm_pipeline *pipeline, fm_slot *slot)
    void fm_pipeline_cancel(fm_pipeline *pipeline, uint64_t epoch)
    void fm_pipeline_close(fm_pipeline *pipeline)
    void fm_pipeline_free(fm_pipeline *pipeline)
    uint64_t fm_pipeline_slots_nbytes(fm_pipeline *pipeline)
    uint64_t fm_pipeline_window(const fm_pipeline *pipeline)
    bint fm_pipeline_forked(const fm_pipeline *pipeline)
    void fm_pipeline_setup()
