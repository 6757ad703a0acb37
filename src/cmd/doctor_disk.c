/* weir doctor: the data directory and its disk. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/doctor.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/proc.h"

#define PATH_OCTETS   4096u
#define SPEED_OCTETS  (32u << 20)
#define CHUNK         (1u << 20)
#define SPEED_MS      3000 /* no longer than about this */
#define SYNCS         16u
#define SYNC_OCTETS   4096u
#define SLOW_RATE     (20u << 20) /* octets a second */
#define SLOW_SYNC_MS  100
#define LATE_SYNC_MS  1000
#define LITTLE_OCTETS (1ull << 30)

void doctor_directory(struct doctor *d)
{
    const char *user = conf_text(d->conf, OPT_USER);
    struct os_owner o;
    struct err e;

    if (os_owner(d->dir, &o, &e) != ERR_OK) {
        doctor_say(d, DOCTOR_LOOK, "data directory", "%.400s", e.msg);
        doctor_fix(d, "weir serve --data '%s' makes it", d->dir);
        return;
    }
    if (user[0] != '\0' && strcmp(user, o.user) != 0) {
        doctor_say(d, DOCTOR_BAD, "data directory", "%.300s belongs to %s, the server becomes %s",
                   d->dir, o.user, user);
        doctor_fix(d, "chown -R %s: '%s'", user, d->dir);
    } else if ((o.mode & 07) != 0) {
        doctor_say(d, DOCTOR_LOOK, "data directory",
                   "%.300s is open to everybody on this machine (mode %04o)", d->dir, o.mode);
        doctor_fix(d, "chmod o= '%s'", d->dir);
    } else if ((o.mode & 0700) != 0700) {
        doctor_say(d, DOCTOR_BAD, "data directory", "%.300s: %s may not use it (mode %04o)", d->dir,
                   o.user, o.mode);
        doctor_fix(d, "chmod 0750 '%s'", d->dir);
    } else
        doctor_say(d, DOCTOR_OK, "data directory", "%.300s, of %s, mode %04o", d->dir, o.user,
                   o.mode);
}

/* Octets a second, and the median of a small durable write in us; false: not to be had. */
static bool measure(const char *path, uint64_t *rate, int64_t *sync_us, struct err *e)
{
    static uint8_t chunk[CHUNK];
    int64_t begin = clock_mono_us(), at, took[SYNCS];
    uint64_t done = 0;
    unsigned n = 0;
    int fd, rc = os_file_open(&fd, path, OS_OPEN_TRUNC, e);

    for (size_t i = 0; i < sizeof chunk; i++) /* no file system makes nothing of it */
        chunk[i] = (uint8_t)((i * 2654435761u) >> 13);
    for (; rc == ERR_OK && done < SPEED_OCTETS && clock_mono_us() - begin < SPEED_MS * 500;
         done += CHUNK)
        rc = os_file_write(fd, path, done, chunk, sizeof chunk, e);
    if (rc == ERR_OK)
        rc = os_file_sync(fd, path, e);
    *rate = done * 1000000 / (uint64_t)MAX(clock_mono_us() - begin, 1);
    for (; rc == ERR_OK && n < SYNCS && (n == 0 || clock_mono_us() - begin < SPEED_MS * 1000);
         n++) {
        at = clock_mono_us();
        rc = os_file_write(fd, path, (uint64_t)n * SYNC_OCTETS, chunk, SYNC_OCTETS, e);
        if (rc == ERR_OK)
            rc = os_file_datasync(fd, path, e);
        took[n] = clock_mono_us() - at;
    }
    os_file_close(&fd);
    (void)os_unlink(path, NULL);
    if (rc != ERR_OK || n == 0)
        return false;
    for (unsigned i = 1; i < n; i++) /* a few values: in order by insertion */
        for (unsigned k = i; k > 0 && took[k] < took[k - 1]; k--) {
            int64_t t = took[k];
            took[k] = took[k - 1];
            took[k - 1] = t;
        }
    *sync_us = took[n / 2];
    return true;
}

