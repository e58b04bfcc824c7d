/* meter.h - how far the jobs are: one line on standard error with what is done, how fast, and how long it may
 * still take. On a terminal it is written over and over, elsewhere once in a while. */
#ifndef LAUNCHER_EACH_METER_H
#define LAUNCHER_EACH_METER_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int is_on, has_bar, is_terminal, is_shown;
    uint64_t begun_at, due;
} mpl_meter_t;

typedef struct {
    size_t total;                       /* 0: not known yet */
    size_t done, failed, running, skipped;
} mpl_meter_count_t;

void mpl__meter_begin (mpl_meter_t *self, int is_on, int has_bar, uint64_t now);

/* Shows the line when it is due, or when is_last. */
void mpl__meter_tick (mpl_meter_t *self, const mpl_meter_count_t *count, uint64_t now, int is_last);

/* Takes the line away, so that something else can be printed. */
void mpl__meter_clear (mpl_meter_t *self);

/* The line itself: "12 of 200 done, 1 failed, 2 running, 34.5/s, 6 s left". Returns text. */
const char *mpl__meter_text (const mpl_meter_count_t *count, double seconds, int has_bar, char *text, size_t size);

#endif
