/* Cisco's NetFlow v5: header of 24 octets, records of 48, at most 30. */
#include "encode/internal.h"

#include <string.h>

#define AS_TRANS   23456u             /* RFC 6793: an AS number that 16 bits do not hold */
#define MAX_UPTIME 0x7fffffff         /* ms: times before and behind stay within 32 bits */
#define NEW_UPTIME ((int64_t)1 << 30) /* where a device that "boots" begins: flows are older */

int v5_flush(struct encoder *e)
{
    struct v5 *v = &e->v5;
    struct message m = { .octets = v->octets,
                         .len = V5_HEADER + v->n * V5_RECORD,
                         .exporter = v->exporter,
                         .received_ms = v->received_ms,
                         .records = v->n };
    uint8_t *p = v->octets;

    if (v->n == 0)
        return ERR_OK;
    be_put(p, 5, 2);
    be_put(p + 2, v->n, 2);
    be_put(p + 4, (uint32_t)v->export_ms - v->base_ms, 4);
    be_put(p + 8, (uint64_t)v->export_ms / 1000, 4);
    be_put(p + 12, (uint64_t)v->export_ms % 1000 * 1000000, 4);
    be_put(p + 16, v->sequence[v->engine], 4);
    be_put(p + 20, v->engine, 2);
    be_put(p + 22, v->rate > 0 ? 0x4000u | v->rate : 0, 2); /* mode 1: one in N */
    v->sequence[v->engine] += v->n;
    e->stats.messages++;
    v->n = 0;
    return e->opt.send(e->opt.ctx, &m);
}

/* The device's boot: the record's own where it had one, else one that all times fit behind. */
static uint32_t base_of(struct v5 *v, const struct record *r)
{
    int64_t now = encode_export_ms(r);

    if (r->v[COL_UPTIME_BASE] != 0)
        return (uint32_t)r->v[COL_UPTIME_BASE];
    if (!v->boot_set || now - v->boot_ms > MAX_UPTIME || now - v->boot_ms < NEW_UPTIME / 2) {
        v->boot_set = true;
        v->boot_ms = now - NEW_UPTIME;
    }
    return (uint32_t)v->boot_ms;
}

static uint64_t cut(struct encoder *e, uint64_t value, uint64_t max, uint64_t instead, bool *told)
{
    if (value <= max)
        return value;
    e->stats.changed += !*told;
    *told = true;
    return instead;
}

static void put_record(struct encoder *e, uint8_t *p, const struct record *r, bool answer,
                       uint32_t base_ms)
{
    const uint64_t *x = r->v;
    unsigned swap = answer ? 1 : 0;
    static const uint8_t ip[] = { COL_SRC_IP, COL_DST_IP }, port[] = { COL_SRC_PORT, COL_DST_PORT },
                         in[] = { COL_IN_IF, COL_OUT_IF }, as[] = { COL_SRC_AS, COL_DST_AS },
                         mask[] = { COL_SRC_MASK, COL_DST_MASK };
    bool told = false;

    memset(p, 0, V5_RECORD);
    memcpy(p, r->addrs[x[ip[swap]]].b + 12, 4);
    memcpy(p + 4, r->addrs[x[ip[!swap]]].b + 12, 4);
    if (!answer && addr_is_v4(&r->addrs[x[COL_NEXT_IP]]))
        memcpy(p + 8, r->addrs[x[COL_NEXT_IP]].b + 12, 4);
    be_put(p + 12, cut(e, x[in[swap]], 0xffff, 0, &told), 2);
    be_put(p + 14, cut(e, x[in[!swap]], 0xffff, 0, &told), 2);
    be_put(p + 16, x[answer ? COL_REV_PACKETS : COL_PACKETS], 4);
    be_put(p + 20, x[answer ? COL_REV_BYTES : COL_BYTES], 4);
    be_put(p + 24, x[COL_START] + x[COL_START_SHIFT] - base_ms, 4);
    be_put(p + 28, x[COL_END] + x[COL_END_SHIFT] - base_ms, 4);
    be_put(p + 32, x[port[swap]], 2);
    be_put(p + 34, x[port[!swap]], 2);
    be_put(p + 37, answer ? 0 : cut(e, x[COL_TCP_FLAGS], 0xff, x[COL_TCP_FLAGS] & 0xff, &told), 1);
    be_put(p + 38, x[COL_PROTO], 1);
    be_put(p + 39, answer ? 0 : x[COL_TOS], 1);
    be_put(p + 40, cut(e, x[as[swap]], 0xffff, AS_TRANS, &told), 2);
    be_put(p + 42, cut(e, x[as[!swap]], 0xffff, AS_TRANS, &told), 2);
    be_put(p + 44, cut(e, x[mask[swap]], 32, 0, &told), 1);
    be_put(p + 45, cut(e, x[mask[!swap]], 32, 0, &told), 1);
}

static bool same_header(const struct v5 *v, const struct record *r, uint16_t engine, uint32_t rate,
                        uint32_t base_ms)
{
    return v->engine == engine && v->rate == rate && v->base_ms == base_ms &&
           v->export_ms / 1000 == encode_export_ms(r) / 1000 &&
           v->received_ms / 1000 == (int64_t)r->v[COL_RECEIVED] / 1000 &&
           addr_cmp(&v->exporter, &r->exporter->addr) == 0;
}

static int put(struct encoder *e, const struct record *r, bool answer)
{
    struct v5 *v = &e->v5;
    uint16_t engine = (uint16_t)r->exporter->domain;
    uint32_t rate = r->v[COL_RATE] <= 0x3fff ? (uint32_t)r->v[COL_RATE] : 0;
    uint32_t base_ms = base_of(v, r);
    int rc;

    if (v->n > 0 && (v->n == V5_RECORDS || !same_header(v, r, engine, rate, base_ms)) &&
        (rc = v5_flush(e)) != ERR_OK)
        return rc;
    if (v->n == 0) {
        v->engine = engine;
        v->rate = rate;
        v->base_ms = base_ms;
        v->exporter = r->exporter->addr;
        v->export_ms = encode_export_ms(r);
        v->received_ms = (int64_t)r->v[COL_RECEIVED];
    }
    v->export_ms = MAX(v->export_ms, encode_export_ms(r));
    v->received_ms = MAX(v->received_ms, (int64_t)r->v[COL_RECEIVED]);
    put_record(e, v->octets + V5_HEADER + v->n * V5_RECORD, r, answer, base_ms);
    v->n++;
    e->stats.records++;
    e->stats.answers += answer;
    return ERR_OK;
}

int v5_record(struct encoder *e, const struct record *r)
{
    const uint64_t *x = r->v;
    bool answer = x[COL_REV_BYTES] != 0 || x[COL_REV_PACKETS] != 0;
    int rc;

    if (r->shape->kind == SHAPE_OPTION) {
        e->stats.not_sent[ENCODE_OPTION]++;
        return ERR_OK;
    }
    if (!addr_is_v4(&r->addrs[x[COL_SRC_IP]]) || !addr_is_v4(&r->addrs[x[COL_DST_IP]])) {
        e->stats.not_sent[ENCODE_NOT_IPV4]++;
        return ERR_OK;
    }
    if (MAX(x[COL_BYTES], x[COL_PACKETS]) > UINT32_MAX ||
        MAX(x[COL_REV_BYTES], x[COL_REV_PACKETS]) > UINT32_MAX) {
        e->stats.not_sent[ENCODE_COUNTER]++;
        return ERR_OK;
    }
    if ((rc = put(e, r, false)) != ERR_OK || !answer)
        return rc;
    return put(e, r, true);
}
