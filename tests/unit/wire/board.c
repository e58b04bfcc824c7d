/* What mpbroker is told and says: its bytes on the wire, and a decoder that takes any bytes; and the certificate
 * files. */
#include "wire/badge.h"
#include "wire/board.h"
#include "wire/bytes.h"
#include "wire/record.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Every field that travels has a byte of its own, so the golden bytes below also say the order of fields. */
static const mpl_board_t full = { .stream = 1, .lease = 2, .slots = 3, .launches = 4, .n = 5, .status = 6, .body = "why", .len = 3 };

/* A change here is a change of the protocol: MPL__PROTOCOL goes up, and doc/wire.md with it. */
static const struct {
    mpl_board_type_t type;
    uint8_t number, fields[4];
    uint32_t body_max;
} golden[] = {
    { MPL__B_JOIN, 1, { 3 }, 512 },
    { MPL__B_ATTACH, 2, { 3 }, 512 },
    { MPL__B_OPEN, 3, { 2, 1, 3 }, 0 },
    { MPL__B_WELCOME, 4, { 1 }, 512 },
    { MPL__B_REFUSED, 5, { 0 }, 512 },
    { MPL__B_LENT, 6, { 2, 3 }, 512 },
    { MPL__B_READY, 7, { 3 }, 0 },
    { MPL__B_WAIT, 8, { 3, 4 }, 0 },
    { MPL__B_LOST, 9, { 2 }, 512 },
    { MPL__B_WANT, 10, { 3 }, 0 },
    { MPL__B_RETURN, 11, { 2, 3 }, 0 },
    { MPL__B_DATA, 12, { 1 }, 65536 },
    { MPL__B_TAKEN, 13, { 1, 5 }, 0 },
    { MPL__B_END, 14, { 1 }, 0 },
    { MPL__B_CLOSE, 15, { 1, 6 }, 512 },
    { MPL__B_BEAT, 16, { 0 }, 0 },
    { MPL__B_LEAVE, 17, { 0 }, 512 },
    { MPL__B_RECLAIM, 18, { 2, 3 }, 0 },
};

#define N_GOLDEN (sizeof golden / sizeof *golden)

static size_t golden_bytes (size_t i, uint8_t *to)
{
    size_t len = 8;

    memset (to, 0, 8);
    to[0] = golden[i].number;
    to[2] = MPL__PROTOCOL;
    for (size_t k = 0; k < 4 && golden[i].fields[k]; k++, len += 8)
        mpl__put64 (to + len, golden[i].fields[k]);
    if (golden[i].body_max) {
        memcpy (to + len, "why", 3);
        len += 3;
    }
    return len;
}

static void every_message_has_these_bytes (void **state)
{
    (void) state;
    assert_int_equal (MPL__B_N - 1, N_GOLDEN);
    for (size_t i = 0; i < N_GOLDEN; i++) {
        uint8_t right[64], bytes[64];
        mpl_board_t message = full, decoded;
        message.type = golden[i].type;
        size_t len = golden_bytes (i, right);
        assert_int_equal (len, mpl__board_size (&message));
        assert_int_equal (len, mpl__board_encode (bytes, &message));
        assert_memory_equal (right, bytes, len);
        assert_int_equal (0, mpl__board_decode (bytes, len, &decoded));
        assert_int_equal (golden[i].type, decoded.type);
        assert_int_equal (golden[i].body_max ? 3 : 0, decoded.len);
    }
}

static void what_is_cut_within_its_fields_is_refused (void **state)
{
    mpl_board_t decoded;

    (void) state;
    for (size_t i = 0; i < N_GOLDEN; i++) {
        uint8_t bytes[64];
        size_t len = golden_bytes (i, bytes) - (golden[i].body_max ? 3 : 0);
        for (size_t cut = 0; cut < len; cut++) {
            assert_int_equal (-1, mpl__board_decode (bytes, cut, &decoded));
            assert_int_equal (EPROTO, errno);
        }
    }
}

static void a_body_that_is_too_long_is_cut_or_refused (void **state)
{
    static uint8_t bytes[MPL__BOARD_MAX + 1], body[MPL__BOARD_DATA + 1];
    mpl_board_t decoded;

    (void) state;
    for (size_t i = 0; i < N_GOLDEN; i++) {
        mpl_board_t message = full;
        message.type = golden[i].type;
        message.body = body;
        message.len = golden[i].body_max + 1;
        size_t len = mpl__board_encode (bytes, &message);
        assert_true (len <= MPL__BOARD_MAX);
        assert_int_equal (0, mpl__board_decode (bytes, len, &decoded));
        assert_int_equal (golden[i].body_max, decoded.len);
        assert_int_equal (-1, mpl__board_decode (bytes, len + 1, &decoded));
    }
}

