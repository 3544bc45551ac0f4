/* Transposing matrices of floats, in squares of 8 x 8 that stay in registers. */
#ifndef FM_AUGMENT_TRANSPOSE_H
#define FM_AUGMENT_TRANSPOSE_H

#include <stddef.h>

#include "../cpu.h"

#define FM_TRANSPOSE_SIDE 8

/* Transpose. in: float32 (n_rows, n_columns), rows in_stride apart; out: float32
   (n_columns, n_rows), rows out_stride apart.
   In numpy: out = in.T.
   Not checked: both sides are multiples of FM_TRANSPOSE_SIDE; out does not overlap
   in. */
FM_INLINE void fm_transpose_floats(const float *restrict in, size_t in_stride,
                                   size_t n_rows, size_t n_columns, size_t out_stride,
                                   float *restrict out)
{
    for (size_t x = 0; x < n_columns; x++)
        for (size_t y = 0; y < n_rows; y++)
            out[x * out_stride + y] = in[y * in_stride + x];
}

#if FM_X86_LEVELS

/* Transpose a square of 8 x 8 floats in place. */
FM_TARGET_AVX2
static inline void fm_transpose_rows_avx2(__m256 rows[8])
{
    __m256 pairs[8], fours[8];
    for (int i = 0; i < 8; i += 2) {
        pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
        pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < 8; i += 4)
        for (int j = 0; j < 2; j++) {
            fours[i + 2 * j] = _mm256_shuffle_ps(pairs[i + j], pairs[i + j + 2], 0x44);
            fours[i + 2 * j + 1] =
                _mm256_shuffle_ps(pairs[i + j], pairs[i + j + 2], 0xEE);
        }
    for (int i = 0; i < 4; i++) {
        rows[i] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x20);
        rows[i + 4] = _mm256_permute2f128_ps(fours[i], fours[i + 4], 0x31);
    }
}

FM_TARGET_AVX2
FM_INLINE void fm_transpose_floats_avx2(const float *restrict in, size_t in_stride,
                                        size_t n_rows, size_t n_columns,
                                        size_t out_stride, float *restrict out)
{
    for (size_t y = 0; y < n_rows; y += 8)
        for (size_t x = 0; x < n_columns; x += 8) {
            __m256 rows[8];
            for (size_t i = 0; i < 8; i++)
                rows[i] = _mm256_loadu_ps(in + (y + i) * in_stride + x);
            fm_transpose_rows_avx2(rows);
            for (size_t i = 0; i < 8; i++)
                _mm256_storeu_ps(out + (x + i) * out_stride + y, rows[i]);
        }
}

#endif

FM_LEVELS_OF(fm_transpose,
             (const float *restrict in, size_t in_stride, size_t n_rows,
              size_t n_columns, size_t out_stride, float *restrict out),
             (in, in_stride, n_rows, n_columns, out_stride, out), fm_transpose_floats,
             fm_transpose_floats_avx2, fm_transpose_floats_avx2);

#endif
