/* progress.h - one line on standard error while ranks run: how many do, how many have ended, since when. On a
 * terminal it is written over and over; elsewhere once in a while. */
#ifndef LAUNCHER_PROGRESS_H
#define LAUNCHER_PROGRESS_H

#include "launcher/tally.h"

#include <stdint.h>

typedef struct {
    int is_on, is_terminal, is_shown;
    uint64_t begun_at, due;
} mpl_progress_t;

void mpl__progress_begin (mpl_progress_t *self, int is_on, uint64_t now);

/* When the line is to be written again; MPL__NEVER: it is off. */
uint64_t mpl__progress_due (const mpl_progress_t *self);
void mpl__progress_tick (mpl_progress_t *self, const mpl_tally_t *tally, uint64_t now);

/* Takes the line away, so that something else can be said. */
void mpl__progress_clear (mpl_progress_t *self);

#endif
