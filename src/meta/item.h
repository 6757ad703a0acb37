/* meta/item.h - one member of a group. Floor 3. No I/O.
 *
 *   10.20.0.0/16  10.0.0.1..10.0.0.9  2001:db8::/32   addresses
 *   AS64500  AS64512..65534                           AS numbers
 *   country DE  DE                                    countries of addresses
 *   port 443  port 8000..8999  proto gre  tcp/443     ports, protocols, both
 *   vlan 100..110  exporter fra1  if fra1 3           where it was seen
 *   group servers                                     another group's members
 *   !10.20.9.0/24                                     an exception */
#ifndef WEIR_META_ITEM_H
#define WEIR_META_ITEM_H

#include "base/buf.h"
#include "base/err.h"
#include "flow/addr.h"

enum item_kind {
    ITEM_NET,     /* addresses from .. to */
    ITEM_AS,      /* lo .. hi */
    ITEM_COUNTRY, /* lo: GEO_LETTERS */
    ITEM_PORT,    /* lo .. hi */
    ITEM_PROTO,   /* lo */
    ITEM_SERVICE, /* protocol `proto`, ports lo .. hi */
    ITEM_VLAN,    /* lo .. hi */
    ITEM_EXPORTER,
    ITEM_IF, /* of exporter `name`: ifIndex lo, or the interface that is called `port` */
    ITEM_GROUP,
    ITEM_KINDS
};
struct item {
    uint8_t kind; /* enum item_kind */
    bool out;     /* an exception */
    uint8_t proto;
    uint32_t lo, hi;
    struct addr from, to;
    char *name; /* owned; ITEM_EXPORTER, ITEM_IF, ITEM_GROUP */
    char *port; /* owned; ITEM_IF, or NULL */
};

/* Errors: ERR_ARG (what is wrong and how to write it), ERR_UNSUPPORTED (a word of a later version),
 * ERR_NOMEM. After an error *out is empty. */
int item_parse(struct item *out, const char *s, struct err *e) WARN_UNUSED;
void item_free(struct item *x);
/* The one spelling in which it is kept. */
void item_text(struct buf *out, const struct item *x);

/* "10.20.0.0/16" as the range of its addresses. Errors: ERR_ARG (host bits are named), and what is
 * no network at all is ERR_NOTFOUND. */
int item_net(const char *s, size_t len, struct addr *from, struct addr *to,
             struct err *e) WARN_UNUSED;
/* A network's or range's text, of those of 128 bits. */
void item_net_text(struct buf *out, const struct addr *from, const struct addr *to);
/* "AS64500" or "64500" behind AS; false when it is none. */
bool item_as(const char *s, size_t len, uint32_t *as);

#endif
