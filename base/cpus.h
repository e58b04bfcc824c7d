/* cpus.h - how many cores this thread may really use. Reads /proc and /sys; allocates nothing that outlives the call. */
#ifndef BASE_CPUS_H
#define BASE_CPUS_H

/* The smaller of the calling thread's affinity mask and the cgroup's CPU quota (v2 or v1, rounded up), at least 1. */
int mpl__cpus_usable (void);

#endif
