/* collect/collect.h - from the sockets to sealed segments: listener -> ring -> decode -> batch ->
 * store. Floor 4.
 *
 * Threads: per shard one receiver and one decoder; one sealer for all. The receiver takes no lock.
 * Batches that are not sealed yet are the open list; one snapshot holds them together with the
 * sealed segments, so that what was decoded is visible at once and no row is seen twice or not at
 * all. Locks, always in this order: the store's own, then the open list's. */
#ifndef WEIR_COLLECT_COLLECT_H
#define WEIR_COLLECT_COLLECT_H

#include "conf/conf.h"
#include "decode/decode.h"
#include "store/store.h"

#define COLLECT_MAX_SHARDS    64u
#define COLLECT_MAX_LISTENERS 64u
#define COLLECT_MAX_FORWARD   16u

struct collect;

/* Open the sockets and make the shards; starts nothing. `c` is referenced. A process that forks
 * children keeps this object as it is; each child starts its copy, and finds in the shared part of
 * it what a dead predecessor had received.
 * Errors: ERR_ARG, ERR_BUSY, ERR_IO, ERR_NOMEM. */
int collect_new(struct collect **out, struct conf *c, struct err *e) WARN_UNUSED;
/* Read certificates and keys anew, with the rights of who calls: children see them with their next
 * collect_reload(). Errors: ERR_ARG, ERR_IO, ERR_NOMEM; the ones from before stay. */
int collect_read_keys(struct collect *k, const struct conf *c, struct err *e) WARN_UNUSED;
/* Name and descriptor of every socket, for whoever keeps them open meanwhile. */
void collect_each_socket(struct collect *k, void (*each)(const char *name, int fd));
/* All of them were open before this process: what came meanwhile waits in them. */
bool collect_kept(const struct collect *k);
/* Begin: take up what the last run left (collect/recover.c), then receive. `st` is open for writing
 * and stays valid until collect_free(). Errors: ERR_LIMIT, ERR_NOMEM; then collect_free() is the
 * only call left. */
int collect_start(struct collect *k, struct store *st, struct err *e) WARN_UNUSED;
/* Stop receiving, decode what has arrived, seal everything; returns when done.
 * Errors: ERR_IO when the store refused records in the end: *e says how many are lost. */
int collect_stop(struct collect *k, struct err *e) WARN_UNUSED;
void collect_free(struct collect *k); /* NULL is allowed; after collect_stop() if it was started */

/* Take the options of a new configuration that need no restart. Any thread. */
void collect_reload(struct collect *k, struct conf *c);

/* Seal all that has been decoded until now; returns when it is durable. Any thread.
 * Errors: ERR_BUSY (not within wait_ms), ERR_IO (the disk refuses; *e says why). */
int collect_seal(struct collect *k, int64_t wait_ms, struct err *e) WARN_UNUSED;

/* Everything that is known now: sealed and open. snapshot_free() it. Any thread. */
int collect_snapshot(struct collect *k, struct snapshot *out, struct err *e) WARN_UNUSED;

/* What a death left behind is still read back: a snapshot lacks some of what was known before. Ask
 * before it is taken. Any thread. */
bool collect_recovering(const struct collect *k);

/* Follow what comes in. A tail belongs to one thread. */
struct collect_tail;
int collect_tail_open(struct collect *k, struct collect_tail **out, struct err *e) WARN_UNUSED;
/* The rows that came since the last call (the first time: since open), as rowsets; out->n may be 0.
 * *missed: batches that were gone before this tail came to see them, since open. */
int collect_tail_next(struct collect_tail *t, struct snapshot *out, uint64_t *missed,
                      struct err *e) WARN_UNUSED;
void collect_tail_close(struct collect_tail *t); /* NULL is allowed */

/* Why a connection was refused, or a session ended. */
enum stream_reason {
    STREAM_CEILING,        /* stream.sessions */
    STREAM_ADDRESS,        /* stream.per_address */
    STREAM_STRANGERS,      /* the part of those who are not trusted is used up */
    STREAM_DESCRIPTORS,    /* no memory, or no descriptor */
    STREAM_NO_CERTIFICATE, /* TLS: the client showed none */
    STREAM_BAD_CERTIFICATE,
    STREAM_HANDSHAKE, /* no TLS, or none that we speak */
    STREAM_CLOSED,    /* by the exporter, between two messages */
    STREAM_CUT,       /* ... in the midst of one */
    STREAM_RESET,
    STREAM_IDLE,
    STREAM_SLOW,     /* a handshake or a message took longer than stream.patience */
    STREAM_VERSION,  /* what came is no message */
    STREAM_LENGTH,   /* a length that cannot be */
    STREAM_MEMORY,   /* stream.memory */
    STREAM_REPLACED, /* it had told nothing, and its place was wanted */
    STREAM_STOPPED,  /* the server stops */
    STREAM_DIED,     /* the data process died */
    STREAM_REASON_N
};
const char *collect_stream_reason(enum stream_reason r);

