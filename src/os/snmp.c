#include "os/snmp.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"

void snmp_answer_free(struct snmp_answer *a)
{
    free(a->ifs);
    *a = (struct snmp_answer){ .n = 0 };
}

#ifndef WEIR_SNMP

bool os_snmp_there(void)
{
    return false;
}

void os_snmp_init(void)
{
}

int os_snmp_ask(struct snmp_answer *out, const char *address, uint16_t port,
                const struct snmp_login *l, bool (*stop)(void *ctx), void *ctx, struct err *e)
{
    (void)port;
    (void)l;
    (void)stop;
    (void)ctx;
    *out = (struct snmp_answer){ .n = 0 };
    return err_set(e, ERR_UNSUPPORTED, "snmp: %s: this weir is built without net-snmp", address);
}

#else

/* its headers are not written for our warnings */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wundef"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"
#pragma GCC diagnostic ignored "-Wredundant-decls"
#include <net-snmp/net-snmp-config.h>

#include <net-snmp/net-snmp-includes.h>
#pragma GCC diagnostic pop

#define TIMEOUT_US 1000000
#define RETRIES    1
#define REPEAT     20 /* rows asked for at once */
#define ASKED_MAX  4000u
#define COLUMN_LEN 11u /* 1.3.6.1.2.1.31.1.1.1.N */
#define IF_NAME    1u
#define IF_OCTETS  6u
#define IF_SPEED   15u
#define IF_ALIAS   18u

bool os_snmp_there(void)
{
    return true;
}

/* No files of its own: neither configuration, nor names of objects, nor what it would remember. */
void os_snmp_init(void)
{
    (void)setenv("MIBS", "", 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_READ_CONFIGS, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DONT_PERSIST_STATE, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DISABLE_PERSISTENT_LOAD, 1);
    netsnmp_ds_set_boolean(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_DISABLE_PERSISTENT_SAVE, 1);
    netsnmp_register_loghandler(NETSNMP_LOGHANDLER_NONE, LOG_DEBUG);
    set_persistent_directory("/dev/null/weir"); /* it would make folders: here it cannot */
    init_snmp("weir");
}

/* A key out of a password; false: it is too short. */
static bool make_key(const oid *hash, size_t hash_len, const char *pass, u_char *key, size_t *len)
{
    *len = USM_AUTH_KU_LEN;
    return generate_Ku(hash, (u_int)hash_len, (const u_char *)pass, strlen(pass), key, len) ==
           SNMPERR_SUCCESS;
}

static bool take_user(netsnmp_session *s, const struct snmp_login *l)
{
    static oid md5[] = { 1, 3, 6, 1, 6, 3, 10, 1, 1, 2 }, sha[] = { 1, 3, 6, 1, 6, 3, 10, 1, 1, 3 },
               sha256[] = { 1, 3, 6, 1, 6, 3, 10, 1, 1, 5 },
               des[] = { 1, 3, 6, 1, 6, 3, 10, 1, 2, 2 }, aes[] = { 1, 3, 6, 1, 6, 3, 10, 1, 2, 4 };
    oid *hash = l->auth == SNMP_AUTH_MD5 ? md5 : l->auth == SNMP_AUTH_SHA ? sha : sha256;

    s->securityName = (char *)(uintptr_t)l->user;
    s->securityNameLen = strlen(l->user);
    s->securityLevel = SNMP_SEC_LEVEL_NOAUTH;
    if (l->auth == SNMP_AUTH_NONE)
        return true;
    s->securityLevel = SNMP_SEC_LEVEL_AUTHNOPRIV;
    s->securityAuthProto = hash;
    s->securityAuthProtoLen = ARRAY_LEN(md5);
    if (!make_key(hash, ARRAY_LEN(md5), l->auth_pass, s->securityAuthKey, &s->securityAuthKeyLen))
        return false;
    if (l->priv == SNMP_PRIV_NONE)
        return true;
    s->securityLevel = SNMP_SEC_LEVEL_AUTHPRIV;
    s->securityPrivProto = l->priv == SNMP_PRIV_DES ? des : aes;
    s->securityPrivProtoLen = ARRAY_LEN(des);
    return make_key(hash, ARRAY_LEN(md5), l->priv_pass, s->securityPrivKey, &s->securityPrivKeyLen);
}

