/* meta/yaml.h - all definitions as one YAML document, for files and git.
 * Floor 3. No I/O. libyaml reads; we write.
 *
 *   groups:      by name: kind, contact ..., members: [...]
 *   names:       of address or network: name
 *   exporters:   by address: name, site ...
 *   interfaces:  a list: exporter, index, name ...
 *   rules:       a list: order, on, match ... */
#ifndef WEIR_META_YAML_H
#define WEIR_META_YAML_H

#include "meta/doc.h"

#define META_YAML_MAX (64u << 20) /* octets of a document */

void meta_yaml_write(struct buf *out, const struct meta_doc *d);

/* Read a document into d. What a section holds replaces all of it; sections that are not there stay
 * as they are. Errors: ERR_SYNTAX (not YAML, an unknown key, a value that cannot be; the message
 * begins with path:line:column), ERR_LIMIT, ERR_NOMEM. */
int meta_yaml_read(struct meta_doc *d, const char *path, const char *text, size_t len,
                   struct err *e) WARN_UNUSED;

#endif
