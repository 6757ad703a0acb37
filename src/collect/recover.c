/* collect/recover.c - a cut as octets, and back: what a new start finds of the one before. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collect/internal.h"
#include "decode/checkpoint.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/log.h"
#include "os/net.h"

#define CHECKPOINT_MAX ((size_t)1 << 31)
#define PATH_OCTETS    4096u

/* ------------------------------------------------------------------ octets */

void collect_checkpoint(const struct collect *k, uint64_t sealed, uint64_t refused, struct buf *out)
{
    past_put_head(out, k->n_shards, sealed, refused);
    for (unsigned i = 0; i < k->n_shards; i++)
        past_put_shard(out, &k->shard[i].at_cut);
}

/* ------------------------------------------------------------------ starting */

/* The state of the last cut. Where its checkpoint cannot be read (it is damaged, or an older weir
 * wrote it; a newer one was refused before), its positions still count: what they cover is sealed,
 * and only templates and counters are lost. */
static int last_cut(struct collect *k, struct past *p, struct err *e)
{
    struct buf b = buf_init(CHECKPOINT_MAX);
    uint64_t at[COLLECT_MAX_SHARDS] = { 0 };
    uint32_t n = 0;
    int rc = store_last_cut(k->st, &n, at, &b, e);

    if (rc == ERR_OK && (rc = past_get(p, b.p, b.len, &k->limits, e)) != ERR_OK)
        past_clear(p);
    buf_free(&b);
    if (rc == ERR_CORRUPT || rc == ERR_VERSION) {
        log_line(LOG_LEVEL_ERROR, "%s; templates are learned anew", e->msg);
        p->n = MIN(n, COLLECT_MAX_SHARDS);
        for (unsigned i = 0; i < p->n; i++)
            p->shard[i].cut.serial = at[i];
        return ERR_OK;
    }
    return rc == ERR_NOTFOUND ? ERR_OK : rc;
}

static void at_least(_Atomic uint64_t *x, uint64_t v)
{
    if (atomic_load(x) < v)
        atomic_store(x, v);
}

void collect_take_drops(struct shard *s, const struct frame *f)
{
    struct shard_shared *h = s->shared;
    struct frame_drops d;

    if (f->len != sizeof d || f->serial > h->earlier) /* this ring has counted them */
        return;
    memcpy(&d, f + 1, sizeof d);
    at_least(&h->kernel_drops_before, d.kernel);
    at_least(&h->not_journaled_before, d.not_journaled);
    at_least(&h->ring_drops_before, d.ring);
    at_least(&h->ring_drop_octets_before, d.ring_octets);
}

/* A predecessor died over this datagram: once may be chance, twice is its fault. */
static void note_death(struct shard *s)
{
    struct shard_shared *h = s->shared;
    uint64_t at = atomic_load(&h->decoding);

    if (at == 0)
        return;
    h->deaths = h->suspect == at ? h->deaths + 1 : 1;
    h->suspect = at;
    atomic_store(&h->decoding, 0);
}

/* Where the ring's numbers begin, or go on. */
static void begin_ring(struct shard *s, uint64_t journal_last, enum journal_mode mode)
{
    struct shard_shared *h = s->shared;
    struct decode_counters had;

    if (h->begun) {
        s->ring_upto = ring_take_over(s->ring) - 1;
        return;
    }
    h->earlier = MAX(journal_last, s->serial);
    ring_begin(s->ring, h->earlier + 1, mode != JOURNAL_OFF, mode == JOURNAL_SYNC);
    decoder_totals(s->decode, &had);
    atomic_store(&h->received_before, had.datagrams + s->missing + h->earlier - s->serial);
    atomic_store(&h->kernel_drops_before, s->at_cut.kernel_drops);
    atomic_store(&h->not_journaled_before, s->at_cut.not_journaled);
    atomic_store(&h->ring_drops_before, s->at_cut.ring_drops);
    atomic_store(&h->ring_drop_octets_before, s->at_cut.ring_drop_octets);
    h->begun = true;
}

static int begin_shard(struct shard *s, const struct conf *c, struct err *e)
{
    struct journal_limits lim = { .max_octets = conf_num(c, OPT_JOURNAL_SIZE) / s->k->n_shards };
    enum journal_mode mode = (enum journal_mode)conf_num(c, OPT_JOURNAL_MODE);
    uint64_t last = 0;
    int rc;

    rc = journal_open(&s->journal, s->k->journal_dir, s->number, &lim, &last, e);
    if (rc == ERR_OK && s->shared->begun)
        rc = collect_write_stage(s, e);
    if (rc != ERR_OK)
        return rc;
    journal_release(s->journal, s->serial); /* a crash may have come before that */
    last = journal_last(s->journal);
    s->replay_upto = last;
    s->write_journal = mode != JOURNAL_OFF;
    note_death(s);
    begin_ring(s, last, mode);
    return ERR_OK;
}

static void take_past(struct shard *s, struct past_shard *p)
{
    s->at_cut = p->cut;
    s->serial = s->cut_serial = p->cut.serial;
    if (p->decode == NULL)
        return;
    decoder_free(s->decode);
    s->decode = p->decode;
    p->decode = NULL;
}

