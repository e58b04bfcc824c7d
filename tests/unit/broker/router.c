/* The ROUTER and its peers: who is who, records gathered into messages, an endpoint that has no name, and the door
 * for others. */
#include "broker/router.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
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

/* ---- the door -------------------------------------------------------------------------------------------------- */

#define DOMAIN "pool-1"

typedef struct {
    fixture_t house;
    mpl_zap_t *zap;
    char way[1024], key[MPL__KEY_TEXT], endpoint[128];
} door_fixture_t;

static door_fixture_t begin_with_door (void)
{
    door_fixture_t self = { .house = begin () };
    mpl_err_t err;

    self.zap = mpl__zap_new (self.house.context, &err);
    assert_non_null (self.zap);
    assert_int_equal (-1, mpl__router_door_fd (self.house.router));
    assert_int_equal (0, mpl__router_open_door (self.house.router, self.zap, DOMAIN, &(mpl_door_t) { "lo", 0, 0 }, self.way,
                                                sizeof self.way, &err));
    assert_true (mpl__router_door_fd (self.house.router) >= 0);
    char *endpoint = strchr (self.way, ' ');
    assert_int_equal (MPL__KEY_TEXT - 1, endpoint - self.way);
    memcpy (self.key, self.way, MPL__KEY_TEXT - 1);
    snprintf (self.endpoint, sizeof self.endpoint, "%.*s", (int) strcspn (endpoint + 1, " "), endpoint + 1);
    return self;
}

static void end_with_door (door_fixture_t *self)
{
    mpl__router_destroy (&self->house.router);
    mpl__zap_destroy (&self->zap);
    end (&self->house);
}

