/* flow/elem.h - information elements by number and name, and their values as text.
 * Floor 2. Pure. */
#ifndef WEIR_FLOW_ELEM_H
#define WEIR_FLOW_ELEM_H

#include "base/buf.h"
#include "flow/elem_own.h"
#include "gen/elements.h"

/* From now on a user's rows are part of the dictionary, before the built-in ones where they have
 * the same number; NULL: none. To be said before other threads start; `o` is to stay. */
void elem_own_use(const struct elem_own *o);

/* The element, or NULL if the dictionary has none. */
const struct elem *elem_find(uint32_t pen, uint16_t id);

/* By name, ignoring case: an IANA name, a vendor's name of the registry, "reverse" + IANA name (RFC
 * 5103: pen becomes PEN_REVERSE), "PEN/ID", "PEN/NAME" or "ID". False if unknown. A name that
 * several enterprises use is the built-in one's with the lowest number. */
bool elem_parse(const char *s, size_t len, uint32_t *pen, uint16_t *id) WARN_UNUSED;

/* The nearest known name (edit distance), for "did you mean"; NULL if none is near. */
const char *elem_nearest(const char *s, size_t len);

/* Name as printed: "sourceIPv4Address", "reverseOctetDeltaCount", "PEN/NAME" where the name alone
 * means another element, or "PEN/ID". At most 96 octets. */
size_t elem_name(uint32_t pen, uint16_t id, char *out, size_t cap);

/* A value as sent, as one JSON value: numbers native, addresses and MAC as text, times of ms, us
 * and ns as RFC 3339 text in UTC, seconds likewise, strings cut at the first NUL, lists as objects
 * (elem_list.h), octets and unknown elements as hex text. */
void elem_json(struct buf *out, uint32_t pen, uint16_t id, const uint8_t *p, size_t len);

/* The same as plain text without quotes, for tables and CSV, and for regular expressions. */
void elem_text(struct buf *out, uint32_t pen, uint16_t id, const uint8_t *p, size_t len);

void elem_hex(struct buf *out, const uint8_t *p, size_t len);

/* Unsigned number of a value: integers, times in their unit, MAC as 48 bits, IPv4 as 32 bits. False
 * for text, octets over 8 octets, and IPv6. */
bool elem_number(uint32_t pen, uint16_t id, const uint8_t *p, size_t len, uint64_t *out);

#endif
