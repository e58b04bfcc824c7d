#include "launcher/each/each.h"
#include "launcher/each/feeder.h"
#include "launcher/each/inputs.h"
#include "launcher/each/joblog.h"
#include "launcher/each/meter.h"
#include "launcher/each/print.h"
#include "launcher/each/run.h"
#include "launcher/each/template.h"
#include "base/clock.h"

#include <mplaunch.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAILED_MAX 100                  /* a number of failed jobs that fits an exit code; above it 101 */
#define BROKEN 255                      /* it could not go on */
#define LOST_MAX 3                      /* how often a job is run again whose output was lost with its worker */

typedef struct each each_t;

typedef struct job {
    each_t *owner;
    unsigned long number;
    char **inputs;
    int n_runs, n_lost;
    mpl_future_t *future;
    struct job *next;                   /* among those that are done, or wait to be run again */
} job_t;

typedef enum { RUNNING, STOPPING, ABANDONED } state_t;  /* stopping: nothing more is begun; abandoned: nothing more is waited for */

struct each {
    const mpl_each_options_t *options;
    mpl_template_t template;
    mpl_pool_t *pool;
    mpl_bell_t bell;                    /* guards what follows it up to the blank line */
    mpl_feeder_t *feeder;
    job_t *done, **done_end;            /* in the order in which they came back */
    int signal;                         /* that wants us to end; 0: none */

    state_t state;
    job_t *again;                       /* to be run once more */
    mpl_print_t *print;
    mpl_joblog_t *joblog;
    mpl_meter_t meter;
    size_t n_flying, window;            /* submitted and not back; at most */
    unsigned long n_numbered;
    size_t n_done, n_failed, n_skipped;
    int has_all_inputs;
    int is_halted, halt_code;           /* by --halt, and which code that makes */
    int is_broken;
    char host[256];
};

/* ---- what stops it --------------------------------------------------------------------------------------------- */

static void abandon (each_t *self)
{
    if (self->state == ABANDONED)
        return;
    self->state = ABANDONED;
    mpl_pool_terminate (self->pool);            /* TERM to the jobs, a second later KILL */
}

static void break_off (each_t *self, const char *why)
{
    mpl__meter_clear (&self->meter);
    fprintf (stderr, "mplaunch: %s\n", why);
    self->is_broken = 1;
    abandon (self);
}

/* A reader that has gone away has had enough: that is no error. */
static void output_lost (each_t *self)
{
    if (errno != EPIPE)
        break_off (self, "what the jobs print cannot be written");
    abandon (self);
}

static void *take_signals (void *arg)
{
    each_t *self = arg;
    sigset_t set;
    int signal;

    sigemptyset (&set);
    sigaddset (&set, SIGINT);
    sigaddset (&set, SIGTERM);
    sigaddset (&set, SIGHUP);
    for (int n = 0; sigwait (&set, &signal) == 0; n++) {
        if (n)
            _exit (128 + signal);       /* the workers end with us */
        pthread_mutex_lock (&self->bell.lock);
        self->signal = signal;
        pthread_cond_signal (&self->bell.changed);
        pthread_mutex_unlock (&self->bell.lock);
    }
    return NULL;
}

/* ---- giving out jobs ------------------------------------------------------------------------------------------- */

/* In whichever thread drives the pool. */
static void job_done (mpl_future_t *future, void *arg)
{
    job_t *job = arg;
    each_t *self = job->owner;

    (void) future;
    pthread_mutex_lock (&self->bell.lock);
    job->next = NULL;
    *self->done_end = job;
    self->done_end = &job->next;
    pthread_cond_signal (&self->bell.changed);
    pthread_mutex_unlock (&self->bell.lock);
}

static void free_job (job_t *job)
{
    free (job->inputs);
    mpl_future_destroy (&job->future);
    free (job);
}

static size_t n_inputs_of (const job_t *job)
{
    size_t n = 0;

    while (job->inputs[n])
        n++;
    return n;
}

/* The task's input: number, count, and the inputs end to end. NULL: ENOMEM. */
static char *make_item (const job_t *job, size_t *len)
{
    mpl_each_item_t item = { .number = job->number, .n_inputs = n_inputs_of (job) };

    *len = sizeof item;
    for (size_t i = 0; i < item.n_inputs; i++)
        *len += strlen (job->inputs[i]) + 1;
    char *bytes = malloc (*len), *at = bytes + sizeof item;
    if (!bytes)
        return NULL;
    memcpy (bytes, &item, sizeof item);
    for (size_t i = 0; i < item.n_inputs; i++) {
        size_t n = strlen (job->inputs[i]) + 1;
        memcpy (at, job->inputs[i], n);
        at += n;
    }
    return bytes;
}

