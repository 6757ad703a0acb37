#include "os/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/share.h"

#define PEM_MAX          262144u
#define HANDSHAKE_OCTETS 65536u /* a longer message of a client is refused: it would be kept */
#define PRIORITY         "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

struct pem {
    uint32_t len;
    uint8_t p[PEM_MAX];
};

enum { PEM_CERTIFICATE, PEM_KEY, PEM_CLIENT_CA, PEM_N };

struct tls_files {
    atomic_uint version; /* odd: being written */
    struct pem pem[PEM_N];
};

struct tls_server {
    unsigned refs;
    gnutls_certificate_credentials_t cred;
    gnutls_priority_t priority;
    gnutls_certificate_request_t ask;
};

struct tls_session {
    gnutls_session_t g;
    struct tls_server *server; /* a reference */
    bool established, verified;
    char why[TLS_WHY_MAX];
};

struct tls_files *tls_files_new(void)
{
    struct tls_files *f = os_share_new(sizeof *f);

    if (f != NULL)
        (void)madvise(f, sizeof *f, MADV_DONTDUMP);
    return f;
}

void tls_files_free(struct tls_files *f)
{
    os_share_free(f, sizeof *f);
}

static int read_pem(struct pem *to, const char *path, const char *option, struct err *e)
{
    size_t got = 0;
    ssize_t n = 0;
    int fd;

    to->len = 0;
    if (path[0] == '\0')
        return ERR_OK;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_set(e, ERR_IO, "%s: %s: %s", option, path, strerror(errno));
    while (got < sizeof to->p && (n = read(fd, to->p + got, sizeof to->p - got)) > 0)
        got += (size_t)n;
    if (n < 0)
        (void)err_set(e, ERR_IO, "%s: %s: %s", option, path, strerror(errno));
    (void)close(fd);
    if (n < 0)
        return ERR_IO;
    if (got == sizeof to->p)
        return err_set(e, ERR_ARG, "%s: %s: longer than %u octets", option, path, PEM_MAX - 1);
    to->len = (uint32_t)got;
    return ERR_OK;
}

static int needed(const char *path, const char *option, struct err *e)
{
    return path[0] != '\0' ? ERR_OK
                           : err_set(e, ERR_ARG,
                                     "%s: a tls:// listener needs it; docs/guide.md shows how to "
                                     "make certificates",
                                     option);
}

int tls_files_read(struct tls_files *f, const char *certificate, const char *key,
                   const char *client_ca, bool require, struct err *e)
{
    struct tls_files *fresh = tls_files_new();
    struct tls_server *s = NULL;
    int rc;

    if (fresh == NULL)
        return err_set(e, ERR_NOMEM, "tls: out of memory");
    if ((rc = needed(certificate, "tls.certificate", e)) == ERR_OK &&
        (rc = needed(key, "tls.key", e)) == ERR_OK &&
        (rc = read_pem(&fresh->pem[PEM_CERTIFICATE], certificate, "tls.certificate", e)) ==
            ERR_OK &&
        (rc = read_pem(&fresh->pem[PEM_KEY], key, "tls.key", e)) == ERR_OK &&
        (rc = read_pem(&fresh->pem[PEM_CLIENT_CA], client_ca, "tls.client_ca", e)) == ERR_OK)
        rc = tls_server_new(&s, fresh, require, e);
    tls_server_unref(s);
    if (rc == ERR_OK) {
        (void)atomic_fetch_add(&f->version, 1);
        memcpy(f->pem, fresh->pem, sizeof f->pem);
        (void)atomic_fetch_add(&f->version, 1);
    }
    explicit_bzero(fresh, sizeof *fresh);
    tls_files_free(fresh);
    return rc;
}

/* ----------------------------------------------------------------------------------------- server
 */

static gnutls_datum_t datum(const struct pem *p)
{
    return (gnutls_datum_t){ .data = (unsigned char *)(uintptr_t)p->p, .size = p->len };
}

static void no_certificates(const struct pem *p, const char *option, int rc, struct err *e)
{
    (void)err_set(e, ERR_ARG, "%s: %s", option,
                  p->len == 0 ? "the file is empty" : gnutls_strerror(rc));
}

/* Runs within the handshake; anything but 0 ends it. */
static int check_client(gnutls_session_t g)
{
    struct tls_session *t = gnutls_session_get_ptr(g);
    unsigned n = 0, status = 0;
    gnutls_datum_t text = { 0 };

    if (gnutls_certificate_get_peers(g, &n) == NULL || n == 0)
        return t->server->ask == GNUTLS_CERT_REQUIRE ? GNUTLS_E_NO_CERTIFICATE_FOUND : 0;
    if (gnutls_certificate_verify_peers2(g, &status) < 0) {
        (void)snprintf(t->why, sizeof t->why, "the client's certificate cannot be checked");
        return GNUTLS_E_CERTIFICATE_ERROR;
    }
    if (status == 0) {
        t->verified = true;
        return 0;
    }
    if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) == 0)
        (void)snprintf(t->why, sizeof t->why, "%s", (const char *)text.data);
    gnutls_free(text.data);
    return GNUTLS_E_CERTIFICATE_ERROR;
}

static int load(struct tls_server *s, const struct tls_files *f, struct err *e)
{
    gnutls_datum_t certificate = datum(&f->pem[PEM_CERTIFICATE]), key = datum(&f->pem[PEM_KEY]);
    gnutls_datum_t ca = datum(&f->pem[PEM_CLIENT_CA]);
    int rc = gnutls_certificate_set_x509_key_mem2(s->cred, &certificate, &key, GNUTLS_X509_FMT_PEM,
                                                  NULL, 0);

    if (rc < 0) {
        no_certificates(&f->pem[PEM_CERTIFICATE], "tls.certificate, tls.key", rc, e);
        return ERR_ARG;
    }
    if (ca.size == 0)
        return ERR_OK;
    rc = gnutls_certificate_set_x509_trust_mem(s->cred, &ca, GNUTLS_X509_FMT_PEM);
    if (rc <= 0) {
        no_certificates(&f->pem[PEM_CLIENT_CA], "tls.client_ca",
                        rc < 0 ? rc : GNUTLS_E_NO_CERTIFICATE_FOUND, e);
        return ERR_ARG;
    }
    return ERR_OK;
}

