/* The ROUTER and its peers: who is who, records gathered into messages, and an endpoint that has no name. */
#include "broker/router.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define WORKERS 4
#define SOON_MS 10000               /* a wait that a working program never sees the end of */

typedef struct {
    void *context;
    mpl_router_t *router;
    char folder[MPL__FOLDER_PATH];
    int endpoint;
} fixture_t;

static fixture_t begin (void)
{
    fixture_t self = { .context = zmq_ctx_new (), .endpoint = -1 };

    mpl__folder_name (self.folder);
    self.router = mpl__router_new (self.context, WORKERS, self.folder, &self.endpoint);
    assert_non_null (self.router);
    return self;
}

static void end (fixture_t *self)
{
    mpl__router_destroy (&self->router);
    assert_null (self->router);
    mpl__fd_close (&self->endpoint);
    zmq_ctx_term (self->context);
}

/* A peer, connected through the descriptor as workers are. */
static void *dial (fixture_t *self)
{
    char endpoint[64];
    int zero = 0;
    void *dealer = zmq_socket (self->context, ZMQ_DEALER);

    zmq_setsockopt (dealer, ZMQ_LINGER, &zero, sizeof zero);
    snprintf (endpoint, sizeof endpoint, "ipc:///proc/self/fd/%d", self->endpoint);
    assert_int_equal (0, zmq_connect (dealer, endpoint));
    return dealer;
}

static void hang_up (void **dealer)
{
    zmq_close (*dealer);
    *dealer = NULL;
}

/* The next message; waits for it. */
static mpl_peer_t receive (fixture_t *self, const uint8_t **data, size_t *len)
{
    uint64_t until = mpl__clock_in_ms (SOON_MS);
    mpl_peer_t peer = 0;

    while (!mpl__router_recv (self->router, &peer, data, len)) {
        assert_true (mpl__clock_ns () < until);
        poll (&(struct pollfd) { .fd = mpl__router_fd (self->router), .events = POLLIN }, 1, 10);
    }
    return peer;
}

/* A peer says hello and becomes that worker; its number. */
static mpl_peer_t introduce (fixture_t *self, void *dealer, int worker)
{
    const uint8_t *data;
    size_t len;

    assert_int_equal (5, zmq_send (dealer, "hello", 5, 0));
    mpl_peer_t peer = receive (self, &data, &len);
    assert_int_equal (5, len);
    assert_memory_equal ("hello", data, 5);
    mpl__router_name (self->router, worker, peer);
    return peer;
}

static void add (fixture_t *self, int worker, uint32_t n, const char *text)
{
    mpl_record_t record = { .type = MPL__CHUNK, .n = n };
    uint8_t *body = mpl__router_add (self->router, worker, &record, strlen (text));

    assert_non_null (body);
    memcpy (body, text, strlen (text));
}

/* Receives one message at the peer's end: its records' n and the beginning of their text, as "7 hello; 8 you; ". */
static void hear (void *dealer, char text[512])
{
    uint8_t bytes[20000];
    size_t at = 0;
    mpl_record_t record;
    const uint8_t *body;
    int timeout = SOON_MS;

    zmq_setsockopt (dealer, ZMQ_RCVTIMEO, &timeout, sizeof timeout);
    int len = zmq_recv (dealer, bytes, sizeof bytes, 0);
    assert_in_range (len, 1, sizeof bytes);
    text[0] = '\0';
    while (mpl__record_get (bytes, (size_t) len, &at, &record, &body) == 1) {
        size_t used = strlen (text);
        snprintf (text + used, 512 - used, "%u %.*s; ", record.n, record.bytes < 20 ? (int) record.bytes : 20,
                  (const char *) body);
    }
    assert_int_equal (len, at);
}

static void the_endpoint_has_no_name_left (void **state)
{
    fixture_t self = begin ();
    struct stat file;

    (void) state;
    assert_int_equal (-1, access (self.folder, F_OK));
    assert_int_equal (ENOENT, errno);
    assert_int_equal (0, fstat (self.endpoint, &file));
    assert_true (S_ISSOCK (file.st_mode));
    assert_int_equal (0, file.st_nlink);
    assert_int_equal (FD_CLOEXEC, fcntl (self.endpoint, F_GETFD));
    end (&self);
}

static void a_folder_somebody_made_before_is_refused (void **state)
{
    void *context = zmq_ctx_new ();
    char folder[MPL__FOLDER_PATH];
    int endpoint = -1;

    (void) state;
    mpl__folder_name (folder);
    assert_int_equal (0, mkdir (folder, 0755));
    assert_null (mpl__router_new (context, WORKERS, folder, &endpoint));
    assert_int_equal (EEXIST, errno);
    assert_int_equal (0, rmdir (folder));
    char longer[200];
    memset (longer, 'x', sizeof longer - 1);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    assert_null (mpl__router_new (context, WORKERS, longer, &endpoint));
    assert_int_equal (ENAMETOOLONG, errno);
    zmq_ctx_term (context);                     /* returns: no socket was left in it */
}

