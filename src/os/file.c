#include "os/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "os/fail.h"
#include "os/fault.h"

/* What helps; "" where the system's text says it all. */
static const char *fix_of(int no)
{
    switch (no) {
    case ENOSPC:
    case EDQUOT:
        return "; make room there (retention.size, retention.free), or move the data to a larger "
               "disk";
    case EMFILE:
    case ENFILE:
        return "; allow more open files (LimitNOFILE= of the unit, ulimit -n)";
    case EIO:
        return "; the disk is failing: dmesg says more, weir fsck says what is lost";
    case EROFS:
        return "; the file system is mounted for reading only";
    case EACCES:
    case EPERM:
        return "; the user that runs weir needs the right to it";
    default:
        return "";
    }
}

int os_fail(struct err *e, const char *path, const char *what)
{
    int no = errno, rc = no == ENOENT ? ERR_NOTFOUND : no == ENOMEM ? ERR_NOMEM : ERR_IO;

    return err_set(e, rc, "%s: %s: %s%s", path, what, strerror(no), fix_of(no));
}

int os_file_open(int *fd, const char *path, enum os_open_mode mode, struct err *e)
{
    int flags = O_CLOEXEC;

    flags |= mode == OS_OPEN_READ ? O_RDONLY : O_RDWR | O_CREAT;
    flags |= mode == OS_OPEN_TRUNC ? O_TRUNC : 0;
    *fd = open(path, flags, 0640);
    return *fd >= 0 ? ERR_OK : os_fail(e, path, "open");
}

void os_file_close(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
    *fd = -1;
}

int os_file_write(int fd, const char *path, uint64_t offset, const void *p, size_t n, struct err *e)
{
    const uint8_t *q = p;

    while (n > 0) {
        ssize_t k = pwrite(fd, q, n, (off_t)offset);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return os_fail(e, path, "write");
        q += k;
        n -= (size_t)k;
        offset += (uint64_t)k;
    }
    return ERR_OK;
}

int os_file_read(int fd, const char *path, uint64_t offset, void *p, size_t n, size_t *got,
                 struct err *e)
{
    *got = 0;
    while (*got < n) {
        ssize_t k = pread(fd, (uint8_t *)p + *got, n - *got, (off_t)(offset + *got));
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return os_fail(e, path, "read");
        if (k == 0)
            break;
        *got += (size_t)k;
    }
    return ERR_OK;
}

int os_file_truncate(int fd, const char *path, uint64_t len, struct err *e)
{
    return ftruncate(fd, (off_t)len) == 0 ? ERR_OK : os_fail(e, path, "truncate");
}

int os_file_sync(int fd, const char *path, struct err *e)
{
    int rc;

    fault_point("os.sync");
    rc = fsync(fd) == 0 ? ERR_OK : os_fail(e, path, "fsync");
    fault_point("os.synced");
    return rc;
}

int os_file_datasync(int fd, const char *path, struct err *e)
{
    return fdatasync(fd) == 0 ? ERR_OK : os_fail(e, path, "fdatasync");
}

int os_file_allocate(int fd, const char *path, uint64_t octets, struct err *e)
{
    int no = posix_fallocate(fd, 0, (off_t)octets);

    errno = no;
    return no == 0 ? ERR_OK : os_fail(e, path, "allocate");
}

static int dir_sync(const char *dir, bool lenient, struct err *e)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

    if (fd < 0)
        return lenient && errno == EACCES ? ERR_OK : os_fail(e, dir, "open");
    rc = os_file_sync(fd, dir, e);
    (void)close(fd);
    return rc;
}

int os_file_replace(const char *path, const struct buf *with, struct err *e)
{
    char temp[PATH_MAX + 8];
    int fd, rc;

    if (!buf_ok(with))
        return err_set(e, ERR_NOMEM, "%s: out of memory", path);
    if (snprintf(temp, sizeof temp, "%s.tmp", path) >= (int)sizeof temp)
        return err_set(e, ERR_ARG, "%s: path too long", path);
    if ((rc = os_file_open(&fd, temp, OS_OPEN_TRUNC, e)) != ERR_OK)
        return rc;
    rc = os_file_write(fd, temp, 0, with->p, with->len, e);
    if (rc == ERR_OK)
        rc = os_file_sync(fd, temp, e);
    os_file_close(&fd);
    if (rc == ERR_OK)
        rc = os_rename(temp, path, e);
    if (rc != ERR_OK)
        (void)os_unlink(temp, NULL);
    return rc;
}

int os_dir_sync(const char *dir, struct err *e)
{
    return dir_sync(dir, false, e);
}

