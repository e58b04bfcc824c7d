/* Who may connect: keys that were admitted to a domain, and nobody else, whatever is asked and however. */
#include "broker/zap.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zmq.h>

#define ENFORCE_DOMAIN 93               /* ZMQ_ZAP_ENFORCE_DOMAIN */
#define SOON_MS 10000                   /* a wait that a working program never sees the end of */
#define DOMAIN "pool-1"

typedef struct {
    char public_key[MPL__KEY_TEXT], secret_key[MPL__KEY_TEXT];
    uint8_t bytes[32];                  /* the public one, as it travels */
} pair_t;

typedef struct {
    void *context, *asker;              /* sends requests straight to the handler */
    mpl_zap_t *zap;
    pair_t known, unknown;
} fixture_t;

static pair_t new_pair (void)
{
    pair_t self;

    assert_int_equal (0, zmq_curve_keypair (self.public_key, self.secret_key));
    assert_non_null (zmq_z85_decode (self.bytes, self.public_key));
    return self;
}

static void *new_socket (void *context, int type)
{
    void *socket = zmq_socket (context, type);
    int zero = 0, limit = SOON_MS;

    assert_non_null (socket);
    zmq_setsockopt (socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt (socket, ZMQ_RCVTIMEO, &limit, sizeof limit);
    return socket;
}

static fixture_t begin (void)
{
    mpl_err_t err;
    fixture_t self = { .context = zmq_ctx_new (), .known = new_pair (), .unknown = new_pair () };

    self.zap = mpl__zap_new (self.context, &err);
    assert_non_null (self.zap);
    self.asker = new_socket (self.context, ZMQ_DEALER);
    assert_int_equal (0, zmq_connect (self.asker, "inproc://zeromq.zap.01"));
    assert_int_equal (0, mpl__zap_admit (self.zap, DOMAIN, self.known.public_key, "7"));
    return self;
}

static void end (fixture_t *self)
{
    zmq_close (self->asker);
    mpl__zap_destroy (&self->zap);
    assert_null (self->zap);
    mpl__zap_destroy (&self->zap);
    zmq_ctx_term (self->context);       /* returns: no socket was left in it */
}

/* ---- straight to the handler ----------------------------------------------------------------------------------- */

typedef struct {
    const char *version, *id, *domain, *address, *identity, *mechanism;
    const void *key;
    int key_len;
} request_t;

static request_t right (const fixture_t *self)
{
    return (request_t) { "1.0", "1", DOMAIN, "127.0.0.1", "", "CURVE", self->known.bytes, 32 };
}

static void ask (fixture_t *self, const request_t *request)
{
    const char *texts[] = { request->version, request->id, request->domain, request->address, request->identity, request->mechanism };

    zmq_send (self->asker, "", 0, ZMQ_SNDMORE);
    for (int i = 0; i < 6; i++)
        zmq_send (self->asker, texts[i], strlen (texts[i]), ZMQ_SNDMORE);
    assert_int_equal (request->key_len, zmq_send (self->asker, request->key, (size_t) request->key_len, 0));
}

/* The next answer, from behind the first empty frame on, as "1.0|1|200|OK|7|"; an end that never comes fails the test. */
static const char *hear (fixture_t *self)
{
    static char text[300];
    char frame[200];
    size_t len = 0, size;
    int more = 1, has_begun = 0;

    for (int i = 0; more; i++) {
        int got = zmq_recv (self->asker, frame, sizeof frame, 0);
        assert_in_range (got, 0, sizeof frame);
        size = sizeof more;
        zmq_getsockopt (self->asker, ZMQ_RCVMORE, &more, &size);
        if (has_begun)
            len += (size_t) snprintf (text + len, sizeof text - len, "%.*s%s", got, frame, more ? "|" : "");
        has_begun |= got == 0;
        assert_true (i < 30);
    }
    return text;
}

static const char *answer_to (fixture_t *self, request_t request)
{
    ask (self, &request);
    return hear (self);
}

#define REFUSED(id) "1.0|" id "|400|no key of this job||"

static void an_admitted_key_is_let_in_as_who_it_is (void **state)
{
    fixture_t self = begin ();
    request_t request = right (&self);

    (void) state;
    assert_string_equal ("1.0|1|200|OK|7|", answer_to (&self, request));
    request.id = "any id";
    request.address = "";
    request.identity = "somebody";
    assert_string_equal ("1.0|any id|200|OK|7|", answer_to (&self, request));
    assert_int_equal (0, mpl__zap_admit (self.zap, "pool-2", self.known.public_key, "9"));
    request.domain = "pool-2";                  /* there it is somebody else */
    assert_string_equal ("1.0|any id|200|OK|9|", answer_to (&self, request));
    end (&self);
}

static void anything_else_is_refused (void **state)
{
    fixture_t self = begin ();
    request_t request = right (&self);
    static const char *const domains[] = { "", "pool-", "pool-11", "pool-2", "global", "POOL-1", "pool-1 " };
    static const char *const mechanisms[] = { "NULL", "PLAIN", "GSSAPI", "curve", "CURVE2", "" };
    static const char *const versions[] = { "", "1", "1.1", "2.0", "1.00" };

    (void) state;
    request.key = self.unknown.bytes;
    assert_string_equal (REFUSED ("1"), answer_to (&self, request));
    request = right (&self);
    for (size_t i = 0; i < sizeof domains / sizeof *domains; i++) {
        request.domain = domains[i];
        assert_string_equal (REFUSED ("1"), answer_to (&self, request));
    }
    request = right (&self);
    for (size_t i = 0; i < sizeof mechanisms / sizeof *mechanisms; i++) {
        request.mechanism = mechanisms[i];
        assert_string_equal (REFUSED ("1"), answer_to (&self, request));
    }
    request = right (&self);
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        request.version = versions[i];
        assert_string_equal (REFUSED ("1"), answer_to (&self, request));
    }
    request = right (&self);
    for (request.key_len = 0; request.key_len < 32; request.key_len++)
        assert_string_equal (REFUSED ("1"), answer_to (&self, request));
    request.key = self.known.public_key;        /* as text */
    request.key_len = 40;
    assert_string_equal (REFUSED ("1"), answer_to (&self, request));
    assert_string_equal ("1.0|1|200|OK|7|", answer_to (&self, right (&self)));
    end (&self);
}

