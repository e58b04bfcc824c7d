/* run.h - running one command in a worker: the task of mpeach's pool. A job has a process group of its own,
 * /dev/null as its input, and its output goes to files without a name, which come back with the answer or, when
 * they are large, are left open to be fetched. Whatever a job leaves running is ended. */
#ifndef LAUNCHER_EACH_RUN_H
#define LAUNCHER_EACH_RUN_H

#include <mplaunch.h>

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Output above this stays in its file until whoever prints it has opened that. */
#define MPL__EACH_INLINE_BYTES ((size_t) 1 << 20)

/* What every job has in common: the initializer's argument. Behind it the command's words, the replacement text
 * and the folder for output ("": none), each with its NUL. */
typedef struct {
    uint64_t timeout_ns;                /* 0: none */
    uint64_t n_words;
    uint64_t node;                      /* the host of main: large output is fetched there, and comes whole from others */
} mpl_each_setup_t;

/* A task's input. Behind it n_inputs texts, each with its NUL. */
typedef struct {
    uint64_t number, n_inputs;
} mpl_each_item_t;

/* Its result. Behind it what it printed, out_bytes and err_bytes, unless the files are to be fetched. */
typedef struct {
    uint64_t number;
    int32_t status;                     /* as from wait (2) */
    int32_t error;                      /* errno when it could not be started; then the status is that of 126 or 127 */
    int32_t timed_out;
    int32_t slot;                       /* the worker's number */
    int32_t pid;                        /* of the worker */
    int32_t out_fd, err_fd;             /* there, to be fetched; -1: the bytes follow */
    double began_at;                    /* seconds of the wall clock */
    double seconds;
    uint64_t out_bytes, err_bytes;
    char host[64];                      /* where it ran; empty: on main's host */
} mpl_each_result_t;

/* This host's number in the launch. */
uint64_t mpl__each_node (void);

/* The initializer and the task, to be registered. */
int mpl__each_prepare (mpl_call_t *call, const void *in, void *out);
int mpl__each_run (mpl_call_t *call, const void *in, void *out);

/* In main: opens a file that a worker of this host left open for us and tells the worker that it may let it go. -1
 * with errno: the worker has died, or is on another host. */
int mpl__each_fetch (pid_t worker, int fd);

#endif