/* A peer from elsewhere with a new key, which is admitted as `user`; NULL: it is not. */
static void *dial_door (door_fixture_t *self, const char *user)
{
    char key[MPL__KEY_TEXT], secret[MPL__KEY_TEXT];
    int zero = 0;
    void *dealer = zmq_socket (self->house.context, ZMQ_DEALER);

    assert_int_equal (0, zmq_curve_keypair (key, secret));
    if (user)
        assert_int_equal (0, mpl__zap_admit (self->zap, DOMAIN, key, user));
    zmq_setsockopt (dealer, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt (dealer, ZMQ_CURVE_SERVERKEY, self->key, MPL__KEY_TEXT);
    zmq_setsockopt (dealer, ZMQ_CURVE_PUBLICKEY, key, MPL__KEY_TEXT);
    zmq_setsockopt (dealer, ZMQ_CURVE_SECRETKEY, secret, MPL__KEY_TEXT);
    assert_int_equal (0, zmq_connect (dealer, self->endpoint));
    return dealer;
}

static void the_door_says_its_key_and_where_it_is (void **state)
{
    door_fixture_t self = begin_with_door ();
    uint8_t bytes[32];

    (void) state;
    assert_non_null (zmq_z85_decode (bytes, self.key));
    assert_memory_equal ("tcp://127.0.0.1:", self.endpoint, 16);
    assert_in_range (atoi (self.endpoint + 16), 1, 65535);
    end_with_door (&self);
}

static void records_go_both_ways_through_the_door_and_beside_it (void **state)
{
    door_fixture_t self = begin_with_door ();
    void *here = dial (&self.house), *there = dial_door (&self, "7");
    char text[512];

    (void) state;
    mpl_peer_t peer_there = introduce (&self.house, there, 3);
    assert_string_equal ("7", mpl__router_user (self.house.router));
    mpl_peer_t peer_here = introduce (&self.house, here, 0);
    assert_null (mpl__router_user (self.house.router));
    assert_true (peer_here != peer_there);
    assert_int_equal (3, mpl__router_worker (self.house.router, peer_there));
    assert_int_equal (0, mpl__router_worker (self.house.router, peer_here));
    for (uint32_t n = 1; n < 50; n++) {
        add (&self.house, 0, n, "here");
        add (&self.house, 3, n, "there");
        mpl__router_flush (self.house.router);
        hear (here, text);
        assert_non_null (strstr (text, " here; "));
        hear (there, text);
        assert_non_null (strstr (text, " there; "));
        assert_int_equal (n, atoi (text));
    }
    hang_up (&here);
    hang_up (&there);
    end_with_door (&self);
}

/* Each ROUTER numbers its peers by itself; the same number at both is not the same peer. */
static void a_number_at_the_door_is_not_the_same_as_one_beside_it (void **state)
{
    fixture_t self = begin ();

    (void) state;
    mpl__router_name (self.router, 0, 5);
    assert_int_equal (-1, mpl__router_worker (self.router, UINT64_C (5) | UINT64_C (1) << 32));
    mpl__router_name (self.router, 1, UINT64_C (5) | UINT64_C (1) << 32);
    assert_int_equal (0, mpl__router_worker (self.router, 5));
    assert_int_equal (1, mpl__router_worker (self.router, UINT64_C (5) | UINT64_C (1) << 32));
    mpl__router_forget (self.router, 0);
    mpl__router_forget (self.router, 1);
    end (&self);
}

static void strangers_never_get_a_message_through_the_door (void **state)
{
    door_fixture_t self = begin_with_door ();
    void *strangers[20], *known = dial_door (&self, "1");
    const uint8_t *data;
    mpl_peer_t peer;
    size_t len;
    int zero = 0;

    (void) state;
    for (int i = 0; i < 20; i++) {
        if (i % 2) {
            strangers[i] = dial_door (&self, NULL);
        } else {                                /* without any security */
            strangers[i] = zmq_socket (self.house.context, ZMQ_DEALER);
            zmq_setsockopt (strangers[i], ZMQ_LINGER, &zero, sizeof zero);
            zmq_connect (strangers[i], self.endpoint);
        }
        zmq_send (strangers[i], "stranger", 8, ZMQ_DONTWAIT);
    }
    for (int i = 0; i < 20; i++) {
        assert_int_equal (5, zmq_send (known, "known", 5, 0));
        receive (&self.house, &data, &len);
        assert_int_equal (5, len);
        assert_string_equal ("1", mpl__router_user (self.house.router));
        poll (NULL, 0, 5);
    }
    assert_int_equal (0, mpl__router_recv (self.house.router, &peer, &data, &len));
    for (int i = 0; i < 20; i++)
        hang_up (&strangers[i]);
    hang_up (&known);
    end_with_door (&self);
}

static void both_sockets_have_their_turn (void **state)
{
    door_fixture_t self = begin_with_door ();
    void *here = dial (&self.house), *there = dial_door (&self, "7");
    int n_here = 0, n_there = 0;
    const uint8_t *data;
    size_t len;

    (void) state;
    introduce (&self.house, here, 0);
    introduce (&self.house, there, 1);
    for (int i = 0; i < 400; i++) {
        zmq_send (here, "h", 1, 0);
        zmq_send (there, "t", 1, 0);
    }
    uint64_t until = mpl__clock_in_ms (SOON_MS);
    while (!mpl__router_pending (self.house.router) && mpl__clock_ns () < until)
        poll (NULL, 0, 1);
    poll (NULL, 0, 200);                        /* all of them are there */
    for (int i = 0; i < 800; i++) {
        receive (&self.house, &data, &len);
        *(*data == 'h' ? &n_here : &n_there) += 1;
        assert_in_range (n_here - n_there + 10, 0, i < 400 ? 20 : 410);
    }
    assert_int_equal (400, n_here);
    assert_int_equal (400, n_there);
    hang_up (&here);
    hang_up (&there);
    end_with_door (&self);
}

static void two_doors_of_one_process_do_not_let_in_each_others_hosts (void **state)
{
    door_fixture_t self = begin_with_door ();
    fixture_t other = { .context = self.house.context, .endpoint = -1 };
    char way[1024], text[8];
    mpl_err_t err;
    const uint8_t *data;
    mpl_peer_t peer;
    size_t len;

    (void) state;
    mpl__folder_name (other.folder);
    other.router = mpl__router_new (other.context, WORKERS, other.folder, &other.endpoint);
    assert_int_equal (0, mpl__router_open_door (other.router, self.zap, "pool-2", &(mpl_door_t) { "lo", 0, 0 }, way, sizeof way, &err));
    door_fixture_t wrong = { .house = other, .zap = self.zap };         /* admitted to pool-1, and calls at pool-2 */
    memcpy (wrong.key, way, MPL__KEY_TEXT - 1);
    snprintf (wrong.endpoint, sizeof wrong.endpoint, "%.*s", (int) strcspn (way + MPL__KEY_TEXT, " "), way + MPL__KEY_TEXT);
    void *dealer = dial_door (&wrong, "7");
    zmq_send (dealer, "hello", 5, ZMQ_DONTWAIT);
    poll (NULL, 0, 100);
    assert_int_equal (0, mpl__router_recv (other.router, &peer, &data, &len));
    assert_int_equal (-1, zmq_recv (dealer, text, sizeof text, ZMQ_DONTWAIT));
    hang_up (&dealer);
    mpl__router_destroy (&other.router);
    mpl__fd_close (&other.endpoint);
    end_with_door (&self);
}

/* Takes a port of every address, or with 0 any that is free; nobody can connect to it. */
static int take_port (int *port)
{
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons ((uint16_t) *port) };
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons ((uint16_t) *port) };
    socklen_t six_size = sizeof six, four_size = sizeof four;
    int zero = 0, fd = socket (AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), is_six = fd >= 0;

    fd = is_six ? fd : socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (is_six)
        setsockopt (fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
    if ((is_six ? bind (fd, (void *) &six, sizeof six) : bind (fd, (void *) &four, sizeof four)) < 0) {
        close (fd);
        return -1;
    }
    assert_int_equal (0, is_six ? getsockname (fd, (void *) &six, &six_size) : getsockname (fd, (void *) &four, &four_size));
    *port = ntohs (is_six ? six.sin6_port : four.sin_port);
    return fd;
}

