/* collect/internal.h - between the files of src/collect only. */
#ifndef WEIR_COLLECT_INTERNAL_H
#define WEIR_COLLECT_INTERNAL_H

#include <stdatomic.h>

#include "collect/collect.h"
#include "collect/ring.h"
#include "os/net.h"
#include "os/thread.h"

#define RECENT_MAX 32u /* sealed batches kept for tails while there are any */

/* A batch that is not sealed: the one a decoder writes, or a full one that waits. */
struct open_batch {
    struct flow_batch *b; /* a reference; NULL: none */
    struct rowset *rs;    /* full ones: made once; NULL while written */
    int64_t since_ms;     /* monotonic: when its first row came; 0 = empty */
    uint64_t index;       /* in order of making, over all shards */
};

/* What a decoder has to say, copied under shard.status_lock. */
struct shard_status {
    struct decode_counters total;
    struct decode_exporter *exporter;
    size_t n_exporters, room;
    uint64_t records; /* rows and options appended to batches until then */
};

struct shard {
    struct collect *k;
    unsigned number;
    struct ring *ring;
    struct thread receiver, decoder;
    struct decoder *decode;

    int fd[COLLECT_MAX_LISTENERS]; /* -1: none */
    uint64_t buffer_got[COLLECT_MAX_LISTENERS];
    _Atomic uint64_t datagrams[COLLECT_MAX_LISTENERS], octets[COLLECT_MAX_LISTENERS];
    _Atomic uint64_t kernel_drops[COLLECT_MAX_LISTENERS];

    int stop_event; /* wakes the receiver */
    int work_event; /* wakes the decoder */
    atomic_bool decoder_sleeps, receiver_done, decoder_done;

    struct open_batch cur;   /* written by the decoder under open_lock */
    atomic_uint cut_want;    /* the sealer wants the decoder to hand off; counts up */
    unsigned cut_done;       /* under open_lock */
    uint64_t records_handed; /* decoder only: rows and options of handed-off batches */
    struct conf *conf;       /* decoder only: its reference */
    unsigned conf_seen;
    struct net *allow; /* decoder only: exporters.allow */
    size_t n_allow;

    struct os_mutex status_lock;
    struct shard_status status;
};

struct collect {
    struct store *st;
    int64_t started_ms;
    unsigned n_shards, n_listeners;
    struct shard *shard;
    struct net_place listener[COLLECT_MAX_LISTENERS];
    struct thread sealer;
    bool started;
    atomic_bool stopping;

    struct os_mutex conf_lock;
    struct conf *conf; /* under conf_lock */
    atomic_uint conf_version;

    struct os_mutex open_lock;
    struct cond open_change; /* a batch was handed off, sealed, cut; stop */
    struct open_batch *full; /* in order of hand-off; under open_lock, like all below */
    size_t n_full, room_full, max_full;
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

struct conf *collect_conf(struct collect *k); /* a new reference to the present one */
void *collect_receive_thread(void *shard);
void *collect_decode_thread(void *shard);
void *collect_seal_thread(void *k);
void open_batch_drop(struct open_batch *o); /* references; *o becomes empty */

/* Rows first .. of `base` (an open batch's rowset) as a rowset of their own. Takes its own
 * reference. Errors: ERR_NOMEM. */
int slice_new(struct rowset **out, struct rowset *base, uint32_t first) WARN_UNUSED;

#endif
