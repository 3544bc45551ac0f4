/* The memory floor of an epoch: the reads and writes of the loader and nothing else. It
   prefetches and reads rows of 784 bytes in a given order. It writes each row into the
   next row of a ring of batches, once or several times, as bytes or widened to
   float32's width. The stores go through the caches or past them. contenders/probe.py
   compiles it with -O3 -march=native. */
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#ifdef __AVX2__
#include <immintrin.h>
#endif

enum { N_PIXELS = 784, LINE = 64, MAX_THREADS = 256 };

struct epoch {
    const uint8_t *images, *labels;
    const uint32_t *order;
    uint64_t n, batch_size, n_batches_in_ring, prefetch, n_copies;
    int is_float, is_streaming;
    uint8_t *out;
    int64_t *labels_out;
    uint64_t claimed; /* threads have taken the rows before this one */
};

/* Copy n pixels. For floats, each becomes the lowest byte of four, without arithmetic. */
static inline void copy_pixels(const uint8_t *restrict source, uint8_t *restrict target,
                               int n, int is_float, int is_streaming)
{
#ifdef __AVX2__
    if (is_streaming) {
        for (int j = 0; is_float && j < n; j += 8) {
            __m128i bytes = _mm_loadl_epi64((const __m128i *)(source + j));
            _mm256_stream_si256((__m256i *)(target + 4 * j),
                                _mm256_cvtepu8_epi32(bytes));
        }
        for (int j = 0; !is_float && j < n; j += 16)
            _mm_stream_si128((__m128i *)(target + j),
                             _mm_loadu_si128((const __m128i *)(source + j)));
        return;
    }
    for (int j = 0; is_float && j < n; j += 8) {
        __m128i bytes = _mm_loadl_epi64((const __m128i *)(source + j));
        _mm256_storeu_si256((__m256i *)(target + 4 * j), _mm256_cvtepu8_epi32(bytes));
    }
#else
    uint32_t *restrict wide = (uint32_t *)target;
    for (int j = 0; is_float && j < n; j++)
        wide[j] = source[j];
    (void)is_streaming;
#endif
    if (!is_float)
        memcpy(target, source, (size_t)n);
}

/* Copy a row, n_copies times. Before each cache line of the first copy, prefetch a line
   of the row `ahead`: prefetching all lines at once would fill the processor's queue of
   cache misses. */
static inline void copy_row(const uint8_t *restrict source, const uint8_t *ahead,
                            uint8_t *restrict target, uint64_t n_copies, int is_float,
                            int is_streaming)
{
    const int item_nbytes = is_float ? 4 : 1;
    int j = 0;
    for (; j + LINE <= N_PIXELS; j += LINE) {
        __builtin_prefetch(ahead + j);
        copy_pixels(source + j, target + j * item_nbytes, LINE, is_float, is_streaming);
    }
    __builtin_prefetch(ahead + N_PIXELS - 1);
    copy_pixels(source + j, target + j * item_nbytes, N_PIXELS % LINE, is_float,
                is_streaming);
    for (uint64_t k = 1; k < n_copies; k++)
        copy_pixels(source, target + k * N_PIXELS * item_nbytes, N_PIXELS, is_float,
                    is_streaming);
}

/* Copy batches until none is left. Each thread claims one batch after the other, so that
   no thread waits for a slower one. It claims its next batch early, because its rows are
   prefetched at the end of the current one. */
static void *copy_batches(void *argument)
{
    struct epoch *e = argument;
    const uint64_t row_nbytes = N_PIXELS * e->n_copies * (e->is_float ? 4 : 1);
    uint64_t begin = __atomic_fetch_add(&e->claimed, e->batch_size, __ATOMIC_RELAXED);
    while (begin < e->n) {
        uint64_t after =
            __atomic_fetch_add(&e->claimed, e->batch_size, __ATOMIC_RELAXED);
        uint64_t end = begin + e->batch_size < e->n ? begin + e->batch_size : e->n;
        uint64_t slot = begin / e->batch_size % e->n_batches_in_ring;
        uint8_t *out = e->out + slot * e->batch_size * row_nbytes;
        int64_t *labels_out = e->labels_out + slot * e->batch_size;
        for (uint64_t i = begin; i < end; i++) {
            uint64_t ahead = i + e->prefetch;
            if (ahead >= end)
                ahead += after - end;
            if (ahead >= e->n)
                ahead = i;
            const uint8_t *source = e->images + e->order[i] * (uint64_t)N_PIXELS;
            const uint8_t *next = e->images + e->order[ahead] * (uint64_t)N_PIXELS;
            uint8_t *target = out + (i - begin) * row_nbytes;
            /* A constant is_float removes the test from the loops of a row. */
            if (e->is_float)
                copy_row(source, next, target, e->n_copies, 1, e->is_streaming);
            else
                copy_row(source, next, target, e->n_copies, 0, e->is_streaming);
            labels_out[i - begin] = e->labels[e->order[i]];
        }
        begin = after;
    }
#ifdef __AVX2__
    _mm_sfence();
#endif
    return NULL;
}

/* Copy all rows of an epoch into the ring of batches, with n_threads threads.
   images: uint8 (n, 784), labels: uint8 (n,), order: uint32 (n,); out: n_batches_in_ring
   batches of uint32 or uint8 (batch_size, n_copies, 784), at an address that is a
   multiple of 64; labels_out: int64 (n_batches_in_ring * batch_size,).
   In numpy: out[...] = images[order][:, None].
   Not checked: order is below n, 1 <= n_copies, 1 <= n_threads <= 256. */
void probe_epoch(const uint8_t *images, const uint8_t *labels, const uint32_t *order,
                 uint64_t n, uint64_t batch_size, uint64_t n_batches_in_ring,
                 uint64_t prefetch, uint64_t n_copies, int is_float, int is_streaming,
                 uint64_t n_threads, uint8_t *out, int64_t *labels_out)
{
    struct epoch epoch = {.images = images,
                          .labels = labels,
                          .order = order,
                          .n = n,
                          .batch_size = batch_size,
                          .n_batches_in_ring = n_batches_in_ring,
                          .prefetch = prefetch,
                          .n_copies = n_copies,
                          .is_float = is_float,
                          .is_streaming = is_streaming,
                          .out = out,
                          .labels_out = labels_out,
                          .claimed = 0};
    pthread_t threads[MAX_THREADS];
    int is_started[MAX_THREADS] = {0};
    for (uint64_t t = 1; t < n_threads; t++)
        is_started[t] = pthread_create(&threads[t], NULL, copy_batches, &epoch) == 0;
    copy_batches(&epoch);
    for (uint64_t t = 1; t < n_threads; t++)
        if (is_started[t])
            pthread_join(threads[t], NULL);
}
