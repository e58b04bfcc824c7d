/* Fuzz target: the decoders of records, control messages, orders, frames and what a broker is told. Any bytes are
 * decoded or refused; nothing is read beyond them, and what was decoded is encoded to the same bytes. */
#include "tests/fuzz/smoke.h"
#include "wire/badge.h"
#include "wire/board.h"
#include "wire/bytes.h"
#include "wire/control.h"
#include "wire/frame.h"
#include "wire/order.h"
#include "wire/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect (int holds, const char *promise)
{
    if (holds)
        return;
    fprintf (stderr, "does not hold: %s\n", promise);
    abort ();
}

static unsigned sum;                    /* every byte of a body is read, and so must be there */

static void fuzz_records (const uint8_t *data, size_t size)
{
    size_t at = 0, before = 0;
    mpl_record_t record;
    const uint8_t *body;
    int rc;

    while ((rc = mpl__record_get (data, size, &at, &record, &body)) == 1) {
        uint8_t again[MPL__RECORD_HEAD];
        expect (at > before && at <= size, "each record moves on, inside the message");
        expect (body == data + before + MPL__RECORD_HEAD && body + record.bytes <= data + at, "a body is inside its record");
        mpl__record_put (again, &record);
        expect (!memcmp (again, data + before, sizeof again), "a record is encoded as it was decoded");
        for (uint32_t i = 0; i < record.bytes; i++)
            sum += body[i];
        before = at;
    }
    expect (at == before && (rc < 0) == (at != size), "a message ends at its end, or is refused where it breaks");
}

static void fuzz_control (const uint8_t *data, size_t size)
{
    mpl_control_t message;
    uint8_t again[MPL__CONTROL_MAX];

    if (mpl__control_decode (data, size, &message) < 0)
        return;
    expect (size <= MPL__CONTROL_MAX, "no message is longer than the longest");
    expect (memchr (message.text, 0, sizeof message.text) != NULL, "a text has its end");
    size_t len = mpl__control_encode (again, &message);
    /* A text with a NUL inside is cut there; then it is shorter. */
    expect (len <= size && (len < size || !memcmp (again, data, size)), "a message is encoded as it was decoded");
}

/* Most bytes are refused at once by a header that lies; this one says the truth about its length. */
static void fuzz_true_control (const uint8_t *data, size_t size)
{
    uint8_t bytes[MPL__CONTROL_MAX + 64];

    if (size < 1 || size > sizeof bytes - 8)
        return;
    size_t len = size - 1;
    const uint8_t head[8] = { (uint8_t) (data[0] % (MPL__C_N + 1)), 0, MPL__PROTOCOL, 0, (uint8_t) len, (uint8_t) (len >> 8),
                              0, 0 };
    memcpy (bytes, head, 8);
    memcpy (bytes + 8, data + 1, len);
    fuzz_control (bytes, 8 + len);
}

/* Every text of an order is read to its end. */
static void read_texts (char *const *texts)
{
    for (; *texts; texts++)
        sum += (unsigned) strlen (*texts);
}

static void read_order (const mpl_order_t *order)
{
    char *const all[] = { order->job, order->host, order->output ? order->output : order->wdir, NULL };

    read_texts (all);
    read_texts (order->set);
    for (size_t i = 0; i < order->n_apps; i++) {
        expect (order->apps[i].argv[0] != NULL, "a program has a name");
        read_texts (order->apps[i].argv);
        read_texts (order->apps[i].set);
        read_texts (order->apps[i].kept);
    }
    for (size_t i = 0; i < order->n_ranks; i++)
        expect (order->ranks[i].rank < order->size && order->ranks[i].app < order->n_apps, "a rank is one of the launch and runs a program");
}

static void fuzz_order (const uint8_t *data, size_t size)
{
    mpl_order_t order;
    uint8_t *again;
    size_t len;

    if (mpl__order_decode (data, size, &order) < 0) {
        expect (errno == EPROTO && !order.memory, "what is no order is refused as that");
        return;
    }
    read_order (&order);
    expect (mpl__order_encode (&order, &again, &len) == 0 && len == size && !memcmp (again, data, size),
            "an order is encoded as it was decoded");
    free (again);
    mpl__order_clear (&order);
    expect (!order.memory && !order.job, "an order that was cleared holds nothing");
}

