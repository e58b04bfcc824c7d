/* Long records in parts: what is joined is what was cut, the window holds, and no bytes harm the joint. */
#include "wire/parts.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint8_t byte_at (size_t i) { return (uint8_t) (i * 31 + i / 251); }

static void add (mpl_parts_t *parts, uint64_t chunk, size_t len)
{
    const mpl_record_t record = { .type = MPL__RESULT, .n = 3, .chunk = chunk, .first = 9, .at = 5 };
    uint8_t *body = mpl__parts_add (parts, &record, len);

    assert_non_null (body);
    assert_int_equal (0, (uintptr_t) body % MPL__RECORD_ALIGN);
    for (size_t i = 0; i < len; i++)
        body[i] = byte_at (i + chunk);
}

/* The next part as its receiver reads it. */
static int next (mpl_parts_t *parts, mpl_record_t *part, const uint8_t **bytes)
{
    uint8_t head[MPL__RECORD_HEAD], message[MPL__RECORD_HEAD + MPL__PART_BYTES];
    const uint8_t *body;
    size_t len, at = 0;

    if (!mpl__parts_next (parts, head, bytes, &len))
        return 0;
    assert_in_range (len, 1, MPL__PART_BYTES);
    memset (message, 0, sizeof message);
    memcpy (message, head, sizeof head);
    assert_int_equal (1, mpl__record_get (message, sizeof message, &at, part, &body));
    assert_int_equal (MPL__PART, part->type);
    assert_int_equal (len, part->bytes);
    return 1;
}

static void assert_whole (const mpl_record_t *record, const uint8_t *body, uint64_t chunk, size_t len)
{
    assert_int_equal (MPL__RESULT, record->type);
    assert_int_equal (3, record->n);
    assert_int_equal (chunk, record->chunk);
    assert_int_equal (9, record->first);
    assert_int_equal (5, record->at);
    assert_int_equal (len, record->bytes);
    for (size_t i = 0; i < len; i++)
        assert_int_equal (byte_at (i + chunk), body[i]);
}

static void records_of_any_length_are_joined_in_their_order (void **state)
{
    static const size_t lengths[] = { 0, 1, 31, 32, MPL__PART_BYTES - 32, MPL__PART_BYTES, MPL__PARTS_WINDOW * 3 + 17, 5 };
    size_t n = sizeof lengths / sizeof *lengths, n_joined = 0;
    mpl_parts_t parts = { .first = NULL };
    mpl_joint_t joint = { .bytes = NULL };
    mpl_record_t part, record;
    const uint8_t *bytes, *body;

    (void) state;
    for (size_t i = 0; i < n; i++)
        add (&parts, i, lengths[i]);
    while (next (&parts, &part, &bytes)) {
        int rc = mpl__joint_take (&joint, &part, bytes, &record, &body);
        assert_in_range (rc, 0, 1);
        if (rc) {
            assert_whole (&record, body, n_joined, lengths[n_joined]);
            n_joined++;
        }
        record = mpl__joint_answer (&joint);
        assert_int_equal (MPL__TAKEN, record.type);
        mpl__parts_taken (&parts, &record);
    }
    assert_int_equal (n, n_joined);
    assert_true (mpl__parts_is_empty (&parts));
    mpl__joint_clear (&joint);
}

static void no_more_than_the_window_is_under_way (void **state)
{
    mpl_parts_t parts = { .first = NULL };
    mpl_record_t part;
    const uint8_t *bytes;
    size_t sent = 0;

    (void) state;
    add (&parts, 1, 10 * MPL__PARTS_WINDOW);
    while (next (&parts, &part, &bytes))
        sent += (size_t) part.bytes;
    assert_int_equal (MPL__PARTS_WINDOW, sent);
    mpl_record_t taken = { .type = MPL__TAKEN, .n = part.n, .first = MPL__PART_BYTES };
    mpl__parts_taken (&parts, &taken);
    assert_int_equal (1, next (&parts, &part, &bytes));
    assert_int_equal (0, next (&parts, &part, &bytes));
    mpl__parts_clear (&parts);
}

static void false_answers_move_nothing (void **state)
{
    const mpl_record_t wrong[] = { { .n = 7, .first = 10 }, { .n = 0, .first = UINT64_MAX }, { .n = 0, .first = 2 * MPL__PARTS_WINDOW } };
    mpl_parts_t parts = { .first = NULL };
    mpl_record_t part;
    const uint8_t *bytes;

    (void) state;
    mpl__parts_taken (&parts, &wrong[0]);
    add (&parts, 1, 10 * MPL__PARTS_WINDOW);
    while (next (&parts, &part, &bytes))
        ;
    for (size_t i = 0; i < 3; i++)
        mpl__parts_taken (&parts, &wrong[i]);
    assert_int_equal (0, next (&parts, &part, &bytes));
    mpl__parts_clear (&parts);
}

static void parts_that_do_not_fit_are_refused (void **state)
{
    static const uint8_t bytes[64];
    const mpl_record_t first = { .type = MPL__PART, .n = 1, .first = 100, .chunk = 0, .bytes = 50 };
    const mpl_record_t wrong[] = {
        { .n = 1, .first = 100, .chunk = 49, .bytes = 10 },      /* not the next */
        { .n = 2, .first = 100, .chunk = 50, .bytes = 10 },      /* another's */
        { .n = 1, .first = 101, .chunk = 50, .bytes = 10 },      /* of another length */
        { .n = 1, .first = 100, .chunk = 50, .bytes = 51 },      /* too much */
        { .n = 1, .first = 100, .chunk = 50, .bytes = 0 },       /* nothing */
        { .n = 3, .first = 31, .chunk = 0, .bytes = 10 },        /* no record is so short */
        { .n = 3, .first = UINT64_MAX, .chunk = 0, .bytes = 10 },
    };
    mpl_record_t record;
    const uint8_t *body;

    (void) state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        mpl_joint_t joint = { .bytes = NULL };
        assert_int_equal (0, mpl__joint_take (&joint, &first, bytes, &record, &body));
        assert_int_equal (-1, mpl__joint_take (&joint, &wrong[i], bytes, &record, &body));
        assert_int_equal (EPROTO, errno);
        assert_null (joint.bytes);
    }
}

static void memory_is_taken_as_parts_come (void **state)
{
    const mpl_record_t boast = { .type = MPL__PART, .n = 1, .first = (uint64_t) 1 << 50, .chunk = 0, .bytes = 40 };
    static const uint8_t bytes[64];
    mpl_joint_t joint = { .bytes = NULL };
    mpl_record_t record;
    const uint8_t *body;

    (void) state;
    assert_int_equal (0, mpl__joint_take (&joint, &boast, bytes, &record, &body));
    assert_in_range (joint.room, 40, MPL__PARTS_WINDOW);
    mpl__joint_clear (&joint);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (records_of_any_length_are_joined_in_their_order),
        cmocka_unit_test (no_more_than_the_window_is_under_way),
        cmocka_unit_test (false_answers_move_nothing),
        cmocka_unit_test (parts_that_do_not_fit_are_refused),
        cmocka_unit_test (memory_is_taken_as_parts_come),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
