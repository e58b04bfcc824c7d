#include "broker/zap.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define ENDPOINT "inproc://zeromq.zap.01"
#define STACK ((size_t) 256 << 10)
#define KEY_BYTES 32
#define FRAMES_MAX 16

/* A request is, after the sender's frames up to an empty one (our socket is a ROUTER), these frames; and so is the answer:
 *
 *      version "1.0" | request id | domain | address | identity | mechanism "CURVE" | key (32 bytes)
 *      version "1.0" | request id | status "200" or "400" | its text | user | metadata (none)
 */
enum { VERSION_FRAME, ID_FRAME, DOMAIN_FRAME, ADDRESS_FRAME, IDENTITY_FRAME, MECHANISM_FRAME, KEY_FRAME, N_FRAMES };

typedef struct {
    uint8_t key[KEY_BYTES];
    char domain[MPL__ZAP_USER], user[MPL__ZAP_USER];
} entry_t;

struct mpl_zap {
    void *socket;                       /* the thread's */
    void *control;                      /* its end of a pair; what comes there ends it */
    void *stop;                         /* the other end, destroy's */
    pthread_t thread;
    int has_thread;
    pthread_mutex_t lock;               /* of the table */
    entry_t *entries;
    size_t n, room;
};

/* ---- the table ------------------------------------------------------------------------------------------------- */

static int find_user (mpl_zap_t *self, const char *domain, size_t domain_len, const uint8_t key[KEY_BYTES], char user[MPL__ZAP_USER])
{
    int found = 0;

    pthread_mutex_lock (&self->lock);
    for (size_t i = 0; i < self->n && !found; i++) {
        const entry_t *entry = &self->entries[i];
        found = strlen (entry->domain) == domain_len && !memcmp (entry->domain, domain, domain_len)
                && !memcmp (entry->key, key, KEY_BYTES);
        if (found)
            memcpy (user, entry->user, MPL__ZAP_USER);
    }
    pthread_mutex_unlock (&self->lock);
    return found;
}

static entry_t *new_entry (mpl_zap_t *self)
{
    if (self->n == MPL__ZAP_KEYS_MAX) {
        errno = ENOBUFS;
        return NULL;
    }
    if (self->n == self->room) {
        size_t room = self->room ? 2 * self->room : 16;
        entry_t *entries = realloc (self->entries, room * sizeof *entries);
        if (!entries)
            return NULL;
        self->entries = entries;
        self->room = room;
    }
    return &self->entries[self->n];
}

int mpl__zap_admit (mpl_zap_t *self, const char *domain, const char *key, const char *user)
{
    entry_t entry = { .user = "" };

    if (strlen (key) != MPL__KEY_TEXT - 1 || !zmq_z85_decode (entry.key, key)) {
        errno = EINVAL;
        return -1;
    }
    snprintf (entry.domain, sizeof entry.domain, "%s", domain);
    snprintf (entry.user, sizeof entry.user, "%s", user);
    pthread_mutex_lock (&self->lock);
    entry_t *place = new_entry (self);
    if (place) {
        *place = entry;
        self->n++;
    }
    pthread_mutex_unlock (&self->lock);
    return place ? 0 : -1;
}

void mpl__zap_forget (mpl_zap_t *self, const char *domain, const char *user)
{
    pthread_mutex_lock (&self->lock);
    for (size_t i = 0; i < self->n;)
        if (!strcmp (self->entries[i].domain, domain) && (!user || !strcmp (self->entries[i].user, user)))
            self->entries[i] = self->entries[--self->n];
        else
            i++;
    pthread_mutex_unlock (&self->lock);
}

/* ---- answering ------------------------------------------------------------------------------------------------- */

static int is_text (zmq_msg_t *frame, const char *text)
{
    return zmq_msg_size (frame) == strlen (text) && !memcmp (zmq_msg_data (frame), text, strlen (text));
}

static void send_frame (void *socket, const void *bytes, size_t len, int is_last)
{
    zmq_send (socket, bytes, len, is_last ? ZMQ_DONTWAIT : ZMQ_DONTWAIT | ZMQ_SNDMORE);
}

/* `frames` are all of the request; its own begin behind the empty one at `at`. */
static void answer (mpl_zap_t *self, zmq_msg_t *frames, size_t at, size_t n)
{
    zmq_msg_t *request = frames + at + 1;
    char user[MPL__ZAP_USER] = "";
    int is_whole = n - at - 1 == N_FRAMES && is_text (&request[VERSION_FRAME], "1.0");

    if (n - at - 1 <= ID_FRAME)
        return;
    int is_in = is_whole && is_text (&request[MECHANISM_FRAME], "CURVE") && zmq_msg_size (&request[KEY_FRAME]) == KEY_BYTES
                && find_user (self, zmq_msg_data (&request[DOMAIN_FRAME]), zmq_msg_size (&request[DOMAIN_FRAME]),
                              zmq_msg_data (&request[KEY_FRAME]), user);
    for (size_t i = 0; i <= at; i++)
        send_frame (self->socket, zmq_msg_data (&frames[i]), zmq_msg_size (&frames[i]), 0);
    send_frame (self->socket, "1.0", 3, 0);
    send_frame (self->socket, zmq_msg_data (&request[ID_FRAME]), zmq_msg_size (&request[ID_FRAME]), 0);
    send_frame (self->socket, is_in ? "200" : "400", 3, 0);
    send_frame (self->socket, is_in ? "OK" : "no key of this job", is_in ? 2 : 18, 0);
    send_frame (self->socket, user, strlen (user), 0);
    send_frame (self->socket, "", 0, 1);
}

