#include "collect/framing.h"

#include "base/be.h"

#define IPFIX_HEAD 16u
#define V5_HEAD    24u
#define V5_RECORD  48u
#define V5_MAX     30u /* records */
#define V9_HEAD    20u
#define SET_HEAD   4u

enum version { V5 = 5, V9 = 9, IPFIX = 10 };

static bool is_version(unsigned v)
{
    return v == V5 || v == V9 || v == IPFIX;
}

static enum framing whole_if(size_t want, size_t n, size_t *len)
{
    *len = want;
    return n >= want ? FRAMING_MESSAGE : FRAMING_MORE;
}

static enum framing v9(const uint8_t *p, size_t n, bool quiet, size_t *len)
{
    size_t at = V9_HEAD;

    while (n >= at + 2) {
        unsigned id = be16(p + at), octets;
        *len = at;
        if (is_version(id))
            return FRAMING_MESSAGE;
        if (id > 1 && id < 256)
            return FRAMING_LENGTH;
        if (n < at + SET_HEAD)
            return FRAMING_MORE;
        octets = be16(p + at + 2);
        if (octets < SET_HEAD || at + octets > FRAMING_MAX)
            return FRAMING_LENGTH;
        at += octets;
    }
    *len = at;
    return quiet && n == at ? FRAMING_MESSAGE : FRAMING_MORE;
}

enum framing framing_next(const uint8_t *p, size_t n, bool quiet, size_t *len)
{
    unsigned version, second;

    *len = 0;
    if (n < 2)
        return n == 1 && p[0] != 0 ? FRAMING_VERSION : FRAMING_MORE;
    version = be16(p);
    if (!is_version(version))
        return FRAMING_VERSION;
    if (version == V9)
        return v9(p, n, quiet, len);
    if (n < 4)
        return FRAMING_MORE;
    second = be16(p + 2);
    if (version == IPFIX)
        return second < IPFIX_HEAD ? FRAMING_LENGTH : whole_if(second, n, len);
    return second == 0 || second > V5_MAX ? FRAMING_LENGTH
                                          : whole_if(V5_HEAD + second * V5_RECORD, n, len);
}