void doctor_speed(struct doctor *d)
{
    char path[PATH_OCTETS], speed[32];
    uint64_t rate, room, all;
    int64_t sync_us;
    struct err e;
    enum doctor_state s = DOCTOR_OK;

    if (!os_is_dir(d->dir))
        return; /* said already */
    if (os_space(d->dir, &room, &all, &e) != ERR_OK || room < 2 * (uint64_t)SPEED_OCTETS) {
        doctor_say(d, DOCTOR_LOOK, "disk speed", "not measured: there is no room for it");
        return;
    }
    (void)snprintf(path, sizeof path, "%s/doctor.%ld.tmp", d->dir, proc_pid());
    if (!measure(path, &rate, &sync_us, &e)) {
        doctor_say(d, DOCTOR_LOOK, "disk speed", "not measured: %.400s", e.msg);
        doctor_fix(d, "sudo weir doctor");
        return;
    }
    cmd_octets(rate, speed, sizeof speed);
    if (rate < SLOW_RATE || sync_us > SLOW_SYNC_MS * 1000)
        s = sync_us > LATE_SYNC_MS * 1000 ? DOCTOR_BAD : DOCTOR_LOOK;
    doctor_say(d, s, "disk speed", "%s/s written, a small durable write takes %.1f ms%s", speed,
               (double)sync_us / 1000, s != DOCTOR_OK ? ": slow for a journal" : "");
    if (s != DOCTOR_OK)
        doctor_fix(d, "move it to a faster disk: \"Moving to a bigger disk\" in the guide");
}

void doctor_space(struct doctor *d)
{
    uint64_t room, all, size = conf_num(d->conf, OPT_RETENTION_SIZE);
    bool deletes = size > 0 || conf_num(d->conf, OPT_RETENTION_AGE) > 0 ||
                   conf_num(d->conf, OPT_RETENTION_FREE) > 0;
    char a[32], b[32], c[32];
    struct err e;

    if (os_space(d->dir, &room, &all, &e) != ERR_OK)
        return;
    cmd_octets(room, a, sizeof a);
    cmd_octets(all, b, sizeof b);
    cmd_octets(size, c, sizeof c);
    if (room < LITTLE_OCTETS && room < all / 20) {
        doctor_say(d, DOCTOR_BAD, "free space", "%s of %s: the disk is as good as full", a, b);
        doctor_fix(d, "set retention.free: 5G in weir.yaml, then: %s",
                   d->systemd ? "systemctl reload weir" : "kill -HUP the server");
    } else if (!deletes) {
        doctor_say(d, DOCTOR_LOOK, "free space",
                   "%s of %s, and nothing is ever deleted: one day it is full", a, b);
        doctor_fix(d, "set retention.free: 20G in weir.yaml (or retention.size, retention.age)");
    } else if (size > all) {
        doctor_say(d, DOCTOR_LOOK, "free space",
                   "%s of %s, but retention.size is %s: the disk is full before", a, b, c);
        doctor_fix(d, "set retention.size: %" PRIu64 "G in weir.yaml", MAX(all / 10 * 8 >> 30, 1));
    } else
        doctor_say(d, DOCTOR_OK, "free space", "%s of %s", a, b);
}

void doctor_journal(struct doctor *d)
{
    const char *mode = conf_text(d->conf, OPT_JOURNAL_MODE);
    uint64_t room, all, size = conf_num(d->conf, OPT_JOURNAL_SIZE);
    struct err e;
    char a[32], b[32];

    if (strcmp(mode, "off") == 0) {
        doctor_say(d, DOCTOR_LOOK, "journal", "off: a crash loses what is not sealed");
        doctor_fix(d, "set journal.mode: async in weir.yaml");
    } else if (os_space(d->dir, &room, &all, &e) == ERR_OK && size > all / 2) {
        cmd_octets(size, a, sizeof a);
        cmd_octets(all, b, sizeof b);
        doctor_say(d, DOCTOR_LOOK, "journal", "%s, may grow to %s on a disk of %s", mode, a, b);
        doctor_fix(d, "set journal.size: %" PRIu64 "M in weir.yaml", MAX(all / 10 >> 20, 2));
    } else
        doctor_say(d, DOCTOR_OK, "journal", "%s", mode);
}
