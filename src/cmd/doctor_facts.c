/* weir doctor: what is known of addresses, and how old it is. */
#include <inttypes.h>
#include <stdio.h>

#include "cmd/doctor.h"
#include "enrich/geo.h"
#include "os/clock.h"

#define DAY_MS   86400000
#define OLD_DAYS 180 /* by then some percents of the addresses have moved */

void doctor_facts(struct doctor *d)
{
    static const char *const what[GEO_N] = { "AS numbers", "countries" };
    struct geo *g = NULL;
    struct err e;

    if (cmd_geo(d->conf, &g, &e) != ERR_OK) {
        doctor_say(d, DOCTOR_BAD, "facts", "%.400s", e.msg);
        doctor_fix(d, "weir data import FILE...");
        return;
    }
    for (unsigned k = 0; k < GEO_N; k++) {
        const struct ranges_about *b = geo_about(g, (enum geo_kind)k);
        int64_t days = b != NULL ? (clock_now_ms() - b->version.date_ms) / DAY_MS : 0;
        if (b == NULL)
            doctor_say(d, DOCTOR_OK, what[k], "no data of addresses: known where exporters tell");
        else
            doctor_say(d, days > OLD_DAYS ? DOCTOR_LOOK : DOCTOR_OK, what[k],
                       "%.250s, %" PRId64 " days old", b->source, days > 0 ? days : 0);
        if (b != NULL && days > OLD_DAYS)
            doctor_fix(d, "weir data import FILE...");
    }
    geo_unref(g);
}
