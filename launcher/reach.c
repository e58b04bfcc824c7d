#include "launcher/reach.h"
#include "launcher/attach.h"
#include "launcher/beside.h"
#include "launcher/srun.h"
#include "launcher/ssh.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ATTEMPTS_MAX 6                                  /* of a host whose sshd has too many logins */
#define REFUSED_MAX 3                                   /* of one that has no sshd: it may just be starting */
#define RETRY_NS (200 * (uint64_t) MPL__NS_PER_MS)      /* after the first attempt; twice as long after each further one */
#define LEAVE_MS 2000                                   /* for ssh or srun to leave when its output has ended */
#define CANCEL_MS 1000                                  /* for srun to take its step back */
#define NOT_FOUND 127
#define SSH_FAILED 255

struct mpl_reach {
    mpl_loop_t *loop;
    const mpl_plan_t *plan;
    mpl_host_agent_t *agents;
    size_t n;
    mpl_reach_fns_t fns;
    char *lines;                        /* what the remote side is told first */
    char *own_path;                     /* of mpworker on this machine */
    uint64_t lost_ns;
};

static const mpl_host_t *host_of (const mpl_host_agent_t *agent)
{
    const mpl_reach_t *self = agent->owner;

    return &self->plan->hosts.hosts[agent->host];
}

static int is_srun (const mpl_host_agent_t *agent)
{
    const mpl_reach_t *self = agent->owner;

    return self->plan->starts[agent->host] == MPL__START_SRUN;
}

/* Who brings us to an agent. */
static const char *carrier (const mpl_host_agent_t *agent)
{
    static const char *const names[] = { [MPL__START_HERE] = "mpworker", [MPL__START_SSH] = "ssh", [MPL__START_SRUN] = "srun",
                                         [MPL__START_LENT] = "mpattach" };
    const mpl_reach_t *self = agent->owner;

    return names[self->plan->starts[agent->host]];
}

/* ---- what it says ---------------------------------------------------------------------------------------------- */

static void heard_words (void *arg, uint32_t events)
{
    mpl_host_agent_t *agent = arg;
    mpl_reach_t *self = agent->owner;

    (void) events;
    if (mpl__tail_read (&agent->words, agent->words_fd) == 0)
        return;
    mpl__loop_remove (self->loop, &agent->words_source);
    mpl__fd_close (&agent->words_fd);
}

/* The last line before *end with something in it; *end is behind it then. */
static size_t last_line (const mpl_host_agent_t *agent, size_t *end)
{
    size_t start;

    while (*end && strchr ("\r\n \t", agent->words.text[*end - 1]))
        --*end;
    for (start = *end; start && agent->words.text[start - 1] != '\n'; start--)
        ;
    return start;
}

/* What srun says besides the reason: how the shell it started there ended, and that there are no CPUs to bind to. */
static int is_no_reason (const mpl_host_agent_t *agent, size_t start, size_t end)
{
    static const char *const asides[] = { ": task 0: ", "lacks support for cpu binding" };
    int is_aside = 0;

    for (size_t i = 0; i < sizeof asides / sizeof *asides && is_srun (agent); i++)
        is_aside |= memmem (agent->words.text + start, end - start, asides[i], strlen (asides[i])) != NULL;
    return is_aside;
}

/* The last line that says something, fit to be shown on a terminal. */
static const char *last_words (const mpl_host_agent_t *agent, char *text, size_t size)
{
    size_t end = agent->words.len, start = last_line (agent, &end), n = 0;

    while (is_no_reason (agent, start, end)) {
        end = start;
        start = last_line (agent, &end);
    }
    for (; start < end && n < size - 1; start++)
        text[n++] = (unsigned char) agent->words.text[start] < ' ' ? ' ' : agent->words.text[start];
    text[n] = '\0';
    return text;
}

/* ---- the process that carries us ------------------------------------------------------------------------------- */

/* An ssh that is killed leaves nothing behind, a srun would leave its step: that is waiting for words that never come. */
static void end_carrier (mpl_host_agent_t *agent, struct pollfd *left)
{
    if (is_srun (agent) && !kill (agent->pid, SIGTERM) && left->fd >= 0 && poll (left, 1, CANCEL_MS) == 1)
        return;
    kill (agent->pid, SIGKILL);
}

/* It is given a moment to leave by itself, since its exit code says why; its wait status. */
static int reap (mpl_host_agent_t *agent, int limit_ms)
{
    struct pollfd left = { .fd = -1, .events = POLLIN };
    int status = 0;

    if (!agent->pid)
        return 0;
    left.fd = (int) syscall (SYS_pidfd_open, agent->pid, 0);
    if (left.fd < 0 || poll (&left, 1, limit_ms) != 1)
        end_carrier (agent, &left);
    mpl__fd_close (&left.fd);
    while (waitpid (agent->pid, &status, 0) < 0 && errno == EINTR)
        ;
    agent->pid = 0;
    return status;
}

