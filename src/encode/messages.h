/* encode/messages.h - records with their list of elements to messages of NetFlow v9 (RFC 3954) or
 * IPFIX (RFC 7011): templates, sets, sequence numbers.
 * Floor 3. Pure: no socket, clock, log or global.
 * Threads: one writer belongs to one thread. Memory: one open message, the templates (at most
 * MESSAGES_MAX_TEMPLATES) and for each stream (at most MESSAGES_MAX_STREAMS) which of them it has
 * heard of. */
#ifndef WEIR_ENCODE_MESSAGES_H
#define WEIR_ENCODE_MESSAGES_H

#include "flow/addr.h"
#include "flow/shape.h"

#define MESSAGES_MAX_TEMPLATES 4096u
#define MESSAGES_MAX_STREAMS   4096u
#define MESSAGES_MAX_OCTETS    65500u

/* An element as a template names it. */
struct message_field {
    uint32_t pen; /* 0 = IANA, or a NetFlow v9 number; SHAPE_PEN_V9_SCOPE in scopes of v9 */
    uint16_t id;
    uint16_t len; /* octets; SHAPE_LEN_VAR: a length stands before the value (IPFIX only) */
};

struct message_record {
    struct addr exporter;
    uint32_t domain;   /* observation domain, or source id */
    int64_t export_ms; /* by the exporter's clock; into the header in whole seconds */
    int64_t received_ms;
    uint32_t uptime_base_ms; /* v9: export time minus sysUpTime, modulo 2^32 */
    bool uptime_matters;     /* an element of it counts from there */
    bool option;             /* option record, with n_scope leading scope fields */
    uint16_t n_scope, n_fields;
    const struct message_field *f;
    const uint8_t *octets; /* as they stand in a data set */
    size_t len;
};

struct message {
    const uint8_t *octets; /* borrowed until the callback returns */
    size_t len;
    struct addr exporter;
    int64_t received_ms; /* latest of its records */
    uint32_t records;
};

struct messages_options {
    uint16_t version;    /* 9 or 10 */
    uint32_t max_octets; /* a message is longer only where one record is; 0 = 1400 */
    uint32_t refresh;    /* templates are told again after so many messages; 0 = never */
    bool per_exporter;   /* a stream for each (exporter, domain); else for each domain, where all
                            goes out under one address: templates and sequences then never clash */
    int (*send)(void *ctx, const struct message *m); /* ERR_OK, or an error that is passed on */
    void *ctx;
};

struct messages;

/* Errors: ERR_NOMEM, ERR_ARG. */
int messages_new(struct messages **out, const struct messages_options *opt) WARN_UNUSED;
void messages_free(struct messages *m); /* NULL is allowed; what is open is lost */

/* Append a record; sends what is full. Errors: ERR_LIMIT (the record or its template does not fit a
 * message: left out, go on), ERR_NOMEM, what send() returned. */
int messages_add(struct messages *m, const struct message_record *r) WARN_UNUSED;
/* Send what is open. Errors: what send() returned. */
int messages_flush(struct messages *m) WARN_UNUSED;

#endif
