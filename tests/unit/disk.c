#include "disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <xxhash.h>

#include "disk_calls.h"

#define SECTOR 512u
#define FDS    4096u

/* One lock for all: calls come from any thread. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool inside; /* calls of this file itself never fail */
static char fd_path[FDS][256];    /* of the descriptors that went through here */

static void *need(void *p)
{
    if (p == NULL)
        abort();
    return p;
}

static void hold(void)
{
    (void)pthread_mutex_lock(&lock);
    inside = true;
}

static void release(void)
{
    int no = errno;

    inside = false;
    (void)pthread_mutex_unlock(&lock);
    errno = no;
}

/* ------------------------------------------------------------------ failing calls */

const char *const disk_fault_name[DISK_FAULTS] = { "EIO", "ENOSPC", "EMFILE", "ENOMEM" };

static const int fault_errno[DISK_FAULTS] = { EIO, ENOSPC, EMFILE, ENOMEM };

#define BIT(f) (1u << (f))
#define IO     BIT(DISK_EIO)
#define ROOM   BIT(DISK_ENOSPC)
#define FD     BIT(DISK_EMFILE)
#define MEM    BIT(DISK_ENOMEM)

static struct {
    bool on, stays, cut_short;
    enum disk_fault fault;
    uint64_t at, n;
    char root[256], first[320];
} failing;

/* Is it this call's turn? `kinds`: how it may fail. Sets errno. */
static bool fails(const char *call, const char *path, unsigned kinds)
{
    bool hit;

    if (!failing.on || inside || (kinds & BIT(failing.fault)) == 0 ||
        (path != NULL && strncmp(path, failing.root, strlen(failing.root)) != 0))
        return false;
    hold();
    failing.n++;
    hit = failing.at != 0 && (failing.n == failing.at || (failing.stays && failing.n > failing.at));
    if (hit && failing.first[0] == '\0')
        (void)snprintf(failing.first, sizeof failing.first, "%s %s", call,
                       path != NULL ? path : "");
    release();
    if (hit)
        errno = fault_errno[failing.fault];
    return hit;
}

static const char *path_of(int fd)
{
    return fd >= 0 && (unsigned)fd < FDS ? fd_path[fd] : "";
}

void disk_fail(enum disk_fault f, uint64_t at, bool stays, const char *root)
{
    failing.fault = f;
    failing.at = at;
    failing.stays = stays;
    failing.n = 0;
    failing.first[0] = '\0';
    failing.cut_short = false;
    (void)snprintf(failing.root, sizeof failing.root, "%s", root != NULL ? root : "");
    failing.on = true;
}

uint64_t disk_calm(void)
{
    failing.on = false;
    return failing.n;
}

const char *disk_failed(void)
{
    return failing.first;
}

/* ------------------------------------------------------------------ the log */

enum inode_kind { FILE_, FOLDER, LINK };
struct inode {
    enum inode_kind kind;
    uint64_t real; /* the system's number while it has a name; 0: none any more */
    char *target;  /* LINK */
    uint8_t *p;    /* at the beginning of the log */
    size_t len;
};

enum op_kind { WRITE, RESIZE, GROW, SYNC, ENTER, LEAVE, RENAME, MARK };
struct op {
    enum op_kind kind;
    unsigned ino;    /* which file; SYNC: file or folder; MARK: number */
    uint64_t offset; /* or length */
    uint8_t *p;
    size_t len;
    unsigned dir, dir2; /* ENTER, LEAVE, RENAME: from dir/name to dir2/name2 */
    char name[64], name2[64];
};

struct entry {
    unsigned dir, ino;
    char name[64];
};

struct disk_log {
    char root[256];
    struct inode *inode; /* [0] is the root */
    unsigned n_inodes;
    struct op *op;
    unsigned n_ops;
    struct entry *entry; /* at the beginning */
    unsigned n_entries;
    int fd_ino[FDS]; /* open files; -1: none of ours */
};

static struct disk_log *rec; /* being recorded; under `lock` */

static unsigned add_inode(struct disk_log *l, enum inode_kind kind, uint64_t real)
{
    l->inode = need(realloc(l->inode, (l->n_inodes + 1) * sizeof *l->inode));
    l->inode[l->n_inodes] = (struct inode){ .kind = kind, .real = real };
    return l->n_inodes++;
}