static void let_go (mpl_reach_t *self, mpl_host_agent_t *agent)
{
    mpl__post_destroy (&agent->post);
    mpl__loop_remove (self->loop, &agent->words_source);
    mpl__fd_close (&agent->words_fd);
}

static void heard (void *arg, const mpl_control_t *message);
static void heard_stream (void *arg, mpl_stream_kind_t kind, uint64_t id, const uint8_t *bytes, size_t len);
static void gone (void *arg, int error);

/* Whether it is a shell that we come to; elsewhere mpworker itself is started. */
static int has_script (const mpl_reach_t *self, const mpl_host_agent_t *agent)
{
    mpl_start_t how = self->plan->starts[agent->host];

    return how == MPL__START_SSH || how == MPL__START_SRUN;
}

/* What brings us there: ssh, srun, a broker's mpattach, or on this machine the agent itself. To be freed. */
static char **carrier_argv (mpl_reach_t *self, const mpl_host_agent_t *agent)
{
    mpl_start_t how = self->plan->starts[agent->host];

    if (how == MPL__START_LENT)
        return mpl__attach_argv (self->plan->attach, agent->host);
    if (how != MPL__START_HERE)
        return how == MPL__START_SRUN ? mpl__srun_argv (host_of (agent)->name) : mpl__ssh_argv (host_of (agent));
    char **argv = calloc (3, sizeof *argv);
    if (argv) {
        argv[0] = self->own_path;
        argv[1] = (char *) "--far";
    }
    return argv;
}

/* 0, or an errno value. */
static int start (mpl_reach_t *self, mpl_host_agent_t *agent)
{
    const mpl_post_fns_t fns = { heard, heard_stream, gone, agent };
    char **argv = carrier_argv (self, agent);
    char **env = is_srun (agent) ? mpl__srun_environment (environ) : environ;
    mpl_session_t child;

    int rc = argv && env ? mpl__session_start (&child, argv, env, 1) : errno;
    free (argv);
    if (env != environ)
        free (env);
    if (rc)
        return rc;
    agent->pid = child.pid;
    agent->words.len = 0;
    agent->words_fd = child.words;
    agent->words_source = mpl__loop_add (self->loop, child.words, EPOLLIN, heard_words, agent);
    agent->post = mpl__post_new (self->loop, child.out, child.in, MPL__GREETING, &fns);
    if (!agent->words_source || !agent->post)
        return errno;
    if (has_script (self, agent))
        mpl__post_write (agent->post, self->lines, strlen (self->lines));
    return 0;
}

/* ---- success and failure --------------------------------------------------------------------------------------- */

/* How often it is worth trying, by what ssh said last. */
static int attempts_for (const char *words)
{
    static const char *const crowded[] = { "exchange_identification", "Connection reset", "Connection closed by" };

    for (size_t i = 0; i < sizeof crowded / sizeof *crowded; i++)
        if (strstr (words, crowded[i]))
            return ATTEMPTS_MAX;
    return strstr (words, "Connection refused") ? REFUSED_MAX : 1;
}

static void has_failed (mpl_reach_t *self, mpl_host_agent_t *agent, const char *why)
{
    mpl_err_t err;

    let_go (self, agent);
    reap (agent, 0);
    agent->state = MPL__AGENT_GONE;
    mpl__err (&err, EHOSTUNREACH, "the host %s cannot be reached: %s", host_of (agent)->name, why);
    self->fns.failed (self->fns.arg, agent, &err);
}

static void hear_rest (mpl_host_agent_t *agent)
{
    for (size_t n = 0; agent->words_source && n != agent->words.len;) {
        n = agent->words.len;
        heard_words (agent, EPOLLIN);
    }
}

/* It ended before it was there. */
static void explain (mpl_reach_t *self, mpl_host_agent_t *agent)
{
    char words[MPL__TAIL], text[128], why[MPL__TAIL + 128];
    int status = reap (agent, LEAVE_MS), code = WIFEXITED (status) ? WEXITSTATUS (status) : -1;

    hear_rest (agent);
    last_words (agent, words, sizeof words);
    if (!is_srun (agent) && code == SSH_FAILED && agent->n_attempts < attempts_for (words)) {
        let_go (self, agent);
        agent->state = MPL__AGENT_WAITS;
        agent->due = mpl__clock_ns () + (RETRY_NS << (agent->n_attempts - 1));
        return;
    }
    if (code == NOT_FOUND && self->plan->options->prefix && !self->plan->attach)
        snprintf (why, sizeof why, "there is no bin/mpworker under --prefix %s there", self->plan->options->prefix);
    else if (code == NOT_FOUND && !self->plan->attach)
        snprintf (why, sizeof why, "mpworker is found neither at the place it has here nor in the PATH that %s gives there; "
                  "install mplaunch there, or say with --prefix where it is", carrier (agent));
    else if (*words)
        snprintf (why, sizeof why, "%s", words);
    else
        snprintf (why, sizeof why, "%s ended with %s and said nothing", carrier (agent), mpl__status_text (status, text, sizeof text));
    has_failed (self, agent, why);
}

