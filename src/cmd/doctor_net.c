/* weir doctor: receive buffers, ports, firewall, network cards. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/doctor.h"
#include "os/file.h"
#include "os/proc.h"

#define PATH_OCTETS 512u
#define RULES_MAX   (16u << 20)

void doctor_buffers(struct doctor *d)
{
    uint64_t want = conf_num(d->conf, OPT_RECEIVE_BUFFER), may;
    char a[32], b[32];

    cmd_octets(want, a, sizeof a);
    if (!doctor_number(d, "/proc/sys/net/core/rmem_max", &may)) {
        doctor_say(d, DOCTOR_LOOK, "receive buffer", "net.core.rmem_max cannot be read");
        return;
    }
    cmd_octets(may, b, sizeof b);
    if (d->buffer_got >= want || (d->buffer_got == 0 && may >= want)) {
        doctor_say(d, DOCTOR_OK, "receive buffer", "%s a socket", a);
        return;
    }
    if (d->buffer_got > 0)
        cmd_octets(d->buffer_got, b, sizeof b);
    doctor_say(d, DOCTOR_LOOK, "receive buffer",
               d->buffer_got > 0
                   ? "%s wanted, the server got %s: bursts are dropped; change it, then restart"
                   : "%s wanted, %s allowed to all but root: bursts will be dropped",
               a, b);
    doctor_fix(d,
               "echo net.core.rmem_max=%" PRIu64
               " >/etc/sysctl.d/60-weir.conf && sysctl -p /etc/sysctl.d/60-weir.conf",
               want);
}

/* ------------------------------------------------------------------ who listens */

struct owner {
    const struct doctor *d;
    char want[48]; /* socket:[INODE] */
    char pid[24], dir[64], comm[32];
    bool found;
};

static int try_descriptor(void *ctx, const char *name)
{
    struct owner *o = ctx;
    char path[PATH_OCTETS], to[128];

    (void)snprintf(path, sizeof path, "%s/%s/%s", o->d->root, o->dir, name);
    o->found = os_readlink(path, to, sizeof to, NULL) == ERR_OK && strcmp(to, o->want) == 0;
    return o->found ? ERR_CANCEL : ERR_OK;
}

static int try_process(void *ctx, const char *name)
{
    struct owner *o = ctx;
    char path[PATH_OCTETS];
    struct buf b;

    if (name[0] < '1' || name[0] > '9' || strlen(name) >= sizeof o->pid)
        return ERR_OK;
    (void)snprintf(o->dir, sizeof o->dir, "proc/%.20s/fd", name);
    (void)snprintf(path, sizeof path, "%s/%s", o->d->root, o->dir);
    o->found = false;
    (void)os_dir_list(path, try_descriptor, o, NULL);
    if (!o->found)
        return ERR_OK;
    (void)snprintf(path, sizeof path, "/proc/%.20s/comm", name);
    b = doctor_read(o->d, path);
    (void)snprintf(o->comm, sizeof o->comm, "%.*s", (int)strcspn(buf_cstr(&b), "\n"), buf_cstr(&b));
    (void)snprintf(o->pid, sizeof o->pid, "%s", name);
    buf_free(&b);
    return strcmp(o->comm, "weir") == 0 ? ERR_CANCEL : ERR_OK; /* systemd keeps them for it too */
}

/* "nfcapd, process 77" of the socket with this inode; false: not to be seen. */
static bool find_owner(const struct doctor *d, const char *inode, char *out, size_t cap)
{
    struct owner o = { .d = d };
    char path[PATH_OCTETS];

    (void)snprintf(o.want, sizeof o.want, "socket:[%.20s]", inode);
    (void)snprintf(path, sizeof path, "%s/proc", d->root);
    (void)os_dir_list(path, try_process, &o, NULL);
    if (o.pid[0] != '\0')
        (void)snprintf(out, cap, "%s, process %s", o.comm, o.pid);
    return o.pid[0] != '\0';
}

/* What /proc/net/udp says about a port: sockets, drops, and the inode of the first one. */
struct seen {
    unsigned sockets;
    uint64_t drops;
    char inode[24];
};

static void find_sockets(const struct doctor *d, const char *path, uint16_t port, struct seen *out)
{
    struct buf b = doctor_read(d, path);
    char *hold = NULL;

    for (char *line = buf_ok(&b) && b.len > 0
                          ? strtok_r((char *)(uintptr_t)buf_cstr(&b), "\n", &hold)
                          : NULL;
         line != NULL; line = strtok_r(NULL, "\n", &hold)) {
        unsigned local = 0;
        char inode[24] = "";
        uint64_t drops = 0;
        if (sscanf(line, " %*u: %*[0-9A-Fa-f]:%x %*s %*s %*s %*s %*s %*s %*s %23s %*s %*s %" SCNu64,
                   &local, inode, &drops) < 2 ||
            local != port)
            continue;
        if (out->sockets++ == 0)
            (void)snprintf(out->inode, sizeof out->inode, "%s", inode);
        out->drops += drops;
    }
    buf_free(&b);
}