static struct op *add_op(struct disk_log *l, enum op_kind kind)
{
    l->op = need(realloc(l->op, (l->n_ops + 1) * sizeof *l->op));
    l->op[l->n_ops] = (struct op){ .kind = kind };
    return &l->op[l->n_ops++];
}

static int find_real(const struct disk_log *l, uint64_t real)
{
    for (unsigned i = l->n_inodes; i-- > 0;)
        if (l->inode[i].real == real)
            return (int)i;
    return -1;
}

static void set_name(char out[64], const char *name)
{
    if (strlen(name) >= 64)
        abort();
    memcpy(out, name, strlen(name) + 1);
}

/* The folder that holds `path`, if it is below the root, and the name in it. */
static int split(const char *path, char name[64])
{
    char dir[PATH_MAX], *slash;
    struct stat st;

    (void)snprintf(dir, sizeof dir, "%s", path);
    for (size_t n = strlen(dir); n > 1 && dir[n - 1] == '/'; n--)
        dir[n - 1] = '\0';
    slash = strrchr(dir, '/');
    if (slash == NULL)
        return -1;
    set_name(name, slash + 1);
    *slash = '\0';
    return stat(dir, &st) == 0 ? find_real(rec, st.st_ino) : -1;
}

static void read_whole(struct inode *x, const char *path)
{
    FILE *f = need(fopen(path, "rb"));
    struct stat st;

    if (fstat(fileno(f), &st) != 0)
        abort();
    x->len = (size_t)st.st_size;
    x->p = need(malloc(x->len + 1));
    if (fread(x->p, 1, x->len, f) != x->len)
        abort();
    (void)fclose(f);
}

static void take_in(struct disk_log *l, const char *path, unsigned dir)
{
    DIR *d = need(opendir(path));
    const struct dirent *de;

    while ((de = readdir(d)) != NULL) {
        char below[PATH_MAX], target[PATH_MAX] = "";
        struct stat st;
        unsigned ino;
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
            continue;
        (void)snprintf(below, sizeof below, "%s/%s", path, de->d_name);
        if (lstat(below, &st) != 0)
            abort();
        ino = add_inode(l,
                        S_ISDIR(st.st_mode)   ? FOLDER
                        : S_ISLNK(st.st_mode) ? LINK
                                              : FILE_,
                        st.st_ino);
        l->entry = need(realloc(l->entry, (l->n_entries + 1) * sizeof *l->entry));
        l->entry[l->n_entries] = (struct entry){ .dir = dir, .ino = ino };
        set_name(l->entry[l->n_entries++].name, de->d_name);
        if (S_ISREG(st.st_mode))
            read_whole(&l->inode[ino], below);
        if (S_ISLNK(st.st_mode)) {
            if (readlink(below, target, sizeof target - 1) < 0)
                abort();
            l->inode[ino].target = need(strdup(target));
        }
        if (S_ISDIR(st.st_mode))
            take_in(l, below, ino);
    }
    (void)closedir(d);
}

struct disk_log *disk_record(const char *root)
{
    struct disk_log *l = need(calloc(1, sizeof *l));
    struct stat st;

    if (stat(root, &st) != 0)
        abort();
    (void)snprintf(l->root, sizeof l->root, "%s", root);
    memset(l->fd_ino, -1, sizeof l->fd_ino);
    (void)add_inode(l, FOLDER, st.st_ino);
    take_in(l, root, 0);
    for (unsigned fd = 0; fd < FDS; fd++) /* those that are open already */
        if (fd_path[fd][0] != '\0' && fstat((int)fd, &st) == 0)
            l->fd_ino[fd] = find_real(l, st.st_ino);
    rec = l;
    return l;
}

void disk_mark(struct disk_log *l, unsigned n)
{
    add_op(l, MARK)->ino = n;
}

void disk_stop(struct disk_log *l)
{
    if (rec == l)
        rec = NULL;
}

void disk_log_free(struct disk_log *l)
{
    for (unsigned i = 0; i < l->n_inodes; i++) {
        free(l->inode[i].p);
        free(l->inode[i].target);
    }
    for (unsigned i = 0; i < l->n_ops; i++)
        free(l->op[i].p);
    free(l->inode);
    free(l->op);
    free(l->entry);
    free(l);
}

