/* serve.h - the life of a worker: connect, say hello, run the chunks it is sent, leave. It runs in a process of its own,
 * forked from a nursery, and never returns. */
#ifndef WORKER_SERVE_H
#define WORKER_SERVE_H

#include "mplaunch.h"

#include <stdint.h>

/* How main is reached from another host. */
typedef struct {
    const char *server_key;         /* main's, for this pool */
    const char *endpoints;          /* where it listens: one or more, separated by spaces */
    const char *public_key, *secret_key;        /* ours, of which main knows the first */
} mpl_abroad_t;

typedef struct {
    const mpl_task_t *tasks;
    size_t n_tasks;
    unsigned slot;                  /* its number in the pool */
    uint64_t incarnation;           /* how many had that number before */
    int page_fd, arena_fd;          /* memfds that main made, or on another host the agent there */
    int endpoint_fd;                /* O_PATH descriptor of the broker's socket; on another host a memfd of gates */
    const mpl_abroad_t *abroad;     /* NULL: main is on this host */
    size_t memory;                  /* bytes it may add to what it starts with; 0: no limit */
} mpl_serve_t;

/* Serves until main says goodbye, then leaves by _exit: 0, or 1 when it could not begin. Descriptors 0 to 2 and those of
 * `spec` are its own. */
_Noreturn void mpl__serve (const mpl_serve_t *spec);

/* A number that two builds of a program share only when their task tables are alike. */
uint64_t mpl__tasks_hash (const mpl_task_t *tasks, size_t n_tasks);

#endif
