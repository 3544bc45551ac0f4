/* Threads, mutexes and condition variables: a few functions, implemented with pthreads
   (IEEE Std 1003.1-2017) or Win32. Where there are no threads, as in WebAssembly,
   FM_THREADS is 0: none starts, and nothing has to be locked. */
#ifndef FM_THREAD_H
#define FM_THREAD_H

#include <stdint.h>

#ifndef FM_THREADS
#if defined(__wasi__) || (defined(__EMSCRIPTEN__) && !defined(__EMSCRIPTEN_PTHREADS__))
#define FM_THREADS 0
#else
#define FM_THREADS 1
#endif
#endif

/* A worker needs less than 32 KiB, and C functions of the user may need more. The
   default of 8 MiB takes 2 GiB of addresses for 256 threads. */
#define FM_THREAD_STACK_NBYTES ((size_t)512 << 10)

#if defined(__x86_64__) || defined(_M_X64) || defined(__i386__) || defined(_M_IX86)
#include <immintrin.h>
#define FM_THREAD_PAUSE() _mm_pause()
#elif defined(__aarch64__) && defined(__GNUC__)
#define FM_THREAD_PAUSE() __asm__ volatile("yield")
#else
#define FM_THREAD_PAUSE() ((void)0)
#endif

/* Do nothing for about a microsecond. */
static inline void fm_thread_pause_us(void)
{
    for (int i = 0; i < 25; i++)
        FM_THREAD_PAUSE();
}

#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#include <process.h>
#include <windows.h>

typedef HANDLE fm_thread;
typedef DWORD fm_thread_id;
typedef SRWLOCK fm_thread_mutex;
typedef CONDITION_VARIABLE fm_thread_cond;

#define FM_THREAD_MAIN(name, argument) static unsigned __stdcall name(void *argument)
#define FM_THREAD_RETURN return 0
typedef unsigned(__stdcall *fm_thread_main)(void *argument);