/* Random bytes hold no order; a right one in which some bytes were changed often does. */
static void fuzz_changed_order (const uint8_t *data, size_t size)
{
    char *argv[] = { "program", "an argument", "", NULL }, *set[] = { "NAME=value", NULL }, *kept[] = { "HOME", NULL };
    mpl_order_app_t apps[] = { { argv, set, kept, MPL__KEEP_LISTED, "/tmp", NULL }, { argv, kept, set, MPL__KEEP_ALL, NULL, "a:b" } };
    mpl_order_rank_t ranks[] = { { 0, 1 }, { 3, 0 } };
    const mpl_order_t order = { .job = "job", .host = "host", .set = set, .size = 4, .node = 1, .nodes = 2, .sharers = 2, .apps = apps,
                                .n_apps = 2, .ranks = ranks, .n_ranks = 2 };
    uint8_t *bytes;
    size_t len;

    if (mpl__order_encode (&order, &bytes, &len) < 0)
        abort ();
    for (size_t i = 0; i + 3 <= size && i < 24; i += 3) {       /* three bytes of data: where, and what to add there */
        size_t at = (size_t) (data[i] | data[i + 1] << 8) % len;
        bytes[at] = (uint8_t) (bytes[at] + data[i + 2]);
    }
    fuzz_order (bytes, len);
    if (size) {                                 /* cut, and with a length that is right */
        size_t cut = 8 + data[0] * (len - 8) / 256;
        mpl__put64 (bytes, cut - 8);
        fuzz_order (bytes, cut);
    }
    free (bytes);
}

/* Bytes that say the truth about their length and protocol. */
static void fuzz_true_order (const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc (size + 12);

    if (!bytes)
        abort ();
    mpl__put64 (bytes, size + 4);
    mpl__put32 (bytes + 8, MPL__PROTOCOL);
    if (size)
        memcpy (bytes + 12, data, size);
    fuzz_order (bytes, size + 12);
    free (bytes);
}

/* A stream of frames, as a post reads it: what a header says is bounded before anything is made of it. */
static void fuzz_frames (const uint8_t *data, size_t size)
{
    mpl_frame_t frame;

    for (size_t at = 0; size - at >= MPL__FRAME_HEAD && mpl__frame_get (data + at, &frame) == 0; at += frame.bytes) {
        uint8_t again[MPL__FRAME_HEAD];
        mpl__frame_put (again, &frame);
        expect (!memcmp (again, data + at, sizeof again), "a frame is encoded as it was decoded");
        expect (frame.bytes <= MPL__FRAME_DATA + 8 && frame.channel < MPL__STREAM_KINDS, "a frame is of a channel, and has its bound");
        at += MPL__FRAME_HEAD;
        if (frame.bytes > size - at)
            break;
        if (frame.kind == MPL__FRAME_CONTROL)
            fuzz_control (data + at, frame.bytes);
        for (uint32_t i = 0; i < frame.bytes; i++)
            sum += data[at + i];
    }
}

/* A header that is right but for what three bytes of data say. */
static void fuzz_true_frames (const uint8_t *data, size_t size)
{
    uint8_t bytes[MPL__FRAME_HEAD + 256];

    if (size < 3)
        return;
    size_t len = size - 3 < 256 ? size - 3 : 256;
    mpl__frame_put (bytes, &(mpl_frame_t) { data[0] % 5, data[1] % 4, (uint32_t) len });
    bytes[2] = data[2] > 250;
    memcpy (bytes + MPL__FRAME_HEAD, data + 3, len);
    fuzz_frames (bytes, MPL__FRAME_HEAD + len);
}

static void fuzz_board (const uint8_t *data, size_t size)
{
    static uint8_t again[MPL__BOARD_MAX];
    char text[MPL__BOARD_TEXT + 1];
    mpl_board_t message;

    if (mpl__board_decode (data, size, &message) < 0)
        return;
    expect (size <= MPL__BOARD_MAX && size == mpl__board_size (&message), "no message is longer than the longest");
    expect (mpl__board_encode (again, &message) == size && !memcmp (again, data, size), "a message is encoded as it was decoded");
    sum += (unsigned) strlen (mpl__board_text (&message, text));
}

static void fuzz_true_board (const uint8_t *data, size_t size)
{
    uint8_t *bytes = malloc (size + 8);

    if (bytes && size) {
        const uint8_t head[8] = { (uint8_t) (data[0] % (MPL__B_N + 1)), 0, MPL__PROTOCOL, 0, 0, 0, 0, 0 };
        memcpy (bytes, head, 8);
        memcpy (bytes + 8, data + 1, size - 1);
        fuzz_board (bytes, size + 7);
    }
    free (bytes);
}

static void fuzz_badge (const uint8_t *data, size_t size)
{
    mpl_badge_t badge;
    mpl_err_t err;

    if (mpl__badge_parse (&badge, "fuzz", (const char *) data, size, &err) == 0)
        expect (badge.n_addresses <= MPL__BADGE_ADDRESSES && strlen (badge.secret_key) == MPL__BADGE_KEY - 1, "a badge is whole");
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    fuzz_board (data, size);
    fuzz_true_board (data, size);
    fuzz_badge (data, size);
    fuzz_order (data, size);
    fuzz_true_order (data, size);
    fuzz_changed_order (data, size);
    fuzz_frames (data, size);
    fuzz_true_frames (data, size);
    fuzz_records (data, size);
    fuzz_control (data, size);
    fuzz_true_control (data, size);
    return 0;
}
