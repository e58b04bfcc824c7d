/* output.h - what the ranks of a host print: read from their pipes, and written line by line to one descriptor, so that lines of
 * different ranks never mix. Nothing here blocks: a reader that is slow slows the ranks, through full pipes. */
#ifndef WORKER_OUTPUT_H
#define WORKER_OUTPUT_H

#include "base/loop.h"

#include <stddef.h>

typedef struct mpl_sink mpl_sink_t;         /* where lines go: stdout or stderr */
typedef struct mpl_stream mpl_stream_t;     /* where they come from: one stream of one rank */

#define MPL__SINK_BYTES ((size_t) 1 << 20)          /* waiting to be written; above it nothing is read */
#define MPL__LINE_BYTES ((size_t) 1 << 20)          /* a longer line is passed on in parts */

/* Writes to fd, which stays the caller's. NULL with errno. */
mpl_sink_t *mpl__sink_new (mpl_loop_t *loop, int fd);
void mpl__sink_destroy (mpl_sink_t **self);

/* Why nothing can be written any more, as an errno value (EPIPE: the reader is gone): what is printed from now on is dropped.
 * 0: all is well. */
int mpl__sink_error (const mpl_sink_t *self);

/* 1 when everything was written. */
int mpl__sink_is_empty (const mpl_sink_t *self);

/* Carries what is written into the pipe `fd`, which it takes, to the sink. NULL with errno, and then fd is closed. */
mpl_stream_t *mpl__stream_new (mpl_sink_t *sink, int fd);

/* Reads what is there now, whatever waits to be written; for the end, when nobody will write any more. */
void mpl__stream_drain (mpl_stream_t *self);

/* Writes a last line without its newline, and frees it. */
void mpl__stream_destroy (mpl_stream_t **self);

#endif
