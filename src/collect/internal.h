/* collect/internal.h - between the files of src/collect only. */
#ifndef WEIR_COLLECT_INTERNAL_H
#define WEIR_COLLECT_INTERNAL_H

#include <stdatomic.h>

#include "collect/collect.h"
#include "collect/forward.h"
#include "collect/journal.h"
#include "collect/past.h"
#include "collect/ring.h"
#include "collect/stream.h"
#include "os/net.h"
#include "os/thread.h"

#define RECENT_MAX 32u /* sealed batches kept for tails while there are any */

enum journal_mode { JOURNAL_ASYNC, JOURNAL_SYNC, JOURNAL_OFF }; /* words of journal.mode */

enum transport { TRANSPORT_UDP, TRANSPORT_TCP, TRANSPORT_TLS, TRANSPORT_N };

struct tls_files;

/* exporters.allow */
struct allow {
    struct net *net; /* owned */
    size_t n;
    bool all; /* the list is empty */
};

#define STAGE_OCTETS (1u << 20) /* frames on their way from the ring to the journal */

/* What outlives a child that dies: its successor goes on with it. */
struct shard_shared {
    bool begun;       /* the ring has begun to number datagrams */
    uint64_t earlier; /* serial: up to here they came before this ring, and are in the journal */
    _Atomic uint64_t datagrams[COLLECT_MAX_LISTENERS], octets[COLLECT_MAX_LISTENERS];
    _Atomic uint64_t kernel_drops[COLLECT_MAX_LISTENERS];
    uint32_t drops_seen[COLLECT_MAX_LISTENERS]; /* what the kernel told last */
    /* the receiver has what the kernel gave it and has not put all of it into the ring */
    _Atomic bool inbox_open;
    unsigned inbox_listener;
    uint64_t inbox_seen; /* ring_seen() before the first of them */
    /* received and dropped before this ring, all that is still to be replayed with it; counted
     * once, by the first child, which may die before it has replayed it */
    _Atomic uint64_t received_before, ring_drops_before, ring_drop_octets_before;
    _Atomic uint64_t kernel_drops_before, not_journaled_before;
    _Atomic uint64_t not_journaled; /* lost on the way to the disk, beside what the ring passed */
    /* the decoder works on this one; on the second death it is put aside */
    _Atomic uint64_t decoding;
    uint64_t suspect;
    unsigned deaths;
    /* frames copied from the ring, not known to be written */
    _Atomic uint64_t stage_len;
    uint64_t stage_first, stage_last;
    _Alignas(64) uint8_t stage[STAGE_OCTETS];
};

/* A batch that is not sealed: the one a decoder writes, or a full one that waits. */
struct open_batch {
    struct flow_batch *b; /* a reference; NULL: none */
    struct rowset *rs;    /* full ones: made once; NULL while written */
    int64_t since_ms;     /* monotonic: when its first row came; 0 = empty */
    uint64_t index;       /* in order of making, over all shards */
    uint64_t octets;      /* of memory; full ones */
    unsigned shard, cut;  /* handed off before that shard answered cut number `cut` */
};

/* Exporters as they were at one moment. Immutable where others see it. */
struct exporter_list {
    _Atomic unsigned refs;
    size_t n, room;
    struct decode_exporter x[];
};
void collect_list_unref(struct exporter_list *l); /* NULL is allowed */

/* What a decoder has to say, copied under shard.status_lock. */
struct shard_status {
    struct decode_counters total;
    struct decode_memory memory;
    struct exporter_list *list; /* a reference; NULL: none yet */
    uint64_t records;           /* rows and options appended to batches until then */
    uint64_t missing;           /* datagrams that a crash took: they had no place in the journal */
    uint64_t replayed, quarantined;
};

struct shard {
    struct collect *k;
    unsigned number;
    struct ring *ring;
    struct shard_shared *shared;
    struct net_inbox *inbox;
    struct thread receiver, writer, decoder;
    struct decoder *decode;
    struct journal *journal;
    bool write_journal; /* journal.mode is not off */

    int fd[COLLECT_MAX_LISTENERS]; /* of UDP; -1: none */
    uint64_t buffer_got[COLLECT_MAX_LISTENERS];

    struct ring *queue; /* from TCP and TLS sessions to the receiver; NULL: no such listener */
    int queue_event;    /* wakes the receiver too */
    atomic_bool receiver_sleeps, queue_full;

    int stop_event;    /* wakes the receiver */
    int work_event;    /* wakes the decoder */
    int journal_event; /* wakes the journal's writer */
    atomic_bool decoder_sleeps, writer_sleeps, receiver_done;
    atomic_bool decoder_done; /* everything is decoded; only cuts are answered */

    struct open_batch cur;   /* written by the decoder under open_lock */
    atomic_uint cut_want;    /* the sealer wants the decoder to hand off; counts up */
    unsigned cut_done;       /* under open_lock */
    struct shard_cut at_cut; /* the decoder's; the sealer's after cut_done or decoder_done */
    uint64_t cut_serial;     /* sealer only: of the last cut that is durable */
    uint64_t serial;         /* decoder only: of the last datagram decoded */
    /* the journal is replayed, what lay in the ring is decoded too, and the status shows it */
    atomic_bool recovered;
    uint64_t replay_upto; /* decoder only: the journal as it was found ends there */
    uint64_t ring_upto;   /* decoder only: and the ring as it was found there */
    uint64_t missing, replayed, quarantined; /* decoder only */
    uint64_t records_handed; /* decoder only: rows and options of handed-off batches */
    struct conf *conf;       /* decoder only: its reference */
    unsigned conf_seen;
    struct allow allow; /* decoder only */

