/* watch.h - the limits of one worker: how long an item may run, how much memory it may take. Reads its page and /proc;
 * decides nothing about ending it. */
#ifndef WORKER_WATCH_H
#define WORKER_WATCH_H

#include "wire/page.h"

#include <stddef.h>
#include <sys/types.h>

typedef struct {
    uint64_t chunk, item;           /* what it was on at the last look */
    uint64_t since;                 /* and since when at least */
    uint64_t memory_at;             /* when its memory is to be looked at again */
    size_t base_bytes;              /* resident at the first look: what it starts with */
} mpl_watch_t;

/* 1 when the item in user code has run for timeout_ns (0: no limit). Lowers *due to when to look again. An item alone in
 * its chunk is timed exactly, others from the first look that saw them, a tenth of the limit late at most. */
int mpl__watch_time (mpl_watch_t *self, const mpl_page_t *page, uint64_t timeout_ns, uint64_t now, uint64_t *due);

/* 1 when it has more than `memory` bytes resident above what it started with (0: no limit). Looks every 50 ms. */
int mpl__watch_memory (mpl_watch_t *self, pid_t pid, size_t memory, uint64_t now, uint64_t *due);

/* Whether a process with that peak died, in all likelihood, of its limit. */
int mpl__watch_is_near_limit (uint64_t peak_bytes, size_t memory);

#endif