static void each_peer_gets_what_is_its_own (void **state)
{
    fixture_t self = begin ();
    void *one = dial (&self), *two = dial (&self);
    char text[512];

    (void) state;
    mpl_peer_t peer_one = introduce (&self, one, 0), peer_two = introduce (&self, two, 3);
    assert_true (peer_one != peer_two);
    assert_int_equal (0, mpl__router_worker (self.router, peer_one));
    assert_int_equal (3, mpl__router_worker (self.router, peer_two));
    add (&self, 0, 1, "for one");
    add (&self, 3, 2, "for two");
    add (&self, 0, 3, "");
    add (&self, 0, 4, "exactly 16 bytes");
    mpl__router_flush (self.router);
    hear (one, text);
    assert_string_equal ("1 for one; 3 ; 4 exactly 16 bytes; ", text);     /* in one message */
    hear (two, text);
    assert_string_equal ("2 for two; ", text);
    mpl__router_flush (self.router);            /* nothing twice */
    assert_int_equal (-1, zmq_recv (one, text, sizeof text, ZMQ_DONTWAIT));
    hang_up (&one);
    hang_up (&two);
    end (&self);
}

static void padding_is_zero (void **state)
{
    fixture_t self = begin ();
    void *one = dial (&self);
    uint8_t bytes[256], zeros[16] = { 0 };
    int timeout = SOON_MS;

    (void) state;
    introduce (&self, one, 0);
    for (size_t len = 1; len < 40; len++) {
        memset (mpl__router_add (self.router, 0, &(mpl_record_t) { .type = MPL__INIT }, len), 0xff, len);
        mpl__router_flush (self.router);
        zmq_setsockopt (one, ZMQ_RCVTIMEO, &timeout, sizeof timeout);
        int size = zmq_recv (one, bytes, sizeof bytes, 0);
        assert_int_equal (mpl__record_size (len), size);
        assert_memory_equal (zeros, bytes + MPL__RECORD_HEAD + len, (size_t) size - MPL__RECORD_HEAD - len);
    }
    hang_up (&one);
    end (&self);
}

static void much_for_one_worker_comes_in_several_messages_in_order (void **state)
{
    fixture_t self = begin ();
    void *one = dial (&self);
    char text[512], big[8001];
    uint32_t next = 0;

    (void) state;
    introduce (&self, one, 1);
    memset (big, 'x', sizeof big);
    big[sizeof big - 1] = '\0';
    for (uint32_t n = 0; n < 20; n++)
        add (&self, 1, n, n % 2 ? big : "small");
    mpl__router_flush (self.router);
    while (next < 20) {
        hear (one, text);
        for (const char *at = text; *at; at = strstr (at, "; ") + 2)
            assert_int_equal (next++, atoi (at));
    }
    hang_up (&one);
    end (&self);
}

static int holds (void *arg, int worker)
{
    return ((const int *) arg)[worker];
}

static void a_busy_worker_gets_its_records_later_and_an_idle_one_now (void **state)
{
    fixture_t self = begin ();
    void *one = dial (&self), *two = dial (&self);
    int held[WORKERS] = { 5, 1 };               /* those added below included */
    char text[512], big[5000];

    (void) state;
    introduce (&self, one, 0);
    introduce (&self, two, 1);
    assert_int_equal (0, mpl__router_flush_idle (self.router, holds, held, 4));
    add (&self, 0, 1, "later");
    add (&self, 1, 2, "now");
    assert_int_equal (1, mpl__router_flush_idle (self.router, holds, held, 4));
    hear (two, text);
    assert_string_equal ("2 now; ", text);
    held[0] = 6;
    add (&self, 0, 3, "with it");
    assert_int_equal (0, mpl__router_flush_idle (self.router, holds, held, 4));
    mpl__router_flush (self.router);
    hear (one, text);
    assert_string_equal ("1 later; 3 with it; ", text);
    memset (big, 'x', sizeof big);              /* worth a message of its own, busy or not */
    big[sizeof big - 1] = '\0';
    add (&self, 0, 4, big);
    assert_int_equal (1, mpl__router_flush_idle (self.router, holds, held, 4));
    hear (one, text);
    assert_int_equal (4, atoi (text));
    hang_up (&one);
    hang_up (&two);
    end (&self);
}

