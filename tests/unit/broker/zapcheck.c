/* The trial before the first listen: it tells a door that keeps strangers out from one that does not, in a bounded
 * time. */
#include "broker/zapcheck.h"
#include "base/clock.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <zmq.h>

#define ENFORCE_DOMAIN 93               /* ZMQ_ZAP_ENFORCE_DOMAIN */

typedef struct {
    int has_curve, has_domain, has_handler;
} door_t;

/* Tries a server that is made so; the code of *err, 0 when it holds. */
static int try_door (const door_t *door, mpl_err_t *err)
{
    void *context = zmq_ctx_new (), *server = zmq_socket (context, ZMQ_ROUTER), *other = zmq_ctx_new ();
    char key[MPL__KEY_TEXT], secret[MPL__KEY_TEXT], endpoint[64];
    size_t size = sizeof endpoint;
    int one = 1, zero = 0;
    /* A handler in another context is never asked. */
    mpl_zap_t *zap = mpl__zap_new (door->has_handler ? context : other, err);

    assert_non_null (zap);
    assert_int_equal (0, zmq_curve_keypair (key, secret));
    zmq_setsockopt (server, ZMQ_LINGER, &zero, sizeof zero);
    if (door->has_curve) {
        zmq_setsockopt (server, ZMQ_CURVE_SERVER, &one, sizeof one);
        zmq_setsockopt (server, ZMQ_CURVE_SECRETKEY, secret, MPL__KEY_TEXT);
    }
    if (door->has_domain) {
        zmq_setsockopt (server, ZMQ_ZAP_DOMAIN, "try", 3);
        zmq_setsockopt (server, ENFORCE_DOMAIN, &one, sizeof one);
    }
    assert_int_equal (0, zmq_bind (server, "tcp://127.0.0.1:*"));
    assert_int_equal (0, zmq_getsockopt (server, ZMQ_LAST_ENDPOINT, endpoint, &size));
    err->code = 0;
    err->text[0] = '\0';
    int rc = mpl__zapcheck (context, zap, server, endpoint, "try", key, err);
    assert_int_equal (rc ? -1 : 0, rc);
    assert_int_equal (rc == 0, err->code == 0);
    zmq_close (server);
    mpl__zap_destroy (&zap);
    zmq_ctx_term (context);             /* returns: no socket was left in it */
    zmq_ctx_term (other);
    return err->code;
}

static void a_door_as_it_should_be_holds_and_it_takes_some_ms (void **state)
{
    mpl_err_t err;
    uint64_t best = UINT64_MAX;

    (void) state;
    for (int i = 0; i < 5; i++) {
        uint64_t began = mpl__clock_ns ();
        assert_int_equal (0, try_door (&(door_t) { 1, 1, 1 }, &err));
        best = mpl__clock_ns () - began < best ? mpl__clock_ns () - began : best;
    }
    print_message ("# %g ms\n", (double) best / MPL__NS_PER_MS);
    assert_true (best < 500 * (uint64_t) MPL__NS_PER_MS);
}

static void curve_without_a_domain_is_found_out (void **state)
{
    mpl_err_t err;

    (void) state;
    assert_int_equal (EACCES, try_door (&(door_t) { 1, 0, 0 }, &err));          /* this lets every key in */
    assert_non_null (strstr (err.text, "lets a stranger's key in"));
    assert_int_equal (ECONNREFUSED, try_door (&(door_t) { 1, 0, 1 }, &err));
}

static void a_door_that_lets_nobody_in_is_found_out (void **state)
{
    mpl_err_t err;

    (void) state;
    assert_int_equal (ECONNREFUSED, try_door (&(door_t) { 1, 1, 0 }, &err));
    assert_non_null (strstr (err.text, "does not let a right key in"));
}

static void a_door_without_security_is_found_out (void **state)
{
    mpl_err_t err;

    (void) state;
    assert_int_equal (EACCES, try_door (&(door_t) { 0, 0, 1 }, &err));          /* this lets in who has no key */
    assert_non_null (strstr (err.text, "lets a stranger without a key in"));
    assert_int_equal (EACCES, try_door (&(door_t) { 0, 0, 0 }, &err));
    /* The handler admits no mechanism but CURVE. */
    assert_int_equal (ECONNREFUSED, try_door (&(door_t) { 0, 1, 1 }, &err));
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (a_door_as_it_should_be_holds_and_it_takes_some_ms),
        cmocka_unit_test (curve_without_a_domain_is_found_out),
        cmocka_unit_test (a_door_that_lets_nobody_in_is_found_out),
        cmocka_unit_test (a_door_without_security_is_found_out),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
