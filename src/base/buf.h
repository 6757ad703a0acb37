/* base/buf.h - a growable octet buffer with a ceiling, and the bounded writer over it.
 * Floor 0. Fails sticky like the reader: after an allocation failure or a write beyond `max` the
 * buffer is `bad`, further writes do nothing, and the caller tests buf_ok() once at the end. */
#ifndef WEIR_BASE_BUF_H
#define WEIR_BASE_BUF_H

#include "base/defs.h"

struct buf {
    uint8_t *p; /* owned; NULL while empty */
    size_t len; /* octets written */
    size_t cap; /* octets allocated */
    size_t max; /* ceiling in octets */
    bool bad;
};

/* An empty buffer that may grow to `max` octets. Allocates nothing yet. */
static inline struct buf buf_init(size_t max)
{
    return (struct buf){ .max = max };
}
static inline bool buf_ok(const struct buf *b)
{
    return !b->bad;
}
void buf_free(struct buf *b);  /* back to empty, same ceiling */
void buf_clear(struct buf *b); /* length 0, keeps the memory, clears `bad` */

/* Room for n more octets, length already advanced; NULL when bad. Valid until the next write. */
uint8_t *buf_room(struct buf *b, size_t n);

void buf_put(struct buf *b, const void *data, size_t n);
void buf_str(struct buf *b, const char *s); /* without the terminator */
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_le(struct buf *b, uint64_t v, size_t n); /* little endian, n octets 1..8 */
void buf_be(struct buf *b, uint64_t v, size_t n); /* network order, n octets 1..8 */

static inline void buf_char(struct buf *b, char c)
{
    buf_put(b, &c, 1);
}

/* The content as a C string (a terminator is kept behind it, not counted); "" when bad. */
const char *buf_cstr(struct buf *b);

#endif
