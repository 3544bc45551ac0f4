/* The handler of SIGBUS for mapped files; faults.h describes it. Source: sigaction and
   mmap of IEEE Std 1003.1-2017.

   The handler takes no lock and allocates nothing. It calls mmap, which is a plain
   system call, and pthread_getspecific, which only reads. POSIX does not list them as
   safe in handlers, because a signal may interrupt them. But this signal is raised by a
   read of mapped memory, and neither of them was reading it. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */

#include "faults.h"

#if defined(_WIN32) || defined(__EMSCRIPTEN__) || defined(__wasi__)

static struct fm_faults_range { char unused; } only;

void fm_faults_setup(int (*notify)(void)) { (void)notify; }

struct fm_faults_range *fm_faults_watch(void *begin, size_t nbytes, const char *name)
{
    (void)begin, (void)nbytes, (void)name;
    return &only;
}

void fm_faults_unwatch(struct fm_faults_range *range) { (void)range; }
void fm_faults_begin(void) {}
void fm_faults_end(void) {}
size_t fm_faults_count(void) { return 0; }

int fm_faults_is_damaged(const void *begin, size_t nbytes)
{
    (void)begin, (void)nbytes;
    return 0;
}

const char *fm_faults_report(const void *begin, size_t nbytes)
{
    (void)begin, (void)nbytes;
    return NULL;
}

const char *fm_faults_next(void) { return NULL; }

#else

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Ranges are never freed, so the handler can walk through their list at any time. A
   range is used again when its file is unmapped. A damaged one is not, so that its name
   can still be reported. */
struct fm_faults_range {
    struct fm_faults_range *next;
    atomic_int is_used;
    atomic_uintptr_t begin;
    atomic_size_t nbytes; /* 0 while nothing is watched */
    atomic_int is_damaged, is_unreported, has_zeros;
    _Atomic(pthread_t) reader; /* the last thread that made it unreported */
    char *name;
};

static _Atomic(struct fm_faults_range *) newest;
static atomic_size_t n_unused;
static atomic_size_t n_faults;
static atomic_int is_notified; /* fm_faults_next will be called */
static atomic_int have_zeros;  /* some range has zeros */
static int (*notify_reader)(void);

/* How many times a thread is between begin and end. A thread-local variable would need
   64 MiB of addresses in each worker, as described in pipeline.c. */
static pthread_key_t depth;
static int has_depth;

static struct sigaction before; /* the handler before this one */
static pthread_once_t installed = PTHREAD_ONCE_INIT;
static pthread_mutex_t rearming = PTHREAD_MUTEX_INITIALIZER;

/* ---- the handler ----------------------------------------------------------------- */

static struct fm_faults_range *find(uintptr_t address)
{
    struct fm_faults_range *range = atomic_load(&newest);
    while (range && address - atomic_load(&range->begin) >= atomic_load(&range->nbytes))
        range = range->next;
    return range;
}

/* Arrange that fm_faults_next is called. Return whether it will be. */
static int is_reader_notified(void)
{
    if (atomic_exchange(&is_notified, 1))
        return 1;
    if (notify_reader && notify_reader() == 0)
        return 1;
    atomic_store(&is_notified, 0);
    return 0;
}

/* Map zeros from the page of the fault to the end of the range, and mark the range.
   Return whether this succeeded. */
