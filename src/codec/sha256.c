#include "codec/sha256.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>

int sha256(const uint8_t *p, size_t len, uint8_t out[SHA256_OCTETS], struct err *e)
{
    static const uint8_t none[1] = { 0 };
    int rc = gnutls_hash_fast(GNUTLS_DIG_SHA256, len > 0 ? p : none, len, out);

    if (rc != 0)
        return err_set(e, ERR_UNSUPPORTED, "SHA-256: %s", gnutls_strerror(rc));
    return ERR_OK;
}

int sha256_pieces(const uint8_t *p, size_t len, size_t piece,
                  void (*done)(const void *p, size_t len), uint8_t out[SHA256_OCTETS],
                  struct err *e)
{
    gnutls_hash_hd_t h;
    int rc = gnutls_hash_init(&h, GNUTLS_DIG_SHA256);

    if (rc != 0)
        return err_set(e, ERR_UNSUPPORTED, "SHA-256: %s", gnutls_strerror(rc));
    while (len > 0 && rc == 0) {
        size_t n = MIN(len, piece);
        rc = gnutls_hash(h, p, n);
        done(p, n);
        p += n;
        len -= n;
    }
    gnutls_hash_deinit(h, out);
    if (rc != 0)
        return err_set(e, ERR_UNSUPPORTED, "SHA-256: %s", gnutls_strerror(rc));
    return ERR_OK;
}
