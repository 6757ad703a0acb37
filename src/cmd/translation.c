#include "cmd/translation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "query/parse.h"

/* What a record says of a translation. */
enum saying {
    SAYS_NOTHING,
    SAYS_BEGIN,
    SAYS_END,
    SAYS_SPAN,  /* from when to when it was seen */
    SAYS_WHOLE, /* from its beginning to its end */
};

/* natEvent (IANA's registry of NAT event types, RFC 8158 section 4.3). */
static const struct {
    uint8_t number, says;
    const char *name;
} nat_events[] = {
    { 1, SAYS_BEGIN, "translation created" },      { 2, SAYS_END, "translation deleted" },
    { 4, SAYS_BEGIN, "NAT44 session created" },    { 5, SAYS_END, "NAT44 session deleted" },
    { 6, SAYS_BEGIN, "NAT64 session created" },    { 7, SAYS_END, "NAT64 session deleted" },
    { 8, SAYS_BEGIN, "NAT44 binding created" },    { 9, SAYS_END, "NAT44 binding deleted" },
    { 10, SAYS_BEGIN, "NAT64 binding created" },   { 11, SAYS_END, "NAT64 binding deleted" },
    { 14, SAYS_BEGIN, "address binding created" }, { 15, SAYS_END, "address binding deleted" },
    { 16, SAYS_BEGIN, "ports allocated" },         { 17, SAYS_END, "ports released" },
};
/* firewallEvent, of NSEL. */
static const struct {
    uint8_t number, says;
    const char *name;
} firewall_events[] = {
    { 1, SAYS_BEGIN, "flow created" },
    { 2, SAYS_WHOLE, "flow created and deleted" },
    { 5, SAYS_SPAN, "flow updated" },
};

static const char *text(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s != NULL ? s : "";
}

static int64_t number(const json_t *o, const char *name)
{
    const json_t *v = json_object_get(o, name);

    return json_is_integer(v) ? (int64_t)json_integer_value(v) : -1;
}

static bool moment_of(const char *s, int64_t *ms)
{
    return query_time(ms, s, "", 0, NULL) == ERR_OK;
}

static enum saying saying_of(const json_t *o, const char **name)
{
    int64_t nat = number(o, "nat event"), firewall = number(o, "ie(firewallEvent)");

    *name = "seen in a flow";
    for (size_t i = 0; i < ARRAY_LEN(nat_events); i++)
        if (nat == nat_events[i].number) {
            *name = nat_events[i].name;
            return (enum saying)nat_events[i].says;
        }
    if (nat > 0) /* exhausted pools, quotas, thresholds: of nobody's */
        return SAYS_NOTHING;
    for (size_t i = 0; i < ARRAY_LEN(firewall_events); i++)
        if (firewall == firewall_events[i].number) {
            *name = firewall_events[i].name;
            return (enum saying)firewall_events[i].says;
        }
    return firewall > 0 ? SAYS_NOTHING : SAYS_SPAN; /* denied, alerts */
}

/* Is the port in the record's block, if it tells one? */
static bool in_block(const json_t *o, unsigned port, int *start, int *end)
{
    int64_t first = number(o, "pblock start"), last = number(o, "pblock end"),
            step = number(o, "pblock step"), size = number(o, "pblock size");

    *start = *end = -1;
    if (first < 0)
        return true;
    step = step > 0 ? step : 1;
    if (last < 0 && size > 0)
        last = first + (size - 1) * step;
    if (last < first || last > 65535)
        last = last < first ? first : 65535;
    *start = (int)first;
    *end = (int)last;
    if (port < first || port > last || (port - first) % step != 0)
        return false;
    return size <= 0 || (port - first) / step < size;
}

static const char *proto_name(int64_t number, char *out, size_t cap)
{
    static const struct {
        uint8_t number;
        const char *name;
    } known[] = { { 1, "icmp" }, { 6, "tcp" }, { 17, "udp" }, { 58, "icmp6" } };

    out[0] = '\0';
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (known[i].number == number)
            (void)snprintf(out, cap, "%s", known[i].name);
    if (out[0] == '\0' && number > 0)
        (void)snprintf(out, cap, "%d", (int)number);
    return out;
}

