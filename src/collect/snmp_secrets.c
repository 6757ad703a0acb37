#include <stdlib.h>
#include <string.h>

#include "collect/snmp.h"

/* The next word of a line, ended in place; NULL: none. */
static char *word(char **p)
{
    char *w;

    *p += strspn(*p, " \t\r");
    if (**p == '\0')
        return NULL;
    w = *p;
    *p += strcspn(*p, " \t\r");
    if (**p != '\0')
        *(*p)++ = '\0';
    return w;
}

static bool take(char *to, size_t cap, const char *w, size_t least)
{
    size_t n = w != NULL ? strlen(w) : 0;

    if (n < least || n == 0 || n >= cap)
        return false;
    memcpy(to, w, n + 1);
    return true;
}

/* Number of a word in a list + 1; 0: none of them. */
static uint8_t one_of(const char *w, const char *const *list, uint8_t n)
{
    for (uint8_t i = 0; w != NULL && i < n; i++)
        if (strcmp(w, list[i]) == 0)
            return (uint8_t)(i + 1);
    return 0;
}

/* What is wrong with a line; NULL: nothing. */
static const char *v3(struct snmp_login *l, char **p)
{
    static const char *const auths[] = { "MD5", "SHA", "SHA-256" };
    static const char *const privs[] = { "DES", "AES" };
    const char *w;

    l->version = 3;
    if (!take(l->user, sizeof l->user, word(p), 1))
        return "behind v3 stands a user's name, of at most 63 characters";
    if ((w = word(p)) == NULL)
        return NULL;
    if ((l->auth = one_of(w, auths, ARRAY_LEN(auths))) == SNMP_AUTH_NONE)
        return "behind the user stands MD5, SHA or SHA-256";
    if (!take(l->auth_pass, sizeof l->auth_pass, word(p), 8))
        return "behind that stands a password of 8 to 127 characters";
    if ((w = word(p)) == NULL)
        return NULL;
    if ((l->priv = one_of(w, privs, ARRAY_LEN(privs))) == SNMP_PRIV_NONE)
        return "behind the password stands DES or AES";
    if (!take(l->priv_pass, sizeof l->priv_pass, word(p), 8))
        return "behind that stands a password of 8 to 127 characters";
    return NULL;
}

static const char *one_line(struct snmp_secret *s, const char *first, char *p)
{
    const char *version = word(&p), *why;

    *s = (struct snmp_secret){ .login = { .version = 2 } };
    if (!net_parse(&s->net, first, strlen(first), NULL))
        return "the first word is an address or a network";
    if (version != NULL && strcmp(version, "v2c") == 0)
        why = take(s->login.user, sizeof s->login.user, word(&p), 1)
                  ? NULL
                  : "behind v2c stands a community, of at most 63 characters";
    else if (version != NULL && strcmp(version, "v3") == 0)
        why = v3(&s->login, &p);
    else
        why = "the second word is v2c or v3";
    return why == NULL && word(&p) != NULL ? "there are too many words" : why;
}

int snmp_secrets_parse(struct snmp_secrets *out, const char *path, char *text, struct err *e)
{
    size_t line = 0, room = 0;

    *out = (struct snmp_secrets){ .n = 0 };
    for (char *p = text, *next; p != NULL && *p != '\0'; p = next) {
        char *eol = strchr(p, '\n');
        const char *first, *why;
        struct snmp_secret *more;
        line++;
        next = eol != NULL ? eol + 1 : NULL;
        if (eol != NULL)
            *eol = '\0';
        if ((first = word(&p)) == NULL || first[0] == '#')
            continue;
        if (out->n == SNMP_SECRETS_MAX) {
            snmp_secrets_free(out);
            return err_set(e, ERR_LIMIT, "%s: more than %u lines", path, SNMP_SECRETS_MAX);
        }
        if (out->n == room) {
            room = room * 2 + 16;
            if ((more = realloc(out->s, room * sizeof *more)) == NULL) {
                snmp_secrets_free(out);
                return err_set(e, ERR_NOMEM, "%s: out of memory", path);
            }
            out->s = more;
        }
        if ((why = one_line(&out->s[out->n], first, p)) != NULL) {
            snmp_secrets_free(out);
            return err_set(e, ERR_SYNTAX,
                           "%s:%zu: %s; lines are: NETWORK v2c COMMUNITY, or NETWORK v3 USER SHA "
                           "PASSWORD AES PASSWORD",
                           path, line, why);
        }
        out->n++;
    }
    return ERR_OK;
}

void snmp_secrets_free(struct snmp_secrets *s)
{
    free(s->s);
    *s = (struct snmp_secrets){ .n = 0 };
}

const struct snmp_login *snmp_login_of(const struct snmp_secrets *s, const struct addr *a)
{
    const struct snmp_secret *best = NULL;

    for (size_t i = 0; i < s->n; i++)
        if (net_has(&s->s[i].net, a) && (best == NULL || s->s[i].net.len > best->net.len))
            best = &s->s[i];
    return best != NULL ? &best->login : NULL;
}
