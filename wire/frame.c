#include "wire/frame.h"
#include "wire/control.h"

int mpl__frame_get (const uint8_t *from, mpl_frame_t *frame)
{
    *frame = (mpl_frame_t) { from[0], from[1], mpl__get32 (from + 4) };
    if (mpl__get16 (from + 2) != 0)
        return -1;
    switch (frame->kind) {
    case MPL__FRAME_CONTROL:
        return frame->channel == 0 && frame->bytes <= MPL__CONTROL_MAX ? 0 : -1;
    case MPL__FRAME_OF_DATA:
        return frame->channel < MPL__CHANNELS && frame->bytes <= MPL__FRAME_DATA ? 0 : -1;
    case MPL__FRAME_TAKEN:
        return frame->channel < MPL__CHANNELS && frame->bytes == 8 ? 0 : -1;
    case MPL__FRAME_STREAM:
        return frame->channel < MPL__STREAM_KINDS && frame->bytes >= 8 && frame->bytes <= 8 + MPL__FRAME_DATA ? 0 : -1;
    default:
        return -1;
    }
}
