/* cmd/target.h - where weir replay sends to, and how fast.
 * Floor 7. */
#ifndef WEIR_CMD_TARGET_H
#define WEIR_CMD_TARGET_H

#include "base/err.h"
#include "encode/messages.h"
#include "os/net.h"

enum target_kind { TARGET_UDP, TARGET_PCAP, TARGET_MESSAGES };

struct target {
    enum target_kind kind;
    const char *text; /* as given */
    struct net_place place;
    int fd;
    struct buf hold;  /* files: not yet written */
    uint64_t at;      /* files: octets written */
    uint64_t octets;  /* of all messages */
    bool keep_source; /* UDP: under the exporter's address */
    /* Speed: times the original, or records a second; both 0 = as fast as it goes. */
    double times;
    uint64_t per_s;
    int64_t begin_us; /* by the monotonic clock, when the first went */
    int64_t first_ms; /* receive time of the first */
    uint64_t records;
    struct err e; /* why it failed */
};

/* "udp://A:P", "FILE.pcap", or FILE for messages one behind the other (IPFIX only).
 * Errors: ERR_ARG, ERR_IO, ERR_UNSUPPORTED (keep_source without the right). */
int target_open(struct target *t, const char *text, bool ipfix, struct err *e) WARN_UNUSED;
/* "max", "1x", "60x", "5000/s". */
bool target_speed(struct target *t, const char *text);
/* Waits until it is time, then sends or writes. Errors: ERR_IO; the text is in t->e. */
int target_send(struct target *t, const struct message *m) WARN_UNUSED;
/* Write what is left. */
int target_close(struct target *t, struct err *e) WARN_UNUSED;

#endif
