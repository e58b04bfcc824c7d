/* Control messages: their bytes on the wire, a decoder that takes any bytes, and descriptors that travel beside them. */
#include "wire/control.h"
#include "base/fd.h"
#include "wire/bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* Every field that travels has a byte of its own, so the golden bytes below also say the order of fields. */
static const mpl_control_t full = {
    .protocol = 0x01, .role = 0x02, .rank = 0x03, .size = 0x04, .local_rank = 0x05, .local_size = 0x06, .pool = 0x07,
    .workers = 0x08, .first_slot = 0x09, .timeout_ns = 0x0a, .memory = 0x0b, .slot = 0x0c, .incarnation = 0x0d, .mark = 0x0e,
    .pid = 0x0f, .status = 0x10, .end = 0x11, .peak_bytes = 0x12, .wall_ns = 0x13,
    .cpu_ns = 0x14, .node = 0x15, .cores = 0x16, .at = 0x17, .nursery = 0x18, .port_first = 0x19, .port_last = 0x1a,
    .chunk = 0x1b, .word = 0x1c, .n = 0x1d, .from = 0x1e, .item = 0x1f, .sent = 0x20, .text = "why",
};

/* What each type carries: its fields by the bytes above, a text or none, and how many descriptors it may bring.
 * A change here is a change of the protocol: MPL__PROTOCOL goes up, and doc/wire.md with it. */
static const struct {
    mpl_control_type_t type;
    uint8_t number, fields[10], has_text, fds;
} golden[] = {
    { MPL__C_HELLO, 1, { 0x01, 0x0f }, 0, 1 },
    { MPL__C_WELCOME, 2, { 0x02, 0x03, 0x04, 0x05, 0x06, 0x1d, 0x1e, 0x0a, 0x0b }, 1, 0 },
    { MPL__C_POOL_OPEN, 3, { 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0d }, 0, 4 },
    { MPL__C_CLOSING, 4, { 0x07, 0x15 }, 0, 0 },
    { MPL__C_TERMINATE, 5, { 0x07, 0x15 }, 0, 0 },
    { MPL__C_DISMISS, 6, { 0x07, 0x15, 0x0c, 0x0d }, 0, 0 },
    { MPL__C_SPAWN, 7, { 0x07, 0x0c, 0x0d, 0x0b, 0x0e }, 1, 3 },
    { MPL__C_SPAWNED, 8, { 0x07, 0x0c, 0x0d, 0x0f, 0x10 }, 0, 1 },
    { MPL__C_EXITED, 9, { 0x07, 0x0c, 0x0d, 0x0f, 0x10, 0x11, 0x12 }, 0, 0 },
    { MPL__C_BROKEN, 10, { 0x07, 0x15 }, 1, 0 },
    { MPL__C_SIGNAL, 11, { 0x10 }, 0, 0 },
    { MPL__C_STARTED, 12, { 0x03, 0x0f, 0x10 }, 1, 0 },
    { MPL__C_ENDED, 13, { 0x03, 0x0f, 0x10, 0x11, 0x12, 0x13, 0x14 }, 0, 0 },
    { MPL__C_AGENT, 14, { 0x01, 0x0f, 0x16, 0x17 }, 1, 0 },
    { MPL__C_BEAT, 15, { 0x17 }, 0, 0 },
    { MPL__C_TRANSPORT, 16, { 0x19, 0x1a }, 1, 0 },
    { MPL__C_HOST, 17, { 0x15, 0x09, 0x08 }, 1, 0 },
    { MPL__C_HOST_LOST, 18, { 0x15 }, 1, 0 },
    { MPL__C_POOL_FAR, 19, { 0x07, 0x15, 0x08, 0x09, 0x0a, 0x0b, 0x0d }, 1, 0 },
    { MPL__C_POOL_OVER, 20, { 0x07, 0x15 }, 0, 0 },
    { MPL__C_KEY, 21, { 0x07, 0x15, 0x18 }, 1, 0 },
    { MPL__C_RECALL, 22, { 0x07, 0x15, 0x0c, 0x0d, 0x1b, 0x1c, 0x1d }, 0, 0 },
    { MPL__C_RECALLED, 23, { 0x07, 0x0c, 0x0d, 0x1b, 0x1e, 0x1d }, 0, 0 },
    { MPL__C_LAST, 24, { 0x07, 0x0c, 0x0d, 0x1b, 0x1f, 0x20 }, 0, 0 },
    { MPL__C_GROW, 25, { 0x08 }, 0, 0 },
    { MPL__C_CHECK, 26, { 0x15 }, 1, 0 },
    { MPL__C_CHECKED, 27, { 0x1d, 0x15, 0x10 }, 1, 0 },
    { MPL__C_STAGED, 28, { 0 }, 0, 0 },
    { MPL__C_SLOTS, 29, { 0x08, 0x1d }, 0, 0 },
    { MPL__C_RETIRE, 30, { 0x07, 0x0c, 0x0d }, 0, 0 },
};