static void another_version_is_told_from_nonsense (void **state)
{
    uint8_t bytes[64];
    mpl_board_t decoded;
    size_t len = golden_bytes (0, bytes);

    (void) state;
    bytes[2]++;
    assert_int_equal (-1, mpl__board_decode (bytes, len, &decoded));
    assert_int_equal (EPROTONOSUPPORT, errno);
    bytes[4] = 1;
    assert_int_equal (-1, mpl__board_decode (bytes, len, &decoded));
    assert_int_equal (EPROTO, errno);
    golden_bytes (0, bytes);
    for (unsigned type = 0; type < 65536; type++) {
        mpl__put16 (bytes, (uint16_t) type);
        int is_known = type > 0 && type < MPL__B_N;
        assert_true (is_known || mpl__board_decode (bytes, len, &decoded) < 0);
    }
}

static void a_text_is_fit_for_a_terminal (void **state)
{
    char text[MPL__BOARD_TEXT + 1];
    mpl_board_t message = { .body = "a\033[2J\nb\0c\177", .len = 10 };

    (void) state;
    assert_string_equal ("a [2J b c ", mpl__board_text (&message, text));
}

static void names_of_hosts_are_plain (void **state)
{
    (void) state;
    assert_true (mpl__board_is_name ("node-1.lab_2"));
    assert_false (mpl__board_is_name (""));
    assert_false (mpl__board_is_name ("-oProxyCommand"));
    assert_false (mpl__board_is_name ("a b"));
    assert_false (mpl__board_is_name ("a:4"));
    assert_false (mpl__board_is_name ("n[1-2]"));
}

/* ---- certificates ---------------------------------------------------------------------------------------------- */

static mpl_badge_t some_badge (void)
{
    mpl_badge_t badge = { .port = 0, .n_addresses = 2 };

    memset (badge.broker_public, 'a', 40);
    memset (badge.public_key, '#', 40);
    memset (badge.secret_key, 'c', 40);
    snprintf (badge.addresses[0], MPL__BADGE_ADDRESS, "tcp://192.0.2.1:99");
    snprintf (badge.addresses[1], MPL__BADGE_ADDRESS, "tcp://[2001:db8::1]:99");
    return badge;
}

static void a_certificate_is_read_as_it_was_written (void **state)
{
    char folder[] = "/tmp/mplt-XXXXXX", path[64];
    mpl_badge_t badge = some_badge (), read;
    struct stat stat_of;
    mpl_err_t err;

    (void) state;
    assert_non_null (mkdtemp (folder));
    snprintf (path, sizeof path, "%s/c", folder);
    assert_int_equal (0, mpl__badge_write (&badge, path, 1, &err));
    assert_int_equal (0, stat (path, &stat_of));
    assert_int_equal (0600, stat_of.st_mode & 0777);
    assert_int_equal (0, mpl__badge_read (&read, path, &err));
    assert_memory_equal (&badge, &read, sizeof badge);
    assert_int_equal (-1, mpl__badge_write (&badge, path, 1, &err));
    assert_int_equal (EEXIST, err.code);
    assert_int_equal (0, mpl__badge_write (&badge, path, 0, &err));
    assert_int_equal (0, chmod (path, 0640));
    assert_int_equal (-1, mpl__badge_read (&read, path, &err));
    assert_int_equal (EPERM, err.code);
    assert_non_null (strstr (err.text, "mode 600"));
    assert_int_equal (-1, mpl__badge_read (&read, folder, &err));
    assert_int_equal (0, unlink (path));
    assert_int_equal (0, rmdir (folder));
}

static void what_is_no_certificate_is_named_by_line_and_not_shown (void **state)
{
    static const char *const bad[] = { "", "x\n", "public short\n", "port 0\n", "port 99999\n", "address udp://x\n", "secret\n" };
    char text[MPL__BADGE_MAX];
    mpl_badge_t badge = some_badge (), read;
    mpl_err_t err;

    (void) state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal (-1, mpl__badge_parse (&read, "f", bad[i], strlen (bad[i]), &err));
        assert_int_equal (EINVAL, err.code);
    }
    size_t len = mpl__badge_print (&badge, text);
    text[len - 60] = '\0';
    assert_int_equal (-1, mpl__badge_parse (&read, "f", text, len, &err));
    assert_null (strstr (err.text, "ccc"));
    len = mpl__badge_print (&badge, text);
    for (size_t cut = 0; cut < len; cut++)
        (void) !mpl__badge_parse (&read, "f", text, cut, &err);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_message_has_these_bytes),
        cmocka_unit_test (what_is_cut_within_its_fields_is_refused),
        cmocka_unit_test (a_body_that_is_too_long_is_cut_or_refused),
        cmocka_unit_test (another_version_is_told_from_nonsense),
        cmocka_unit_test (a_text_is_fit_for_a_terminal),
        cmocka_unit_test (names_of_hosts_are_plain),
        cmocka_unit_test (a_certificate_is_read_as_it_was_written),
        cmocka_unit_test (what_is_no_certificate_is_named_by_line_and_not_shown),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