/* One conversation with a device. */
struct asking {
    struct snmp_answer *out;
    struct session_list *s; /* net-snmp's name of an open session */
    const char *address;
    bool (*stop)(void *ctx);
    void *ctx;
    unsigned asked;
    struct err *e;
};

static int open_session(struct asking *a, uint16_t port, const struct snmp_login *l)
{
    netsnmp_session s;
    char peer[128];

    snmp_sess_init(&s);
    (void)snprintf(peer, sizeof peer,
                   strchr(a->address, ':') != NULL ? "udp6:[%s]:%u" : "udp:%s:%u", a->address,
                   port);
    s.peername = peer;
    s.timeout = TIMEOUT_US;
    s.retries = RETRIES;
    if (l->version == 2) {
        s.version = SNMP_VERSION_2c;
        s.community = (u_char *)(uintptr_t)l->user;
        s.community_len = strlen(l->user);
    } else {
        s.version = SNMP_VERSION_3;
        if (!take_user(&s, l))
            return err_set(a->e, ERR_ARG, "snmp: %s: passwords have at least 8 characters",
                           a->address);
    }
    a->s = snmp_sess_open(&s);
    if (a->s == NULL)
        return err_set(a->e, ERR_IO, "snmp: %s does not answer: %s", a->address,
                       snmp_api_errstring(snmp_errno));
    return ERR_OK;
}

static int send_and_wait(struct asking *a, netsnmp_pdu *pdu, netsnmp_pdu **answer)
{
    int rc;

    *answer = NULL;
    if (++a->asked > ASKED_MAX || a->stop(a->ctx)) {
        snmp_free_pdu(pdu);
        return err_set(a->e, ERR_CANCEL, "snmp: %s: ended", a->address);
    }
    rc = snmp_sess_synch_response(a->s, pdu, answer);
    if (rc == STAT_SUCCESS && *answer != NULL && (*answer)->errstat == SNMP_ERR_NOERROR &&
        (*answer)->command == SNMP_MSG_RESPONSE)
        return ERR_OK;
    if (*answer != NULL)
        snmp_free_pdu(*answer);
    *answer = NULL;
    return err_set(a->e, ERR_IO,
                   rc == STAT_TIMEOUT ? "snmp: %s does not answer; check address, access list, "
                                        "community or user"
                                      : "snmp: %s refuses: check community or user",
                   a->address);
}

static void take_text(char out[SNMP_TEXT_MAX], const netsnmp_variable_list *v)
{
    size_t n = v->type == ASN_OCTET_STR ? MIN(v->val_len, SNMP_TEXT_MAX - 1) : 0;

    if (n > 0)
        memcpy(out, v->val.string, n);
    out[n] = '\0';
}

static int ask_name(struct asking *a)
{
    static const oid sys_name[] = { 1, 3, 6, 1, 2, 1, 1, 5, 0 };
    netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_GET), *answer;
    int rc;

    if (pdu == NULL)
        return ERR_NOMEM;
    (void)snmp_add_null_var(pdu, sys_name, ARRAY_LEN(sys_name));
    if ((rc = send_and_wait(a, pdu, &answer)) != ERR_OK)
        return rc;
    if (answer->variables != NULL)
        take_text(a->out->sys_name, answer->variables);
    snmp_free_pdu(answer);
    return ERR_OK;
}

