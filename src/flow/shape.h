/* flow/shape.h - the exact list of elements a record came with, and where each of them is kept.
 * Floor 2. No I/O.
 * Threads: a shape is immutable once made; its reference count is atomic. */
#ifndef WEIR_FLOW_SHAPE_H
#define WEIR_FLOW_SHAPE_H

#include <stdatomic.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/rd.h"
#include "gen/columns.h"
#include "gen/fieldmap.h"

#define SHAPE_LEN_VAR    65535u /* RFC 7011 section 7: variable-length element */
#define SHAPE_MAX_FIELDS 4096u
/* pen of a NetFlow v9 scope field (RFC 3954 section 6.1) */
#define SHAPE_PEN_V9_SCOPE 0xffffffffu
#define PEN_REVERSE        29305u /* RFC 5103: reverse elements */

/* What no registry has an element for (rows of data/elements.csv under this number). */
#define PEN_WEIR 0xfffffffeu
enum weir_element {
    WEIR_SFLOW_SAMPLE = 1, /* a sample as it came: data format, length, body */
    WEIR_ROUTER_SHORTCUT,  /* NetFlow v7 */
    WEIR_TUNNEL_KIND,
    WEIR_TUNNEL_ID,
    WEIR_IF_TYPE = 16, /* and the interface counters behind it, in sFlow's order */
};

enum shape_kind { SHAPE_FLOW = 0, SHAPE_OPTION = 1 };

struct shape_field {
    uint32_t pen; /* 0 = IANA or NetFlow v9 number */
    uint16_t id;  /* without the enterprise bit */
    uint16_t len; /* octets on the wire, SHAPE_LEN_VAR = length stands before the value */
    uint8_t col;  /* enum col whose value gives the octets back exactly, or COL_NONE = extras */
    uint8_t conv; /* enum conv by which column and octets belong together; CONV_NONE for extras */
};

struct shape {
    _Atomic uint32_t refs;
    uint8_t proto;    /* export version, as exporter_key's */
    uint8_t kind;     /* enum shape_kind */
    uint16_t n_scope; /* leading scope fields of an option record */
    uint16_t n_fields;
    bool has_var;          /* at least one variable-length field */
    uint32_t min_octets;   /* of a record on the wire; variable fields counted with 1 octet */
    uint32_t extra_octets; /* of the extras of one row; meaningless if an extra is variable */
    bool extra_var;        /* an extra is variable */
    uint64_t hash;         /* over proto, kind, n_scope, fields */
    struct shape_field f[];
};

/* Make a shape; `f` is copied. The caller owns one reference.
 * Errors: ERR_NOMEM, ERR_ARG (more than SHAPE_MAX_FIELDS fields). */
int shape_new(struct shape **out, uint8_t proto, enum shape_kind kind, unsigned n_scope,
              const struct shape_field *f, unsigned n_fields) WARN_UNUSED;
const struct shape *shape_ref(const struct shape *s);
void shape_unref(const struct shape *s); /* NULL is allowed */
bool shape_equal(const struct shape *a, const struct shape *b);

/* Columns that are read from the headers of a packet whose beginning this element holds, where no
 * element of the record fills them (PSAMP, RFC 5477 section 8.5); 0: it holds none. */
uint64_t shape_section_cols(uint32_t pen, uint16_t id);

/* File form, and back. shape_read trusts nothing. Errors: ERR_FORMAT, ERR_NOMEM. */
void shape_write(const struct shape *s, struct buf *out);
int shape_read(struct shape **out, struct rd *r) WARN_UNUSED;

#endif
