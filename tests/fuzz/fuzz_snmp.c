/* A file of SNMP secrets: any text is refused with the place, or gives logins within bounds; the
 * login of an address is one of the longest network that holds it. */
#include <stdlib.h>
#include <string.h>

#include "collect/snmp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct snmp_secrets *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct snmp_login *l = &s->s[i].login, *found;
        size_t best = 0;
        if ((l->version != 2 && l->version != 3) || l->user[0] == '\0' ||
            memchr(l->user, 0, sizeof l->user) == NULL || l->auth > SNMP_AUTH_SHA256 ||
            l->priv > SNMP_PRIV_AES || (l->auth != SNMP_AUTH_NONE && strlen(l->auth_pass) < 8) ||
            (l->priv != SNMP_PRIV_NONE && strlen(l->priv_pass) < 8))
            abort();
        for (size_t k = 0; k < s->n; k++)
            if (net_has(&s->s[k].net, &s->s[i].net.a))
                best = MAX(best, (size_t)s->s[k].net.len + 1);
        found = snmp_login_of(s, &s->s[i].net.a);
        for (size_t k = 0; k < s->n; k++)
            if (found == &s->s[k].login && (size_t)s->s[k].net.len + 1 != best)
                abort();
        if ((found == NULL) != (best == 0))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct snmp_secrets s;
    struct err e;

    if (text == NULL)
        return 0;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    if (snmp_secrets_parse(&s, "secrets", text, &e) == ERR_OK)
        check(&s);
    else if (strncmp(e.msg, "secrets:", 8) != 0)
        abort();
    snmp_secrets_free(&s);
    free(text);
    return 0;
}