int tls_server_new(struct tls_server **out, const struct tls_files *f, bool require, struct err *e)
{
    struct tls_server *s = calloc(1, sizeof *s);
    unsigned version = atomic_load(&((struct tls_files *)(uintptr_t)f)->version);
    bool ca = f->pem[PEM_CLIENT_CA].len > 0;
    int rc;

    *out = NULL;
    if (s == NULL)
        return err_set(e, ERR_NOMEM, "tls: out of memory");
    s->refs = 1;
    s->ask = require ? GNUTLS_CERT_REQUIRE : ca ? GNUTLS_CERT_REQUEST : GNUTLS_CERT_IGNORE;
    if (require && !ca)
        rc =
            err_set(e, ERR_ARG,
                    "tls.client_ca: clients must show a certificate, and this says whose are good; "
                    "or set tls.client_certificate to no");
    else if (gnutls_certificate_allocate_credentials(&s->cred) < 0 ||
             gnutls_priority_init(&s->priority, PRIORITY, NULL) < 0)
        rc = err_set(e, ERR_NOMEM, "tls: out of memory");
    else
        rc = load(s, f, e);
    if (rc == ERR_OK &&
        (version % 2 != 0 || version != atomic_load(&((struct tls_files *)(uintptr_t)f)->version)))
        rc = err_set(e, ERR_BUSY, "tls: the certificates are just being read");
    if (rc != ERR_OK) {
        tls_server_unref(s);
        return rc;
    }
    gnutls_certificate_set_verify_function(s->cred, check_client);
    *out = s;
    return ERR_OK;
}

void tls_server_unref(struct tls_server *s)
{
    if (s == NULL || --s->refs > 0)
        return;
    if (s->priority != NULL)
        gnutls_priority_deinit(s->priority);
    if (s->cred != NULL)
        gnutls_certificate_free_credentials(s->cred);
    free(s);
}

/* ---------------------------------------------------------------------------------------- session
 */

int tls_session_new(struct tls_session **out, struct tls_server *s, int fd)
{
    struct tls_session *t = calloc(1, sizeof *t);

    *out = NULL;
    if (t == NULL)
        return ERR_NOMEM;
    t->server = s;
    s->refs++;
    if (gnutls_init(&t->g, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0 ||
        gnutls_priority_set(t->g, s->priority) < 0 ||
        gnutls_credentials_set(t->g, GNUTLS_CRD_CERTIFICATE, s->cred) < 0) {
        tls_session_free(t);
        return ERR_NOMEM;
    }
    gnutls_session_set_ptr(t->g, t);
    gnutls_certificate_server_set_request(t->g, s->ask);
    gnutls_handshake_set_max_packet_length(t->g, HANDSHAKE_OCTETS);
    gnutls_transport_set_int(t->g, fd);
    *out = t;
    return ERR_OK;
}

void tls_session_free(struct tls_session *t)
{
    if (t == NULL)
        return;
    if (t->established)
        (void)gnutls_bye(t->g, GNUTLS_SHUT_WR);
    if (t->g != NULL)
        gnutls_deinit(t->g);
    tls_server_unref(t->server);
    free(t);
}

enum tls_step tls_handshake(struct tls_session *t)
{
    int rc;

    do
        rc = gnutls_handshake(t->g);
    while (rc == GNUTLS_E_INTERRUPTED || rc == GNUTLS_E_WARNING_ALERT_RECEIVED);
    if (rc == GNUTLS_E_SUCCESS) {
        t->established = true;
        return TLS_DONE;
    }
    if (rc == GNUTLS_E_AGAIN)
        return gnutls_record_get_direction(t->g) == 0 ? TLS_WANT_READ : TLS_WANT_WRITE;
    (void)gnutls_alert_send_appropriate(t->g, rc);
    if (rc == GNUTLS_E_CERTIFICATE_ERROR && t->why[0] != '\0')
        return TLS_BAD_CERTIFICATE;
    if (rc == GNUTLS_E_NO_CERTIFICATE_FOUND || rc == GNUTLS_E_CERTIFICATE_REQUIRED ||
        rc == GNUTLS_E_CERTIFICATE_ERROR) {
        (void)snprintf(t->why, sizeof t->why, "the client showed no certificate");
        return TLS_NO_CERTIFICATE;
    }
    if (rc == GNUTLS_E_FATAL_ALERT_RECEIVED)
        (void)snprintf(t->why, sizeof t->why, "the client refused: %s",
                       gnutls_alert_get_name(gnutls_alert_get(t->g)));
    else
        (void)snprintf(t->why, sizeof t->why, "%s", gnutls_strerror(rc));
    return TLS_FAILED;
}

const char *tls_why(const struct tls_session *t)
{
    return t->why;
}

bool tls_verified(const struct tls_session *t)
{
    return t->verified;
}

long tls_read(struct tls_session *t, uint8_t *to, size_t cap)
{
    ssize_t n = gnutls_record_recv(t->g, to, cap);

    if (n > 0)
        return (long)n;
    if (n == 0)
        return TCP_CLOSED;
    /* a warning alert comes again with the next read, if more stands behind it */
    return n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_WARNING_ALERT_RECEIVED
               ? TCP_NOTHING
               : TCP_RESET;
}
