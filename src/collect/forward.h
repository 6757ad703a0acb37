/* collect/forward.h - received datagrams sent on to other collectors, octet for octet (option
 * `forward`).
 * Floor 4. For src/collect and its tests.
 *
 * A decoder that is done with a datagram copies it into a queue of its shard; one thread sends what
 * is in the queues. What a queue has no room for, or the system refuses, is counted and gone:
 * nobody waits for a target, the receiver knows nothing of it. Each datagram goes out at most once:
 * what is read back from the journal after a death is not sent again. */
#ifndef WEIR_COLLECT_FORWARD_H
#define WEIR_COLLECT_FORWARD_H

#include "collect/collect.h"
#include "collect/frame.h"
#include "os/net.h"

struct forward;

/* With the rights of the parent: sockets to the targets of the configuration; *out NULL where there
 * are none. `listener`: this server's own of UDP, of which none may be a target.
 * Errors: ERR_ARG (a target), ERR_UNSUPPORTED (forward_source is keep, and that is not permitted),
 * ERR_IO, ERR_NOMEM. */
int forward_open(struct forward **out, const struct conf *c, const struct net_place *listener,
                 unsigned n_listeners, unsigned n_shards, struct err *e) WARN_UNUSED;
/* The child: queues and the thread. Errors: ERR_NOMEM, ERR_IO. */
int forward_start(struct forward *f, const struct conf *c, struct err *e) WARN_UNUSED;
/* Decoder of that shard: one datagram. Never waits. */
void forward_put(struct forward *f, unsigned shard, const struct frame *frame);
/* No decoder puts any more: what is in the queues is sent, then the thread ends. */
void forward_stop(struct forward *f);
void forward_free(struct forward *f); /* NULL is allowed, here and above */

/* Any thread. */
void forward_status(const struct forward *f, struct collect_status *out);

#endif
