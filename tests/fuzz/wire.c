/* Fuzz target: the decoders of records and control messages. Any bytes are decoded or refused; nothing is read beyond them, and
 * what was decoded is encoded to the same bytes. */
#include "tests/fuzz/smoke.h"
#include "wire/control.h"
#include "wire/record.h"

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

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
    fuzz_records (data, size);
    fuzz_control (data, size);
    fuzz_true_control (data, size);
    return 0;
}
