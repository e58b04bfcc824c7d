#include "launcher/tally.h"
#include "launcher/job.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

int mpl__tally_begin (mpl_tally_t *self, const mpl_plan_t *plan, uint64_t now)
{
    *self = (mpl_tally_t) { .n = plan->n, .begun_at = now, .ranks = calloc (plan->n + 1, sizeof *self->ranks) };
    for (size_t i = 0; self->ranks && i < plan->n; i++)
        self->ranks[i].host = plan->hosts.hosts[plan->places[i].host].name;
    return self->ranks ? 0 : -1;
}

void mpl__tally_clear (mpl_tally_t *self)
{
    free (self->ranks);
    *self = (mpl_tally_t) { .ranks = NULL };
}

mpl_record_of_rank_t *mpl__tally_started (mpl_tally_t *self, const mpl_control_t *message, uint64_t now)
{
    if (message->rank >= self->n || self->ranks[message->rank].state != MPL__RANK_WAITS)
        return NULL;
    mpl_record_of_rank_t *rank = &self->ranks[message->rank];
    rank->state = message->status ? MPL__RANK_FAILED_TO_START : MPL__RANK_RUNS;
    rank->pid = (int) message->pid;
    rank->started_at = now;
    self->n_running += !message->status;
    return rank;
}

mpl_record_of_rank_t *mpl__tally_ended (mpl_tally_t *self, const mpl_control_t *message, uint64_t now)
{
    if (message->rank >= self->n || self->ranks[message->rank].state != MPL__RANK_RUNS)
        return NULL;
    mpl_record_of_rank_t *rank = &self->ranks[message->rank];
    rank->state = MPL__RANK_ENDED;
    rank->status = (int) message->status;
    rank->was_held = (int) message->end;
    rank->wall_ns = message->wall_ns;
    rank->cpu_ns = message->cpu_ns;
    rank->peak_bytes = message->peak_bytes;
    rank->started_at = now > message->wall_ns ? now - message->wall_ns : 0;     /* its agent knows better when it began */
    self->n_running--;
    return rank;
}

int mpl__tally_lost (mpl_tally_t *self, size_t number, uint64_t now)
{
    mpl_record_of_rank_t *rank = &self->ranks[number];

    if (rank->state != MPL__RANK_RUNS && rank->state != MPL__RANK_WAITS)
        return 0;
    self->n_running -= rank->state == MPL__RANK_RUNS;
    rank->wall_ns = rank->state == MPL__RANK_RUNS ? now - rank->started_at : 0;
    rank->state = MPL__RANK_LOST;
    return 1;
}

const char *mpl__tally_end_text (const mpl_record_of_rank_t *rank, char *text, size_t size)
{
    switch (rank->state) {
    case MPL__RANK_WAITS:
        return "not started";
    case MPL__RANK_RUNS:
        return "still running";
    case MPL__RANK_FAILED_TO_START:
        return "could not be started";
    case MPL__RANK_LOST:
        return "lost with its host";
    case MPL__RANK_ENDED:
        break;
    }
    return mpl__status_text (rank->status, text, size);
}

const char *mpl__tally_hint (const mpl_record_of_rank_t *rank, char *text, size_t size)
{
    int code = mpl__job_code (rank->status);

    if (WIFSIGNALED (rank->status) && WTERMSIG (rank->status) == SIGKILL) {
        snprintf (text, size, "; out of memory, or killed by somebody? its peak was %.1f MiB",
                  (double) rank->peak_bytes / (1 << 20));
        return text;
    }
    if (WIFSIGNALED (rank->status) && WCOREDUMP (rank->status))
        return "; it left a core file";
    if (WIFSIGNALED (rank->status))
        return "";
    return code == 127   ? "; a command that it runs, or a library, was not found?"
           : code == 126 ? "; a command that it runs is not executable?"
                         : "";
}

const char *mpl__tally_running (const mpl_tally_t *self, const char *host, char *text, size_t size)
{
    size_t len = 0;

    text[0] = '\0';
    for (size_t i = 0; i < self->n; i++) {
        size_t last = i;
        while (last < self->n && self->ranks[last].state == MPL__RANK_RUNS && self->ranks[last].host == host)
            last++;
        if (last == i)
            continue;
        if (len + 32 > size) {
            snprintf (text + len, size - len, ",...");
            break;
        }
        len += (size_t) snprintf (text + len, size - len, last - i > 1 ? "%s%zu-%zu" : "%s%zu", len ? "," : "", i,
                                  last - 1);
        i = last - 1;
    }
    return text;
}
