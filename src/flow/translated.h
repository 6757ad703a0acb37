/* flow/translated.h - what a record says of a translated (post-NAT) source, as keys that an index
 * of the store keeps and a question looks for (src/store/FORMAT.md, "Translations of a block").
 * Floor 2. Pure. */
#ifndef WEIR_FLOW_TRANSLATED_H
#define WEIR_FLOW_TRANSLATED_H

#include "flow/addr.h"
#include "flow/shape.h"

/* Elements of it: postNATSourceIPv4Address, postNATSourceIPv6Address, Cisco's older one; ports. */
#define TRANSLATED_IP4         225u
#define TRANSLATED_IP6         281u
#define TRANSLATED_IP4_CISCO   40001u
#define TRANSLATED_PORT        227u
#define TRANSLATED_PORT_CISCO  40003u
#define TRANSLATED_BLOCK_START 361u
#define TRANSLATED_BLOCK_END   362u

#define TRANSLATED_CHUNK       64u /* ports that a block of ports is looked up by */

enum translated_kind {
    TRANSLATED_ADDRESS,   /* of every row with a translated address */
    TRANSLATED_WITH_PORT, /* number: its port */
    TRANSLATED_IN_BLOCK,  /* number: a port / TRANSLATED_CHUNK of its block */
    TRANSLATED_OTHER,     /* neither port (227) nor end of a block (362) was sent */
};

uint64_t translated_key(enum translated_kind kind, const struct addr *a, unsigned number);

/* May rows of this shape have any key? */
bool translated_shape(const struct shape *s);
/* Call each(ctx, key, often) for the keys of a row by its extras (field order); `often`: other rows
 * have the same one mostly. False: the row says more than this knows, take it for any key. */
bool translated_row(const struct shape *s, const uint8_t *extra, size_t len,
                    void (*each)(void *ctx, uint64_t key, bool often), void *ctx);

#endif
