/* query/sessions.h - conversations stitched from records: both directions of a 5-tuple, all slices
 * of it, as long as no pause is longer than the idle timeout. Floor 4, inside query/ only.
 *
 * Who opened it (the client): the source of a biflow; else of a TCP record with SYN and without
 * ACK; else of the direction that begins more than a second before the other; else, and where only
 * one direction is known, the ports tell: a well-known port (1 to 1023) facing a higher one is the
 * server's; else of the direction that begins first. Rows are looked at up to the idle timeout
 * outside the frame, so that a session that goes on is not taken for a new one. A session counts in
 * the frame, the bin and the group of its first record. */
#ifndef WEIR_QUERY_SESSIONS_H
#define WEIR_QUERY_SESSIONS_H

#include "query/group.h"

#define SESSION_IDLE_MS 300000

/* Columns of a session; VALUE_SESSION's calc. */
enum session_value {
    SESSION_START,
    SESSION_END,
    SESSION_DURATION,
    SESSION_CLIENT,
    SESSION_SERVER,
    SESSION_CLIENT_PORT,
    SESSION_SERVER_PORT,
    SESSION_PROTO,
    SESSION_CLIENT_BYTES,
    SESSION_CLIENT_PACKETS,
    SESSION_SERVER_BYTES,
    SESSION_SERVER_PACKETS,
    SESSION_TOTAL_BYTES,
    SESSION_TOTAL_PACKETS,
    SESSION_SENDER,
    SESSION_RECEIVER,
    SESSION_SLICES,
    SESSION_STATE,
    SESSION_VALUE_N
};
enum session_state {
    STATE_OPEN,       /* answered, and no end was seen */
    STATE_CLOSED,     /* TCP: both sides sent FIN, or one RST after an answer */
    STATE_REFUSED,    /* TCP: answered by RST only */
    STATE_UNANSWERED, /* nothing came back */
    STATE_SYN_ONLY,   /* TCP: nothing but SYN, and nothing came back */
    STATE_N
};
const char *session_value_name(unsigned v); /* "client bytes" */
const char *session_state_name(unsigned v);

/* Does the question need stitching? */
static inline bool sessions_wanted(const struct plan *p)
{
    return p->stitch && !p->option_records;
}
int64_t sessions_idle_ms(const struct query_control *ctl);
/* Who opened each row's session, where sessions begin, and rows of sessions that the plan's session
 * filter refuses are set aside: into g->swapped, g->begins, g->aside. */
int sessions_stitch(struct group *g) WARN_UNUSED;
/* List of sessions that begin in the frame, and their totals. */
int answer_sessions(struct group *g, struct answer_sink *sink) WARN_UNUSED;

#endif