/* Whatever number of frames, of whatever lengths, empty ones anywhere: the handler lives, and answers the next right
 * one. */
static void requests_of_no_shape_are_refused_or_dropped (void **state)
{
    fixture_t self = begin ();
    uint32_t dice = 1;
    uint8_t junk[64];

    (void) state;
    memset (junk, 'x', sizeof junk);
    for (int round = 0; round < 2000; round++) {
        int n = 1 + round % 40;
        for (int i = 0; i < n; i++) {
            dice = dice * 1664525 + 1013904223;
            size_t len = dice >> 28 < 6 ? 0 : dice >> 26;
            zmq_send (self.asker, junk, len, i < n - 1 ? ZMQ_SNDMORE : 0);
        }
    }
    request_t last = right (&self);
    last.id = "the last";
    ask (&self, &last);
    const char *answer = "";
    for (int i = 0; i <= 2000 && strcmp (answer, "1.0|the last|200|OK|7|") != 0; i++) {
        if (*answer)
            assert_non_null (strstr (answer, "|400|"));
        answer = hear (&self);
    }
    assert_string_equal ("1.0|the last|200|OK|7|", answer);
    end (&self);
}

/* The end of a message that is too long looks like a request; it is none. */
static void what_is_too_long_is_dropped_whole (void **state)
{
    fixture_t self = begin ();

    (void) state;
    for (int before = 8; before < 24; before++) {
        for (int i = 0; i < before; i++)
            zmq_send (self.asker, "x", 1, ZMQ_SNDMORE);
        ask (&self, &(request_t) { "1.0", "hidden", DOMAIN, "", "", "CURVE", self.known.bytes, 32 });
    }
    assert_string_equal ("1.0|1|200|OK|7|", answer_to (&self, right (&self)));
    end (&self);
}

static void a_forgotten_domain_lets_nobody_in (void **state)
{
    fixture_t self = begin ();
    request_t other = right (&self);

    (void) state;
    other.domain = "pool-2";
    for (int i = 0; i < 100; i++) {             /* between each other in the table */
        pair_t one = new_pair ();
        assert_int_equal (0, mpl__zap_admit (self.zap, i % 2 ? DOMAIN : "pool-2", i == 50 ? self.known.public_key : one.public_key, "8"));
    }
    mpl__zap_forget (self.zap, DOMAIN, NULL);
    assert_string_equal (REFUSED ("1"), answer_to (&self, right (&self)));
    assert_string_equal ("1.0|1|200|OK|8|", answer_to (&self, other));
    mpl__zap_forget (self.zap, DOMAIN, NULL);
    mpl__zap_forget (self.zap, "pool-2", NULL);
    assert_string_equal (REFUSED ("1"), answer_to (&self, other));
    assert_int_equal (0, mpl__zap_admit (self.zap, DOMAIN, self.known.public_key, "6"));
    assert_string_equal ("1.0|1|200|OK|6|", answer_to (&self, right (&self)));
    end (&self);
}