int os_parent_sync(const char *path, struct err *e)
{
    char dir[PATH_MAX], *slash;
    size_t n = strlen(path);

    if (n >= sizeof dir)
        return err_set(e, ERR_ARG, "%s: path too long", path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    memcpy(dir, path, n);
    dir[n] = '\0';
    slash = strrchr(dir, '/');
    if (slash == NULL)
        return dir_sync(".", true, e);
    slash[slash == dir] = '\0';
    return dir_sync(dir, true, e);
}

int os_file_slurp(const char *path, struct buf *out, struct err *e)
{
    int fd, rc;
    uint64_t at = 0;
    size_t got = 1;
    uint8_t piece[65536];

    if ((rc = os_file_open(&fd, path, OS_OPEN_READ, e)) != ERR_OK)
        return rc;
    while (rc == ERR_OK && got > 0) {
        rc = os_file_read(fd, path, at, piece, sizeof piece, &got, e);
        at += got;
        if (rc == ERR_OK && got > out->max - out->len)
            rc = err_set(e, ERR_LIMIT, "%s: longer than %zu octets", path, out->max);
        if (rc == ERR_OK)
            buf_put(out, piece, got);
        if (rc == ERR_OK && !buf_ok(out))
            rc = err_set(e, ERR_NOMEM, "%s: out of memory", path);
    }
    os_file_close(&fd);
    return rc;
}

int os_file_stat(const char *path, struct os_stat *out, struct err *e)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return os_fail(e, path, "stat");
    *out = (struct os_stat){ .dev = (uint64_t)st.st_dev,
                             .ino = (uint64_t)st.st_ino,
                             .octets = (uint64_t)st.st_size,
                             .changed_ns =
                                 (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
                             .is_dir = S_ISDIR(st.st_mode) };
    return ERR_OK;
}

int os_owner(const char *path, struct os_owner *out, struct err *e)
{
    struct passwd pw, *found = NULL;
    struct group gr, *group = NULL;
    char hold[4096];
    struct stat st;

    if (stat(path, &st) != 0)
        return os_fail(e, path, "stat");
    out->mode = st.st_mode & 07777;
    if (getpwuid_r(st.st_uid, &pw, hold, sizeof hold, &found) == 0 && found != NULL)
        (void)snprintf(out->user, sizeof out->user, "%.63s", pw.pw_name);
    else
        (void)snprintf(out->user, sizeof out->user, "%u", (unsigned)st.st_uid);
    if (getgrgid_r(st.st_gid, &gr, hold, sizeof hold, &group) == 0 && group != NULL)
        (void)snprintf(out->group, sizeof out->group, "%.63s", gr.gr_name);
    else
        (void)snprintf(out->group, sizeof out->group, "%u", (unsigned)st.st_gid);
    return ERR_OK;
}

bool os_may_use(const char *dir, bool write)
{
    return access(dir, R_OK | X_OK | (write ? W_OK : 0)) == 0;
}

int os_space(const char *path, uint64_t *free_octets, uint64_t *octets, struct err *e)
{
    struct statvfs v;

    if (statvfs(path, &v) != 0)
        return os_fail(e, path, "statvfs");
    *free_octets = (uint64_t)v.f_bavail * v.f_frsize;
    *octets = (uint64_t)v.f_blocks * v.f_frsize;
    return ERR_OK;
}

int os_link(const char *from, const char *to, struct err *e)
{
    fault_point("os.link");
    if (link(from, to) == 0)
        return ERR_OK;
    if (errno == EXDEV || errno == EPERM || errno == EOPNOTSUPP || errno == EMLINK)
        return err_set(e, ERR_UNSUPPORTED, "%s: cannot be linked to %s: %s", from, to,
                       strerror(errno));
    return os_fail(e, from, "link");
}

int os_copy(const char *from, const char *to, int (*step)(void *ctx, size_t octets), void *ctx,
            struct err *e)
{
    static const size_t piece = 1u << 20;
    uint8_t *p = malloc(piece);
    uint64_t at = 0;
    size_t got = 1;
    int in = -1, out = -1, rc;

    if (p == NULL)
        return err_set(e, ERR_NOMEM, "%s: out of memory", from);
    if ((rc = os_file_open(&in, from, OS_OPEN_READ, e)) == ERR_OK)
        rc = os_file_open(&out, to, OS_OPEN_TRUNC, e);
    while (rc == ERR_OK && got > 0) {
        rc = os_file_read(in, from, at, p, piece, &got, e);
        if (rc == ERR_OK)
            rc = os_file_write(out, to, at, p, got, e);
        at += got;
        if (rc == ERR_OK && step != NULL && (rc = step(ctx, got)) != ERR_OK)
            rc = err_set(e, rc, "%s: copying was stopped", from);
    }
    if (rc == ERR_OK)
        rc = os_file_sync(out, to, e);
    if (rc != ERR_OK && out >= 0)
        (void)unlink(to);
    os_file_close(&in);
    os_file_close(&out);
    free(p);
    return rc;
}

int os_symlink(const char *target, const char *path, struct err *e)
{
    char temp[PATH_MAX + 8];

    (void)snprintf(temp, sizeof temp, "%s.tmp", path);
    (void)unlink(temp);
    if (symlink(target, temp) != 0)
        return os_fail(e, path, "symlink");
    return os_rename(temp, path, e);
}

int os_readlink(const char *path, char *out, size_t cap, struct err *e)
{
    ssize_t n = readlink(path, out, cap);

    if (n < 0 && errno == EINVAL)
        return err_set(e, ERR_NOTFOUND, "%s: not a link", path);
    if (n < 0)
        return os_fail(e, path, "readlink");
    if ((size_t)n >= cap)
        return err_set(e, ERR_ARG, "%s: points to a path that is too long", path);
    out[n] = '\0';
    return ERR_OK;
}

int os_realpath(const char *path, char *out, size_t cap, struct err *e)
{
    char *p = realpath(path, NULL);
    int rc = ERR_OK;

    if (p == NULL)
        return os_fail(e, path, "realpath");
    if (strlen(p) >= cap)
        rc = err_set(e, ERR_ARG, "%s: path too long", path);
    else
        memcpy(out, p, strlen(p) + 1);
    free(p);
    return rc;
}

int os_rename(const char *from, const char *to, struct err *e)
{
    int rc;

    fault_point("os.rename");
    rc = rename(from, to) == 0 ? ERR_OK : os_fail(e, from, "rename");
    fault_point("os.renamed");
    return rc;
}

int os_unlink(const char *path, struct err *e)
{
    fault_point("os.unlink");
    return unlink(path) == 0 ? ERR_OK : os_fail(e, path, "unlink");
}

int os_mkdir(const char *path, struct err *e)
{
    int rc;

    if (mkdir(path, 0750) != 0)
        return errno == EEXIST && os_is_dir(path)
                   ? ERR_OK
                   : os_fail(e, path, "the directory cannot be made");
    rc = os_parent_sync(path, e);
    if (rc != ERR_OK)
        (void)rmdir(path); /* so that the next try makes it durable */
    return rc;
}

int os_rmdir(const char *path, struct err *e)
{
    return rmdir(path) == 0 ? ERR_OK : os_fail(e, path, "rmdir");
}

bool os_is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int os_dir_list(const char *path, int (*each)(void *ctx, const char *name), void *ctx,
                struct err *e)
{
    DIR *d = opendir(path);
    struct dirent *de;
    int rc = ERR_OK;

    if (d == NULL)
        return os_fail(e, path, "opendir");
    errno = 0;
    while (rc == ERR_OK && (de = readdir(d)) != NULL) {
        if (de->d_name[0] != '.')
            rc = each(ctx, de->d_name);
        errno = 0;
    }
    if (rc == ERR_OK && errno != 0)
        rc = os_fail(e, path, "readdir");
    (void)closedir(d);
    return rc;
}

static int lock_call(int fd, const char *path, short type, struct err *e)
{
    struct flock l = { .l_type = type, .l_whence = SEEK_SET };

    if (fcntl(fd, F_OFD_SETLK, &l) == 0)
        return ERR_OK;
    if (errno == EAGAIN || errno == EACCES)
        return err_set(e, ERR_BUSY, "%s: locked by somebody else", path);
    return os_fail(e, path, "lock");
}

int os_file_lock(int fd, const char *path, bool exclusive, struct err *e)
{
    return lock_call(fd, path, exclusive ? F_WRLCK : F_RDLCK, e);
}

int os_file_lock_wait(int fd, const char *path, bool exclusive, struct err *e)
{
    struct flock l = { .l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET };
    int rc;

    do {
        rc = fcntl(fd, F_OFD_SETLKW, &l);
    } while (rc != 0 && errno == EINTR);
    return rc == 0 ? ERR_OK : os_fail(e, path, "lock");
}

int os_file_unlock(int fd, const char *path, struct err *e)
{
    return lock_call(fd, path, F_UNLCK, e);
}

bool os_file_locked(int fd)
{
    struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

    return fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
}

long os_pid(void)
{
    return (long)getpid();
}

int64_t os_wall_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
