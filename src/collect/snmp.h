/* collect/snmp.h - names, descriptions and counters of interfaces by SNMP, slowly and in a thread
 * of its own: what exporters do not tell themselves. Floor 4. Names and speeds become facts of the
 * store, with the time from which they hold (flow/fact.h, under the exporter's address alone);
 * counters stay in memory. */
#ifndef WEIR_COLLECT_SNMP_H
#define WEIR_COLLECT_SNMP_H

#include "collect/collect.h"
#include "os/snmp.h"

#define SNMP_SECRETS_OCTETS (1u << 20) /* of the file */
#define SNMP_SECRETS_MAX    4096u      /* its lines */
#define SNMP_DEVICES_MAX    4096u      /* asked */
#define SNMP_COUNTERS_MAX   65536u     /* interfaces whose counters are remembered */
#define SNMP_COUNTERS_MS    3600000    /* between the first and the last, about */

struct snmp_secret {
    struct net net;
    struct snmp_login login;
};
struct snmp_secrets {
    struct snmp_secret *s; /* as they stood in the file */
    size_t n;
};
/* Lines "NETWORK v2c COMMUNITY" and "NETWORK v3 USER [MD5|SHA|SHA-256 PASSWORD [DES|AES
 * PASSWORD]]"; empty ones and those that begin with # are left out. `text` is changed.
 * snmp_secrets_free() it. No message holds a secret. Errors: ERR_SYNTAX (path:line), ERR_LIMIT,
 * ERR_NOMEM. */
int snmp_secrets_parse(struct snmp_secrets *out, const char *path, char *text,
                       struct err *e) WARN_UNUSED;
void snmp_secrets_free(struct snmp_secrets *s);
/* The longest network that holds the address; NULL: none. */
const struct snmp_login *snmp_login_of(const struct snmp_secrets *s, const struct addr *a);

/* Octets that came in at an interface, as it counted them. */
struct snmp_counter {
    struct addr exporter;
    uint32_t in_if;
    int64_t from_ms, mid_ms, to_ms; /* mid: becomes the beginning when that is too old */
    uint64_t first, mid, last;
};

struct snmp_watch;
/* os_snmp_init() comes before. Ask every trusted exporter that the secrets name, every `every_ms`.
 * The secrets are taken over. Errors: ERR_NOMEM, ERR_LIMIT. */
int snmp_watch_start(struct snmp_watch **out, struct collect *k, struct store *st,
                     struct snmp_secrets *secrets, int64_t every_ms, uint16_t port,
                     struct err *e) WARN_UNUSED;
void snmp_watch_stop(struct snmp_watch *w); /* NULL is allowed */
/* Counters that were told at least twice, to be freed; *n 0 and NULL: none. `w` may be NULL.
 * Errors: ERR_NOMEM. */
int snmp_counters(struct snmp_watch *w, struct snmp_counter **out, size_t *n) WARN_UNUSED;

#endif