static void is_lost (mpl_reach_t *self, mpl_host_agent_t *agent, const char *why)
{
    let_go (self, agent);
    reap (agent, 0);
    agent->state = MPL__AGENT_GONE;
    self->fns.gone (self->fns.arg, agent, why);
}

static void gone (void *arg, int error)
{
    mpl_host_agent_t *agent = arg;
    mpl_reach_t *self = agent->owner;
    char text[128], words[MPL__TAIL], why[MPL__TAIL + 192];

    if (agent->state == MPL__AGENT_REACHED && error) {
        has_failed (self, agent, "what answers there is no mpworker of this version; install the same version there");
    } else if (agent->state == MPL__AGENT_REACHED) {
        explain (self, agent);
    } else {
        int status = reap (agent, error ? 0 : LEAVE_MS);
        hear_rest (agent);
        last_words (agent, words, sizeof words);
        snprintf (why, sizeof why, "its agent's connection ended (%s%s%s)",
                  error ? strerror (error) : mpl__status_text (status, text, sizeof text), *words ? ": " : "", words);
        is_lost (self, agent, status || error ? why : NULL);
    }
}

static void heard (void *arg, const mpl_control_t *message)
{
    mpl_host_agent_t *agent = arg;
    mpl_reach_t *self = agent->owner;

    if (agent->state == MPL__AGENT_REACHED && message->type == MPL__C_AGENT) {
        agent->state = MPL__AGENT_THERE;
        agent->due = mpl__clock_ns () + self->lost_ns;
        agent->cores = message->cores;
        agent->time_of_day = message->at;
        snprintf (agent->version, sizeof agent->version, "%.*s", (int) sizeof agent->version - 1, message->text);
        self->fns.there (self->fns.arg, agent);
    } else if (message->type == MPL__C_BEAT) {
        agent->due = mpl__clock_ns () + self->lost_ns;
        mpl__post_say (agent->post, message);
    } else if (agent->state == MPL__AGENT_THERE) {
        self->fns.heard (self->fns.arg, agent, message);
    }
}

static void heard_stream (void *arg, mpl_stream_kind_t kind, uint64_t id, const uint8_t *bytes, size_t len)
{
    mpl_host_agent_t *agent = arg;
    mpl_reach_t *self = agent->owner;

    if (agent->state == MPL__AGENT_THERE)
        self->fns.stream (self->fns.arg, agent, kind, id, bytes, len);
}

/* ---- time ------------------------------------------------------------------------------------------------------ */

static void try_now (mpl_reach_t *self, mpl_host_agent_t *agent, uint64_t now)
{
    char why[128];

    agent->state = MPL__AGENT_REACHED;
    agent->due = now + MPL__REACH_LIMIT_NS;
    agent->n_attempts++;
    int error = start (self, agent);
    if (!error)
        return;
    snprintf (why, sizeof why, "%s cannot be started: %s", carrier (agent), strerror (error));
    has_failed (self, agent, why);
}

static void is_due (mpl_reach_t *self, mpl_host_agent_t *agent)
{
    char words[MPL__TAIL], text[MPL__TAIL + 64];

    if (agent->state == MPL__AGENT_REACHED) {
        snprintf (text, sizeof text, "nothing came of it in %u s%s%s%s%s", (unsigned) (MPL__REACH_LIMIT_NS / MPL__NS_PER_S),
                  agent->words.len ? "; " : "", agent->words.len ? carrier (agent) : "", agent->words.len ? " says: " : "",
                  last_words (agent, words, sizeof words));
        has_failed (self, agent, text);
    } else {
        snprintf (text, sizeof text, "nothing was heard of it for %g s", (double) self->lost_ns / MPL__NS_PER_S);
        is_lost (self, agent, text);
    }
}

/* Files that move are a sign of life; when the last has left for it, it still has some in pipes and sockets to read. */
static int is_reading (mpl_host_agent_t *agent, uint64_t now)
{
    uint64_t left = agent->is_staging ? mpl__post_files_left (agent->post) : agent->files_left;

    if (left == agent->files_left)
        return 0;
    agent->files_left = left;
    agent->due = now + MPL__FILES_LIMIT_NS;
    return 1;
}

