/* Captures: every packet of any file, through links, IP, reassembly and UDP. Each packet is counted
 * once. */
#include "collect/capture.h"
#include "collect/udp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct capture_packet p;
    struct udp_datagram d;
    struct udp_reader *u;
    struct capture *c;
    struct err e;
    struct udp_stats st;
    uint64_t packets = 0, counted = 0;
    unsigned sum = 0;
    int rc;

    if (capture_open(&c, data, size, &e) != ERR_OK)
        return 0;
    if (udp_reader_new(&u) == ERR_OK) {
        while ((rc = capture_next(c, &p, &e)) == ERR_OK) {
            packets++;
            if (udp_extract(u, &p, &d) != UDP_OK)
                continue;
            for (size_t i = 0; i < d.len; i++)
                sum += d.octets[i]; /* every octet promised is there */
        }
        if (rc != ERR_NOTFOUND && e.msg[0] == '\0')
            __builtin_trap(); /* damage is always named */
        udp_get_stats(u, &st);
        for (size_t i = 0; i < ARRAY_LEN(st.result); i++)
            counted += st.result[i];
        if (counted != packets || capture_at(c) > size)
            __builtin_trap();
        udp_reader_free(u);
    }
    capture_close(c);
    (void)*(volatile unsigned *)&sum; /* so that no compiler drops the reads */
    return 0;
}