unsigned disk_log_ops(const struct disk_log *l)
{
    unsigned n = 0;

    for (unsigned i = 0; i < l->n_ops; i++)
        n += l->op[i].kind != MARK;
    return n;
}

static int recorded(int fd)
{
    return rec != NULL && fd >= 0 && (unsigned)fd < FDS ? rec->fd_ino[fd] : -1;
}

/* A name that came or went. */
static void note_entry(enum op_kind kind, int dir, const char *name, int ino)
{
    struct op *o;

    if (dir < 0 || ino < 0)
        return;
    o = add_op(rec, kind);
    o->dir = o->dir2 = (unsigned)dir;
    o->ino = (unsigned)ino;
    set_name(o->name, name);
    set_name(o->name2, name);
}

/* What has this name now. *last: it has no other. */
static int named(const char *path, bool *last)
{
    struct stat st;

    if (lstat(path, &st) != 0)
        return -1;
    *last = st.st_nlink == 1 || S_ISDIR(st.st_mode);
    return find_real(rec, st.st_ino);
}

/* ------------------------------------------------------------------ the calls */

static void note_open(int fd, const char *path, int flags, bool existed, off_t size)
{
    struct stat st;
    char name[64];
    int dir = -1, ino;

    if ((unsigned)fd >= FDS || fstat(fd, &st) != 0)
        abort();
    (void)snprintf(fd_path[fd], sizeof fd_path[fd], "%s", path);
    if (rec == NULL)
        return;
    if (!existed && (flags & O_CREAT) != 0 && (dir = split(path, name)) >= 0) {
        ino = (int)add_inode(rec, FILE_, st.st_ino);
        note_entry(ENTER, dir, name, ino);
    }
    ino = find_real(rec, st.st_ino);
    rec->fd_ino[fd] = ino;
    if (ino >= 0 && existed && (flags & O_TRUNC) != 0 && size > 0)
        add_op(rec, RESIZE)->ino = (unsigned)ino;
}

int WRAP(open)(const char *path, int flags, ...)
{
    struct stat st = { 0 };
    bool existed;
    va_list ap;
    int fd;

    va_start(ap, flags);
    if (fails("open", path, IO | FD | ((flags & O_CREAT) != 0 ? ROOM : 0))) {
        va_end(ap);
        return -1;
    }
    hold();
    existed = stat(path, &st) == 0;
    fd = REAL(open)(path, flags, (flags & O_CREAT) != 0 ? va_arg(ap, mode_t) : 0);
    va_end(ap);
    if (fd >= 0)
        note_open(fd, path, flags, existed, st.st_size);
    release();
    return fd;
}

int WRAP(close)(int fd)
{
    hold();
    if (fd >= 0 && (unsigned)fd < FDS) {
        fd_path[fd][0] = '\0';
        if (rec != NULL)
            rec->fd_ino[fd] = -1;
    }
    release();
    return REAL(close)(fd);
}

ssize_t WRAP(pwrite)(int fd, const void *p, size_t n, off_t offset)
{
    ssize_t k;
    int ino;

    if (failing.cut_short && fd_path[fd][0] != '\0') { /* the second part of it */
        failing.cut_short = false;
        errno = ENOSPC;
        return -1;
    }
    if (fails("pwrite", path_of(fd), IO | ROOM)) {
        if (failing.fault != DISK_ENOSPC || n < 2)
            return -1;
        failing.cut_short = true; /* a full disk takes the first part */
        n /= 2;
    }
    hold();
    k = REAL(pwrite)(fd, p, n, offset);
    ino = recorded(fd);
    if (k > 0 && ino >= 0) {
        struct op *o = add_op(rec, WRITE);
        o->ino = (unsigned)ino;
        o->offset = (uint64_t)offset;
        o->len = (size_t)k;
        o->p = need(malloc(o->len));
        memcpy(o->p, p, o->len);
    }
    release();
    return k;
}

ssize_t WRAP(pread)(int fd, void *p, size_t n, off_t offset)
{
    return fails("pread", path_of(fd), IO) ? -1 : REAL(pread)(fd, p, n, offset);
}