#define N_GOLDEN (sizeof golden / sizeof *golden)

static size_t golden_bytes (size_t i, uint8_t to[MPL__CONTROL_MAX])
{
    size_t len = 8;

    memset (to, 0, MPL__CONTROL_MAX);
    for (size_t k = 0; golden[i].fields[k]; k++, len += 8)
        to[len] = golden[i].fields[k];
    if (golden[i].has_text) {
        memcpy (to + len, "\3\0\0\0why", 7);
        len += 7;
    }
    to[0] = golden[i].number;
    to[2] = 1;                          /* the protocol */
    to[4] = (uint8_t) (len - 8);
    return len;
}

static void every_type_has_these_bytes (void **state)
{
    (void) state;
    assert_int_equal (MPL__C_N, N_GOLDEN + 1);
    for (size_t i = 0; i < N_GOLDEN; i++) {
        uint8_t wanted[MPL__CONTROL_MAX], bytes[MPL__CONTROL_MAX];
        mpl_control_t message = full;
        message.type = golden[i].type;
        size_t len = golden_bytes (i, wanted);
        assert_int_equal (len, mpl__control_encode (bytes, &message));
        assert_memory_equal (wanted, bytes, len);
    }
}

static void what_was_encoded_is_decoded_and_the_rest_is_zero (void **state)
{
    (void) state;
    for (size_t i = 0; i < N_GOLDEN; i++) {
        uint8_t bytes[MPL__CONTROL_MAX], again[MPL__CONTROL_MAX];
        mpl_control_t message;
        size_t len = golden_bytes (i, bytes);
        memset (&message, 0xff, sizeof message);
        assert_int_equal (0, mpl__control_decode (bytes, len, &message));
        assert_int_equal (golden[i].type, message.type);
        assert_int_equal (len, mpl__control_encode (again, &message));
        assert_memory_equal (bytes, again, len);
        assert_string_equal (golden[i].has_text ? "why" : "", message.text);
        if (golden[i].type != MPL__C_HELLO && golden[i].type != MPL__C_AGENT)
            assert_int_equal (0, message.protocol);
    }
}

static void all_bits_of_a_number_travel (void **state)
{
    const mpl_control_t message = { .type = MPL__C_SIGNAL, .status = 0xfedcba9876543210 };
    uint8_t bytes[MPL__CONTROL_MAX];
    mpl_control_t read;

    (void) state;
    size_t len = mpl__control_encode (bytes, &message);
    assert_memory_equal ("\x10\x32\x54\x76\x98\xba\xdc\xfe", bytes + 8, 8);
    assert_int_equal (0, mpl__control_decode (bytes, len, &read));
    assert_true (read.status == message.status);
}

static void the_longest_text_fits_and_a_longer_one_is_refused (void **state)
{
    mpl_control_t message = { .type = MPL__C_BROKEN }, read;
    uint8_t bytes[MPL__CONTROL_MAX + 8];

    (void) state;
    memset (message.text, 'x', sizeof message.text);    /* not even ended: cut, not overrun */
    size_t len = mpl__control_encode (bytes, &message);
    assert_int_equal (8 + 16 + 4 + MPL__CONTROL_TEXT - 1, len);
    assert_int_equal (0, mpl__control_decode (bytes, len, &read));
    assert_int_equal (MPL__CONTROL_TEXT - 1, strlen (read.text));
    mpl__put32 (bytes + 4, (uint32_t) len + 1 - 8);
    mpl__put32 (bytes + 24, MPL__CONTROL_TEXT);
    assert_int_equal (-1, mpl__control_decode (bytes, len + 1, &read));
    assert_int_equal (EPROTO, errno);
}

static int decode_copy (const uint8_t *bytes, size_t len, mpl_control_t *message)
{
    uint8_t *copy = malloc (len + (len == 0));      /* by itself, so that a byte too far is seen */

    assert_non_null (copy);
    memcpy (copy, bytes, len);
    int rc = mpl__control_decode (copy, len, message);
    free (copy);
    return rc;
}

static void a_message_cut_or_stretched_anywhere_is_refused (void **state)
{
    (void) state;
    for (size_t i = 0; i < N_GOLDEN; i++) {
        uint8_t bytes[MPL__CONTROL_MAX];
        mpl_control_t message;
        size_t len = golden_bytes (i, bytes);
        for (size_t cut = 0; cut < len + 40; cut++) {
            assert_int_equal (cut == len ? 0 : -1, decode_copy (bytes, cut, &message));
            if (cut < 8 || cut == len)
                continue;
            mpl__put32 (bytes + 4, (uint32_t) cut - 8);     /* now its length is what its header says */
            assert_int_equal (-1, decode_copy (bytes, cut, &message));
            mpl__put32 (bytes + 4, (uint32_t) len - 8);
        }
    }
}

