/* mpattach - what stands between mplaunch, which links no ZeroMQ, and an mpbroker. It is run in two ways.
 *
 * mpattach --slots N FILE asks for N slots (0: all that can be had) and holds what it is lent as long as it runs. On standard output
 * it says, a line each:
 *      host NAME SLOTS LEASE       lent
 *      ready SLOTS                 that is all for now
 *      wait SLOTS LAUNCHES         nothing is free: of so many slots, so many launches have some
 *      lost LEASE                  that host has gone
 *      reclaim LEASE SLOTS         others wait: no more than so many of it are to be used
 *      error TEXT                  and it ends
 * and on standard input it hears "want N" (in all, from now on) and "keep LEASE SLOTS" (the rest is given back). The end of that
 * is its end.
 *
 * mpattach --lease ID FILE does for a host that was lent what ssh does for others: its standard input and output are those of
 * mpworker --far there. */
#include "worker/boardlink.h"
#include "worker/relay.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define USAGE 2
#define FAILED 1                        /* not 255, after which ssh would be tried again */
#define LEAVE_NS (5 * (uint64_t) MPL__NS_PER_S)         /* from the end of our input until the agent has ended */

typedef struct {
    const char *file;
    uint64_t slots, lease;
    int is_lease;
} options_t;

typedef struct {
    options_t options;
    mpl_badge_t badge;
    mpl_loop_t *loop;
    mpl_boardlink_t *link;
    mpl_source_t *in_source;            /* --slots: lines */
    mpl_lines_t lines;
    mpl_relay_t *relay;                 /* --lease */
    uint64_t stream;
    int is_closed, agent_code;          /* the agent has ended, with this code */
    uint64_t leave_at;
    int code;                           /* the exit code; -1: it goes on */
} attach_t;

/* ---- command line ---------------------------------------------------------------------------------------------- */

static int read_number (const char *text, uint64_t *number)
{
    char *end;

    errno = 0;
    *number = strtoull (text, &end, 10);
    return errno || end == text || *end || *text == '-' ? -1 : 0;
}

static int parse (int argc, char **argv, options_t *options)
{
    static const struct option names[] = { { "slots", required_argument, NULL, 's' }, { "lease", required_argument, NULL, 'l' },
                                           { NULL, 0, NULL, 0 } };
    int n = 0, rc = 0;

    for (int c; (c = getopt_long (argc, argv, "", names, NULL)) != -1; n++)
        if (c == 's') {
            rc |= read_number (optarg, &options->slots);
        } else if (c == 'l') {
            rc |= read_number (optarg, &options->lease);
            options->is_lease = 1;
        } else {
            return USAGE;
        }
    options->file = argv[optind];
    if (!rc && n == 1 && argc == optind + 1)
        return -1;
    fprintf (stderr, "usage: mpattach --slots N | --lease ID FILE; it is started by mplaunch --attach\n");
    return USAGE;
}

/* ---- saying ---------------------------------------------------------------------------------------------------- */

static void print (attach_t *self, const char *fmt, ...) __attribute__ ((format (printf, 2, 3)));

/* A line is written whole; who does not read them any more has no use for us. */
static void print (attach_t *self, const char *fmt, ...)
{
    char text[MPL__BOARD_TEXT + 128];
    va_list args;

    va_start (args, fmt);
    int len = vsnprintf (text, sizeof text - 1, fmt, args);
    va_end (args);
    len = len < (int) sizeof text - 1 ? len : (int) sizeof text - 2;
    text[len] = '\n';
    if (mpl__fd_write_all (1, text, (size_t) len + 1) < 0)
        self->code = FAILED;
}

static void fail (attach_t *self, const char *why)
{
    if (self->options.is_lease)
        fprintf (stderr, "%s\n", why);
    else
        print (self, "error %s", why);
    self->code = FAILED;
}

/* ---- the broker ------------------------------------------------------------------------------------------------ */

