/* flow/geo.h - AS number and country of addresses, and the names of AS numbers.
 * Floor 2. The data is read by src/enrich; sealing and asking know only this.
 * Threads: immutable once made and counted by references; any number of threads may look up. */
#ifndef WEIR_FLOW_GEO_H
#define WEIR_FLOW_GEO_H

#include "base/err.h"
#include "flow/addr.h"

enum geo_kind { GEO_AS, GEO_COUNTRY, GEO_N };

/* What is looked up is a number, 0 = not known: an AS number, or two letters of ISO 3166 as
 * GEO_LETTERS('D', 'E'). */
#define GEO_LETTERS(a, b) ((uint32_t)(unsigned char)(a) << 8 | (unsigned char)(b))

/* Which data gave an answer. */
struct geo_version {
    uint64_t id;     /* checksum of the compiled data; 0 = there was none */
    int64_t date_ms; /* when the data was made, Unix ms */
};

/* An AS number with its name. */
struct geo_name {
    uint32_t number;
    const char *text; /* borrowed from the data, not terminated */
    size_t len;
};

struct geo;
struct geo_ops {
    /* out[i] = what is known of a[i]. Ascending addresses are fastest. */
    void (*look_up)(const struct geo *g, enum geo_kind kind, const struct addr *a, size_t n,
                    uint32_t *out);
    /* The i-th name, ascending by number; false behind the last one. */
    bool (*name_at)(const struct geo *g, size_t i, struct geo_name *out);
    /* The name of an AS number; false: it has none. */
    bool (*name_of)(const struct geo *g, uint32_t number, struct geo_name *out);
    void (*free)(struct geo *g);
};

struct geo {
    _Atomic uint32_t refs;
    const struct geo_ops *ops;
    struct geo_version version[GEO_N];
    bool own_names; /* names beside those of the data, also where there is none */
};

struct geo *geo_ref(struct geo *g); /* NULL is allowed */
void geo_unref(struct geo *g);      /* NULL is allowed */

/* Is there data of that kind? g may be NULL. */
static inline bool geo_has(const struct geo *g, enum geo_kind kind)
{
    return g != NULL && g->version[kind].id != 0;
}
static inline bool geo_has_names(const struct geo *g)
{
    return g != NULL && (g->version[GEO_AS].id != 0 || g->own_names);
}
/* Values of n addresses; zeros where there is no data. g may be NULL. */
void geo_look_up(const struct geo *g, enum geo_kind kind, const struct addr *a, size_t n,
                 uint32_t *out);
/* The name of an AS number, or false. g may be NULL. */
bool geo_name(const struct geo *g, uint32_t number, struct geo_name *out);

/* The same data with names of one's own, ascending by number and each once, which go before those
 * of the data. They are copied; a reference of base (NULL is allowed) is taken. Errors: ERR_NOMEM.
 */
int geo_with_names(struct geo **out, struct geo *base, const struct geo_name *name,
                   size_t n) WARN_UNUSED;

/* Which AS number of a record counts: the exporter's or the one that was looked up. */
enum geo_as_source {
    GEO_AS_AUTO,     /* the exporter's, if it says something; else the other */
    GEO_AS_EXPORTER, /* only the exporter's */
    GEO_AS_DATABASE, /* only the one looked up */
};
/* Does an exported number say something? Not 0, not AS_TRANS (RFC 6793), not one for private use
 * (RFC 6996), not reserved (RFC 7300). */
static inline bool geo_as_public(uint32_t as)
{
    return as != 0 && as != 23456 && !(as >= 64512 && as <= 65535) && as < 4200000000u;
}
static inline uint32_t geo_as(enum geo_as_source from, uint32_t exported, uint32_t looked_up)
{
    if (from == GEO_AS_EXPORTER || (from == GEO_AS_AUTO && geo_as_public(exported)))
        return exported;
    return from == GEO_AS_DATABASE || looked_up != 0 ? looked_up : exported;
}

#endif
