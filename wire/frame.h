/* frame.h - how a launcher and an agent on another host share one stream of bytes each way, standard input and output of
 * what carries them there (ssh, srun): control messages between what ranks print and read.
 *
 * After the launcher's two lines and its order, and after the agent's greeting, all is frames: a header of 8 bytes and a body.
 *
 *      0  kind      8 bits
 *      1  channel   8     DATA, TAKEN: which of the three
 *      2            16    zero
 *      4  bytes     32    of body
 *
 * CONTROL: a control message (wire/control.h). DATA: bytes of a channel, at most MPL__FRAME_DATA; none are its end. TAKEN: how
 * many bytes of a channel were passed on (64 bits; MPL__FRAME_REFUSED: nobody there takes any more), so that at most MPL__FRAME_WINDOW of one are ever under way: what nobody
 * reads fills no memory, and holds up nothing else. */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include "wire/bytes.h"

#include <stddef.h>

#define MPL__FRAME_HEAD 8u
#define MPL__FRAME_DATA 65536u          /* what a pipe holds */
#define MPL__FRAME_WINDOW 262144u       /* at 1 ms there and back that is 256 MB/s of a rank's output */

#define MPL__FRAME_REFUSED UINT64_MAX

/* An agent's first bytes. What is before them is noise: a login shell may have said something. */
#define MPL__GREETING "\nmplaunch agent\n"

enum { MPL__FRAME_CONTROL = 1, MPL__FRAME_OF_DATA, MPL__FRAME_TAKEN, MPL__FRAME_STREAM };

/* What a frame of a stream is, in the place of its channel: a TCP connection through the tunnel (worker/tunnel.h).
 * Its body is the stream's id (64 bits) and then, to OPEN it, where it leads; of DATA bytes, none are its end; to
 * those TAKEN how many (64 bits); LOST ends all whose ids have these upper 32 bits. */
typedef enum { MPL__STREAM_OPEN, MPL__STREAM_DATA, MPL__STREAM_TAKEN, MPL__STREAM_LOST, MPL__STREAM_KINDS } mpl_stream_kind_t;

/* What the agent there has as its standard input, output and error. */
typedef enum { MPL__CHANNEL_IN, MPL__CHANNEL_OUT, MPL__CHANNEL_ERR, MPL__CHANNELS } mpl_channel_t;

typedef struct {
    uint8_t kind, channel;
    uint32_t bytes;
} mpl_frame_t;

static inline void mpl__frame_put (uint8_t *to, const mpl_frame_t *frame)
{
    to[0] = frame->kind;
    to[1] = frame->channel;
    mpl__put16 (to + 2, 0);
    mpl__put32 (to + 4, frame->bytes);
}

/* Reads MPL__FRAME_HEAD bytes. 0; -1: they are no header, or of a frame that is too long. */
int mpl__frame_get (const uint8_t *from, mpl_frame_t *frame);

#endif
