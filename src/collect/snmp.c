#include "collect/snmp.h"

#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "os/log.h"
#include "os/thread.h"

#define FIRST_MS 3000 /* behind the start, when exporters were heard */

struct snmp_watch {
    struct collect *k;
    struct store *st;
    struct snmp_secrets secrets;
    int64_t every_ms;
    uint16_t port;
    struct thread thread;
    struct os_mutex lock; /* of what stands below */
    struct cond change;
    bool stop;
    struct snmp_counter *counter; /* by address, then interface */
    size_t n, room;
};

static bool stopping(void *ctx)
{
    struct snmp_watch *w = ctx;
    bool stop;

    os_lock(&w->lock);
    stop = w->stop;
    os_unlock(&w->lock);
    return stop;
}

/* ------------------------------------------------------------------ counters */

static int compare(const struct snmp_counter *a, const struct addr *who, uint32_t in_if)
{
    int c = addr_cmp(&a->exporter, who);

    return c != 0 ? c : (a->in_if > in_if) - (a->in_if < in_if);
}

/* Under the lock. NULL: no room. */
static struct snmp_counter *counter_of(struct snmp_watch *w, const struct addr *who, uint32_t in_if)
{
    size_t lo = 0, hi = w->n;
    struct snmp_counter *more;

    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (compare(&w->counter[mid], who, in_if) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < w->n && compare(&w->counter[lo], who, in_if) == 0)
        return &w->counter[lo];
    if (w->n == SNMP_COUNTERS_MAX)
        return NULL;
    if (w->n == w->room) {
        if ((more = realloc(w->counter, (w->room * 2 + 64) * sizeof *more)) == NULL)
            return NULL;
        w->counter = more;
        w->room = w->room * 2 + 64;
    }
    memmove(&w->counter[lo + 1], &w->counter[lo], (w->n - lo) * sizeof *w->counter);
    w->n++;
    w->counter[lo] = (struct snmp_counter){ .exporter = *who, .in_if = in_if, .to_ms = INT64_MIN };
    return &w->counter[lo];
}

static void note_counter(struct snmp_watch *w, const struct addr *who, const struct snmp_if *i,
                         int64_t now_ms)
{
    struct snmp_counter *c = counter_of(w, who, i->index);

    if (c == NULL)
        return;
    if (c->to_ms == INT64_MIN || i->in_octets < c->last) { /* the first; or it began anew */
        c->first = c->mid = i->in_octets;
        c->from_ms = c->mid_ms = now_ms;
    } else if (now_ms - c->from_ms > SNMP_COUNTERS_MS) {
        c->from_ms = c->mid_ms;
        c->first = c->mid;
        c->mid_ms = c->to_ms;
        c->mid = c->last;
    } else if (now_ms - c->mid_ms > SNMP_COUNTERS_MS / 2) {
        c->mid_ms = c->to_ms;
        c->mid = c->last;
    }
    c->to_ms = now_ms;
    c->last = i->in_octets;
}

int snmp_counters(struct snmp_watch *w, struct snmp_counter **out, size_t *n)
{
    *out = NULL;
    *n = 0;
    if (w == NULL)
        return ERR_OK;
    os_lock(&w->lock);
    if (w->n > 0 && (*out = malloc(w->n * sizeof **out)) == NULL) {
        os_unlock(&w->lock);
        return ERR_NOMEM;
    }
    for (size_t i = 0; i < w->n; i++)
        if (w->counter[i].to_ms > w->counter[i].from_ms)
            (*out)[(*n)++] = w->counter[i];
    os_unlock(&w->lock);
    return ERR_OK;
}

/* ------------------------------------------------------------------ asking */

static void tell(struct fact *f, size_t *n, enum fact_kind kind, uint64_t id, uint32_t number,
                 const char *text)
{
    f[(*n)++] = (struct fact){ .kind = (uint8_t)kind,
                               .id = id,
                               .number = number,
                               .text = (const uint8_t *)text,
                               .len = (uint32_t)MIN(strlen(text), FACT_TEXT_MAX) };
}