static void note_length(int fd, enum op_kind kind, off_t len)
{
    int ino = recorded(fd);
    struct op *o;

    if (ino < 0)
        return;
    o = add_op(rec, kind);
    o->ino = (unsigned)ino;
    o->offset = (uint64_t)len;
}

int WRAP(ftruncate)(int fd, off_t len)
{
    int rc;

    if (fails("ftruncate", path_of(fd), IO))
        return -1;
    hold();
    rc = REAL(ftruncate)(fd, len);
    if (rc == 0)
        note_length(fd, RESIZE, len);
    release();
    return rc;
}

int WRAP(posix_fallocate)(int fd, off_t from, off_t len)
{
    int rc;

    if (fails("posix_fallocate", path_of(fd), IO | ROOM))
        return errno;
    hold();
    rc = REAL(posix_fallocate)(fd, from, len);
    if (rc == 0)
        note_length(fd, GROW, from + len);
    release();
    return rc;
}

/* Nothing here needs to survive: the log says what would be durable. */
static int sync_call(const char *call, int fd)
{
    int ino;

    if (fails(call, path_of(fd), IO | ROOM))
        return -1;
    hold();
    ino = recorded(fd);
    if (ino >= 0)
        add_op(rec, SYNC)->ino = (unsigned)ino;
    release();
    return 0;
}

int WRAP(fsync)(int fd)
{
    return sync_call("fsync", fd);
}

int WRAP(fdatasync)(int fd)
{
    return sync_call("fdatasync", fd);
}

int WRAP(link)(const char *from, const char *to)
{
    char name[64];
    bool last;
    int rc;

    if (fails("link", to, IO | ROOM))
        return -1;
    hold();
    rc = REAL(link)(from, to);
    if (rc == 0 && rec != NULL) {
        int dir = split(to, name);
        note_entry(ENTER, dir, name, named(to, &last));
    }
    release();
    return rc;
}

int WRAP(rename)(const char *from, const char *to)
{
    char name[64], name2[64];
    int dir = -1, dir2 = -1, ino = -1, old = -1, rc;
    bool last = false, ignored;
    struct op *o;

    if (fails("rename", from, IO | ROOM))
        return -1;
    hold();
    if (rec != NULL) {
        dir = split(from, name);
        dir2 = split(to, name2);
        ino = named(from, &ignored);
        old = named(to, &last);
    }
    rc = REAL(rename)(from, to);
    if (rc == 0 && ino >= 0) {
        if (old >= 0 && last)
            rec->inode[old].real = 0;
        o = add_op(rec, RENAME);
        o->ino = (unsigned)ino;
        o->dir = (unsigned)dir;
        o->dir2 = (unsigned)dir2;
        set_name(o->name, name);
        set_name(o->name2, name2);
    }
    release();
    return rc;
}

static int remove_call(const char *call, const char *path, int (*real)(const char *))
{
    char name[64];
    bool last = false;
    int dir = -1, ino = -1, rc;

    if (fails(call, path, IO))
        return -1;
    hold();
    if (rec != NULL) {
        dir = split(path, name);
        ino = named(path, &last);
    }
    rc = real(path);
    if (rc == 0 && ino >= 0) {
        note_entry(LEAVE, dir, name, ino);
        if (last)
            rec->inode[ino].real = 0;
    }
    release();
    return rc;
}

int WRAP(unlink)(const char *path)
{
    return remove_call("unlink", path, REAL(unlink));
}

int WRAP(rmdir)(const char *path)
{
    return remove_call("rmdir", path, REAL(rmdir));
}

static void note_new(const char *path, enum inode_kind kind, const char *target)
{
    struct stat st;
    char name[64];
    int dir = split(path, name);
    unsigned ino;

    if (dir < 0 || lstat(path, &st) != 0)
        return;
    ino = add_inode(rec, kind, st.st_ino);
    rec->inode[ino].target = target != NULL ? need(strdup(target)) : NULL;
    note_entry(ENTER, dir, name, (int)ino);
}

int WRAP(mkdir)(const char *path, mode_t mode)
{
    int rc;

    if (fails("mkdir", path, IO | ROOM))
        return -1;
    hold();
    rc = REAL(mkdir)(path, mode);
    if (rc == 0 && rec != NULL)
        note_new(path, FOLDER, NULL);
    release();
    return rc;
}

