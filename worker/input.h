/* input.h - standard input for every rank of a host at once: what is read from one descriptor is written to all of
 * them, byte for byte. The slowest reader decides how fast; a rank that has closed its end is waited for no more;
 * nothing is read while no rank is left. One thread, the agent's. */
#ifndef WORKER_INPUT_H
#define WORKER_INPUT_H

#include "base/loop.h"

#include <stddef.h>

typedef struct mpl_input mpl_input_t;

/* Reads from fd, which stays the caller's, for at most n ranks. NULL with errno. */
mpl_input_t *mpl__input_new (mpl_loop_t *loop, int fd, size_t n);

/* One more reader: the end of a pipe for its standard input, the caller's to close. -1 with errno. */
int mpl__input_add (mpl_input_t *self);

/* All readers are there: reading begins. */
void mpl__input_begin (mpl_input_t *self);

void mpl__input_destroy (mpl_input_t **self);

#endif
