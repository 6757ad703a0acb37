/* cmd/doctor.h - what weir doctor looks at, one function each.
 * Floor 7. Main thread. A check says what it found with doctor_say() and, where something should be
 * changed, the line to type with doctor_fix(). */
#ifndef WEIR_CMD_DOCTOR_H
#define WEIR_CMD_DOCTOR_H

#include "base/buf.h"
#include "cmd/cmd.h"

#define DOCTOR_MAX   128u /* findings */
#define DOCTOR_PORTS 32u

enum doctor_state { DOCTOR_OK, DOCTOR_LOOK, DOCTOR_BAD };

struct finding {
    enum doctor_state state;
    const char *what;
    char found[512], fix[512]; /* fix: "" = nothing to change */
};

struct doctor {
    const struct conf *conf;
    const char *root; /* /proc and /sys are looked for below it; "" */
    const char *dir;
    long server;         /* pid of the data process that holds the directory; 0: none */
    uint64_t buffer_got; /* smallest receive buffer of its sockets; 0: not known */
    bool systemd;
    uint16_t port[DOCTOR_PORTS]; /* UDP ports of `listen` */
    size_t n_ports;
    struct finding finding[DOCTOR_MAX];
    size_t n;
};

void doctor_say(struct doctor *d, enum doctor_state state, const char *what, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* What to type about the last finding. */
void doctor_fix(struct doctor *d, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A file below the root as text; "" where it cannot be read. Free with buf_free(). */
struct buf doctor_read(const struct doctor *d, const char *path);
/* The first number in a file; false: none. */
bool doctor_number(const struct doctor *d, const char *path, uint64_t *out);

/* doctor_net.c */
void doctor_buffers(struct doctor *d);
void doctor_ports(struct doctor *d);
void doctor_firewall(struct doctor *d);
void doctor_cards(struct doctor *d);
/* doctor_disk.c */
void doctor_directory(struct doctor *d);
void doctor_speed(struct doctor *d);
void doctor_space(struct doctor *d);
void doctor_journal(struct doctor *d);
/* doctor_machine.c */
void doctor_clock(struct doctor *d);
void doctor_memory(struct doctor *d);
void doctor_files(struct doctor *d);
void doctor_processors(struct doctor *d);
/* doctor_facts.c */
void doctor_facts(struct doctor *d);

#endif