static bool same(const struct owner *a, const struct owner *b)
{
    return a->domain == b->domain && a->port == b->port && a->block_start == b->block_start &&
           strcmp(a->address, b->address) == 0 && strcmp(a->exporter, b->exporter) == 0 &&
           strcmp(a->proto, b->proto) == 0;
}

static void say(char *out, size_t cap, const char *what, const json_t *o)
{
    (void)snprintf(out, cap, "%s at %s", what, text(o, "start"));
}

/* The owner that a record is about: from_ms, to_ms as far as it alone tells. */
static bool owner_of(const json_t *o, unsigned port, struct owner *x, enum saying *says)
{
    const char *what;
    int64_t begin, over;

    *x = (struct owner){ .port = (int)number(o, "src port"), .records = 1 };
    if (!moment_of(text(o, "start"), &begin) || !moment_of(text(o, "end"), &over) ||
        !in_block(o, port, &x->block_start, &x->block_end))
        return false;
    *says = saying_of(o, &what);
    if (*says == SAYS_NOTHING)
        return false;
    if (x->block_start >= 0 || x->port == 0)
        x->port = -1;
    (void)snprintf(x->address, sizeof x->address, "%s", text(o, "src ip"));
    (void)snprintf(x->exporter, sizeof x->exporter, "%s", text(o, "exporter"));
    (void)snprintf(x->user, sizeof x->user, "%s", text(o, "ie(userName)"));
    (void)proto_name(number(o, "proto"), x->proto, sizeof x->proto);
    x->domain = (uint32_t)MAX(number(o, "domain"), 0);
    x->from_ms = begin;
    x->to_ms = *says == SAYS_BEGIN ? INT64_MAX : over;
    x->ended_ms = INT64_MIN;
    if (*says == SAYS_END) { /* where it says no duration, its beginning is another record's */
        x->from_ms = over > begin ? begin : INT64_MIN;
        x->ended_ms = x->to_ms;
        say(x->ended, sizeof x->ended, what, o);
    } else {
        say(x->began, sizeof x->began, what, o);
    }
    return x->address[0] != '\0';
}

static int append(struct translations *t, const struct owner *x, struct err *e)
{
    if (t->n == t->room) {
        size_t room = t->room * 2 + 16;
        struct owner *p = realloc(t->o, room * sizeof *p);
        if (p == NULL)
            return err_set(e, ERR_NOMEM, "out of memory");
        t->o = p;
        t->room = room;
    }
    t->o[t->n++] = *x;
    return ERR_OK;
}

static bool touches(const struct owner *a, const struct owner *b)
{
    return a->from_ms <= b->to_ms && b->from_ms <= a->to_ms;
}

/* Newest first: an end waits for its beginning; pieces of one translation become one. */
static int take_before(struct translations *t, const struct owner *x, enum saying says,
                       struct err *e)
{
    struct owner *open = NULL; /* the oldest of the same that is known until now */

    for (size_t i = 0; i < t->n; i++)
        if (same(&t->o[i], x))
            open = &t->o[i];
    if (open != NULL && says == SAYS_BEGIN && open->from_ms == INT64_MIN) {
        open->from_ms = x->from_ms;
        memcpy(open->began, x->began, sizeof open->began);
        open->records++;
        return ERR_OK;
    }
    if (open != NULL && says == SAYS_WHOLE && open->to_ms == INT64_MAX &&
        open->from_ms == x->from_ms) { /* its beginning was told by itself too */
        open->to_ms = x->to_ms;
        memcpy(open->began, x->began, sizeof open->began);
        open->records++;
        return ERR_OK;
    }
    if (open != NULL && touches(open, x) && says != SAYS_END) {
        open->from_ms = MIN(open->from_ms, x->from_ms);
        memcpy(open->began, x->began, sizeof open->began);
        open->records++;
        return ERR_OK;
    }
    /* a beginning before another one of the same: nobody told the end between */
    if (append(t, x, e) != ERR_OK)
        return ERR_NOMEM;
    if (says == SAYS_BEGIN && open != NULL)
        t->o[t->n - 1].to_ms = open->from_ms != INT64_MIN ? open->from_ms : open->to_ms;
    return ERR_OK;
}

