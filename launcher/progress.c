#include "launcher/progress.h"
#include "base/clock.h"

#include <stdio.h>
#include <unistd.h>

#define TERMINAL_NS ((uint64_t) 200 * MPL__NS_PER_MS)
#define ELSEWHERE_NS ((uint64_t) 10 * MPL__NS_PER_S)

void mpl__progress_begin (mpl_progress_t *self, int is_on, uint64_t now)
{
    *self = (mpl_progress_t) { .is_on = is_on, .is_terminal = isatty (2), .begun_at = now };
    self->due = !is_on ? MPL__NEVER : now + (self->is_terminal ? TERMINAL_NS : ELSEWHERE_NS);
}

uint64_t mpl__progress_due (const mpl_progress_t *self) { return self->due; }

void mpl__progress_tick (mpl_progress_t *self, const mpl_tally_t *tally, uint64_t now)
{
    size_t ended = 0, failed = 0;

    if (!self->is_on || now < self->due)
        return;
    for (size_t i = 0; i < tally->n; i++) {
        ended += tally->ranks[i].state == MPL__RANK_ENDED || tally->ranks[i].state == MPL__RANK_LOST;
        failed +=
            tally->ranks[i].state == MPL__RANK_ENDED && tally->ranks[i].status && !tally->ranks[i].was_ended_by_us;
    }
    fprintf (stderr, "%smplaunch: %zu of %zu ranks running, %zu ended, %zu failed, %.0f s%s",
             self->is_terminal ? "\r" : "", tally->n_running, tally->n, ended, failed,
             (double) (now - self->begun_at) / MPL__NS_PER_S, self->is_terminal ? "\033[K" : "\n");
    self->is_shown = self->is_terminal;
    self->due = now + (self->is_terminal ? TERMINAL_NS : ELSEWHERE_NS);
}

void mpl__progress_clear (mpl_progress_t *self)
{
    if (self->is_shown)
        fputs ("\r\033[K", stderr);
    self->is_shown = 0;
}
