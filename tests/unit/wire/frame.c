/* Frames: their header, byte by byte, and what is refused before anything of the body is read. */
#include "wire/control.h"
#include "wire/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int get (uint8_t kind, uint8_t channel, uint32_t bytes)
{
    uint8_t head[MPL__FRAME_HEAD];
    mpl_frame_t frame;

    mpl__frame_put (head, &(mpl_frame_t) { kind, channel, bytes });
    int rc = mpl__frame_get (head, &frame);
    if (rc == 0) {
        assert_int_equal (kind, frame.kind);
        assert_int_equal (channel, frame.channel);
        assert_int_equal (bytes, frame.bytes);
    }
    return rc;
}

static void a_header_has_these_bytes (void **state)
{
    const uint8_t want[MPL__FRAME_HEAD] = { 2, 1, 0, 0, 0x34, 0x12, 0, 0 };
    uint8_t head[MPL__FRAME_HEAD];
    mpl_frame_t frame;

    (void) state;
    mpl__frame_put (head, &(mpl_frame_t) { MPL__FRAME_OF_DATA, MPL__CHANNEL_OUT, 0x1234 });
    assert_memory_equal (want, head, sizeof want);
    assert_int_equal (0, mpl__frame_get (want, &frame));
    assert_int_equal (MPL__FRAME_OF_DATA, frame.kind);
    assert_int_equal (MPL__CHANNEL_OUT, frame.channel);
    assert_int_equal (0x1234, frame.bytes);
}

static void what_is_right_is_taken (void **state)
{
    (void) state;
    assert_int_equal (0, get (MPL__FRAME_CONTROL, 0, 0));
    assert_int_equal (0, get (MPL__FRAME_CONTROL, 0, MPL__CONTROL_MAX));
    for (uint8_t channel = 0; channel < MPL__CHANNELS; channel++) {
        assert_int_equal (0, get (MPL__FRAME_OF_DATA, channel, 0));
        assert_int_equal (0, get (MPL__FRAME_OF_DATA, channel, MPL__FRAME_DATA));
        assert_int_equal (0, get (MPL__FRAME_TAKEN, channel, 8));
    }
}

static void what_is_too_long_or_unknown_is_refused (void **state)
{
    (void) state;
    assert_int_equal (-1, get (MPL__FRAME_CONTROL, 0, MPL__CONTROL_MAX + 1));
    assert_int_equal (-1, get (MPL__FRAME_CONTROL, 1, 0));
    assert_int_equal (-1, get (MPL__FRAME_OF_DATA, 0, MPL__FRAME_DATA + 1));
    assert_int_equal (-1, get (MPL__FRAME_OF_DATA, 0, UINT32_MAX));
    assert_int_equal (-1, get (MPL__FRAME_OF_DATA, MPL__CHANNELS, 1));
    assert_int_equal (-1, get (MPL__FRAME_TAKEN, 0, 7));
    assert_int_equal (-1, get (MPL__FRAME_TAKEN, 0, 9));
    assert_int_equal (-1, get (MPL__FRAME_TAKEN, MPL__CHANNELS, 8));
    assert_int_equal (-1, get (MPL__FRAME_STREAM, 0, 7));
    assert_int_equal (-1, get (MPL__FRAME_STREAM, 0, 8 + MPL__FRAME_DATA + 1));
    assert_int_equal (-1, get (MPL__FRAME_STREAM, MPL__STREAM_KINDS, 8));
    assert_int_equal (-1, get (0, 0, 0));
    for (int kind = MPL__FRAME_STREAM + 1; kind < 256; kind++)
        assert_int_equal (-1, get ((uint8_t) kind, 0, 8));
}

static void what_shall_be_zero_is (void **state)
{
    mpl_frame_t frame;

    (void) state;
    for (int bit = 0; bit < 16; bit++) {
        uint8_t head[MPL__FRAME_HEAD] = { MPL__FRAME_OF_DATA };
        head[2 + bit / 8] = (uint8_t) (1 << bit % 8);
        assert_int_equal (-1, mpl__frame_get (head, &frame));
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_header_has_these_bytes),
        cmocka_unit_test (what_is_right_is_taken),
        cmocka_unit_test (what_is_too_long_or_unknown_is_refused),
        cmocka_unit_test (what_shall_be_zero_is),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