static void strangers_and_the_forgotten_are_nobody (void **state)
{
    fixture_t self = begin ();
    void *one = dial (&self), *two = dial (&self);

    (void) state;
    assert_int_equal (-1, mpl__router_worker (self.router, 0));
    assert_int_equal (-1, mpl__router_worker (self.router, 12345));
    assert_null (mpl__router_add (self.router, 2, &(mpl_record_t) { .type = MPL__BYE }, 0));
    assert_int_equal (EHOSTUNREACH, errno);
    mpl_peer_t peer_one = introduce (&self, one, 2);
    add (&self, 2, 1, "never sent");
    mpl__router_forget (self.router, 2);
    assert_int_equal (-1, mpl__router_worker (self.router, peer_one));
    mpl__router_flush (self.router);
    mpl_peer_t peer_two = introduce (&self, two, 2);      /* the one that replaces it gets none of its letters */
    mpl__router_flush (self.router);
    assert_int_equal (2, mpl__router_worker (self.router, peer_two));
    char text[512];
    add (&self, 2, 2, "new");
    mpl__router_flush (self.router);
    hear (two, text);
    assert_string_equal ("2 new; ", text);
    assert_int_equal (-1, zmq_recv (one, text, sizeof text, ZMQ_DONTWAIT));
    hang_up (&one);
    hang_up (&two);
    end (&self);
}

static void sending_to_a_peer_that_vanished_harms_nobody (void **state)
{
    fixture_t self = begin ();
    void *one = dial (&self), *two = dial (&self);
    char text[512];

    (void) state;
    introduce (&self, one, 0);
    introduce (&self, two, 1);
    hang_up (&one);
    for (uint32_t n = 0; n < 200; n++) {        /* before and after ZeroMQ has noticed */
        add (&self, 0, n, "to nobody");
        add (&self, 1, n, "still here");
        mpl__router_flush (self.router);
        hear (two, text);
        assert_int_equal (n, atoi (text));
    }
    hang_up (&two);
    end (&self);
}

static void messages_of_another_shape_are_dropped (void **state)
{
    fixture_t self = begin ();
    void *one = dial (&self), *named = zmq_socket (self.context, ZMQ_DEALER);
    char endpoint[64];
    const uint8_t *data;
    size_t len;
    int zero = 0;

    (void) state;
    zmq_setsockopt (named, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt (named, ZMQ_ROUTING_ID, "mallory", 7);
    snprintf (endpoint, sizeof endpoint, "ipc:///proc/self/fd/%d", self.endpoint);
    assert_int_equal (0, zmq_connect (named, endpoint));
    assert_int_equal (4, zmq_send (named, "evil", 4, 0));
    zmq_send (one, "two", 3, ZMQ_SNDMORE);
    zmq_send (one, "parts", 5, 0);
    zmq_send (one, "", 0, 0);
    zmq_send (one, "good", 4, 0);
    receive (&self, &data, &len);
    assert_int_equal (0, len);                  /* empty, but one part: the caller's to judge */
    receive (&self, &data, &len);
    assert_int_equal (4, len);
    assert_memory_equal ("good", data, 4);
    poll (NULL, 0, 20);
    mpl_peer_t peer;
    assert_int_equal (0, mpl__router_recv (self.router, &peer, &data, &len));
    hang_up (&one);
    hang_up (&named);
    end (&self);
}

static void every_worker_is_found_among_many (void **state)
{
    enum { N = 1000 };
    void *context = zmq_ctx_new ();
    char folder[MPL__FOLDER_PATH];
    int endpoint = -1;

    (void) state;
    mpl__folder_name (folder);
    mpl_router_t *router = mpl__router_new (context, N, folder, &endpoint);
    assert_non_null (router);
    for (int w = 0; w < N; w++)
        mpl__router_name (router, w, (uint32_t) w * 8 + 1);
    for (int w = 0; w < N; w += 2)
        mpl__router_forget (router, w);
    for (int w = 0; w < N; w++)
        assert_int_equal (w % 2 ? w : -1, mpl__router_worker (router, (uint32_t) w * 8 + 1));
    mpl__router_destroy (&router);
    mpl__router_destroy (&router);
    mpl__fd_close (&endpoint);
    zmq_ctx_term (context);
}

int main (void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test (the_endpoint_has_no_name_left),
        cmocka_unit_test (a_folder_somebody_made_before_is_refused),
        cmocka_unit_test (each_peer_gets_what_is_its_own),
        cmocka_unit_test (padding_is_zero),
        cmocka_unit_test (much_for_one_worker_comes_in_several_messages_in_order),
        cmocka_unit_test (a_busy_worker_gets_its_records_later_and_an_idle_one_now),
        cmocka_unit_test (strangers_and_the_forgotten_are_nobody),
        cmocka_unit_test (sending_to_a_peer_that_vanished_harms_nobody),
        cmocka_unit_test (messages_of_another_shape_are_dropped),
        cmocka_unit_test (every_worker_is_found_among_many),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