static void a_forgotten_user_is_not_let_in_and_others_are (void **state)
{
    fixture_t self = begin ();
    request_t other = right (&self);

    (void) state;
    other.domain = "pool-2";
    assert_int_equal (0, mpl__zap_admit (self.zap, "pool-2", self.known.public_key, "7"));
    assert_int_equal (0, mpl__zap_admit (self.zap, "pool-2", self.known.public_key, "8"));
    mpl__zap_forget (self.zap, "pool-2", "7");
    assert_string_equal ("1.0|1|200|OK|8|", answer_to (&self, other));
    assert_string_equal ("1.0|1|200|OK|7|", answer_to (&self, right (&self)));
    mpl__zap_forget (self.zap, "pool-2", "8");
    assert_string_equal (REFUSED ("1"), answer_to (&self, other));
    end (&self);
}

static void what_is_no_key_is_not_admitted (void **state)
{
    fixture_t self = begin ();
    char key[MPL__KEY_TEXT];

    (void) state;
    static const char *const bad[] = { "", "short", "12345678901234567890123456789012345678901" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        errno = 0;
        assert_int_equal (-1, mpl__zap_admit (self.zap, DOMAIN, bad[i], "7"));
        assert_int_equal (EINVAL, errno);
    }
    memcpy (key, self.unknown.public_key, sizeof key);
    key[20] = '"';                              /* not of Z85 */
    assert_int_equal (-1, mpl__zap_admit (self.zap, DOMAIN, key, "7"));
    key[20] = (char) 0xff;
    assert_int_equal (-1, mpl__zap_admit (self.zap, DOMAIN, key, "7"));
    end (&self);
}

static void there_is_a_bound (void **state)
{
    fixture_t self = begin ();

    (void) state;
    for (unsigned i = 1; i < MPL__ZAP_KEYS_MAX; i++)
        assert_int_equal (0, mpl__zap_admit (self.zap, "pool-2", self.unknown.public_key, "8"));
    errno = 0;
    assert_int_equal (-1, mpl__zap_admit (self.zap, "pool-2", self.unknown.public_key, "8"));
    assert_int_equal (ENOBUFS, errno);
    assert_string_equal ("1.0|1|200|OK|7|", answer_to (&self, right (&self)));
    mpl__zap_forget (self.zap, "pool-2", NULL);
    assert_int_equal (0, mpl__zap_admit (self.zap, "pool-2", self.unknown.public_key, "8"));
    end (&self);
}

static void a_context_has_one (void **state)
{
    fixture_t self = begin ();
    mpl_err_t err;

    (void) state;
    assert_null (mpl__zap_new (self.context, &err));
    assert_int_equal (EADDRINUSE, err.code);
    assert_string_equal ("1.0|1|200|OK|7|", answer_to (&self, right (&self)));
    end (&self);
}

/* ---- through libzmq -------------------------------------------------------------------------------------------- */

static void *new_server (fixture_t *self, const char *domain, pair_t *pair, char endpoint[64])
{
    void *server = new_socket (self->context, ZMQ_ROUTER);
    size_t size = 64;
    int one = 1;

    *pair = new_pair ();
    zmq_setsockopt (server, ZMQ_CURVE_SERVER, &one, sizeof one);
    zmq_setsockopt (server, ZMQ_CURVE_SECRETKEY, pair->secret_key, MPL__KEY_TEXT);
    zmq_setsockopt (server, ZMQ_ZAP_DOMAIN, domain, strlen (domain));
    zmq_setsockopt (server, ENFORCE_DOMAIN, &one, sizeof one);
    assert_int_equal (0, zmq_bind (server, "tcp://127.0.0.1:*"));
    assert_int_equal (0, zmq_getsockopt (server, ZMQ_LAST_ENDPOINT, endpoint, &size));
    return server;
}

/* A client that says `text`; without a pair it has no security. */
static void *call (void *context, const pair_t *pair, const pair_t *server, const char *endpoint, const char *text)
{
    void *client = new_socket (context, ZMQ_DEALER);

    if (pair) {
        zmq_setsockopt (client, ZMQ_CURVE_SERVERKEY, server->public_key, MPL__KEY_TEXT);
        zmq_setsockopt (client, ZMQ_CURVE_PUBLICKEY, pair->public_key, MPL__KEY_TEXT);
        zmq_setsockopt (client, ZMQ_CURVE_SECRETKEY, pair->secret_key, MPL__KEY_TEXT);
    }
    assert_int_equal (0, zmq_connect (client, endpoint));
    zmq_send (client, text, strlen (text), ZMQ_DONTWAIT);
    return client;
}

