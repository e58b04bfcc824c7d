#include "launcher/check.h"
#include "launcher/agent.h"
#include "launcher/reach.h"
#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FAULT 125
#define FAULTS_MAX 8                                    /* of a host that are told */
#define ROW "%-*s  %-7s  %-7s  %5s  %9s  %-7s  %-7s  %s\n"
#define LIMIT_NS ((uint64_t) 15 * MPL__NS_PER_S)        /* from when all are reached or not */
#define CLOCK_MATTERS_NS ((int64_t) 1000000000)         /* make and its like go wrong by such a difference */

typedef enum { UNKNOWN, WELL, BAD } finding_t;

typedef struct {
    int is_settled;                     /* reached, or not */
    finding_t reached, program, to_main, from_main;
    int64_t ahead_ns;                   /* its clock, of ours */
    char way[MPL__CONTROL_TEXT];        /* token and endpoints; empty: it does not listen */
    int is_asked;                       /* main and it were told to connect to each other */
    int has_listened;
    int is_staged;                      /* a program is copied there first, so it is not looked for */
    char faults[FAULTS_MAX][MPL__TAIL + 64];
    int n_faults;
} host_t;

typedef struct {
    mpl_plan_t *plan;
    mpl_loop_t *loop;
    mpl_reach_t *reach;
    mpl_host_agent_t *agents;
    host_t *hosts;
    size_t n;
} check_t;

/* ---- findings -------------------------------------------------------------------------------------------------- */

static void find_fault (host_t *host, finding_t *what, const char *text)
{
    *what = BAD;
    if (host->n_faults < FAULTS_MAX)
        snprintf (host->faults[host->n_faults++], sizeof host->faults[0], "%.*s", (int) sizeof host->faults[0] - 1, text);
}

static int64_t time_of_day (void)
{
    struct timespec now;

    clock_gettime (CLOCK_REALTIME, &now);
    return (int64_t) now.tv_sec * MPL__NS_PER_S + now.tv_nsec;
}

/* Connections go the way that we go ourselves, which is tried by that. */
static int is_tunnelled (const check_t *self) { return self->plan->transport.tunnel == MPL__TUNNEL_SSH; }

/* The first host is where main would be. */
static void ask_both (check_t *self, size_t i)
{
    host_t *main = &self->hosts[0], *host = &self->hosts[i];
    mpl_control_t to_main = { .type = MPL__C_CHECK, .node = 0 }, from_main = { .type = MPL__C_CHECK, .node = i };

    if (!i || is_tunnelled (self) || host->is_asked || !*main->way || !*host->way)
        return;
    host->is_asked = 1;
    memcpy (to_main.text, main->way, sizeof main->way);
    memcpy (from_main.text, host->way, sizeof host->way);
    mpl__agent_say (&self->agents[i], &to_main);
    mpl__agent_say (&self->agents[0], &from_main);
}

static const char *ports_text (const check_t *self, char *text, size_t size)
{
    const mpl_transport_t *transport = &self->plan->transport;

    snprintf (text, size, transport->port_last ? "the ports %d-%d" : "any port, or those that transport.ports would name",
              transport->port_first, transport->port_last);
    return text;
}

static void has_connected (check_t *self, size_t i, const mpl_control_t *message)
{
    size_t other = i ? i : message->node;
    host_t *host = &self->hosts[other < self->n ? other : 0];
    char text[MPL__TAIL + 64], ports[64];

    finding_t *what = i ? &host->to_main : &host->from_main;
    snprintf (text, sizeof text, i ? "%s, where main would listen, cannot be connected to: %s; a firewall has to let %s through"
                                   : "it cannot be connected to from %s, where main would be: %s; a firewall has to let %s through",
              self->plan->hosts.hosts[0].name, message->text, ports_text (self, ports, sizeof ports));
    *what = WELL;
    if (message->status)
        find_fault (host, what, text);
}

