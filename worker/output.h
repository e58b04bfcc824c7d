/* output.h - what the ranks of a host print: read from their pipes, and written line by line to one descriptor, so
 * that lines of different ranks never mix, whatever their length. Without a tag every byte arrives as it was
 * printed. Nothing here blocks, but a write to a file: a reader that is slow slows the ranks, through full pipes,
 * and what waits here is bounded. One thread, the agent's. */
#ifndef WORKER_OUTPUT_H
#define WORKER_OUTPUT_H

#include "base/loop.h"

#include <stddef.h>

typedef struct mpl_sink mpl_sink_t;         /* where lines go: stdout or stderr */
typedef struct mpl_stream mpl_stream_t;     /* where they come from: one stream of one rank */

#define MPL__SINK_BYTES ((size_t) 1 << 20)          /* waiting to be written; above it nothing is read */

/* A longer line is passed on as it comes, and for so long its stream alone may write: until the line's end, or
 * until its writer has been silent for MPL__HOLD_NS, since others cannot wait for ever. */
#define MPL__LINE_BYTES ((size_t) 64 << 10)
#define MPL__HOLD_NS 500000000u

/* After which an unfinished line of an MPL__SHOW_SOON stream is shown: a prompt. */
#define MPL__PROMPT_NS 100000000u

/* When the beginning of a line is shown that has no end yet. */
typedef enum {
    MPL__SHOW_LINES,            /* with the rest of its line */
    MPL__SHOW_SOON,             /* when nothing has followed for a moment */
    MPL__SHOW_NOW               /* at once, for as long as it is the sink's only stream */
} mpl_show_t;

/* What becomes of a stream's lines. tag: goes before each line, and a last line without an end gets one; NULL:
 * none. copy: a file that gets all bytes as they are, taken; -1: none. */
typedef struct {
    const char *tag;            /* copied */
    mpl_show_t show;
    int copy;
} mpl_style_t;

/* Writes to fd, which stays the caller's. NULL with errno. */
mpl_sink_t *mpl__sink_new (mpl_loop_t *loop, int fd);
void mpl__sink_destroy (mpl_sink_t **self);

/* Why nothing can be written any more, as an errno value (EPIPE: the reader is gone): what is printed from now on
 * is dropped. 0: all is well. */
int mpl__sink_error (const mpl_sink_t *self);

/* Why a stream's copy is not whole, as an errno value; 0: all are. */
int mpl__sink_copy_error (const mpl_sink_t *self);

/* 1 when everything was written. */
int mpl__sink_is_empty (const mpl_sink_t *self);

/* Does what is due at `now` (showing prompts, no more waiting for the end of a long line). When the next such
 * thing is due. */
uint64_t mpl__sink_tick (mpl_sink_t *self, uint64_t now);

/* Carries what is written into the pipe `fd`, which it takes, to the sink. NULL with errno, and then fd and the
 * copy are closed. */
mpl_stream_t *mpl__stream_new (mpl_sink_t *sink, int fd, const mpl_style_t *style);

/* 1 when nobody can write into it any more and all was passed on. NULL is ended. */
int mpl__stream_is_ended (const mpl_stream_t *self);

/* Takes what is in the pipe now, though a writer may be left, and ends it. */
void mpl__stream_finish (mpl_stream_t *self);
void mpl__stream_destroy (mpl_stream_t **self);

#endif
