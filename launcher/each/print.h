/* print.h - prints what jobs printed: each job's output in one piece, as they end or in the order of their inputs.
 * It owns what waits for its turn, which is bounded by whoever submits jobs (mpl__print_is_full). One thread. */
#ifndef LAUNCHER_EACH_PRINT_H
#define LAUNCHER_EACH_PRINT_H

#include <stddef.h>

#define MPL__PRINT_WAITING_MAX 65536            /* jobs whose output waits for its turn */
#define MPL__PRINT_BYTES_MAX ((size_t) 64 << 20)        /* of theirs in memory */

typedef struct mpl_print mpl_print_t;

/* One stream of one job: bytes in memory, or a file. */
typedef struct {
    char *bytes;
    size_t len;
    int fd;                             /* -1: the bytes */
} mpl_printed_t;

/* in_order: jobs are printed by their numbers, from 1 on, each of which is added once. NULL: ENOMEM. */
mpl_print_t *mpl__print_new (int in_order);

/* What a job printed on standard output and error; both are taken. tag: goes before each line, taken; NULL: none.
 * 0; -1 with errno when it cannot be printed (EPIPE: the reader is gone). Blocks as long as the reader does. */
int mpl__print_add (mpl_print_t *self, unsigned long number, mpl_printed_t *out, mpl_printed_t *err, char **tag);

/* That job prints nothing: it was done before. */
int mpl__print_skip (mpl_print_t *self, unsigned long number);

/* 1: so much waits for an earlier job that no further ones should be begun. */
int mpl__print_is_full (const mpl_print_t *self);

/* Prints what still waits, though earlier jobs never came. */
int mpl__print_rest (mpl_print_t *self);
void mpl__print_destroy (mpl_print_t **self);

#endif
