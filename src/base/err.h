/* base/err.h - error codes and one error text.
 * Floor 0. A function that can fail returns an enum err_code as int and, where it has more to say,
 * fills a caller's struct err. `e` may be NULL everywhere: then only the code is returned. */
#ifndef WEIR_BASE_ERR_H
#define WEIR_BASE_ERR_H

#include "base/defs.h"

enum err_code {
    ERR_OK = 0,
    ERR_NOMEM,       /* out of memory, or a stated ceiling on memory reached */
    ERR_IO,          /* the system refused a read, a write, a socket call */
    ERR_FORMAT,      /* octets that do not follow their format */
    ERR_FULL,        /* the given room does not suffice; nothing was changed */
    ERR_ARG,         /* a value that the caller gave is out of bounds or unknown */
    ERR_SYNTAX,      /* a text (query, configuration) that cannot be understood; pos says where */
    ERR_NOTFOUND,    /* a named thing does not exist */
    ERR_BUSY,        /* somebody else holds it (lock, address in use) */
    ERR_LIMIT,       /* a configured limit is reached */
    ERR_VERSION,     /* made by another format version */
    ERR_CORRUPT,     /* a checksum or an invariant of stored data does not hold */
    ERR_CANCEL,      /* the caller asked to stop */
    ERR_UNSUPPORTED, /* understood, but not to be had in this version */
    ERR_N
};

struct err {
    int code;      /* enum err_code */
    size_t pos;    /* ERR_SYNTAX: octet in the text; else 0 */
    size_t len;    /* ERR_SYNTAX: octets of the offending piece; else 0 */
    char msg[512]; /* one line, no line end, names the thing and the fix */
};

/* Fill *e (if not NULL) and return `code`. pos and len become 0. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The same with a place in a text. */
int err_at(struct err *e, int code, size_t pos, size_t len, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* A short English word for a code; never NULL. */
const char *err_name(int code);

#endif