#define COLLECT_WHY_MAX 256u

/* TCP and TLS sessions of one listener: accepted = open + ended[]. */
struct collect_stream {
    uint64_t open, handshaking, accepted;
    uint64_t waits; /* times that one was not read because the ring was full */
    uint64_t refused[STREAM_REASON_N], ended[STREAM_REASON_N];
    int64_t refused_ms; /* the last one; 0: none */
    char refused_why[COLLECT_WHY_MAX];
};
struct collect_listener {
    char text[96];              /* "udp://[::]:2055" */
    bool streams;               /* TCP or TLS */
    uint64_t datagrams, octets; /* messages, of streams */
    uint64_t kernel_drops;
    uint64_t buffer_wanted, buffer_got; /* of the smallest socket */
    struct collect_stream stream;
};
/* Where received datagrams are sent on to; since this process started. */
struct collect_forward {
    char text[96];
    bool may_keep;                        /* it may go out under the sender's address */
    uint64_t sent, octets, kept, refused; /* kept: of those sent, under the sender's address */
};
struct collect_ring {
    uint64_t datagrams, octets, dropped, dropped_octets, used_octets, capacity_octets;
};
struct collect_journal {
    bool written; /* journal.mode is not off */
    bool unsafe;  /* the disk refuses */
    char why[512];
    uint64_t octets, max_octets; /* in use; ceiling */
    uint32_t files;
    int64_t longest_sync_ms; /* of one commit, since this process started */
};
/* Merging of segments, since the start. */
struct collect_compaction {
    bool running;
    uint64_t merges, segments_merged, octets_read, octets_written;
    uint64_t failures, damaged; /* damaged: segments that are left alone */
    char failed_why[512];       /* "" when the last merge succeeded */
};
/* How things stand; decoders publish about 5 times a second, all figures of one shard at one
 * moment. */
struct collect_status {
    int64_t started_ms, now_ms;
    uint32_t n_listeners, n_shards;
    struct collect_listener listener[COLLECT_MAX_LISTENERS];
    struct collect_ring ring[COLLECT_MAX_SHARDS];
    /* Since the first start, over restarts and crashes: received = total.datagrams + ring_dropped +
     * missing + in the ring; beside them what the kernel dropped. */
    uint64_t received, kernel_dropped, ring_dropped;
    uint64_t missing;       /* a crash took them before they were in the journal */
    uint64_t not_journaled; /* decoded, but a crash before the next seal would have taken them */
    uint64_t quarantined;
    uint64_t replayed; /* from the journal, at this start */
    bool recovering; /* the journal is still replayed: counters are on their way to where they were
                      */
    struct collect_journal journal;
    uint32_t n_forward;
    struct collect_forward forward[COLLECT_MAX_FORWARD];
    uint64_t forward_dropped, forward_waiting_octets; /* of the queues before them */
    struct decode_counters total;
    struct decode_memory memory;      /* of all decoders */
    uint64_t memory_max, waiting_max; /* its ceilings */
    size_t n_known, n_untrusted;      /* exporters */
    struct decode_exporter *exporter; /* owned; NULL where not wanted */
    size_t n_exporters;
    /* ledger of records: total.flows + total.options = sealed + open + refused */
    uint64_t records_sealed, records_open, records_refused;
    uint32_t batches_open, batches_max;    /* full ones; at max the decoders wait */
    uint64_t open_octets, open_octets_max; /* of memory of full ones; the same */
    uint64_t seals, seal_failures;
    bool unsafe; /* the last seal failed; records pile up in memory */
    char unsafe_why[512];
    struct store_stats store;
    struct collect_compaction compaction;
};
/* exporters: with the list of them. Neither the receiver nor a decoder waits for it. */
int collect_status(struct collect *k, struct collect_status *out, bool exporters,
                   struct err *e) WARN_UNUSED;
void collect_status_free(struct collect_status *s);

#endif
