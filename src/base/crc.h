/* base/crc.h - CRC32C (Castagnoli, RFC 3720 appendix B.4), by the processor's instruction where it
 * has one. Floor 0. Any thread. */
#ifndef WEIR_BASE_CRC_H
#define WEIR_BASE_CRC_H

#include "base/defs.h"

/* CRC of n octets, going on from `crc` (0 at first): crc32c(crc32c(0, a), b) = crc32c(0, a then b).
 */
uint32_t crc32c(uint32_t crc, const void *p, size_t n);
/* The twin without that instruction; for tests. */
uint32_t crc32c_plain(uint32_t crc, const void *p, size_t n);

#endif