static void unknown_types_and_other_protocols_are_refused (void **state)
{
    uint8_t bytes[MPL__CONTROL_MAX];
    mpl_control_t message;

    (void) state;
    size_t len = golden_bytes (3, bytes);           /* CLOSING: two numbers */
    for (unsigned type = 0; type < 65536; type++) {
        mpl__put16 (bytes, (uint16_t) type);
        int is_alike = type == MPL__C_HELLO || type == MPL__C_CLOSING || type == MPL__C_TERMINATE
                       || type == MPL__C_POOL_OVER || type == MPL__C_SLOTS;
        assert_int_equal (is_alike ? 0 : -1, mpl__control_decode (bytes, len, &message));
    }
    mpl__put16 (bytes, MPL__C_CLOSING);
    for (unsigned protocol = 0; protocol < 65536; protocol++) {
        mpl__put16 (bytes + 2, (uint16_t) protocol);
        assert_int_equal (protocol == 1 ? 0 : -1, mpl__control_decode (bytes, len, &message));
    }
}

/* ---- over a socket ------------------------------------------------------------------------------------------------------- */

static int count_fds (void)
{
    int n = 0;

    for (int fd = 0; fd < 256; fd++) {
        int copy = dup (fd);
        n += copy >= 0;
        mpl__fd_close (&copy);
    }
    return n;
}

static void a_message_travels_with_its_descriptors (void **state)
{
    mpl_control_t message = { .type = MPL__C_HELLO, .pid = 42 }, read;
    int pair[2], fds[MPL__FDS_MAX];

    (void) state;
    assert_int_equal (0, socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
    assert_int_equal (-1, mpl__control_recv (pair[1], &read, fds));
    assert_int_equal (EAGAIN, errno);
    assert_int_equal (0, mpl__control_send (pair[0], &message, &pair[0], 1));
    assert_int_equal (1, mpl__control_recv (pair[1], &read, fds));
    assert_int_equal (42, read.pid);
    assert_true (fds[0] >= 0);
    assert_int_equal (-1, fds[1]);
    mpl__fd_close (&fds[0]);
    mpl__fd_close (&pair[0]);
    assert_int_equal (0, mpl__control_recv (pair[1], &read, fds));
    mpl__fd_close (&pair[1]);
}

static void descriptors_a_type_does_not_bring_are_refused_and_closed (void **state)
{
    int before = count_fds (), pair[2], fds[MPL__FDS_MAX];

    (void) state;
    assert_int_equal (0, socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
    const int four[] = { pair[0], pair[0], pair[1], pair[1] };
    for (size_t i = 0; i < N_GOLDEN; i++)
        for (size_t n = 0; n <= MPL__FDS_MAX; n++) {
            mpl_control_t message = { .type = golden[i].type }, read;
            assert_int_equal (0, mpl__control_send (pair[0], &message, four, n));
            int is_fine = n <= golden[i].fds;
            assert_int_equal (is_fine ? 1 : -1, mpl__control_recv (pair[1], &read, fds));
            if (!is_fine)
                assert_int_equal (EPROTO, errno);
            mpl__fd_close_all (fds, is_fine ? n : 0);
        }
    mpl__fd_close_all (pair, 2);
    assert_int_equal (before, count_fds ());
}

static void rubbish_on_the_socket_is_refused_and_its_descriptors_closed (void **state)
{
    int before = count_fds (), pair[2], fds[MPL__FDS_MAX];
    uint8_t rubbish[MPL__CONTROL_MAX + 100];
    mpl_control_t read;

    (void) state;
    memset (rubbish, 0xa5, sizeof rubbish);
    assert_int_equal (0, socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
    assert_int_equal (0, mpl__fd_send (pair[0], rubbish, 20, pair, 2));
    assert_int_equal (-1, mpl__control_recv (pair[1], &read, fds));
    assert_int_equal (EPROTO, errno);
    assert_int_equal (0, mpl__fd_send (pair[0], rubbish, sizeof rubbish, pair, 2));
    assert_int_equal (-1, mpl__control_recv (pair[1], &read, fds));
    assert_int_equal (EMSGSIZE, errno);
    mpl__fd_close_all (pair, 2);
    assert_int_equal (before, count_fds ());
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (every_type_has_these_bytes),
        cmocka_unit_test (what_was_encoded_is_decoded_and_the_rest_is_zero),
        cmocka_unit_test (all_bits_of_a_number_travel),
        cmocka_unit_test (the_longest_text_fits_and_a_longer_one_is_refused),
        cmocka_unit_test (a_message_cut_or_stretched_anywhere_is_refused),
        cmocka_unit_test (unknown_types_and_other_protocols_are_refused),
        cmocka_unit_test (a_message_travels_with_its_descriptors),
        cmocka_unit_test (descriptors_a_type_does_not_bring_are_refused_and_closed),
        cmocka_unit_test (rubbish_on_the_socket_is_refused_and_its_descriptors_closed),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
