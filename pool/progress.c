/* Progress bars on stderr for pools that were opened with opts.progress. Drawn ten times a second on a terminal;
 * elsewhere a line at the end, so that logs stay readable. */
#include "pool/pool.h"
#include "base/clock.h"

#include <stdio.h>
#include <unistd.h>

#define DRAW_NS (100 * (uint64_t) MPL__NS_PER_MS)
#define BAR 30

static void draw (mpl_batch_t *batch, uint64_t now, const char *end)
{
    double seconds = (double) (now - batch->began_at) * 1e-9, rate = (double) batch->n_ended / (seconds > 0 ? seconds : 1);
    char bar[BAR + 1], left[48] = "", failed[48] = "";

    for (size_t i = 0; i < BAR; i++)
        bar[i] = batch->n && i * batch->n < batch->n_ended * BAR ? '#' : '.';
    bar[BAR] = '\0';
    if (!*end && rate > 0 && !batch->is_open)
        snprintf (left, sizeof left, ", %.0f s left", (double) (batch->n - batch->n_ended) / rate);
    if (batch->n_failed)
        snprintf (failed, sizeof failed, ", %zu failed", batch->n_failed);
    fprintf (stderr, "%s%s [%s] %zu of %zu%s, %.4g/s%s%s%s", isatty (2) ? "\r" : "", batch->task->name, bar, batch->n_ended,
             batch->n, batch->is_open ? "+" : "", rate, failed, left, isatty (2) ? "\033[K" : "");
    fputs (end, stderr);
    batch->shown_at = now;
}

uint64_t mpl__progress (mpl_pool_t *self, uint64_t now)
{
    uint64_t due = MPL__NEVER;

    if (!self->opts.progress || !self->running || !isatty (2))
        return due;
    /* One bar fits a line: the batch that was started first. */
    mpl_batch_t *batch = self->running;
    while (batch->next_running)
        batch = batch->next_running;
    uint64_t at = (batch->shown_at ? batch->shown_at : batch->began_at) + DRAW_NS;
    if (batch->n > 1 && now >= at) {
        draw (batch, now, "");
        at = now + DRAW_NS;
    }
    return batch->n > 1 ? at : due;
}

void mpl__progress_end (mpl_batch_t *batch)
{
    if (batch->pool->opts.progress && batch->n > 1)
        draw (batch, mpl__clock_ns (), "\n");
}