int WRAP(symlink)(const char *target, const char *path)
{
    int rc;

    if (fails("symlink", path, IO | ROOM))
        return -1;
    hold();
    rc = REAL(symlink)(target, path);
    if (rc == 0 && rec != NULL)
        note_new(path, LINK, target);
    release();
    return rc;
}

/* These change nothing, they only fail. */

int WRAP(fstat)(int fd, struct stat *st)
{
    return fails("fstat", path_of(fd), IO) ? -1 : REAL(fstat)(fd, st);
}

int WRAP(stat)(const char *path, struct stat *st)
{
    return fails("stat", path, IO) ? -1 : REAL(stat)(path, st);
}

int WRAP(statvfs)(const char *path, struct statvfs *v)
{
    return fails("statvfs", path, IO) ? -1 : REAL(statvfs)(path, v);
}

ssize_t WRAP(readlink)(const char *path, char *out, size_t cap)
{
    return fails("readlink", path, IO) ? -1 : REAL(readlink)(path, out, cap);
}

char *WRAP(realpath)(const char *path, char *out)
{
    return fails("realpath", path, IO | MEM) ? NULL : REAL(realpath)(path, out);
}

DIR *WRAP(opendir)(const char *path)
{
    return fails("opendir", path, IO | FD | MEM) ? NULL : REAL(opendir)(path);
}

struct dirent *WRAP(readdir)(DIR *d)
{
    return fails("readdir", failing.root, IO) ? NULL : REAL(readdir)(d);
}

int WRAP(fcntl)(int fd, int cmd, ...)
{
    va_list ap;
    void *arg;

    va_start(ap, cmd);
    arg = va_arg(ap, void *);
    va_end(ap);
    return path_of(fd)[0] != '\0' && fails("fcntl", path_of(fd), IO) ? -1
                                                                     : REAL(fcntl)(fd, cmd, arg);
}

void *WRAP(mmap)(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
    if (fd >= 0 && path_of(fd)[0] != '\0') {
        if (fails("mmap", path_of(fd), IO | MEM))
            return MAP_FAILED;
        /* what is stored through a mapping would not be in the log */
        if (rec != NULL && recorded(fd) >= 0 && (prot & PROT_WRITE) != 0)
            abort();
    }
    return REAL(mmap)(at, n, prot, flags, fd, offset);
}

void *WRAP(malloc)(size_t n)
{
    return fails("malloc", NULL, MEM) ? NULL : REAL(malloc)(n);
}

void *WRAP(calloc)(size_t n, size_t k)
{
    return fails("calloc", NULL, MEM) ? NULL : REAL(calloc)(n, k);
}

void *WRAP(realloc)(void *p, size_t n)
{
    return fails("realloc", NULL, MEM) ? NULL : REAL(realloc)(p, n);
}

/* ------------------------------------------------------------------ what a power cut leaves */

struct image {
    const struct disk_log *l;
    struct {
        uint8_t *p; /* own copy, or NULL: as at the beginning */
        size_t len, cap;
    } * file;
    struct entry *entry;
    unsigned n;
};

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s * 0x2545f4914f6cdd1du >> 11;
}

static struct image *image_new(const struct disk_log *l)
{
    struct image *m = need(calloc(1, sizeof *m));

    m->l = l;
    m->file = need(calloc(l->n_inodes, sizeof *m->file));
    m->entry = need(malloc((l->n_entries + l->n_ops + 1) * sizeof *m->entry));
    if (l->n_entries > 0)
        memcpy(m->entry, l->entry, l->n_entries * sizeof *m->entry);
    m->n = l->n_entries;
    return m;
}

static void image_free(struct image *m)
{
    for (unsigned i = 0; i < m->l->n_inodes; i++)
        free(m->file[i].p);
    free(m->file);
    free(m->entry);
    free(m);
}

/* A copy of its own, of that length. */
static uint8_t *image_size(struct image *m, unsigned ino, size_t len)
{
    const struct inode *x = &m->l->inode[ino];
    uint8_t *old = m->file[ino].p, *p = old;
    size_t had = old != NULL ? m->file[ino].len : x->len;

    if (old == NULL || len > m->file[ino].cap) {
        m->file[ino].cap = len + len / 2 + 64;
        p = need(malloc(m->file[ino].cap));
        if (had > 0)
            memcpy(p, old != NULL ? old : x->p, had < len ? had : len);
        free(old);
        m->file[ino].p = p;
    }
    if (len > had)
        memset(p + had, 0, len - had);
    m->file[ino].len = len;
    return p;
}