/* What is left of a message that is too long: it must not be read as the next one. */
static void drop_rest (void *socket)
{
    zmq_msg_t frame;
    int more = 1;

    while (more) {
        zmq_msg_init (&frame);
        more = zmq_msg_recv (&frame, socket, ZMQ_DONTWAIT) >= 0 && zmq_msg_more (&frame);
        zmq_msg_close (&frame);
    }
}

/* Takes one request, and drops what is none. */
static void take_request (mpl_zap_t *self)
{
    zmq_msg_t frames[FRAMES_MAX];
    size_t n = 0, at = 0;
    int more = 1;

    while (more && n < FRAMES_MAX) {
        zmq_msg_init (&frames[n]);
        if (zmq_msg_recv (&frames[n], self->socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close (&frames[n]);
            break;
        }
        more = zmq_msg_more (&frames[n++]);
    }
    if (more && n == FRAMES_MAX)
        drop_rest (self->socket);
    while (at < n && zmq_msg_size (&frames[at]))
        at++;
    if (!more && at < n)
        answer (self, frames, at, n);
    for (size_t i = 0; i < n; i++)
        zmq_msg_close (&frames[i]);
}

static void *serve (void *arg)
{
    mpl_zap_t *self = arg;
    zmq_pollitem_t items[] = { { .socket = self->socket, .events = ZMQ_POLLIN },
                               { .socket = self->control, .events = ZMQ_POLLIN } };

    while (zmq_poll (items, 2, -1) >= 0 || zmq_errno () == EINTR) {
        if (items[1].revents)
            break;
        if (items[0].revents)
            take_request (self);
    }
    return NULL;
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

static void *pair (void *context, const char *endpoint, int binds)
{
    void *socket = zmq_socket (context, ZMQ_PAIR);
    int zero = 0;

    if (!socket)
        return NULL;
    zmq_setsockopt (socket, ZMQ_LINGER, &zero, sizeof zero);
    if ((binds ? zmq_bind (socket, endpoint) : zmq_connect (socket, endpoint)) < 0) {
        zmq_close (socket);
        return NULL;
    }
    return socket;
}

static int start_thread (mpl_zap_t *self)
{
    pthread_attr_t attr;
    sigset_t all, old;
    int rc = pthread_attr_init (&attr);

    if (rc)
        return rc;
    pthread_attr_setstacksize (&attr, STACK);
    sigfillset (&all);                  /* the program's signals are for its own threads */
    pthread_sigmask (SIG_SETMASK, &all, &old);
    rc = pthread_create (&self->thread, &attr, serve, self);
    pthread_sigmask (SIG_SETMASK, &old, NULL);
    pthread_attr_destroy (&attr);
    self->has_thread = !rc;
    return rc;
}

mpl_zap_t *mpl__zap_new (void *context, mpl_err_t *err)
{
    mpl_zap_t *self = calloc (1, sizeof *self);
    char endpoint[48];
    int zero = 0;

    if (!self || pthread_mutex_init (&self->lock, NULL)) {
        free (self);
        mpl__err (err, ENOMEM, "no memory for the keys of other hosts");
        return NULL;
    }
    snprintf (endpoint, sizeof endpoint, "inproc://mplaunch.zap.%p", (void *) self);
    if (!(self->control = pair (context, endpoint, 1)) || !(self->stop = pair (context, endpoint, 0))
        || !(self->socket = zmq_socket (context, ZMQ_ROUTER)) || zmq_setsockopt (self->socket, ZMQ_LINGER, &zero, sizeof zero) < 0
        || zmq_bind (self->socket, ENDPOINT) < 0 || (errno = start_thread (self)) != 0) {
        mpl__err (err, errno, "nobody can be asked who may connect: %s", zmq_strerror (errno));
        mpl__zap_destroy (&self);
    }
    return self;
}

void mpl__zap_destroy (mpl_zap_t **self_p)
{
    mpl_zap_t *self = *self_p;

    if (!self)
        return;
    int saved = errno;
    if (self->has_thread) {
        zmq_send (self->stop, "", 0, 0);
        pthread_join (self->thread, NULL);
    }
    if (self->socket) {
        zmq_unbind (self->socket, ENDPOINT);            /* libzmq closes when it finds time; the place is free now */
        zmq_close (self->socket);
    }
    if (self->control)
        zmq_close (self->control);
    if (self->stop)
        zmq_close (self->stop);
    pthread_mutex_destroy (&self->lock);
    free (self->entries);
    free (self);
    *self_p = NULL;
    errno = saved;
}
