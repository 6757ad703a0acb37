/* cmd/translation.h - records of NAT devices to who had what from when to when (RFC 8158; Cisco's
 * NSEL).
 * Floor 7. Pure. */
#ifndef WEIR_CMD_TRANSLATION_H
#define WEIR_CMD_TRANSLATION_H

#include "base/err.h"

#define TRANSLATION_COLUMNS                                                                     \
    "start,end,exporter,domain,proto,src ip,src port,nat event,ie(firewallEvent),pblock start," \
    "pblock end,pblock step,pblock size,ie(userName)"

/* One inside address (and port) that held the outside one for a while. */
struct owner {
    char address[48], exporter[48], user[64], proto[16];
    uint32_t domain;
    int port;                   /* -1: none; of a block of ports there is none */
    int block_start, block_end; /* -1: no block */
    int64_t from_ms, to_ms;     /* INT64_MAX: no end is known */
    bool holds;                 /* at the moment asked for */
    char began[96], ended[96];  /* the records that say so */
    uint32_t records;
    int64_t ended_ms; /* newest end told before the moment */
};

struct translations {
    struct owner *o;
    size_t n, room;
};

/* Lines of NDJSON with TRANSLATION_COLUMNS: first those that begin at the moment or before, newest
 * first, then (a second call) those after it, oldest first. Errors: ERR_FORMAT, ERR_NOMEM. */
int translations_read(struct translations *t, const char *lines, unsigned port, int64_t at_ms,
                      struct err *e) WARN_UNUSED;
/* Does one hold whose end is not known yet? */
bool translations_open(const struct translations *t);
size_t translations_holding(const struct translations *t);
/* By their beginning, newest first. */
void translations_sort(struct translations *t);
void translations_free(struct translations *t);

#endif