static void ports_are_those_that_are_free_of_the_range (void **state)
{
    fixture_t self = begin ();
    mpl_err_t err;
    mpl_zap_t *zap = mpl__zap_new (self.context, &err);
    char way[1024], endpoint[64];
    int first = 0, second = -1, one = take_port (&first), two = -1;

    (void) state;
    for (int i = 0; i < 50 && two < 0; i++) {   /* two next to each other */
        second = first + 1;
        if (second > 65534 || (two = take_port (&second)) < 0) {
            mpl__fd_close (&one);
            first = 0;
            one = take_port (&first);
        }
    }
    assert_true (one >= 0 && two >= 0);
    assert_int_equal (-1, mpl__router_open_door (self.router, zap, DOMAIN, &(mpl_door_t) { "lo", first, second }, way, sizeof way, &err));
    assert_int_equal (EADDRINUSE, err.code);
    snprintf (endpoint, sizeof endpoint, "none of the ports %d-%d can be opened", first, second);
    assert_non_null (strstr (err.text, endpoint));
    assert_int_equal (-1, mpl__router_door_fd (self.router));
    mpl__fd_close (&two);
    assert_int_equal (0, mpl__router_open_door (self.router, zap, DOMAIN, &(mpl_door_t) { "lo", first, second }, way, sizeof way, &err));
    snprintf (endpoint, sizeof endpoint, " tcp://127.0.0.1:%d", second);
    assert_non_null (strstr (way, endpoint));
    mpl__fd_close (&one);
    mpl__router_destroy (&self.router);
    mpl__zap_destroy (&zap);
    end (&self);
}

static void an_unknown_interface_is_a_sentence (void **state)
{
    fixture_t self = begin ();
    mpl_err_t err;
    mpl_zap_t *zap = mpl__zap_new (self.context, &err);
    char way[1024];

    (void) state;
    assert_int_equal (-1, mpl__router_open_door (self.router, zap, DOMAIN, &(mpl_door_t) { "no-such0", 0, 0 }, way, sizeof way, &err));
    assert_int_equal (ENODEV, err.code);
    assert_non_null (strstr (err.text, "no-such0"));
    assert_int_equal (0, mpl__router_open_door (self.router, zap, DOMAIN, &(mpl_door_t) { NULL, 0, 0 }, way, sizeof way, &err));
    mpl__router_destroy (&self.router);
    mpl__zap_destroy (&zap);
    end (&self);
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
        cmocka_unit_test (the_door_says_its_key_and_where_it_is),
        cmocka_unit_test (records_go_both_ways_through_the_door_and_beside_it),
        cmocka_unit_test (a_number_at_the_door_is_not_the_same_as_one_beside_it),
        cmocka_unit_test (strangers_never_get_a_message_through_the_door),
        cmocka_unit_test (both_sockets_have_their_turn),
        cmocka_unit_test (two_doors_of_one_process_do_not_let_in_each_others_hosts),
        cmocka_unit_test (ports_are_those_that_are_free_of_the_range),
        cmocka_unit_test (an_unknown_interface_is_a_sentence),
    };

    cmocka_set_message_output (CM_OUTPUT_TAP);
    return cmocka_run_group_tests (tests, NULL, NULL);
}
