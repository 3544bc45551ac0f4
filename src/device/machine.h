/* The differences between the machines that run the kernels of devices: CUDA devices,
   for which NVRTC compiles kernels.cu, and this one. No other file asks which of the
   two it is compiled for.
   Sources: NVRTC documentation; CUDA C++ Programming Guide, "C++ Language
   Extensions". */
#ifndef FM_MACHINE_H
#define FM_MACHINE_H

#ifdef __CUDACC_RTC__

/* NVRTC compiles C++ without the headers of C, of which it has only the functions. */
#define restrict __restrict__
#define _Static_assert static_assert
#ifndef NULL
#define NULL 0
#endif
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#define UINT32_MAX 0xFFFFFFFFu
/* Headers have functions that no kernel calls. */
#pragma nv_diag_suppress 177

/* This replaces cpu.h and floats.h. Devices round as IEEE 754 says, if the compiler may
   not contract (--fmad=false). */
#define FM_CPU_H
#define FM_FLOATS_H
enum fm_cpu_level : int;
#define FM_INLINE static inline
#define FM_CALLED __noinline__
#define FM_LANES_COUNT 1
/* Registers have 32 bits, and an image has less than FM_DEVICE_SHARED_NBYTES bytes. */
#define FM_CROP_PLACE int32_t

struct fm_thread_block {
    uint32_t thread, n_threads;
};

FM_INLINE void fm_machine_wait(const struct fm_thread_block *)
{
    __syncthreads();
}

FM_INLINE void fm_machine_add(uint32_t *sum, uint32_t amount)
{
    atomicAdd(sum, amount);
}

#else

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../cpu.h"

/* One of the threads that fill a row together. All of them run the same code. */
struct fm_thread_block {
    uint32_t thread, n_threads;
    void (*wait)(void *threads); /* until all threads are here; NULL: there is one */
    void *threads;
};

/* Wait until all threads of the thread block are here, and see what they wrote. */
FM_INLINE void fm_machine_wait(const struct fm_thread_block *block)
{
    if (block->wait)
        block->wait(block->threads);
}

/* Add to a sum that all threads of the thread block share. */
FM_INLINE void fm_machine_add(uint32_t *sum, uint32_t amount)
{
#if defined(__GNUC__) || defined(__clang__)
    __atomic_fetch_add(sum, amount, __ATOMIC_RELAXED);
#else
    *sum += amount; /* one thread, except in the tests */
#endif
}

#endif

/* Begin a loop over i = 0 ... n - 1 that the threads of a thread block divide. */
#define FM_EACH(block, i, n)                                                          \
    for (uint32_t i = (block)->thread, i##_end = (uint32_t)(n),                       \
                  i##_step = (block)->n_threads;                                      \
         i < i##_end; i += i##_step)

#endif
