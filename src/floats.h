/* Floating-point arithmetic that gives the same bits everywhere. The first half checks
   how the compiler was called, and forbids it to contract and reorder operations. The
   second half replaces the control state of a thread: rounding, flushing of denormal
   numbers, and traps. Every file that computes with floats includes this header before
   its first float.
   Sources: C11, 6.10.8.3 and annex F; Intel SDM volume 1, 10.2.3; Arm ARM, FPCR. */
#ifndef FM_FLOATS_H
#define FM_FLOATS_H

#include <float.h>
#include <stdint.h>

#if defined(__x86_64__) || defined(_M_X64) || defined(__i386__) || defined(_M_IX86)
#define FM_FLOATS_X86 1
#include <xmmintrin.h>
#elif defined(__aarch64__) || defined(_M_ARM64)
#define FM_FLOATS_ARM64 1
#ifdef _MSC_VER
#include <intrin.h>
#endif
#else
#include <fenv.h>
#endif

/* ---- the compiler's options ------------------------------------------------------ */

#if defined(__FAST_MATH__) || defined(_M_FP_FAST) ||                                  \
    (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__)
#error "fmnist_fast requires exact floating-point arithmetic. Remove -Ofast, \
-ffast-math, -ffinite-math-only, -fp-model=fast and /fp:fast from CFLAGS or CL."
#endif

#if !defined(_MSC_VER) && FLT_EVAL_METHOD != 0
#error "fmnist_fast requires float operations that round to float. Remove \
-mfpmath=387 and -mfpmath=both from CFLAGS, and add -msse2 -mfpmath=sse on 32-bit x86."
#elif defined(_M_IX86_FP) && _M_IX86_FP < 2
#error "fmnist_fast requires float operations that round to float. Remove \
/arch:IA32 and /arch:SSE from CL."
#endif

#if defined(__clang__)
/* Options such as -funsafe-math-optimizations define no macro, but these lines undo
   them. The first one allows contraction, which the last one forbids. */
#ifdef FM_FLOATS_X86 /* clang 14 has it for no other processor */
#pragma float_control(precise, on)
#endif
#pragma clang fp reassociate(off)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
/* GCC has no such lines. In ISO mode it says by __GCC_IEC_559 that no option changes a
   result, and contraction is such an option. */
#if !defined(__STRICT_ANSI__) || !defined(__GCC_IEC_559) || __GCC_IEC_559 == 0
#error "fmnist_fast requires exact floating-point arithmetic. Add -std=c11 \
-ffp-contract=off to CFLAGS. Remove -funsafe-math-optimizations, -fassociative-math, \
-freciprocal-math, -fno-signed-zeros and -fsingle-precision-constant."
#endif
#elif defined(_MSC_VER)
#pragma fp_contract(off) /* on by default for arm64 before Visual Studio 2022 */
#endif

/* ---- the control state of a thread ----------------------------------------------- */

/* Loads and stores, and so arithmetic on what they load and store, do not cross this
   line. MSVC moves nothing across the intrinsics below. */
#if defined(__GNUC__) || defined(__clang__)
#define FM_FLOATS_FENCE() __asm__ volatile("" ::: "memory")
#else
#define FM_FLOATS_FENCE() ((void)0)
#endif

/* Between fm_floats_begin and fm_floats_end, operations round to the nearest number,
   keep denormal numbers, and do not trap. `caller` keeps the caller's state, with the
   flags of exceptions that it has seen. On x86 both together take 10 ns. */

#if defined(FM_FLOATS_X86)

struct fm_floats {
    unsigned mxcsr;
};

static inline void fm_floats_begin(struct fm_floats *caller)
{
    caller->mxcsr = _mm_getcsr();
    _mm_setcsr(0x1F80); /* only the bits that mask the six exceptions */
    FM_FLOATS_FENCE();
}

static inline void fm_floats_end(const struct fm_floats *caller)
{
    FM_FLOATS_FENCE();
    _mm_setcsr(caller->mxcsr);
}

#elif defined(FM_FLOATS_ARM64)

struct fm_floats {
    uint64_t fpcr, fpsr;
};

#if defined(__GNUC__) || defined(__clang__)
#define FM_FLOATS_READ(name, out) __asm__ volatile("mrs %0, " #name : "=r"(out))
#define FM_FLOATS_WRITE(name, in) __asm__ volatile("msr " #name ", %0" : : "r"(in))
#else
enum { FM_FLOATS_fpcr = 0x5A20, FM_FLOATS_fpsr = 0x5A21 };
#define FM_FLOATS_READ(name, out) ((out) = (uint64_t)_ReadStatusReg(FM_FLOATS_##name))
#define FM_FLOATS_WRITE(name, in) _WriteStatusReg(FM_FLOATS_##name, (__int64)(in))
#endif

static inline void fm_floats_begin(struct fm_floats *caller)
{
    FM_FLOATS_READ(fpcr, caller->fpcr);
    FM_FLOATS_READ(fpsr, caller->fpsr);
    FM_FLOATS_WRITE(fpcr, (uint64_t)0);
    FM_FLOATS_FENCE();
}

static inline void fm_floats_end(const struct fm_floats *caller)
{
    FM_FLOATS_FENCE();
    FM_FLOATS_WRITE(fpcr, caller->fpcr);
    FM_FLOATS_WRITE(fpsr, caller->fpsr);
}

#else

struct fm_floats {
    fenv_t state;
};

static inline void fm_floats_begin(struct fm_floats *caller)
{
    fegetenv(&caller->state);
    fesetenv(FE_DFL_ENV);
    FM_FLOATS_FENCE();
}

static inline void fm_floats_end(const struct fm_floats *caller)
{
    FM_FLOATS_FENCE();
    fesetenv(&caller->state);
}

#endif

#endif