/* The sums of the cut go on from here. */
static void take_sums(struct shard *s)
{
    const struct shard_cut *c = &s->at_cut;

    s->records_handed = c->records;
    s->missing = c->missing;
    s->quarantined = c->quarantined;
    s->at_cut.decoder = buf_init(CHECKPOINT_MAX);
}

struct whither {
    unsigned n, shard;
};

static bool goes_there(void *ctx, const struct exporter_key *key)
{
    const struct whither *w = ctx;

    return net_steered(key->addr.b, w->n) == w->shard;
}

/* The exporters of old shard `i` to the new ones; its sums to the first. */
static int spread(struct collect *k, struct past *p, unsigned i, struct err *e)
{
    struct shard_cut *to = &k->shard[0].at_cut;
    const struct past_shard *from = &p->shard[i];

    to->records += from->cut.records;
    to->missing += from->cut.missing;
    to->quarantined += from->cut.quarantined;
    to->kernel_drops += from->cut.kernel_drops;
    to->ring_drops += from->cut.ring_drops;
    to->ring_drop_octets += from->cut.ring_drop_octets;
    to->not_journaled += from->cut.not_journaled;
    for (unsigned n = k->n_shards; from->decode != NULL && n-- > 0;) {
        struct whither w = { .n = k->n_shards, .shard = n };
        if (decoder_move(k->shard[n].decode, from->decode, goes_there, &w) != ERR_OK)
            return err_set(e, ERR_NOMEM, "recovery: out of memory");
    }
    return ERR_OK;
}

/* Another number of shards left this: let that many decoders finish their journals and seal, then
 * give every exporter to the shard to which the kernel now steers it. */
static int reshard(struct collect *k, struct past *p, struct err *e)
{
    struct collect *old;
    struct conf *c = collect_conf(k);
    uint64_t serial = 0;
    int rc = collect_new_shards(&old, c, p->n, e);

    conf_unref(c);
    if (rc != ERR_OK)
        return rc;
    rc = collect_start(old, k->st, e);
    if (rc == ERR_OK)
        rc = collect_stop(old, e);
    collect_free(old);
    past_clear(p);
    if (rc != ERR_OK || (rc = last_cut(k, p, e)) != ERR_OK)
        return rc;
    for (unsigned i = 0; rc == ERR_OK && i < p->n; i++) {
        serial = MAX(serial, p->shard[i].cut.serial);
        rc = journal_remove(k->journal_dir, i, e);
    }
    for (unsigned i = 0; rc == ERR_OK && i < p->n; i++)
        rc = spread(k, p, i, e);
    for (unsigned i = 0; i < k->n_shards; i++)
        k->shard[i].serial = k->shard[i].cut_serial = serial; /* no number twice */
    for (unsigned i = 0; i < p->n; i++)
        decoder_free(p->shard[i].decode);
    p->n = 0;
    return rc;
}

/* Say how many shards there are, and with what they begin, before the first datagram comes. */
static int first_cut(struct collect *k, struct err *e)
{
    struct buf b = buf_init(CHECKPOINT_MAX);
    struct store_cut c = { .n_shards = k->n_shards, .checkpoint = &b };
    int rc = ERR_OK;

    for (unsigned i = 0; rc == ERR_OK && i < k->n_shards; i++) {
        struct shard *s = &k->shard[i];
        s->at_cut.serial = c.journal[i] = s->serial;
        rc = decoder_save(s->decode, &s->at_cut.decoder);
    }
    if (rc == ERR_OK)
        collect_checkpoint(k, k->records_sealed, k->records_refused, &b);
    rc = rc == ERR_OK && buf_ok(&b) ? store_seal_cut(k->st, NULL, 0, &c, NULL, NULL, e)
                                    : err_set(e, ERR_NOMEM, "checkpoint: out of memory");
    buf_free(&b);
    return rc;
}

int collect_recover(struct collect *k, struct err *e)
{
    struct past *p = calloc(1, sizeof *p);
    struct conf *c = collect_conf(k);
    bool anew;
    int rc = ERR_NOMEM;

    if (p == NULL) {
        (void)err_set(e, rc, "recovery: out of memory");
        goto out;
    }
    if ((rc = os_mkdir(k->journal_dir, e)) != ERR_OK || (rc = last_cut(k, p, e)) != ERR_OK)
        goto out;
    anew = p->n != k->n_shards;
    if (p->n != 0 && anew && (rc = reshard(k, p, e)) != ERR_OK)
        goto out;
    for (unsigned i = 0; i < p->n; i++)
        take_past(&k->shard[i], &p->shard[i]);
    for (unsigned i = 0; i < k->n_shards; i++)
        take_sums(&k->shard[i]);
    k->records_sealed = p->sealed;
    k->records_refused = p->refused;
    if (anew && (rc = first_cut(k, e)) != ERR_OK)
        goto out;
    for (unsigned i = 0; rc == ERR_OK && i < k->n_shards; i++)
        rc = begin_shard(&k->shard[i], c, e);
out:
    conf_unref(c);
    if (p != NULL)
        past_clear(p);
    free(p);
    return rc;
}
