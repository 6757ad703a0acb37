/* os/tls.h - the server's side of TLS 1.2 and 1.3 over a connected socket, with certificates on
 * both sides (RFC 7011 section 11; RFC 5246, RFC 8446), by GnuTLS.
 * Floor 1. Nothing here blocks. Key octets are in no message and in no core dump. */
#ifndef WEIR_OS_TLS_H
#define WEIR_OS_TLS_H

#include "base/err.h"
#include "os/tcp.h"

/* Certificate, key and client CA as they stand in their files (PEM), in memory that children share:
 * who has the right to read the key reads it, those without rights use it. */
struct tls_files;
struct tls_files *tls_files_new(void);    /* NULL: out of memory */
void tls_files_free(struct tls_files *f); /* this process's view of them; NULL is allowed */
/* Read them, and see that they fit together and to `require` (see tls_server_new()); `client_ca`
 * may be "". On an error what was there before stays. Errors: ERR_ARG (missing, damaged, not of
 * each other), ERR_IO, ERR_NOMEM. */
int tls_files_read(struct tls_files *f, const char *certificate, const char *key,
                   const char *client_ca, bool require, struct err *e) WARN_UNUSED;

/* What sessions begin with; belongs to one thread, like they do. Each holds a reference. */
struct tls_server;
/* `require`: a client without a certificate is refused.
 * Errors: ERR_ARG, ERR_BUSY (just being written), ERR_NOMEM. */
int tls_server_new(struct tls_server **out, const struct tls_files *f, bool require,
                   struct err *e) WARN_UNUSED;
void tls_server_unref(struct tls_server *s); /* NULL is allowed */

struct tls_session;
enum tls_step {
    TLS_DONE,
    TLS_WANT_READ,
    TLS_WANT_WRITE,
    TLS_NO_CERTIFICATE,  /* the client showed none */
    TLS_BAD_CERTIFICATE, /* ... or one that is not to be trusted: tls_why() */
    TLS_FAILED,          /* no TLS, or none that we speak: tls_why() */
};
#define TLS_WHY_MAX 160

/* Errors: ERR_NOMEM. The descriptor stays the caller's. */
int tls_session_new(struct tls_session **out, struct tls_server *s, int fd) WARN_UNUSED;
/* Says good-bye where that does not block. NULL is allowed. */
void tls_session_free(struct tls_session *t);
enum tls_step tls_handshake(struct tls_session *t);
const char *tls_why(const struct tls_session *t);
bool tls_verified(const struct tls_session *t); /* a certificate was shown, and is good */
long tls_read(struct tls_session *t, uint8_t *to, size_t cap); /* as tcp_read() */

#endif
