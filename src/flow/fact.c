/* What one option record says. */
#include "flow/fact.h"

#include <string.h>

#define SCOPE_INTERFACE 2u /* NetFlow v9 (RFC 3954 section 6.1) */

/* Numbers and names of one option record. */
struct told {
    uint64_t sampler, scope_if, any_if, vrf, app;
    bool has_sampler, has_scope_if, has_any_if, has_vrf, has_app;
    uint64_t interval, space, size, population;
    uint32_t rate;
    struct fact name[5];
    unsigned n_names;
};

static uint64_t number(const uint8_t *p, size_t len)
{
    return len >= 1 && len <= 8 ? be_uint(p, len) : 0;
}

bool fact_app_id(const uint8_t *p, size_t len, uint64_t *id)
{
    bool good = len >= 2 && len <= 8;

    *id = good ? (uint64_t)p[0] << 56 | number(p + 1, len - 1) : 0;
    return good;
}

static void told_name(struct told *t, enum fact_kind kind, const uint8_t *p, size_t len)
{
    const uint8_t *end = memchr(p, 0, len);
    size_t n = end != NULL ? (size_t)(end - p) : len;

    while (n > 0 && p[n - 1] == ' ')
        n--;
    if (n == 0 || t->n_names == ARRAY_LEN(t->name))
        return;
    t->name[t->n_names++] =
        (struct fact){ .kind = (uint8_t)kind, .text = p, .len = (uint32_t)MIN(n, FACT_TEXT_MAX) };
}

static void told_if(struct told *t, bool scope, uint64_t v)
{
    if (scope && !t->has_scope_if) {
        t->scope_if = v;
        t->has_scope_if = true;
    }
    if (!t->has_any_if) {
        t->any_if = v;
        t->has_any_if = true;
    }
}

static void told_rate(struct told *t, uint64_t v)
{
    if (t->rate == 0 && v <= UINT32_MAX)
        t->rate = (uint32_t)v;
}

/* samplingProbability (311): a float64 */
static void told_probability(struct told *t, const uint8_t *p, size_t len)
{
    uint64_t bits = len == 8 ? be64(p) : 0;
    double v;

    memcpy(&v, &bits, sizeof v);
    if (v > 0 && v <= 1 && 1 / v < (double)UINT32_MAX)
        told_rate(t, (uint64_t)(1 / v + 0.5));
}

static void told_element(struct told *t, uint16_t id, bool scope, const uint8_t *p, size_t len)
{
    switch (id) {
    case 10:  /* ingressInterface */
    case 14:  /* egressInterface */
    case 252: /* ingressPhysicalInterface */
        told_if(t, scope, number(p, len));
        break;
    case 34: /* samplingInterval */
    case 50: /* samplerRandomInterval */
        told_rate(t, number(p, len));
        break;
    case 48:  /* samplerId */
    case 302: /* selectorId */
        t->sampler = number(p, len);
        t->has_sampler = true;
        break;
    case 82: /* interfaceName */
        told_name(t, FACT_IF_NAME, p, len);
        break;
    case 83: /* interfaceDescription */
        told_name(t, FACT_IF_TEXT, p, len);
        break;
    case 84:  /* samplerName */
    case 335: /* selectorName */
        told_name(t, FACT_SAMPLER_NAME, p, len);
        break;
    case 95: /* applicationId: an octet for the engine, then the selector */
        t->has_app = fact_app_id(p, len, &t->app);
        break;
    case 96: /* applicationName */
        told_name(t, FACT_APP_NAME, p, len);
        break;
    case 234: /* ingressVRFID */
    case 235: /* egressVRFID */
        t->vrf = number(p, len);
        t->has_vrf = true;
        break;
    case 236: /* VRFname */
        told_name(t, FACT_VRF_NAME, p, len);
        break;
    case 305: /* samplingPacketInterval */
        t->interval = number(p, len);
        break;
    case 306: /* samplingPacketSpace */
        t->space = number(p, len);
        break;
    case 309: /* samplingSize */
        t->size = number(p, len);
        break;
    case 310: /* samplingPopulation */
        t->population = number(p, len);
        break;
    case 311:
        told_probability(t, p, len);
        break;
    default:
        break;
    }
}

static bool read_record(struct told *t, const struct shape *s, struct rd r)
{
    for (unsigned i = 0; i < s->n_fields; i++) {
        const struct shape_field *f = &s->f[i];
        size_t n = f->len;
        const uint8_t *p;
        if (n == SHAPE_LEN_VAR) {
            n = rd_u8(&r);
            n = n == 255 ? rd_u16(&r) : n;
        }
        if ((p = rd_take(&r, n)) == NULL)
            return false;
        if (f->pen == SHAPE_PEN_V9_SCOPE && f->id == SCOPE_INTERFACE)
            told_if(t, true, number(p, n));
        else if (f->pen == 0)
            told_element(t, f->id, i < s->n_scope, p, n);
    }
    return true;
}

/* RFC 5477: of interval + space packets, interval are taken; of population, size. */
static void told_parts(struct told *t)
{
    if (t->interval > 0 && t->interval <= UINT32_MAX && t->space <= UINT32_MAX)
        told_rate(t, (t->interval + t->space + t->interval / 2) / t->interval);
    if (t->size > 0 && t->size <= UINT32_MAX && t->population <= UINT32_MAX)
        told_rate(t, (t->population + t->size / 2) / t->size);
}

static bool name_id(const struct told *t, struct fact *f)
{
    switch (f->kind) {
    case FACT_IF_NAME:
    case FACT_IF_TEXT:
        f->id = t->any_if;
        return t->has_any_if;
    case FACT_VRF_NAME:
        f->id = t->vrf;
        return t->has_vrf;
    case FACT_APP_NAME:
        f->id = t->app;
        return t->has_app;
    default:
        f->id = t->sampler;
        return t->has_sampler;
    }
}

void fact_each(const struct shape *s, const uint8_t *p, size_t len,
               void (*found)(void *ctx, const struct fact *f), void *ctx)
{
    struct told t = { 0 };
    struct fact rate = { .kind = FACT_RATE_SYSTEM };

    if (!read_record(&t, s, rd_init(p, len)))
        return;
    told_parts(&t);
    for (unsigned i = 0; i < t.n_names; i++)
        if (name_id(&t, &t.name[i]))
            found(ctx, &t.name[i]);
    if (t.rate == 0)
        return;
    rate.number = t.rate;
    if (t.has_sampler && t.sampler != 0) {
        rate.kind = FACT_RATE_SAMPLER;
        rate.id = t.sampler;
    } else if (t.has_scope_if) {
        rate.kind = FACT_RATE_IF;
        rate.id = t.scope_if;
    }
    found(ctx, &rate);
}
