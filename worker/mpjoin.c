/* mpjoin - a host joins an mpbroker: offers its slots, and for each launch that is lent some starts an agent,
 * mpworker --far, whose standard input and output it passes on. `mpworker --join` becomes this program, since
 * mpworker itself links no ZeroMQ. When it ends, however that happens, its agents see the end of their input and end
 * all that is theirs. */
#include "worker/boardlink.h"
#include "worker/relay.h"
#include "base/clock.h"
#include "base/cpus.h"
#include "base/fd.h"
#include "base/session.h"
#include "base/sweep.h"
#include "base/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define USAGE 2
#define FAILED 125
#define SLOTS_MAX 65536
#define FIRST_RETRY_NS (200 * (uint64_t) MPL__NS_PER_MS)
#define LAST_RETRY_NS (10 * (uint64_t) MPL__NS_PER_S)
#define LEAVE_NS (4 * (uint64_t) MPL__NS_PER_S)         /* for agents to end their ranks: TERM, and KILL a second later */
#define WORDS 400                                       /* of what an agent said last, for the launch: a text of the board */

static const char usage[] =
    "usage: mpworker --join FILE [--slots N] [--name NAME]\n"
    "\n"
    "This host joins the mpbroker whose certificate is FILE, and runs what launches attached to that broker bring.\n"
    "mpworker --join starts this program, mpjoin, which is not for use by itself. See mpworker(1).\n";

typedef struct {
    const char *file, *name;
    int slots;
} options_t;

typedef struct agent {
    struct joiner *joiner;
    uint64_t stream;
    pid_t pid;                          /* 0: it has ended, with `status` */
    int status;
    int pidfd, words_fd;
    mpl_source_t *pid_source, *words_source;
    mpl_relay_t *relay;                 /* NULL: the launch has gone */
    uint64_t kill_at;
    mpl_tail_t words;                   /* of what it says on standard error before it has a post for that */
    struct agent *next;
} agent_t;

typedef struct joiner {
    const options_t *options;
    mpl_badge_t badge;
    mpl_loop_t *loop;
    mpl_boardlink_t *link;
    mpl_source_t *signal_source;
    int signals;
    char mpworker[PATH_MAX];
    agent_t *agents;
    uint64_t retry_at, retry_for;       /* MPL__NEVER: there is a connection, or one is being made */
    int is_leaving;
    int is_refused;                     /* trying again would not help */
} joiner_t;

/* ---- command line ---------------------------------------------------------------------------------------------- */

static int bad (const char *what)
{
    fprintf (stderr, "mpjoin: %s; see mpworker --help\n", what);
    return USAGE;
}

/* -1: go on; else the exit code. */
static int parse (int argc, char **argv, options_t *options)
{
    static const struct option names[] = {
        { "slots", required_argument, NULL, 's' }, { "name", required_argument, NULL, 'n' },
        { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 }
    };
    char *end;

    for (int c; (c = getopt_long (argc, argv, "", names, NULL)) != -1;)
        switch (c) {
        case 'n': options->name = optarg; break;
        case 'h': fputs (usage, stdout); return 0;
        case 's':
            options->slots = (int) strtol (optarg, &end, 10);
            if (*end || options->slots < 1 || options->slots > SLOTS_MAX)
                return bad ("--slots takes a number from 1 to 65536");
            break;
        default: return USAGE;
        }
    options->file = argc == optind + 1 ? argv[optind] : NULL;
    if (!options->file)
        return bad ("--join takes one file, the certificate that mpbroker has made");
    return mpl__board_is_name (options->name) ? -1 : bad ("--name takes letters, digits, '-', '.' and '_'");
}

/* ---- agents ---------------------------------------------------------------------------------------------------- */

static void free_agent (agent_t *agent)
{
    joiner_t *self = agent->joiner;
    agent_t **at = &self->agents;

    while (*at && *at != agent)
        at = &(*at)->next;
    if (*at)
        *at = agent->next;
    mpl__relay_destroy (&agent->relay);
    mpl__loop_remove (self->loop, &agent->pid_source);
    mpl__loop_remove (self->loop, &agent->words_source);
    mpl__fd_close (&agent->pidfd);
    mpl__fd_close (&agent->words_fd);
    free (agent);
}

