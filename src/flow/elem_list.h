/* flow/elem_list.h - lists inside records (RFC 6313) as text.
 * Floor 2. Pure. */
#ifndef WEIR_FLOW_ELEM_LIST_H
#define WEIR_FLOW_ELEM_LIST_H

#include "base/buf.h"
#include "gen/elements.h"

static inline bool elem_is_list(unsigned type)
{
    return type == ELEM_BASIC_LIST || type == ELEM_SUB_TEMPLATE_LIST ||
           type == ELEM_SUB_TEMPLATE_MULTI_LIST;
}

/* A list of this type (enum elem_type) as a JSON object, or as text. False, and nothing put, where
 * the octets are none. */
bool elem_list_put(struct buf *out, uint8_t type, bool json, const uint8_t *p, size_t len);

#endif
