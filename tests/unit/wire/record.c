/* Records: their bytes on the wire, and a decoder that takes any bytes. */
#include "wire/record.h"
#include "wire/bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A change here is a change of the protocol: MPL__PROTOCOL goes up, and doc/wire.md with it. */
static void a_record_has_these_bytes (void **state)
{
    static const uint8_t golden[MPL__RECORD_HEAD] = {
        0x10, 0x01, 0x03, 0x02, 0x07, 0x06, 0x05, 0x04, 0x0f, 0x0e, 0x0d, 0x0c, 0x0b, 0x0a, 0x09, 0x08,
        0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11, 0x10, 0x1b, 0x1a, 0x19, 0x18, 0x1f, 0x1e, 0x1d, 0x1c,
    };
    const mpl_record_t record = { .type = MPL__CHUNK, .flags = MPL__FLAG_SHM, .fn = 0x0203, .n = 0x04050607,
                                  .chunk = 0x08090a0b0c0d0e0f, .first = 0x1011121314151617, .bytes = 0x18191a1b,
                                  .at = 0x1c1d1e1f };
    uint8_t bytes[MPL__RECORD_HEAD + 1];

    (void) state;
    memset (bytes, 0xee, sizeof bytes);
    mpl__record_put (bytes, &record);
    assert_memory_equal (golden, bytes, sizeof golden);
    assert_int_equal (0xee, bytes[MPL__RECORD_HEAD]);
}

static void every_type_keeps_its_number (void **state)
{
    static const int numbers[][2] = {
        { MPL__HELLO, 1 }, { MPL__READY, 2 }, { MPL__INIT_FAILED, 3 }, { MPL__RESULT, 4 }, { MPL__FAIL, 5 }, { MPL__PIECE, 6 },
        { MPL__CHUNK, 16 }, { MPL__CHUNK_SHM, 17 }, { MPL__INIT, 18 }, { MPL__SHARE, 19 }, { MPL__BYE, 20 },
        { MPL__FLAG_SHM, 1 },
    };

    (void) state;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        assert_int_equal (numbers[i][1], numbers[i][0]);
}

static void a_place_in_the_arena_has_these_bytes (void **state)
{
    static const uint8_t golden[MPL__SHM_BYTES] = {
        0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, 0x10, 0, 0, 0, 0, 0, 0, 0,
        0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff,
    };
    const mpl_shm_t shm = { .in = 0x0102030405060708, .in_len = 16, .out = 8192, .out_len = UINT64_C (0xff) << 56 };
    uint8_t bytes[MPL__SHM_BYTES];
    mpl_shm_t read;

    (void) state;
    mpl__shm_put (bytes, &shm);
    assert_memory_equal (golden, bytes, sizeof golden);
    mpl__shm_get (bytes, &read);
    assert_memory_equal (&shm, &read, sizeof shm);
}

static void numbers_are_little_endian (void **state)
{
    uint8_t bytes[8];

    (void) state;
    mpl__put16 (bytes, 0xfedc);
    assert_memory_equal ("\xdc\xfe", bytes, 2);
    assert_int_equal (0xfedc, mpl__get16 (bytes));
    mpl__put32 (bytes, 0xfedcba98);
    assert_memory_equal ("\x98\xba\xdc\xfe", bytes, 4);
    assert_true (0xfedcba98 == mpl__get32 (bytes));
    mpl__put64 (bytes, 0xfedcba9876543210);
    assert_memory_equal ("\x10\x32\x54\x76\x98\xba\xdc\xfe", bytes, 8);
    assert_true (0xfedcba9876543210 == mpl__get64 (bytes));
}

