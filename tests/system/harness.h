/* harness.h - what the case programs of this folder share: a table of named cases, run one by one, reported as TAP.
 *
 * `prog` runs all its cases, `prog NAME...` those, `prog all-basic` the ones marked BASIC. Each case is run as a
 * process of its own, with an end, with its own directories, and with a mark in its environment; afterwards no
 * process may carry that mark and its temporary directories must be empty. Under mplaunch, and with MPL_TEST_CHILD
 * set (for a debugger), the cases run one after the other in the calling process.
 *
 * A case that has to see a program begin or end starts this one again as `prog --sub NAME args`. MPL_TEST_SLOW=K
 * multiplies every time limit by K and divides the big counts: for valgrind and sanitizers. */
#ifndef TESTS_SYSTEM_HARNESS_H
#define TESTS_SYSTEM_HARNESS_H

#include <errno.h>
#include <stddef.h>
#include <sys/types.h>

#include "mplaunch.h"

enum { BASIC = 1 };                     /* means the same under mplaunch, in one process with its like */

typedef struct {
    const char *name;                   /* the promise */
    void (*run) (void);
    int flags;
} case_t;

typedef struct {
    const char *name;
    int (*run) (int argc, char **argv); /* argv[0] is the program; calls mpl_init itself; the result is the exit code */
} sub_t;

/* The whole main of a case program. The tables end with a NULL name. */
int harness_main (int argc, char **argv, const mpl_task_t *tasks, const case_t *cases, const sub_t *subs);

/* ---- saying no ------------------------------------------------------------------------------------------------- */

/* Notes why the running case fails; the first reason stays. Any thread. Appends errno and mpl_error (). */
void case_fail (int line, const char *fmt, ...) __attribute__ ((format (printf, 2, 3)));
void case_skip (const char *why);

#define CHECKF(cond, ...) do { if (!(cond)) { case_fail (__LINE__, __VA_ARGS__); return; } } while (0)
#define CHECK(cond) CHECKF (cond, "%s", #cond)
#define REFUSED(cond, code)                                                                                            \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        CHECKF (cond, "%s was not refused", #cond);                                                                    \
        CHECKF (errno == (code), "%s: errno is not %s", #cond, #code);                                                 \
        CHECKF (*mpl_error (), "%s: mpl_error () is empty", #cond);                                                    \
    } while (0)
#define WAIT_UNTIL(cond, seconds)                                                                                      \
    do {                                                                                                               \
        double until_ = now () + within (seconds);                                                                     \
        while (!(cond) && now () < until_)                                                                             \
            rest (0.005);                                                                                              \
        CHECKF (cond, "after %g s still not: %s", within (seconds), #cond);                                            \
    } while (0)
/* The same where there is no case to leave, in a sub or a task. */
#define NEED(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            need_failed (__LINE__, #cond);                                                                             \
    } while (0)
void need_failed (int line, const char *what) __attribute__ ((noreturn));

/* ---- time ------------------------------------------------------------------------------------------------------ */

double now (void);                      /* monotonic seconds */
void rest (double seconds);
double within (double seconds);         /* times MPL_TEST_SLOW */
size_t fewer (size_t n);                /* divided by MPL_TEST_SLOW, at least 1 */
int is_slow (void);

/* ---- files ----------------------------------------------------------------------------------------------------- */

const char *work_dir (void);            /* this case's own directory */
void note (const char *dir, const char *file, const char *fmt, ...) __attribute__ ((format (printf, 3, 4)));  /* O_APPEND */
char *slurp (const char *dir, const char *file);        /* "" when there is none; to be freed */
size_t count_lines (const char *dir, const char *file);
size_t count_in (const char *text, const char *what);
size_t count_entries (const char *dir);                 /* in a directory, without . and .. */

/* ---- processes ------------------------------------------------------------------------------------------------- */

typedef struct {
    const char *args[8];                /* after the program; a first "--sub" is usual */
    const char *env[6];                 /* NAME=VALUE over ours */
    const char *in;                     /* its standard input (short); NULL: /dev/null */
    double limit;                       /* seconds until it is killed; 0: 20 */
    const char *mark;                   /* follows our mark in its environment; NULL: "run" */
    const char *out_path;               /* where its standard output goes; NULL: captured */
    int out_fd;                         /* or this descriptor, when not 0 */
    int own_session;
} spec_t;

typedef struct {
    int status;                         /* as of waitpid; -1: it was killed at its limit */
    char *out, *err;                    /* what it wrote; "" when not captured */
    double seconds;
} run_t;

int run_self (const spec_t *spec, run_t *run);          /* starts, waits, gathers; -1 with errno when it could not */
void run_free (run_t *run);
pid_t start_self (const spec_t *spec);                  /* output to the case's stderr; to be waited for with end_of */
int end_of (pid_t pid, double seconds, int *status);    /* 0, or -1 when it did not end by then */

/* Processes whose environment carries our mark followed by `suffix` (NULL: any), zombies and this one not among them. */
int find_marked (const char *suffix, pid_t *pids, int max);
int find_agents (const char *suffix, pid_t *pids, int max);            /* those that run mpworker */
int kill_marked (pid_t pid, int sig);   /* through a pidfd, and only if it carries our mark; -1 ESRCH when not */
void kill_all_marked (const char *suffix);
int process_is_there (pid_t pid);       /* and is no zombie */
char process_state (pid_t pid);         /* 'R', 'S', 'T', 'Z' ...; 0 when there is none */
int count_fds (void);                   /* open in this process */
int has_children (void);

#endif