/* Its status goes to the launch when all that it wrote has. */
static void finish_if_over (agent_t *agent)
{
    if (agent->pid || (agent->relay && !mpl__relay_is_read (agent->relay)))
        return;
    size_t n = agent->words.len < WORDS ? agent->words.len : WORDS;
    mpl_board_t over = { .type = MPL__B_CLOSE, .stream = agent->stream, .status = (uint64_t) agent->status,
                         .body = agent->words.text + agent->words.len - n, .len = n };
    mpl__boardlink_say (agent->joiner->link, &over);
    free_agent (agent);
}

/* What agents have left behind came to us, their subreaper's subreaper. */
static void sweep (const joiner_t *self)
{
    size_t n = 0;

    for (const agent_t *agent = self->agents; agent; agent = agent->next)
        n++;
    pid_t *pids = calloc (n + 1, sizeof *pids);
    n = 0;
    for (const agent_t *agent = self->agents; agent && pids; agent = agent->next)
        pids[n++] = agent->pid;
    if (pids)
        mpl__sweep_others (pids, n);
    free (pids);
}

static void agent_ended (void *arg, uint32_t events)
{
    agent_t *agent = arg;

    (void) events;
    if (waitpid (agent->pid, &agent->status, WNOHANG) != agent->pid)
        return;
    agent->pid = 0;
    mpl__loop_remove (agent->joiner->loop, &agent->pid_source);
    mpl__fd_close (&agent->pidfd);
    sweep (agent->joiner);
    finish_if_over (agent);
}

static void heard_words (void *arg, uint32_t events)
{
    agent_t *agent = arg;

    (void) events;
    if (mpl__tail_read (&agent->words, agent->words_fd) == 0)
        return;
    mpl__loop_remove (agent->joiner->loop, &agent->words_source);
    mpl__fd_close (&agent->words_fd);
}

/* The end of its input is the agent's order to end. It is not waited for without an end. */
static void leave_agent (agent_t *agent)
{
    mpl__relay_destroy (&agent->relay);
    agent->kill_at = mpl__clock_ns () + LEAVE_NS;
    finish_if_over (agent);
}

static void relay_changed (void *arg)
{
    (void) arg;                         /* looked at after the turn: the relay is in use now */
}

static void look_after_agents (joiner_t *self, uint64_t now)
{
    for (agent_t *agent = self->agents, *next; agent; agent = next) {
        next = agent->next;
        if (agent->pid && now >= agent->kill_at) {
            kill (agent->pid, SIGKILL);
            agent->kill_at = MPL__NEVER;
        }
        finish_if_over (agent);
    }
}

static uint64_t agents_due (const joiner_t *self)
{
    uint64_t due = MPL__NEVER;

    for (const agent_t *agent = self->agents; agent; agent = agent->next)
        due = agent->kill_at < due ? agent->kill_at : due;
    return due;
}

static int listen_to (agent_t *agent, int in, int out)
{
    joiner_t *self = agent->joiner;

    agent->pidfd = (int) syscall (SYS_pidfd_open, agent->pid, 0);
    agent->relay = mpl__relay_new (self->loop, self->link, agent->stream, in, out, relay_changed, agent);
    agent->words_source = mpl__loop_add (self->loop, agent->words_fd, EPOLLIN, heard_words, agent);
    if (agent->pidfd >= 0)
        agent->pid_source = mpl__loop_add (self->loop, agent->pidfd, EPOLLIN, agent_ended, agent);
    return agent->relay && agent->words_source && agent->pid_source ? 0 : errno;
}

