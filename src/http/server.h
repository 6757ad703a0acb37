/* http/server.h - the HTTP API on a Unix socket, and /metrics and /healthz on TCP.
 * Floor 6. libmicrohttpd with a thread per connection; a question runs in a thread of its own, so
 * that a client that goes away cancels it. */
#ifndef WEIR_HTTP_SERVER_H
#define WEIR_HTTP_SERVER_H

#include "collect/history.h"
#include "collect/snmp.h"
#include "meta/db.h"

struct http_server;
struct apps;

/* What answers are made of; all stay valid until http_server_stop(). */
struct http_parts {
    struct collect *collect;
    struct history *history;
    struct meta_db *meta;
    struct snmp_watch *snmp; /* NULL: nobody is asked */
    struct apps *apps;       /* a reference is taken, and of conf */
    struct conf *conf;
};

/* Serve from now on. Takes the listening descriptors (tcp_fd -1: none). Errors: ERR_IO, ERR_NOMEM.
 */
int http_server_start(struct http_server **out, const struct http_parts *p, int unix_fd, int tcp_fd,
                      struct err *e) WARN_UNUSED;
/* `apps`: what applications are called from now on; a reference is taken here and above. */
void http_server_reload(struct http_server *s, struct conf *c, struct apps *apps);
void http_server_stop(struct http_server *s); /* ends all answers; NULL is allowed */

/* The status as JSON text with at most so many exporters, and as Prometheus text. */
struct buf;
void http_status_json(struct buf *out, const struct collect_status *s, const struct conf *c,
                      uint32_t most);
void http_metrics_text(struct buf *b, const struct collect_status *s);

/* A verdict on each of `most` exporters, or (not NULL) of one address, as JSON text.
 * Errors: ERR_NOMEM, what a snapshot returns. */
int http_verdicts_json(struct buf *out, struct collect *k, struct history *h,
                       struct snmp_watch *snmp, struct meta_db *meta, const struct conf *c,
                       size_t most, const struct addr *only, struct err *e) WARN_UNUSED;

/* The n exporters that matter most, the first one first; trusted ones come before all others.
 * HTTP_BUSIEST: most records. HTTP_OLDEST: heard first; that list hardly ever changes. Fewer where
 * there are fewer; NULL: none, or out of memory. The caller frees it. */
enum http_order { HTTP_BUSIEST, HTTP_OLDEST };
const struct decode_exporter **http_exporters(const struct collect_status *s, enum http_order by,
                                              size_t *n);

#endif
