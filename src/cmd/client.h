/* cmd/client.h - asking a running server over its Unix socket.
 * Floor 7. libcurl. */
#ifndef WEIR_CMD_CLIENT_H
#define WEIR_CMD_CLIENT_H

#include <jansson.h>

#include "base/buf.h"
#include "cmd/cmd.h"

struct client_answer {
    int status;           /* of HTTP; 200 = good */
    char incomplete[512]; /* what could not be read, or "" */
    char error[512];      /* the answer broke off for this, or "" */
    bool sink_failed;     /* the sink refused octets (a closed pipe) */
    struct buf problem;   /* body of an answer that is not 200; free with buf_free() */
};

/* GET target; octets of a good answer go to put(ctx). Errors: ERR_IO (no server there). */
int client_get(const char *socket_path, const char *target,
               bool (*put)(void *ctx, const char *p, size_t n), void *ctx,
               struct client_answer *out, struct err *e) WARN_UNUSED;

/* The same with POST and an empty body: something is done. */
int client_post(const char *socket_path, const char *target,
                bool (*put)(void *ctx, const char *p, size_t n), void *ctx,
                struct client_answer *out, struct err *e) WARN_UNUSED;

/* Print a problem answer to stderr, with its caret; returns the exit code it deserves. */
int client_problem(const struct args *a, struct client_answer *r);

/* Octets to a struct buf. */
bool client_keep(void *buf, const char *p, size_t n);
/* Members of an answer in JSON; 0 and "-" where there is none. */
json_int_t client_num(const json_t *o, const char *name);
const char *client_text(const json_t *o, const char *name);

/* Octets to standard output, at once; false when it is closed. */
bool client_to_stdout(void *ctx, const char *p, size_t n);

#endif
