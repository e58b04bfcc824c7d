/* placement.h - which host each process goes to. Pure: numbers in, numbers out. */
#ifndef LAUNCHER_PLACEMENT_H
#define LAUNCHER_PLACEMENT_H

#include "launcher/options.h"

#include <stddef.h>

/* Where one program may run: for each host of the launch how many of its processes go there before the next host
 * has its turn; 0: none do. */
typedef struct {
    size_t n;                           /* processes; 0: as many as there are slots */
    const int *slots;                   /* one for each host */
} mpl_demand_t;

typedef struct {
    size_t app, host;
    size_t local;                       /* how many ranks come before it on its host */
} mpl_place_t;

/* Places the processes of all programs, in the order of their ranks. By slot (and by core and socket, which say
 * what happens on a host): a host is filled before the next. By node: one to each host in turn, for as long as it
 * has a slot. When every slot is taken, all are dealt out once more, and *is_crowded becomes 1. `capacity` is how
 * many slots each host has for all programs together. *places, *n of them, is the caller's to free. 0; -1 with
 * errno: ENOMEM, ENOSPC (a program has no slot on any host), E2BIG (more than MPL__RANKS_MAX). */
int mpl__place (const mpl_demand_t *demands, size_t n_apps, const int *capacity, size_t n_hosts, mpl_map_by_t map_by,
                mpl_place_t **places, size_t *n, int *is_crowded);

#endif
