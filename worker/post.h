/* post.h - one end of the stream of frames between a launcher and an agent on another host (wire/frame.h): control
 * messages both ways, and three channels that carry what is read from a descriptor here to a descriptor there. It
 * owns the stream's two descriptors and those of its channels. Nothing here blocks. One thread, that of its loop. */
#ifndef WORKER_POST_H
#define WORKER_POST_H

#include "base/loop.h"
#include "wire/control.h"
#include "wire/frame.h"

#define MPL__POST_MAX ((size_t) 32 << 20)   /* bytes waiting to be sent; a peer that reads none for so long is gone */

typedef struct mpl_post mpl_post_t;

typedef struct {
    void (*heard) (void *arg, const mpl_control_t *message);    /* the message is valid until it returns */
    /* A frame of a stream; may be NULL when there is no tunnel: then its peer is mistaken, and gone. */
    void (*stream) (void *arg, mpl_stream_kind_t kind, uint64_t id, const uint8_t *bytes, size_t len);
    void (*gone) (void *arg, int error);        /* once: 0 at the stream's end, else errno (EPROTO: not one of ours) */
    void *arg;
} mpl_post_fns_t;

/* Takes both descriptors, whatever comes of it. greeting: bytes before this text are skipped, 64 KiB of them at most;
 * NULL: there are none. The functions may destroy it. NULL with errno. */
mpl_post_t *mpl__post_new (mpl_loop_t *loop, int in, int out, const char *greeting, const mpl_post_fns_t *fns);
void mpl__post_destroy (mpl_post_t **self);

/* Sends bytes that are no frame, before any frame. */
void mpl__post_write (mpl_post_t *self, const void *bytes, size_t len);

/* Sends the first `len` bytes of a file, which is taken, after what was written before and before any frame: only as
 * much of it is in memory as is being sent. When it is shorter than that, the stream is ended. */
void mpl__post_file (mpl_post_t *self, int fd, uint64_t len);

/* How much of the files is still to be sent. */
uint64_t mpl__post_files_left (const mpl_post_t *self);

/* Sends a message, now or when there is room. When there never will be, the stream is ended, and `gone` says why. */
void mpl__post_say (mpl_post_t *self, const mpl_control_t *message);

/* Sends a frame of a stream, of at most MPL__FRAME_DATA bytes. */
void mpl__post_stream (mpl_post_t *self, mpl_stream_kind_t kind, uint64_t id, const void *bytes, size_t len);

/* Takes fd and sends what is read from it, up to its end; or writes there what comes, up to its end. */
int mpl__post_carry (mpl_post_t *self, mpl_channel_t channel, int fd);
int mpl__post_deliver (mpl_post_t *self, mpl_channel_t channel, int fd);

/* 1 when something has come that was not heard yet. */
int mpl__post_has_input (const mpl_post_t *self);

/* 1 when all that was said has left, and all of a channel that is carried has reached its reader. */
int mpl__post_is_sent (const mpl_post_t *self);
int mpl__post_is_carried (const mpl_post_t *self, mpl_channel_t channel);

/* 1 when all that came of a channel, up to its end, was written. */
int mpl__post_is_delivered (const mpl_post_t *self, mpl_channel_t channel);

#endif
