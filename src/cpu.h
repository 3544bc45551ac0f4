/* Instruction sets: detection, and the macros that compile a kernel for each of them.
   A kernel is a table of three functions, name_levels[level], so that a single binary
   holds all levels. Each function consists of a body, which is inlined. Compilers
   without target attributes (MSVC) and other processors get only the baseline, which
   includes NEON on arm64. */
#ifndef FM_CPU_H
#define FM_CPU_H

#include "floats.h" /* before the intrinsics, whose floats it also covers */

enum fm_cpu_level { FM_CPU_BASELINE = 0, FM_CPU_AVX2 = 1, FM_CPU_AVX512 = 2 };

#if defined(__GNUC__) || defined(__clang__)
#define FM_INLINE static inline __attribute__((always_inline))
#define FM_PREFETCH(address) __builtin_prefetch((address), 0, 3)
#elif defined(_M_X64)
#include <intrin.h>
#define FM_INLINE static __forceinline
#define FM_PREFETCH(address) _mm_prefetch((const char *)(address), _MM_HINT_T0)
#else
#define FM_INLINE static inline
#define FM_PREFETCH(address) ((void)(address))
#endif

/* Compilers for devices call such a function. Inlined in many places, it would make the
   code larger and its caller need more registers. */
#define FM_CALLED

#ifndef FM_X86_LEVELS /* the tests set it to 0 to compile the other machines' code */
#if (defined(__x86_64__) || defined(__i386__)) && defined(__GNUC__)
#define FM_X86_LEVELS 1
#else
#define FM_X86_LEVELS 0
#endif
#endif

/* Define the table name_levels[level] from one body for each level. `params` are the
   parameters of all bodies and `args` their names, both in parentheses. A body is an
   FM_INLINE function. One with intrinsics stands between #if FM_X86_LEVELS and #endif,
   begins with FM_TARGET_AVX2 or FM_TARGET_AVX512, and may serve any higher level. */
#if FM_X86_LEVELS
#include <immintrin.h>
#define FM_TARGET_AVX2 __attribute__((target("avx2,f16c")))
#define FM_TARGET_AVX512 \
    __attribute__((target("avx2,f16c,avx512f,avx512bw,avx512vl")))
#define FM_LEVELS_OF(name, params, args, baseline, avx2, avx512)                      \
    static void name##_for_baseline params { baseline args; }                         \
    FM_TARGET_AVX2 static void name##_for_avx2 params { avx2 args; }                  \
    FM_TARGET_AVX512 static void name##_for_avx512 params { avx512 args; }            \
    static void(*const name##_levels[3]) params = {                                   \
        name##_for_baseline, name##_for_avx2, name##_for_avx512}
#else
#define FM_LEVELS_OF(name, params, args, baseline, avx2, avx512)                      \
    static void name##_for_baseline params { baseline args; }                         \
    static void(*const name##_levels[3]) params = {                                   \
        name##_for_baseline, name##_for_baseline, name##_for_baseline}
#endif

/* Define the table name_levels[level] from the body `name`, compiled three times. */
#define FM_LEVELS(name, params, args) FM_LEVELS_OF(name, params, args, name, name, name)

/* Return the highest level that this processor and operating system can run. */
static inline enum fm_cpu_level fm_cpu_detect(void)
{
#if FM_X86_LEVELS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) {
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512vl"))
            return FM_CPU_AVX512;
        return FM_CPU_AVX2;
    }
#endif
    return FM_CPU_BASELINE;
}

/* A level that one thread may set while others read it. */
#if defined(__GNUC__) || defined(__clang__)
typedef int fm_cpu_shared;
#define FM_CPU_LOAD(shared) __atomic_load_n(&(shared), __ATOMIC_RELAXED)
#define FM_CPU_STORE(shared, level) __atomic_store_n(&(shared), level, __ATOMIC_RELAXED)
#else
typedef volatile int fm_cpu_shared;
#define FM_CPU_LOAD(shared) (shared)
#define FM_CPU_STORE(shared, level) ((void)((shared) = (level)))
#endif

#endif