/* Who we are, for whoever watches the broker. */
static void ask_for_slots (attach_t *self)
{
    char text[128], host[HOST_NAME_MAX + 1] = "";
    const struct passwd *user = getpwuid (getuid ());

    gethostname (host, sizeof host - 1);
    snprintf (text, sizeof text, "launch %d of %.32s at %.64s", (int) getppid (), user ? user->pw_name : "nobody", host);
    mpl__boardlink_say (self->link, &(mpl_board_t) { .type = MPL__B_ATTACH, .slots = self->options.slots, .body = text,
                                                     .len = strlen (text) });
}

static void is_up (void *arg)
{
    attach_t *self = arg;

    if (self->options.is_lease)
        mpl__boardlink_say (self->link, &(mpl_board_t) { .type = MPL__B_OPEN, .lease = self->options.lease });
    else
        ask_for_slots (self);
}

static void is_lost (void *arg, const char *why, int is_refused)
{
    (void) is_refused;
    fail (arg, why);
}

static void changed (void *arg)
{
    (void) arg;                         /* looked at after the turn */
}

static void begin_stream (attach_t *self, const mpl_board_t *message)
{
    if (self->relay)
        return;
    self->stream = message->stream;
    self->relay = mpl__relay_new (self->loop, self->link, self->stream, fcntl (0, F_DUPFD_CLOEXEC, 3), fcntl (1, F_DUPFD_CLOEXEC, 3),
                                  changed, self);
    close (0);                          /* the relay's is the only one, so that its end is one */
    close (1);
    if (mpl__fd_fill_standard () < 0 || !self->relay)
        fail (self, "no memory for a stream");
}

/* What the agent said last is our last word, and how it ended how we do. */
static void end_stream (attach_t *self, const mpl_board_t *message)
{
    char text[MPL__BOARD_TEXT + 1];
    int status = (int) message->status;

    if (message->len)
        fprintf (stderr, "%s\n", mpl__board_text (message, text));
    self->is_closed = 1;
    self->agent_code = WIFEXITED (status) ? WEXITSTATUS (status) : 128 + WTERMSIG (status);
    if (self->relay)
        mpl__relay_end (self->relay);
}

static void heard_of_stream (attach_t *self, const mpl_board_t *message)
{
    switch (message->type) {
    case MPL__B_WELCOME:
        begin_stream (self, message);
        break;
    case MPL__B_DATA: case MPL__B_TAKEN: case MPL__B_END:
        if (self->relay && mpl__relay_take (self->relay, message) < 0)
            fail (self, "the broker sent more than it may");
        break;
    case MPL__B_CLOSE:
        end_stream (self, message);
        break;
    default:
        break;
    }
}

static void heard_of_slots (attach_t *self, const mpl_board_t *message)
{
    char text[MPL__BOARD_TEXT + 1];

    switch (message->type) {
    case MPL__B_LENT:
        if (mpl__board_is_name (mpl__board_text (message, text)))
            print (self, "host %s %llu %llu", text, (unsigned long long) message->slots, (unsigned long long) message->lease);
        break;
    case MPL__B_READY:
        print (self, "ready %llu", (unsigned long long) message->slots);
        break;
    case MPL__B_WAIT:
        print (self, "wait %llu %llu", (unsigned long long) message->slots, (unsigned long long) message->launches);
        break;
    case MPL__B_LOST:
        print (self, "lost %llu", (unsigned long long) message->lease);
        break;
    case MPL__B_RECLAIM:
        print (self, "reclaim %llu %llu", (unsigned long long) message->lease, (unsigned long long) message->slots);
        break;
    default:
        break;
    }
}

static void heard (void *arg, const mpl_board_t *message)
{
    attach_t *self = arg;
    char text[MPL__BOARD_TEXT + 1], why[MPL__BOARD_TEXT + 64];

    if (message->type == MPL__B_REFUSED) {
        snprintf (why, sizeof why, "the broker refuses: %s", mpl__board_text (message, text));
        fail (self, why);
    } else if (self->options.is_lease) {
        heard_of_stream (self, message);
    } else {
        heard_of_slots (self, message);
    }
}

