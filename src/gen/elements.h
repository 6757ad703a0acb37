/* GENERATED from data/elements.csv by tools/gen.py. Do not edit.
 * Floor 1. Information elements by enterprise and number. */
#ifndef WEIR_GEN_ELEMENTS_H
#define WEIR_GEN_ELEMENTS_H

#include <stddef.h>
#include <stdint.h>

/* RFC 7011 section 6.1 and RFC 6313: abstract data types of elements. */
enum elem_type {
    ELEM_OCTET_ARRAY, /* octetArray */
    ELEM_UNSIGNED8, /* unsigned8 */
    ELEM_UNSIGNED16, /* unsigned16 */
    ELEM_UNSIGNED32, /* unsigned32 */
    ELEM_UNSIGNED64, /* unsigned64 */
    ELEM_SIGNED8, /* signed8 */
    ELEM_SIGNED16, /* signed16 */
    ELEM_SIGNED32, /* signed32 */
    ELEM_SIGNED64, /* signed64 */
    ELEM_FLOAT32, /* float32 */
    ELEM_FLOAT64, /* float64 */
    ELEM_BOOLEAN, /* boolean */
    ELEM_MAC_ADDRESS, /* macAddress */
    ELEM_STRING, /* string */
    ELEM_DATE_TIME_SECONDS, /* dateTimeSeconds */
    ELEM_DATE_TIME_MILLISECONDS, /* dateTimeMilliseconds */
    ELEM_DATE_TIME_MICROSECONDS, /* dateTimeMicroseconds */
    ELEM_DATE_TIME_NANOSECONDS, /* dateTimeNanoseconds */
    ELEM_IPV4_ADDRESS, /* ipv4Address */
    ELEM_IPV6_ADDRESS, /* ipv6Address */
    ELEM_BASIC_LIST, /* basicList */
    ELEM_SUB_TEMPLATE_LIST, /* subTemplateList */
    ELEM_SUB_TEMPLATE_MULTI_LIST, /* subTemplateMultiList */
    ELEM_TYPE_N
};

extern const char *const elem_type_word[ELEM_TYPE_N];

struct elem {
    uint32_t pen;  /* 0 = IANA */
    uint16_t id;
    uint8_t type; /* enum elem_type */
    uint8_t shared; /* 1: an element before it has that name too, so it is printed as PEN/NAME */
    const char *name;
    const char *semantics; /* IANA word, or "" */
    const char *units; /* IANA word, or "" */
};

extern const struct elem elem_table[];
extern const size_t elem_count;

/* Place in elem_table of the IANA element with this number; ELEM_NO_PLACE where there is none. */
#define ELEM_PLACES 534
#define ELEM_NO_PLACE 65535u
extern const uint16_t elem_place[ELEM_PLACES];

#endif
