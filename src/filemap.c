/* Mapping files: mmap and posix_madvise of IEEE Std 1003.1-2017, or Win32. */
#define _POSIX_C_SOURCE 200809L
#define _FILE_OFFSET_BITS 64

#include "filemap.h"

#include <errno.h>
#include <stdint.h>

#ifdef _WIN32

#define WIN32_LEAN_AND_MEAN
#include <io.h>
#include <windows.h>

void *fm_filemap_new(int file, size_t nbytes)
{
    HANDLE handle = (HANDLE)_get_osfhandle(file);
    HANDLE mapping = CreateFileMappingW(handle, NULL, PAGE_READONLY, 0, 0, NULL);
    void *mapped = NULL;
    if (mapping != NULL) {
        mapped = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, nbytes);
        CloseHandle(mapping); /* the view stays valid */
    }
    if (mapped == NULL)
        errno = GetLastError() == ERROR_ACCESS_DENIED ? EACCES : ENOMEM;
    return mapped;
}

void fm_filemap_free(void *mapped, size_t nbytes)
{
    (void)nbytes;
    UnmapViewOfFile(mapped);
}

void fm_filemap_will_need(const void *begin, size_t nbytes)
{
    (void)begin, (void)nbytes;
}

#else

#include <sys/mman.h>
#include <unistd.h>

void *fm_filemap_new(int file, size_t nbytes)
{
    void *mapped = mmap(NULL, nbytes, PROT_READ, MAP_SHARED, file, 0);
    return mapped == MAP_FAILED ? NULL : mapped;
}

void fm_filemap_free(void *mapped, size_t nbytes)
{
    munmap(mapped, nbytes);
}

void fm_filemap_will_need(const void *begin, size_t nbytes)
{
    /* The advice must start at a page boundary. The mapping starts at one as well, so
       that this address lies inside it. */
    const size_t before = (uintptr_t)begin % (uintptr_t)sysconf(_SC_PAGESIZE);
    /* This is only advice: a refusal is not an error. */
    (void)posix_madvise((char *)begin - before, nbytes + before, POSIX_MADV_WILLNEED);
}

#endif