static void heard (void *arg, mpl_host_agent_t *agent, const mpl_control_t *message)
{
    check_t *self = arg;
    host_t *host = &self->hosts[agent->host];

    if (message->type != MPL__C_CHECKED)
        return;
    if (message->n == 0 && message->status) {
        find_fault (host, &host->program, message->text);
    } else if (message->n == 0) {
        host->program = host->program == BAD ? BAD : WELL;      /* one of several may be missing */
    } else if (message->n == 1 && message->status) {
        if (!agent->host || !is_tunnelled (self))
            find_fault (host, &host->from_main, message->text);
        host->has_listened = 1;
    } else if (message->n == 1) {
        host->has_listened = 1;
        memcpy (host->way, message->text, sizeof host->way);
        for (size_t i = 1; i < self->n; i++)
            if (!agent->host || agent->host == i)
                ask_both (self, i);
    } else {
        has_connected (self, agent->host, message);
    }
}

/* ---- reaching -------------------------------------------------------------------------------------------------- */

static void there (void *arg, mpl_host_agent_t *agent)
{
    check_t *self = arg;
    host_t *host = &self->hosts[agent->host];
    uint8_t *bytes = NULL;
    size_t len;
    mpl_err_t err;

    host->is_settled = 1;
    host->reached = WELL;
    host->ahead_ns = (int64_t) agent->time_of_day - time_of_day ();
    for (size_t i = 0; i < self->plan->options->n_apps && self->plan->options->apps[i].argv.n; i++)
        host->is_staged |= mpl__staging_has (&self->plan->staging, i, self->plan->options->apps[i].argv.texts[0]);
    if (mpl__plan_check_order (self->plan, agent->host, &bytes, &len, &err) < 0) {
        find_fault (host, &host->reached, err.text);
        return;
    }
    mpl__post_write (agent->post, bytes, len);
    free (bytes);
}

static void failed (void *arg, mpl_host_agent_t *agent, const mpl_err_t *err)
{
    host_t *host = &((check_t *) arg)->hosts[agent->host];

    host->is_settled = 1;
    find_fault (host, &host->reached, err->text);
}

static void gone (void *arg, mpl_host_agent_t *agent, const char *why)
{
    host_t *host = &((check_t *) arg)->hosts[agent->host];

    find_fault (host, &host->reached, why ? why : "its agent left");
}

static void heard_stream (void *arg, mpl_host_agent_t *agent, mpl_stream_kind_t kind, uint64_t id, const uint8_t *bytes, size_t len)
{
    (void) arg, (void) agent, (void) kind, (void) id, (void) bytes, (void) len;
}

/* What was asked and not answered. */
static void note_silence (check_t *self)
{
    char text[128];

    for (size_t i = 0; i < self->n; i++) {
        host_t *host = &self->hosts[i];
        snprintf (text, sizeof text, "its agent did not say in %u s what it found", (unsigned) (LIMIT_NS / MPL__NS_PER_S));
        if (host->reached == WELL && !host->has_listened)
            find_fault (host, &host->reached, text);
        if (host->reached != WELL || !host->is_asked)
            continue;
        snprintf (text, sizeof text, "whether connections are possible was not found out in %u s",
                  (unsigned) (LIMIT_NS / MPL__NS_PER_S));
        if (host->to_main == UNKNOWN)
            find_fault (host, &host->to_main, text);
        else if (host->from_main == UNKNOWN)
            find_fault (host, &host->from_main, text);
    }
}

static int is_settled (const check_t *self)
{
    for (size_t i = 0; i < self->n; i++)
        if (!self->hosts[i].is_settled)
            return 0;
    return 1;
}

static int is_done (const check_t *self)
{
    for (size_t i = 0; i < self->n; i++) {
        const host_t *host = &self->hosts[i];
        if (host->reached != WELL)
            continue;
        if (!host->has_listened || (host->is_asked && (host->to_main == UNKNOWN || host->from_main == UNKNOWN)))
            return 0;
    }
    return 1;
}

/* ---- the table ------------------------------------------------------------------------------------------------- */

static const char *word (finding_t finding)
{
    return finding == WELL ? "yes" : finding == BAD ? "NO" : "-";
}

/* main, tunnel, yes, NO or nothing known. */
static const char *way_word (const check_t *self, size_t i, finding_t finding)
{
    return finding == BAD ? "NO" : !i ? "main" : is_tunnelled (self) ? "tunnel" : word (finding);
}