/* The interface of that index, made if new; they come in order. NULL: too many, or no memory. */
static struct snmp_if *interface(struct snmp_answer *o, uint32_t index)
{
    struct snmp_if *more;
    uint32_t lo = 0, hi = o->n;

    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (o->ifs[mid].index < index)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < o->n && o->ifs[lo].index == index)
        return &o->ifs[lo];
    if (o->n == SNMP_IFS_MAX)
        return NULL;
    if (o->n == o->room) {
        if ((more = realloc(o->ifs, (o->room * 2 + 32) * sizeof *more)) == NULL)
            return NULL;
        o->ifs = more;
        o->room = o->room * 2 + 32;
    }
    memmove(&o->ifs[lo + 1], &o->ifs[lo], (o->n - lo) * sizeof *o->ifs);
    o->n++;
    o->ifs[lo] = (struct snmp_if){ .index = index };
    return &o->ifs[lo];
}

static void take_value(struct snmp_answer *o, unsigned column, const netsnmp_variable_list *v)
{
    oid index = v->name[COLUMN_LEN];
    struct snmp_if *i = index > 0 && index <= UINT32_MAX ? interface(o, (uint32_t)index) : NULL;

    if (i == NULL)
        return;
    if (column == IF_NAME)
        take_text(i->name, v);
    if (column == IF_ALIAS)
        take_text(i->text, v);
    if (column == IF_SPEED && v->type == ASN_GAUGE && v->val_len == sizeof(long))
        i->mbps = (uint32_t)*v->val.integer;
    if (column == IF_OCTETS && v->type == ASN_COUNTER64) {
        i->counted = true;
        i->in_octets =
            (uint64_t)v->val.counter64->high << 32 | (v->val.counter64->low & UINT32_MAX);
    }
}

/* One column of ifXTable, to its end. */
static int ask_column(struct asking *a, unsigned column)
{
    oid at[MAX_OID_LEN] = { 1, 3, 6, 1, 2, 1, 31, 1, 1, 1, column };
    const oid begin[COLUMN_LEN] = { 1, 3, 6, 1, 2, 1, 31, 1, 1, 1, column };
    size_t len = COLUMN_LEN;
    bool more = true;

    while (more) {
        netsnmp_pdu *pdu = snmp_pdu_create(SNMP_MSG_GETBULK), *answer;
        oid before = len > COLUMN_LEN ? at[COLUMN_LEN] : 0;
        int rc;
        if (pdu == NULL)
            return ERR_NOMEM;
        pdu->non_repeaters = 0;
        pdu->max_repetitions = REPEAT;
        (void)snmp_add_null_var(pdu, at, len);
        if ((rc = send_and_wait(a, pdu, &answer)) != ERR_OK)
            return rc;
        more = answer->variables != NULL;
        for (netsnmp_variable_list *v = answer->variables; v != NULL; v = v->next_variable) {
            bool inside = v->name_length == COLUMN_LEN + 1 &&
                          memcmp(v->name, begin, sizeof begin) == 0 &&
                          v->type != SNMP_ENDOFMIBVIEW && v->name[COLUMN_LEN] > before;
            if (!inside) {
                more = false;
                break;
            }
            take_value(a->out, column, v);
            before = v->name[COLUMN_LEN];
            len = v->name_length;
            memcpy(at, v->name, len * sizeof *at);
        }
        snmp_free_pdu(answer);
    }
    return ERR_OK;
}

int os_snmp_ask(struct snmp_answer *out, const char *address, uint16_t port,
                const struct snmp_login *l, bool (*stop)(void *ctx), void *ctx, struct err *e)
{
    static const unsigned column[] = { IF_NAME, IF_OCTETS, IF_SPEED, IF_ALIAS };
    struct asking a = { .out = out, .address = address, .stop = stop, .ctx = ctx, .e = e };
    int rc;

    *out = (struct snmp_answer){ .n = 0 };
    if ((rc = open_session(&a, port, l)) != ERR_OK)
        return rc;
    rc = ask_name(&a);
    for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(column); i++)
        rc = ask_column(&a, column[i]);
    (void)snmp_sess_close(a.s);
    return rc == ERR_NOMEM ? err_set(e, rc, "snmp: out of memory") : rc;
}

#endif