static int submit (each_t *self, job_t *job)
{
    size_t len;
    char *item = make_item (job, &len);

    mpl_future_destroy (&job->future);
    job->n_runs++;
    if (item)
        job->future = mpl_pool_apply_async (self->pool, mpl__each_run, item, len);
    free (item);
    if (!job->future || mpl_future_on_done (job->future, job_done, job) < 0) {
        if (self->state != ABANDONED)
            break_off (self, mpl_error ());
        free_job (job);
        return -1;
    }
    self->n_flying++;
    return 0;
}

static mpl_job_words_t words_of (const job_t *job, unsigned slot)
{
    return (mpl_job_words_t) { .inputs = job->inputs, .n = n_inputs_of (job), .number = job->number, .slot = slot };
}

static void say_command (each_t *self, const job_t *job)
{
    mpl_job_words_t words = words_of (job, 1);
    char *text = mpl__template_text (&self->template, &words);

    mpl__meter_clear (&self->meter);
    fprintf (stderr, "mplaunch: job %lu: %s\n", job->number, text ? text : "");
    free (text);
}

/* The next job: one that is to be run again, or a new one. NULL: there is none now. */
static job_t *next_job (each_t *self)
{
    job_t *job = self->again;
    char **inputs = NULL;

    if (job) {
        self->again = job->next;
        return job;
    }
    if (self->has_all_inputs || mpl__print_is_full (self->print))
        return NULL;
    pthread_mutex_lock (&self->bell.lock);
    mpl_feed_t feed = mpl__feeder_take (self->feeder, &inputs);
    pthread_mutex_unlock (&self->bell.lock);
    if (feed == MPL__FEED_FAILED)
        break_off (self, mpl__feeder_error (self->feeder)->text);
    if (feed == MPL__FEED_FAILED || feed == MPL__FEED_END)
        self->has_all_inputs = 1;
    if (feed != MPL__FEED_INPUT)
        return NULL;
    job = calloc (1, sizeof *job);
    if (!job) {
        free (inputs);
        break_off (self, "no memory for a job");
        return NULL;
    }
    *job = (job_t) { .owner = self, .number = ++self->n_numbered, .inputs = inputs };
    return job;
}

static void give_out (each_t *self)
{
    while (self->state == RUNNING && self->n_flying < self->window) {
        job_t *job = next_job (self);
        if (!job)
            return;
        if (mpl__joblog_is_done (self->joblog, job->number)) {
            self->n_skipped++;
            if (mpl__print_skip (self->print, job->number) < 0)
                output_lost (self);
            free_job (job);
            continue;
        }
        if (self->options->is_verbose && !job->n_runs)
            say_command (self, job);
        submit (self, job);
    }
}

/* ---- taking them back ------------------------------------------------------------------------------------------ */

static int code_of (const mpl_each_result_t *result)
{
    return WIFSIGNALED (result->status) ? 128 + WTERMSIG (result->status) : WEXITSTATUS (result->status);
}

static const char *hint (const mpl_each_result_t *result)
{
    if (WIFSIGNALED (result->status))
        return WTERMSIG (result->status) == SIGKILL && !result->timed_out ? "; out of memory, or killed by somebody?"
                                                                          : "";
    return WEXITSTATUS (result->status) == 127 ? "; it, or something it runs, was not found?"
           : WEXITSTATUS (result->status) == 126 ? "; it, or something it runs, is not executable?" : "";
}

static void say_failure (each_t *self, const job_t *job, const mpl_each_result_t *result, const char *command)
{
    char end[128];

    if (self->options->is_quiet)
        return;
    mpl__meter_clear (&self->meter);
    if (result->error)
        snprintf (end, sizeof end, "could not be started: %s", strerror (result->error));
    else if (result->timed_out)
        snprintf (end, sizeof end, "was ended after %g s", self->options->timeout);
    else
        snprintf (end, sizeof end,
                  WIFSIGNALED (result->status) ? "ended with signal %d (%s)%s" : "ended with exit code %d%.0s%s",
                  WIFSIGNALED (result->status) ? WTERMSIG (result->status) : WEXITSTATUS (result->status),
                  WIFSIGNALED (result->status) ? strsignal (WTERMSIG (result->status)) : "", hint (result));
    fprintf (stderr, "mplaunch: job %lu (%.200s) on %s %s\n", job->number, command,
             *result->host ? result->host : self->host, end);
}

