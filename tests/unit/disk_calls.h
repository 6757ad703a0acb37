/* The system calls that stand under src/os/file.c, as --wrap gives them to disk.c: CALL(type, name,
 * arguments) is one that is reached by its own name or, with 64-bit offsets, by name64. The same
 * names stand in meson.build (disk_calls). */
#ifndef WEIR_TESTS_DISK_CALLS_H
#define WEIR_TESTS_DISK_CALLS_H

#include <dirent.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>

/* both names mean the same thing */
_Static_assert(sizeof(off_t) == 8 && sizeof(long) == 8, "a 64-bit system");

#define WRAP(name) __wrap_##name
#define REAL(name) __real_##name
#define CALL(type, name, ...)        \
    type __wrap_##name(__VA_ARGS__); \
    type __real_##name(__VA_ARGS__);
#define CALL64(type, name, ...)   \
    CALL(type, name, __VA_ARGS__) \
    type __wrap_##name##64(__VA_ARGS__) __attribute__((alias("__wrap_" #name)));

CALL64(int, open, const char *, int, ...)
CALL(int, close, int)
CALL64(ssize_t, pwrite, int, const void *, size_t, off_t)
CALL64(ssize_t, pread, int, void *, size_t, off_t)
CALL64(int, ftruncate, int, off_t)
CALL64(int, posix_fallocate, int, off_t, off_t)
CALL(int, fsync, int)
CALL(int, fdatasync, int)
CALL(int, link, const char *, const char *)
CALL(int, rename, const char *, const char *)
CALL(int, unlink, const char *)
CALL(int, rmdir, const char *)
CALL(int, mkdir, const char *, mode_t)
CALL(int, symlink, const char *, const char *)
CALL64(int, fstat, int, struct stat *)
CALL64(int, stat, const char *, struct stat *)
CALL64(int, statvfs, const char *, struct statvfs *)
CALL(ssize_t, readlink, const char *, char *, size_t)
CALL(char *, realpath, const char *, char *)
CALL(DIR *, opendir, const char *)
CALL64(struct dirent *, readdir, DIR *)
CALL64(int, fcntl, int, int, ...)
CALL64(void *, mmap, void *, size_t, int, int, int, off_t)
CALL(void *, malloc, size_t)
CALL(void *, calloc, size_t, size_t)
CALL(void *, realloc, void *, size_t)

#endif
