/* lease.h - how long an agent on another host may go on without a word of its launcher. It sends a BEAT every beat_ns
 * and is answered with the same; self_end_ns after the last answered one was *sent* it ends everything by itself,
 * before the launcher, which counts from when it *received* one, gives the work to others. Times are of
 * CLOCK_BOOTTIME: a host that was suspended must notice. Pure. */
#ifndef WORKER_LEASE_H
#define WORKER_LEASE_H

#include <stdint.h>

typedef struct {
    uint64_t beat_ns, self_end_ns;      /* 0: there is no lease, and it never ends */
    uint64_t beat_at;                   /* when the next BEAT is to be sent */
    uint64_t until;
    int is_paused;                      /* the launcher is stopped by its user, and so are we */
} mpl_lease_t;

void mpl__lease_begin (mpl_lease_t *self, uint64_t beat_ns, uint64_t self_end_ns, uint64_t now);

/* 1 when a BEAT is to be sent now; it says `now`. */
int mpl__lease_beat (mpl_lease_t *self, uint64_t now);

/* The BEAT that was sent at `sent_at` was answered. */
void mpl__lease_answered (mpl_lease_t *self, uint64_t sent_at, uint64_t now);

/* The launcher stops, or goes on: time in between does not count. */
void mpl__lease_pause (mpl_lease_t *self, int is_paused, uint64_t now);

int mpl__lease_is_over (const mpl_lease_t *self, uint64_t now);

/* When there is something to do; UINT64_MAX: never. */
uint64_t mpl__lease_due (const mpl_lease_t *self);

#endif