/* Large output is a file that the worker still holds; its own words when that cannot be had. */
static int fetch_output (const mpl_each_result_t *result, const char *bytes, mpl_printed_t *out, mpl_printed_t *err)
{
    *out = (mpl_printed_t) { .len = result->out_bytes, .fd = -1 };
    *err = (mpl_printed_t) { .len = result->err_bytes, .fd = -1 };
    if (result->out_fd < 0) {
        out->bytes = malloc (out->len + 1);
        err->bytes = malloc (err->len + 1);
        if (out->bytes && err->bytes) {
            memcpy (out->bytes, bytes, out->len);
            memcpy (err->bytes, bytes + out->len, err->len);
            return 0;
        }
        free (out->bytes);
        free (err->bytes);
        return -1;
    }
    out->len = err->len = 0;            /* nothing of it is in memory */
    out->fd = mpl__each_fetch ((pid_t) result->pid, result->out_fd);
    err->fd = mpl__each_fetch ((pid_t) result->pid, result->err_fd);
    if (out->fd >= 0 && err->fd >= 0)
        return 0;
    if (out->fd >= 0)
        close (out->fd);
    if (err->fd >= 0)
        close (err->fd);
    return -1;
}

static char *tag_of (const each_t *self, const job_t *job)
{
    static char brace[] = "{}";
    char *words[] = { brace, NULL };
    mpl_template_t all;
    mpl_job_words_t inputs = words_of (job, 1);
    char *tag = NULL;

    if (!self->options->is_tagged)
        return NULL;
    mpl__template_init (&all, words, 1, "{}");
    char **filled = mpl__template_fill (&all, &inputs);
    if (filled)
        tag = strdup (filled[0]);
    free (filled);
    return tag;
}

/* As GNU parallel has it, of the job that decided: with success to end on, 0. */
static void halt_if_decided (each_t *self, const mpl_each_result_t *result)
{
    size_t total;

    if (self->state != RUNNING)
        return;
    pthread_mutex_lock (&self->bell.lock);
    total = mpl__feeder_total (self->feeder);
    pthread_mutex_unlock (&self->bell.lock);
    mpl_halt_when_t when =
        mpl__halt_decide (&self->options->halt, self->n_failed, self->n_done - self->n_failed, total);
    if (when == MPL__HALT_NEVER)
        return;
    self->is_halted = 1;
    self->halt_code = mpl__halt_code (&self->options->halt, self->n_failed, total, code_of (result));
    if (!self->options->is_quiet) {
        mpl__meter_clear (&self->meter);
        fprintf (stderr, "mplaunch: no further jobs are begun, as --halt says%s\n",
                 when == MPL__HALT_NOW ? "; those that run are ended" : "");
    }
    if (when == MPL__HALT_NOW)
        abandon (self);
    else
        self->state = STOPPING;
}

static void log_job (each_t *self, const job_t *job, const mpl_each_result_t *result, const char *command)
{
    mpl_joblog_entry_t entry = { .number = job->number,
                                 .began_at = result->began_at,
                                 .seconds = result->seconds,
                                 .bytes = result->out_bytes,
                                 .status = result->status,
                                 .host = result->host,
                                 .command = command };
    mpl_err_t err;

    if (mpl__joblog_add (self->joblog, &entry, &err) < 0)
        break_off (self, err.text);
}

/* It will not be run again: printed, logged, counted. */
static void conclude (each_t *self, job_t *job, const mpl_each_result_t *result, mpl_printed_t *out,
                      mpl_printed_t *err)
{
    mpl_job_words_t words = words_of (job, (unsigned) result->slot + 1);
    char *command = mpl__template_text (&self->template, &words), *tag = tag_of (self, job);

    self->n_done++;
    self->n_failed += result->status != 0;
    mpl__meter_clear (&self->meter);
    if (mpl__print_add (self->print, job->number, out, err, &tag) < 0)
        output_lost (self);
    log_job (self, job, result, command ? command : "");
    if (result->status)
        say_failure (self, job, result, command ? command : "");
    free (command);
    halt_if_decided (self, result);
    free_job (job);
}

static void run_again (each_t *self, job_t *job)
{
    job->next = self->again;
    self->again = job;
}

/* The pool gave it up: its workers died, or it could not be run at all. */
static void give_up (each_t *self, job_t *job)
{
    mpl_each_result_t result = { .number = job->number, .status = SIGKILL, .out_fd = -1 };
    mpl_printed_t out = { .fd = -1 }, err = { .fd = -1 };
    const char *why = mpl_future_error (job->future);

    mpl__meter_clear (&self->meter);
    fprintf (stderr, "mplaunch: job %lu: %s\n", job->number, why ? why : "it was lost");
    conclude (self, job, &result, &out, &err);
}

