/* sweep.h - ending what escaped: processes that left their group and were orphaned became children of this process,
 * which is their subreaper: a nursery, or its agent if that is dead, or the launcher if both are. */
#ifndef BASE_SWEEP_H
#define BASE_SWEEP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Kills the children of this process that carry the mark (base/mark.h), and theirs as they arrive here. */
void mpl__sweep_marked (uint64_t mark);

/* Kills all children of this process but the n of `ours`, and theirs as they arrive here. */
void mpl__sweep_others (const pid_t *ours, size_t n);

/* Kills all children of this process and reaps them until there are none, or until `deadline`. 0: none is left. */
int mpl__sweep_all (uint64_t deadline);

#endif
