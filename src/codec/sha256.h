/* codec/sha256.h - the digest by which an imported file is known again.
 * Floor 1. Octets in, octets out; GnuTLS does the work. Threads: no shared state. */
#ifndef WEIR_CODEC_SHA256_H
#define WEIR_CODEC_SHA256_H

#include "base/err.h"

#define SHA256_OCTETS 32u

/* p may be NULL only if len is 0. Errors: ERR_UNSUPPORTED (the library refuses SHA-256). */
int sha256(const uint8_t *p, size_t len, uint8_t out[SHA256_OCTETS], struct err *e) WARN_UNUSED;

/* The same in pieces; done() hears of each piece that will not be looked at again. */
int sha256_pieces(const uint8_t *p, size_t len, size_t piece,
                  void (*done)(const void *p, size_t len), uint8_t out[SHA256_OCTETS],
                  struct err *e) WARN_UNUSED;

#endif