static size_t image_len(const struct image *m, unsigned ino)
{
    return m->file[ino].p != NULL ? m->file[ino].len : m->l->inode[ino].len;
}

/* torn: 0, all of it; else which sectors come is random, and so is whether the file is longer. */
static void image_write(struct image *m, const struct op *o, uint64_t *torn)
{
    size_t len = image_len(m, o->ino), end = (size_t)o->offset + o->len, at = 0;
    bool cut = torn != NULL && next_random(torn) % 2 == 0; /* the first sectors only */
    size_t sectors = o->len / SECTOR + 2;
    uint64_t limit = torn != NULL ? next_random(torn) % sectors : sectors;
    uint8_t *p;

    if (torn != NULL && cut) {
        uint64_t from = o->offset / SECTOR + limit;
        end = from * SECTOR <= o->offset ? (size_t)o->offset : (size_t)(from * SECTOR);
        end = end < (size_t)o->offset + o->len ? end : (size_t)o->offset + o->len;
    }
    p = image_size(m, o->ino, len > end ? len : end);
    while (at < o->len && o->offset + at < end) {
        size_t n = SECTOR - (size_t)((o->offset + at) % SECTOR);
        n = n < o->len - at ? n : o->len - at;
        if (torn == NULL || cut || next_random(torn) % 2 == 0)
            memcpy(p + o->offset + at, o->p + at, n);
        at += n;
    }
}

static void image_drop(struct image *m, unsigned dir, const char *name)
{
    for (unsigned i = 0; i < m->n; i++) {
        if (m->entry[i].dir != dir || strcmp(m->entry[i].name, name) != 0)
            continue;
        m->entry[i] = m->entry[--m->n];
        return;
    }
}

static void image_enter(struct image *m, unsigned dir, const char *name, unsigned ino)
{
    image_drop(m, dir, name);
    m->entry[m->n] = (struct entry){ .dir = dir, .ino = ino };
    set_name(m->entry[m->n++].name, name);
}

static void image_apply(struct image *m, const struct op *o, uint64_t *torn)
{
    switch (o->kind) {
    case WRITE:
        image_write(m, o, torn);
        return;
    case RESIZE:
        (void)image_size(m, o->ino, (size_t)o->offset);
        return;
    case GROW:
        if (image_len(m, o->ino) < o->offset)
            (void)image_size(m, o->ino, (size_t)o->offset);
        return;
    case ENTER:
        image_enter(m, o->dir, o->name, o->ino);
        return;
    case LEAVE:
        image_drop(m, o->dir, o->name);
        return;
    case RENAME:
        image_drop(m, o->dir, o->name);
        image_enter(m, o->dir2, o->name2, o->ino);
        return;
    case SYNC:
    case MARK:
        return;
    }
}

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int d = strcmp(x->name, y->name);

    return x->dir != y->dir ? (x->dir < y->dir ? -1 : 1) : d;
}

/* Names and octets of all that can be reached, as one number. */
static uint64_t image_hash(struct image *m, unsigned dir)
{
    uint64_t h = 1;

    if (dir == 0 && m->n > 0)
        qsort(m->entry, m->n, sizeof *m->entry, by_name);
    for (unsigned i = 0; i < m->n; i++) {
        unsigned ino = m->entry[i].ino;
        const struct inode *x = &m->l->inode[ino];
        if (m->entry[i].dir != dir)
            continue;
        h = XXH3_64bits_withSeed(m->entry[i].name, strlen(m->entry[i].name), h);
        if (x->kind == FOLDER)
            h = h * 31 + image_hash(m, ino);
        else if (x->kind == LINK)
            h = XXH3_64bits_withSeed(x->target, strlen(x->target), h);
        else
            h = XXH3_64bits_withSeed(m->file[ino].p != NULL ? m->file[ino].p : x->p,
                                     image_len(m, ino), h);
    }
    return h;
}