/* 0, or an errno value, and the agent is to be freed. */
static int start_agent (agent_t *agent)
{
    char *argv[] = { agent->joiner->mpworker, (char *) "--far", NULL };
    mpl_session_t child;
    int rc = mpl__session_start (&child, argv, environ, 1);

    if (rc)
        return rc;
    agent->pid = child.pid;
    agent->words_fd = child.words;
    rc = listen_to (agent, child.out, child.in);
    if (!rc)
        return 0;
    kill (agent->pid, SIGKILL);
    while (waitpid (agent->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return rc;
}

static void open_agent (joiner_t *self, uint64_t stream)
{
    agent_t *agent = calloc (1, sizeof *agent);
    char why[256];

    if (agent)
        *agent = (agent_t) { .joiner = self, .stream = stream, .pidfd = -1, .words_fd = -1, .kill_at = MPL__NEVER };
    int rc = agent ? start_agent (agent) : ENOMEM;
    if (!rc) {
        agent->next = self->agents;
        self->agents = agent;
        return;
    }
    snprintf (why, sizeof why, "mpworker cannot be started: %s", strerror (rc));
    mpl__boardlink_say (self->link, &(mpl_board_t) { .type = MPL__B_CLOSE, .stream = stream, .status = 127 << 8, .body = why,
                                                     .len = strlen (why) });
    if (agent)
        free_agent (agent);
}

static void leave_all (joiner_t *self)
{
    for (agent_t *agent = self->agents, *next; agent; agent = next) {
        next = agent->next;
        leave_agent (agent);
    }
}

/* ---- the broker ------------------------------------------------------------------------------------------------ */

static void is_up (void *arg)
{
    joiner_t *self = arg;
    mpl_board_t join = { .type = MPL__B_JOIN, .slots = (uint64_t) self->options->slots, .body = self->options->name,
                         .len = strlen (self->options->name) };

    mpl__boardlink_say (self->link, &join);
}

/* What they have still to say is no business of another connection, which has numbers of its own. */
static void forget_streams (joiner_t *self)
{
    for (agent_t *agent = self->agents; agent; agent = agent->next)
        agent->stream = 0;
}

static void try_later (joiner_t *self)
{
    self->retry_at = mpl__clock_ns () + self->retry_for;
    self->retry_for = 2 * self->retry_for < LAST_RETRY_NS ? 2 * self->retry_for : LAST_RETRY_NS;
}

/* The first refusal of many is told. */
static void is_lost (void *arg, const char *why, int is_refused)
{
    joiner_t *self = arg;

    forget_streams (self);
    leave_all (self);
    self->is_refused = is_refused;
    if (is_refused || self->retry_for == FIRST_RETRY_NS)
        fprintf (stderr, "mpjoin: %s%s\n", why, is_refused ? "" : "; it is tried again");
    try_later (self);
}

static agent_t *find_agent (const joiner_t *self, uint64_t stream)
{
    agent_t *agent = self->agents;

    while (agent && agent->stream != stream)
        agent = agent->next;
    return agent;
}

static void take_of_stream (joiner_t *self, const mpl_board_t *message)
{
    agent_t *agent = find_agent (self, message->stream);

    if (!agent)
        return;
    if (message->type == MPL__B_CLOSE || (agent->relay && mpl__relay_take (agent->relay, message) < 0))
        leave_agent (agent);
}

static void heard (void *arg, const mpl_board_t *message)
{
    joiner_t *self = arg;
    char text[MPL__BOARD_TEXT + 1];

    switch (message->type) {
    case MPL__B_WELCOME:
        self->retry_for = FIRST_RETRY_NS;
        fprintf (stderr, "mpjoin: this host has joined as %s with %d slot%s\n", mpl__board_text (message, text),
                 self->options->slots, self->options->slots == 1 ? "" : "s");
        break;
    case MPL__B_OPEN:
        open_agent (self, message->stream);
        break;
    case MPL__B_DATA: case MPL__B_TAKEN: case MPL__B_END: case MPL__B_CLOSE:
        take_of_stream (self, message);
        break;
    case MPL__B_REFUSED:
        fprintf (stderr, "mpjoin: the broker refuses this host: %s\n", mpl__board_text (message, text));
        self->is_refused = 1;
        break;
    default:                            /* what is not said to hosts */
        break;
    }
}

/* ---- the loop -------------------------------------------------------------------------------------------------- */

static void heard_signal (void *arg, uint32_t events)
{
    joiner_t *self = arg;
    struct signalfd_siginfo info;

    (void) events;
    if (read (self->signals, &info, sizeof info) == sizeof info)
        self->is_leaving = 1;
}

static uint64_t earlier (uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void turn (joiner_t *self)
{
    uint64_t now = mpl__clock_ns ();

    if (now >= self->retry_at && !self->is_leaving) {
        self->retry_at = MPL__NEVER;
        mpl__boardlink_start (self->link, now);
    }
    uint64_t due = mpl__boardlink_tick (self->link);
    look_after_agents (self, mpl__clock_ns ());
    due = earlier (due, earlier (agents_due (self), self->is_leaving ? MPL__NEVER : self->retry_at));
    if (!self->is_refused)
        mpl__loop_turn (self->loop, due);
}

/* The exit code. */
static int serve (joiner_t *self)
{
    while (!self->is_leaving && !self->is_refused)
        turn (self);
    int code = self->is_refused ? FAILED : 0;
    mpl__boardlink_say (self->link, &(mpl_board_t) { .type = MPL__B_LEAVE });
    self->is_refused = 0;
    self->is_leaving = 1;
    leave_all (self);
    while (self->agents)
        turn (self);
    return code;
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

static int find_mpworker (joiner_t *self, mpl_err_t *err)
{
    ssize_t len = readlink ("/proc/self/exe", self->mpworker, sizeof self->mpworker - sizeof "/mpworker");

    if (len <= 0)
        return mpl__err (err, errno, "it cannot be found out where this program lies: %s", strerror (errno));
    self->mpworker[len] = '\0';
    memcpy (strrchr (self->mpworker, '/'), "/mpworker", sizeof "/mpworker");
    return access (self->mpworker, X_OK) == 0
               ? 0 : mpl__err (err, errno, "mpworker, which belongs beside mpjoin, cannot be run there: %s", strerror (errno));
}

static int begin (joiner_t *self, mpl_err_t *err)
{
    const mpl_boardlink_fns_t fns = { is_up, heard, is_lost, self };
    sigset_t set;

    if (find_mpworker (self, err) < 0 || mpl__badge_read (&self->badge, self->options->file, err) < 0)
        return -1;
    if (!self->badge.n_addresses)
        return mpl__err (err, EINVAL, "%.400s says no address; what hosts show is the file whose name ends in .client",
                         self->options->file);
    sigemptyset (&set);
    sigaddset (&set, SIGINT);
    sigaddset (&set, SIGTERM);
    sigaddset (&set, SIGHUP);
    sigprocmask (SIG_BLOCK, &set, NULL);
    signal (SIGPIPE, SIG_IGN);
    prctl (PR_SET_CHILD_SUBREAPER, 1);
    self->signals = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (self->signals < 0 || !(self->loop = mpl__loop_new ())
        || !(self->signal_source = mpl__loop_add (self->loop, self->signals, EPOLLIN, heard_signal, self)))
        return mpl__err (err, errno, "it cannot begin: %s", strerror (errno));
    self->link = mpl__boardlink_new (self->loop, &self->badge, self->options->file, &fns, err);
    return self->link ? 0 : -1;
}

static void end (joiner_t *self)
{
    mpl__boardlink_destroy (&self->link);
    if (self->loop)
        mpl__loop_remove (self->loop, &self->signal_source);
    mpl__loop_destroy (&self->loop);
    mpl__fd_close (&self->signals);
    mpl__badge_clear (&self->badge);
    mpl__sweep_all (mpl__clock_ns () + LEAVE_NS);
}

int main (int argc, char **argv)
{
    char name[HOST_NAME_MAX + 1] = "";
    options_t options = { .name = name, .slots = mpl__cpus_usable () };
    joiner_t self = { .options = &options, .signals = -1, .retry_for = FIRST_RETRY_NS };
    mpl_err_t err;

    gethostname (name, sizeof name - 1);
    int rc = mpl__fd_fill_standard () < 0 ? FAILED : parse (argc, argv, &options);
    if (rc >= 0)
        return rc;
    rc = begin (&self, &err);
    if (rc < 0)
        fprintf (stderr, "mpjoin: %s\n", err.text);
    rc = rc < 0 ? FAILED : serve (&self);
    end (&self);
    return rc;
}
