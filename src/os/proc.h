/* os/proc.h - the process: signals, privileges, the service manager.
 * Floor 1. Main thread, unless said otherwise. */
#ifndef WEIR_OS_PROC_H
#define WEIR_OS_PROC_H

#include "base/err.h"

bool proc_is_root(void);
long proc_pid(void);
bool proc_is_terminal(void); /* standard output */
bool proc_on_terminal(void); /* standard error */
unsigned proc_cpus(void);    /* that this process may use; at least 1 */

/* A closed pipe or connection becomes an error of the write, not the end of the process. */
void proc_ignore_pipe(void);

/* Large blocks of memory go back to the system when they are freed. Left to itself, malloc learns
 * from the first ones that it frees to keep them in its heaps, which are of 64 MiB and several a
 * thread there: after some minutes of sealing and merging they hold twice what is in use. */
void proc_return_memory(void);

enum proc_signal { PROC_NOTHING, PROC_STOP, PROC_RELOAD, PROC_UPGRADE, PROC_CHILD };
/* Call before any thread is started: SIGTERM, SIGINT (stop), SIGHUP (reload), SIGUSR2 (upgrade) and
 * SIGCHLD then only come out of proc_wait_signal(). */
void proc_hold_signals(void);
enum proc_signal proc_wait_signal(int64_t ms);

/* A child: returns 0 in it, its pid in the parent; there errno's text goes to *e on failure (-1).
 * The child gets SIGTERM when the parent dies. Only while there is one thread. */
long proc_fork(struct err *e);
/* After proc_drop(), which loses it: SIGTERM when the parent (this pid) dies. */
void proc_follow(long parent);
/* Has the child ended? *code: its exit code; *signal: what killed it, or 0. */
bool proc_reap(long pid, int *code, int *signal);
void proc_send(long pid, enum proc_signal s); /* PROC_STOP, PROC_RELOAD */
const char *proc_signal_name(int signal);

/* Refuse from now on, in this process and its threads, the system calls that a server has no use
 * for: programs, tracing, mounts, modules, namespaces, keys (seccomp). False where the kernel has
 * no seccomp. */
bool proc_confine(void);

/* Descriptors that this process kept over proc_replace(), or that the service manager kept over a
 * restart, by name; each is taken once. -1: none. Names hold no '_', '=' or ';'. */
int proc_inherited(const char *name);
/* Close those nobody took whose name begins so; the manager forgets them too. */
void proc_inherited_close(const char *prefix);
void proc_bequeath(const char *name, int fd);
/* What the service manager kept (LISTEN_FDS) is inherited from now on. Call once, early. */
void proc_inherit_kept(void);
/* Ask the service manager to keep this descriptor while the service is restarted (FDSTORE). */
void proc_keep(const char *name, int fd);
/* Run this program anew in the same process, with the same arguments. Returns only on failure. */
void proc_replace(struct err *e);

/* Allow as many open files as the system lets us. */
void proc_raise_file_limit(void);
uint64_t proc_file_limit(void); /* that many */

/* Become `user` for good: groups, gid, uid, no_new_privs; "" only sets no_new_privs. Who is not
 * root has no capability afterwards.
 * Errors: ERR_NOTFOUND (no such user), ERR_ARG (not root), ERR_IO. */
int proc_drop(const char *user, struct err *e) WARN_UNUSED;
/* Give a file or folder to `user`, before proc_drop. Errors: ERR_NOTFOUND, ERR_IO. */
int proc_give(const char *path, const char *user, struct err *e) WARN_UNUSED;

/* Tell the service manager (sd_notify): "READY=1", "STOPPING=1", "WATCHDOG=1", ... Nothing without
 * one. */
void proc_notify(const char *state);
/* "RELOADING=1" with the time that the protocol wants. */
void proc_notify_reloading(void);
/* How often WATCHDOG=1 is wanted, or 0. */
int64_t proc_watchdog_ms(void);

/* A number that nobody can guess; never 0. */
uint32_t proc_random(void);

#endif
