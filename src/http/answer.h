/* http/answer.h - a question that runs in its own thread while its octets are sent.
 * Floor 6. Made and freed by the connection's thread. */
#ifndef WEIR_HTTP_ANSWER_H
#define WEIR_HTTP_ANSWER_H

#include <stdatomic.h>

#include "collect/history.h"
#include "http/request.h"
#include "meta/db.h"

struct answer;
struct answer_place {
    struct collect *k;
    struct history *history;
    struct meta_db *meta;
    uint64_t memory_max;
    uint32_t threads, open_max;
    int64_t idle_ms;
    enum geo_as_source as_source;
    struct apps *apps;     /* a reference, which answer_start takes over, also on failure */
    atomic_bool *stopping; /* the server ends */
    int fd;                /* the client's connection, watched for its end */
};

/* Start. Takes the plan. Errors: ERR_NOMEM, ERR_LIMIT; then the plan is freed too. */
int answer_start(struct answer **out, const struct answer_place *at, struct plan *p,
                 enum present_format f, bool follow, struct err *e) WARN_UNUSED;
/* Wait until there are octets or the question ended. Returns its error when it failed before any
 * octet, else ERR_OK. */
int answer_wait(struct answer *a, struct err *e) WARN_UNUSED;
/* Up to max octets; 0 = the end. -1: the client has gone or the server ends. */
long answer_read(struct answer *a, char *out, size_t max);
/* After the end: what the client should know, or "". Valid until answer_free(). */
const char *answer_incomplete(const struct answer *a);
const char *answer_error(const struct answer *a);
void answer_free(struct answer *a); /* cancels and waits; NULL is allowed */

#endif
