/* flow/apps.h - applications: names for what lies at an AS, a network, a port, or has an id that
 * the exporter gave it (applicationId, RFC 6759). Today's definitions, for all of history.
 * Floor 2. No I/O.
 * Threads: immutable once made and counted by references; any number of threads may ask. */
#ifndef WEIR_FLOW_APPS_H
#define WEIR_FLOW_APPS_H

#include "base/err.h"
#include "flow/addr.h"

#define APPS_OCTETS (1u << 20) /* of a file */
#define APPS_RULES  16384u     /* in all */
#define APP_NONE    UINT32_MAX
#define APP_NAME    64u /* octets of a name, with its terminator */

/* The first rule that fits names the application. Conditions on AS, network and port must all hold
 * on one side of a record. */
struct app_rule {
    char name[APP_NAME];
    uint32_t as;               /* 0: any */
    struct net net;            /* len 0: any */
    uint8_t proto;             /* 0: any; with a port alone: any that has ports */
    uint16_t port_lo, port_hi; /* 0, 0: any */
    uint64_t app_id;           /* engine << 56 | selector, as in flow/fact.h; 0: any */
    uint32_t first;            /* rule that has the same name first: equal names, equal numbers */
};

struct apps;
/* The user's rows (text of a CSV file: app,as,prefix,proto,port,appid; NULL: none) before the
 * built-in ones. `name` is for messages. The caller owns a reference. Errors: ERR_FORMAT (names
 * file, line and what is expected), ERR_LIMIT, ERR_NOMEM. */
int apps_make(struct apps **out, const char *name, const char *text, size_t len,
              struct err *e) WARN_UNUSED;
struct apps *apps_ref(struct apps *a); /* NULL is allowed */
void apps_unref(struct apps *a);       /* NULL is allowed */
size_t apps_count(const struct apps *a);
const struct app_rule *apps_rule(const struct apps *a, uint32_t i);

/* The first rule on networks, from rule `from` on, whose network holds the address, or APP_NONE. */
uint32_t apps_net(const struct apps *a, uint32_t from, const struct addr *x);

/* One side of a record. */
struct app_side {
    const struct addr *addr;
    uint32_t net; /* apps_net(a, 0, addr) */
    uint32_t as;
    uint16_t port;
};
/* The number (`first` of its rule) of a record's application, or APP_NONE. app_id 0: it has none.
 */
uint32_t apps_find(const struct apps *a, const struct app_side side[2], uint8_t proto,
                   uint64_t app_id);

#endif
