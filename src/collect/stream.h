/* collect/stream.h - exports over TCP and TLS sessions (RFC 7011 sections 10.4 and 11).
 * Floor 4. For src/collect only.
 *
 * One thread accepts, shakes hands, reads, and cuts the octets into messages. Each goes into a
 * queue of the shard to which the kernel would steer its sender, and the shard's receiver moves it
 * into the ring, so that a ring has one writer and a slow handshake delays no datagram. What the
 * ring has no room for stays in the queue, then in the session's socket: the exporter waits,
 * nothing is dropped. The end of a session that told something goes the same way, in its order. */
#ifndef WEIR_COLLECT_STREAM_H
#define WEIR_COLLECT_STREAM_H

#include "collect/collect.h"

struct shard;
struct stream_shared; /* counters that outlive a child */
struct streams;       /* the thread's */

/* The parent: listener l's socket, if it was kept over an upgrade or a restart; then that or a new
 * one.
 */
bool stream_take(struct collect *k, unsigned l);
int stream_listen(struct collect *k, unsigned l, struct err *e) WARN_UNUSED;
void stream_each_socket(struct collect *k, void (*each)(const char *name, int fd));
/* Certificates and keys of the configuration, where there is a tls:// listener.
 * Errors: as tls_files_read(). */
int stream_read_keys(struct collect *k, const struct conf *c, struct err *e) WARN_UNUSED;

/* The child: all but the thread, before the receivers start; then the thread. */
int stream_prepare(struct collect *k, struct err *e) WARN_UNUSED;
int stream_start(struct collect *k, struct err *e) WARN_UNUSED;
void stream_join(struct collect *k); /* `stopping` is set, the receivers still run */
void stream_free(struct collect *k);
void stream_status(struct collect *k, unsigned l, struct collect_stream *out); /* any thread */

/* The shard's receiver: what is in the queue into the ring; how many. */
unsigned stream_drain(struct shard *s);
bool stream_ready(struct shard *s);        /* stream_drain() would move something */
bool stream_idle(struct shard *s);         /* nothing is in the queue */
bool stream_done(const struct collect *k); /* nothing more will come: it is stopped */

#endif