uint64_t mpl__reach_tick (mpl_reach_t *self, uint64_t now)
{
    uint64_t due = MPL__NEVER;
    int n_reached = 0;

    for (size_t i = 0; i < self->n; i++)
        n_reached += self->agents[i].state == MPL__AGENT_REACHED;
    for (size_t i = 0; i < self->n; i++) {
        mpl_host_agent_t *agent = &self->agents[i];
        if (agent->owner != self || agent->state == MPL__AGENT_GONE)
            continue;
        if (agent->state != MPL__AGENT_WAITS && now >= agent->due) {
            if (mpl__post_has_input (agent->post))
                return now;             /* we were stopped, or slow: what it said meanwhile is heard first */
            if (is_reading (agent, now)) {
                due = agent->due < due ? agent->due : due;
                continue;
            }
            is_due (self, agent);
            due = now;                  /* what follows from it is not to be waited for */
        } else if (agent->state == MPL__AGENT_WAITS && now >= agent->due) {
            if (n_reached >= MPL__REACH_MAX)
                continue;               /* one of those will be due, or there, before long */
            try_now (self, agent, now);
            n_reached++;
            due = agent->state == MPL__AGENT_GONE ? now : due;
        }
        if (agent->state != MPL__AGENT_GONE)
            due = agent->due < due ? agent->due : due;
    }
    return due;
}

void mpl__reach_add (mpl_reach_t *self, mpl_host_agent_t *agent, uint64_t due)
{
    size_t i = (size_t) (agent - self->agents);

    agent->owner = self;
    agent->state = MPL__AGENT_WAITS;
    agent->due = due;
    agent->n_attempts = 0;
    self->n = i < self->n ? self->n : i + 1;
}

void mpl__reach_hurry (mpl_reach_t *self, uint64_t now)
{
    uint64_t patience = 2 * (uint64_t) (self->plan->transport.heartbeat * MPL__NS_PER_S) + MPL__NS_PER_S;

    for (size_t i = 0; i < self->n; i++)
        if (self->agents[i].owner == self && self->agents[i].state == MPL__AGENT_WAITS)
            self->agents[i].state = MPL__AGENT_GONE;
    if (patience >= self->lost_ns)
        return;
    self->lost_ns = patience;
    for (size_t i = 0; i < self->n; i++) {
        mpl_host_agent_t *agent = &self->agents[i];
        if (agent->owner == self && agent->state == MPL__AGENT_THERE && agent->due > now + patience)
            agent->due = now + patience;
    }
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

mpl_reach_t *mpl__reach_new (mpl_loop_t *loop, const mpl_plan_t *plan, mpl_host_agent_t *agents, size_t n,
                             const mpl_reach_fns_t *fns, mpl_err_t *err)
{
    mpl_reach_t *self = calloc (1, sizeof *self);
    char *folder = NULL;

    if (!self) {
        mpl__err (err, ENOMEM, "no memory to reach other hosts");
        return NULL;
    }
    *self = (mpl_reach_t) { .loop = loop, .plan = plan, .agents = agents, .n = n, .fns = *fns,
                            .lost_ns = (uint64_t) (plan->transport.lost_after * MPL__NS_PER_S) };
    int rc = mpl__beside_folder (&folder, err) < 0 || mpl__beside ("mpworker", &self->own_path, err) < 0 ? -1 : 0;
    if (!rc && (rc = mpl__remote_lines (folder, plan->options->prefix, &self->lines)) < 0)
        mpl__err (err, errno, "the place of mpworker cannot be told to other hosts: %s", strerror (errno));
    free (folder);
    for (size_t i = 0; i < n && !rc; i++)
        if (plan->has_post[agents[i].host])
            agents[i].owner = self;
    if (rc)
        mpl__reach_destroy (&self);
    return self;
}

void mpl__reach_destroy (mpl_reach_t **self_p)
{
    mpl_reach_t *self = *self_p;

    if (!self)
        return;
    for (size_t i = 0; i < self->n; i++)
        if (self->agents[i].owner == self)
            let_go (self, &self->agents[i]);
    for (size_t i = 0; i < self->n; i++)        /* all at once, since each takes a while */
        if (self->agents[i].owner == self && self->agents[i].state == MPL__AGENT_REACHED && self->agents[i].pid)
            kill (self->agents[i].pid, SIGTERM);
    for (size_t i = 0; i < self->n; i++)
        if (self->agents[i].owner == self)
            reap (&self->agents[i], self->agents[i].state == MPL__AGENT_THERE ? LEAVE_MS : 0);
    free (self->lines);
    free (self->own_path);
    free (self);
    *self_p = NULL;
}