static void image_make(const struct image *m, unsigned dir, const char *path)
{
    for (unsigned i = 0; i < m->n; i++) {
        unsigned ino = m->entry[i].ino;
        const struct inode *x = &m->l->inode[ino];
        char below[PATH_MAX];
        FILE *f;
        if (m->entry[i].dir != dir)
            continue;
        (void)snprintf(below, sizeof below, "%s/%s", path, m->entry[i].name);
        if (x->kind == FOLDER) {
            if (mkdir(below, 0750) != 0)
                abort();
            image_make(m, ino, below);
        } else if (x->kind == LINK) {
            if (symlink(x->target, below) != 0)
                abort();
        } else {
            f = need(fopen(below, "wb"));
            if (image_len(m, ino) > 0 && fwrite(m->file[ino].p != NULL ? m->file[ino].p : x->p, 1,
                                                image_len(m, ino), f) != image_len(m, ino))
                abort();
            (void)fclose(f);
        }
    }
}

struct replay {
    struct disk_log *l;
    unsigned cut;      /* calls made */
    unsigned *pending; /* of these, not durable */
    unsigned n;
    unsigned least, most;
    uint64_t random, made;
    uint64_t *seen; /* hashes; a power of two */
    size_t cap;
    void (*check)(void *ctx, unsigned least, unsigned most);
    void *ctx;
};

static char where[512];

const char *disk_where(void)
{
    return where;
}

static bool is_new(struct replay *r, uint64_t h)
{
    size_t i;

    h = h * 31 + r->least * 1000003u + r->most + 1;
    if (r->made * 2 >= r->cap) {
        uint64_t *old = r->seen;
        size_t cap = r->cap;
        r->cap = cap == 0 ? 1024 : cap * 2;
        r->seen = need(calloc(r->cap, sizeof *r->seen));
        for (size_t k = 0; k < cap; k++) {
            if (old[k] == 0)
                continue;
            for (i = old[k] & (r->cap - 1); r->seen[i] != 0; i = (i + 1) & (r->cap - 1))
                continue;
            r->seen[i] = old[k];
        }
        free(old);
    }
    for (i = h & (r->cap - 1); r->seen[i] != 0; i = (i + 1) & (r->cap - 1))
        if (r->seen[i] == h)
            return false;
    r->seen[i] = h;
    r->made++;
    return true;
}

static bool is_entry(const struct op *o)
{
    return o->kind == ENTER || o->kind == LEAVE || o->kind == RENAME;
}

/* Names in a folder are durable when that folder is synced, octets when their file is. */
static bool durable(const struct disk_log *l, unsigned i, unsigned cut)
{
    const struct op *o = &l->op[i];

    for (unsigned k = i + 1; k < cut; k++) {
        const struct op *s = &l->op[k];
        if (s->kind == SYNC &&
            (is_entry(o) ? s->ino == o->dir || s->ino == o->dir2 : s->ino == o->ino))
            return true;
    }
    return false;
}

enum { NOT, WHOLE, TORN };

/* One folder: how[] says what became of each pending call. */
static void try_one(struct replay *r, const uint8_t *how)
{
    struct image *m = image_new(r->l);
    unsigned k = 0;
    int at;

    at =
        snprintf(where, sizeof where, "power cut after call %u, of these not yet durable:", r->cut);
    for (unsigned i = 0; i < r->cut; i++) {
        static const char *const kind[] = { "write", "resize", "grow",  "sync",
                                            "enter", "leave",  "rename" };
        const struct op *o = &r->l->op[i];
        uint64_t torn = r->random | 1;
        uint8_t h = WHOLE;
        if (o->kind == SYNC || o->kind == MARK)
            continue;
        if (k < r->n && r->pending[k] == i) {
            h = how[k++];
            if (at > 0 && (size_t)at < sizeof where)
                at += snprintf(where + at, sizeof where - (size_t)at, " %u:%s%s%s %s", i,
                               kind[o->kind], o->name2[0] != '\0' ? " " : "", o->name2,
                               h == NOT    ? "no,"
                               : h == TORN ? "torn,"
                                           : "yes,");
        }
        if (h != NOT)
            image_apply(m, o, h == TORN ? &torn : NULL);
        if (h == TORN)
            r->random = torn;
    }
    if (is_new(r, image_hash(m, 0))) {
        disk_remove_below(r->l->root);
        image_make(m, 0, r->l->root);
        image_free(m);
        r->check(r->ctx, r->least, r->most);
    } else {
        image_free(m);
    }
}