static void bodies_and_items_are_padded_to_sixteen (void **state)
{
    (void) state;
    assert_int_equal (32, mpl__record_size (0));
    assert_int_equal (48, mpl__record_size (1));
    assert_int_equal (48, mpl__record_size (16));
    assert_int_equal (64, mpl__record_size (17));
    assert_true (mpl__record_size (UINT32_MAX) == (size_t) UINT32_MAX + 1 + MPL__RECORD_HEAD);
    assert_int_equal (0, mpl__variable_head (0));
    assert_int_equal (16, mpl__variable_head (1));
    assert_int_equal (16, mpl__variable_head (2));
    assert_int_equal (32, mpl__variable_head (3));
    assert_int_equal (0, mpl__variable_item (0, 0));
    assert_int_equal (16, mpl__variable_item (0, 1));
    assert_int_equal (16, mpl__variable_item (16, 0));
    assert_int_equal (32, mpl__variable_item (16, 1));
}

/* Three records with bodies of 0, 5 and 16 bytes; the caller frees it. */
static uint8_t *three_records (size_t *len)
{
    static const uint32_t bodies[] = { 0, 5, 16 };
    uint8_t *message = calloc (1, *len = 32 + 48 + 48);

    assert_non_null (message);
    for (size_t i = 0, at = 0; i < 3; i++) {
        mpl__record_put (message + at, &(mpl_record_t) { .type = MPL__RESULT, .n = (uint32_t) i, .bytes = bodies[i] });
        memset (message + at + MPL__RECORD_HEAD, 'a' + (int) i, bodies[i]);
        at += mpl__record_size (bodies[i]);
    }
    return message;
}

static void records_lie_end_to_end_in_a_message (void **state)
{
    size_t len, at = 0;
    uint8_t *message = three_records (&len);
    mpl_record_t record;
    const uint8_t *body;

    (void) state;
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal (1, mpl__record_get (message, len, &at, &record, &body));
        assert_int_equal (i, record.n);
        for (uint32_t k = 0; k < record.bytes; k++)
            assert_int_equal ('a' + (int) i, body[k]);
    }
    assert_int_equal (len, at);
    assert_int_equal (0, mpl__record_get (message, len, &at, &record, &body));
    free (message);
}

/* Every length of a message, each in memory of its own so that a byte too far is seen by valgrind and the sanitizer. */
static void a_message_cut_anywhere_is_refused_there (void **state)
{
    size_t len;
    uint8_t *message = three_records (&len);

    (void) state;
    for (size_t cut = 0; cut <= len; cut++) {
        uint8_t *part = malloc (cut + (cut == 0));
        assert_non_null (part);
        memcpy (part, message, cut);
        size_t at = 0;
        mpl_record_t record;
        const uint8_t *body;
        int rc;
        while ((rc = mpl__record_get (part, cut, &at, &record, &body)) == 1)
            assert_true (at <= cut);
        int is_whole = cut == 0 || cut == 32 || cut == 80 || cut == 128;
        assert_int_equal (is_whole ? 0 : -1, rc);
        if (rc < 0)
            assert_int_equal (EPROTO, errno);
        free (part);
    }
    free (message);
}

static void a_body_longer_than_the_message_is_refused (void **state)
{
    static const uint32_t lies[] = { 17, 33, 1u << 31, UINT32_MAX - 15, UINT32_MAX };
    uint8_t message[48] = { 0 };

    (void) state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        size_t at = 0;
        mpl_record_t record;
        const uint8_t *body;
        mpl__record_put (message, &(mpl_record_t) { .type = MPL__RESULT, .bytes = lies[i] });
        assert_int_equal (-1, mpl__record_get (message, sizeof message, &at, &record, &body));
        assert_int_equal (EPROTO, errno);
        assert_int_equal (0, at);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_record_has_these_bytes),
        cmocka_unit_test (every_type_keeps_its_number),
        cmocka_unit_test (a_place_in_the_arena_has_these_bytes),
        cmocka_unit_test (numbers_are_little_endian),
        cmocka_unit_test (bodies_and_items_are_padded_to_sixteen),
        cmocka_unit_test (records_lie_end_to_end_in_a_message),
        cmocka_unit_test (a_message_cut_anywhere_is_refused_there),
        cmocka_unit_test (a_body_longer_than_the_message_is_refused),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
