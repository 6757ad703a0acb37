/* collect/import.h - a capture of export datagrams, or an IPFIX file (RFC 5655: messages one behind
 * the other, as also a TCP session carries them), into the store, as fast as decoding goes.
 * Files of other tools come as messages that somebody makes of them (import_source.convert).
 * Floor 4. No files of its own: octets in, sealed segments out, all visible at once or not at all.
 * Threads: called from one, which decodes; others seal what it has decoded, up to 1 M rows at a
 * time. What comes out does not depend on how many they are. Memory: one such group for each of
 * them and one more. */
#ifndef WEIR_COLLECT_IMPORT_H
#define WEIR_COLLECT_IMPORT_H

#include "collect/udp.h"
#include "decode/decode.h"
#include "os/file.h"
#include "store/store.h"

#define IMPORT_PORTS_SHOWN 5u

/* One IPFIX message; borrowed until it returns. Errors: ERR_CANCEL (there is no need to go on), or
 * what the import ends with. */
typedef int import_give(void *door, const uint8_t *p, size_t len, const struct addr *exporter,
                        int64_t received_ms);

struct import_source {
    const char *name;      /* for the manifest */
    const uint8_t *octets; /* the whole file; borrowed */
    size_t len;
    /* hears of octets that will not be read again (os_map_forget where they are a mapped file);
     * any thread; NULL */
    void (*forget)(const void *p, size_t len);
    /* the file that the octets are of, if any: asked whether all of it could be read */
    const struct os_map *map;
    struct addr exporter; /* who made an IPFIX file, which does not say; zeros: not known */
    int64_t changed_ms;   /* stands in for the time of packets that have none */
    /* NULL, or: the file is another tool's, and this makes IPFIX messages of it. Called once, by
     * the thread that imports; gives each message and passes errors of give() on, but for
     * ERR_CANCEL, which ends it well. */
    int (*convert)(void *ctx, import_give *give, void *door, struct err *e);
    void *convert_ctx;
    const size_t *convert_at; /* octets of the file that it has read, for the progress; or NULL */
};

struct import_progress {
    size_t at, len; /* octets of the file */
    uint64_t records;
};

struct import_options {
    const uint16_t
        *ports; /* destination ports to take; n_ports 0 = any, if it looks like an export */
    size_t n_ports;
    bool again; /* also what was imported before */
    void (*progress)(void *ctx,
                     const struct import_progress *p); /* every few thousand packets; or NULL */
    void *ctx;
};

struct import_port {
    uint16_t port;
    uint32_t datagrams;
};

struct import_result {
    bool committed;
    bool known;                  /* this content was imported before: nothing was done */
    uint8_t sha256[32];          /* of the file */
    bool messages;               /* IPFIX file, or converted: each message counts as a datagram */
    uint64_t packets, datagrams; /* in the file; given to the decoder */
    uint64_t octets;             /* of those datagrams */
    uint64_t not_wanted;         /* UDP, but of another port or no export */
    uint64_t netflow_v8;         /* among them */
    struct import_port port[IMPORT_PORTS_SHOWN]; /* of those, most first; datagrams 0 = none */
    struct udp_stats udp;
    uint16_t unknown_link; /* link type of packets that could not be read */
    struct decode_counters counters;
    bool cut; /* the file is damaged or cut off; what came before was taken */
    struct err cut_why;
};

/* Decode all of a capture and commit it. Without one export datagram, and of a content that the
 * store has already, nothing is written and `committed` is false. *out is filled in any case. On an
 * error nothing becomes visible.
 * Errors: ERR_FORMAT (neither), ERR_IO, ERR_NOMEM, and what the store returns. */
int import_capture(struct store *s, const struct import_source *src,
                   const struct import_options *opt, struct import_result *out,
                   struct err *e) WARN_UNUSED;

/* Could this be an export datagram: NetFlow v1, v5, v7, v9, IPFIX or sFlow v5,
 * and a header that holds together? */
bool import_plausible(const uint8_t *p, size_t len);

#endif