static int keep(struct snmp_watch *w, const struct addr *who, const struct snmp_answer *a,
                int64_t now_ms, struct err *e)
{
    struct exporter_key x = { .addr = *who };
    struct fact *f = malloc(((size_t)a->n * 3 + 1) * sizeof *f);
    size_t n = 0;
    int rc;

    if (f == NULL)
        return err_set(e, ERR_NOMEM, "snmp: out of memory");
    if (a->sys_name[0] != '\0')
        tell(f, &n, FACT_SNMP_NAME, 0, 0, a->sys_name);
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->ifs[i].name[0] != '\0')
            tell(f, &n, FACT_SNMP_IF_NAME, a->ifs[i].index, 0, a->ifs[i].name);
        if (a->ifs[i].text[0] != '\0')
            tell(f, &n, FACT_SNMP_IF_TEXT, a->ifs[i].index, 0, a->ifs[i].text);
        if (a->ifs[i].mbps > 0)
            tell(f, &n, FACT_SNMP_IF_MBPS, a->ifs[i].index, a->ifs[i].mbps, "");
    }
    rc = store_tell(w->st, &x, now_ms, f, n, e);
    free(f);
    os_lock(&w->lock);
    for (uint32_t i = 0; i < a->n; i++)
        if (a->ifs[i].counted)
            note_counter(w, who, &a->ifs[i], now_ms);
    os_unlock(&w->lock);
    return rc;
}

static void ask(struct snmp_watch *w, const struct addr *who)
{
    static struct log_class class;
    const struct snmp_login *l = snmp_login_of(&w->secrets, who);
    struct snmp_answer a = { .n = 0 };
    char text[ADDR_TEXT_MAX];
    struct err e;
    int rc;

    if (l == NULL)
        return;
    addr_format(who, text);
    rc = os_snmp_ask(&a, text, w->port, l, stopping, w, &e);
    if (rc == ERR_OK)
        rc = keep(w, who, &a, clock_now_ms(), &e);
    if (rc != ERR_OK && rc != ERR_CANCEL)
        log_limited(&class, LOG_LEVEL_WARN, "%s", e.msg);
    snmp_answer_free(&a);
}

static int by_addr(const void *a, const void *b)
{
    return addr_cmp(a, b);
}

/* Every address once, however many domains send from it. */
static void round_of_all(struct snmp_watch *w)
{
    struct collect_status st;
    struct addr *who;
    size_t n = 0;

    if (collect_status(w->k, &st, true, NULL) != ERR_OK)
        return;
    who = malloc((st.n_exporters + 1) * sizeof *who);
    for (size_t i = 0; who != NULL && i < st.n_exporters; i++)
        if (st.exporter[i].trusted && st.exporter[i].key.import == 0)
            who[n++] = st.exporter[i].key.addr;
    collect_status_free(&st);
    if (n > 1)
        qsort(who, n, sizeof *who, by_addr);
    for (size_t i = 0, asked = 0; i < n && asked < SNMP_DEVICES_MAX && !stopping(w); i++)
        if (i == 0 || addr_cmp(&who[i], &who[i - 1]) != 0) {
            ask(w, &who[i]);
            asked++;
        }
    free(who);
}

static void *watch(void *arg)
{
    struct snmp_watch *w = arg;
    int64_t next = clock_mono_ms() + MIN(w->every_ms, (int64_t)FIRST_MS);

    thread_background();
    while (!stopping(w)) {
        os_lock(&w->lock);
        if (!w->stop && clock_mono_ms() < next)
            cond_wait_ms(&w->change, &w->lock, next - clock_mono_ms());
        os_unlock(&w->lock);
        if (clock_mono_ms() < next)
            continue;
        next = clock_mono_ms() + w->every_ms;
        round_of_all(w);
    }
    return NULL;
}

int snmp_watch_start(struct snmp_watch **out, struct collect *k, struct store *st,
                     struct snmp_secrets *secrets, int64_t every_ms, uint16_t port, struct err *e)
{
    struct snmp_watch *w = calloc(1, sizeof *w);
    int rc;

    *out = NULL;
    if (w == NULL)
        return err_set(e, ERR_NOMEM, "snmp: out of memory");
    w->k = k;
    w->st = st;
    w->every_ms = every_ms;
    w->port = port;
    os_mutex_init(&w->lock);
    cond_init(&w->change);
    w->secrets = *secrets;
    *secrets = (struct snmp_secrets){ .n = 0 };
    if ((rc = thread_start(&w->thread, "weir-snmp", watch, w, e)) != ERR_OK) {
        snmp_watch_stop(w);
        return rc;
    }
    *out = w;
    return ERR_OK;
}

void snmp_watch_stop(struct snmp_watch *w)
{
    if (w == NULL)
        return;
    os_lock(&w->lock);
    w->stop = true;
    cond_wake(&w->change);
    os_unlock(&w->lock);
    thread_join(&w->thread);
    cond_destroy(&w->change);
    os_mutex_free(&w->lock);
    snmp_secrets_free(&w->secrets);
    free(w->counter);
    free(w);
}