/* ---- the launcher ---------------------------------------------------------------------------------------------- */

static void take_line (void *arg, char *line)
{
    attach_t *self = arg;
    mpl_board_t message = { 0 };
    char *word = line + strcspn (line, " ");

    if (!strncmp (line, "want ", 5) && read_number (word + 1, &message.slots) == 0) {
        message.type = MPL__B_WANT;
    } else if (!strncmp (line, "keep ", 5)) {
        char *last = strrchr (line, ' ');
        *last++ = '\0';
        if (last > word + 1 && read_number (word + 1, &message.lease) == 0 && read_number (last, &message.slots) == 0)
            message.type = MPL__B_RETURN;
    }
    if (message.type)
        mpl__boardlink_say (self->link, &message);
}

static void heard_launcher (void *arg, uint32_t events)
{
    attach_t *self = arg;

    (void) events;
    if (mpl__lines_read (&self->lines, 0, take_line, self) < 0)
        self->code = 0;
}

/* ---- the loop -------------------------------------------------------------------------------------------------- */

/* The agent has ended and all that it wrote has arrived; or one of the two has not come to its end in time after the
 * other. */
static void look_at_stream (attach_t *self, uint64_t now)
{
    int is_written = !self->relay || mpl__relay_is_written (self->relay);
    int is_ending = self->relay && (is_written || mpl__relay_is_read (self->relay));

    if (self->is_closed && is_written)
        self->code = self->agent_code;
    else if (now >= self->leave_at)
        self->code = FAILED;
    else if (is_ending && self->leave_at == MPL__NEVER)
        self->leave_at = now + LEAVE_NS;
}

static void serve (attach_t *self)
{
    mpl__boardlink_start (self->link, mpl__clock_ns ());
    while (self->code < 0) {
        uint64_t due = mpl__boardlink_tick (self->link);
        if (self->options.is_lease)
            look_at_stream (self, mpl__clock_ns ());
        if (self->code >= 0)
            break;
        mpl__loop_turn (self->loop, due < self->leave_at ? due : self->leave_at);
    }
    mpl__boardlink_say (self->link, &(mpl_board_t) { .type = MPL__B_LEAVE });
}

static int begin (attach_t *self, mpl_err_t *err)
{
    const mpl_boardlink_fns_t fns = { is_up, heard, is_lost, self };

    if (mpl__badge_read (&self->badge, self->options.file, err) < 0)
        return -1;
    if (!self->badge.n_addresses)
        return mpl__err (err, EINVAL, "%.400s says no address; what launches show is the file whose name ends in .client",
                         self->options.file);
    signal (SIGPIPE, SIG_IGN);
    if (!(self->loop = mpl__loop_new ())
        || (!self->options.is_lease && !(self->in_source = mpl__loop_add (self->loop, 0, EPOLLIN, heard_launcher, self))))
        return mpl__err (err, errno, "mpattach cannot begin: %s", strerror (errno));
    self->link = mpl__boardlink_new (self->loop, &self->badge, self->options.file, &fns, err);
    return self->link ? 0 : -1;
}

int main (int argc, char **argv)
{
    attach_t self = { .code = -1, .leave_at = MPL__NEVER };
    mpl_err_t err;
    int rc = mpl__fd_fill_standard () < 0 ? FAILED : parse (argc, argv, &self.options);

    if (rc >= 0)
        return rc;
    if (begin (&self, &err) < 0)
        fail (&self, err.text);
    else
        serve (&self);
    mpl__relay_destroy (&self.relay);
    mpl__boardlink_destroy (&self.link);
    if (self.loop)
        mpl__loop_remove (self.loop, &self.in_source);
    mpl__loop_destroy (&self.loop);
    mpl__badge_clear (&self.badge);
    return self.code;
}