static int give_zeros(struct fm_faults_range *range, uintptr_t address)
{
    const uintptr_t end = atomic_load(&range->begin) + atomic_load(&range->nbytes);
    const uintptr_t page = address - address % (uintptr_t)sysconf(_SC_PAGESIZE);
    atomic_store(&range->is_damaged, 1);
    atomic_fetch_add(&n_faults, 1);
    if (!has_depth || pthread_getspecific(depth) == NULL) {
        atomic_store(&range->reader, pthread_self());
        atomic_store(&range->is_unreported, 1);
        if (!is_reader_notified())
            return 0;
    }
    if (mmap((void *)page, end - page, PROT_READ,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        return 0;
    atomic_store(&range->has_zeros, 1);
    atomic_store(&have_zeros, 1);
    return 1;
}

/* Do what the system would do if this handler were not installed. */
static void hand_on(int number, siginfo_t *info, void *context)
{
    const int is_sent = info->si_code <= 0; /* by a process, and not by a fault */
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(number, info, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(number);
    } else if (before.sa_handler == SIG_DFL || !is_sent) {
        sigaction(SIGBUS, &before, NULL); /* the read is repeated, and fails again */
        if (is_sent)
            raise(number); /* delivered after the return */
    }
}

static void handle(int number, siginfo_t *info, void *context)
{
    const int error = errno;
    const uintptr_t address = (uintptr_t)info->si_addr;
    struct fm_faults_range *range = info->si_code > 0 ? find(address) : NULL;
    if (range == NULL || !give_zeros(range, address))
        hand_on(number, info, context);
    errno = error;
}

static void install(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, NULL, &before); /* first: the handler needs it at once */
    sigaction(SIGBUS, &action, NULL);
}

/* ---- ranges ---------------------------------------------------------------------- */

void fm_faults_setup(int (*notify)(void))
{
    notify_reader = notify;
    has_depth = has_depth || pthread_key_create(&depth, NULL) == 0;
}

/* Return a range that is not in use, or NULL without memory. */
static struct fm_faults_range *new_range(void)
{
    struct fm_faults_range *range = NULL;
    if (atomic_load(&n_unused))
        for (range = atomic_load(&newest); range; range = range->next)
            if (!atomic_exchange(&range->is_used, 1)) {
                atomic_fetch_sub(&n_unused, 1);
                return range;
            }
    range = calloc(1, sizeof *range);
    if (range) {
        range->is_used = 1;
        range->next = atomic_load(&newest);
        while (!atomic_compare_exchange_weak(&newest, &range->next, range))
            ;
    }
    return range;
}

struct fm_faults_range *fm_faults_watch(void *begin, size_t nbytes, const char *name)
{
    char *copy = malloc(strlen(name) + 1);
    struct fm_faults_range *range = copy ? new_range() : NULL;
    if (range == NULL) {
        free(copy);
        return NULL;
    }
    pthread_once(&installed, install);
    free(range->name);
    range->name = strcpy(copy, name);
    atomic_store(&range->begin, (uintptr_t)begin);
    atomic_store(&range->nbytes, nbytes);
    return range;
}

void fm_faults_unwatch(struct fm_faults_range *range)
{
    if (atomic_load(&range->is_damaged)) {
        pthread_mutex_lock(&rearming);
        atomic_store(&range->nbytes, 0);
        pthread_mutex_unlock(&rearming);
    } else {
        atomic_store(&range->nbytes, 0);
        atomic_store(&range->is_used, 0);
        atomic_fetch_add(&n_unused, 1);
    }
}

/* ---- readers --------------------------------------------------------------------- */

static void change_depth(int change)
{
    if (has_depth)
        pthread_setspecific(depth,
                            (void *)((intptr_t)pthread_getspecific(depth) + change));
}

/* Return a new file without a name and without bytes, or -1. */
static int empty_file(void)
{
    int file = -1;
#ifdef SYS_memfd_create /* this needs no folder that can be written */
    file = (int)syscall(SYS_memfd_create, "fmnist_fast", 1u /* MFD_CLOEXEC */);
#endif
    if (file < 0) {
        FILE *stream = tmpfile();
        if (stream) {
            file = dup(fileno(stream));
            fclose(stream);
        }
    }
    return file;
}

/* Map an empty file in place of a range that has zeros, because a read of these would
   pass without a fault. If there is no such file, the zeros stay. */
static void rearm(struct fm_faults_range *range)
{
    const int file = atomic_exchange(&range->has_zeros, 0) ? empty_file() : -1;
    if (file < 0)
        return;
    pthread_mutex_lock(&rearming); /* so that the range stays mapped */
    if (range->nbytes)
        (void)mmap((void *)range->begin, range->nbytes, PROT_READ,
                   MAP_SHARED | MAP_FIXED, file, 0);
    pthread_mutex_unlock(&rearming);
    close(file);
}

void fm_faults_begin(void)
{
    change_depth(1);
}

void fm_faults_end(void)
{
    change_depth(-1);
    if (atomic_load(&have_zeros) && atomic_exchange(&have_zeros, 0))
        for (struct fm_faults_range *r = atomic_load(&newest); r; r = r->next)
            rearm(r);
}

size_t fm_faults_count(void)
{
    return atomic_load(&n_faults);
}

static struct fm_faults_range *find_damaged(const void *begin, size_t nbytes)
{
    const uintptr_t from = (uintptr_t)begin;
    struct fm_faults_range *range = fm_faults_count() ? atomic_load(&newest) : NULL;
    for (; range; range = range->next) {
        const uintptr_t start = atomic_load(&range->begin);
        const size_t length = atomic_load(&range->nbytes); /* 0: no longer watched */
        if (atomic_load(&range->is_damaged) && length > 0 && from < start + length &&
            start < from + nbytes)
            break;
    }
    return range;
}

int fm_faults_is_damaged(const void *begin, size_t nbytes)
{
    return find_damaged(begin, nbytes) != NULL;
}

const char *fm_faults_report(const void *begin, size_t nbytes)
{
    struct fm_faults_range *range = find_damaged(begin, nbytes);
    if (range == NULL)
        return NULL;
    atomic_store(&range->is_unreported, 0);
    rearm(range);
    return range->name;
}

const char *fm_faults_next(void)
{
    atomic_store(&is_notified, 0);
    struct fm_faults_range *range = atomic_load(&newest);
    while (range && !atomic_load(&range->is_unreported))
        range = range->next;
    if (range == NULL)
        return NULL;
    atomic_store(&range->is_unreported, 0);
    /* Another thread may still be reading, and would be reported again and again. */
    if (pthread_equal(atomic_load(&range->reader), pthread_self()))
        rearm(range);
    return range->name;
}

#endif