static void look_at_port(struct doctor *d, uint16_t port)
{
    struct seen s = { 0 };
    char who[96] = "somebody whom only root can see";
    bool weir;

    find_sockets(d, "/proc/net/udp", port, &s);
    find_sockets(d, "/proc/net/udp6", port, &s);
    if (s.sockets == 0 && d->server == 0) {
        doctor_say(d, DOCTOR_OK, "port", "UDP %u is free", port);
        return;
    }
    if (s.sockets == 0) {
        doctor_say(d, DOCTOR_BAD, "port", "UDP %u: the server does not listen there", port);
        doctor_fix(d, d->systemd ? "systemctl restart weir" : "restart the server");
        return;
    }
    weir = find_owner(d, s.inode, who, sizeof who) ? strncmp(who, "weir,", 5) == 0 : d->server != 0;
    if (!weir || d->server == 0) {
        doctor_say(d, DOCTOR_BAD, "port", "UDP %u is taken by %s", port, who);
        doctor_fix(d, "ss -lunp 'sport = :%u', and stop that, or set listen in weir.yaml", port);
    } else if (s.drops > 0) {
        doctor_say(d, DOCTOR_LOOK, "port", "UDP %u: %s; the kernel dropped %" PRIu64 " datagrams",
                   port, who, s.drops);
        doctor_fix(d, "weir status --gaps --last 1d, and a larger receive_buffer");
    } else
        doctor_say(d, DOCTOR_OK, "port", "UDP %u: %s", port, who);
}

void doctor_ports(struct doctor *d)
{
    for (size_t i = 0; i < d->n_ports; i++)
        look_at_port(d, d->port[i]);
}

/* ------------------------------------------------------------------ firewall */

/* Output of a program, "" where it is missing or refuses. */
static struct buf output(const char *command)
{
    struct buf b = buf_init(RULES_MAX);
    FILE *f = popen(command, "r");
    char part[4096];
    size_t n;

    while (f != NULL && (n = fread(part, 1, sizeof part, f)) > 0)
        buf_put(&b, part, n);
    if (f != NULL && pclose(f) != 0)
        buf_clear(&b);
    return b;
}

/* Does a rule name this port? */
static bool named(const char *rules, uint16_t port)
{
    char text[16];
    size_t n = (size_t)snprintf(text, sizeof text, "%u", port);

    for (const char *s = rules; (s = strstr(s, text)) != NULL; s += n)
        if ((s == rules || s[-1] < '0' || s[-1] > '9') && (s[n] < '0' || s[n] > '9'))
            return true;
    return false;
}

/* The table ("inet filter") and chain of an input chain that drops by default; false: none. */
static bool nft_drops(const char *rules, char *table, char *chain)
{
    const char *line = rules, *end;
    char text[256], t[64] = "", c[64] = "";

    for (; *line != '\0'; line = *end == '\0' ? end : end + 1) {
        end = line + strcspn(line, "\n");
        (void)snprintf(text, sizeof text, "%.*s", (int)(end - line), line);
        (void)sscanf(text, " table %63[^{]", t);
        (void)sscanf(text, " chain %63s", c);
        if (strstr(text, "hook input") != NULL && strstr(text, "policy drop") != NULL) {
            t[strcspn(t, "{") > 0 && t[strlen(t) - 1] == ' ' ? strlen(t) - 1 : strlen(t)] = '\0';
            (void)snprintf(table, 64, "%s", t);
            (void)snprintf(chain, 64, "%s", c);
            return true;
        }
    }
    return false;
}

static void say_closed(struct doctor *d, const char *rules, const char *by, const char *fix)
{
    bool all = true;

    for (size_t i = 0; i < d->n_ports; i++) {
        if (named(rules, d->port[i]))
            continue;
        all = false;
        doctor_say(d, DOCTOR_LOOK, "firewall",
                   "%s drops what no rule lets in, and none names UDP %u", by, d->port[i]);
        doctor_fix(d, "%s udp %s %u %s", fix, by[0] == 'n' ? "dport" : "--dport", d->port[i],
                   by[0] == 'n' ? "accept" : "-j ACCEPT");
    }
    if (all)
        doctor_say(d, DOCTOR_OK, "firewall", "%s drops by default; rules name the ports", by);
}

