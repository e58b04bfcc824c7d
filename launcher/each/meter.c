#include "launcher/each/meter.h"
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TERMINAL_NS ((uint64_t) 200 * MPL__NS_PER_MS)
#define ELSEWHERE_NS ((uint64_t) 10 * MPL__NS_PER_S)
#define BAR 30

void mpl__meter_begin (mpl_meter_t *self, int is_on, int has_bar, uint64_t now)
{
    *self = (mpl_meter_t) { .is_on = is_on, .has_bar = has_bar, .is_terminal = isatty (2), .begun_at = now };
    self->due = is_on ? now : MPL__NEVER;
}

static size_t write_bar (const mpl_meter_count_t *count, char *text, size_t size)
{
    size_t full = BAR * (count->done + count->skipped) / count->total;
    char bar[BAR + 1];

    memset (bar, '.', BAR);
    memset (bar, '#', full > BAR ? BAR : full);
    bar[BAR] = '\0';
    return (size_t) snprintf (text, size, "[%s] %zu%% ", bar, 100 * (count->done + count->skipped) / count->total);
}

const char *mpl__meter_text (const mpl_meter_count_t *count, double seconds, int has_bar, char *text, size_t size)
{
    double rate = seconds > 0 ? (double) count->done / seconds : 0;
    size_t len = has_bar && count->total ? write_bar (count, text, size) : 0;

    len += (size_t) snprintf (text + len, size - len, "%zu", count->done + count->skipped);
    if (count->total)
        len += (size_t) snprintf (text + len, size - len, " of %zu", count->total);
    len += (size_t) snprintf (text + len, size - len, " done, %zu failed, %zu running, %.3g/s", count->failed,
                              count->running, rate);
    if (count->total && rate > 0)
        snprintf (text + len, size - len, ", %.0f s left",
                  (double) (count->total - count->done - count->skipped) / rate);
    return text;
}

void mpl__meter_tick (mpl_meter_t *self, const mpl_meter_count_t *count, uint64_t now, int is_last)
{
    char text[256];

    if (!self->is_on || (now < self->due && !is_last))
        return;
    mpl__meter_text (count, (double) (now - self->begun_at) / MPL__NS_PER_S, self->has_bar, text, sizeof text);
    if (self->is_terminal)
        fprintf (stderr, "\r%s\033[K%s", text, is_last ? "\n" : "");
    else
        fprintf (stderr, "mplaunch: %s\n", text);
    self->is_shown = self->is_terminal && !is_last;
    self->due = now + (self->is_terminal ? TERMINAL_NS : ELSEWHERE_NS);
}

void mpl__meter_clear (mpl_meter_t *self)
{
    if (self->is_shown)
        fputs ("\r\033[K", stderr);
    self->is_shown = 0;
}