static void take_result (each_t *self, job_t *job)
{
    size_t len;
    const char *answer = mpl_future_get (job->future, &len);
    mpl_each_result_t result;
    mpl_printed_t out, err;

    if (self->state == ABANDONED) {
        free_job (job);
        return;
    }
    if (!answer && errno != EIO) {      /* not this job but the pool has failed: what did not end is not done */
        break_off (self, mpl_future_error (job->future));
        free_job (job);
        return;
    }
    if (!answer || len < sizeof result) {
        give_up (self, job);
        return;
    }
    memcpy (&result, answer, sizeof result);
    if (fetch_output (&result, answer + sizeof result, &out, &err) < 0) {
        if (job->n_lost++ < LOST_MAX)
            run_again (self, job);
        else
            give_up (self, job);
        return;
    }
    if (result.status && job->n_runs < self->options->retries && self->state == RUNNING) {
        free (out.bytes);
        free (err.bytes);
        if (out.fd >= 0)
            close (out.fd);
        if (err.fd >= 0)
            close (err.fd);
        run_again (self, job);
        return;
    }
    conclude (self, job, &result, &out, &err);
}

/* ---- the loop -------------------------------------------------------------------------------------------------- */

static void tick_meter (each_t *self, int is_last)
{
    mpl_meter_count_t count = {
        .done = self->n_done, .failed = self->n_failed, .running = self->n_flying, .skipped = self->n_skipped
    };

    if (!self->meter.is_on)
        return;
    pthread_mutex_lock (&self->bell.lock);
    count.total = mpl__feeder_total (self->feeder);
    pthread_mutex_unlock (&self->bell.lock);
    mpl__meter_tick (&self->meter, &count, mpl__clock_ns (), is_last);
}

/* Waits until something has happened: a job is back, an input is there, a signal came, or the line of the meter is
 * due. The jobs that are back. */
static job_t *wait_for_jobs (each_t *self)
{
    struct timespec until;

    pthread_mutex_lock (&self->bell.lock);
    int could_go_on = self->done || self->signal;
    if (!could_go_on && self->meter.is_on) {
        clock_gettime (CLOCK_MONOTONIC, &until);
        until.tv_nsec += 200 * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_cond_timedwait (&self->bell.changed, &self->bell.lock, &until);
    } else if (!could_go_on) {
        pthread_cond_wait (&self->bell.changed, &self->bell.lock);
    }
    job_t *done = self->done;
    self->done = NULL;
    self->done_end = &self->done;
    pthread_mutex_unlock (&self->bell.lock);
    return done;
}

static int is_over (const each_t *self)
{
    return self->n_flying == 0 && (self->state != RUNNING || (self->has_all_inputs && !self->again));
}

static void take_signal (each_t *self)
{
    pthread_mutex_lock (&self->bell.lock);
    int signal = self->signal;
    pthread_mutex_unlock (&self->bell.lock);
    if (signal)
        abandon (self);
}