void doctor_firewall(struct doctor *d)
{
    struct buf nft = output("nft list ruleset 2>/dev/null");
    struct buf ipt = output("iptables-save 2>/dev/null");
    char table[64], chain[64], fix[192];
    bool drops_nft = nft_drops(buf_cstr(&nft), table, chain);
    bool drops_ipt = strstr(buf_cstr(&ipt), ":INPUT DROP") != NULL;

    if (drops_nft) {
        (void)snprintf(fix, sizeof fix, "nft insert rule %s %s", table, chain);
        say_closed(d, buf_cstr(&nft), "nftables", fix);
    } else if (drops_ipt)
        say_closed(d, buf_cstr(&ipt), "iptables", "iptables -I INPUT -p");
    else if (proc_is_root())
        doctor_say(d, DOCTOR_OK, "firewall", "no chain of this machine drops by default");
    else {
        doctor_say(d, DOCTOR_LOOK, "firewall", "only root can see its rules");
        doctor_fix(d, "sudo weir doctor");
    }
    buf_free(&nft);
    buf_free(&ipt);
}

/* ------------------------------------------------------------------ network cards */

struct card {
    struct doctor *d;
    const char *name;
    unsigned queues;
    bool spread; /* RPS is on for one queue at least */
};

static int count_queue(void *ctx, const char *name)
{
    struct card *c = ctx;
    char path[PATH_OCTETS];
    struct buf b;

    if (strncmp(name, "rx-", 3) != 0)
        return ERR_OK;
    c->queues++;
    (void)snprintf(path, sizeof path, "/sys/class/net/%.64s/queues/%.64s/rps_cpus", c->name, name);
    b = doctor_read(c->d, path);
    c->spread |= strpbrk(buf_cstr(&b), "123456789abcdef") != NULL;
    buf_free(&b);
    return ERR_OK;
}

static uint64_t statistic(const struct doctor *d, const char *card, const char *name)
{
    char path[PATH_OCTETS];
    uint64_t n;

    (void)snprintf(path, sizeof path, "/sys/class/net/%.64s/statistics/%s", card, name);
    return doctor_number(d, path, &n) ? n : 0;
}

static int look_at_card(void *ctx, const char *name)
{
    struct card c = { .d = ctx, .name = name };
    uint64_t lost =
        statistic(c.d, name, "rx_missed_errors") + statistic(c.d, name, "rx_fifo_errors");
    uint64_t shards = conf_num(c.d->conf, OPT_SHARDS);
    char path[PATH_OCTETS];

    (void)snprintf(path, sizeof path, "%s/sys/class/net/%.64s/device", c.d->root, name);
    if (!os_is_dir(path))
        return ERR_OK; /* lo, bridges, tunnels */
    (void)snprintf(path, sizeof path, "%s/sys/class/net/%.64s/queues", c.d->root, name);
    (void)os_dir_list(path, count_queue, &c, NULL);
    if (lost > 0) {
        doctor_say(c.d, DOCTOR_LOOK, "network card",
                   "%.64s lost %" PRIu64 " packets before the kernel had them", name, lost);
        doctor_fix(c.d, "ethtool -g %.64s; ethtool -G %.64s rx 4096", name, name);
    }
    if (c.queues == 1 && shards > 1 && !c.spread) {
        doctor_say(c.d, DOCTOR_LOOK, "network card",
                   "%.64s has one queue: one processor receives for all %" PRIu64 " shards", name,
                   shards);
        doctor_fix(c.d, "echo %llx >/sys/class/net/%.64s/queues/rx-0/rps_cpus",
                   (1ull << MIN(proc_cpus(), 32u)) - 1, name);
    } else if (lost == 0)
        doctor_say(c.d, DOCTOR_OK, "network card", "%.64s: %u queue%s, nothing lost", name,
                   c.queues, c.queues == 1 ? "" : "s");
    return ERR_OK;
}

/* Packets that the kernel threw away because no processor came to them. */
static uint64_t backlog_drops(const struct doctor *d)
{
    struct buf b = doctor_read(d, "/proc/net/softnet_stat");
    uint64_t all = 0;
    unsigned dropped;

    for (const char *s = buf_cstr(&b); *s != '\0'; s += strcspn(s, "\n"), s += *s == '\n')
        if (sscanf(s, "%*x %x", &dropped) == 1)
            all += dropped;
    buf_free(&b);
    return all;
}

void doctor_cards(struct doctor *d)
{
    uint64_t dropped = backlog_drops(d);
    char path[PATH_OCTETS];

    (void)snprintf(path, sizeof path, "%s/sys/class/net", d->root);
    (void)os_dir_list(path, look_at_card, d, NULL);
    if (dropped > 0) {
        doctor_say(d, DOCTOR_LOOK, "backlog",
                   "since boot %" PRIu64 " packets were dropped as no processor took them",
                   dropped);
        doctor_fix(d, "sysctl -w net.core.netdev_max_backlog=10000");
    }
}
