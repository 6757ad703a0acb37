/* weir doctor: clock, memory, open files, processors. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/doctor.h"
#include "os/clock.h"
#include "os/proc.h"

#define SPARE_FILES 128u /* sockets, logs, the manifest, the journal */

void doctor_clock(struct doctor *d)
{
    char when[CLOCK_TEXT_MAX];
    int64_t off_us;

    (void)clock_text(clock_now_ms(), when);
    if (strncmp(when, WEIR_DATE, 10) < 0) {
        doctor_say(d, DOCTOR_BAD, "clock", "it says %s, and this program was made later", when);
        doctor_fix(d, "timedatectl set-ntp true");
    } else if (!clock_synchronized(&off_us)) {
        doctor_say(d, DOCTOR_LOOK, "clock",
                   "%s; the kernel says that nothing keeps it right (in a container: ask the host)",
                   when);
        doctor_fix(d, "timedatectl set-ntp true");
    } else
        doctor_say(d, DOCTOR_OK, "clock", "synchronized, off by at most %.1f ms",
                   (double)off_us / 1000);
}

/* A line such as "MemTotal:  16 kB" of /proc/meminfo, in octets; 0: none. */
static uint64_t memory(const char *text, const char *name)
{
    const char *s = strstr(text, name);

    return s != NULL ? strtoull(s + strlen(name), NULL, 10) * 1024 : 0;
}

void doctor_memory(struct doctor *d)
{
    const struct conf *c = d->conf;
    struct buf b = doctor_read(d, "/proc/meminfo");
    uint64_t all = memory(buf_cstr(&b), "MemTotal:"), shards = conf_num(c, OPT_SHARDS);
    uint64_t rings = shards * conf_num(c, OPT_RING_SIZE);
    uint64_t want = rings + conf_num(c, OPT_QUERY_MEMORY) + conf_num(c, OPT_COMPACT_MEMORY) +
                    conf_num(c, OPT_SEAL_MEMORY) +
                    shards * conf_num(c, OPT_DECODER_MAX_WAITING_TOTAL) +
                    shards * d->n_ports * conf_num(c, OPT_RECEIVE_BUFFER);
    char w[32], a[32];

    buf_free(&b);
    if (all == 0) {
        doctor_say(d, DOCTOR_LOOK, "memory", "/proc/meminfo cannot be read");
        return;
    }
    cmd_octets(want, w, sizeof w);
    cmd_octets(all, a, sizeof a);
    if (want <= all / 4 * 3) {
        doctor_say(d, DOCTOR_OK, "memory", "%s of %s at most", w, a);
        return;
    }
    doctor_say(
        d, rings > all / 2 ? DOCTOR_BAD : DOCTOR_LOOK, "memory",
        "rings, unsealed records, questions, merging and buffers may take %s; the machine has %s",
        w, a);
    if (rings > all / 4)
        doctor_fix(d, "set ring.size: %" PRIu64 "M in weir.yaml",
                   MAX((all / 8 / MAX(shards, 1)) >> 20, 1));
    else
        doctor_fix(d, "set query.memory: %" PRIu64 "M in weir.yaml", MAX(all / 8 >> 20, 1));
}

/* The limit of the server, or the one it would get from here. */
static uint64_t file_limit(const struct doctor *d)
{
    char path[64];
    struct buf b;
    const char *s;
    uint64_t n = proc_file_limit();

    if (d->server == 0)
        return n;
    (void)snprintf(path, sizeof path, "/proc/%ld/limits", d->server);
    b = doctor_read(d, path);
    if ((s = strstr(buf_cstr(&b), "Max open files")) != NULL) {
        s += strcspn(s, "0123456789\n");
        n = *s >= '0' && *s <= '9' ? strtoull(s, NULL, 10) : n;
    }
    buf_free(&b);
    return n;
}

void doctor_files(struct doctor *d)
{
    const struct conf *c = d->conf;
    uint64_t may = file_limit(d);
    uint64_t want = conf_num(c, OPT_STORE_OPEN_SEGMENTS) + 2 * conf_num(c, OPT_HTTP_CONNECTIONS) +
                    conf_num(c, OPT_SHARDS) * (d->n_ports + 8) + SPARE_FILES;

    if (may >= want) {
        doctor_say(d, DOCTOR_OK, "open files", "%" PRIu64 " allowed, %" PRIu64 " wanted", may,
                   want);
        return;
    }
    doctor_say(d, DOCTOR_BAD, "open files", "%" PRIu64 " allowed, %" PRIu64 " wanted", may, want);
    doctor_fix(d, d->systemd ? "systemctl edit weir, and write: [Service] LimitNOFILE=65536"
                             : "ulimit -n 65536");
}

void doctor_processors(struct doctor *d)
{
    uint64_t shards = conf_num(d->conf, OPT_SHARDS);
    unsigned n = proc_cpus();

    if (shards <= n) {
        doctor_say(d, DOCTOR_OK, "processors", "%u, for %" PRIu64 " shard%s", n, shards,
                   shards == 1 ? "" : "s");
        return;
    }
    doctor_say(d, DOCTOR_LOOK, "processors", "%u, fewer than the %" PRIu64 " shards", n, shards);
    doctor_fix(d, "set shards: %u in weir.yaml", n);
}
