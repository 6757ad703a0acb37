/* os/snmp.h - asks a device for its interfaces by SNMP, v2c or v3 (net-snmp, where Weir is built
 * with it). Floor 1. Threads: each call is for itself; os_snmp_init() comes before the first. */
#ifndef WEIR_OS_SNMP_H
#define WEIR_OS_SNMP_H

#include <stdint.h>

#include "base/err.h"

#define SNMP_TEXT_MAX 256u
#define SNMP_IFS_MAX  8192u /* interfaces of one device; more are left out */

enum snmp_auth { SNMP_AUTH_NONE, SNMP_AUTH_MD5, SNMP_AUTH_SHA, SNMP_AUTH_SHA256 };
enum snmp_priv { SNMP_PRIV_NONE, SNMP_PRIV_DES, SNMP_PRIV_AES };

struct snmp_login {
    uint8_t version;    /* 2: v2c, 3 */
    uint8_t auth, priv; /* v3: enums above */
    char user[64];      /* community, or user */
    char auth_pass[128], priv_pass[128];
};

struct snmp_if {
    uint32_t index; /* ifIndex */
    uint32_t mbps;  /* ifHighSpeed */
    bool counted;
    uint64_t in_octets;                            /* ifHCInOctets */
    char name[SNMP_TEXT_MAX], text[SNMP_TEXT_MAX]; /* ifName, ifAlias; "" = none */
};
struct snmp_answer {
    char sys_name[SNMP_TEXT_MAX];
    struct snmp_if *ifs; /* by index */
    uint32_t n, room;
};

bool os_snmp_there(void); /* was Weir built with it? */
void os_snmp_init(void);
/* Ask the device at an address (as text). stop(ctx) true ends it early with ERR_CANCEL. Free the
 * answer with snmp_answer_free(), also after an error. Errors: ERR_IO (it does not answer, or
 * refuses), ERR_UNSUPPORTED, ERR_NOMEM, ERR_CANCEL. */
int os_snmp_ask(struct snmp_answer *out, const char *address, uint16_t port,
                const struct snmp_login *l, bool (*stop)(void *ctx), void *ctx,
                struct err *e) WARN_UNUSED;
void snmp_answer_free(struct snmp_answer *a);

#endif