static void the_right_key_comes_in_and_strangers_do_not (void **state)
{
    fixture_t self = begin ();
    pair_t server_pair, other_pair, liar = self.known;
    char endpoint[64], other_endpoint[64], text[64];
    void *server = new_server (&self, DOMAIN, &server_pair, endpoint);
    void *other = new_server (&self, "pool-2", &other_pair, other_endpoint), *clients[7];

    (void) state;
    memcpy (liar.secret_key, self.unknown.secret_key, MPL__KEY_TEXT);
    clients[0] = call (self.context, &self.unknown, &server_pair, endpoint, "unknown");
    clients[1] = call (self.context, NULL, NULL, endpoint, "plain text");
    clients[2] = call (self.context, &self.known, &other_pair, other_endpoint, "another domain");
    clients[3] = call (self.context, &self.known, &other_pair, endpoint, "another server's key");
    clients[4] = call (self.context, &liar, &server_pair, endpoint, "a public key alone");
    clients[5] = new_socket (self.context, ZMQ_DEALER);
    zmq_setsockopt (clients[5], ZMQ_PLAIN_USERNAME, "admin", 5);
    zmq_setsockopt (clients[5], ZMQ_PLAIN_PASSWORD, "secret", 6);
    zmq_connect (clients[5], endpoint);
    zmq_send (clients[5], "plain", 5, ZMQ_DONTWAIT);
    poll (NULL, 0, 100);                        /* a head start */
    clients[6] = call (self.context, &self.known, &server_pair, endpoint, "known");
    zmq_msg_t message;
    zmq_msg_init (&message);
    assert_int_equal (5, zmq_msg_recv (&message, server, 0));
    assert_int_equal (5, zmq_msg_recv (&message, server, 0));
    assert_memory_equal ("known", zmq_msg_data (&message), 5);
    assert_string_equal ("7", zmq_msg_gets (&message, "User-Id"));
    zmq_msg_close (&message);
    poll (NULL, 0, 100);
    assert_int_equal (-1, zmq_recv (server, text, sizeof text, ZMQ_DONTWAIT));
    assert_int_equal (-1, zmq_recv (other, text, sizeof text, ZMQ_DONTWAIT));
    for (int i = 0; i < 7; i++)
        zmq_close (clients[i]);
    zmq_close (server);
    zmq_close (other);
    end (&self);
}

static _Atomic int is_over;

typedef struct {
    void *context;
    pair_t pair, server;
    const char *endpoint;
} caller_t;

static void *keep_calling (void *arg)
{
    const caller_t *self = arg;

    for (int i = 0; !atomic_load (&is_over); i++) {
        void *client = call (self->context, &self->pair, &self->server, self->endpoint, "x");
        poll (NULL, 0, i % 3);
        zmq_close (client);
    }
    return NULL;
}

static void it_may_end_while_connections_come (void **state)
{
    mpl_err_t err;

    (void) state;
    for (int round = 0; round < 10; round++) {
        fixture_t self = begin ();
        char endpoint[64];
        pthread_t threads[2];
        caller_t callers[2] = { { .context = self.context, .pair = self.known }, { .context = self.context, .pair = self.unknown } };
        pair_t server_pair;
        void *server = new_server (&self, DOMAIN, &server_pair, endpoint);
        atomic_store (&is_over, 0);
        for (int i = 0; i < 2; i++) {
            callers[i].server = server_pair;
            callers[i].endpoint = endpoint;
            assert_int_equal (0, pthread_create (&threads[i], NULL, keep_calling, &callers[i]));
        }
        poll (NULL, 0, 5 + round);
        zmq_close (self.asker);
        mpl__zap_destroy (&self.zap);
        poll (NULL, 0, 5);
        self.zap = mpl__zap_new (self.context, &err);       /* the place is free again */
        assert_non_null (self.zap);
        self.asker = new_socket (self.context, ZMQ_DEALER);
        poll (NULL, 0, 5);
        atomic_store (&is_over, 1);
        for (int i = 0; i < 2; i++)
            pthread_join (threads[i], NULL);
        zmq_close (server);
        end (&self);
    }
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (an_admitted_key_is_let_in_as_who_it_is),
        cmocka_unit_test (anything_else_is_refused),
        cmocka_unit_test (requests_of_no_shape_are_refused_or_dropped),
        cmocka_unit_test (what_is_too_long_is_dropped_whole),
        cmocka_unit_test (a_forgotten_domain_lets_nobody_in),
        cmocka_unit_test (a_forgotten_user_is_not_let_in_and_others_are),
        cmocka_unit_test (what_is_no_key_is_not_admitted),
        cmocka_unit_test (there_is_a_bound),
        cmocka_unit_test (a_context_has_one),
        cmocka_unit_test (the_right_key_comes_in_and_strangers_do_not),
        cmocka_unit_test (it_may_end_while_connections_come),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
