/* codec/gz.h - reading gzip (RFC 1952), also several members one behind the other.
 * Floor 1. Octets in, octets out. Threads: a reader belongs to one thread. Memory: 64 KiB. */
#ifndef WEIR_CODEC_GZ_H
#define WEIR_CODEC_GZ_H

#include "base/err.h"

struct gz;

bool gz_is(const uint8_t *p, size_t len);
/* `p` is borrowed until gz_close. Errors: ERR_NOMEM. */
int gz_open(struct gz **out, const uint8_t *p, size_t len) WARN_UNUSED;
void gz_close(struct gz *z); /* NULL is allowed */
/* Up to `cap` octets; *got 0 = end. Errors: ERR_FORMAT (damaged or cut off; what came before is
 * good), ERR_NOMEM. */
int gz_read(struct gz *z, uint8_t *buf, size_t cap, size_t *got, struct err *e) WARN_UNUSED;

#endif