static void try_random(struct replay *r, uint8_t *how)
{
    for (unsigned i = 0; i < r->n; i++) {
        bool write = r->l->op[r->pending[i]].kind == WRITE;
        how[i] = (uint8_t)(next_random(&r->random) % (write ? 3 : 2));
    }
    try_one(r, how);
}

#define ALL_SUBSETS 5u /* calls of which every subset is tried */

static void try_all(struct replay *r, unsigned tries)
{
    uint8_t *how = need(calloc(r->n + 1, 1));
    unsigned torn = 0;

    for (unsigned i = 0; i < r->n; i++)
        torn += r->l->op[r->pending[i]].kind == WRITE;
    if (r->n <= ALL_SUBSETS) {
        for (unsigned set = 0; set < 1u << r->n; set++) {
            for (unsigned i = 0; i < r->n; i++)
                how[i] = set >> i & 1 ? WHOLE : NOT;
            try_one(r, how);
        }
    } else {
        try_one(r, how);
        memset(how, WHOLE, r->n);
        try_one(r, how);
        for (unsigned i = 0; i < r->n; i++) { /* one alone, all but one */
            memset(how, NOT, r->n);
            how[i] = WHOLE;
            try_one(r, how);
            memset(how, WHOLE, r->n);
            how[i] = NOT;
            try_one(r, how);
        }
    }
    for (unsigned i = 0; i < tries && (torn > 0 || r->n > ALL_SUBSETS); i++)
        try_random(r, how);
    free(how);
}

uint64_t disk_replay(struct disk_log *l, uint64_t seed, unsigned tries,
                     void (*check)(void *ctx, unsigned least, unsigned most), void *ctx)
{
    struct replay r = { .l = l, .random = seed * 2 + 1, .check = check, .ctx = ctx };

    disk_stop(l);
    r.pending = need(malloc((l->n_ops + 1) * sizeof *r.pending));
    for (r.cut = 0; r.cut <= l->n_ops; r.cut++) {
        if (r.cut > 0 && l->op[r.cut - 1].kind == MARK)
            r.least = l->op[r.cut - 1].ino;
        r.most = r.least;
        for (unsigned i = r.cut; i < l->n_ops && r.most == r.least; i++)
            if (l->op[i].kind == MARK)
                r.most = l->op[i].ino;
        r.n = 0;
        for (unsigned i = 0; i < r.cut; i++)
            if (l->op[i].kind != SYNC && l->op[i].kind != MARK && !durable(l, i, r.cut))
                r.pending[r.n++] = i;
        try_all(&r, tries);
    }
    free(r.pending);
    free(r.seen);
    return r.made;
}

/* ------------------------------------------------------------------ helpers */

int disk_make_root(char *out, size_t cap)
{
    (void)snprintf(out, cap, "/dev/shm/weir-disk-XXXXXX");
    if (mkdtemp(out) != NULL)
        return 0;
    (void)snprintf(out, cap, "/tmp/weir-disk-XXXXXX");
    return mkdtemp(out) != NULL ? 0 : -1;
}

void disk_remove_below(const char *path)
{
    DIR *d = need(opendir(path));
    const struct dirent *de;

    while ((de = readdir(d)) != NULL) {
        char below[PATH_MAX];
        struct stat st;
        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
            continue;
        (void)snprintf(below, sizeof below, "%s/%s", path, de->d_name);
        if (lstat(below, &st) != 0)
            abort();
        if (S_ISDIR(st.st_mode)) {
            disk_remove_below(below);
            (void)rmdir(below);
        } else {
            (void)unlink(below);
        }
    }
    (void)closedir(d);
}

void disk_copy_tree(const char *from, const char *to)
{
    struct disk_log *l = need(calloc(1, sizeof *l));
    struct image *m;

    (void)add_inode(l, FOLDER, 0);
    take_in(l, from, 0);
    m = image_new(l);
    disk_remove_below(to);
    image_make(m, 0, to);
    image_free(m);
    disk_log_free(l);
}

unsigned disk_open_files(void)
{
    DIR *d = need(opendir("/proc/self/fd"));
    unsigned n = 0;

    while (readdir(d) != NULL)
        n++;
    (void)closedir(d);
    return n;
}
