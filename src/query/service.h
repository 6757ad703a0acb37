/* query/service.h - the service of a record: protocol and port, by name where they have one.
 * Floor 4, inside query/ only. */
#ifndef WEIR_QUERY_SERVICE_H
#define WEIR_QUERY_SERVICE_H

#include "base/defs.h"

#define SERVICE_TEXT 48u

/* A number of 25 bits; equal ones have equal texts. Of the two ports the one that has a name
 * counts, the lower one where both have; without a name it is the protocol with the lower port, or
 * alone where it has no ports. The same for both directions. */
uint32_t service_of(uint64_t proto, uint64_t src_port, uint64_t dst_port);
/* "https", "tcp/50123", "gre" */
void service_text(uint32_t service, char *out, size_t cap);

#endif