/* Oldest first: the end of what holds. */
static void take_after(struct translations *t, const struct owner *x, enum saying says)
{
    for (size_t i = 0; i < t->n; i++) {
        struct owner *o = &t->o[i];
        if (!o->holds || o->to_ms != INT64_MAX)
            continue;
        if (same(o, x) && says == SAYS_END) {
            o->to_ms = x->to_ms;
            memcpy(o->ended, x->ended, sizeof o->ended);
            o->records++;
        } else if (says == SAYS_BEGIN && strcmp(o->exporter, x->exporter) == 0 &&
                   o->domain == x->domain && strcmp(o->proto, x->proto) == 0) {
            o->to_ms = x->from_ms; /* somebody has it then: the end was not told */
            (void)snprintf(o->ended, sizeof o->ended, "%.40s has it then",
                           same(o, x) ? "the same one, anew," : x->address);
        }
    }
}

/* Who holds at the moment: who has begun and not ended, unless a later one of the same device and
 * protocol has begun since. */
static void decide(struct translations *t, int64_t at_ms)
{
    for (size_t i = 0; i < t->n; i++) {
        struct owner *o = &t->o[i];
        if (o->from_ms == INT64_MIN) /* an end without its beginning */
            continue;
        o->holds = o->from_ms <= at_ms && o->to_ms > at_ms;
        o->holds |= o->from_ms <= at_ms && o->to_ms == at_ms && o->from_ms == o->to_ms;
        for (size_t k = 0; o->holds && o->to_ms == INT64_MAX && k < t->n; k++) {
            const struct owner *x = &t->o[k];
            if (k == i || x->domain != o->domain || strcmp(x->exporter, o->exporter) != 0 ||
                strcmp(x->proto, o->proto) != 0 || (x->block_start >= 0) != (o->block_start >= 0))
                continue;
            if (x->from_ms > o->from_ms && x->from_ms <= at_ms) {
                o->holds = false;
                o->to_ms = x->from_ms;
                (void)snprintf(o->ended, sizeof o->ended, "%.40s had it then", x->address);
            }
        }
    }
}

int translations_read(struct translations *t, const char *lines, unsigned port, int64_t at_ms,
                      struct err *e)
{
    bool after = t->n > 0;
    int rc = ERR_OK;

    while (rc == ERR_OK && *lines != '\0') {
        size_t len = strcspn(lines, "\n");
        json_t *o = json_loadb(lines, len, 0, NULL);
        enum saying says = SAYS_NOTHING;
        struct owner x;
        if (o == NULL)
            return err_set(e, ERR_FORMAT, "the answer cannot be read");
        if (owner_of(o, port, &x, &says)) {
            if (after)
                take_after(t, &x, says);
            else
                rc = take_before(t, &x, says, e);
        }
        json_decref(o);
        lines += len + (lines[len] == '\n');
    }
    if (rc == ERR_OK && !after)
        decide(t, at_ms);
    return rc;
}

size_t translations_holding(const struct translations *t)
{
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++)
        n += t->o[i].holds;
    return n;
}

bool translations_open(const struct translations *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->o[i].holds && t->o[i].to_ms == INT64_MAX)
            return true;
    return false;
}

static int newest_first(const void *a, const void *b)
{
    const struct owner *x = a, *y = b;

    return x->from_ms < y->from_ms ? 1 : x->from_ms > y->from_ms ? -1 : 0;
}

void translations_sort(struct translations *t)
{
    if (t->n > 1)
        qsort(t->o, t->n, sizeof *t->o, newest_first);
}

void translations_free(struct translations *t)
{
    free(t->o);
    *t = (struct translations){ 0 };
}