    struct os_mutex status_lock;
    struct shard_status status;
    struct exporter_list *list_spare; /* decoder only: memory for the next list */
    /* of the journal; under status_lock */
    bool journal_unsafe;
    char journal_why[512];
    int64_t longest_sync_ms;
};

struct collect {
    struct store *st;
    struct decoder_limits limits;
    char journal_dir[4096], quarantine_dir[4096];
    int64_t started_ms;
    unsigned n_shards, n_listeners;
    bool kept; /* all sockets are older than this process */
    struct shard *shard;
    struct net_place listener[COLLECT_MAX_LISTENERS];
    enum transport transport[COLLECT_MAX_LISTENERS];
    int stream_fd[COLLECT_MAX_LISTENERS]; /* of TCP and TLS; -1: none */
    bool has_streams;
    struct stream_shared *stream_shared; /* NULL: no such listener */
    struct tls_files *tls_files;         /* NULL: no TLS listener */
    struct streams *streams;             /* collect/stream.c; NULL: not started */
    struct forward *forward;             /* NULL: nothing is sent on */
    struct thread sealer, keeper;
    atomic_bool retain_soon; /* a segment was sealed, or the rules changed */
    atomic_uint seal_want;   /* somebody wants a seal now; counts up */
    unsigned seal_done;      /* under open_lock: seal_want before the last cut that is durable */
    struct compactor *compactor; /* collect/compactor.c */
    bool started;
    atomic_bool stopping;
    atomic_bool abandoned; /* not all threads could be started */
    atomic_bool finished;  /* the sealer has made the last cut */

    struct os_mutex conf_lock;
    struct conf *conf; /* under conf_lock */
    atomic_uint conf_version;

    struct os_mutex open_lock;
    struct cond open_change; /* a batch was handed off, sealed, cut; stop */
    struct open_batch *full; /* in order of hand-off; under open_lock, like all below */
    size_t n_full, room_full, max_full;
    uint64_t full_octets, max_octets; /* of the full ones; seal.memory */
    uint64_t next_index;
    struct open_batch recent[RECENT_MAX]; /* sealed ones, newest last */
    size_t n_recent;
    unsigned n_tails;
    uint64_t records_sealed, records_refused, seals, seal_failures;
    bool unsafe;
    char unsafe_why[512];
};

static inline uint64_t batch_records(const struct flow_batch *b)
{
    return (uint64_t)flow_batch_rows(b) + atomic_load_explicit(&b->n_options, memory_order_acquire);
}

/* allow.c: a.net is freed by the owner */
void collect_allow_take(struct allow *a, const struct conf *c);
bool collect_allowed(const struct allow *a, const struct addr *who);

const char *collect_scheme(const struct collect *k, unsigned l); /* "udp://" */
struct conf *collect_conf(struct collect *k); /* a new reference to the present one */
void *collect_receive_thread(void *arg);      /* its struct shard */
void *collect_decode_thread(void *arg);
void *collect_seal_thread(void *arg); /* its struct collect */
void *collect_journal_thread(void *arg);
void *collect_keep_thread(void *arg);
int collect_compact_start(struct collect *k, struct err *e) WARN_UNUSED;
void collect_compact_stop(struct collect *k); /* joins; `stopping` is set */
void collect_compact_free(struct collect *k);
void collect_compact_status(struct collect *k, struct collect_compaction *out); /* any thread */

/* A collector without listeners, for what is in the journals of n shards. */
int collect_new_shards(struct collect **out, struct conf *c, unsigned n, struct err *e) WARN_UNUSED;

/* recover.c: before the threads start: journals opened, the state of the last cut taken. */
int collect_recover(struct collect *k, struct err *e) WARN_UNUSED;
/* The octets that go into the manifest's cut: counters and decoders at the cuts of all shards.
 * `sealed`: records sealed when it is durable. */
void collect_checkpoint(const struct collect *k, uint64_t sealed, uint64_t refused,
                        struct buf *out);

/* A datagram at which the decoder died twice, into quarantine/ as a capture file. */
void collect_quarantine(struct shard *s, const struct frame *f);
/* What was lost since the first start, as it stands. Any thread. */
struct frame_drops collect_drops(const struct shard *s);
/* Counters that a frame of the journal holds. */
void collect_take_drops(struct shard *s, const struct frame *f);

/* journal_thread.c: frames that a dead predecessor had copied out of its ring. */
int collect_write_stage(struct shard *s, struct err *e) WARN_UNUSED;
void open_batch_drop(struct open_batch *o); /* references; *o becomes empty */

/* Rows first .. of `base` (an open batch's rowset) as a rowset of their own. Takes its own
 * reference. Errors: ERR_NOMEM. */
int slice_new(struct rowset **out, struct rowset *base, uint32_t first) WARN_UNUSED;

#endif
