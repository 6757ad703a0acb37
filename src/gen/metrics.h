/* GENERATED from data/metrics.csv by tools/gen.py. Do not edit.
 * Floor 1. Every metric at /metrics. */
#ifndef WEIR_GEN_METRICS_H
#define WEIR_GEN_METRICS_H

#include <stdint.h>

enum metric {
    METRIC_UPTIME_SECONDS, /* seconds since the server started */
    METRIC_BUILD_INFO, /* 1, with the version as label */
    METRIC_DATAGRAMS_TOTAL, /* datagrams given to the decoders */
    METRIC_DATAGRAM_OCTETS_TOTAL, /* octets of these datagrams */
    METRIC_DATAGRAMS_ACCEPTED_TOTAL, /* datagrams that were export messages */
    METRIC_DATAGRAMS_REFUSED_TOTAL, /* datagrams that were not taken */
    METRIC_DATAGRAMS_LOST_IN_CRASH_TOTAL, /* datagrams that a crash took before they were in the journal */
    METRIC_DATAGRAMS_NOT_JOURNALED_TOTAL, /* datagrams that the journal did not get; a crash before they were sealed would have taken them */
    METRIC_DATAGRAMS_QUARANTINED_TOTAL, /* datagrams put aside because decoding ended at them twice */
    METRIC_JOURNAL_UNSAFE, /* 1 while the journal cannot be written */
    METRIC_JOURNAL_USED_BYTES, /* journal that is not sealed yet, in whole files */
    METRIC_JOURNAL_SIZE_BYTES, /* ceiling of the journal */
    METRIC_KERNEL_DROPS_TOTAL, /* datagrams that the kernel dropped because the receive buffer was full */
    METRIC_RECEIVE_BUFFER_WANTED_BYTES, /* receive buffer asked for, per socket */
    METRIC_RECEIVE_BUFFER_BYTES, /* receive buffer that the kernel gave, per socket */
    METRIC_STREAM_SESSIONS, /* TCP or TLS sessions open now */
    METRIC_STREAM_SESSIONS_TOTAL, /* TCP or TLS sessions that were begun */
    METRIC_STREAM_WAITS_TOTAL, /* times that a session was not read because the ring was full */
    METRIC_STREAM_REFUSED_TOTAL, /* TCP or TLS connections that were not taken */
    METRIC_STREAM_ENDED_TOTAL, /* TCP or TLS sessions that ended */
    METRIC_RING_DROPS_TOTAL, /* datagrams dropped because the ring was full */
    METRIC_RING_USED_BYTES, /* memory of the ring in use */
    METRIC_RING_SIZE_BYTES, /* memory of the ring */
    METRIC_FORWARD_DATAGRAMS_TOTAL, /* datagrams sent on to another collector, since this process started */
    METRIC_FORWARD_REFUSED_TOTAL, /* datagrams that the system refused to send there */
    METRIC_FORWARD_DROPPED_TOTAL, /* datagrams that found no room on their way to other collectors */
    METRIC_SETS_TOTAL, /* sets (v5: bodies) met in datagrams */
    METRIC_SETS_DECODED_TOTAL, /* data sets decoded */
    METRIC_SETS_TEMPLATE_TOTAL, /* template sets read */
    METRIC_SETS_WAITING, /* data sets that wait for their template now */
    METRIC_SETS_EXPIRED_TOTAL, /* data sets given up while waiting */
    METRIC_SETS_MALFORMED_TOTAL, /* sets that could not be read */
    METRIC_RECORDS_TOTAL, /* records decoded: flow or option */
    METRIC_RECORDS_SEALED_TOTAL, /* records written to disk */
    METRIC_RECORDS_OPEN, /* records in memory, not yet sealed */
    METRIC_RECORDS_REFUSED_TOTAL, /* records lost because the store refused them */
    METRIC_SEALS_TOTAL, /* segments sealed */
    METRIC_SEAL_FAILURES_TOTAL, /* attempts to seal that failed */
    METRIC_COMPACTIONS_TOTAL, /* merges of segments */
    METRIC_COMPACTION_SEGMENTS_TOTAL, /* segments that were merged into others */
    METRIC_COMPACTION_READ_BYTES_TOTAL, /* octets read by merging */
    METRIC_COMPACTION_WRITTEN_BYTES_TOTAL, /* octets written by merging */
    METRIC_COMPACTION_FAILURES_TOTAL, /* merges that failed; they are tried again later */
    METRIC_STORE_LEVEL_SEGMENTS, /* segments on disk by level: 0 as sealed, 1 about 16 M records or an hour, 2 about 256 M or a day */
    METRIC_STORE_UNSAFE, /* 1 while records cannot be written to disk */
    METRIC_STORE_SEGMENTS, /* segments on disk */
    METRIC_STORE_RECORDS, /* flow records on disk */
    METRIC_STORE_BYTES, /* size of all segments */
    METRIC_STORE_OLDEST_TIMESTAMP_SECONDS, /* oldest record on disk, by receive time */
    METRIC_STORE_NEWEST_TIMESTAMP_SECONDS, /* newest record on disk, by receive time */
    METRIC_STORE_SEGMENTS_DAMAGED, /* segments that cannot be read in full */
    METRIC_EXPORTERS, /* exporters remembered */
    METRIC_EXPORTERS_UNTRUSTED, /* exporters remembered that exporters.allow does not name */
    METRIC_EXPORTERS_FORGOTTEN_TOTAL, /* exporters whose place went to another; their counters stay in the sums */
    METRIC_DECODER_MEMORY_BYTES, /* memory charged to exporters, their ports and templates */
    METRIC_DECODER_MEMORY_MAX_BYTES, /* ceiling of it, over all shards */
    METRIC_DECODER_WAITING_BYTES, /* data sets that wait for their template */
    METRIC_DECODER_WAITING_MAX_BYTES, /* ceiling of it, over all shards */
    METRIC_DECODER_PLANS, /* different templates, compiled once each */
    METRIC_OPEN_MEMORY_BYTES, /* memory of full batches that wait for sealing */
    METRIC_OPEN_MEMORY_MAX_BYTES, /* ceiling of it: decoding waits there */
    METRIC_EXPORTER_DATAGRAMS_TOTAL, /* datagrams of an exporter */
    METRIC_EXPORTER_RECORDS_TOTAL, /* flow records of an exporter */
    METRIC_EXPORTER_LOST_TOTAL, /* lost by sequence number: datagrams (v9) or records (v5, IPFIX) */
    METRIC_EXPORTER_LAST_HEARD_TIMESTAMP_SECONDS, /* last datagram of an exporter */
    METRIC_N
};

struct metric_info {
    const char *name;   /* without the prefix weir_ */
    const char *type;   /* counter or gauge */
    const char *labels; /* comma separated, or "" */
    const char *doc;
};

extern const struct metric_info metric_info[METRIC_N];

#endif