static void print_host (const check_t *self, size_t i, int width, FILE *to)
{
    const host_t *host = &self->hosts[i];
    char cores[16] = "-", clock[24] = "-";
    const char *version = host->reached == WELL ? self->agents[i].version : "-";

    if (host->reached == WELL) {
        snprintf (cores, sizeof cores, "%d", (int) self->agents[i].cores);
        snprintf (clock, sizeof clock, "%+.1f s", (double) host->ahead_ns / MPL__NS_PER_S);
    }
    fprintf (to, ROW, width, self->plan->hosts.hosts[i].name, word (host->reached), version, cores, clock,
             host->program == UNKNOWN && host->is_staged ? "staged" : word (host->program), way_word (self, i, host->to_main),
             way_word (self, i, host->from_main));
}

static int print_table (check_t *self, FILE *to)
{
    int width = 4, n_faults = 0;

    for (size_t i = 0; i < self->n; i++) {
        int len = (int) strlen (self->plan->hosts.hosts[i].name);
        width = len > width ? len : width;
    }
    fprintf (to, ROW, width, "host", "reached", "version", "cores", "clock", "program", "to main", "from main");
    for (size_t i = 0; i < self->n; i++)
        print_host (self, i, width, to);
    for (size_t i = 0; i < self->n; i++) {
        host_t *host = &self->hosts[i];
        if (host->reached == WELL && llabs (host->ahead_ns) >= CLOCK_MATTERS_NS)
            fprintf (to, "%s: its clock and that of this machine differ by %.1f s; is it set by NTP?\n",
                     self->plan->hosts.hosts[i].name, (double) llabs (host->ahead_ns) / MPL__NS_PER_S);
        for (int k = 0; k < host->n_faults; k++)
            fprintf (to, "%s: %s\n", self->plan->hosts.hosts[i].name, host->faults[k]);
        n_faults += host->n_faults;
    }
    return n_faults;
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

static int begin (check_t *self, mpl_err_t *err)
{
    const mpl_reach_fns_t fns = { there, failed, heard, heard_stream, gone, self };

    self->n = self->plan->hosts.n;
    self->agents = calloc (self->n, sizeof *self->agents);
    self->hosts = calloc (self->n, sizeof *self->hosts);
    self->loop = mpl__loop_new ();
    if (!self->agents || !self->hosts || !self->loop)
        return mpl__err (err, ENOMEM, "no memory to check %zu hosts", self->n);
    for (size_t i = 0; i < self->n; i++) {
        self->agents[i] = (mpl_host_agent_t) { .host = i, .link = -1, .words_fd = -1 };
        self->plan->has_post[i] = 1;    /* also on this machine: they are all asked in the same way */
    }
    self->reach = mpl__reach_new (self->loop, self->plan, self->agents, self->n, &fns, err);
    return self->reach ? 0 : -1;
}

static void turn (check_t *self, uint64_t deadline)
{
    uint64_t due = mpl__reach_tick (self->reach, mpl__clock_ns ());

    mpl__loop_turn (self->loop, due < deadline ? due : deadline);
}

int mpl__check (mpl_plan_t *plan, FILE *to)
{
    check_t self = { .plan = plan };
    mpl_err_t err;
    sigset_t pipe;
    int n_faults = 1;

    sigemptyset (&pipe);                /* an ssh that has ended is told of by its end */
    sigaddset (&pipe, SIGPIPE);
    sigprocmask (SIG_BLOCK, &pipe, NULL);

    if (begin (&self, &err) < 0) {
        fprintf (stderr, "mplaunch: %s\n", err.text);
    } else {
        while (!is_settled (&self))
            turn (&self, MPL__NEVER);
        uint64_t until = mpl__clock_ns () + LIMIT_NS;
        while (!is_done (&self) && mpl__clock_ns () < until)
            turn (&self, until);
        note_silence (&self);
        n_faults = print_table (&self, to);
    }
    for (size_t i = 0; i < self.n && self.reach; i++)
        mpl__agent_say (&self.agents[i], &(mpl_control_t) { .type = MPL__C_TERMINATE });
    mpl__reach_destroy (&self.reach);
    mpl__loop_destroy (&self.loop);
    free (self.agents);
    free (self.hosts);
    return n_faults || fflush (to) ? FAULT : 0;
}
