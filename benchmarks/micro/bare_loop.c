/* The reference loop for the loader with one thread: the same work in one loop, with
   prefetching and automatic vectorization. bench_loader.py compiles it with -O3
   -march=native. */
#include <stdint.h>

/* Write the batches of an epoch to the two halves of the outputs in turn.
   images: uint8 (n, 784), labels: uint8 (n,), order: uint64 (n,); out: float32
   (2 * batch_size, 784), labels_out: int64 (2 * batch_size,).
   In numpy: out[...] = images[order] * scale + bias. Not checked: order is below n. */
void bare_epoch(const uint8_t *restrict images, const uint8_t *restrict labels,
                const uint64_t *restrict order, uint64_t n, uint64_t batch_size,
                float scale, float bias, float *restrict out,
                int64_t *restrict labels_out)
{
    for (uint64_t i = 0; i < n; i++) {
        uint64_t row = i % (2 * batch_size);
        if (i + 6 < n)
            for (int line = 0; line < 784; line += 64)
                __builtin_prefetch(images + order[i + 6] * 784 + line);
        const uint8_t *restrict source = images + order[i] * 784;
        float *restrict target = out + row * 784;
        for (int j = 0; j < 784; j++)
            target[j] = (float)source[j] * scale + bias;
        labels_out[row] = labels[order[i]];
    }
}
