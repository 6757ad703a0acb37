/* base/defs.h - attributes and small helpers that every floor may use.
 * Floor 0. No I/O. */
#ifndef WEIR_BASE_DEFS_H
#define WEIR_BASE_DEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WARN_UNUSED       __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))
/* One source, two machine codes: the scalar twin and the AVX2 one, chosen when the program loads.
 * Sanitizers cannot intercept the loader's choice, so those builds keep the scalar twin. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(WEIR_SANITIZED)
#define SIMD_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define SIMD_CLONES
#endif

#define ARRAY_LEN(a) (sizeof(a) / sizeof(a)[0])
#define MIN(a, b)    ((a) < (b) ? (a) : (b))
#define MAX(a, b)    ((a) > (b) ? (a) : (b))

#endif
