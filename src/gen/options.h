/* GENERATED from data/options.csv by tools/gen.py. Do not edit.
 * Floor 1. Every option of the configuration. */
#ifndef WEIR_GEN_OPTIONS_H
#define WEIR_GEN_OPTIONS_H

#include <stdint.h>

enum opt {
    OPT_LISTEN, /* where exports are received: udp://ADDRESS:PORT, tcp://ADDRESS:PORT or tls://ADDRESS:PORT (IPFIX by TCP and TLS), any number of them; [::] takes IPv4 too, and becomes 0.0.0.0 on a machine without IPv6 */
    OPT_DATA, /* data directory; empty: /var/lib/weir for root, else $XDG_STATE_HOME/weir, else ./weir-data */
    OPT_ELEMENTS, /* file with your own rows of the element dictionary: CSV of pen,id,name,type,semantics,units; they stand before the built-in rows of the same number */
    OPT_FACTS_DIR, /* what is known of addresses (AS numbers and countries, see weir data); empty: facts in the data directory */
    OPT_AS_SOURCE, /* which AS number of a record counts: auto: the exporter's if it is public, else the one known of the address; exporter; database: always the one known of the address */
    OPT_APPS, /* file with your own applications: CSV of app,as,prefix,proto,port,appid; they stand before the built-in ones */
    OPT_SOCKET, /* Unix socket of the HTTP API, mode 0660; empty: weir.sock in the data directory */
    OPT_USER, /* user to become after the sockets are bound, when started as root; empty: stay */
    OPT_SHARDS, /* receiving and decoding threads, each; the kernel steers every exporter to one of them by its address */
    OPT_RING_SIZE, /* memory between receiving and decoding, per shard; what arrives while it is full is counted as dropped */
    OPT_RECEIVE_BUFFER, /* kernel receive buffer wanted per socket; status shows what the kernel gave */
    OPT_JOURNAL_MODE, /* async: datagrams are on disk within journal.commit; sync: they are on disk before their records are seen; off: a crash loses what is not sealed */
    OPT_JOURNAL_COMMIT, /* time between two commits of the journal to the disk; what a power cut can lose */
    OPT_JOURNAL_SIZE, /* disk that the journal may take; it is needed only while the store cannot seal. At the ceiling receiving goes on and status says unsafe */
    OPT_SEAL_ROWS, /* records that are sealed into one segment (from 65536 on in whole batches of 65536) */
    OPT_SEAL_MEMORY, /* memory for records that are not sealed; at half of it they are sealed, at the whole decoding waits for the disk and the ring fills */
    OPT_SEAL_AGE, /* a segment is sealed when its oldest record waits this long; queries see records at once */
    OPT_RETENTION_SIZE, /* delete the oldest segments when the store is larger; 0: never */
    OPT_RETENTION_AGE, /* delete segments whose newest record was received longer ago; 0: never */
    OPT_RETENTION_IMPORT_KEEP, /* an import is spared by retention.age for this long after it was made */
    OPT_HISTORY_KEEP, /* how long it is remembered when exporters were silent or lost something, and when Weir dropped something or did not run */
    OPT_STORE_OPEN_SEGMENTS, /* segments kept open between questions; a question opens as many at a time at most, and never more than 256 */
    OPT_RETENTION_FREE, /* keep this much of each file system free: move the oldest segments to storage.slow or delete them; 0: never */
    OPT_RETENTION_CLASSES, /* at most four classes of exporters with a life of their own: NAME=NETWORK+NETWORK=AGE/SIZE (or only one of both), as in lab=10.1.0.0/16+fd00::/8=7d/20G; the first that fits counts, and retention.age for all others */
    OPT_STORAGE_SLOW, /* second, slower directory to which old segments move; empty: none */
    OPT_STORAGE_SLOW_AFTER, /* a segment moves to storage.slow when its newest record was received longer ago; 0: only for retention.free */
    OPT_COMPACT_ENABLED, /* merge small segments into larger ones while the server runs */
    OPT_COMPACT_RATE, /* octets a second that merging reads and writes together; 0: as fast as it goes */
    OPT_COMPACT_MEMORY, /* memory for the dictionaries of a merge; what would need more stays in several segments */
    OPT_STREAM_SESSIONS, /* TCP and TLS sessions at one time, over all listeners; those not trusted (yet) take a quarter at most */
    OPT_STREAM_PER_ADDRESS, /* TCP and TLS sessions at one time from one address */
    OPT_STREAM_MEMORY, /* octets of TCP and TLS sessions that are no whole message yet, kept over all sessions; those not trusted take a quarter at most */
    OPT_STREAM_IDLE, /* a TCP or TLS session that is silent for this long is closed */
    OPT_STREAM_PATIENCE, /* a TLS handshake, and a message that was begun, must be complete within this time; a session that has told nothing for longer makes room when there is none */
    OPT_TLS_CERTIFICATE, /* certificate of tls:// listeners in PEM, the chain behind it; read anew by SIGHUP, like the two below */
    OPT_TLS_KEY, /* its key in PEM; read before privileges are dropped */
    OPT_TLS_CLIENT_CA, /* certificates in PEM of those who may sign clients' certificates; exporters that show one so signed are trusted */
    OPT_TLS_CLIENT_CERTIFICATE, /* a client of a tls:// listener must show a certificate; no: it may */
    OPT_EXPORTERS_ALLOW, /* networks of trusted exporters; others are stored and marked not trusted, and share one bounded budget; empty: all are trusted */
    OPT_SAMPLING, /* sampling rates that exporters do not tell: ADDRESS=N or ADDRESS/INTERFACE=N, one packet in N, counts where neither record nor options say one; with ! behind it, as in 192.0.2.1=1000!, it counts against what they say. Holds for all that is stored */
    OPT_FORWARD, /* other collectors that get every datagram received by UDP, as it came: udp://ADDRESS:PORT, at most 16; sessions of TCP and TLS are not sent on */
    OPT_FORWARD_SOURCE, /* under whose address they go out: keep: the sender's, which needs root or CAP_NET_RAW; own: this host's; auto: the sender's where that is permitted */
    OPT_FORWARD_QUEUE, /* memory for datagrams on their way to other collectors, per shard; what finds no room is counted and not sent */
    OPT_DECODER_MEMORY, /* memory for exporters, their ports and templates, per shard; those not heard for ten minutes yet may take half of it together, untrusted ones a quarter */
    OPT_DECODER_MAX_EXPORTERS, /* trusted exporters remembered, per shard; a new one takes the place of one that is silent */
    OPT_DECODER_MAX_UNTRUSTED, /* exporters outside exporters.allow remembered, all together, per shard */
    OPT_DECODER_MAX_TEMPLATES, /* templates remembered per exporter */
    OPT_DECODER_MAX_FIELDS, /* fields of one template */
    OPT_DECODER_MAX_WAITING, /* data sets waiting for their template, per exporter */
    OPT_DECODER_MAX_WAITING_TOTAL, /* data sets waiting for their template, over all exporters of a shard, shared out like decoder.memory */
    OPT_DECODER_WAITING_AGE, /* a data set waits this long for its template */
    OPT_DECODER_TEMPLATE_AGE, /* forget a template that was not sent again for this long; 0: keep it until the exporter restarts */
    OPT_DECODER_MAX_AGE, /* times of a record older than its arrival by more than this are clamped and marked */
    OPT_DECODER_REORDER_WINDOW, /* sequence numbers that datagrams may come out of order */
    OPT_SNMP_SECRETS, /* file with what Weir may ask exporters by SNMP with: lines of NETWORK v2c COMMUNITY, or NETWORK v3 USER SHA PASSWORD AES PASSWORD; read before privileges are dropped; empty: nobody is asked */
    OPT_SNMP_EVERY, /* each exporter that snmp.secrets names is asked this often for names, speeds and counters of its interfaces */
    OPT_SNMP_PORT, /* UDP port where exporters answer SNMP */
    OPT_HTTP_LISTEN, /* TCP address for /metrics and /healthz, without any flow data; off: none */
    OPT_HTTP_CONNECTIONS, /* connections served at one time, per listener */
    OPT_QUERY_MEMORY, /* memory that one question may use for its groups */
    OPT_QUERY_THREADS, /* threads that one question may use; 0 = as many as the machine gives */
    OPT_SESSION_IDLE, /* a session ends when none of its records is seen for so long: at least the active timeout of the exporters, and as long as the timeout of UDP bindings in NAT (RFC 4787) */
    OPT_LOG_LEVEL, /* least severe message that is written */
    OPT_LOG_TO, /* where messages go: a file, opened anew by SIGHUP; stderr; journal, which is stderr with the priorities of systemd's journal; empty: journal where stderr is the journal, else stderr */
    OPT_LOG_BURST, /* messages of one kind that are written in ten seconds; those beyond are counted and told as a number; 0: all are written */
    OPT_N
};

enum opt_type { OPT_TYPE_BOOL, OPT_TYPE_UINT, OPT_TYPE_SIZE, OPT_TYPE_DURATION, OPT_TYPE_TEXT,
                OPT_TYPE_ENUM, OPT_TYPE_LIST };

struct opt_info {
    const char *name;  /* dotted path in the file; --name on the command line */
    uint8_t type;      /* enum opt_type */
    const char *unit;  /* of the number: octets, ms, rows, ...; or "" */
    const char *def;   /* default, as text */
    const char *min, *max; /* bounds as text, or "" */
    const char *words; /* OPT_TYPE_ENUM: allowed words, space separated */
    uint8_t reload;    /* 1: a SIGHUP applies it; 0: needs a restart */
    const char *doc;
};

extern const struct opt_info opt_info[OPT_N];

#endif