static void run_all (each_t *self)
{
    for (;;) {
        give_out (self);
        if (is_over (self))
            return;
        for (job_t *job = wait_for_jobs (self), *next; job; job = next) {
            next = job->next;
            self->n_flying--;
            take_result (self, job);
        }
        take_signal (self);
        tick_meter (self, 0);
    }
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

/* The initializer's argument (run.h). The caller frees it. NULL: ENOMEM. */
static char *make_setup (const mpl_each_options_t *options, size_t *len)
{
    mpl_each_setup_t setup = { .timeout_ns = (uint64_t) (options->timeout * MPL__NS_PER_S),
                               .n_words = options->n_command, .node = mpl__each_node () };
    const char *output = options->output ? options->output : "";

    *len = sizeof setup + strlen (options->replace) + 1 + strlen (output) + 1;
    for (size_t i = 0; i < options->n_command; i++)
        *len += strlen (options->command[i]) + 1;
    char *bytes = malloc (*len), *at = bytes + sizeof setup;
    if (!bytes)
        return NULL;
    memcpy (bytes, &setup, sizeof setup);
    for (size_t i = 0; i < options->n_command; i++)
        at = stpcpy (at, options->command[i]) + 1;
    at = stpcpy (at, options->replace) + 1;
    stpcpy (at, output);
    return bytes;
}

static int open_pool (each_t *self, mpl_err_t *err)
{
    mpl_pool_opts_t opts = mpl_pool_defaults ();
    char *setup = make_setup (self->options, &opts.init_len);

    if (!setup)
        return mpl__err (err, ENOMEM, "no memory for the command");
    opts.workers = self->options->jobs;
    opts.initializer = mpl__each_prepare;
    opts.init_arg = setup;
    opts.chunk = 1;
    self->pool = mpl_pool_new (&opts);
    free (setup);
    return self->pool ? 0 : mpl__err (err, errno, "%s", mpl_error ());
}

static int open_inputs (each_t *self, mpl_err_t *err)
{
    mpl_inputs_t *inputs = mpl__inputs_new (self->options, err);

    if (!inputs)
        return -1;
    if (!(self->feeder = mpl__feeder_new (&inputs, &self->bell)))
        mpl__err (err, errno, "no thread to read the inputs: %s", strerror (errno));
    mpl__inputs_destroy (&inputs);
    return self->feeder ? 0 : -1;
}

static int begin (each_t *self, mpl_err_t *err)
{
    const mpl_each_options_t *options = self->options;
    pthread_condattr_t clock;
    pthread_t thread;

    pthread_mutex_init (&self->bell.lock, NULL);
    pthread_condattr_init (&clock);
    pthread_condattr_setclock (&clock, CLOCK_MONOTONIC);
    pthread_cond_init (&self->bell.changed, &clock);
    self->done_end = &self->done;
    mpl__template_init (&self->template, options->command, options->n_command, options->replace);
    gethostname (self->host, sizeof self->host - 1);
    /* One job more for each worker than it runs, so that none waits; but what may be halted is not given out
     * beforehand. */
    self->window = (size_t) options->jobs * (options->halt.when == MPL__HALT_NEVER ? 2 : 1);
    if (!(self->print = mpl__print_new (options->keeps_order)))
        return mpl__err (err, ENOMEM, "no memory for the jobs' output");
    if (options->output && mkdir (options->output, 0777) < 0 && errno != EEXIST)
        return mpl__err (err, errno, "the folder %s for the output cannot be made: %s", options->output,
                         strerror (errno));
    if (options->joblog && !(self->joblog = mpl__joblog_open (options->joblog, options->resume, err)))
        return -1;
    if (open_pool (self, err) < 0 || open_inputs (self, err) < 0)
        return -1;
    if ((errno = pthread_create (&thread, NULL, take_signals, self)) != 0)
        return mpl__err (err, errno, "no thread for signals: %s", strerror (errno));
    pthread_detach (thread);
    mpl__meter_begin (&self->meter, options->has_progress, options->has_bar, mpl__clock_ns ());
    return 0;
}

static int code (const each_t *self)
{
    if (self->is_broken)
        return BROKEN;
    if (self->signal)
        return 128 + self->signal;
    if (self->is_halted && self->halt_code >= 0)
        return self->halt_code;
    return (int) (self->n_failed > FAILED_MAX ? FAILED_MAX + 1 : self->n_failed);
}

int mpl__each (const mpl_each_options_t *options)
{
    static each_t self;                 /* threads that outlast us know it */
    mpl_err_t err;
    int rc = BROKEN;

    self.options = options;
    if (begin (&self, &err) < 0) {
        fprintf (stderr, "mplaunch: %s\n", err.text);
    } else {
        run_all (&self);
        if (mpl__print_rest (self.print) < 0 && self.state != ABANDONED)
            output_lost (&self);
        tick_meter (&self, 1);
        rc = code (&self);
    }
    mpl_pool_destroy (&self.pool);
    for (job_t *job = self.again, *next; job; job = next) {
        next = job->next;
        free_job (job);
    }
    mpl__feeder_end (&self.feeder);
    mpl__print_destroy (&self.print);
    mpl__joblog_close (&self.joblog);
    return rc;
}

int mpl__each_dry_run (const mpl_each_options_t *options)
{
    mpl_template_t template;
    mpl_err_t err;
    mpl_inputs_t *inputs = mpl__inputs_new (options, &err);
    mpl_job_words_t job = { .n = options->n_sources, .slot = 1 };
    char **words;
    int rc = -1;

    mpl__template_init (&template, options->command, options->n_command, options->replace);
    while (inputs && (rc = mpl__inputs_next (inputs, &words, &err)) == 1) {
        job.inputs = words;
        job.number++;
        char *text = mpl__template_text (&template, &job);
        puts (text ? text : "");
        free (text);
        free (words);
    }
    mpl__inputs_destroy (&inputs);
    if (rc == 0 && fflush (stdout) != 0)
        rc = mpl__err (&err, errno, "the commands cannot be written: %s", strerror (errno));
    if (rc < 0)
        fprintf (stderr, "mplaunch: %s\n", err.text);
    return rc < 0 ? BROKEN : 0;
}