static inline int fm_thread_start(fm_thread *thread, fm_thread_main main,
                                  void *argument)
{
    *thread = (HANDLE)_beginthreadex(NULL, (unsigned)FM_THREAD_STACK_NBYTES, main,
                                     argument,
                                     STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    return *thread != NULL;
}

static inline void fm_thread_join(fm_thread thread)
{
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
}

/* Return the number of the current thread, and whether a number is that. */
static inline fm_thread_id fm_thread_self(void) { return GetCurrentThreadId(); }
static inline int fm_thread_is(fm_thread_id id) { return id == GetCurrentThreadId(); }

static inline void fm_thread_mutex_init(fm_thread_mutex *mutex)
{
    InitializeSRWLock(mutex);
}

static inline void fm_thread_mutex_destroy(fm_thread_mutex *mutex) { (void)mutex; }
static inline void fm_thread_lock(fm_thread_mutex *mutex)
{
    AcquireSRWLockExclusive(mutex);
}

static inline void fm_thread_unlock(fm_thread_mutex *mutex)
{
    ReleaseSRWLockExclusive(mutex);
}

static inline void fm_thread_cond_init(fm_thread_cond *cond)
{
    InitializeConditionVariable(cond);
}

static inline void fm_thread_cond_destroy(fm_thread_cond *cond) { (void)cond; }
static inline void fm_thread_wake_one(fm_thread_cond *cond)
{
    WakeConditionVariable(cond);
}

static inline void fm_thread_wake_all(fm_thread_cond *cond)
{
    WakeAllConditionVariable(cond);
}

static inline void fm_thread_wait(fm_thread_cond *cond, fm_thread_mutex *mutex)
{
    SleepConditionVariableSRW(cond, mutex, INFINITE, 0);
}

/* Return 0 when `ms` milliseconds have passed. It may also return 1 for no reason. */
static inline int fm_thread_wait_ms(fm_thread_cond *cond, fm_thread_mutex *mutex,
                                    unsigned ms)
{
    return SleepConditionVariableSRW(cond, mutex, ms, 0) != 0;
}

/* Return the nanoseconds since a fixed moment. */
static inline uint64_t fm_thread_clock_ns(void)
{
    LARGE_INTEGER ticks, per_second;
    QueryPerformanceCounter(&ticks);
    QueryPerformanceFrequency(&per_second);
    return (uint64_t)((double)ticks.QuadPart * 1e9 / (double)per_second.QuadPart);
}

/* Call `child` in each forked child, before fork returns there. */
static inline void fm_thread_at_fork(void (*child)(void)) { (void)child; }

#elif FM_THREADS

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

typedef pthread_t fm_thread, fm_thread_id;
typedef pthread_mutex_t fm_thread_mutex;
typedef pthread_cond_t fm_thread_cond;

#define FM_THREAD_MAIN(name, argument) static void *name(void *argument)
#define FM_THREAD_RETURN return NULL
typedef void *(*fm_thread_main)(void *argument);

/* Start a thread, and return whether the system did. The thread blocks signals, so that
   the existing threads handle them, except the ones that a fault of its own raises: if
   those were blocked, a crash would skip the handlers that report it. */
static inline int fm_thread_start(fm_thread *thread, fm_thread_main main,
                                  void *argument)
{
    static const int faults[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};
    sigset_t blocked, before;
    pthread_attr_t attributes;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        sigdelset(&blocked, faults[i]);
    if (pthread_attr_init(&attributes) != 0)
        return 0;
    pthread_attr_setstacksize(&attributes, FM_THREAD_STACK_NBYTES);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    int failed = pthread_create(thread, &attributes, main, argument);
    if (failed == EINVAL) /* too small for the program's thread-local variables */
        failed = pthread_create(thread, NULL, main, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return !failed;
}

static inline void fm_thread_join(fm_thread thread) { pthread_join(thread, NULL); }

static inline fm_thread_id fm_thread_self(void) { return pthread_self(); }

static inline int fm_thread_is(fm_thread_id id)
{
    return pthread_equal(id, pthread_self());
}

static inline void fm_thread_mutex_init(fm_thread_mutex *mutex)
{
    pthread_mutex_init(mutex, NULL);
}

static inline void fm_thread_mutex_destroy(fm_thread_mutex *mutex)
{
    pthread_mutex_destroy(mutex);
}

static inline void fm_thread_unlock(fm_thread_mutex *mutex)
{
    pthread_mutex_unlock(mutex);
}

/* A mutex is held for less than a microsecond, and to sleep and be woken takes 30 us.
   So spin briefly before sleeping. SRW locks do the same by themselves. */
static inline void fm_thread_lock(fm_thread_mutex *mutex)
{
    for (int i = 0; i < 100; i++) {
        if (pthread_mutex_trylock(mutex) == 0)
            return;
        FM_THREAD_PAUSE();
    }
    pthread_mutex_lock(mutex);
}

static inline void fm_thread_cond_destroy(fm_thread_cond *cond)
{
    pthread_cond_destroy(cond);
}

static inline void fm_thread_wake_one(fm_thread_cond *cond)
{
    pthread_cond_signal(cond);
}

static inline void fm_thread_wake_all(fm_thread_cond *cond)
{
    pthread_cond_broadcast(cond);
}

static inline void fm_thread_wait(fm_thread_cond *cond, fm_thread_mutex *mutex)
{
    pthread_cond_wait(cond, mutex);
}

#ifdef __APPLE__

static inline void fm_thread_cond_init(fm_thread_cond *cond)
{
    pthread_cond_init(cond, NULL);
}

static inline int fm_thread_wait_ms(fm_thread_cond *cond, fm_thread_mutex *mutex,
                                    unsigned ms)
{
    struct timespec wait = {.tv_sec = ms / 1000,
                            .tv_nsec = (long)(ms % 1000) * 1000000};
    return pthread_cond_timedwait_relative_np(cond, mutex, &wait) != ETIMEDOUT;
}

#else

/* Use the monotonic clock, so that a change of the system's time neither prolongs nor
   shortens a wait. */
static inline void fm_thread_cond_init(fm_thread_cond *cond)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

static inline int fm_thread_wait_ms(fm_thread_cond *cond, fm_thread_mutex *mutex,
                                    unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return pthread_cond_timedwait(cond, mutex, &until) != ETIMEDOUT;
}

#endif

static inline void fm_thread_at_fork(void (*child)(void))
{
    pthread_atfork(NULL, NULL, child);
}

#else

typedef char fm_thread, fm_thread_id, fm_thread_mutex, fm_thread_cond;

#define FM_THREAD_MAIN(name, argument) static void *name(void *argument)
#define FM_THREAD_RETURN return NULL
typedef void *(*fm_thread_main)(void *argument);

static inline int fm_thread_start(fm_thread *thread, fm_thread_main main,
                                  void *argument)
{
    (void)thread, (void)main, (void)argument;
    return 0;
}

static inline void fm_thread_join(fm_thread thread) { (void)thread; }
static inline fm_thread_id fm_thread_self(void) { return 0; }
static inline int fm_thread_is(fm_thread_id id) { return id == 0; }
static inline void fm_thread_mutex_init(fm_thread_mutex *mutex) { (void)mutex; }
static inline void fm_thread_mutex_destroy(fm_thread_mutex *mutex) { (void)mutex; }
static inline void fm_thread_lock(fm_thread_mutex *mutex) { (void)mutex; }
static inline void fm_thread_unlock(fm_thread_mutex *mutex) { (void)mutex; }
static inline void fm_thread_cond_init(fm_thread_cond *cond) { (void)cond; }
static inline void fm_thread_cond_destroy(fm_thread_cond *cond) { (void)cond; }
static inline void fm_thread_wake_one(fm_thread_cond *cond) { (void)cond; }
static inline void fm_thread_wake_all(fm_thread_cond *cond) { (void)cond; }

/* A single thread has nothing to wait for, and never does. */
static inline void fm_thread_wait(fm_thread_cond *cond, fm_thread_mutex *mutex)
{
    (void)cond, (void)mutex;
}

static inline int fm_thread_wait_ms(fm_thread_cond *cond, fm_thread_mutex *mutex,
                                    unsigned ms)
{
    (void)cond, (void)mutex, (void)ms;
    return 0;
}

static inline void fm_thread_at_fork(void (*child)(void)) { (void)child; }

#endif

#ifndef _WIN32

#include <time.h>

/* Return the nanoseconds since a fixed moment. */
static inline uint64_t fm_thread_clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif

#endif
